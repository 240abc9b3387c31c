"""What is picked on an opportunity itself, or on an object that somebody invented, is judged before Xero sees it:
account, tax rate, tracking, branding theme, currency and payment account, archived ones too."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage, until
from connector.simulators.salesforce import org
from connector.simulators.salesforce.sales_org import TABLES
from connector.simulators.salesforce.schema import Table
from tests.integration.spine_stage import connection, spine
from tests.scenarios.people import clean, fresh, linked_customer, waits_for_a_person

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
PICKS = """
Pick_Account__c    string(10)
Pick_Tax__c        string(50)
Pick_Region__c     string(100)
Pick_Team__c       string(100)
Pick_Theme__c      string(36)
Pick_Currency__c   string(3)
Pick_Payment__c    string(10)
"""
REQUEST = Table("Request__c", "a0W", """
Name               string(80) required defaulted
OwnerId            reference required defaulted ->User=Owner
Number__c          string(40)
Amount             currency(16.2)
Ready__c           boolean
CloseDate          date
AccountId          reference ->Account=Account/Requests
""" + PICKS)  # fmt: skip
INVOICE = """
mapping: {mapping}
from: salesforce.{entity}
when: ={when}
begin: new
to: xero.Invoice
fields:
  Type: ACCREC
  InvoiceNumber: {{ set: =record.Number__c, write: once }}
  Contact: =target('account-contact', record.AccountId)
  Date: {{ set: =record.CloseDate, write: once }}
  DueDate: =Date + days(30)
  BrandingThemeID: =record.Pick_Theme__c
  CurrencyCode: =record.Pick_Currency__c or connection.currency
  LineAmountTypes: Exclusive
lines:
  - key: one
    fields:
      Description: =record.Name
      Quantity: 1
      UnitAmount: =record.Amount
      AccountCode: =record.Pick_Account__c or '200'
      TaxType: =record.Pick_Tax__c
      Tracking: {{ Region: =record.Pick_Region__c, Team: =record.Pick_Team__c }}
"""
PAYMENT = """
mapping: {mapping}-paid
from: salesforce.{entity}
when: ={when} and record.Pick_Payment__c != null
begin: new
to: xero.Payment
fields:
  Invoice: =target('{mapping}', record)
  Account.Code: =record.Pick_Payment__c
  Date: =record.CloseDate
  Amount: 10
