"""An order that a shop wrote into Xero is edited in Salesforce: quantities, amounts, lines and the date go back to its
invoice, each once. When both sides changed the same field its owner wins, the later one, or a person decides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from connector.cli.app import app
from connector.cli.stage import Json, Stage
from streams.hops import RECORDS
from tests.integration.spine_stage import advance, start_again
from tests.scenarios.people import (
    MIRRORS,
    becomes,
    clean,
    decide,
    delete,
    pay,
    record,
    sent,
    some_polls,
    waits_for_a_person,
)
from tests.scenarios.replaying import says_nothing_new
from tests.scenarios.test_shop_orders import (
    ORDERS,
    a_shop,
    deal,
    item,
    kept,
    lines,
    ordered,
    postage,
    revised,
    shown,
)

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
BACK = "opportunity-to-order"
POLL = "/api.xro/2.0/Invoices"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Orders may be edited on both sides."""
    async with a_shop(kafka, tmp_path_factory.mktemp("both"), ORDERS, BACK, shows=True) as stage:
        yield stage


async def met(shop: Stage, order: str, amount: str) -> Json:
    """The opportunity of an order, once both links of it rest."""
    found = await deal(shop, order, amount)
    await clean(shop, BACK, found["Id"])
    return found


async def row_of(shop: Stage, found: Json, code: str) -> Json:
    rows = await shop.salesforce.objects("OpportunityLineItem")
    mine = [row for row in rows if row["OpportunityId"] == found["Id"] and not row["IsDeleted"]]
    return next(row for row in mine if row["ProductCode"] == code)


async def becomes_net(shop: Stage, order: str, net: str) -> Json:
    """Wait until the invoice comes to a net amount, and the opportunity to the same, and both links rest."""

    async def there() -> list[Json]:
        invoice = await shown(shop, order)
        return [invoice] if invoice["SubTotal"] == Decimal(net) else []

    await becomes(f"the invoice {order} comes to {net}", there)
    await met(shop, order, net)
    return await shown(shop, order)


async def quiet(shop: Stage, order: str, found: Json) -> None:
    """Nothing is written any more, and what was kept in Kafka says nothing new."""
    await some_polls(shop, POLL, 2)
    await clean(shop, MIRRORS, order)  # what else is made of an invoice
    before = await sent(shop, order, found["Id"])
    await some_polls(shop, POLL, 3)
    assert await sent(shop, order, found["Id"]) == before
    await says_nothing_new(shop, (RECORDS,), order)
    await says_nothing_new(shop, (RECORDS,), found["Id"])


def by_code(invoice: Json, code: str) -> Json:
    return next(row for row in invoice["LineItems"] if row.get("ItemCode") == code)


async def written(shop: Stage, act: Callable[[], Awaitable[object]], order: str) -> int:
    """How often the invoice was written until both links rested after an act."""

    async def posts() -> int:
        calls = [call for call in await shop.xero.requests() if call["method"] == "POST" and call["path"] == POLL]
        return len(calls)

    before = await posts()
    await act()
    await some_polls(shop, POLL, 2)
    return await posts() - before


async def test_quantity_amount_description_and_date_go_back(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 2, "100"), item("BOOK-1", 3, "24.50"), postage("4.95"))
    found = await met(shop, order, "278.45")
    first = await shown(shop, order)
    assert first["Reference"] in (None, ""), "nothing was written to it"

    row = await row_of(shop, found, "BOOK-1")
    await shop.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(4)}, row["Id"])
    changed = await becomes_net(shop, order, "302.95")
    assert by_code(changed, "BOOK-1")["Quantity"] == 4
    assert [one["LineItemID"] for one in changed["LineItems"]] == [one["LineItemID"] for one in first["LineItems"]]

    async def cheaper() -> None:
        await shop.salesforce.edit("OpportunityLineItem", {"UnitPrice": Decimal("19.99")}, row["Id"])
        await becomes_net(shop, order, "284.91")

    assert await written(shop, cheaper, order) == 1, "each edit is written once"
    assert by_code(await shown(shop, order), "BOOK-1")["UnitAmount"] == Decimal("19.99")

    await shop.salesforce.edit("OpportunityLineItem", {"Description": "Signed"}, row["Id"])
    await shop.salesforce.edit("Opportunity", {"CloseDate": "2026-11-21"}, found["Id"])

    async def both() -> bool:
        invoice = await shown(shop, order)
        return by_code(invoice, "BOOK-1")["Description"] == "Signed" and str(invoice["Date"]).startswith("2026-11-21")

    await becomes("description and date are in the invoice", both)
    assert (await met(shop, order, "284.91"))["CloseDate"] == "2026-11-21"
    await quiet(shop, order, found)


async def test_a_line_that_a_person_adds_or_takes_out(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 1, "100"), postage("5"))
    found = await met(shop, order, "105")
    await shop.salesforce.edit("Account", {"Xero_Account__c": "260"}, found["AccountId"])
    rows = await shop.salesforce.objects("PricebookEntry")
    entry, book = next((row["Id"], row["Product2Id"]) for row in rows if row["ProductCode"] == "BOOK-1")
    coded = (await record(shop, "Product2", book))["Xero_Account__c"]
    await shop.salesforce.edit("Product2", {"Xero_Account__c": None}, book)
    added = await shop.salesforce.edit("OpportunityLineItem", {
        "OpportunityId": found["Id"], "PricebookEntryId": entry, "Quantity": Decimal(2), "UnitPrice": Decimal("9.95"),
    })  # fmt: skip
    invoice = await becomes_net(shop, order, "124.90")
    line = by_code(invoice, "BOOK-1")
    assert line["AccountCode"] == "260", "neither the line nor its product says one: it is the customer's"
    assert by_code(invoice, "LIC-1")["AccountCode"] == "200"

    async def marked() -> bool:
        return bool(line["LineItemID"] in await lines(shop, found))

    await becomes("the line has its row", marked)
    mine = await lines(shop, found)
    assert len(mine) == 3, "no row was made twice"
    assert mine[line["LineItemID"]]["Id"] == added, "the row that the person added is the line"
    await met(shop, order, "124.90")

    await delete(shop, "OpportunityLineItem", (await row_of(shop, found, "LIC-1"))["Id"])
    await shop.salesforce.edit("Product2", {"Xero_Account__c": coded}, book)
    left = await becomes_net(shop, order, "24.90")
    assert len(left["LineItems"]) == 2
    await quiet(shop, order, found)


