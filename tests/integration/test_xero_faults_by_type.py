"""Each kind of write, interrupted at each point, tried again a second or days later: one document. In simulated time.

What the engine does with an unknown outcome, done by hand: the same bytes under the same key while Xero keeps the key,
after that a look by the mark, and a new call only where nothing is found.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from connector.core.failure import Kind
from connector.core.party import Applied, NoAnswer, Operation, Outcome, Rejected, Undecided, Write
from connector.core.records import ReadPlan, Version
from connector.core.values import Fields, Value
from connector.http import HttpClient
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.store import Tenant
from tests.integration.test_xero_party_documents import COST, DAY, LINE
from tests.integration.xero_rig import Rig

V = Version(1, 1)
SAME_KEY_SECONDS = 240
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cut-before-commit", {}),
    ("cut-after-commit", {}),
    ("status", {"status": 500}),
    ("status-after-commit", {"status": 500}),
    ("status", {"status": 503}),
    ("status-after-commit", {"status": 502}),
    ("status", {"status": 429}),
    ("token-revoked", {}),
)
DELAYS = (1, 300, 600, 259_200)
CONTENT: str = base64.b64encode(b"hello").decode()
Count = Callable[[Tenant, str], int]


@dataclass(frozen=True)
class Target:
    """One kind of write: its fields for a mark, the criteria that find it, how many the books hold."""

    entity: str
    fields: Callable[[Rig, str], Fields]
    look: Callable[[Rig, str], Fields]
    count: Count


def _of(entity: str, name: str) -> Count:
    return lambda tenant, mark: sum(one.get(name) == mark for one in tenant.all(entity))


def _simple(entity: str, mark_field: str, more: Fields, *, contact: bool = True) -> Target:
    def fields(rig: Rig, mark: str) -> Fields:
        return {**more, mark_field: mark, **({"Contact": rig.contact()} if contact else {})}

    return Target(entity, fields, lambda _rig, mark: {mark_field: mark}, _of(entity, mark_field))


def _owed(rig: Rig) -> str:
    """An approved invoice with plenty due, made by hand once."""
    found = rig.world.first.first("Invoice", lambda one: one["InvoiceNumber"] == "OWED")
    if found is None:
        line = {"Description": "x", "Quantity": 1, "UnitAmount": 1_000_000, "AccountCode": "200", "TaxType": "NONE"}
        made = rig.world.edit("Invoice", None, {
            "Type": "ACCREC", "InvoiceNumber": "OWED", "Contact": {"ContactID": rig.contact()}, "LineItems": [line],
            "Date": "2026-10-01", "DueDate": "2026-10-31", "Status": "AUTHORISED"})  # fmt: skip
        return str(made["InvoiceID"])
    return str(found["InvoiceID"])


def _credit(rig: Rig) -> str:
    found = rig.world.first.first("CreditNote", lambda one: one["CreditNoteNumber"] == "CREDIT")
    if found is None:
        line = {"Description": "x", "Quantity": 1, "UnitAmount": 1_000_000, "AccountCode": "200", "TaxType": "NONE"}
        found = dict(rig.world.edit("CreditNote", None, {
            "Type": "ACCRECCREDIT", "CreditNoteNumber": "CREDIT", "Contact": {"ContactID": rig.contact()},
            "LineItems": [line], "Date": "2026-10-01", "Status": "AUTHORISED"}))  # fmt: skip
    return str(found["CreditNoteID"])


def _amount(mark: str) -> Decimal:
    """An amount of its own for each mark: allocations carry nothing else."""
    return Decimal(int(mark.rpartition("-")[2])) / 100


BILL: Fields = {"Type": "ACCPAY", "LineItems": [COST], "Date": DAY, "DueDate": DAY}
JOURNAL: Fields = {"Narration": "n", "Date": DAY, "JournalLines": [
    {"LineAmount": Decimal(5), "AccountCode": "400"}, {"LineAmount": Decimal(-5), "AccountCode": "404"}]}  # fmt: skip
SPEND: Fields = {"Type": "SPEND", "LineItems": [COST], "Date": DAY, "BankAccount": {"Code": "090"}}
BANKS: Fields = {
    "FromBankAccount": {"Code": "090"},
    "ToBankAccount": {"Code": "091"},
    "Amount": Decimal(7),
    "Date": DAY,
}
TARGETS = (
    Target("Contact", lambda _rig, mark: {"Name": mark, "ContactNumber": mark},
           lambda _rig, mark: {"ContactNumber": mark}, _of("Contact", "ContactNumber")),
    _simple("Item", "Code", {"Name": "n"}, contact=False),
    _simple("Invoice", "InvoiceNumber", {"Type": "ACCREC", "LineItems": [LINE], "Date": DAY, "DueDate": DAY}),
    _simple("Invoice", "Url", BILL),
    _simple("CreditNote", "CreditNoteNumber", {"Type": "ACCRECCREDIT", "LineItems": [LINE], "Date": DAY}),
    _simple("CreditNote", "Reference", {"Type": "ACCPAYCREDIT", "LineItems": [COST], "Date": DAY}),
    _simple("BankTransaction", "Url", SPEND),
    _simple("BankTransaction", "Url", {**SPEND, "Type": "SPEND-PREPAYMENT"}),
    _simple("BankTransfer", "Reference", BANKS, contact=False),
    _simple("PurchaseOrder", "PurchaseOrderNumber", {"LineItems": [COST], "Date": DAY}),
    _simple("Quote", "QuoteNumber", {"LineItems": [LINE], "Date": DAY}),
    _simple("ManualJournal", "Url", JOURNAL, contact=False),
    Target("Payment",
           lambda rig, mark: {"Invoice": _owed(rig), "Account": {"Code": "090"}, "Amount": Decimal(1), "Date": DAY,
                              "Reference": mark},
           lambda _rig, mark: {"Reference": mark}, _of("Payment", "Reference")),
    Target("Allocation",
           lambda rig, mark: {"CreditNote": _credit(rig), "Invoice": _owed(rig), "Amount": _amount(mark), "Date": DAY},
           lambda rig, mark: {"CreditNote": _credit(rig), "Invoice": _owed(rig), "Amount": _amount(mark)},
           lambda tenant, mark: sum(one["Amount"] == _amount(mark) for one in tenant.allocations.values())),
    Target("HistoryRecord", lambda rig, mark: {"Invoice": _owed(rig), "Details": mark},
           lambda rig, mark: {"Invoice": _owed(rig), "Details": mark},
           lambda tenant, mark: sum(note["Details"] == mark for notes in tenant.notes.values() for note in notes)),
    Target("Attachment",
           lambda rig, mark: {"PurchaseOrder": _order(rig, mark), "FileName": "a.txt", "Content": CONTENT},
           lambda rig, mark: {"PurchaseOrder": _order(rig, mark), "FileName": "a.txt"},
           lambda tenant, mark: len(tenant.files.get(_orders[mark], ()))),
)  # fmt: skip
_orders: dict[str, str] = {}


def _order(rig: Rig, mark: str) -> str:
    """A document of its own for each file: a document takes ten."""
    if mark not in _orders:
        line = {"Description": "x", "UnitAmount": 1, "AccountCode": "400"}
        made = rig.world.edit("PurchaseOrder", None, {"Contact": {"ContactID": rig.contact()}, "LineItems": [line]})
        _orders[mark] = str(made["PurchaseOrderID"])
    return _orders[mark]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    app.state.world.limits.change({"minute": 100_000, "day": 1_000_000})
    async with running(app) as base, HttpClient() as http:
        made = Rig(base, app.state.world, http)
        made.party = made.new_party(per_minute=100_000)
        yield made


async def attempt(rig: Rig, write: Write, key: str) -> Outcome:
    """One call; a lost answer is an unknown outcome."""
    try:
        answer = await rig.party.send(rig.party.prepare([write], key), seconds=20)
    except NoAnswer as lost:
        return Undecided(write.id, lost.reason)
    return rig.party.outcomes([write], answer)[0]


def settled(outcome: Outcome) -> bool:
    """Nothing more to find out: it is there, or refused for good."""
    waits = isinstance(outcome, Rejected) and outcome.failure.kind is Kind.RETRY
    return not isinstance(outcome, Undecided) and not waits


async def carry_out(rig: Rig, target: Target, mark: str, delay: int) -> str:
    """The id of the document, whatever happened to the first call."""
    write = Write(mark, target.entity, Operation.CREATE, None, target.fields(rig, mark))
    first = await attempt(rig, write, f"{mark}-1")
    outcome, waited = first, 0
    for number in range(1, 6):
        if settled(outcome):
            break
        told = outcome.failure.retry_after or 0 if isinstance(outcome, Rejected) else 0  # Retry-After is obeyed
        waited += max(delay, told)
        rig.world.clock.advance(max(delay, told))
        unknown = isinstance(first, Undecided)
        if unknown and waited < SAME_KEY_SECONDS and number == 1:
            outcome = await attempt(rig, write, f"{mark}-1")
            continue
        if unknown:
            rig.world.clock.advance(max(0, 421 - waited))  # nothing may be on its way any more
            found = await rig.party.find(ReadPlan(target.entity), target.look(rig, mark), V)
            if found:
                return found[0].id
        outcome = await attempt(rig, write, f"{mark}-{number + 1}")
    assert isinstance(outcome, Applied), outcome
    return outcome.target


def name(target: Target) -> str:
    return f"{target.entity}"


@pytest.mark.parametrize("target", TARGETS, ids=name)
async def test_one_document_wherever_its_call_was_interrupted(rig: Rig, target: Target) -> None:
    number = 100
    for kind, options in FAULTS:
        for delay in DELAYS:
            number += 1
            mark = f"https://example.org/{number}?tl=ab-{number}" if _by_url(rig, target) else f"M-{number}"
            target.fields(rig, mark)  # what it stands on is made before the fault is armed
            rig.world.control.arm({
                "kind": kind, "options": options, "count": 1,
                "match": {"path": "/api.xro", **({} if kind == "token-revoked" else {"method": "PUT"})},
            })  # fmt: skip
            document = await carry_out(rig, target, mark, delay)
            rig.world.control.faults.clear()
            assert target.count(rig.world.first, mark) == 1, (kind, options, delay)
            (found,) = await rig.party.find(ReadPlan(target.entity), target.look(rig, mark), V)
            assert found.id == document, (kind, options, delay)


def _by_url(rig: Rig, target: Target) -> bool:
    return "Url" in target.look(rig, "M-1")


async def test_half_a_batch_is_made_whole_and_no_more(rig: Rig) -> None:
    for at, delay in enumerate(DELAYS):
        writes = []
        for number in range(5):
            fields: dict[str, Value] = {
                **BILL,
                "Contact": rig.contact(),
                "Url": f"https://example.org/{at}{number}?tl=x",
            }
            writes.append(Write(str(number), "Invoice", Operation.CREATE, None, fields))
        request = rig.party.prepare(writes, f"half-{at}")
        rig.world.control.arm({"kind": "half-batch", "match": {"path": "/api.xro", "method": "PUT"}})
        with pytest.raises(NoAnswer):
            await rig.party.send(request, seconds=20)
        rig.world.clock.advance(max(delay, 421))
        missing = [
            write for write in writes if not await rig.party.find(ReadPlan("Invoice"), {"Url": write.fields["Url"]}, V)
        ]
        assert 0 < len(missing) < 5
        again = rig.party.outcomes(missing, await rig.party.send(rig.party.prepare(missing, f"rest-{at}"), seconds=20))
        assert all(isinstance(one, Applied) for one in again)
        for write in writes:
            assert _of("Invoice", "Url")(rig.world.first, str(write.fields["Url"])) == 1
