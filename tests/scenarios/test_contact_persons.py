"""Contact persons: the contacts of an account that somebody ticked are persons of its Xero contact.

Xero keeps five of them as one list, without ids: they are told apart by their e-mail.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage
from streams.hops import RECORDS
from tests.integration.spine_stage import connection, spine
from tests.scenarios.people import (
    ACCOUNTS,
    becomes,
    clean,
    contact_of,
    decide,
    delete,
    linked_customer,
    record,
    sent,
    signal,
    some_polls,
    waits_for_a_person,
)
from tests.scenarios.replaying import says_nothing_new

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
PERSONS = "contact-to-person"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def org(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Accounts, contacts and their persons."""
    folder = tmp_path_factory.mktemp("persons")
    mappings = folder / "mappings"
    shutil.copytree(shipped_mappings() / "persons", mappings)
    shutil.copy(shipped_mappings() / "account-contact.yaml", mappings)
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings, start=False) as stage:
        with connection(stage) as one:
            one["salesforce"] |= {"capture": {"Contact": "poll"}, "poll_seconds": 1}
        await stage.begin()
        yield stage


async def person(org: Stage, account: str, name: str, email: str = "", *, ticked: bool = True) -> str:
    known: Json = {"AccountId": account, "FirstName": name, "LastName": "Smith", "Xero_Person__c": ticked}
    return await org.salesforce.edit("Contact", {**known, "Email": email or f"{name.lower()}@example.org"})


async def there(org: Stage, account: str) -> list[tuple[str, str]]:
    """First names and e-mails of the persons in Xero."""
    persons = (await contact_of(org, account))["ContactPersons"]
    return sorted((str(one.get("FirstName")), str(one.get("EmailAddress"))) for one in persons)


async def xero_has(org: Stage, account: str, *names: str) -> None:
    wanted = sorted((name, f"{name.lower()}@example.org") for name in names)

    async def same() -> bool:
        return await there(org, account) == wanted

    await becomes(f"the persons in Xero are {', '.join(names) or 'none'}", same)
    await clean(org, PERSONS, account)


async def in_xero(org: Stage, account: str, *rows: Json) -> None:
    """Somebody writes the list of persons in Xero."""
    await org.xero.edit("Contact", {"ContactPersons": list(rows)}, (await contact_of(org, account))["ContactID"])


async def persons_of(org: Stage, account: str) -> list[Json]:
    return [dict(one) for one in (await contact_of(org, account))["ContactPersons"]]


async def quiet(org: Stage, account: str) -> None:
    """Nothing is written any more, and what was kept in Kafka says nothing new."""
    contact = (await contact_of(org, account))["ContactID"]
    await some_polls(org)
    before = await sent(org, account, contact)
    await some_polls(org)
    assert await sent(org, account, contact) == before
    await says_nothing_new(org, (RECORDS,), account)
    await says_nothing_new(org, (RECORDS,), contact)


async def test_ticked_contacts_are_persons_in_xero(org: Stage) -> None:
    """One that changes changes there, also its e-mail; one that is unticked or deleted goes, the last one too."""
    account = await linked_customer(org)
    ann, bob = [await person(org, account, name) for name in ("Ann", "Bob")]
    await person(org, account, "Cid", ticked=False)
    await xero_has(org, account, "Ann", "Bob")
    await org.salesforce.edit("Contact", {"FirstName": "Bea", "Email": "bea@example.org"}, bob)
    await xero_has(org, account, "Ann", "Bea")
    await quiet(org, account)
    await org.salesforce.edit("Contact", {"Xero_Person__c": False}, ann)
    await xero_has(org, account, "Bea")
    await delete(org, "Contact", bob)
    await xero_has(org, account)
    await quiet(org, account)


