"""A shop writes its orders into Xero: each is a won opportunity of its customer in Salesforce, with its lines."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage
from streams.hops import RECORDS
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import arm, connection, hits, spine
from tests.scenarios.people import (
    MIRRORS,
    becomes,
    clean,
    contact_of,
    decide,
    delete,
    fresh,
    linked_customer,
    sent,
    some_polls,
    waits_for_a_person,
)
from tests.scenarios.replaying import says_nothing_new

pytestmark = [pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="session")]
ORDERS = "xero-invoice-to-opportunity"
NO_CHANGES: Mapping[str, str] = MappingProxyType({})
GRAPH = "/services/data/v62.0/composite/graph"


@asynccontextmanager
async def a_shop(
    kafka: str, folder: Path, *names: str, changes: Mapping[str, str] = NO_CHANGES, shows: bool = False
) -> AsyncIterator[Stage]:
    """The shipped mappings and the named ones of a shop, with some words changed. Two of the products are items;
    postage has a product. ``shows``: Salesforce shows sync states."""
    mappings = folder / "mappings"
    shutil.copytree(shipped_mappings(), mappings)
    for name in names:
        shutil.move(mappings / "shop" / f"{name}.yaml", mappings / f"{name}.yaml")
    for before, after in changes.items():
        (file,) = (each for name in names if before in (each := mappings / f"{name}.yaml").read_text("utf-8"))
        file.write_text(file.read_text("utf-8").replace(before, after), "utf-8")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings, start=False) as stage:
        for code in ("LIC-1", "BOOK-1"):
            await stage.xero.edit("Item", {"Code": code, "Name": code})
        await a_product_for_the_rest(stage)
        with connection(stage) as one:
            one["salesforce"] |= {"sync_state": shows, "sync_state_seconds": 1}
        await stage.begin()
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shop(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Orders go one way."""
    async with a_shop(kafka, tmp_path_factory.mktemp("shop"), ORDERS) as stage:
        yield stage


async def a_product_for_the_rest(shop: Stage) -> None:
    """Lines without an item (postage, a discount) are this product."""
    entries = await shop.salesforce.objects("PricebookEntry")
    product = await shop.salesforce.edit("Product2", {"Name": "Other", "ProductCode": "OTHER", "IsActive": True})
    await priced(shop, product, entries[0]["Pricebook2Id"])


async def priced(shop: Stage, product: str, book: str) -> str:
    known: Json = {"Pricebook2Id": book, "Product2Id": product, "UnitPrice": Decimal(0), "IsActive": True}
    return await shop.salesforce.edit("PricebookEntry", known)


def item(code: str, quantity: int, price: str, **more: object) -> Json:
    known: Json = {"ItemCode": code, "Description": f"{code} from the shop", "AccountCode": "200"}
    return {**known, "Quantity": Decimal(quantity), "UnitAmount": Decimal(price), **more}


def postage(price: str) -> Json:
    return {"Description": "Postage", "Quantity": Decimal(1), "UnitAmount": Decimal(price), "AccountCode": "425"}


async def ordered(shop: Stage, *lines: Json, **fields: object) -> str:
    """The shop writes an invoice for a customer whom nobody knew, if it is for no other; its id."""
    buyer = fields.pop("buyer", None) or await shop.xero.edit("Contact", {"Name": fresh("Buyer")})
    known: Json = {
        "Type": "ACCREC", "Status": "AUTHORISED", "Contact": {"ContactID": buyer}, "Date": "2026-11-20",
        "DueDate": "2026-12-20", "InvoiceNumber": f"SHOP-{uuid4().hex[:8]}", "LineItems": list(lines), **fields,
    }  # fmt: skip
    return await shop.xero.edit("Invoice", known)


async def shown(shop: Stage, order: str) -> Json:
    return next(row for row in await shop.xero.objects("Invoice") if row["InvoiceID"] == order)


async def revised(shop: Stage, order: str, *lines: Json) -> None:
    await shop.xero.edit("Invoice", {"LineItems": list(lines)}, order)


