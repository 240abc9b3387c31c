"""An object that somebody invented becomes any entry of Xero, by mapping files alone: an order, a bill, money spent or
received, a quote, credits, a payment, deposits, a journal. Each is born under an answer that is lost."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage, until
from connector.cli.usage import counted
from connector.core.link_state import Link, State
from connector.simulators.salesforce import org
from connector.simulators.salesforce.sales_org import TABLES
from tests.integration.kafka_views import cluster, link_of, state_of
from tests.integration.spine_stage import arm, connection, hits, spine
from tests.scenarios.people import clean, fresh, linked_customer
from tests.scenarios.replaying import says_nothing_new
from tests.scenarios.voucher import VOUCHER

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
CENT, FIFTH = Decimal("0.01"), Decimal("0.2")  # the demo company's tax on these accounts is 20 %
PRICED = {"Quantity__c": Decimal(3), "Price__c": Decimal("33.335"), "Amount__c": Decimal("100.01")}
CHANGED = {"Quantity__c": Decimal(7), "Amount__c": Decimal("33.35")}


@dataclass(frozen=True, slots=True)
class Entry:
    """``kind`` is what the voucher says, ``type`` Xero's Type, ``by_amount`` whether Amount__c is its total."""

    kind: str
    entity: str
    plural: str
    status: str
    gone: str
    type: str = ""
    by_amount: bool = False
    called: str = ""  # by `twinledger usage`

    @property
    def mapping(self) -> str:
        return "voucher-" + self.kind.lower().replace(" ", "-")


ENTRIES = (
    Entry("Purchase order", "PurchaseOrder", "PurchaseOrders", "AUTHORISED", "DELETED", called="PurchaseOrder"),
    Entry("Bill", "Invoice", "Invoices", "AUTHORISED", "VOIDED", "ACCPAY", called="bill"),
    Entry("Spend money", "BankTransaction", "BankTransactions", "AUTHORISED", "DELETED", "SPEND", called="spend money"),
    Entry("Receive money", "BankTransaction", "BankTransactions", "AUTHORISED", "DELETED", "RECEIVE",
          called="receive money"),
    Entry("Quote", "Quote", "Quotes", "SENT", "DELETED", called="Quote"),
    Entry("Credit note", "CreditNote", "CreditNotes", "AUTHORISED", "VOIDED", "ACCRECCREDIT",
          called="credit note"),
    Entry("Supplier credit", "CreditNote", "CreditNotes", "AUTHORISED", "VOIDED", "ACCPAYCREDIT",
          called="supplier credit"),
    Entry("Payment", "Payment", "Payments", "AUTHORISED", "DELETED", by_amount=True, called="Payment"),
    Entry("Prepayment", "BankTransaction", "BankTransactions", "AUTHORISED", "DELETED", "SPEND-PREPAYMENT",
          called="prepayment to supplier"),
    Entry("Overpayment", "BankTransaction", "BankTransactions", "AUTHORISED", "DELETED", "RECEIVE-OVERPAYMENT",
          by_amount=True, called="overpayment of customer"),
    Entry("Supplier overpayment", "BankTransaction", "BankTransactions", "AUTHORISED", "DELETED", "SPEND-OVERPAYMENT",
          by_amount=True, called="overpayment to supplier"),
    Entry("Journal", "ManualJournal", "ManualJournals", "POSTED", "VOIDED", by_amount=True, called="ManualJournal"),
    Entry("Invoice", "Invoice", "Invoices", "AUTHORISED", "VOIDED", "ACCREC", called="sales invoice"),
    Entry("Customer deposit", "BankTransaction", "BankTransactions", "AUTHORISED", "DELETED", "RECEIVE-PREPAYMENT",
          called="prepayment of customer"),
)  # fmt: skip
BY_KIND = {entry.kind: entry for entry in ENTRIES}
BILL = BY_KIND["Bill"]
DEPOSITS = [("Prepayment", "Bill", "voucher-deposit-allocation"),
            ("Customer deposit", "Invoice", "voucher-customer-deposit-allocation"),
            ("Overpayment", "Invoice", "voucher-overpayment-allocation"),
            ("Supplier overpayment", "Bill", "voucher-supplier-overpayment-allocation")]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("entries")
    there = folder / "mappings"
    shutil.copytree(shipped_mappings() / "more" / "voucher", there)
    shutil.copy(shipped_mappings() / "account-contact.yaml", there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(org, "TABLES", (*TABLES, VOUCHER))  # somebody made the object in Salesforce's Setup
        async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=there, start=False) as stage:
            with connection(stage) as one:
                one["salesforce"] |= {"capture": {"Voucher__c": "poll"}, "poll_seconds": 1}
            await stage.begin()
            yield stage


async def voucher(scene: Stage, kind: str, partner: str, **fields: str | Decimal) -> str:
    known: Json = {
        "Name": fresh(kind), "Number__c": uuid4().hex[:8], "Kind__c": kind, "Status__c": "Approved",
        "Date__c": "2026-11-20", "Partner__c": partner, **PRICED, **fields,
    }  # fmt: skip
    return await scene.salesforce.edit("Voucher__c", known)


async def settled_bill(scene: Stage, entry: Entry, partner: str) -> dict[str, str]:
    """What a payment names: the voucher of a bill that stands."""
    if entry.kind != "Payment":
        return {}
    bill = await voucher(scene, BILL.kind, partner)
    await clean(scene, BILL.mapping, bill)
    return {"Settles__c": bill}


