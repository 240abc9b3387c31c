"""What depends on an org's features: person accounts, and one or several currencies."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from connector.cli.demo import shipped_mappings
from connector.core.catalog import Catalog
from connector.core.document import Document
from connector.core.failure import Kind
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.evaluate import Context, document, end
from connector.core.mapping.model import Mapping
from connector.core.mapping.parse import parse
from connector.core.party import Applied, Operation, Rejected, Write
from connector.core.records import Record, Side, Version
from connector.core.values import Ref
from connector.errors import ConfigurationError
from connector.kafka.codec import Codec
from connector.kafka.record_codec import from_value, to_value
from connector.salesforce.rest import SalesforceParty
from connector.settings import ConnectionSettings
from connector.simulators.salesforce import Settings
from connector.xero.catalog import XeroCatalog
from streams.parties import corporate_currency
from tests.integration.test_salesforce_rest import a_party, write

V = Version(1, 1)
CONNECTION = ConnectionSettings.model_validate(
    {
        "name": "acme", "salesforce": {"url": "https://x.example", "client_id": "i"},
        "xero": [{"tenant": "t", "client_id": "i"}],
    }
)  # fmt: skip


def parsed_of(path: Path) -> Mapping:
    return parse(path.read_text("utf-8"), path.name)


async def fitted(party: SalesforceParty, path: Path) -> Mapping:
    """A mapping file, checked and bound against the org as it is."""
    parsed = parsed_of(path)
    catalogs: dict[Side, Catalog] = {
        Side.SALESFORCE: await party.describe([parsed.read_plan(Side.SALESFORCE)]),
        Side.XERO: XeroCatalog(),
    }
    own = [one for one in check((parsed,), catalogs) if one.code != "mapping.unknown-mapping"]
    assert own == []
    return bind(parsed, catalogs)


async def read(party: SalesforceParty, mapping: Mapping, record_id: str) -> Record:
    """A record as the mapping reads it, through its topic."""
    (found,) = (await party.read(mapping.read_plan(Side.SALESFORCE), [record_id], V)).records
    codec = Codec()
    decoded = codec.decode(codec.encode("salesforce.records.v1", to_value(found)))
    return from_value(decoded.value)  # type: ignore[union-attr]


async def test_person_account_is_a_contact_with_its_names_and_mail() -> None:
    async with a_party(Settings(person_accounts=True)) as (party, client):
        person = await client.create("Account", FirstName="Ada", LastName="Byron", PersonEmail="ada@example.org")
        firm = await client.create("Account", Name="Acme", Type="Customer")
        rule = await fitted(party, shipped_mappings() / "person-accounts" / "account-contact.yaml")
        out = end(rule, await read(party, rule, person), Context())
        assert isinstance(out, dict)
        assert {name: out[name] for name in ("Name", "FirstName", "LastName", "PersonEmail")} == {
            "Name": "Ada Byron", "FirstName": "Ada", "LastName": "Byron", "PersonEmail": "ada@example.org",
        }  # fmt: skip
        plain = end(rule, await read(party, rule, firm), Context())
        assert isinstance(plain, dict)
        assert (plain["Name"], plain.get("LastName")) == ("Acme", None)


async def test_person_account_tells_two_events_and_keeps_its_contact_in_step() -> None:
    async with a_party(Settings(person_accounts=True)) as (_, client):
        person = await client.create("Account", LastName="Byron")
        await client.data("PATCH", f"/sobjects/Account/{person}", {"FirstName": "Ada", "PersonEmail": "a@example.org"})
        (contact,) = await client.rows("SELECT Name, Email, AccountId, IsPersonAccount FROM Contact")
        assert contact["AccountId"] == person
        assert (contact["Name"], contact["Email"], contact["IsPersonAccount"]) == ("Ada Byron", "a@example.org", True)
        told = [one["header"]["entityName"] for one in client.events()]
        assert "Account" in told


@pytest.mark.parametrize("person", [True, False])
async def test_person_account_refuses_what_belongs_to_the_other_kind(person: bool) -> None:
    async with a_party(Settings(person_accounts=True)) as (party, client):
        account = await client.create("Account", **({"LastName": "Byron"} if person else {"Name": "Acme"}))
        fields = {"Name": "Other"} if person else {"PersonEmail": "a@example.org"}
        (outcome,) = await write(party, Write("w", "Account", Operation.UPDATE, account, fields))
        assert isinstance(outcome, Rejected)
        assert (outcome.failure.kind, *fields) == (Kind.FIX, *[f for f in fields if f in outcome.failure.message])
        good = {"LastName": "King"} if person else {"Name": "Acme Ltd"}
        (outcome,) = await write(party, Write("w", "Account", Operation.UPDATE, account, good))
        assert isinstance(outcome, Applied)
        (row,) = await client.rows("SELECT Name FROM Account")
        assert row["Name"] == ("King" if person else "Acme Ltd")


@pytest.mark.parametrize(("several", "code"), [(True, "USD"), (False, "GBP")])
async def test_currency_of_a_record_or_else_of_the_connection(several: bool, code: str) -> None:
    async with a_party(Settings(multi_currency=several)) as (party, client):
        own = {"CurrencyIsoCode": "USD"} if several else {}
        account = await client.create("Account", Name="Acme", **own)
        deal = await client.create(
            "Opportunity", Name="Deal", AccountId=account, StageName="Closed Won", CloseDate="2026-11-30",
            Number__c="1", **own,
        )  # fmt: skip
        entry = {"Quantity": 2, "UnitPrice": "9.99", "OpportunityId": deal}
        (price,) = await client.rows("SELECT Id, Product2Id, Pricebook2Id FROM PricebookEntry LIMIT 1")
        if several:
            mine = {name: price[name] for name in ("Product2Id", "Pricebook2Id")}
            price = {"Id": await client.create("PricebookEntry", UnitPrice=9, IsActive=True, **own, **mine)}
        await client.create("OpportunityLineItem", PricebookEntryId=price["Id"], **entry)
        rule = await fitted(party, shipped_mappings() / "opportunity-to-invoice.yaml")
        found = await read(party, rule, deal)
        out = document(rule, found, Context({"currency": "GBP"}))
        assert isinstance(out, Document)
        assert (out.flat["CurrencyCode"], out.flat["Contact"]) == (
            code,
            Ref("account-contact", f"salesforce:{account}"),
        )
        assert found.fields.get("CurrencyIsoCode") == ("USD" if several else None)


async def test_currency_of_a_connection_is_the_corporate_one_or_must_be_said() -> None:
    async with a_party(Settings(multi_currency=True, currency="EUR")) as (party, client):
        assert await corporate_currency(CONNECTION, party) == "EUR"
        (dollar,) = await client.rows("SELECT ConversionRate FROM CurrencyType WHERE IsoCode = 'USD'")
        assert dollar["ConversionRate"] == Decimal("1.25") / Decimal("1.15")
    async with a_party() as (party, _):
        with pytest.raises(ConfigurationError) as refused:
            await corporate_currency(CONNECTION, party)
        assert refused.value.code == "connection.no-currency"
        before = party.calls
        said = CONNECTION.model_copy(update={"currency": "NZD"})
        assert (await corporate_currency(said, party), party.calls) == ("", before)


async def test_a_field_of_a_feature_is_empty_only_under_its_own_name() -> None:
    async with a_party() as (party, _):
        plan = parsed_of(shipped_mappings() / "opportunity-to-invoice.yaml").read_plan(Side.SALESFORCE)
        assert "CurrencyIsoCode" in plan.fields
        assert await party.read(plan, ["006000000000001AAA"], V)
        plan = replace(plan, fields=("CurrencyIsoCodes",))
        with pytest.raises(ConfigurationError):
            await party.read(plan, ["006000000000001AAA"], V)