async def kept(shop: Stage, order: str) -> list[Json]:
    """The lines as the shop sends them back."""
    names = ("LineItemID", "ItemCode", "Description", "Quantity", "UnitAmount", "AccountCode", "TaxType")
    rows = (await shown(shop, order))["LineItems"]
    return [{name: row[name] for name in names if row.get(name) is not None} for row in rows]


async def deals(shop: Stage, order: str) -> list[Json]:
    rows = await shop.salesforce.objects("Opportunity")
    return [row for row in rows if row["Xero_Order_Id__c"] == order and not row["IsDeleted"]]


async def lines(shop: Stage, deal: Json) -> dict[str, Json]:
    rows = await shop.salesforce.objects("OpportunityLineItem")
    return {row["Xero_Line_Id__c"]: row for row in rows if row["OpportunityId"] == deal["Id"] and not row["IsDeleted"]}


async def deal(shop: Stage, order: str, amount: str, stage: str = "Closed Won") -> Json:
    """Wait for the one opportunity of an order, with an amount and a stage, and for its link to rest."""

    async def there() -> list[Json]:
        found = await deals(shop, order)
        return [row for row in found if row["Amount"] == Decimal(amount) and row["StageName"] == stage]

    (found,) = await becomes(f"order {order} is {stage} over {amount}", there)
    assert len(await deals(shop, order)) == 1
    await clean(shop, ORDERS, order)
    return dict(found)


async def test_an_order_makes_customer_opportunity_and_lines(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 2, "1200"), item("BOOK-1", 3, "24.50"), postage("4.95"))
    found = await deal(shop, order, "2478.45")
    invoice = await shown(shop, order)
    account = next(row for row in await shop.salesforce.objects("Account") if row["Id"] == found["AccountId"])
    buyer = next(
        row for row in await shop.xero.objects("Contact") if row["ContactID"] == invoice["Contact"]["ContactID"]
    )
    assert account["Name"] == buyer["Name"], "the customer was made of the contact"
    rows = await lines(shop, found)
    assert set(rows) == {row["LineItemID"] for row in invoice["LineItems"]}
    assert sorted(row["ProductCode"] for row in rows.values()) == ["BOOK-1", "LIC-1", "OTHER"]
    assert found["Amount"] == invoice["SubTotal"]
    assert (found["CloseDate"], found["Invoice_Status__c"]) == ("2026-11-20", "AUTHORISED")
    await some_polls(shop, "/api.xro/2.0/Invoices", 2)
    made = [row for row in await shop.xero.objects("Invoice") if not str(row["InvoiceNumber"]).startswith("SHOP-")]
    assert made == [], "no invoice is made of what an invoice made"


async def test_an_order_of_a_customer_that_is_known_is_theirs(shop: Stage) -> None:
    account = await linked_customer(shop)
    known = len(await shop.salesforce.objects("Account"))
    order = await ordered(shop, item("LIC-1", 1, "1200"), buyer=(await contact_of(shop, account))["ContactID"])
    found = await deal(shop, order, "1200")
    assert found["AccountId"] == account
    assert len(await shop.salesforce.objects("Account")) == known, "the customer was found"


async def test_prices_with_tax_inside_agree_to_the_cent(shop: Stage) -> None:
    order = await ordered(
        shop, item("BOOK-1", 3, "9.99"), item("LIC-1", 7, "0.33"), postage("4.95"), LineAmountTypes="Inclusive"
    )
    invoice = await shown(shop, order)
    found = await deal(shop, order, str(invoice["SubTotal"]))
    net = sum(row["TotalPrice"] for row in (await lines(shop, found)).values())
    assert net == invoice["SubTotal"] == invoice["Total"] - invoice["TotalTax"]