life: {{ changed: {{ draft: update, approved: reissue, paid: tell }} }}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where people pick."""

    entity: str
    mapping: str
    when: str

    def text(self, of: str) -> str:
        return of.format(entity=self.entity, mapping=self.mapping, when=self.when)


DEAL = Place("Opportunity", "picked-deal", "record.IsWon")
INVENTED = Place("Request__c", "picked-request", "record.Ready__c")
#  what is picked, the code, and what is right
WRONG: tuple[tuple[dict[str, str], str, Json], ...] = (
    ({"Pick_Account__c": "ARCH"}, "xero.account-archived", {"Pick_Account__c": "260"}),
    ({"Pick_Account__c": "090"}, "xero.account-code", {"Pick_Account__c": "260"}),
    ({"Pick_Account__c": "404", "Pick_Tax__c": "OUTPUT2"}, "xero.tax-type", {"Pick_Account__c": "260"}),
    ({"Pick_Tax__c": "NOSUCH"}, "xero.tax-type", {"Pick_Tax__c": "OUTPUT2"}),
    ({"Pick_Region__c": "South"}, "xero.tracking", {"Pick_Region__c": "North"}),
    ({"Pick_Team__c": "Blue"}, "xero.tracking", {"Pick_Team__c": None}),
    ({"Pick_Theme__c": "11111111-2222-4333-8444-555555555555"}, "xero.branding-theme", {"Pick_Theme__c": None}),
    ({"Pick_Currency__c": "XAU"}, "xero.currency", {"Pick_Currency__c": "GBP"}),
)


def _tables() -> tuple[Table, ...]:
    """The org with fields of its own on the opportunity, and an object of its own."""
    own = [replace(one, fields=one.fields + PICKS) if one.name == DEAL.entity else one for one in TABLES]
    return (*own, REQUEST)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("picked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(org, "TABLES", _tables())
        mappings = _mappings(folder / "mappings")
        async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings, start=False) as stage:
            await _archived(stage)
            with connection(stage) as one:  # an invented object has no place in the channel
                one["salesforce"] |= {"capture": {INVENTED.entity: "poll"}, "poll_seconds": 1}
            await stage.begin()
            yield stage


def _mappings(there: Path) -> Path:
    there.mkdir()
    for name in ("account-contact", "accounts-to-salesforce", "tax-rates-to-salesforce"):
        shutil.copy(shipped_mappings() / f"{name}.yaml", there)
    for file in (shipped_mappings() / "metadata").glob("*.yaml"):
        shutil.copy(file, there)
    for place in (DEAL, INVENTED):
        (there / f"{place.mapping}.yaml").write_text(place.text(INVOICE), "utf-8")
        (there / f"{place.mapping}-paid.yaml").write_text(place.text(PAYMENT), "utf-8")
    return there


async def _archived(scene: Stage) -> None:
    """An account, an option and a whole category that are no longer in use."""
    await put(scene, "Accounts", {"Code": "ARCH", "Name": "Old revenue", "Type": "REVENUE", "TaxType": "OUTPUT2"})
    (old,) = [one for one in await scene.xero.objects("Account") if one["Code"] == "ARCH"]
    await put(scene, f"Accounts/{old['AccountID']}", {"Status": "ARCHIVED"})
    (region,) = await scene.xero.objects("TrackingCategory")
    south = next(one["TrackingOptionID"] for one in region["Options"] if one["Name"] == "South")
    await put(scene, f"TrackingCategories/{region['TrackingCategoryID']}/Options/{south}", {"Status": "ARCHIVED"})
    await put(scene, "TrackingCategories", {"Name": "Team"})
    (team,) = [one for one in await scene.xero.objects("TrackingCategory") if one["Name"] == "Team"]
    place = f"TrackingCategories/{team['TrackingCategoryID']}"
    await put(scene, f"{place}/Options", {"Name": "Blue"})
    await put(scene, place, {"Status": "ARCHIVED"})


async def put(scene: Stage, path: str, body: Json) -> None:
    """Somebody changes a setting in Xero."""
    method = "POST" if path.count("/") in (1, 3) and not path.endswith("Options") else "PUT"
    await scene.xero.call(method, f"/api.xro/2.0/{path}", body, await scene.token())


async def ready(scene: Stage, place: Place, customer: str, **picked: str) -> tuple[str, str]:
    """A record that is to be invoiced, with what was picked on it: its id and its number."""
    number = f"PK-{uuid4().hex[:8]}"
    state: Json = {"StageName": "Closed Won"} if place is DEAL else {"Ready__c": True}
    known: Json = {"Name": fresh("Picked"), "AccountId": customer, "CloseDate": "2026-11-20", "Number__c": number,
                   "Amount": Decimal(100), **state, **picked}  # fmt: skip
    return await scene.salesforce.edit(place.entity, known), number


async def booked(scene: Stage, number: str) -> Json:
    async def there() -> list[Json]:
        rows = await scene.xero.objects("Invoice")
        return [row for row in rows if (row["InvoiceNumber"], row["Status"]) == (number, "AUTHORISED")]

    (found,) = await until(f"{number} is invoiced", there)
    return dict(found)


async def documents_sent(scene: Stage) -> int:
    paths = ("/api.xro/2.0/Invoices", "/api.xro/2.0/Payments")
    return sum(call["path"] in paths and call["method"] != "GET" for call in await scene.xero.requests())


@pytest.mark.parametrize("place", [DEAL, INVENTED], ids=["on the opportunity", "on an invented object"])
async def test_a_wrong_choice_is_told_before_xero_sees_it(office: Stage, place: Place) -> None:
    """Nothing is sent for any of them; each goes its way once the choice is put right."""
    customer, before = await linked_customer(office), await documents_sent(office)
    records = [(await ready(office, place, customer, **wrong), code, right) for wrong, code, right in WRONG]
    for (record, _), code, _ in records:
        await waits_for_a_person(office, place.mapping, record, code)
    assert await documents_sent(office) == before, "Xero has seen none of them"
    for (record, _), _, right in records:
        await office.salesforce.edit(place.entity, right, record)
    for (record, number), _, _ in records:
        assert (await booked(office, number))["SubTotal"] == 100
        await clean(office, place.mapping, record)


@pytest.mark.parametrize("place", [DEAL, INVENTED], ids=["on the opportunity", "on an invented object"])
async def test_a_right_choice_is_what_the_invoice_says(office: Stage, place: Place) -> None:
    theme = (await office.xero.objects("BrandingTheme"))[-1]["BrandingThemeID"]
    customer = await linked_customer(office)
    record, number = await ready(office, place, customer, Pick_Account__c="270", Pick_Tax__c="ZERORATEDOUTPUT",
                                 Pick_Region__c="Eastside", Pick_Theme__c=theme)  # fmt: skip
    made = await booked(office, number)
    (line,) = made["LineItems"]
    assert (line["AccountCode"], line["TaxType"], made["BrandingThemeID"]) == ("270", "ZERORATEDOUTPUT", theme)
    assert [one["Option"] for one in line["Tracking"]] == ["Eastside"]
    await clean(office, place.mapping, record)


@pytest.mark.parametrize("place", [DEAL, INVENTED], ids=["on the opportunity", "on an invented object"])
async def test_an_account_that_takes_no_payments_is_told(office: Stage, place: Place) -> None:
    record, number = await ready(office, place, await linked_customer(office), Pick_Payment__c="200")
    made = await booked(office, number)
    await waits_for_a_person(office, f"{place.mapping}-paid", record, "xero.payment-account")
    assert [
        one for one in await office.xero.objects("Payment") if one["Invoice"]["InvoiceID"] == made["InvoiceID"]
    ] == []
    await office.salesforce.edit(place.entity, {"Pick_Payment__c": "090"}, record)

    async def paid() -> bool:
        return bool((await booked(office, number))["AmountPaid"] == 10)

    await until("the payment is made", paid)
