"""The bytes of a file of Salesforce: whole, of a bounded size, or refused in words that its owner can act on."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from connector.core.records import ReadPlan, Version
from connector.errors import DataError, Unavailable
from connector.salesforce.files import file_bytes
from connector.simulators.salesforce.store import Caller
from tests.integration.test_salesforce_rest import a_party

LINKS = ReadPlan(
    "ContentDocumentLink",
    ("LinkedEntityId", "ContentDocument.Title", "ContentDocument.FileExtension",
     "ContentDocument.LatestPublishedVersionId"),
)  # fmt: skip


def upload(client: Any, data: bytes, place: str | None = None, document: str | None = None) -> str:
    """A person puts a file into the org; gives the id of its version."""
    org = client.org
    tx = org.store.transaction(Caller("005000000000001AAA", ""))
    fields = {"PathOnClient": "Offer v1.pdf", "VersionData": base64.b64encode(data).decode("ascii")}
    named = {"FirstPublishLocationId": place, "ContentDocumentId": document}
    entity = org.schema.entities["ContentVersion"]
    made = org.dml.insert(tx, entity, {**fields, **{name: one for name, one in named.items() if one}})
    tx.commit()
    return str(made)


async def test_a_file_comes_byte_for_byte() -> None:
    async with a_party() as (party, client):
        data = bytes(range(256)) * 100
        assert await file_bytes(party, upload(client, data)) == data


async def test_what_is_too_large_is_not_fetched() -> None:
    async with a_party() as (party, client):
        version = upload(client, b"x" * 101)
        with pytest.raises(DataError) as refused:
            await file_bytes(party, version, largest=100)
        assert refused.value.code == "salesforce.file-too-large"
        assert not any("VersionData" in entry.path for entry in client.control.requests)


@pytest.mark.parametrize("name", ["068000000000000AAA", "001000000000001AAA", "068' OR Id != '"])
async def test_what_is_no_file_is_said_so(name: str) -> None:
    async with a_party() as (party, _):
        with pytest.raises(DataError) as refused:
            await file_bytes(party, name)
        assert refused.value.code == "salesforce.no-file"


async def test_a_cut_file_is_none() -> None:
    async with a_party() as (party, client):
        version = upload(client, b"whole")
        client.org.store.tables["ContentVersion"][version]["ContentSize"] = 6
        with pytest.raises(Unavailable) as cut:
            await file_bytes(party, version)
        assert cut.value.code == "salesforce.file-cut"


async def test_a_link_shows_its_document_and_a_new_version_takes_the_place_of_the_old() -> None:
    async with a_party() as (party, client):
        first = upload(client, b"one", place="006000000000001AAA")
        await party.describe((LINKS,))
        chunk = await party.rows_after(LINKS, "", None, Version(1, 1))
        found = (await party.typed(chunk, 0, len(chunk.rows))).records
        (link,) = [row for row in found if row.fields["LinkedEntityId"] == "006000000000001AAA"]
        about: Any = link.fields["ContentDocument"]
        assert (about["Title"], about["FileExtension"]) == ("Offer v1", "pdf")
        assert about["LatestPublishedVersionId"] == first
        document = str(client.org.store.tables["ContentVersion"][first]["ContentDocumentId"])
        second = upload(client, b"two", document=document)
        (read,) = (await party.read(LINKS, [link.id], Version(1, 2))).records
        again: Any = read.fields["ContentDocument"]
        assert again["LatestPublishedVersionId"] == second
        assert await file_bytes(party, first) == b"one", "a version keeps its bytes"