async def test_lines_change_come_and_go_and_a_void_loses_the_deal(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 1, "100"), item("BOOK-1", 2, "10"))
    first = await lines(shop, await deal(shop, order, "120"))
    licence, book = await kept(shop, order)

    await revised(shop, order, licence, {**book, "Quantity": Decimal(5)})
    changed = await lines(shop, await deal(shop, order, "150"))
    assert {row["Id"] for row in changed.values()} == {row["Id"] for row in first.values()}, "the same rows"
    assert changed[book["LineItemID"]]["Quantity"] == 5

    await revised(shop, order, *await kept(shop, order), postage("7"))
    await deal(shop, order, "157")
    _, *rest = await kept(shop, order)
    await revised(shop, order, *rest)
    left = await lines(shop, await deal(shop, order, "57"))
    assert licence["LineItemID"] not in left

    await shop.xero.edit("Invoice", {"Status": "VOIDED"}, order)
    lost = await deal(shop, order, "57", "Closed Lost")
    assert lost["Invoice_Status__c"] == "VOIDED"


async def test_what_a_person_edits_stays_until_both_did(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 1, "100"), item("BOOK-1", 1, "10"))
    found = await deal(shop, order, "110")
    licence, book = await kept(shop, order)
    rows = await lines(shop, found)
    row = rows[book["LineItemID"]]["Id"]
    await shop.salesforce.edit("OpportunityLineItem", {"Description": "As a present"}, row)
    entry = rows[book["LineItemID"]]["PricebookEntryId"]
    await shop.salesforce.edit("OpportunityLineItem", {
        "OpportunityId": found["Id"], "PricebookEntryId": entry, "Quantity": Decimal(1), "UnitPrice": Decimal(3),
    })  # fmt: skip

    await revised(shop, order, {**licence, "UnitAmount": Decimal(200)}, book)
    after = await lines(shop, await deal(shop, order, "213"))
    assert after[book["LineItemID"]]["Description"] == "As a present"
    assert None in after, "the line that a person added stays"

    await shop.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(2)}, row)
    await deal(shop, order, "223")
    await revised(shop, order, {**licence, "UnitAmount": Decimal(200)}, {**book, "Quantity": Decimal(3)})
    asked = await waits_for_a_person(shop, ORDERS, order, "link.conflict")
    assert f"OpportunityLineItems/{book['LineItemID']}/Quantity" in asked.hold_paths


async def test_an_edit_of_a_line_is_heard_by_its_own_event(shop: Stage) -> None:
    """The line's change event leads to a read of the opportunity: nothing else was touched."""
    order = await ordered(shop, item("LIC-1", 1, "100"))
    found = await deal(shop, order, "100")
    ((key, row),) = (await lines(shop, found)).items()
    await shop.salesforce.edit("OpportunityLineItem", {"Description": "Heard"}, row["Id"])

    async def known() -> bool:
        link = await clean(shop, ORDERS, order)
        return link.salesforce.drift.get(f"OpportunityLineItems/{key}/Description") == '"Heard"'

    await becomes("the link knows of the edit", known)


async def test_a_deal_that_somebody_deleted_is_a_question(shop: Stage) -> None:
    order = await ordered(shop, item("LIC-1", 1, "100"))
    found = await deal(shop, order, "100")
    await delete(shop, "Opportunity", found["Id"])
    await waits_for_a_person(shop, ORDERS, order, "link.target-gone")
    assert not await deals(shop, order)


async def test_calls_cut_after_commit_leave_one_deal_and_one_row_a_line(shop: Stage) -> None:
    rng, faults, orders = random.Random(11), [], []
    for number in range(6):
        if rng.random() < 0.5:
            faults.append(await arm(shop.salesforce, "cut-after-commit", "POST", GRAPH))
        orders.append(await ordered(shop, item("LIC-1", 1, f"{number + 1}00"), item("BOOK-1", 2, "10"), postage("5")))
    assert faults
    for number, order in enumerate(orders):
        found = await deal(shop, order, f"{number + 1}25")
        invoice = await shown(shop, order)
        ours = [row["Xero_Line_Id__c"] for row in (await lines(shop, found)).values()]
        assert sorted(ours) == sorted(row["LineItemID"] for row in invoice["LineItems"])
    assert sum([await hits(shop.salesforce, fault) for fault in faults]) == len(faults)
    marks = [
        row["Xero_Line_Id__c"] for row in await shop.salesforce.objects("OpportunityLineItem") if not row["IsDeleted"]
    ]
    marks = [mark for mark in marks if mark]
    assert len(marks) == len(set(marks))

    for order in orders:  # what is made of them beside the deals rests too
        await clean(shop, MIRRORS, order)
        await says_nothing_new(shop, (RECORDS,), order)
    before = await sent(shop, *orders)
    for order in orders:  # the shop saves its orders again, unchanged
        await shop.xero.edit("Invoice", {"Reference": ""}, order)
    await some_polls(shop, "/api.xro/2.0/Invoices", 3)
    assert await sent(shop, *orders) == before


