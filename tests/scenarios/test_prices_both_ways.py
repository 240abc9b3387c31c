"""The price of a product and the sales price of its item are one: edited on either side, made where it lacks."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage, until
from tests.integration.spine_stage import connection, spine
from tests.scenarios.people import clean, fresh, record, sent, some_polls
from tests.scenarios.replaying import says_nothing_new

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
MAPPINGS = Path(__file__).parents[2] / "mappings"
FILES = ("products/product-item", "instead/prices/item-price", "instead/prices/item-to-entry")
ITEMS, PRICES = "/api.xro/2.0/Items", "item-price"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("prices")
    mappings = folder / "mappings"
    mappings.mkdir()
    for file in FILES:
        shutil.copy(MAPPINGS / f"{file}.yaml", mappings)
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings, start=False) as stage:
        with connection(stage) as one:
            one["salesforce"] |= {"capture": {"PricebookEntry": "poll"}, "poll_seconds": 1}
        await stage.begin()
        yield stage


async def standard(scene: Stage) -> str:
    return next(str(row["Id"]) for row in await scene.salesforce.objects("Pricebook2") if row["IsStandard"])


async def product(scene: Stage) -> tuple[str, str]:
    """A new product without a price: its id and its code."""
    code = f"P-{uuid4().hex[:8]}"
    made = await scene.salesforce.edit("Product2", {"Name": fresh("Product"), "ProductCode": code, "IsActive": True})
    return made, code


async def priced(scene: Stage, made: str, book: str, price: str, *, active: bool = True) -> str:
    known: Json = {"Pricebook2Id": book, "Product2Id": made, "UnitPrice": Decimal(price), "IsActive": active}
    return await scene.salesforce.edit("PricebookEntry", known)


async def item(scene: Stage, code: str, price: str = "") -> Json:
    """Wait until Xero has an item of a code, at this sales price."""

    async def there() -> Json:
        known = [row for row in await scene.xero.objects("Item") if row["Code"] == code]
        row = known[0] if known else {}
        return row if not price or (row.get("SalesDetails") or {}).get("UnitPrice") == Decimal(price) else {}

    return dict(await until(f"item {code} costs {price}", there))


async def entry(scene: Stage, code: str, price: str) -> str:
    """Wait until the one entry of a code in the standard price book has this price; gives its id."""
    book = await standard(scene)

    async def there() -> Json:
        rows = [row for row in await scene.salesforce.objects("PricebookEntry")
                if row["ProductCode"] == code and row["Pricebook2Id"] == book]  # fmt: skip
        assert len(rows) <= 1, "a product has one standard price"
        return rows[0] if rows and rows[0]["UnitPrice"] == Decimal(price) else {}

    return str((await until(f"the entry of {code} says {price}", there))["Id"])


async def reprice(scene: Stage, code: str, price: str) -> None:
    """Somebody edits the sales price of an item in Xero."""
    there = await item(scene, code)
    await scene.xero.edit("Item", {"SalesDetails": {"UnitPrice": Decimal(price)}}, there["ItemID"])


async def rest(scene: Stage) -> None:
    """Both sides are looked at twice more, and nothing is sent."""
    await some_polls(scene, ITEMS, number=2)
    before = await sent(scene)
    await some_polls(scene, ITEMS, number=2)
    assert await sent(scene) == before, "prices come to rest"


async def test_a_price_is_followed_whichever_side_edits_it(scene: Stage) -> None:
    made, code = await product(scene)
    there = await priced(scene, made, await standard(scene), "120.50")
    await item(scene, code, "120.5")
    await reprice(scene, code, "135.25")
    assert await entry(scene, code, "135.25") == there
    await scene.salesforce.edit("PricebookEntry", {"UnitPrice": Decimal("99.95")}, there)
    await item(scene, code, "99.95")
    await reprice(scene, code, "80")
    assert await entry(scene, code, "80") == there
    await clean(scene, PRICES, there)
    await rest(scene)


async def test_an_item_with_a_price_gives_its_product_an_entry(scene: Stage) -> None:
    """Of an item that makes its product, and of a product that nobody has priced yet."""
    code = f"X-{uuid4().hex[:8]}"
    await scene.xero.edit("Item", {"Code": code, "Name": fresh("Item"), "SalesDetails": {"UnitPrice": Decimal("42.5")}})
    born = await entry(scene, code, "42.5")
    assert (await record(scene, "PricebookEntry", born))["IsActive"]
    made, other = await product(scene)
    await item(scene, other)
    await reprice(scene, other, "7.25")
    second = await entry(scene, other, "7.25")
    assert (await record(scene, "PricebookEntry", second))["Product2Id"] == made
    await reprice(scene, other, "7.75")
    assert await entry(scene, other, "7.75") == second
    await clean(scene, PRICES, second)
    await scene.salesforce.edit("PricebookEntry", {"UnitPrice": Decimal("8.40")}, second)
    await item(scene, other, "8.4")
    await rest(scene)


async def test_the_prices_of_other_price_books_stay_their_own(scene: Stage) -> None:
    made, code = await product(scene)
    there = await priced(scene, made, await standard(scene), "10")
    book = await scene.salesforce.edit("Pricebook2", {"Name": fresh("Dealers"), "IsActive": True})
    dealers = await priced(scene, made, book, "6")
    await item(scene, code, "10")
    await reprice(scene, code, "11")
    assert await entry(scene, code, "11") == there
    await scene.salesforce.edit("PricebookEntry", {"UnitPrice": Decimal(5)}, dealers)
    await rest(scene)
    assert (await record(scene, "PricebookEntry", dealers))["UnitPrice"] == 5
    await item(scene, code, "11")


async def test_an_entry_that_is_not_sold_is_tied_when_it_is(scene: Stage) -> None:
    made, code = await product(scene)
    known: Json = {
        "Pricebook2Id": await standard(scene),
        "Product2Id": made,
        "UnitPrice": Decimal(10),
        "IsActive": False,
    }
    there = await scene.salesforce.edit("PricebookEntry", known)
    await item(scene, code)
    await reprice(scene, code, "12")
    await rest(scene)
    assert (await record(scene, "PricebookEntry", there))["UnitPrice"] == 10
    await scene.salesforce.edit("PricebookEntry", {"IsActive": True, "UnitPrice": Decimal("10.5")}, there)
    await item(scene, code, "10.5")
    await clean(scene, PRICES, there)


async def test_what_was_kept_is_replayed_and_writes_nothing(scene: Stage) -> None:
    before = await sent(scene)
    await says_nothing_new(scene)
    assert await sent(scene) == before
