"""Several documents of one record: a deposit and the rest, one invoice for each instalment, a bill with its payment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Hold, Life, Link
from tests.integration.kafka_views import links
from tests.integration.spine_stage import opened, spine
from tests.scenarios.people import deal, expense, line, linked_customer, record, stage_is, won

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]

#  Three ways to bill, told apart by the opportunity's region so that all of them run beside each other here.
MAPPINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "account-contact": (),
    "instead/deposit-and-rest": (("=record.IsWon", "=record.IsWon and record.Region__c == 'deposit'"),),
    "instead/instalments": (("=record.IsWon", "=record.IsWon and record.Region__c == 'instalments'"),),
    "instead/expense-paid": (),
    "instead/paid-to-opportunity": (),
    "opportunity-to-invoice": (
        ("=record.IsWon", "=record.IsWon and record.Region__c == 'live'"),
        ("begin: new", "begin: new\ndepends: live"),
    ),
}
DEPOSIT, INSTALMENTS, EXPENSES = "deposit-and-rest", "instalments", "expense-paid"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("several")
    there = folder / "mappings"
    there.mkdir()
    for name, changes in MAPPINGS.items():
        text = (shipped_mappings() / f"{name}.yaml").read_text("utf-8")
        for before, after in changes:
            assert before in text, (name, before)
            text = text.replace(before, after)
        (there / f"{Path(name).name}.yaml").write_text(text, "utf-8")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=there) as stage:
        await opened(stage)
        yield stage


async def invoices(office: Stage, start: str, status: str = "") -> dict[str, Json]:
    """Invoices by number, of those whose number begins so."""
    rows = [row for row in await office.xero.objects("Invoice") if str(row["InvoiceNumber"]).startswith(start)]
    return {str(row["InvoiceNumber"]): row for row in rows if status in ("", row["Status"])}


async def stand(office: Stage, start: str, wanted: set[str], status: str = "AUTHORISED") -> dict[str, Json]:
    """Wait until exactly these invoices have a status."""

    async def there() -> dict[str, Json] | None:
        found = await invoices(office, start, status)
        return found if set(found) == wanted else None

    found = await until(f"{sorted(wanted)} are {status}", there)
    assert isinstance(found, dict)
    return found


async def family(office: Stage, mapping: str, source: str) -> dict[str, Link]:
    """The last link of each document of a record."""
    out: dict[str, Link] = {}
    for link in await links(office, mapping):
        known = out.get(link.id.part)
        if link.id.source == source and (known is None or known.id.generation < link.id.generation):
            out[link.id.part] = link
    return out


async def test_a_deposit_and_the_rest_of_one_opportunity(office: Stage) -> None:
    source, number, _ = await deal(office, (900, 100), Region__c="deposit")
    await won(office, source)
    found = await stand(office, f"OPP-{number}", {f"OPP-{number}-D", f"OPP-{number}-R"})
    assert {name[-1]: row["SubTotal"] for name, row in found.items()} == {"D": 300, "R": 700}
    assert sum(row["SubTotal"] for row in found.values()) == 1000, "to the cent"


async def test_the_opportunity_shows_what_was_paid_on_both(office: Stage) -> None:
    source, number, _ = await deal(office, (900, 100), Region__c="deposit")
    await won(office, source)
    found = await stand(office, f"OPP-{number}", {f"OPP-{number}-D", f"OPP-{number}-R"})
    for invoice in found.values():
        await pay(office, invoice)
    total = sum(row["Total"] for row in found.values())

    async def shown() -> bool:
        opportunity = await record(office, "Opportunity", source)
        return (opportunity["Amount_Paid__c"], opportunity["Invoice_Status__c"]) == (total, "PAID")

    await until(f"{total} is shown as paid", shown)


async def pay(office: Stage, invoice: Json) -> None:
    """Somebody receives the whole of it on the bank account."""
    bank = next(row for row in await office.xero.objects("Account") if row["Type"] == "BANK")
    payment: Json = {
        "Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"AccountID": bank["AccountID"]},
        "Date": "2026-11-23", "Amount": invoice["Total"],
    }  # fmt: skip
    await office.xero.call("POST", "/__sim/edit", {"entity": "Payment", "fields": payment})


async def test_where_one_cannot_be_made_nothing_stays(office: Stage) -> None:
    """The number of the rest is taken: Xero refuses it, and the deposit's draft is deleted again."""
    source, number, _ = await deal(office, (900, 100), Region__c="deposit")
    stranger = (await office.xero.objects("Contact"))[0]["ContactID"]
    await office.xero.edit("Invoice", {
        "Type": "ACCREC", "Contact": {"ContactID": stranger}, "InvoiceNumber": f"OPP-{number}-R",
        "LineItems": [{"Description": "Somebody else's", "Quantity": Decimal(1), "UnitAmount": Decimal(1)}],
    })  # fmt: skip
    await won(office, source)

    async def failed() -> dict[str, Link] | None:
        mine = await family(office, DEPOSIT, source)
        gone = "deposit" in mine and mine["deposit"].life is Life.ENDED and mine["deposit"].reason == "undone"
        return mine if gone and mine["rest"].hold is Hold.FAILED else None

    mine = await until("the rest is a review, the deposit is taken back", failed)
    assert "rest" in mine["deposit"].message
    assert {row["Status"] for row in (await invoices(office, f"OPP-{number}-D")).values()} <= {"DELETED"}
    other = f"{number}x"
    await office.salesforce.edit("Opportunity", {"Number__c": other}, source)
    found = await until("both stand once the number is another", lambda: two(office, other))
    assert sum(row["SubTotal"] for row in found.values()) == 1000


