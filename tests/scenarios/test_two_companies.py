"""One org, two Xero organisations: a rule says whose invoice it is, and an opportunity may move to the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage
from connector.simulators.xero.seed import OTHER_TENANT
from tests.integration.spine_stage import changed_mappings, connection, spine
from tests.scenarios.people import becomes, customer, fresh, line, won

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]
HOME, AWAY = "uk", "us"
CHOSEN = "organisation: =lookup('organisation-by-region', account.Region__c, otherwise='uk')"
CONTACT = "=target('account-contact-us', account) if account.Region__c == 'US' else target('account-contact', account)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("companies")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=_mappings(folder), start=False) as scene:
        _second_company(scene)
        await scene.begin()
        yield scene


def _mappings(folder: Path) -> Path:
    """The shipped ones, with customers by region and a copy of what is for one organisation only."""
    there = changed_mappings(folder, {
        "opportunity-to-invoice": ("to: xero.Invoice\n", f"to: xero.Invoice\n{CHOSEN}\n"),
        "tax-rates-to-salesforce": ("begin: all\n", f"begin: all\norganisation: {HOME}\n"),
        "account-contact": ("match:\n", f"organisation: {HOME}\nmatch:\n"),
    })  # fmt: skip
    invoices = there / "opportunity-to-invoice.yaml"
    invoices.write_text(
        invoices.read_text("utf-8").replace("=target('account-contact', account)", f'"{CONTACT}"'), "utf-8"
    )
    customers = (there / "account-contact.yaml").read_text("utf-8")
    ours = customers.replace("  sf: =", "  sf: =sf.Region__c != 'US' and (", 1).replace("!= null\n", "!= null)\n", 1)
    theirs = customers.replace("mapping: account-contact", "mapping: account-contact-us").replace(HOME, AWAY, 1)
    theirs = theirs.replace("create: both", "create: xero").replace("mark: Xero_Contact_Id__c\n", "")
    theirs = theirs.replace("  sf: =", "  sf: =sf.Region__c == 'US' and (", 1).replace("!= null\n", "!= null)\n", 1)
    (there / "account-contact.yaml").write_text(ours, "utf-8")
    (there / "account-contact-us.yaml").write_text(theirs, "utf-8")
    return there


def _second_company(scene: Stage) -> None:
    client, secret = scene.xero_credentials
    with connection(scene) as home:
        (one,) = home["xero"]
        both = {**one, "client_id": client, "client_secret": secret}
        home["xero"] = [{**both, "name": HOME}, {**both, "name": AWAY, "tenant": OTHER_TENANT}]
        home["lookups"] = {"organisation-by-region": {"US": AWAY}}


async def rows(scene: Stage, entity: str, name: str) -> list[Json]:
    return await scene.xero.objects(entity if name == HOME else f"{OTHER_TENANT}:{entity}")


async def invoices(scene: Stage, name: str, number: str) -> list[str]:
    """Statuses of the invoices with our number in one organisation."""
    found = await rows(scene, "Invoice", name)
    return [str(row["Status"]) for row in found if str(row["InvoiceNumber"]).startswith(f"OPP-{number}")]


async def deal(scene: Stage, region: str) -> tuple[str, str, str]:
    """A won opportunity of a customer in a region: its account, its id, its number."""
    account, number = await customer(scene, Region__c=region), uuid4().hex[:8]
    known: Json = {
        "Name": fresh("Deal"), "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-11-20",
        "Number__c": number,
    }  # fmt: skip
    opportunity = await scene.salesforce.edit("Opportunity", known)
    await line(scene, opportunity, 100)
    await won(scene, opportunity)
    return account, opportunity, number


@pytest.mark.parametrize(("region", "here", "there"), [("EMEA", HOME, AWAY), ("US", AWAY, HOME)])
async def test_an_invoice_is_made_where_the_rule_says(two: Stage, region: str, here: str, there: str) -> None:
    account, _, number = await deal(two, region)

    async def made() -> bool:
        return await invoices(two, here, number) == ["AUTHORISED"]

    await becomes("the invoice is there", made)
    assert await invoices(two, there, number) == []
    contacts = [row for row in await rows(two, "Contact", there) if row.get("ContactNumber") == account]
    assert contacts == [], "the customer too is in its own organisation only"


async def test_its_payment_comes_back_from_either(two: Stage) -> None:
    _, opportunity, number = await deal(two, "US")

    async def made() -> list[Json]:
        found = [row for row in await rows(two, "Invoice", AWAY) if row["InvoiceNumber"] == f"OPP-{number}"]
        return [row for row in found if row["Status"] == "AUTHORISED"]

    (invoice,) = await becomes("the invoice is there", made)
    payment = {"Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": invoice["Total"],
               "Date": "2026-11-21"}  # fmt: skip
    await two.xero.call("POST", "/__sim/edit", {"entity": f"{OTHER_TENANT}:Payment", "fields": payment})

    async def shown() -> bool:
        row = next(row for row in await two.salesforce.objects("Opportunity") if row["Id"] == opportunity)
        return bool(row["Invoice_Status__c"] == "PAID")

    await becomes("the opportunity shows it paid", shown)


async def test_an_opportunity_that_moves_takes_its_invoice_along(two: Stage) -> None:
    _, opportunity, number = await deal(two, "EMEA")

    async def made() -> bool:
        return await invoices(two, HOME, number) == ["AUTHORISED"]

    await becomes("the invoice is there", made)
    elsewhere = await customer(two, Region__c="US")
    await two.salesforce.edit("Opportunity", {"AccountId": elsewhere}, opportunity)

    async def moved() -> bool:
        here, there = await invoices(two, HOME, number), await invoices(two, AWAY, number)
        return here == ["VOIDED"] and there == ["AUTHORISED"]

    await becomes("it stands in the other organisation, and is void in the first", moved)
