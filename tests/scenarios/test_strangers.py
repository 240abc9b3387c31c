"""For each row of the product one mapping that a stranger wrote for objects of their own, from the pages alone.

The mappings stand in ``strangers/``; nothing of them is in the product. Each works both ways, to the cent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.check import check
from connector.cli.stage import Json, Stage, until
from connector.simulators.salesforce import org
from connector.simulators.salesforce.sales_org import TABLES
from connector.simulators.xero.seed import OTHER_TENANT
from tests.integration.spine_stage import connection, spine
from tests.scenarios.people import clean, fresh, pay, waits_for_a_person
from tests.scenarios.replaying import says_nothing_new
from tests.scenarios.strangers.objects import OBJECTS

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
MAPPINGS = Path(__file__).parent / "strangers" / "mappings"
BILL: Json = {"Description": "Paper", "Quantity": Decimal(3), "UnitAmount": Decimal("33.35"), "AccountCode": "429"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("strangers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(org, "TABLES", (*TABLES, *OBJECTS))
        async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=MAPPINGS, start=False) as stage:
            _configure(stage)
            await stage.begin()
            yield stage


def _configure(scene: Stage) -> None:
    """What the pages say: every object is polled, two organisations, and which country belongs to which."""
    client, secret = scene.xero_credentials
    with connection(scene) as home:
        home["salesforce"] |= {"capture": {"*": "poll"}, "poll_seconds": 1}
        both = {**home["xero"][0], "client_id": client, "client_secret": secret}
        home["xero"] = [{**both, "name": "uk"}, {**both, "name": "us", "tenant": OTHER_TENANT}]
        home["lookups"] = {"organisation-by-country": {"GB": "uk", "US": "us"}}


async def rows(scene: Stage, entity: str, **fields: object) -> list[Json]:
    """Records of Salesforce that stand and hold these values."""
    found = await scene.salesforce.objects(entity)
    return [row for row in found if not row["IsDeleted"] and all(row.get(k) == v for k, v in fields.items())]


async def shown(scene: Stage, entity: str, fields: Mapping[str, object]) -> Json:
    async def there() -> list[Json]:
        return await rows(scene, entity, **fields)

    (found,) = await until(f"one {entity} holds {dict(fields)}", there)
    return dict(found)


async def booked(scene: Stage, entity: str, fields: Mapping[str, object], *, tenant: str = "") -> Json:
    """Wait until one object of Xero holds these values."""
    name = f"{tenant}:{entity}" if tenant else entity

    async def there() -> list[Json]:
        found = await scene.xero.objects(name)
        return [row for row in found if all(row.get(k) == v for k, v in fields.items())]

    (found,) = await until(f"one {name} holds {dict(fields)}", there)
    return dict(found)


async def written(scene: Stage, path: str) -> int:
    """How many calls to Xero wrote, or tried to write, below a path."""
    return sum(one["method"] != "GET" and path in one["path"] for one in await scene.xero.requests())


async def account(scene: Stage) -> str:
    made = await scene.salesforce.edit("Account", {"Name": fresh("Customer"), "Type": "Customer"})
    await clean(scene, "customer-contact", made)
    return made


async def test_the_files_lack_nothing(scene: Stage) -> None:
    assert await check(scene.config) == ((), ())


async def test_row_1_tracking_options_are_cost_centres(scene: Stage) -> None:
    group = await shown(scene, "Cost_Centre_Group__c", {"Name": "Region", "Open__c": True})
    centres = await rows(scene, "Cost_Centre__c", Group__c=group["Id"])
    (category,) = await scene.xero.objects("TrackingCategory")
    assert sorted(row["Name"] for row in centres) == sorted(option["Name"] for option in category["Options"])


@pytest.mark.parametrize(
    ("account", "code"), [("090", "xero.account-code"), ("404", "xero.tax-type"), ("999", "xero.account-code")]
)
async def test_row_1_a_wrong_account_is_told_before_xero_sees_it(scene: Stage, account: str, code: str) -> None:
    """A bank account, one of a class that the tax type is not for, and one that is not there."""
    tag, before = f"W-{uuid4().hex[:6]}", await written(scene, "/Items")
    wrong: Json = {"Name": "Van", "Tag__c": tag, "Income_Account__c": account, "Income_Tax__c": "OUTPUT2"}
    asset = await scene.salesforce.edit("Asset__c", wrong)
    await waits_for_a_person(scene, "asset-item", asset, code)
    assert await written(scene, "/Items") == before
    await scene.salesforce.edit("Asset__c", {"Income_Account__c": "200"}, asset)
    assert (await booked(scene, "Item", {"Code": tag}))["SalesDetails"]["AccountCode"] == "200"
    await clean(scene, "asset-item", asset)  # nothing of it is under way when the next one counts


async def test_row_2_an_asset_is_an_item_and_its_rate_goes_both_ways(scene: Stage) -> None:
    tag = f"A-{uuid4().hex[:6]}"
    asset = await scene.salesforce.edit(
        "Asset__c", {"Name": "Digger", "Tag__c": tag, "Day_Rate__c": Decimal("99.99"), "Income_Account__c": "200"}
    )
    item = await booked(scene, "Item", {"Code": tag, "Name": "Digger"})
    assert item["SalesDetails"]["UnitPrice"] == Decimal("99.99")
    await clean(scene, "asset-item", asset)
    await scene.xero.edit(
        "Item", {"SalesDetails": {**item["SalesDetails"], "UnitPrice": Decimal("88.88")}}, item["ItemID"]
    )
    row = await shown(scene, "Asset__c", {"Id": asset, "Day_Rate__c": Decimal("88.88")})
    assert row["Xero_Item_Id__c"] == item["ItemID"]
    born = await scene.xero.edit("Item", {"Code": f"{tag}-2", "Name": "Crane"})
    assert (await shown(scene, "Asset__c", {"Tag__c": f"{tag}-2"}))["Xero_Item_Id__c"] == born


async def test_rows_3_and_4_a_vendor_is_a_contact_and_has_its_bills(scene: Stage) -> None:
    vendor = await scene.salesforce.edit("Vendor__c", {
        "Name": fresh("Vendor"), "Active__c": True, "Contact_Last_Name__c": "Fox", "City__c": "Leeds",
        "Terms_Days__c": Decimal(20), "Terms_Type__c": "DAYSAFTERBILLDATE", "VAT__c": "GB123456789",
    })  # fmt: skip
    await clean(scene, "vendor-contact", vendor)
    (known,) = await rows(scene, "Vendor__c", Id=vendor)
    contact = await booked(scene, "Contact", {"ContactID": known["Xero_Contact_Id__c"]})
    assert (contact["LastName"], contact["TaxNumber"]) == ("Fox", "GB123456789")
    assert contact["PaymentTerms"]["Bills"] == {"Day": 20, "Type": "DAYSAFTERBILLDATE"}
    await scene.xero.edit("Contact", {"EmailAddress": "fox@example.org"}, contact["ContactID"])
    await shown(scene, "Vendor__c", {"Id": vendor, "Email__c": "fox@example.org"})

    bill = await scene.xero.edit("Invoice", {
        "Type": "ACCPAY", "Status": "AUTHORISED", "Contact": {"ContactID": contact["ContactID"]},
        "Date": "2026-11-20", "DueDate": "2026-12-20", "InvoiceNumber": fresh("B"), "LineItems": [BILL],
    })  # fmt: skip
    made = await booked(scene, "Invoice", {"InvoiceID": bill})
    row = await shown(scene, "Vendor_Bill__c", {"Xero_Id__c": bill, "Vendor__c": vendor})
    assert [row[name] for name in ("Net__c", "Tax__c", "Gross__c")] == [
        made[name] for name in ("SubTotal", "TotalTax", "Total")
    ]
    (line,) = await rows(scene, "Vendor_Bill_Line__c", Bill__c=row["Id"])
    assert line["Net__c"] == made["LineItems"][0]["LineAmount"]
    await pay(scene, made, "20.01")
    await shown(
        scene, "Vendor_Bill__c", {"Xero_Id__c": bill, "State__c": "Part settled", "Settled__c": Decimal("20.01")}
    )
    await shown(scene, "Vendor__c", {"Id": vendor, "Owed__c": made["Total"] - Decimal("20.01")})


async def test_row_5_a_subscription_is_invoiced_in_instalments_and_shows_what_is_paid(scene: Stage) -> None:
    centre = (await rows(scene, "Cost_Centre__c"))[0]
    name = uuid4().hex[:6]
    source = await scene.salesforce.edit("Subscription__c", {
        "Name": name, "Account__c": await account(scene), "Plan__c": "Gold", "Yearly__c": Decimal("100.01"),
    })  # fmt: skip
    for part, share in (("1", "33.3333"), ("2", "66.6667")):
        await scene.salesforce.edit("Instalment__c", {
            "Name": part, "Subscription__c": source, "Due__c": "2026-11-20", "Share__c": Decimal(share),
            "Cost_Centre__c": centre["Id"],
        })  # fmt: skip
    await scene.salesforce.edit("Subscription__c", {"Active__c": True}, source)
    made = [
        await booked(scene, "Invoice", {"InvoiceNumber": f"SUB-{name}-{part}", "Status": "AUTHORISED"})
        for part in ("1", "2")
    ]
    assert [one["SubTotal"] for one in made] == [Decimal("33.34"), Decimal("66.67")]
    (tracked,) = made[0]["LineItems"][0]["Tracking"]
    assert tracked["Option"] == centre["Name"]
    await pay(scene, made[0], "10.00")
    await pay(scene, made[1], "20.00")
    owed = sum((one["Total"] for one in made), Decimal(0)) - 30
    await shown(scene, "Subscription__c", {"Id": source, "Paid__c": Decimal("30.00"), "Open__c": owed})


async def test_row_7_a_donation_is_born_in_xero_and_its_campaign_goes_back(scene: Stage) -> None:
    contact = await scene.xero.edit("Contact", {"Name": fresh("Giver")})
    gift: Json = {
        "Description": "For the lifeboat",
        "Quantity": Decimal(1),
        "UnitAmount": Decimal("12.34"),
        "AccountCode": "200",
    }
    given = await scene.xero.edit("Invoice", {
        "Type": "ACCREC", "Status": "AUTHORISED", "Contact": {"ContactID": contact}, "Date": "2026-11-20",
        "DueDate": "2026-12-20", "InvoiceNumber": f"GIVE-{uuid4().hex[:6]}", "LineItems": [gift],
    })  # fmt: skip
    made = await booked(scene, "Invoice", {"InvoiceID": given})
    donation = await shown(scene, "Donation__c", {"Xero_Id__c": given})
    (giver,) = await rows(scene, "Account", Xero_Contact_Id__c=contact)
    assert (donation["Giver__c"], donation["Total__c"]) == (giver["Id"], made["Total"])
    (row,) = await rows(scene, "Gift__c", Donation__c=donation["Id"])
    assert row["Amount__c"] == Decimal("12.34")
    await scene.salesforce.edit("Donation__c", {"Campaign__c": "Spring"}, donation["Id"])
    await booked(scene, "Invoice", {"InvoiceID": given, "Reference": "Spring"})


async def test_row_8_a_visit_is_invoiced_in_the_country_of_its_branch(scene: Stage) -> None:
    totals = {}
    for country, tenant, currency in (("GB", "", "EUR"), ("US", OTHER_TENANT, "USD")):
        number = uuid4().hex[:6]
        branch = await scene.salesforce.edit(
            "Branch__c", {"Name": fresh("Branch"), "Code__c": number, "Country__c": country}
        )
        await scene.salesforce.edit("Visit__c", {
            "Name": number, "Number__c": number, "Branch__c": branch, "Day__c": "2026-11-20", "Done__c": True,
            "Hours__c": Decimal("1.5"), "Rate__c": Decimal("66.67"), "Currency__c": currency,
        })  # fmt: skip
        made = await booked(scene, "Invoice", {"InvoiceNumber": f"VIS-{number}", "Status": "AUTHORISED"}, tenant=tenant)
        totals[made["CurrencyCode"]] = made["Total"]
    assert totals == {"EUR": Decimal("100.01"), "USD": Decimal("100.01")}


async def test_row_8_a_visit_moves_to_a_branch_of_another_country(scene: Stage) -> None:
    """Its invoice is void where it stood, and stands where it belongs now."""
    number, branches = uuid4().hex[:6], []
    for country in ("GB", "US"):
        known = {"Name": fresh("Branch"), "Code__c": f"{number}{country}", "Country__c": country}
        branches.append(await scene.salesforce.edit("Branch__c", known))
    visit = await scene.salesforce.edit("Visit__c", {
        "Name": number, "Number__c": number, "Branch__c": branches[0], "Day__c": "2026-11-20", "Done__c": True,
        "Hours__c": Decimal(2), "Rate__c": Decimal("49.99"), "Currency__c": "USD",
    })  # fmt: skip
    await booked(scene, "Invoice", {"InvoiceNumber": f"VIS-{number}", "Status": "AUTHORISED"})
    await scene.salesforce.edit("Visit__c", {"Branch__c": branches[1]}, visit)
    await booked(scene, "Invoice", {"InvoiceNumber": f"VIS-{number}", "Status": "VOIDED"})
    there = await booked(
        scene, "Invoice", {"InvoiceNumber": f"VIS-{number}", "Status": "AUTHORISED"}, tenant=OTHER_TENANT
    )
    assert there["Total"] == Decimal("99.98")


async def test_reading_all_again_writes_nothing(scene: Stage) -> None:
    await says_nothing_new(scene)
