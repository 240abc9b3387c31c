"""An account and a contact are one thing, kept equal in both systems."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Life, State
from tests.integration.kafka_views import link_of, state_of
from tests.integration.spine_stage import arm, hits
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


@dataclass(frozen=True, slots=True)
class Both:
    """A field as both screens show it: two values of it, each as a record of Salesforce and as a contact of Xero."""

    salesforce: tuple[Json, Json]
    xero: tuple[Json, Json]


def _days(number: int) -> Json:
    return {"PaymentTerms": {"Sales": {"Day": Decimal(number), "Type": "DAYSAFTERBILLDATE"}}}


def _fax(number: str) -> Json:
    return {"Phones": [{"PhoneType": "FAX", "PhoneNumber": number}]}


def _street(city: str) -> Json:
    lines = {f"AddressLine{place}": text for place, text in enumerate(("1 High St", "Floor 2", "", ""), 1)}
    rest = {"City": city, "Region": "", "PostalCode": "LS1", "Country": "UK"}
    return {"Addresses": [{"AddressType": "STREET", **lines, **rest}]}


def _shipping(city: str) -> Json:
    rest = {"ShippingCity": city, "ShippingPostalCode": "LS1", "ShippingCountry": "UK"}
    return {"ShippingStreet": "1 High St\nFloor 2", **rest}


LATEST = {
    "e-mail": Both(
        ({"Email__c": "a@example.org"}, {"Email__c": "b@example.org"}),
        ({"EmailAddress": "a@example.org"}, {"EmailAddress": "b@example.org"}),
    ),
    "tax number": Both(
        ({"Tax_Number__c": "GB 1"}, {"Tax_Number__c": "GB 2"}), ({"TaxNumber": "GB 1"}, {"TaxNumber": "GB 2"})
    ),
    "payment terms": Both(({"Terms__c": Decimal(14)}, {"Terms__c": Decimal(0)}), (_days(14), _days(0))),
    "currency": Both(
        ({"Xero_Currency__c": "EUR"}, {"Xero_Currency__c": "GBP"}),
        ({"DefaultCurrency": "EUR"}, {"DefaultCurrency": "GBP"}),
    ),
    "fax": Both(({"Fax": "0113 1"}, {"Fax": "0113 2"}), (_fax("0113 1"), _fax("0113 2"))),
}
SHIPPING = Both((_shipping("Leeds"), _shipping("York")), (_street("Leeds"), _street("York")))


def _holds(shown: Any, wanted: Any) -> bool:
    """Whether a screen shows all that is wanted, whatever it shows beside it."""
    if isinstance(wanted, dict):
        return isinstance(shown, dict) and all(_holds(shown.get(name), part) for name, part in wanted.items())
    if isinstance(wanted, list):
        return isinstance(shown, list) and all(any(_holds(one, part) for one in shown) for part in wanted)
    return bool(shown == wanted)


async def _both_show(scene: Stage, account: str, field: Both, place: int) -> None:
    async def there() -> bool:
        here = await record(scene, "Account", account)
        return _holds(here, field.salesforce[place]) and _holds(await contact_of(scene, account), field.xero[place])

    await until(f"both sides show {field.salesforce[place]}", there)
    await clean(scene, ACCOUNTS, account)


@pytest.mark.parametrize("name", LATEST)
async def test_a_field_goes_both_ways(scene: Stage, name: str) -> None:
    """What was typed last stands on both sides, whichever screen it was typed on."""
    field = LATEST[name]
    account = await linked_customer(scene, **field.salesforce[0])
    await _both_show(scene, account, field, 0)
    contact = (await contact_of(scene, account))["ContactID"]
    before = await sent(scene, account, contact)
    await scene.xero.edit("Contact", field.xero[1], contact)
    await _both_show(scene, account, field, 1)
    await scene.salesforce.edit("Account", field.salesforce[0], account)
    await _both_show(scene, account, field, 0)
    assert await sent(scene, account, contact) - before == 2, "one write for each edit"


async def test_the_shipping_address_is_the_street_of_the_contact(scene: Stage) -> None:
    """It is Salesforce's, as the billing address is: what is typed in Xero is set back."""
    account = await linked_customer(scene, **SHIPPING.salesforce[0])
    await _both_show(scene, account, SHIPPING, 0)
    contact = (await contact_of(scene, account))["ContactID"]
    await scene.xero.edit("Contact", SHIPPING.xero[1], contact)
    await some_polls(scene, number=2)
    await _both_show(scene, account, SHIPPING, 0)
    await scene.salesforce.edit("Account", SHIPPING.salesforce[1], account)
    await _both_show(scene, account, SHIPPING, 1)


