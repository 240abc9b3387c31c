"""Xero's settings stand in Salesforce, archived and renamed ones too; products and items are one thing, with prices and
stock; and what is picked wrongly is told before anything is in the books."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from uuid import uuid4

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from connector.cli.app import app
from connector.cli.stage import Json, Stage, until
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import changed_mappings, connection, spine
from tests.scenarios.audit import applied, moving
from tests.scenarios.people import (
    INVOICES,
    clean,
    deal,
    found,
    fresh,
    invoice,
    invoices,
    linked_customer,
    record,
    sent,
    some_polls,
    waits_for_a_person,
    won,
)
from tests.scenarios.replaying import says_nothing_new

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
ITEMS, PRICES = "product-item", "price-to-item"
LISTS = tuple(f"/api.xro/2.0/{name}" for name in ("Accounts", "TaxRates", "TrackingCategories", "Contacts", "Items"))
RARELY = 90.0  # seconds: settings are asked for 20 times as rarely as documents
# As docs/mappings.md says: the one line by which invoices name their items.
NAMED = "      ItemCode: =line.Product2.ProductCode if line.Product2.Xero_Item_Id__c != null else null\n"
QUANTITY = "      Quantity: =line.Quantity\n"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("products")
    mappings = changed_mappings(folder, {"opportunity-to-invoice": (QUANTITY, QUANTITY + NAMED)})
    for file in [*(mappings / "metadata").glob("*.yaml"), *(mappings / "products").glob("*.yaml")]:
        shutil.copy(file, mappings)
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings, start=False) as stage:
        with connection(stage) as one:  # price book entries have no place in the channel
            one["salesforce"] |= {"capture": {"PricebookEntry": "poll"}, "poll_seconds": 1}
        await stage.begin()
        yield stage


# --- what people do and see -----------------------------------------------------------------------------------------


async def put(scene: Stage, path: str, body: Json) -> Json:
    """Somebody changes a setting in Xero."""
    method = "PUT" if path.count("/") == 0 else "POST"
    return dict(await scene.xero.call(method, f"/api.xro/2.0/{path}", body, await scene.token()))


async def rows(scene: Stage, entity: str, key: str) -> dict[str, Json]:
    return {str(row[key]): row for row in await scene.salesforce.objects(entity) if not row["IsDeleted"]}


async def shown(scene: Stage, entity: str, key: str, name: str, fields: Mapping[str, object]) -> Json:
    """Wait until a row of Salesforce shows these values."""

    async def there() -> Json:
        row = (await rows(scene, entity, key)).get(name, {})
        return row if all(row.get(field, ...) == value for field, value in fields.items()) else {}

    return dict(await until(f"{entity} {name} shows {dict(fields)}", there, RARELY))


async def item(scene: Stage, code: str, fields: Mapping[str, object] | None = None, **sales: object) -> Json:
    """Wait until Xero has one item of a code, with these values and these of its sales side."""

    async def there() -> Json:
        known = [row for row in await scene.xero.objects("Item") if row["Code"] == code]
        assert len(known) <= 1, "one product has one item"
        row = known[0] if known else {}
        side = row.get("SalesDetails") or {}
        same = all(row.get(name) == value for name, value in (fields or {}).items())
        return row if same and all(side.get(name) == value for name, value in sales.items()) else {}

    return dict(await until(f"item {code} has {fields} {sales}", there))


async def product(scene: Stage, price: str = "", **fields: object) -> tuple[str, str, str]:
    """A new product, with a price in the standard book if one is given: its id, its code, its entry."""
    code = f"P-{uuid4().hex[:8]}"
    known: Json = {"Name": fresh("Product"), "ProductCode": code, "IsActive": True, "Xero_Account__c": "200",
                   "Xero_Tax__c": "OUTPUT2", **fields}  # fmt: skip
    made = await scene.salesforce.edit("Product2", known)
    if not price:
        return made, code, ""
    book = next(row["Id"] for row in await scene.salesforce.objects("Pricebook2") if row["IsStandard"])
    entry: Json = {"Pricebook2Id": book, "Product2Id": made, "UnitPrice": Decimal(price), "IsActive": True}
    return made, code, await scene.salesforce.edit("PricebookEntry", entry)


async def sold(scene: Stage, entry: str, quantity: int, price: int, **fields: object) -> tuple[str, str, str]:
    """A won opportunity with one line of a product: its id, its number, its line."""
    opportunity, number, _ = await deal(scene, ())
    row = await sell(scene, opportunity, entry, quantity, price, fields)
    await won(scene, opportunity)
    return opportunity, number, row


async def sell(scene: Stage, opportunity: str, entry: str, quantity: int, price: int, fields: Json) -> str:
    """A line of a product on an opportunity."""
    known: Json = {"OpportunityId": opportunity, "PricebookEntryId": entry, "Quantity": Decimal(quantity),
                   "UnitPrice": Decimal(price), **fields}  # fmt: skip
    return await scene.salesforce.edit("OpportunityLineItem", known)


async def account(scene: Stage) -> Json:
    """A new revenue account of Xero's chart."""
    code = uuid4().hex[:6]
    (made,) = (await put(scene, "Accounts", {
        "Code": code, "Name": fresh("Revenue"), "Type": "REVENUE", "TaxType": "OUTPUT2",
    }))["Accounts"]  # fmt: skip
    return dict(made)


