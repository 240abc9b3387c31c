"""Two contacts that somebody made one in Xero: the account follows the one that stayed, or a person is told which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage, until
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import changed_mappings, opened, spine
from tests.scenarios.people import (
    ACCOUNTS,
    call_in_xero,
    clean,
    contact_of,
    deal,
    delete,
    fresh,
    invoice,
    linked_customer,
    phone,
    record,
    sent,
    some_polls,
    waits_for_a_person,
    won,
)

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
CONTACTS = "/api.xro/2.0/Contacts"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A contact that somebody made in Xero has an account only if it has an account number."""
    folder = tmp_path_factory.mktemp("merged")
    active = "xero: =xero.ContactStatus == 'ACTIVE'"
    mappings = changed_mappings(folder, {"account-contact": (active, f"{active} and xero.AccountNumber != null")})
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings) as stage:
        await opened(stage)
        yield stage


async def merged(scene: Stage, goes: Json, stays: str) -> None:
    await scene.xero.edit("Contact", {"MergedToContactID": stays}, goes["ContactID"])


async def test_an_account_follows_its_contact_into_another(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene)
    await won(scene, opportunity)
    made = await invoice(scene, number)
    account = next(row for row in await scene.salesforce.objects("Opportunity") if row["Id"] == opportunity)[
        "AccountId"
    ]
    stays = await scene.xero.edit("Contact", {"Name": fresh("The real one")})
    await merged(scene, await contact_of(scene, account), stays)

    async def follows() -> bool:
        link = await link_of(scene, ACCOUNTS, account)
        return link is not None and link.xero.id == stays

    await until("the account is tied to the contact that stayed", follows)
    await clean(scene, ACCOUNTS, account)
    await scene.salesforce.edit("Account", {"Phone": "42"}, account)

    async def written() -> bool:
        row = next(one for one in await scene.xero.objects("Contact") if one["ContactID"] == stays)
        return phone(row) == "42"

    await until("what is edited goes there", written)
    again, other, _ = await deal(scene)
    await scene.salesforce.edit("Opportunity", {"AccountId": account}, again)
    await won(scene, again)
    second = await invoice(scene, other)
    first = next(row for row in await scene.xero.objects("Invoice") if row["InvoiceID"] == made["InvoiceID"])
    assert {row["Contact"]["ContactID"] for row in (first, second)} == {stays}


async def test_an_account_that_was_made_of_a_contact_follows_it_too(scene: Stage) -> None:
    """Its link is named by the contact that went, and is found by the one that stayed."""
    goes = await scene.xero.edit("Contact", {"Name": fresh("Twice there"), "AccountNumber": fresh("No")})
    link = await clean(scene, ACCOUNTS, goes)
    account = link.salesforce.id
    stays = await scene.xero.edit("Contact", {"Name": fresh("The real one")})
    await merged(scene, {"ContactID": goes}, stays)

    async def named() -> bool:
        return bool((await record(scene, "Account", account))["Xero_Contact_Id__c"] == stays)

    await until("the account names the contact that stayed", named)
    await clean(scene, ACCOUNTS, goes)
    await call_in_xero(scene, stays, "43")

    async def heard() -> bool:
        return bool((await record(scene, "Account", account))["Phone"] == "43")

    await until("what is edited there comes to the account", heard)
    before = await sent(scene, goes, stays, account)
    await some_polls(scene, CONTACTS, 2)
    assert await sent(scene, goes, stays, account) == before
    rows = await scene.salesforce.objects("Account")
    assert [row["Id"] for row in rows if row["Xero_Contact_Id__c"] == stays] == [account]


async def test_two_accounts_of_one_contact_are_for_a_person(scene: Stage) -> None:
    goes, stays = await linked_customer(scene), await linked_customer(scene)
    gone, kept = await contact_of(scene, goes), await contact_of(scene, stays)
    await merged(scene, gone, kept["ContactID"])
    asked = await waits_for_a_person(scene, ACCOUNTS, goes, "link.merged")
    assert kept["ContactID"] in asked.message
    assert stays in asked.message
    before = await sent(scene, gone["ContactID"], kept["ContactID"])
    await scene.salesforce.edit("Account", {"Phone": "1"}, goes)
    await some_polls(scene, CONTACTS, 2)
    assert await sent(scene, gone["ContactID"], kept["ContactID"]) == before
    await delete(scene, "Account", goes)  # as a merge of the two accounts does

    async def over() -> bool:
        link = await link_of(scene, ACCOUNTS, goes)
        return link is not None and not link.code

    await until("nobody is asked any more", over)
    await clean(scene, ACCOUNTS, stays)