async def test_what_is_paid_is_a_review_that_says_so(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 1, "100"))
    found = await met(shop, order, "100")
    await pay(shop, await shown(shop, order), "20")

    async def known() -> bool:
        return bool((await met(shop, order, "100"))["Amount_Paid__c"] == 20)

    await becomes("the payment is known", known)
    row = await row_of(shop, found, "LIC-1")
    await shop.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(2)}, row["Id"])
    asked = await waits_for_a_person(shop, BACK, found["Id"], "link.changed-paid")
    assert "paid" in asked.message
    assert (await shown(shop, order))["SubTotal"] == 100
    await shop.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(1)}, row["Id"])
    await clean(shop, BACK, found["Id"])


async def test_tax_inside_the_price_is_a_review_and_a_void_is_none(shop: Stage) -> None:
    order = await ordered(shop, item("BOOK-1", 3, "9.99"), LineAmountTypes="Inclusive")
    net = str((await shown(shop, order))["SubTotal"])
    found = await met(shop, order, net)
    row = await row_of(shop, found, "BOOK-1")
    await shop.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(4)}, row["Id"])
    await waits_for_a_person(shop, BACK, found["Id"], "mapping.price-with-tax")
    assert str((await shown(shop, order))["SubTotal"]) == net

    other = await ordered(shop, item("BOOK-1", 1, "10"))
    there = await met(shop, other, "10")
    await shop.xero.edit("Invoice", {"Status": "VOIDED"}, other)
    await deal(shop, other, "10", "Closed Lost")
    await clean(shop, BACK, there["Id"])


async def asked_once(shop: Stage, opportunity: str) -> None:
    """Two links are in conflict, and people are shown one question: on the command line and in Salesforce."""
    words = ["review", "list", "--about", opportunity, "--config", str(shop.config), "--output", "json"]

    async def listed() -> list[Json]:
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
        found = json.loads(result.stdout)["reviews"] if result.exit_code == 0 else []
        return found if len(found) == 1 and BACK in found[0]["message"] else []

    (review,) = await becomes("one review is listed", listed)
    assert (review["mapping"], review["code"]) == (ORDERS, "link.conflict")

    async def rows() -> dict[str, Json]:
        shown = await shop.salesforce.objects("Twinledger_Sync__c")
        found = {row["Mapping__c"]: row for row in shown if row["Record_Id__c"] == opportunity}
        states = [found[name]["State__c"] for name in (ORDERS, BACK) if name in found]
        return found if states == ["Conflict", "Waiting"] else {}

    seen = await becomes("Salesforce shows one conflict", rows)
    assert seen[ORDERS]["Reason__c"] == review["message"]
    assert seen[BACK]["Reason__c"].endswith(f"See {ORDERS}.")


async def test_both_changed_the_same_the_owner_wins_the_later_one_or_a_person(shop: Stage) -> None:
    """While the connector is away, so that neither side hears of the other's edit before its own."""
    owned, latest, asked = [await ordered(shop, item("LIC-1", 1, "100")) for _ in range(3)]
    mine, later, question = [await met(shop, order, "100") for order in (owned, latest, asked)]
    await shop.stop_connector()
    for order, theirs in ((owned, {"Description": "Xero"}), (asked, {"Quantity": Decimal(5)})):
        (line,) = await kept(shop, order)
        await revised(shop, order, {**line, **theirs})
    await shop.xero.edit("Invoice", {"Date": "2026-11-18"}, latest)
    rows = [(await row_of(shop, found, "LIC-1"))["Id"] for found in (mine, question)]
    await shop.salesforce.edit("OpportunityLineItem", {"Description": "Salesforce"}, rows[0])
    await shop.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(3)}, rows[1])
    await advance(shop, 5)
    await shop.salesforce.edit("Opportunity", {"CloseDate": "2026-11-19"}, later["Id"])
    await start_again(shop)

    async def xero_won() -> bool:
        row = await row_of(shop, mine, "LIC-1")
        there = by_code(await shown(shop, owned), "LIC-1")["Description"]
        return bool(row["Description"] == there == "Xero")

    async def later_won() -> bool:
        date = str((await shown(shop, latest))["Date"])
        return date.startswith(str((await deal(shop, latest, "100"))["CloseDate"])) and date.startswith("2026-11-19")

    await becomes("the field is Xero's to say", xero_won)
    await becomes("the later edit wins", later_won)
    await waits_for_a_person(shop, BACK, question["Id"], "link.conflict-elsewhere")
    review = await waits_for_a_person(shop, ORDERS, asked, "link.conflict")
    await asked_once(shop, question["Id"])
    await decide(shop, review, "salesforce")
    await becomes_net(shop, asked, "300")
    for order, found in ((owned, mine), (latest, later), (asked, question)):
        await clean(shop, BACK, found["Id"])
        await quiet(shop, order, found)