# --- metadata --------------------------------------------------------------------------------------------------------


async def test_settings_come_are_renamed_and_archived(scene: Stage) -> None:
    (region,) = await scene.xero.objects("TrackingCategory")
    kept = await shown(scene, "Xero_Tracking_Category__c", "Xero_Id__c", region["TrackingCategoryID"], {
        "Name": "Region", "Status__c": "ACTIVE",
    })  # fmt: skip
    options = await rows(scene, "Xero_Tracking_Option__c", "Xero_Id__c")
    assert {row["Name"] for row in options.values()} == {"Eastside", "North", "South", "West Coast"}
    assert {row["Category__c"] for row in options.values()} == {kept["Id"]}
    themes = await scene.xero.objects("BrandingTheme")
    for theme in themes:
        await shown(scene, "Xero_Branding_Theme__c", "Xero_Id__c", theme["BrandingThemeID"], {"Name": theme["Name"]})
    for one in await scene.xero.objects("Currency"):
        await shown(scene, "Xero_Currency__c", "Code__c", one["Code"], {"Name": one["Description"]})

    ids = {one["Name"]: one["TrackingOptionID"] for one in region["Options"]}
    place, chart = f"TrackingCategories/{region['TrackingCategoryID']}", await account(scene)
    await put(scene, place, {"Name": "Area"})
    await put(scene, f"{place}/Options/{ids['North']}", {"Name": "Far North"})
    await put(scene, f"{place}/Options/{ids['South']}", {"Status": "ARCHIVED"})
    await put(scene, f"Accounts/{chart['AccountID']}", {"Name": f"{chart['Name']} (old)"})
    await put(scene, f"Accounts/{chart['AccountID']}", {"Status": "ARCHIVED"})
    await put(scene, "Currencies", {"Code": "ZAR"})
    await scene.xero.edit("BrandingTheme", {"Name": "Festive"}, themes[0]["BrandingThemeID"])

    await shown(scene, "Xero_Tracking_Category__c", "Xero_Id__c", region["TrackingCategoryID"], {"Name": "Area"})
    await shown(scene, "Xero_Tracking_Option__c", "Xero_Id__c", ids["North"], {"Full_Name__c": "Far North"})
    await shown(scene, "Xero_Tracking_Option__c", "Xero_Id__c", ids["South"], {"Status__c": "ARCHIVED"})
    await shown(scene, "Xero_Account__c", "Xero_Id__c", chart["AccountID"], {
        "Name": f"{chart['Name']} (old)", "Status__c": "ARCHIVED",
    })  # fmt: skip
    await shown(scene, "Xero_Currency__c", "Code__c", "ZAR", {"Name": "South African Rand"})
    await shown(scene, "Xero_Branding_Theme__c", "Xero_Id__c", themes[0]["BrandingThemeID"], {"Name": "Festive"})
    assert len(await rows(scene, "Xero_Tracking_Option__c", "Xero_Id__c")) == 4


