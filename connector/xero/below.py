"""What stands below an object: allocations, attachments, history notes, tracking options. Pure.

None of them has a list of its own: each is written, read and looked for through its parent, which a write names by its
entity (``{"CreditNote": id, "Invoice": id, "Amount": 5}``). Ids are therefore addresses:
``CreditNotes/<id>/Allocations/<id>``. Nothing here can be changed later; an allocation and an option can be taken away.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from connector.core.below import PARENTS
from connector.core.party import Applied, Operation, Outcome, Request, Undecided, Write
from connector.core.records import Record, Side, Version
from connector.core.values import Fields, Value
from connector.errors import DataError
from connector.xero.criteria import REFERENCES, by_reference
from connector.xero.entities import ENTITIES, ZERO_ID, Entity
from connector.xero.records import json_bytes, read_fields

LONGEST_NOTE = 2500
LARGEST_FILE = 10_000_000  # the documentation has said 10 MB and 25 MB
MOST_ID = 64


@dataclass(frozen=True, slots=True)
class Below:
    """``segment`` stands in the address, ``plural`` around the list, ``id_field`` names one (empty: nothing does)."""

    name: str
    segment: str
    plural: str
    id_field: str
    parents: frozenset[str]
    gone: tuple[str, Value] = ("", None)  # the field and value that take it away again


BELOW: Mapping[str, Below] = {
    below.name: below
    for below in (
        Below(
            "Allocation", "Allocations", "Allocations", "AllocationID",
            PARENTS["Allocation"], ("IsDeleted", True),
        ),
        Below("Attachment", "Attachments", "Attachments", "AttachmentID", PARENTS["Attachment"]),
        Below("HistoryRecord", "History", "HistoryRecords", "", PARENTS["HistoryRecord"]),
        Below(
            "TrackingOption", "Options", "Options", "TrackingOptionID", frozenset({"TrackingCategory"}),
            ("Status", "DELETED"),
        ),
    )
}  # fmt: skip


def parent_of(below: Below, fields: Fields) -> tuple[Entity, str]:
    """The parent that the fields name. Raises DataError (``xero.no-parent``)."""
    for name in sorted(below.parents):
        value = by_reference(name, fields.get(name))
        if value:
            return ENTITIES[name], value
    wanted = ", ".join(sorted(below.parents))
    raise DataError("xero.no-parent", f"A {below.name} names the object that it belongs to: one of {wanted}.")


def address(target: str) -> tuple[Entity, str, Below, str]:
    """(parent, its id, kind, own id) of an id of ours. Raises DataError (``xero.no-parent``)."""
    parts = target.split("/")
    parents = {about.plural: about for about in ENTITIES.values()}
    segments = {below.segment: below for below in BELOW.values()}
    if len(parts) != 4 or parts[0] not in parents or parts[2] not in segments:
        raise DataError("xero.no-parent", f"{target[:200]!r} is no address below a Xero object.")
    return parents[parts[0]], parts[1], segments[parts[2]], parts[3]


def prepare(write: Write, key: str) -> Request:
    """One call for one write. Raises DataError (``xero.no-parent``, ``xero.unchangeable``, ``xero.too-much``)."""
    below = BELOW[write.entity]
    if write.operation is Operation.UPDATE:
        return _take_away(below, write)
    parent, parent_id = parent_of(below, write.fields)
    path = f"{parent.plural}/{quote(parent_id, safe='')}/{below.segment}"
    if below.name == "Attachment":
        return _file(write, path, key)
    headers = (("Content-Type", "application/json"), ("Idempotency-Key", key))
    given = {name: _plain(name, value) for name, value in write.fields.items() if name not in below.parents}
    if len(str(given.get("Details", ""))) > LONGEST_NOTE:
        raise DataError("xero.too-much", f"A history note has at most {LONGEST_NOTE} characters.")
    bare = below.name == "TrackingOption"
    query = (("summarizeErrors", "false"),) if below.name == "Allocation" else ()
    return Request("PUT", path, query, headers, json_bytes(given if bare else {below.plural: [given]}))


def _plain(name: str, value: Value) -> Value:
    id_field = REFERENCES.get(name)
    return value if id_field is None else {id_field: by_reference(name, value)}


def _take_away(below: Below, write: Write) -> Request:
    parent, parent_id, found, own = address(write.target or "")
    if below.gone[0] == "" or found is not below or dict(write.fields) != {below.gone[0]: below.gone[1]}:
        raise DataError("xero.unchangeable", f"A {below.name} cannot be changed: {write.target}.")
    return Request("DELETE", f"{parent.plural}/{parent_id}/{below.segment}/{quote(own, safe='')}")


def _file(write: Write, path: str, key: str) -> Request:
    """The file's own bytes; ``Content`` holds them in base64 (as a text of ours it was encoded on the way)."""
    name, content = str(write.fields.get("FileName") or ""), str(write.fields.get("Content") or "")
    if not name or "/" in name:
        raise DataError("xero.no-file-name", f"The attachment {write.id} has no usable file name: {name[:100]!r}.")
    try:
        body = base64.b64decode(content, validate=True)
    except ValueError as error:
        raise DataError("xero.value", f"The content of {name} is not base64.") from error
    if len(body) > LARGEST_FILE:
        raise DataError("xero.too-much", f"{name} has {len(body)} bytes; Xero takes {LARGEST_FILE}.")
    online = write.fields.get("IncludeOnline") is True and path.startswith(("Invoices/", "CreditNotes/"))
    return Request(
        "PUT", f"{path}/{quote(name, safe='')}", (("IncludeOnline", "true"),) if online else (),
        (("Content-Type", str(write.fields.get("MimeType") or _media(name))), ("Idempotency-Key", key)),
        body,
    )  # fmt: skip