async def test_all_fields_of_a_contact_make_an_account(scene: Stage) -> None:
    fields = [field for field in (*LATEST.values(), SHIPPING) if field is not LATEST["fax"]]
    told: Json = {"Name": fresh("Whole")}
    for field in fields:
        told |= field.xero[0]
    contact = await scene.xero.edit("Contact", told)
    await clean(scene, ACCOUNTS, contact)
    (account,) = [row for row in await scene.salesforce.objects("Account") if row["Name"] == told["Name"]]
    assert all(_holds(account, field.salesforce[0]) for field in fields)


async def test_what_is_emptied_on_one_side_stays_on_the_other(scene: Stage) -> None:
    """An empty field says nothing; and terms of bills stay as they are beside those of sales."""
    account = await linked_customer(scene, Terms__c=Decimal(14), Email__c="a@example.org")
    contact = (await contact_of(scene, account))["ContactID"]
    bills: Json = {"Day": Decimal(20), "Type": "OFFOLLOWINGMONTH"}
    await scene.xero.edit("Contact", {"PaymentTerms": {"Bills": bills, **_days(14)["PaymentTerms"]}}, contact)
    await some_polls(scene)
    before = await sent(scene, account, contact)
    await scene.salesforce.edit("Account", {"Terms__c": None, "Email__c": None}, account)
    await some_polls(scene)
    await clean(scene, ACCOUNTS, account)
    there = await contact_of(scene, account)
    assert there["EmailAddress"] == "a@example.org"
    assert _holds(there, _days(14))
    assert await sent(scene, account, contact) == before
    await scene.salesforce.edit("Account", {"Terms__c": Decimal(45)}, account)

    async def in_xero() -> bool:
        return _holds(await contact_of(scene, account), _days(45))

    await until("Xero shows 45 days", in_xero)
    assert (await contact_of(scene, account))["PaymentTerms"]["Bills"] == bills


async def test_terms_that_are_no_number_of_days(scene: Stage) -> None:
    """The 20th of the next month is no number of days: Salesforce shows none, and Xero's stand until somebody sets
    days."""
    account = await linked_customer(scene, Terms__c=Decimal(14))
    contact = (await contact_of(scene, account))["ContactID"]
    other: Json = {"PaymentTerms": {"Sales": {"Day": Decimal(20), "Type": "OFFOLLOWINGMONTH"}}}
    await scene.xero.edit("Contact", other, contact)

    async def none() -> bool:
        return (await record(scene, "Account", account))["Terms__c"] is None

    await until("Salesforce shows no days", none)
    await clean(scene, ACCOUNTS, account)
    await some_polls(scene)
    assert _holds(await contact_of(scene, account), other)
    await scene.salesforce.edit("Account", {"Terms__c": Decimal(30)}, account)
    await _both_show(scene, account, Both(({"Terms__c": Decimal(30)},) * 2, (_days(30),) * 2), 0)


async def test_a_currency_that_the_organisation_does_not_use(scene: Stage) -> None:
    """It is a review with what to do, and once it is put right the account goes on."""
    account = await linked_customer(scene)
    await scene.salesforce.edit("Account", {"Xero_Currency__c": "SEK"}, account)
    await waits_for_a_person(scene, ACCOUNTS, account, "xero.currency")
    assert "DefaultCurrency" not in await contact_of(scene, account)
    await scene.salesforce.edit("Account", {"Xero_Currency__c": "USD"}, account)
    await clean(scene, ACCOUNTS, account)
    assert (await contact_of(scene, account))["DefaultCurrency"] == "USD"


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
    assert link.message == f"One object matches: {name} ({contact}).", "an id alone says nothing to who must choose"
    other = await waits_for_a_person(scene, ACCOUNTS, contact, "link.found-one")
    assert other.message == f"One object matches: {name} ({account})."
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


async def test_an_edit_between_the_look_and_the_write_goes_its_way(scene: Stage) -> None:
    """Somebody sets the fax in Xero while a new telephone number is on its way there: both stand, on both sides."""
    account = await linked_customer(scene)
    contact = await contact_of(scene, account)
    held = await arm(scene.xero, "delay", "POST", "/api.xro/2.0/Contacts", {"ms": 5000})
    await scene.salesforce.edit("Account", {"Phone": "77"}, account)

    async def under_way() -> bool:
        return await hits(scene.xero, held) == 1

    await until("the change has left", under_way)
    fax = {"Phones": [{"PhoneType": "FAX", "PhoneNumber": "66"}]}
    await scene.xero.edit("Contact", fax, contact["ContactID"])

    async def both_stand() -> bool:
        now, here = await contact_of(scene, account), await record(scene, "Account", account)
        there = {one["PhoneType"]: one["PhoneNumber"] for one in now["Phones"]}
        return (there["DEFAULT"], there["FAX"], here["Phone"], here["Fax"]) == ("77", "66", "77", "66")

    await until("both edits stand on both sides", both_stand)
    await clean(scene, ACCOUNTS, account)
