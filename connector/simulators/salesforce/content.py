"""Files: a version holds the bytes, a document is all its versions, a link says on which record it lies.

Facts: the object reference on ContentVersion, ContentDocument and ContentDocumentLink. A version never changes its
bytes; uploading again makes a new version. Who has Query All Files may query links without a filter (since v59).
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from connector.simulators.salesforce.schema import Table
from connector.simulators.salesforce.store import Row, Store, Transaction
from connector.simulators.salesforce.values import Refusal, missing

VERSION, DOCUMENT, LINK = "ContentVersion", "ContentDocument", "ContentDocumentLink"
TABLES: tuple[Table, ...] = (
    Table(DOCUMENT, "069", """
Title                    string(255) readonly
FileExtension            string(40)  readonly
FileType                 string(20)  readonly
ContentSize              int(10)     readonly
LatestPublishedVersionId reference   readonly ->ContentVersion=LatestPublishedVersion
OwnerId                  reference   readonly ->User=Owner
""", frozenset({"unreplicated"})),
    Table(VERSION, "068", """
ContentDocumentId      reference createonly ->ContentDocument=ContentDocument/ContentVersions!
Title                  string(255)
PathOnClient           string(500) createonly
VersionData            base64 createonly
FirstPublishLocationId reference createonly
IsLatest               boolean readonly
VersionNumber          string(20) readonly
FileExtension          string(40) readonly
FileType               string(20) readonly
ContentSize            int(10)    readonly
Checksum               string(50) readonly
OwnerId                reference defaulted ->User=Owner
""", frozenset({"unreplicated"})),
    Table(LINK, "06A", """
ContentDocumentId reference required createonly ->ContentDocument=ContentDocument/ContentDocumentLinks!
LinkedEntityId    reference required createonly
ShareType         picklist(40)
Visibility        picklist(40)
""", frozenset({"unreplicated"})),
)  # fmt: skip


def content_of(row: Row) -> bytes:
    """The bytes of a version's row."""
    return base64.b64decode(str(row.get("VersionData") or ""))


def new_version(store: Store, tx: Transaction, row: Row) -> Row:
    """What a version knows of itself when it is uploaded; its document is made with the first one."""
    path = str(row.get("PathOnClient") or "")
    if not path or row.get("VersionData") is None:
        raise missing("PathOnClient" if not path else "VersionData")
    try:
        data = base64.b64decode(str(row["VersionData"]), validate=True)
    except (ValueError, binascii.Error):
        raise Refusal("INVALID_TYPE_ON_FIELD_IN_RECORD", "VersionData: value not of required type") from None
    name, _, extension = path.rpartition("/")[2].rpartition(".")
    document = str(row.get("ContentDocumentId") or "")
    before = store.pointing(VERSION, "ContentDocumentId", document) if document else []
    if not document:
        entity = store.schema.entities[DOCUMENT]
        document = store.new_id(entity)
        stamps = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), tx.at)
        born: Row = {"Id": document, "IsDeleted": False, "OwnerId": tx.caller.user, **stamps}
        tx.put(DOCUMENT, document, store.blank[DOCUMENT] | born)
    return row | {
        "ContentDocumentId": document, "Title": row.get("Title") or name or path, "FileExtension": extension or None,
        "FileType": extension.upper() or "UNKNOWN", "ContentSize": len(data), "IsLatest": True,
        "VersionNumber": str(len(before) + 1), "Checksum": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }  # fmt: skip


def publish(store: Store, tx: Transaction, version_id: str) -> None:
    """After the upload: the document shows the newest version, and the first one lies where it was uploaded."""
    row = store.tables[VERSION][version_id]
    document = str(row["ContentDocumentId"])
    for older in store.pointing(VERSION, "ContentDocumentId", document):
        if older["Id"] != version_id and older["IsLatest"]:
            tx.change(VERSION, str(older["Id"]), {"IsLatest": False})
    shown = {name: row[name] for name in ("Title", "FileExtension", "FileType", "ContentSize")}
    tx.change(DOCUMENT, document, {**shown, "LatestPublishedVersionId": version_id})
    if row["VersionNumber"] == "1":
        for place, share in ((tx.caller.user, "I"), (row.get("FirstPublishLocationId"), "V")):
            if place:
                _link(store, tx, document, str(place), share)


def _link(store: Store, tx: Transaction, document: str, place: str, share: str) -> None:
    link_id = store.new_id(store.schema.entities[LINK])
    row: Row = {
        "Id": link_id, "IsDeleted": False, "ContentDocumentId": document, "LinkedEntityId": place, "ShareType": share,
        "Visibility": "AllUsers", "SystemModstamp": tx.at, "CreatedDate": tx.at, "LastModifiedDate": tx.at,
    }  # fmt: skip
    tx.put(LINK, link_id, store.blank[LINK] | row)
