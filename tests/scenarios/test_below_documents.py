"""What hangs on a document of Xero: credits set against invoices, notes that name the record, files of Salesforce. And
the documents beside invoices that are drafts first: compared, then approved."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Life
from connector.core.values import from_canonical
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import arm, changed_mappings, connection, hits, spine
from tests.scenarios.people import (
    clean,
    deal,
    decide,
    fresh,
    invoice,
    invoices,
    record,
    waits_for_a_person,
    won,
)

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

NOTES, FILES, CREDITS, PARTS = (
    "record-link-note", "files-to-attachments", "credit-to-credit-note", "credit-note-allocation",
)  # fmt: skip
POLLED = ("ContentDocumentLink", "Credit__c")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("below")
    mappings = changed_mappings(folder, {})
    for file in sorted((mappings / "more").glob("*.yaml")):
        shutil.copy(file, mappings)
    for name, text in {"link-file": LINK_FILE, **DRAFTS}.items():
        (mappings / f"{name}.yaml").write_text(f"mapping: {name}\n{text}", "utf-8")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings, start=False) as stage:
        with connection(stage) as one:  # what is no member of the channel is polled
            one["salesforce"] |= {"capture": dict.fromkeys(POLLED, "poll"), "poll_seconds": 1}
        await stage.begin()
        yield stage


LINK_FILE = """
from: salesforce.Opportunity
when: =record.IsWon and record.NextStep == 'link'
to: xero.Attachment
fields:
  Invoice: =target('opportunity-to-invoice', record)
  FileName: Salesforce.html
  Content: ='<a href="' + connection.url + '/' + record.Id + '">' + record.Id + '</a>'
"""


_COMMON = """
from: salesforce.Opportunity
when: =record.NextStep == '{name}'
to: xero.{entity}
fields:
  {fields}
lines:
{lines}
"""
_PARTNER = "Contact: =target('account-contact', record.AccountId)\n  Date: =record.CloseDate"
_LINE = """  - key: a
    fields: {{ Description: Work, Quantity: 3, UnitAmount: =record.Shipping__c, AccountCode: {}, TaxType: {} }}
"""
_SIDES = """  - { key: debit, fields: { LineAmount: =record.Shipping__c, AccountCode: 400 } }
  - { key: credit, fields: { LineAmount: =0 - record.Shipping__c, AccountCode: 404 } }
