"""An account and a contact are one thing, kept equal in both systems."""

from __future__ import annotations

import pytest

from connector.cli.stage import Stage, until
from connector.core.link_state import Life, State
from tests.integration.kafka_views import link_of, state_of
from tests.scenarios.people import (
    ACCOUNTS,
    call_in_xero,
    clean,
    contact_of,
    contacts,
    customer,
    decide,
    fresh,
    linked_customer,
    phone,
    record,
    sent,
    signal,
    some_polls,
    waits_for_a_person,
)

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]


async def test_made_in_salesforce(scene: Stage) -> None:
    account = await customer(scene, "", Phone="0800 100", BillingCity="Leeds")
    await clean(scene, ACCOUNTS, account)
    contact = await contact_of(scene, account)
    assert phone(contact) == "0800 100"
    assert (await record(scene, "Account", account))["Xero_Contact_Id__c"] == contact["ContactID"]


async def test_made_in_xero(scene: Stage) -> None:
    name = fresh("From Xero")
    contact = await scene.xero.edit("Contact", {"Name": name})
    await clean(scene, ACCOUNTS, contact)
    (account,) = [row for row in await scene.salesforce.objects("Account") if row["Name"] == name]
    assert account["Xero_Contact_Id__c"] == contact
    assert len(await contacts(scene, Name=name)) == 1


async def test_edits_on_both_sides_and_no_echo(scene: Stage) -> None:
    account = await linked_customer(scene, Phone="1")
    contact = (await contact_of(scene, account))["ContactID"]
    before = await sent(scene, account, contact)
    await call_in_xero(scene, contact, "2")

    async def in_salesforce() -> bool:
        return bool((await record(scene, "Account", account))["Phone"] == "2")

    await until("Salesforce shows the number from Xero", in_salesforce)
    await clean(scene, ACCOUNTS, account)
    await scene.salesforce.edit("Account", {"Phone": "3"}, account)

    async def in_xero() -> bool:
        return phone(await contact_of(scene, account)) == "3"

    await until("Xero shows the number from Salesforce", in_xero)
    await clean(scene, ACCOUNTS, account)
    await some_polls(scene)
    assert await sent(scene, account, contact) - before == 2, "one write for each edit, none for what they came back as"
    assert len(await contacts(scene, ContactNumber=account)) == 1


async def test_the_owner_of_a_field_wins(scene: Stage) -> None:
    """The name is Salesforce's: what somebody calls the contact in Xero is set back."""
    account = await linked_customer(scene)
    name = (await record(scene, "Account", account))["Name"]
    contact = (await contact_of(scene, account))["ContactID"]
    before = await sent(scene, account, contact)
    await scene.xero.edit("Contact", {"Name": fresh("Renamed")}, contact)
    await some_polls(scene, number=2)

    async def back() -> bool:
        return bool((await contact_of(scene, account))["Name"] == name)

    await until("the name is set back", back)
    await clean(scene, ACCOUNTS, account)
    assert (await record(scene, "Account", account))["Name"] == name
    assert await sent(scene, account, contact) - before == 1


@pytest.mark.parametrize(("winner", "number"), [("salesforce", "in Salesforce"), ("xero", "in Xero")])
async def test_both_sides_changed_one_field(scene: Stage, winner: str, number: str) -> None:
    """A person decides, and nothing is written before."""
    account = await linked_customer(scene, Phone="1")
    contact = (await contact_of(scene, account))["ContactID"]
    await signal(scene, "mapping.pause", ACCOUNTS)
    await some_polls(scene)
    await call_in_xero(scene, contact, "in Xero")
    await scene.salesforce.edit("Account", {"Phone": "in Salesforce"}, account)
    link = await waits_for_a_person(scene, ACCOUNTS, account, "link.conflict")
    await signal(scene, "mapping.resume", ACCOUNTS)
    await some_polls(scene)
    assert len(link.hold_paths) == 1
    assert await state_of(scene, ACCOUNTS, account) is State.CONFLICT
    assert phone(await contact_of(scene, account)) == "in Xero"
    assert (await record(scene, "Account", account))["Phone"] == "in Salesforce"
    await decide(scene, link, winner)
    await clean(scene, ACCOUNTS, account)

    async def same() -> bool:
        there = (await record(scene, "Account", account))["Phone"]
        return bool(phone(await contact_of(scene, account)) == there == number)

    await until("both sides hold the winner's number", same)


async def test_equal_names_are_a_question(scene: Stage) -> None:
    """Two that were there before they could be linked: nothing is made or joined until a person says so."""
    name = fresh("Same Name")
    await signal(scene, "mapping.pause", ACCOUNTS)
    await some_polls(scene)
    contact = await scene.xero.edit("Contact", {"Name": name})
    account = await customer(scene, name)
    await some_polls(scene)
    await signal(scene, "mapping.resume", ACCOUNTS)
    link = await waits_for_a_person(scene, ACCOUNTS, account, "link.found-one")
    await waits_for_a_person(scene, ACCOUNTS, contact, "link.found-one")
    assert len(await contacts(scene, Name=name)) == 1
    await decide(scene, link, "link", contact)
    await clean(scene, ACCOUNTS, account)
    await some_polls(scene)
    assert [row["Id"] for row in await scene.salesforce.objects("Account") if row["Name"] == name] == [account]
    assert [row["ContactID"] for row in await contacts(scene, Name=name)] == [contact]
    joined = await link_of(scene, ACCOUNTS, contact)
    assert joined is not None
    assert (joined.life, joined.salesforce.id, joined.xero.id) == (Life.LIVE, account, contact)
    assert (await record(scene, "Account", account))["Xero_Contact_Id__c"] == contact
