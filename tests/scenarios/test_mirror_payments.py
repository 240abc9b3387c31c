"""What settled an invoice or bill of Xero stands in Salesforce, a row each, also of those that are older than us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage
from tests.integration.spine_stage import spine
from tests.scenarios.mirrors import LINES, SETTLED, invoiced, line, mirror, rows, shown
from tests.scenarios.people import MIRRORS, becomes, clean, contact_of, fresh, linked_customer, pay, sent

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
API = "/api.xro/2.0"
TAXLESS = {"Status": "AUTHORISED", "LineAmountTypes": "NoTax"}


async def ask(scene: Stage, method: str, path: str, body: Json | None = None) -> Json:
    """Somebody's own program works in Xero; gives the first object of the answer."""
    answer = await scene.xero.call(method, f"{API}/{path}", body, await scene.token())
    found = next((rows for rows in answer.values() if isinstance(rows, list) and rows), [answer])
    return dict(found[0])


async def applied(scene: Stage, credit: str, invoice: str, amount: int) -> str:
    """A part of a credit goes against an invoice; gives the path of that part."""
    part = {"Invoice": {"InvoiceID": invoice}, "Amount": Decimal(amount), "Date": "2026-11-22"}
    made = await ask(scene, "PUT", f"{credit}/Allocations", {"Allocations": [part]})
    return f"{credit}/Allocations/{made['AllocationID']}"


async def credit_note(scene: Stage, contact: str, amount: int) -> tuple[str, str]:
    """(path, number) of an approved credit note."""
    number = f"CN-{uuid4().hex[:8]}"
    note = await ask(scene, "PUT", "CreditNotes", {
        "Type": "ACCRECCREDIT", "Contact": {"ContactID": contact}, "CreditNoteNumber": number, "Date": "2026-11-21",
        "LineItems": [line("Back", amount)], **TAXLESS,
    })  # fmt: skip
    return f"CreditNotes/{note['CreditNoteID']}", number


async def deposit(scene: Stage, contact: str, kind: str, account: str, amount: int) -> str:
    """The path of a deposit, which is born of money received."""
    made = await ask(scene, "PUT", "BankTransactions", {
        "Type": f"RECEIVE-{kind.upper()}", "Contact": {"ContactID": contact}, "BankAccount": {"Code": "090"},
        "Date": "2026-11-21", "LineAmountTypes": "NoTax",
        "LineItems": [line("Ahead", amount, AccountCode=account, TaxType="NONE")],
    })  # fmt: skip
    return f"{kind}s/{made[f'{kind}ID']}"


async def settled(scene: Stage, invoice: str, *wanted: tuple[str, int]) -> dict[str, Json]:
    """Wait until the rows in Salesforce are these kinds and amounts; gives them by their mark."""

    async def there() -> dict[str, Json] | bool:
        found = await rows(scene, invoice, SETTLED)
        same = sorted((row["Kind__c"], row["Amount__c"]) for row in found.values()) == sorted(wanted)
        return (found or True) if same else False

    found = await becomes(f"invoice {invoice} was settled with {wanted}", there)
    return found if isinstance(found, dict) else {}


async def test_payments_come_as_rows_and_a_deleted_one_goes(scene: Stage) -> None:
    made, invoice = await invoiced(scene, line("Chairs", 120), **TAXLESS)
    assert await settled(scene, made) == {}
    await clean(scene, MIRRORS, made)
    before = await sent(scene, made)
    await pay(scene, invoice, "50", Reference="BACS 1")
    (first,) = (await settled(scene, made, ("Payment", 50))).values()
    assert (first["Date__c"], first["Reference__c"], first["Number__c"]) == ("2026-11-23", "BACS 1", None)
    await clean(scene, MIRRORS, made)
    assert await sent(scene, made) == before + 1, "the row goes with the invoice, in one call"

    await pay(scene, invoice, "30")
    both = await settled(scene, made, ("Payment", 50), ("Payment", 30))
    assert first["Id"] in {row["Id"] for row in both.values()}, "the same row"
    await ask(scene, "POST", f"Payments/{first['Xero_Id__c']}", {"Status": "DELETED"})
    (left,) = (await settled(scene, made, ("Payment", 30))).values()
    await clean(scene, MIRRORS, made)
    parent = await mirror(scene, made)
    assert parent is not None
    assert (parent["Payments__c"], parent["Amount_Paid__c"], left["Invoice__c"]) == (1, 30, parent["Id"])
    assert parent["Payment_Status__c"] == "Part paid"

    await ask(scene, "POST", f"Payments/{left['Xero_Id__c']}", {"Status": "DELETED"})
    assert await settled(scene, made) == {}
    await clean(scene, MIRRORS, made)