async def test_a_tax_rate_is_renamed_and_taken_out_of_use(scene: Stage) -> None:
    """As Xero shows it: by its code, with the per cent that it has."""
    (rate,) = [one for one in await scene.xero.objects("TaxRate") if one["TaxType"] == "RROUTPUT"]
    await shown(scene, "Xero_Tax_Rate__c", "Tax_Type__c", "RROUTPUT", {"Name": rate["Name"], "Status__c": "ACTIVE"})
    now: Json = {"Name": "Reduced (old)", "Status": "DELETED"}
    await scene.xero.call("POST", "/__sim/edit", {"entity": "TaxRate", "id": "RROUTPUT", "fields": now})
    await shown(scene, "Xero_Tax_Rate__c", "Tax_Type__c", "RROUTPUT", {"Name": "Reduced (old)", "Status__c": "DELETED"})


@pytest.mark.parametrize(
    ("picked", "code"),
    [("archived", "xero.account-archived"), ("090", "xero.account-code"), ("400", "xero.tax-type")],
)
async def test_a_wrong_account_on_a_line_is_a_review_that_says_what_to_do(scene: Stage, picked: str, code: str) -> None:
    """Archived, a bank account, and one of a class that the tax type is not for."""
    _, _, entry = await product(scene, "100")
    if picked == "archived":
        chart = await account(scene)
        await put(scene, f"Accounts/{chart['AccountID']}", {"Status": "ARCHIVED"})
        picked = chart["Code"]
    opportunity, number, row = await sold(scene, entry, 1, 100, Xero_Account__c=picked)
    await waits_for_a_person(scene, INVOICES, opportunity, code)
    assert [one["Status"] for one in await invoices(scene, number)] in ([], ["DRAFT"]), "nothing is in the books"
    await scene.salesforce.edit("OpportunityLineItem", {"Xero_Account__c": "260"}, row)
    made = await invoice(scene, number, net=100)
    assert [one["AccountCode"] for one in made["LineItems"]] == ["260"]


async def test_an_account_that_no_poll_has_shown_yet_is_known_when_it_is_picked(scene: Stage) -> None:
    _, _, entry = await product(scene, "100")
    chart = await account(scene)
    _, number, _ = await sold(scene, entry, 1, 100, Xero_Account__c=chart["Code"])
    made = await invoice(scene, number, net=100)
    assert [one["AccountCode"] for one in made["LineItems"]] == [chart["Code"]]


async def test_a_wrong_account_on_a_product_is_a_review_of_the_product(scene: Stage) -> None:
    made, code, _ = await product(scene, Xero_Account__c="090")
    await waits_for_a_person(scene, ITEMS, made, "xero.account-code")
    await scene.salesforce.edit("Product2", {"Xero_Account__c": "200"}, made)
    await clean(scene, ITEMS, made)
    await item(scene, code, AccountCode="200")


# --- products and items ----------------------------------------------------------------------------------------------


async def test_a_product_becomes_an_item_with_its_price_and_follows_it(scene: Stage) -> None:
    made, code, entry = await product(scene, "120.50", Description="Oak", Xero_Purchase_Account__c="325")
    first = await item(scene, code, {"Description": "Oak"}, UnitPrice=Decimal("120.5"), AccountCode="200",
                       TaxType="OUTPUT2")  # fmt: skip
    assert first["PurchaseDetails"]["AccountCode"] == "325"
    assert (await record(scene, "Product2", made))["Xero_Item_Id__c"] == first["ItemID"]
    longer = "A name that is longer than the fifty characters that Xero has"
    await scene.salesforce.edit("PricebookEntry", {"UnitPrice": Decimal("99.95")}, entry)
    await scene.salesforce.edit("Product2", {"Name": longer, "Xero_Account__c": "260"}, made)
    last = await item(scene, code, {"Name": longer[:50].strip()}, UnitPrice=Decimal("99.95"), AccountCode="260",
                      TaxType="OUTPUT2")  # fmt: skip
    assert last["ItemID"] == first["ItemID"]
    await clean(scene, ITEMS, made)
    await clean(scene, PRICES, entry)


