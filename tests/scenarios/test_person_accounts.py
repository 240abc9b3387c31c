"""An org with person accounts: people and businesses are contacts of Xero, by the mapping that is made for it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage, until
from tests.integration.spine_stage import arm, hits, opened, spine
from tests.scenarios.people import (
    ACCOUNTS,
    clean,
    contact_of,
    contacts,
    customer,
    fresh,
    phone,
    record,
    sent,
    some_polls,
)
from tests.scenarios.replaying import says_nothing_new

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("persons")
    there = shutil.copytree(shipped_mappings() / "person-accounts", folder / "mappings")
    prefix = f"t{uuid4().hex[:10]}."
    async with spine(kafka, prefix, folder, mappings=there, person_accounts=True) as stage:
        await opened(stage)
        yield stage


async def person(scene: Stage, **fields: str | Decimal) -> str:
    known: Json = {"FirstName": "Ada", "LastName": fresh("Byron"), **fields}
    return await scene.salesforce.edit("Account", known)


def mobile(contact: Json) -> str:
    return str(next(one["PhoneNumber"] for one in contact["Phones"] if one["PhoneType"] == "MOBILE"))


async def test_a_person_is_one_contact_although_the_answer_is_lost(scene: Stage) -> None:
    before = len(await contacts(scene))
    cut = await arm(scene.xero, "cut-after-commit", "PUT", "/api.xro/2.0/Contacts")
    account = await person(
        scene, PersonEmail="ada@example.org", PersonMobilePhone="07700 1", Phone="020 1", Tax_Number__c="GB 7",
        Terms__c=Decimal(14), ShippingCity="Leeds",
    )  # fmt: skip
    await clean(scene, ACCOUNTS, account)
    assert await hits(scene.xero, cut) == 1
    row, contact = await record(scene, "Account", account), await contact_of(scene, account)
    assert len(await contacts(scene)) == before + 1, "one link: the contact behind the account is left alone"
    assert row["Xero_Contact_Id__c"] == contact["ContactID"]
    assert (contact["Name"], contact["FirstName"], contact["LastName"]) == (row["Name"], "Ada", row["LastName"])
    assert (contact["EmailAddress"], phone(contact), mobile(contact)) == ("ada@example.org", "020 1", "07700 1")
    assert (contact["TaxNumber"], contact["PaymentTerms"]["Sales"]["Day"]) == ("GB 7", 14)


async def test_a_person_is_renamed_in_salesforce_and_called_in_xero(scene: Stage) -> None:
    account = await person(scene, PersonEmail="a@example.org", Phone="1")
    await clean(scene, ACCOUNTS, account)
    contact, name = (await contact_of(scene, account))["ContactID"], fresh("King")
    before = await sent(scene, account, contact)
    await scene.salesforce.edit("Account", {"LastName": name}, account)

    async def renamed() -> bool:
        there = await contact_of(scene, account)
        return (there["Name"], there["LastName"]) == (f"Ada {name}", name)

    await until("Xero shows the new name", renamed)
    await clean(scene, ACCOUNTS, account)
    phones = {"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "2"}]}
    await scene.xero.edit("Contact", {**phones, "EmailAddress": "other@example.org"}, contact)

    async def settled() -> bool:
        row, there = await record(scene, "Account", account), await contact_of(scene, account)
        return (row["Phone"], there["EmailAddress"]) == ("2", "a@example.org")

    await until("the number has come to Salesforce, and the e-mail, which is Salesforce's, is set back", settled)
    await clean(scene, ACCOUNTS, account)
    await some_polls(scene)
    assert await sent(scene, account, contact) - before == 3


async def test_a_business_is_a_contact_too_and_takes_nothing_of_a_person(scene: Stage) -> None:
    account = await customer(scene, Phone="1", Fax="2")
    await clean(scene, ACCOUNTS, account)
    contact = await contact_of(scene, account)
    assert not contact.get("FirstName")
    edit = {"FirstName": "Ada", "LastName": "Byron", "TaxNumber": "GB 9"}
    await scene.xero.edit("Contact", edit, contact["ContactID"])

    async def there() -> bool:
        return bool((await record(scene, "Account", account))["Tax_Number__c"] == "GB 9")

    await until("Salesforce shows the tax number", there)
    await clean(scene, ACCOUNTS, account)
    assert (await record(scene, "Account", account))["IsPersonAccount"] is False


async def test_a_contact_makes_no_account_here(scene: Stage) -> None:
    before = len(await scene.salesforce.objects("Account"))
    await scene.xero.edit("Contact", {"Name": fresh("From Xero")})
    await some_polls(scene)
    assert len(await scene.salesforce.objects("Account")) == before


async def test_what_was_kept_of_people_is_replayed_and_writes_nothing(scene: Stage) -> None:
    await clean(scene, ACCOUNTS, await person(scene))
    await says_nothing_new(scene)