async def two(office: Stage, number: str) -> dict[str, Json] | None:
    found = await invoices(office, f"OPP-{number}", "AUTHORISED")
    return found if len(found) == 2 else None


async def test_an_approved_invoice_is_issued_again_when_its_deal_changes(office: Stage) -> None:
    source, number, _ = await deal(office, (900, 100), Region__c="deposit")
    await won(office, source)
    await stand(office, f"OPP-{number}", {f"OPP-{number}-D", f"OPP-{number}-R"})
    await line(office, source, 1000)
    wanted = {f"OPP-{number}-D-2", f"OPP-{number}-R-2"}
    found = await stand(office, f"OPP-{number}", wanted)
    assert sum(row["SubTotal"] for row in found.values()) == 2000
    await stand(office, f"OPP-{number}", {f"OPP-{number}-D", f"OPP-{number}-R"}, "VOIDED")


async def test_each_instalment_is_an_invoice(office: Stage) -> None:
    source, _, lines = await deal(office, (100, 40), Region__c="instalments")
    await office.salesforce.edit("OpportunityLineItem", {"ServiceDate": "2027-01-31"}, lines[1])
    await won(office, source)
    found = await stand(office, "INS-", {f"INS-{one}" for one in lines})
    assert str(found[f"INS-{lines[1]}"]["Date"]).startswith("2027-01-31")
    third = await line(office, source, 60)
    found = await stand(office, "INS-", {f"INS-{one}" for one in (*lines, third)})
    assert sum(row["SubTotal"] for row in found.values()) == 200
    await office.salesforce.edit("OpportunityLineItem", {"UnitPrice": Decimal(50)}, lines[1])
    again = await stand(office, f"INS-{lines[1]}-2", {f"INS-{lines[1]}-2"})
    assert [row["SubTotal"] for row in again.values()] == [50], "an approved one is made anew"
    await credited(office, f"CR-INS-{lines[1]}", 40)
    await allocated(office, f"INS-{lines[1]}")
    await office.salesforce.call("POST", "/__sim/delete", {"entity": "OpportunityLineItem", "id": lines[0]})
    await stand(office, "INS-", {f"INS-{lines[0]}"}, "VOIDED")
    await stage_is(office, source, "Closed Lost")
    await stand(office, f"INS-{third}", {f"INS-{third}"}, "VOIDED")


async def credited(office: Stage, number: str, net: int) -> None:
    """Wait for the credit note of what an invoice held."""

    async def there() -> list[Json]:
        return [row for row in await office.xero.objects("CreditNote") if row["CreditNoteNumber"] == number]

    (note,) = await until(f"{number} is there", there)
    assert (note["Type"], note["SubTotal"]) == ("ACCRECCREDIT", net)


async def allocated(office: Stage, number: str) -> None:
    """Wait until an invoice is settled by its credit note."""

    async def settled() -> bool:
        row = (await invoices(office, number))[number]
        return (row["Status"], row["AmountCredited"], row["AmountDue"]) == ("PAID", row["Total"], 0)

    await until(f"{number} is credited in full", settled)


async def test_a_paid_expense_is_a_bill_and_its_payment(office: Stage) -> None:
    source = await expense(office, await linked_customer(office), Amount__c=Decimal("120.00"))

    async def paid() -> list[Json]:
        rows = [row for row in await office.xero.objects("Invoice") if f"/{source}?tl=" in str(row.get("Url"))]
        return [row for row in rows if row["Status"] == "PAID"]

    (bill,) = await until("the bill is paid", paid)
    assert (bill["Total"], bill["AmountPaid"], bill["AmountDue"]) == (120, 120, 0)
    payments = [row for row in await office.xero.objects("Payment") if row["Invoice"]["InvoiceID"] == bill["InvoiceID"]]
    assert [row["Amount"] for row in payments] == [120]
    await office.salesforce.edit("Expense__c", {"Amount__c": Decimal("130.00")}, source)

    async def told() -> dict[str, str] | None:
        codes = {part: link.code for part, link in (await family(office, EXPENSES, source)).items()}
        return codes if all(codes.values()) else None

    codes = await until("a later amount is a review of the bill and of the payment", told)
    assert set(codes) == {"bill", "payment"}
    assert all(code.startswith("link.changed-") for code in codes.values())
    await office.salesforce.edit("Expense__c", {"Amount__c": Decimal("120.00")}, source)

    async def over() -> bool:
        return not any(link.code for link in (await family(office, EXPENSES, source)).values())

    await until("the first amount ends both", over)


async def test_what_is_read_beside_a_record_reaches_its_invoice(office: Stage) -> None:
    """`depends: live`: the customer's terms change, and nothing of the opportunity does."""
    source, number, _ = await deal(office, Region__c="live")
    await won(office, source)
    name = f"OPP-{number}"
    found = await stand(office, name, {name})
    assert str(found[name]["DueDate"]).startswith("2026-12-20")
    account = (await record(office, "Opportunity", source))["AccountId"]
    await office.salesforce.edit("Account", {"Terms__c": Decimal(10)}, str(account))

    async def sooner() -> bool:
        return str((await invoices(office, name))[name]["DueDate"]).startswith("2026-11-30")

    await until("the invoice is due ten days after its date", sooner)