async def test_a_product_that_salesforce_does_not_have_is_a_review(shop: Stage) -> None:
    """No id stands in a file: the price book entry is found by the code of the item."""
    await shop.xero.edit("Item", {"Code": "NEW-1", "Name": "New"})
    order = await ordered(shop, item("NEW-1", 2, "9.50"))
    asked = await waits_for_a_person(shop, ORDERS, order, "mapping.find-none")
    assert "NEW-1" in asked.message
    book = (await shop.salesforce.objects("PricebookEntry"))[0]["Pricebook2Id"]
    product = await shop.salesforce.edit("Product2", {"Name": "New", "ProductCode": "NEW-1", "IsActive": True})
    entry = await priced(shop, product, book)
    await decide(shop, asked, "retry")
    (row,) = (await lines(shop, await deal(shop, order, "19"))).values()
    assert row["PricebookEntryId"] == entry


async def test_two_products_of_one_code_are_a_question(shop: Stage) -> None:
    await shop.xero.edit("Item", {"Code": "TWIN-1", "Name": "Twin"})
    book = (await shop.salesforce.objects("PricebookEntry"))[0]["Pricebook2Id"]
    twins: Json = {"Name": "Twin", "ProductCode": "TWIN-1", "IsActive": True}
    entries = [await priced(shop, await shop.salesforce.edit("Product2", twins), book) for _ in range(2)]
    order = await ordered(shop, item("TWIN-1", 1, "3"))
    asked = await waits_for_a_person(shop, ORDERS, order, "mapping.find-several")
    await shop.salesforce.edit("PricebookEntry", {"IsActive": False}, entries[0])
    await decide(shop, asked, "retry")
    (row,) = (await lines(shop, await deal(shop, order, "3"))).values()
    assert row["PricebookEntryId"] == entries[1]


async def test_an_order_in_another_currency_is_a_review(shop: Stage) -> None:
    """Of an org with one currency: dollars are not taken for pounds. The mirror shows them as what they are."""
    order = await ordered(shop, item("LIC-1", 1, "100"), CurrencyCode="USD", CurrencyRate=Decimal("1.2534"))
    asked = await waits_for_a_person(shop, ORDERS, order, "mapping.refused")
    assert "an order in USD" in asked.message
    assert not await deals(shop, order)
    await clean(shop, MIRRORS, order)
    (mirror,) = [row for row in await shop.salesforce.objects("Xero_Invoice__c") if row["Xero_Id__c"] == order]
    invoice = await shown(shop, order)
    told = mirror["Currency__c"], mirror["Currency_Rate__c"], mirror["Total__c"]
    assert told == ("USD", Decimal("1.2534"), invoice["Total"])
    await shop.xero.edit("Invoice", {"InvoiceNumber": fresh("Not a shop's")}, order)

    async def over() -> bool:
        link = await link_of(shop, ORDERS, order)
        return link is not None and not link.code

    await becomes("it is no order any more", over)

    order = await ordered(shop, item("LIC-1", 1, "100"), CurrencyCode="USD", CurrencyRate=Decimal("1.2534"))
    await waits_for_a_person(shop, ORDERS, order, "mapping.refused")
    await shop.xero.edit("Invoice", {"Status": "VOIDED"}, order)
    await becomes("what is voided is no question any more", over)
    await clean(shop, MIRRORS, order)
    assert not await deals(shop, order)