def owed(row: Json, entry: Entry) -> Decimal:
    """What a person with a calculator makes of the voucher."""
    if entry.by_amount:
        return Decimal(row["Amount__c"])
    net = (row["Quantity__c"] * row["Price__c"]).quantize(CENT, ROUND_HALF_UP)
    return Decimal(net + (net * FIFTH).quantize(CENT, ROUND_HALF_UP))


def booked(made: Json) -> Decimal:
    """What Xero shows: a total, the amount of a payment, the debits of a journal."""
    if "JournalLines" in made:
        return sum((one["LineAmount"] for one in made["JournalLines"] if one["LineAmount"] > 0), Decimal("0.00"))
    return Decimal(made["Total"] if "Total" in made else made["Amount"])


async def objects(scene: Stage, entry: Entry) -> dict[str, Json]:
    return {row[f"{entry.entity}ID"]: row for row in await scene.xero.objects(entry.entity)}


async def said(scene: Stage, source: str) -> Json:
    return next(row for row in await scene.salesforce.objects("Voucher__c") if row["Id"] == source)


async def stands(scene: Stage, entry: Entry, source: str, status: str) -> Json:
    """Wait until the record's newest entry has a status and exactly the record's money."""

    async def there() -> Json | None:
        link = await link_of(scene, entry.mapping, source)
        made = (await objects(scene, entry)).get(link.xero.id if link is not None else "")
        if made is None or made["Status"] != status:
            return None
        right = booked(made) == owed(await said(scene, source), entry)
        return made if right and await state_of(scene, entry.mapping, source) is State.CLEAN else None

    return dict(await until(f"the {entry.kind} of {source} is {status} over the voucher's money", there))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.mapping)
async def test_an_entry_is_born_once_follows_its_record_and_goes(scene: Stage, entry: Entry) -> None:
    partner = await linked_customer(scene)
    fields = await settled_bill(scene, entry, partner)
    before = set(await objects(scene, entry))
    cut = await arm(scene.xero, "cut-after-commit", "PUT", f"/api.xro/2.0/{entry.plural}")
    source = await voucher(scene, entry.kind, partner, **fields)
    made = await stands(scene, entry, source, entry.status)
    assert await hits(scene.xero, cut) == 1
    assert set(await objects(scene, entry)) - before == {made[f"{entry.entity}ID"]}, "its answer was lost: still one"
    assert made.get("Type", entry.type) == entry.type or entry.entity == "PurchaseOrder"

    await scene.salesforce.edit("Voucher__c", CHANGED, source)
    after = await stands(scene, entry, source, entry.status)
    assert booked(after) != booked(made)

    await scene.salesforce.edit("Voucher__c", {"Status__c": "Draft"}, source)

    async def gone() -> bool:
        rows = await objects(scene, entry)
        return {rows[name]["Status"] for name in set(rows) - before} == {entry.gone}

    await until(f"the {entry.kind} is {entry.gone}", gone)


@pytest.mark.parametrize(("deposit", "settles", "allocation"), DEPOSITS)
async def test_a_deposit_is_set_against_what_it_was_paid_for(
    scene: Stage, deposit: str, settles: str, allocation: str
) -> None:
    """As much as the voucher says; a changed amount takes it away and sets it anew, and none lets the document go."""
    partner, document = await linked_customer(scene), BY_KIND[settles]
    other = await voucher(scene, settles, partner)
    owing = await stands(scene, document, other, "AUTHORISED")
    source = await voucher(scene, deposit, partner, Settles__c=other, Allocated__c=Decimal("50.05"))

    async def credited(amount: str) -> None:
        async def there() -> bool:
            row = (await objects(scene, document))[owing["InvoiceID"]]
            return (row["AmountCredited"], row["AmountDue"]) == (Decimal(amount), owing["Total"] - Decimal(amount))

        await until(f"{amount} of it is paid by the deposit", there)

    await credited("50.05")
    await clean(scene, allocation, source)
    await scene.salesforce.edit("Voucher__c", {"Allocated__c": Decimal("20.00")}, source)
    await credited("20.00")
    await clean(scene, allocation, source)
    await scene.salesforce.edit("Voucher__c", {"Allocated__c": Decimal(0)}, source)
    await credited("0.00")


async def test_the_money_of_all_entries_agrees_and_reading_again_writes_nothing(scene: Stage) -> None:
    partner = await linked_customer(scene)
    sources: list[tuple[Entry, str]] = []
    for place, entry in enumerate(ENTRIES):
        fields = await settled_bill(scene, entry, partner)
        price, amount = Decimal("11.115") + place, Decimal("20.05") + place
        sources.append((entry, await voucher(scene, entry.kind, partner, Price__c=price, Amount__c=amount, **fields)))
    links: list[Link] = [await clean(scene, entry.mapping, source) for entry, source in sources]
    differences: list[Decimal] = []
    for (entry, source), link in zip(sources, links, strict=True):
        made = (await objects(scene, entry))[link.xero.id]
        differences.append(abs(booked(made) - owed(await said(scene, source), entry)))
    assert len(differences) == len(ENTRIES)
    assert sum(differences, Decimal("0.00")) == Decimal("0.00")
    counts = {row.mapping: row.type for row in await counted(cluster(scene), "demo")}
    assert {entry.mapping: f"xero {entry.called}" for entry in ENTRIES}.items() <= counts.items()
    await says_nothing_new(scene)
