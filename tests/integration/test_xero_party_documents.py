"""Every kind of document through the Xero party: made, found by its mark, read, polled, changed, ended."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from connector.core.failure import Kind
from connector.core.party import Applied, Operation, Outcome, Rejected, Write
from connector.core.records import ReadPlan, Record, Version
from connector.core.values import Fields, Value
from connector.errors import ConfigurationError, DataError
from connector.http import HttpClient
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.xero.avro import from_value, to_value
from connector.xero.money import Chart, totals
from connector.xero.poller import poll
from connector.xero.position import Watermark
from tests.integration.xero_rig import Rig, versions

V = Version(1, 1)
DAY = date(2026, 10, 5)
LINE: dict[str, Value] = {
    "Description": "Work", "Quantity": Decimal(3), "UnitAmount": Decimal("33.335"), "AccountCode": "200",
}  # fmt: skip
COST: dict[str, Value] = {**LINE, "AccountCode": "400"}


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    app.state.world.limits.minute = 10_000
    async with running(app) as base, HttpClient() as http:
        yield Rig(base, app.state.world, http)


@dataclass(frozen=True)
class Case:
    """One kind of document: what makes it, its mark, one change, and what ends it."""

    entity: str
    fields: Fields
    mark: tuple[str, str]
    change: Fields
    end: Fields | None
    contact: bool = True


URL = "https://example.org/lightning/0011?tl=ab.1"
CASES = (
    Case("Contact", {"Name": "Party Ltd", "ContactNumber": "001P"}, ("ContactNumber", "001P"), {"FirstName": "Ann"},
         {"ContactStatus": "ARCHIVED"}, contact=False),
    Case("Item", {"Code": "P-1", "Name": "Part"}, ("Code", "P-1"), {"Name": "Part two"}, None, contact=False),
    Case("Invoice", {"Type": "ACCREC", "InvoiceNumber": "P-1", "LineItems": [LINE], "Date": DAY, "DueDate": DAY},
         ("InvoiceNumber", "P-1"), {"Status": "AUTHORISED"}, {"Status": "VOIDED"}),
    Case("Invoice", {"Type": "ACCPAY", "Url": URL, "LineItems": [COST], "Date": DAY, "DueDate": DAY}, ("Url", URL),
         {"Reference": "r"}, {"Status": "DELETED"}),
    Case("CreditNote", {"Type": "ACCRECCREDIT", "CreditNoteNumber": "C-1", "LineItems": [LINE], "Date": DAY},
         ("CreditNoteNumber", "C-1"), {"Status": "AUTHORISED"}, {"Status": "VOIDED"}),
    Case("CreditNote", {"Type": "ACCPAYCREDIT", "Reference": "tl-1", "LineItems": [COST], "Date": DAY},
         ("Reference", "tl-1"), {"Status": "SUBMITTED"}, {"Status": "DELETED"}),
    Case("BankTransaction", {"Type": "SPEND", "Url": URL, "LineItems": [COST], "Date": DAY,
                             "BankAccount": {"Code": "090"}},
         ("Url", URL), {"Reference": "r"}, {"Status": "DELETED"}),
    Case("PurchaseOrder", {"PurchaseOrderNumber": "PO/1 ü", "LineItems": [COST], "Date": DAY, "DeliveryDate": DAY},
         ("PurchaseOrderNumber", "PO/1 ü"), {"Status": "AUTHORISED"}, {"Status": "DELETED"}),
    Case("Quote", {"QuoteNumber": "Q-1", "LineItems": [LINE], "Date": DAY}, ("QuoteNumber", "Q-1"), {"Status": "SENT"},
         {"Status": "DELETED"}),
    Case("ManualJournal", {"Narration": "Accrual", "Url": URL, "Date": DAY, "JournalLines": [
        {"LineAmount": Decimal(5), "AccountCode": "400"}, {"LineAmount": Decimal(-5), "AccountCode": "404"}]},
         ("Url", URL), {"Status": "POSTED"}, {"Status": "VOIDED"}, contact=False),
    Case("TrackingCategory", {"Name": "Team"}, ("Name", "Team"), {"Name": "Team two"}, {"Status": "ARCHIVED"},
         contact=False),
)  # fmt: skip


async def create(rig: Rig, entity: str, fields: Fields, key: str = "make") -> Applied:
    (made,) = await rig.write([Write("w", entity, Operation.CREATE, None, fields)], key)
    assert isinstance(made, Applied), made
    return made


async def update(rig: Rig, entity: str, target: str, fields: Fields, key: str) -> Outcome:
    (done,) = await rig.write([Write("u", entity, Operation.UPDATE, target, fields)], key)
    return done


async def polled(rig: Rig, entity: str, mark: Watermark | None = None) -> tuple[list[Record], Watermark]:
    records: list[Record] = []
    at = mark or Watermark()
    async for page in poll(rig.party, entity, at, versions()):
        records += page.records
        at = page.mark
    return records, at


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.entity} {case.mark[0]}")
async def test_the_whole_life_of_a_document(rig: Rig, case: Case) -> None:
    fields = {**case.fields, **({"Contact": rig.contact()} if case.contact else {})}
    made = await create(rig, case.entity, fields)
    name, value = case.mark
    (found,) = await rig.party.find(ReadPlan(case.entity), {name: value}, V)
    (read,) = (await rig.party.read(ReadPlan(case.entity), [made.target], V)).records
    records, mark = await polled(rig, case.entity)
    assert [found.id, read.id] == [made.target, made.target]
    (listed,) = [one for one in records if one.id == made.target]
    assert {name: listed.fields[name] for name in case.fields if name not in NESTED} == {
        name: read.fields[name] for name in case.fields if name not in NESTED
    }
    assert from_value(to_value(read), case.entity).fields == read.fields
    rig.world.clock.advance(120)
    changed = await update(rig, case.entity, made.target, case.change, "change")
    assert isinstance(changed, Applied), changed
    (moved,), _ = await polled(rig, case.entity, mark)
    assert {name: moved.fields[name] for name in case.change} == dict(case.change)
    if case.end is not None:
        ended = await update(rig, case.entity, made.target, case.end, "end")
        assert isinstance(ended, Applied), ended
    if case.end is not None and case.end.get("Status", "ARCHIVED") != "ARCHIVED":
        assert await rig.party.find(ReadPlan(case.entity), {name: value}, V) == ()


# a list shows less of them than a single object
NESTED = frozenset({"LineItems", "JournalLines", "BankAccount"})


@pytest.mark.parametrize("case", [one for one in CASES if one.fields.get("LineItems")], ids=lambda case: case.entity)
async def test_totals_are_what_xero_reckons(rig: Rig, case: Case) -> None:
    made = await create(rig, case.entity, {**case.fields, "Contact": rig.contact()})
    assert made.fields is not None
    chart = Chart({"OUTPUT2": Decimal(20), "INPUT2": Decimal(20)}, {"200": "OUTPUT2", "400": "INPUT2"})
    ours = totals(case.fields, chart, case.entity)
    theirs = [made.fields[name] for name in ("SubTotal", "TotalTax", "Total")]
    assert theirs == [ours.sub_total, ours.total_tax, ours.total]


async def deposit(rig: Rig, kind: str = "RECEIVE-PREPAYMENT") -> Applied:
    line = {**LINE, "Quantity": Decimal(1), "UnitAmount": Decimal(60), "TaxType": "NONE"}
    fields: dict[str, Value] = {
        "Type": kind, "Contact": rig.contact(), "LineItems": [line], "Date": DAY, "BankAccount": {"Code": "090"},
        "Reference": "tl-d-1",
    }  # fmt: skip
    return await create(rig, "BankTransaction", fields, "deposit")


async def approved(rig: Rig, number: str = "A-1") -> str:
    made = (await rig.write([rig.invoice(number, Status="AUTHORISED")], f"invoice {number}"))[0]
    assert isinstance(made, Applied)
    return made.target


async def test_a_deposit_is_allocated_found_through_its_parent_and_taken_back(rig: Rig) -> None:
    owed, made = await approved(rig), await deposit(rig)
    assert made.fields is not None
    parent = str(made.fields["PrepaymentID"])
    fields: dict[str, Value] = {"Prepayment": parent, "Invoice": owed, "Amount": Decimal("20.22"), "Date": DAY}
    part = await create(rig, "Allocation", fields, "allocate")
    assert part.target.startswith(f"Prepayments/{parent}/Allocations/")
    (found,) = await rig.party.find(ReadPlan("Allocation"), fields, V)
    read, other = (await rig.party.read(ReadPlan("Allocation"), [part.target, f"{part.target}0"], V)).records
    assert (read.deleted, other.deleted) == (False, True)  # the parent's list is whole: that one was taken away
    assert (found.id, read.fields["Amount"]) == (part.target, Decimal("20.22"))
    (credit,), _ = await polled(rig, "Prepayment")
    assert (credit.id, credit.fields["RemainingCredit"]) == (parent, Decimal("39.78"))
    refused = await update(rig, "Invoice", owed, {"Status": "VOIDED"}, "void")
    assert isinstance(refused, Rejected)
    assert (refused.failure.kind, refused.failure.code) == (Kind.FIX, "xero.has-payments")
    gone = await update(rig, "Allocation", part.target, {"IsDeleted": True}, "take back")
    assert isinstance(gone, Applied)
    assert await rig.party.find(ReadPlan("Allocation"), fields, V) == ()
    with pytest.raises(DataError, match="cannot be changed"):
        rig.party.prepare([Write("x", "Allocation", Operation.UPDATE, part.target, {"Amount": Decimal(1)})], "k")


async def test_an_allocation_beyond_the_credit_is_named(rig: Rig) -> None:
    owed, made = await approved(rig), await deposit(rig)
    assert made.fields is not None
    write = Write("w", "Allocation", Operation.CREATE, None, {
        "Prepayment": made.fields["PrepaymentID"], "Invoice": owed, "Amount": Decimal(61), "Date": DAY})  # fmt: skip
    (refused,) = await rig.write([write], "over")
    assert isinstance(refused, Rejected)
    assert refused.failure.code == "xero.over-allocated"


async def test_a_credit_is_refunded_and_the_refund_deleted(rig: Rig) -> None:
    fields = {**CASES[4].fields, "Contact": rig.contact(), "Status": "AUTHORISED"}
    note = await create(rig, "CreditNote", fields)
    paid: dict[str, Value] = {
        "CreditNote": note.target, "Account": {"Code": "090"}, "Amount": Decimal(20), "Reference": "tl-p-1",
        "Date": DAY,
    }  # fmt: skip
    refund = await create(rig, "Payment", paid, "refund")
    (found,) = await rig.party.find(ReadPlan("Payment"), {"Reference": "tl-p-1"}, V)
    assert (found.id, found.fields["PaymentType"]) == (refund.target, "ARCREDITPAYMENT")
    await update(rig, "Payment", refund.target, {"Status": "DELETED"}, "end")
    assert await rig.party.find(ReadPlan("Payment"), {"Reference": "tl-p-1"}, V) == ()


async def test_transfers_are_seen_as_a_whole_list_with_the_deleted_ones(rig: Rig) -> None:
    fields: dict[str, Value] = {
        "FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}, "Amount": Decimal(7), "Date": DAY,
        "Reference": "tl-t-1",
    }  # fmt: skip
    made = await create(rig, "BankTransfer", fields)
    (found,) = await rig.party.find(ReadPlan("BankTransfer"), {"Reference": "tl-t-1"}, V)
    assert found.id == made.target
    (seen,), mark = await polled(rig, "BankTransfer")
    assert seen.fields["Status"] == "AUTHORISED"
    await update(rig, "BankTransfer", made.target, {"Status": "DELETED"}, "end")
    (gone,), mark = await polled(rig, "BankTransfer", mark)
    assert gone.fields["Status"] == "DELETED"
    assert await polled(rig, "BankTransfer", mark) == ([], mark)


async def test_settings_are_read_and_a_currency_is_added(rig: Rig) -> None:
    await create(rig, "Currency", {"Code": "NZD"})
    (found,) = await rig.party.find(ReadPlan("Currency"), {"Code": "NZD"}, V)
    assert found.fields["Description"] == "New Zealand Dollar"
    (theme,), _ = await polled(rig, "BrandingTheme")
    (same,) = await rig.party.find(ReadPlan("BrandingTheme"), {"Name": "standard"}, V)
    assert theme.id == same.id
    with pytest.raises(DataError, match="takes none"):
        rig.party.prepare([Write("w", "BrandingTheme", Operation.CREATE, None, {"Name": "x"})], "k")
    with pytest.raises(DataError, match="takes none"):
        rig.party.prepare([Write("w", "Prepayment", Operation.CREATE, None, {"Type": "x"})], "k")


async def test_notes_files_and_options_are_written_once_and_found(rig: Rig) -> None:
    owed = await approved(rig)
    note: dict[str, Value] = {"Invoice": owed, "Details": "Won as https://example.org/006"}
    made = await create(rig, "HistoryRecord", note, "note")
    (found,) = await rig.party.find(ReadPlan("HistoryRecord"), note, V)
    assert found.id == made.target
    content = base64.b64encode(b"%PDF-1.7 \x00\xff").decode()
    file: dict[str, Value] = {
        "Invoice": owed,
        "FileName": "offer é.pdf",
        "MimeType": "application/pdf",
        "Content": content,
    }
    attached = await create(rig, "Attachment", {**file, "IncludeOnline": True}, "file")
    (kept,) = await rig.party.find(ReadPlan("Attachment"), {"Invoice": owed, "FileName": "offer é.pdf"}, V)
    assert (kept.id, kept.fields["ContentLength"]) == (attached.target, Decimal(11))
    assert kept.fields["IncludeOnline"] is True
    category = next(iter(rig.world.first.tables["TrackingCategory"]))
    option = await create(rig, "TrackingOption", {"TrackingCategory": category, "Name": "Mars"}, "option")
    (mars,) = await rig.party.find(ReadPlan("TrackingOption"), {"TrackingCategory": category, "Name": "mars"}, V)
    assert mars.id == option.target
    assert isinstance(await update(rig, "TrackingOption", option.target, {"Status": "DELETED"}, "gone"), Applied)
    for fields, words in (
        ({"Details": "x"}, "belongs to"),
        ({"Invoice": owed, "Details": "x" * 2501}, "2500"),
    ):
        with pytest.raises(DataError, match=words):
            rig.party.prepare([Write("w", "HistoryRecord", Operation.CREATE, None, fields)], "k")
    with pytest.raises(DataError, match="file name"):
        rig.party.prepare([Write("w", "Attachment", Operation.CREATE, None, {**file, "FileName": "a/b"})], "k")


async def test_a_note_that_nobody_answered_for_is_found_by_its_words(rig: Rig) -> None:
    owed = await approved(rig)
    write = Write("n", "HistoryRecord", Operation.CREATE, None, {"Invoice": owed, "Details": "once"})
    rig.arm("cut-after-commit")
    request = rig.party.prepare([write], "note")
    with pytest.raises(Exception, match="no answer"):
        await rig.party.send(request, seconds=10)
    assert len(await rig.party.find(ReadPlan("HistoryRecord"), write.fields, V)) == 1
    (again,) = rig.party.outcomes([write], await rig.party.send(request, seconds=10))
    assert isinstance(again, Applied)
    assert len(await rig.party.find(ReadPlan("HistoryRecord"), write.fields, V)) == 1


async def test_lists_that_cannot_be_asked_say_so(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match="PurchaseOrderNumber"):
        await rig.party.find(ReadPlan("PurchaseOrder"), {"Reference": "x"}, V)


async def test_quotes_come_a_hundred_a_page_and_journals_in_no_order(rig: Rig) -> None:
    quote: dict[str, Value] = {"LineItems": [LINE], "Date": DAY, "Contact": rig.contact()}
    for batch in range(5):
        writes = [Write(f"{batch}-{at}", "Quote", Operation.CREATE, None, quote) for at in range(50)]
        await rig.write(writes, f"quotes {batch}")
        rig.world.clock.advance(1)
    before = rig.party.calls
    records, _ = await polled(rig, "Quote")
    assert len({one.id for one in records}) == len(records) == 250
    assert rig.party.calls - before <= 6
    lines: list[Value] = [{"LineAmount": Decimal(n), "AccountCode": "400"} for n in (5, -5)]
    writes = [
        Write(str(at), "ManualJournal", Operation.CREATE, None, {"Narration": str(at), "JournalLines": lines})
        for at in range(9)
    ]
    await rig.write(writes, "journals")
    found: list[Record] = []
    async for page in poll(rig.party, "ManualJournal", Watermark(), versions(), page_size=4):
        found += page.records
    assert sorted(str(one.fields["Narration"]) for one in found) == [str(at) for at in range(9)]
    assert all(one.fields["JournalLines"] for one in found)