async def test_what_xero_alone_knows_of_persons_stays_and_shows(org: Stage) -> None:
    """Persons that somebody adds there are kept and shown at the account; so is whether one gets e-mails."""
    account = await linked_customer(org)
    ann = await person(org, account, "Ann")
    await xero_has(org, account, "Ann")
    (mine,) = await persons_of(org, account)
    dora: Json = {"FirstName": "Dora", "LastName": "Hill", "EmailAddress": "dora@example.org", "IncludeInEmails": True}
    await in_xero(org, account, {**mine, "IncludeInEmails": True}, dora)

    async def shown() -> bool:
        return "Dora" in str((await record(org, "Account", account))["Xero_Persons__c"])

    await becomes("Dora shows at the account", shown)
    await org.salesforce.edit("Contact", {"LastName": "Lee"}, ann)

    async def renamed() -> list[Json]:
        return [one for one in await persons_of(org, account) if one["LastName"] == "Lee"]

    (now,) = await becomes("Ann has another name in Xero", renamed)
    assert now["IncludeInEmails"] is True
    await xero_has(org, account, "Ann", "Dora")
    await quiet(org, account)
    await org.salesforce.edit("Contact", {"Xero_Person__c": False}, ann)
    await xero_has(org, account, "Dora")


async def test_the_same_person_on_both_sides_is_one(org: Stage) -> None:
    """Told by the e-mail. Two people change the same one at the same time: a person decides."""
    account = await linked_customer(org)
    row: Json = {"FirstName": "Ann", "LastName": "Smith", "EmailAddress": "ANN@example.org"}
    await in_xero(org, account, row)
    await some_polls(org)
    ann = await person(org, account, "Ann")
    await clean(org, PERSONS, account)

    async def one() -> bool:
        return len(await persons_of(org, account)) == 1

    await becomes("Ann stands there once", one)
    await quiet(org, account)
    await signal(org, "mapping.pause", PERSONS)
    await some_polls(org)
    (mine,) = await persons_of(org, account)
    await in_xero(org, account, {**mine, "FirstName": "Anna"})
    await some_polls(org)
    await org.salesforce.edit("Contact", {"FirstName": "Annie"}, ann)
    link = await waits_for_a_person(org, PERSONS, account, "link.conflict")
    await signal(org, "mapping.resume", PERSONS)
    await decide(org, link, "salesforce")

    async def settled() -> bool:
        return [row["FirstName"] for row in await persons_of(org, account)] == ["Annie"]

    await becomes("the person's choice stands in Xero", settled)
    await clean(org, PERSONS, account)


async def test_what_xero_cannot_hold_is_a_review(org: Stage) -> None:
    """More than five, one without an e-mail, two with the same: nothing is written until a person chooses."""
    account = await linked_customer(org)
    names = ("Ann", "Bob", "Cid", "Dan", "Eve")
    ids = [await person(org, account, name) for name in names]
    await xero_has(org, account, *names)
    sixth = await person(org, account, "Fay")
    asked = await waits_for_a_person(org, PERSONS, account, "mapping.too-many-lines")
    assert "Xero takes 5" in asked.message
    await org.salesforce.edit("Contact", {"Xero_Person__c": False}, ids[0])
    await xero_has(org, account, *names[1:], "Fay")
    await org.salesforce.edit("Contact", {"Email": None}, sixth)
    await waits_for_a_person(org, PERSONS, account, "mapping.line-name")
    await org.salesforce.edit("Contact", {"Email": "EVE@example.org"}, sixth)
    await waits_for_a_person(org, PERSONS, account, "mapping.line-name")
    await org.salesforce.edit("Contact", {"Email": "fay@example.org"}, sixth)
    await xero_has(org, account, *names[1:], "Fay")


async def test_persons_that_stood_there_stay(org: Stage) -> None:
    """A person without an e-mail cannot be told from another: it stays in Xero, and is sent along."""
    account = await linked_customer(org)
    await in_xero(org, account, {"FirstName": "Door", "LastName": "Keeper"})
    await person(org, account, "Ann")

    async def both() -> bool:
        return [name for name, _ in await there(org, account)] == ["Ann", "Door"]

    await becomes("both stand in Xero", both)
    await clean(org, PERSONS, account)
    await clean(org, ACCOUNTS, account)
    await quiet(org, account)
