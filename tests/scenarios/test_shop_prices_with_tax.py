"""A shop whose prices hold the tax: the opportunity shows what the customer pays, and edits go back to the cent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage
from tests.scenarios.people import becomes, clean, some_polls
from tests.scenarios.test_shop_orders import ORDERS, a_shop, deal, item, ordered, postage, shown
from tests.scenarios.test_shop_orders_both_ways import BACK, POLL, by_code, row_of

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
AS_SHOWN = {
    "TotalPrice: =line.NetAmount": "TotalPrice: =line.LineAmount",
    "NetAmount: =line.TotalPrice\n": "LineAmount: =line.TotalPrice\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def till(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with a_shop(kafka, tmp_path_factory.mktemp("till"), ORDERS, BACK, changes=AS_SHOWN) as stage:
        yield stage


async def becomes_total(till: Stage, order: str, total: str) -> tuple[Json, Json]:
    """Wait until invoice and opportunity come to what the customer pays, and both links rest."""

    async def there() -> bool:
        return bool((await shown(till, order))["Total"] == Decimal(total))

    await becomes(f"the invoice {order} comes to {total}", there)
    found = await deal(till, order, total)
    await clean(till, BACK, found["Id"])
    return await shown(till, order), found


async def test_quantity_and_price_go_back_with_their_tax(till: Stage) -> None:
    order = await ordered(
        till, item("BOOK-1", 3, "9.99"), item("LIC-1", 7, "0.33"), postage("4.95"), LineAmountTypes="Inclusive"
    )
    _, found = await becomes_total(till, order, "37.23")
    row = (await row_of(till, found, "BOOK-1"))["Id"]

    await till.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(4)}, row)
    invoice, _ = await becomes_total(till, order, "47.22")
    book = by_code(invoice, "BOOK-1")
    assert (book["Quantity"], book["UnitAmount"], book["TaxAmount"]) == (4, Decimal("9.99"), Decimal("6.66"))
    assert invoice["LineAmountTypes"] == "Inclusive"

    await till.salesforce.edit("OpportunityLineItem", {"UnitPrice": Decimal("7.50")}, row)
    invoice, found = await becomes_total(till, order, "37.26")
    assert by_code(invoice, "BOOK-1")["UnitAmount"] == Decimal("7.5")
    assert found["Amount"] == invoice["SubTotal"] + invoice["TotalTax"]
    await some_polls(till, POLL, 2)
    assert (await shown(till, order))["UpdatedDateUTC"] == invoice["UpdatedDateUTC"], "and there it rests"


async def test_an_order_whose_prices_hold_no_tax_goes_back_as_ever(till: Stage) -> None:
    order = await ordered(till, item("LIC-1", 2, "100"))
    found = await deal(till, order, "200")
    await clean(till, BACK, found["Id"])
    row = (await row_of(till, found, "LIC-1"))["Id"]
    await till.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(3)}, row)

    async def there() -> bool:
        return bool((await shown(till, order))["SubTotal"] == 300)

    await becomes("the invoice comes to 300 without tax", there)
    await deal(till, order, "300")
    assert (await shown(till, order))["LineAmountTypes"] == "Exclusive"