_MEDIA: Mapping[str, str] = {  # a table of our own: the same bytes and headers on every machine
    "csv": "text/csv", "doc": "application/msword", "gif": "image/gif", "html": "text/html", "jpeg": "image/jpeg",
    "jpg": "image/jpeg", "pdf": "application/pdf", "png": "image/png", "txt": "text/plain", "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xls": "application/vnd.ms-excel",
}  # fmt: skip


def _media(name: str) -> str:
    return _MEDIA.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def outcome(write: Write, rows: Sequence[Mapping[str, object]]) -> Outcome:
    """What the rows of a good answer say of a write that its errors do not refuse."""
    below = BELOW[write.entity]
    if write.operation is Operation.UPDATE:
        return Applied(write.id, write.target or "", {below.gone[0]: below.gone[1]})
    if len(rows) != 1:
        return Undecided(write.id, f"The answer does not hold one of {below.plural}.")
    parent, parent_id = parent_of(below, write.fields)
    own = own_id(below, rows[0])
    if not own:
        return Undecided(write.id, f"The answer has no {below.id_field}: it is looked for through its parent.")
    fields: dict[str, Value] = {**read_fields(rows[0], below.name), parent.name: {parent.id_field: parent_id}}
    return Applied(write.id, f"{parent.plural}/{parent_id}/{below.segment}/{own}", fields)


def own_id(below: Below, raw: Mapping[str, object]) -> str:
    """Its id; a note has none and is known by its words. Empty where the answer does not say it."""
    if not below.id_field:
        words = " ".join(str(raw.get("Details") or "").split())
        return hashlib.sha256(words.encode()).hexdigest()[:MOST_ID]
    value = str(raw.get(below.id_field) or raw.get(f"{below.id_field[:-1]}d") or "")
    return "" if value == ZERO_ID else value


def where_below(below: Below, parent: Entity, parent_id: str) -> str:
    """The path whose answer holds all of a parent's: allocations and options stand in the parent itself."""
    path = f"{parent.plural}/{quote(parent_id, safe='')}"
    return path if below.name in ("Allocation", "TrackingOption") else f"{path}/{below.segment}"


def rows_below(below: Below, parent: Entity, body: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The rows of such an answer."""
    holder: object = body
    if below.name in ("Allocation", "TrackingOption"):
        found = body.get(parent.plural)
        holder = found[0] if isinstance(found, list) and found else {}
    rows = holder.get(below.plural) if isinstance(holder, Mapping) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and row.get("IsDeleted") is not True:
            yield row


def record_below(
    below: Below, parent: Entity, parent_id: str, row: Mapping[str, object], tenant: str, version: Version,
    read_at: datetime,
) -> Record:  # fmt: skip
    """One row as a record; it names its parent."""
    fields: dict[str, Value] = {**read_fields(row, below.name), parent.name: {parent.id_field: parent_id}}
    key = f"{parent.plural}/{parent_id}/{below.segment}/{own_id(below, row)}"
    return Record(Side.XERO, tenant, below.name, key, version, read_at, None, fields=fields)