async def test_items_become_products_and_equal_codes_are_one(scene: Stage) -> None:
    golf = await item(scene, "GB1-White")
    born = await shown(scene, "Product2", "ProductCode", "GB1-White", {"Xero_Item_Id__c": golf["ItemID"]})
    assert (born["Name"], born["Xero_Account__c"]) == (golf["Name"], "200")
    made, code, _ = await product(scene)
    await clean(scene, ITEMS, made)
    twin = await item(scene, code)
    await scene.xero.edit("Item", {"SalesDetails": {"AccountCode": "260"}}, twin["ItemID"])
    await scene.xero.edit("Item", {"SalesDetails": {"AccountCode": "260"}}, golf["ItemID"])
    await shown(scene, "Product2", "ProductCode", code, {"Xero_Account__c": "260"})
    await shown(scene, "Product2", "ProductCode", "GB1-White", {"Xero_Account__c": "260"})
    known = [row["ProductCode"] for row in await scene.salesforce.objects("Product2")]
    assert len(known) == len(set(known)), "no product twice"


async def test_a_product_of_a_known_code_is_tied_to_its_item(scene: Stage) -> None:
    code = f"T-{uuid4().hex[:8]}"
    there = await scene.xero.edit("Item", {"Code": code})  # without a name: no product of its own
    made = await scene.salesforce.edit("Product2", {"Name": fresh("Tied"), "ProductCode": code, "IsActive": True})
    await clean(scene, ITEMS, made)
    assert (await item(scene, code))["ItemID"] == there
    assert (await record(scene, "Product2", made))["Xero_Item_Id__c"] == there


async def test_stock_and_its_cost_come_back_and_invoices_name_the_item(scene: Stage) -> None:
    made, code, entry = await product(scene, "9")
    await clean(scene, ITEMS, made)
    one = await item(scene, code, UnitPrice=Decimal(9))
    await scene.xero.edit("Item", {
        "InventoryAssetAccountCode": "630", "PurchaseDetails": {"COGSAccountCode": "310"},
    }, one["ItemID"])  # fmt: skip
    supplier = (await scene.xero.objects("Contact"))[0]["ContactID"]
    ten: Json = {"Description": "Ten", "ItemCode": code, "Quantity": Decimal(10), "UnitAmount": Decimal(4),
                 "AccountCode": "630"}  # fmt: skip
    await scene.xero.edit("Invoice", {
        "Type": "ACCPAY", "Status": "AUTHORISED", "Contact": {"ContactID": supplier}, "Date": "2026-11-20",
        "DueDate": "2026-12-20", "InvoiceNumber": fresh("Bill"), "LineItems": [ten],
    })  # fmt: skip
    await shown(scene, "Product2", "ProductCode", code, {"Xero_Quantity__c": 10, "Xero_Stock_Cost__c": 40})
    _, number, _ = await sold(scene, entry, 3, 9)
    invoiced = await invoice(scene, number, net=27)
    assert [(row["ItemCode"], row["AccountCode"]) for row in invoiced["LineItems"]] == [(code, "200")]
    await shown(scene, "Product2", "ProductCode", code, {"Xero_Quantity__c": 7, "Xero_Stock_Cost__c": 28})
    query = f"SELECT Id FROM Product2 WHERE Xero_Average_Cost__c = 4 AND Id = '{made}'"  # noqa: S608
    assert await found(scene, query) == 1
    await clean(scene, ITEMS, made)