"""
_QUOTE, _SALE = f"QuoteNumber: ='QU-' + record.Number__c\n  {_PARTNER}", _LINE.format(200, "OUTPUT2")
DRAFTS = {
    "order": _COMMON.format(
        name="order", entity="PurchaseOrder", lines=_LINE.format(310, "INPUT2"),
        fields=f"PurchaseOrderNumber: ='PO-' + record.Number__c\n  {_PARTNER}",
    ),
    "quote": _COMMON.format(name="quote", entity="Quote", fields=_QUOTE, lines=_SALE),
    "sent-quote": _COMMON.format(name="sent", entity="Quote", fields=_QUOTE, lines=_SALE) + "approve: checked\n",
    "journal": _COMMON.format(
        name="journal", entity="ManualJournal", lines=_SIDES,
        fields="Narration: =record.Name\n  Date: =record.CloseDate",
    ),
}  # fmt: skip


async def below(scene: Stage, path: str) -> Json:
    """What Xero answers about one object, as another app would ask."""
    answer = await scene.xero.call("GET", f"/api.xro/2.0/{path}", headers=await scene.token())
    return dict(answer)


async def attachments(scene: Stage, invoice_id: str) -> list[Json]:
    return list((await below(scene, f"Invoices/{invoice_id}/Attachments"))["Attachments"])


async def upload(scene: Stage, place: str, name: str, data: bytes) -> str:
    """Somebody puts a file on a record; gives the id of its version."""
    content = base64.b64encode(data).decode("ascii")
    fields: Json = {"PathOnClient": name, "VersionData": content, "FirstPublishLocationId": place}
    return await scene.salesforce.edit("ContentVersion", fields)


async def lying(scene: Stage, version: str, place: str) -> str:
    """The link by which a file lies on a record."""
    document = (await record(scene, "ContentVersion", version))["ContentDocumentId"]
    rows = await scene.salesforce.objects("ContentDocumentLink")
    return str(next(r["Id"] for r in rows if (r["ContentDocumentId"], r["LinkedEntityId"]) == (document, place)))


async def credit(scene: Stage, opportunity: str, amount: int, allocated: int) -> str:
    account = (await record(scene, "Opportunity", opportunity))["AccountId"]
    fields: Json = {
        "Name": fresh("Credit"), "Number__c": uuid4().hex[:8], "Amount__c": Decimal(amount), "Date__c": "2026-11-20",
        "Allocated__c": Decimal(allocated), "Account__c": account, "Opportunity__c": opportunity,
        "Status__c": "Approved",
    }  # fmt: skip
    return await scene.salesforce.edit("Credit__c", fields)


async def notes(scene: Stage, invoice_id: str, words: str) -> list[Json]:
    rows = (await below(scene, f"Invoices/{invoice_id}/History"))["HistoryRecords"]
    return [row for row in rows if words in str(row["Details"])]


async def test_a_note_names_the_record_and_stays(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    made = await invoice(scene, number)
    await clean(scene, NOTES, opportunity)
    (note,) = await notes(scene, made["InvoiceID"], opportunity)
    assert f"{scene.salesforce.base}/{opportunity}" in note["Details"]
    await scene.salesforce.edit("Opportunity", {"Name": fresh("Renamed")}, opportunity)
    await scene.salesforce.edit("Opportunity", {"StageName": "Closed Lost"}, opportunity)

    async def kept() -> bool:
        link = await link_of(scene, NOTES, opportunity)
        return link is not None and link.life is Life.ENDED

    await until("the note's link is over", kept)
    link = await link_of(scene, NOTES, opportunity)
    assert link is not None
    assert link.reason == "kept"
    assert await notes(scene, made["InvoiceID"], opportunity) == [note]


async def test_a_note_whose_answer_was_lost_is_written_once(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    cut = await arm(scene.xero, "cut-after-commit", "PUT", "/api.xro/2.0/Invoices/")
    await won(scene, opportunity)
    made = await invoice(scene, number)
    await clean(scene, NOTES, opportunity)
    assert await hits(scene.xero, cut) == 1
    assert len(await notes(scene, made["InvoiceID"], opportunity)) == 1


async def test_the_files_of_a_record_hang_on_its_invoice(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    data = bytes(range(256)) * 40
    version = await upload(scene, opportunity, "Signed contract.pdf", data)
    link_id = await lying(scene, version, opportunity)
    await won(scene, opportunity)
    made = await invoice(scene, number)
    link = await clean(scene, FILES, link_id)
    (file,) = await attachments(scene, made["InvoiceID"])
    assert file["FileName"].startswith("Signed contract 069")
    assert (file["MimeType"], file["ContentLength"]) == ("application/pdf", len(data))
    digest = from_canonical(link.seen(link.id.side.other)["Sha256"])
    assert digest == hashlib.sha256(data).hexdigest(), "the link knows what was sent"
    again = await upload(scene, opportunity, "Appendix.txt", b"second")
    await clean(scene, FILES, await lying(scene, again, opportunity))
    assert len(await attachments(scene, made["InvoiceID"])) == 2


async def test_a_file_whose_answer_was_lost_is_attached_once(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    made = await invoice(scene, number)
    await clean(scene, NOTES, opportunity)
    cut = await arm(scene.xero, "cut-after-commit", "PUT", f"/api.xro/2.0/Invoices/{made['InvoiceID']}/Attachments")
    version = await upload(scene, opportunity, "Once.pdf", b"once")
    await clean(scene, FILES, await lying(scene, version, opportunity))
    assert await hits(scene.xero, cut) == 1
    assert [file["ContentLength"] for file in await attachments(scene, made["InvoiceID"])] == [4]


async def test_a_file_that_is_too_large_is_a_review(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    made = await invoice(scene, number)
    version = await upload(scene, opportunity, "film.zip", b"0" * 10_000_001)
    link = await lying(scene, version, opportunity)
    await waits_for_a_person(scene, FILES, link, "salesforce.file-too-large")
    assert await attachments(scene, made["InvoiceID"]) == []


async def test_a_text_of_our_own_becomes_a_file(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,), NextStep="link")
    await won(scene, opportunity)
    made = await invoice(scene, number)
    await clean(scene, "link-file", opportunity)
    (file,) = await attachments(scene, made["InvoiceID"])
    assert (file["FileName"], file["MimeType"]) == ("Salesforce.html", "text/html")


async def test_a_file_that_somebody_else_attached_is_not_replaced(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    made = await invoice(scene, number)
    path = f"Invoices/{made['InvoiceID']}/Attachments/Salesforce.html"
    headers = [*await scene.token(), ("Content-Type", "text/html"), ("Accept", "application/json")]
    url = f"{scene.xero.base}/api.xro/2.0/{path}"
    assert (await scene.xero.http.request("PUT", url, headers=headers, body=b"theirs")).status == 200
    await scene.salesforce.edit("Opportunity", {"NextStep": "link"}, opportunity)
    await waits_for_a_person(scene, "link-file", opportunity, "link.taken")
    (file,) = await attachments(scene, made["InvoiceID"])
    assert file["ContentLength"] == len(b"theirs")


async def credited(scene: Stage, number: str) -> Any:
    (row,) = await invoices(scene, number)
    return row["AmountCredited"]


async def test_a_credit_is_set_against_an_invoice_changed_and_taken_away(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    await invoice(scene, number)
    source = await credit(scene, opportunity, 50, 30)
    await clean(scene, PARTS, source)
    assert await credited(scene, number) == 30

    await scene.salesforce.edit("Credit__c", {"Allocated__c": Decimal(45)}, source)

    async def anew() -> bool:
        return bool(await credited(scene, number) == 45)

    await until("the allocation was made anew", anew)
    await scene.salesforce.edit("Credit__c", {"Allocated__c": Decimal(0)}, source)

    async def gone() -> bool:
        return bool(await credited(scene, number) == 0)

    await until("the allocation is taken away", gone)
    (note,) = [row for row in await scene.xero.objects("CreditNote") if row["Reference"].startswith("Credit ")][-1:]
    assert note["Status"] == "AUTHORISED"


async def test_an_allocation_whose_answer_was_lost_is_made_once(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    await invoice(scene, number)
    cut = await arm(scene.xero, "cut-after-commit", "PUT", "/api.xro/2.0/CreditNotes/")
    source = await credit(scene, opportunity, 50, 20)
    await clean(scene, PARTS, source)
    assert await hits(scene.xero, cut) == 1
    assert await credited(scene, number) == 20


async def test_an_allocation_of_more_than_is_left_is_a_review(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    await invoice(scene, number)
    source = await credit(scene, opportunity, 10, 60)
    link = await waits_for_a_person(scene, PARTS, source, "xero.over-allocated")
    await scene.salesforce.edit("Credit__c", {"Allocated__c": Decimal(6)}, source)
    await decide(scene, link, "retry")
    await clean(scene, PARTS, source)
    assert await credited(scene, number) == 6


@pytest.mark.parametrize(
    ("name", "mapping", "entity", "status"),
    [
        ("order", "order", "PurchaseOrder", "AUTHORISED"),
        ("quote", "quote", "Quote", "DRAFT"),
        ("sent", "sent-quote", "Quote", "SENT"),
        ("journal", "journal", "ManualJournal", "POSTED"),
    ],
)
async def test_a_draft_is_compared_and_then_approved(
    scene: Stage, name: str, mapping: str, entity: str, status: str
) -> None:
    opportunity, number, _ = await deal(scene, (), Shipping__c=Decimal("33.35"))
    before = {row[f"{entity}ID"] for row in await scene.xero.objects(entity)}
    await scene.salesforce.edit("Opportunity", {"NextStep": name}, opportunity)
    await clean(scene, mapping, opportunity)
    (made,) = [row for row in await scene.xero.objects(entity) if row[f"{entity}ID"] not in before]
    assert made["Status"] == status
    if entity != "ManualJournal":
        assert (made["SubTotal"], made["TotalTax"]) == (Decimal("100.05"), Decimal("20.01"))
        assert made[f"{entity}Number"].endswith(number)