async def test_a_credit_shows_in_every_invoice_that_it_is_applied_to(scene: Stage) -> None:
    contact = (await contact_of(scene, await linked_customer(scene)))["ContactID"]
    one, _ = await invoiced(scene, line("Chairs", 100), contact=contact, **TAXLESS)
    other, _ = await invoiced(scene, line("Desks", 100), contact=contact, **TAXLESS)
    note, number = await credit_note(scene, contact, 50)
    part = await applied(scene, note, one, 20)
    await applied(scene, note, other, 15)
    await applied(scene, await deposit(scene, contact, "Prepayment", "200", 30), one, 30)
    await applied(scene, await deposit(scene, contact, "Overpayment", "610", 10), one, 10)
    found = await settled(scene, one, ("Credit note", 20), ("Prepayment", 30), ("Overpayment", 10))
    (credit,) = [row for row in found.values() if row["Kind__c"] == "Credit note"]
    assert (credit["Number__c"], credit["Date__c"]) == (number, "2026-11-21")
    (second,) = (await settled(scene, other, ("Credit note", 15))).values()
    assert second["Number__c"] == number
    assert second["Xero_Id__c"] != credit["Xero_Id__c"], "a row of its own"
    await clean(scene, MIRRORS, one)

    await ask(scene, "DELETE", part)
    await settled(scene, one, ("Prepayment", 30), ("Overpayment", 10))
    await clean(scene, MIRRORS, one)
    await settled(scene, other, ("Credit note", 15))
    await applied(scene, note, one, 25)
    await settled(scene, one, ("Credit note", 25), ("Prepayment", 30), ("Overpayment", 10))
    await clean(scene, MIRRORS, one)
    told = await mirror(scene, one)
    assert told is not None
    assert told["Amount_Credited__c"] == (await shown(scene, one))["AmountCredited"] == 65


async def test_a_bill_stands_there_with_its_lines_and_payments(scene: Stage) -> None:
    tracked = line("Rent", 70, AccountCode="469", Tracking=[{"Name": "Region", "Option": "North"}])
    made, bill = await invoiced(scene, tracked, line("Light", 30, AccountCode="445"), Type="ACCPAY", **TAXLESS)
    await pay(scene, bill, "100")
    (row,) = (await settled(scene, made, ("Payment", 100))).values()
    await clean(scene, MIRRORS, made)
    parent = await mirror(scene, made)
    assert parent is not None
    assert (parent["Type__c"], parent["Payment_Status__c"], parent["Opportunity__c"]) == ("ACCPAY", "Paid", None)
    assert "/AccountsPayable/" in parent["Xero_Page__c"]
    assert row["Invoice__c"] == parent["Id"]
    told = [(one["Description__c"], one["Line_Amount__c"], one["Account_Code__c"], one["Tracking__c"])
            for one in (await rows(scene, made, LINES)).values()]  # fmt: skip
    assert sorted(told) == [("Light", 30, "445", None), ("Rent", 70, "469", "Region: North")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def late(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage whose connector has not begun."""
    folder = tmp_path_factory.mktemp("history")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, start=False) as scene:
        yield scene


async def test_what_stood_in_xero_before_us_is_in_salesforce_afterwards(late: Stage) -> None:
    name = fresh("Old customer")
    contact = await late.xero.edit("Contact", {"Name": name})
    sold, invoice = await invoiced(late, line("Chairs", 100), line("Desks", 40), contact=contact, Date="2024-03-01",
                                   DueDate="2024-03-31", **TAXLESS)  # fmt: skip
    await pay(late, invoice, "25", Date="2024-03-20")
    note, _ = await credit_note(late, contact, 15)
    await applied(late, note, sold, 15)
    bought, bill = await invoiced(late, line("Rent", 70, AccountCode="469"), contact=contact, Type="ACCPAY",
                                  Date="2023-12-31", **TAXLESS)  # fmt: skip
    await pay(late, bill, "70", Date="2024-01-15")
    voided, _ = await invoiced(late, line("Lamps", 5), contact=contact, Date="2024-05-01", **TAXLESS)
    await late.xero.edit("Invoice", {"Status": "VOIDED"}, voided)

    await late.begin()
    await settled(late, sold, ("Payment", 25), ("Credit note", 15))
    await settled(late, bought, ("Payment", 70))
    for made in (sold, bought, voided):
        await clean(late, MIRRORS, made)
    amounts = {made: [row["Line_Amount__c"] for row in (await rows(late, made)).values()] for made in (sold, bought)}
    assert (sorted(amounts[sold]), amounts[bought]) == ([40, 100], [70])
    parents = [await mirror(late, made) for made in (sold, bought, voided)]
    told = [(one["Date__c"], one["Payment_Status__c"], one["Amount_Due__c"]) for one in parents if one]
    assert told == [("2024-03-01", "Part paid", 100), ("2023-12-31", "Paid", 0), ("2024-05-01", "Voided", 5)]
    (account,) = [row["Id"] for row in await late.salesforce.objects("Account") if row["Name"] == name]

    async def tied() -> bool:
        return [(await mirror(late, made) or {}).get("Account__c") for made in (sold, bought)] == [account, account]

    await becomes("both name the account of their contact", tied)