async def test_costs_of_a_product_are_those_of_its_item(scene: Stage) -> None:
    """Purchase price, and the accounts of what is in stock and of what it cost once sold, are edited on either side.
    Xero takes both accounts or none, and keeps them once they are used: what it refuses is a review."""
    made, code, _ = await product(scene, "9", Xero_Purchase_Price__c=Decimal("4.125"), Xero_Purchase_Tax__c="INPUT2")
    one = await item(scene, code)
    bought = one["PurchaseDetails"]
    assert (bought["UnitPrice"], bought["TaxType"], one["IsTrackedAsInventory"]) == (Decimal("4.125"), "INPUT2", False)
    await scene.salesforce.edit("Product2", {"Xero_Asset_Account__c": "310"}, made)
    await waits_for_a_person(scene, ITEMS, made, "xero.account-code")
    await scene.salesforce.edit("Product2", {"Xero_Asset_Account__c": "630", "Xero_Cogs_Account__c": "310"}, made)

    async def tracked() -> bool:
        there = await item(scene, code)
        own = there.get("InventoryAssetAccountCode"), there["PurchaseDetails"].get("COGSAccountCode")
        return bool(there["IsTrackedAsInventory"]) and own == ("630", "310")

    await until("the item is in stock", tracked)
    await clean(scene, ITEMS, made)
    await scene.xero.edit("Item", {"PurchaseDetails": {"UnitPrice": Decimal("4.5")}}, one["ItemID"])
    await shown(scene, "Product2", "ProductCode", code, {"Xero_Purchase_Price__c": Decimal("4.5")})
    plain, other, _ = await product(scene, "9")
    there = await item(scene, other)
    both: Json = {"InventoryAssetAccountCode": "630", "PurchaseDetails": {"COGSAccountCode": "310"}}
    await scene.xero.edit("Item", both, there["ItemID"])
    await shown(
        scene, "Product2", "ProductCode", other, {"Xero_Asset_Account__c": "630", "Xero_Cogs_Account__c": "310"}
    )
    await clean(scene, ITEMS, plain)


async def test_an_item_that_was_used_untracked_stays_so(scene: Stage) -> None:
    """Xero refuses to track it any more: a review in its words, which an emptied product ends."""
    made, code, entry = await product(scene, "9")
    await clean(scene, ITEMS, made)
    await item(scene, code)
    _, number, _ = await sold(scene, entry, 1, 9)
    await invoice(scene, number, net=9)
    await scene.salesforce.edit("Product2", {"Xero_Asset_Account__c": "630", "Xero_Cogs_Account__c": "310"}, made)

    async def refused() -> str:
        link = await link_of(scene, ITEMS, made)
        return link.message if link is not None else ""

    assert "has been used" in await until("Xero refuses", refused)
    await scene.salesforce.edit("Product2", {"Xero_Asset_Account__c": None, "Xero_Cogs_Account__c": None}, made)
    await clean(scene, ITEMS, made)


# --- codes -----------------------------------------------------------------------------------------------------------


async def explained(scene: Stage, about: str) -> dict[tuple[str, str], tuple[str, str]]:
    """What ``twinledger links explain`` tells: line and field to the value and what gave it."""

    async def told() -> Json:
        words = ["links", "explain", about, "--config", str(scene.config), "--output", "json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, words)
        return json.loads(result.stdout) if result.exit_code == 0 else {}

    links = (await until(f"links explain {about} tells", told))["links"]
    fields = next(one["fields"] for one in links if one["mapping"] == INVOICES)
    return {(one["line"], one["name"]): (one["value"], one["given"]) for one in fields}


async def regions(scene: Stage) -> None:
    """The tracking category has the name that the mapping says."""
    (category,) = await scene.xero.objects("TrackingCategory")
    if category["Name"] != "Region":
        await put(scene, f"TrackingCategories/{category['TrackingCategoryID']}", {"Name": "Region"})


async def test_a_code_is_the_lines_else_the_products_else_the_customers_else_the_mappings(scene: Stage) -> None:
    """Account, tax type and tracking flow into each line, and `links explain` tells which level gave each."""
    await regions(scene)
    customer = await linked_customer(scene, Xero_Account__c="260", Xero_Region__c="Eastside")
    _, _, coded = await product(scene, "10", Xero_Account__c="200", Xero_Region__c="West Coast")
    _, _, plain = await product(scene, "10", Xero_Account__c=None, Xero_Tax__c=None)
    opportunity, number, _ = await deal(scene, (), AccountId=customer)
    rows = [await sell(scene, opportunity, *each) for each in (
        (coded, 1, 11, {"Xero_Account__c": "270", "Xero_Tax__c": "ZERORATEDOUTPUT", "Xero_Region__c": "Eastside"}),
        (coded, 1, 12, {}), (plain, 1, 13, {}),
    )]  # fmt: skip
    await won(scene, opportunity)
    made = await invoice(scene, number, net=36)
    shown = [(one["AccountCode"], one["TaxType"], *(each["Option"] for each in one["Tracking"]))
             for one in sorted(made["LineItems"], key=lambda one: one["UnitAmount"])]  # fmt: skip
    assert shown[0] == ("270", "ZERORATEDOUTPUT", "Eastside")
    assert shown[1] == ("200", "OUTPUT2", "West Coast")
    assert (shown[2][0], shown[2][2]) == ("260", "Eastside")
    why = await explained(scene, opportunity)
    assert [why[row, "AccountCode"] for row in rows] == [
        ("270", "line.Xero_Account__c"), ("200", "line.Product2.Xero_Account__c"), ("260", "account.Xero_Account__c"),
    ]  # fmt: skip
    assert [why[row, "TaxType"] for row in rows[:2]] == [
        ("ZERORATEDOUTPUT", "line.Xero_Tax__c"), ("OUTPUT2", "line.Product2.Xero_Tax__c"),
    ]  # fmt: skip
    assert (rows[2], "TaxType") not in why, "said nowhere: Xero's own"
    assert [why[row, "Tracking.Region"] for row in rows] == [
        ("Eastside", "line.Xero_Region__c"), ("West Coast", "line.Product2.Xero_Region__c"),
        ("Eastside", "account.Xero_Region__c"),
    ]  # fmt: skip
    assert await explained(scene, made["InvoiceID"]) == why, "asked from Xero it is the same story"


async def test_what_nobody_codes_is_the_mappings_and_a_persons_tracking_stays(scene: Stage) -> None:
    await regions(scene)
    item, _, plain = await product(scene, "10", Xero_Account__c=None, Xero_Tax__c=None)
    await clean(scene, ITEMS, item)
    opportunity, number, row = await sold(scene, plain, 2, 10)
    made = await invoice(scene, number, net=20)
    (one,) = made["LineItems"]
    assert (one["AccountCode"], one["Tracking"]) == ("200", [])
    assert (await explained(scene, opportunity))[row, "AccountCode"] == ("200", "'200'")
    names = ("LineItemID", "ItemCode", "Description", "Quantity", "UnitAmount", "AccountCode", "TaxType")
    tracked = {**{name: one[name] for name in names}, "Tracking": [{"Name": "Region", "Option": "Eastside"}]}
    await scene.xero.edit("Invoice", {"LineItems": [tracked]}, made["InvoiceID"])
    await some_polls(scene, "/api.xro/2.0/Invoices", number=2)
    await scene.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(3)}, row)
    (one,) = (await invoice(scene, number, net=30))["LineItems"]
    assert [each["Option"] for each in one["Tracking"]] == ["Eastside"]


async def lists_polled(scene: Stage) -> Counter[str]:
    return Counter(call["path"] for call in await scene.xero.requests() if call["method"] == "GET")


async def test_what_was_kept_is_replayed_and_writes_nothing(scene: Stage) -> None:
    mappings, seen = await applied(scene), await lists_polled(scene)

    async def all_polled() -> bool:
        now = await lists_polled(scene)
        return all(now[path] > seen[path] for path in LISTS)

    async def rests() -> bool:
        before = await sent(scene)
        await some_polls(scene, number=1)
        return await sent(scene) == before and not await moving(scene, mappings)

    await until("every list has been asked since", all_polled, RARELY)
    await until("all is written", rests, RARELY)
    before = await sent(scene)
    await says_nothing_new(scene)
    assert await sent(scene) == before
