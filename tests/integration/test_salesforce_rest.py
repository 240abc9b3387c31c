"""The Salesforce party against a simulated org."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from connector.core.failure import Kind
from connector.core.party import Applied, NoAnswer, Operation, Party, Rejected, Undecided, Write
from connector.core.records import ReadPlan, Version
from connector.core.values import Fields
from connector.errors import AuthError, ConfigurationError, TryAgain, Unavailable
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.condition import read_filter
from connector.salesforce.day import Purpose
from connector.salesforce.replication import Replication
from connector.salesforce.rest import SalesforceParty
from connector.salesforce.spending import spending
from connector.simulators.salesforce import Settings
from tests.integration.salesforce_org import DATA, Client, an_org

V = Version(1, 1)
ACCOUNT = ReadPlan("Account", ("Name", "Phone", "Terms__c", "BillingCity"))
DEAL = ReadPlan(
    "Opportunity", ("Account.Name", "Amount", "CloseDate", "IsWon"),
    {"OpportunityLineItems": ("Product2.ProductCode", "TotalPrice", "UnitPrice")},
)  # fmt: skip


def credentials(client: Client, secret: str | None = None) -> ClientCredentials:
    settings = client.org.settings
    url = f"{client.base}/services/oauth2/token"
    return ClientCredentials(client.http, url, settings.client_id, secret or settings.client_secret)


def party_of(client: Client, secret: str | None = None) -> SalesforceParty:
    def now_ms() -> int:
        return int(client.org.clock.now().timestamp() * 1000)

    return SalesforceParty(client.http, credentials(client, secret), client.org.organisation, now_ms=now_ms, reserve=0)


@asynccontextmanager
async def a_party(settings: Settings | None = None) -> AsyncIterator[tuple[SalesforceParty, Client]]:
    async with an_org(settings) as client:
        yield party_of(client), client


def create(number: int, mark: str | None = None, **fields: Any) -> Write:
    marked = ("Xero_Contact_Id__c", mark) if mark else None
    return Write(f"w{number}", "Account", Operation.CREATE, None, {"Name": f"A{number}", **fields}, marked)


async def write(party: SalesforceParty, *writes: Write) -> tuple[Any, ...]:
    return party.outcomes(writes, await party.send(party.prepare(writes, "key"), seconds=20))


async def a_deal(client: Client, lines: int) -> str:
    account = await client.create("Account", Name="Acme")
    deal = await client.create(
        "Opportunity", Name="Deal", AccountId=account, StageName="Closed Won", CloseDate="2026-11-30"
    )
    entries = await client.rows("SELECT Id, UnitPrice FROM PricebookEntry ORDER BY UnitPrice")
    rows = [
        {"attributes": {"type": "OpportunityLineItem"}, "OpportunityId": deal, "Quantity": 1, "SortOrder": lines - n,
         "PricebookEntryId": entries[n % 5]["Id"], "UnitPrice": str(entries[n % 5]["UnitPrice"])}
        for n in range(lines)
    ]  # fmt: skip
    await client.data("POST", "/composite/sobjects", {"records": rows})
    return deal


async def test_salesforce_party_is_a_party_and_knows_its_org() -> None:
    async with a_party() as (party, client):
        known: Party = party
        found = await known.organisation()
        assert (found.id, found.name, found.is_demo) == (client.org.organisation, "Twinledger Demo Ltd", True)


async def test_salesforce_party_reads_typed_records_with_their_lines() -> None:
    async with a_party(Settings(child_page=2)) as (party, client):
        deal = await a_deal(client, 5)
        result = await party.read(DEAL, [deal, "006000000000000AAA", "nonsense"], V)
        (record,) = result.records
        assert result.missing == ("006000000000000AAA", "nonsense")
        assert record.organisation == client.org.organisation
        assert record.fields["Account"] == {"Name": "Acme"}
        assert (record.fields["IsWon"], record.fields["CloseDate"]) == (True, date(2026, 11, 30))
        assert record.fields["Amount"] == Decimal("2414.45")
        lines = record.fields["OpportunityLineItems"]
        assert isinstance(lines, list)
        assert [line["Product2"]["ProductCode"] for line in lines] == ["LIC-1", "SVC-1", "SUP-1", "TRN-1", "BOOK-1"]
        assert "SystemModstamp" not in record.fields


async def test_salesforce_party_tells_what_is_deleted_from_what_is_missing() -> None:
    async with a_party() as (party, client):
        kept, gone, erased = [await client.create("Account", Name=name) for name in ("A", "B", "C")]
        await client.sim("/delete", {"entity": "Account", "id": erased})
        await client.sim("/empty-recycle-bin", {})
        await client.sim("/delete", {"entity": "Account", "id": gone})
        result = await party.read(ACCOUNT, [gone, kept, erased], V)
        assert [(one.id, one.deleted) for one in result.records] == [(gone, True), (kept, False)]
        assert result.missing == (erased,)


async def test_salesforce_party_finds_by_criteria() -> None:
    async with a_party() as (party, client):
        wanted = await client.create("Account", Name="O'Neill", Terms__c=30)
        await client.create("Account", Name="Other", Terms__c=30)
        found = await party.find(ACCOUNT, {"Name": "o'neill", "Terms__c": Decimal(30)}, V)
        assert [one.id for one in found] == [wanted]
        assert await party.find(ACCOUNT, {"Name": "nobody"}, V) == ()
        with pytest.raises(ConfigurationError):
            await party.find(ACCOUNT, {"Description": "x"}, V)


async def test_salesforce_party_reads_all_rows_behind_an_id_chunk_by_chunk() -> None:
    async with a_party(Settings(query_page=100)) as (party, _client):
        for start in (0, 200):
            await write(party, *[create(start + n) for n in range(200)])
        seen, last, calls = list[str](), "", 0
        while True:
            chunk = await party.rows_after(ACCOUNT, last, None, V, 250)
            seen += [one.id for one in (await party.typed(chunk, 0, 250)).records]
            calls += chunk.calls
            if chunk.whole:
                break
            last = chunk.last
        assert seen == sorted(set(seen))
        assert len(seen) == 400
        assert calls == 5  # 250 rows are three pages of a hundred, 150 are two


async def test_salesforce_party_reads_the_rows_that_a_filter_takes() -> None:
    async with a_party() as (party, client):
        wanted = await client.create("Account", Name="O'Neill", Terms__c=30)
        await client.create("Account", Name="Other", Terms__c=7)
        chosen = read_filter("Terms__c > 14 AND (Name LIKE 'o\\'%' OR Owner.IsActive = false)")
        chunk = await party.rows_after(ACCOUNT, "", chosen, V)
        assert [row["Id"] for row in chunk.rows] == [wanted]
        for wrong in ("Description = 'x'", "Nowhere__c = 1"):
            with pytest.raises(ConfigurationError):
                await party.rows_after(ACCOUNT, "", read_filter(wrong), V)


async def test_salesforce_party_writes_and_clears() -> None:
    async with a_party() as (party, client):
        made = await write(party, create(1, Phone="1", Terms__c=Decimal("14")), create(2))
        assert all(isinstance(one, Applied) for one in made)
        target = made[0].target
        change = Write("w3", "Account", Operation.UPDATE, target, {"Phone": None, "BillingCity": "Größe"})
        (changed,) = await write(party, change)
        assert changed == Applied("w3", target)
        (record,) = (await party.read(ACCOUNT, [target], V)).records
        assert (record.fields["Phone"], record.fields["BillingCity"]) == (None, "Größe")
        assert record.fields["Terms__c"] == Decimal(14)
        assert client.events()[-1]["header"]["changeOrigin"].endswith(";client=Twinledger")


async def test_salesforce_party_sends_a_marked_create_twice_and_makes_one() -> None:
    async with a_party() as (party, client):
        first = await write(party, create(1, "k-1"), create(2, "k-2"))
        again = await write(party, create(1, "k-1"), create(2, "k-2"))
        assert [one.target for one in first] == [one.target for one in again]
        assert len(await client.rows("SELECT Id FROM Account")) == 2


@pytest.mark.parametrize("kind", ["cut-before-commit", "cut-after-commit", "half-batch"])
async def test_salesforce_party_a_lost_answer_is_safe_to_repeat(kind: str) -> None:
    async with a_party() as (party, client):
        writes = [create(n, f"k-{n}") for n in range(4)]
        await party.organisation()
        await client.sim("/faults", {"kind": kind, "match": {"path": f"{DATA}/composite"}})
        with pytest.raises(NoAnswer) as lost:
            await write(party, *writes)
        assert lost.value.sent
        assert all(isinstance(one, Applied) for one in await write(party, *writes))
        assert len(await client.rows("SELECT Id FROM Account")) == 4


async def test_salesforce_party_a_server_error_after_the_commit_is_undecided() -> None:
    async with a_party() as (party, client):
        await party.organisation()
        fault = {"kind": "status-after-commit", "match": {"path": f"{DATA}/composite"}, "options": {"status": 503}}
        await client.sim("/faults", fault)
        assert all(isinstance(one, Undecided) for one in await write(party, create(1, "k-1")))


async def test_salesforce_party_renews_a_refused_token_once() -> None:
    async with a_party() as (party, client):
        await party.organisation()
        await client.sim("/revoke-tokens", {})
        assert (await party.organisation()).id == client.org.organisation
        signed_in = [one for one in client.control.requests if one.path.endswith("/token")]
        assert len(signed_in) == 3  # the test's own client, the party, the party again


async def test_salesforce_party_wrong_credentials() -> None:
    async with an_org() as client:
        party = party_of(client, "wrong")
        with pytest.raises(AuthError):
            await credentials(client, "wrong").token()
        with pytest.raises(AuthError):
            await party.organisation()
        (refused,) = await write(party, create(1))
        assert isinstance(refused, Rejected)
        assert refused.failure.kind is Kind.RENEW


async def test_salesforce_party_one_bad_value_does_not_hold_the_others() -> None:
    async with a_party() as (party, _client):
        writes = [create(1), create(2, Terms__c="many"), create(3)]
        refused = await write(party, *writes)
        assert all(isinstance(one, Rejected) and one.failure.kind is Kind.RETRY for one in refused)
        assert party.batch_limit("Account", Operation.CREATE) == 1
        alone = [(await write(party, one))[0] for one in writes]
        assert [isinstance(one, Applied) for one in alone] == [True, False, True]
        assert alone[1].failure.kind is Kind.FIX
        assert party.batch_limit("Account", Operation.CREATE) == 200


async def test_salesforce_party_a_field_that_vanishes_is_never_empty() -> None:
    async with a_party() as (party, client):
        account = await client.create("Account", Name="A", Phone="1")
        await party.read(ACCOUNT, [account], V)
        await client.sim("/permissions", {"hide": ["Account.Phone"]})
        with pytest.raises(ConfigurationError, match="Phone"):
            await party.read(ACCOUNT, [account], V)
        catalog = await party.describe([ACCOUNT], fresh=True)
        assert catalog.field("Account", "Phone") is None
        with pytest.raises(ConfigurationError) as missing:
            await party.read(ACCOUNT, [account], V)
        assert missing.value.code == "salesforce.field-missing"
        await client.sim("/permissions", {"show": ["Account.Phone"]})
        assert (await party.read(ACCOUNT, [account], V)).records[0].fields["Phone"] == "1"


async def test_salesforce_party_an_unreadable_row_does_not_hold_the_others() -> None:
    async with a_party() as (party, client):
        good, bad = await client.create("Account", Name="A"), await client.create("Account", Name="B")
        row = client.org.store.tables["Account"][bad]
        client.org.store.tables["Account"][bad] = {**row, "Terms__c": "many"}
        result = await party.read(ACCOUNT, [good, bad], V)
        assert ([one.id for one in result.records], result.missing) == ([good], (bad,))


async def test_salesforce_party_an_object_that_vanishes() -> None:
    async with a_party() as (party, client):
        await client.sim("/permissions", {"hide": ["Account"]})
        with pytest.raises(ConfigurationError):
            await party.read(ACCOUNT, ["0018d0000000001AAA"], V)


async def test_salesforce_party_obeys_the_limit_of_the_day() -> None:
    async with a_party(Settings(api_limit=3)) as (party, client):
        for _ in range(3):
            assert party.pause(now_ms=0) == 0
            await party.organisation()
        now = int(client.org.clock.now().timestamp() * 1000)
        assert 0 < party.pause(now_ms=now) <= 15 * 60_000
        with pytest.raises(TryAgain) as later:
            await party.organisation()
        assert later.value.retry_after == 900
        assert later.value.code == "salesforce.request-limit-exceeded"


async def test_salesforce_party_a_spent_day_is_not_knocked_at_and_rolls_on() -> None:
    """A stranger spends what is left: one refusal in a quarter of an hour, whoever asks, and then all goes again."""
    async with a_party(Settings(api_limit=1_000)) as (party, client):
        await party.organisation()
        org, clock = client.org, client.org.clock
        org.calls.add(clock.now(), 999)
        asked = len(client.control.requests)
        for purpose in (Purpose.WRITE, Purpose.POLL, Purpose.AUDIT):
            with pytest.raises(TryAgain) as later:
                await spending(purpose, party.organisation())
            assert later.value.retry_after <= 900
        assert not isinstance((await write(party, create(1)))[0], Applied)
        assert len(client.control.requests) == asked + 1
        clock.advance(901)
        for _ in range(3):
            with pytest.raises(TryAgain):
                await party.organisation()
        assert len(client.control.requests) == asked + 2
        clock.advance(24 * 3600)
        assert isinstance((await write(party, create(1)))[0], Applied)
        now_ms = int(clock.now().timestamp() * 1000)
        assert party.day.resting(now_ms) == ()
        assert party.day.spent(now_ms, Purpose.WRITE) == 1


async def test_salesforce_party_what_matters_least_is_held_back_first() -> None:
    async with a_party(Settings(api_limit=1_000)) as (party, client):
        await party.organisation()
        client.org.calls.add(client.org.clock.now(), 900)
        await party.organisation()  # hears it
        asked = len(client.control.requests)
        with pytest.raises(TryAgain) as later:
            await spending(Purpose.AUDIT, party.organisation())
        assert "98 of 1000" in later.value.message
        assert later.value.retry_after == 60
        assert len(client.control.requests) == asked
        await spending(Purpose.POLL, party.organisation())
        assert isinstance((await write(party, create(1)))[0], Applied)


async def test_salesforce_party_hears_what_is_left_from_limits_too() -> None:
    async with a_party(Settings(api_limit=1_000)) as (party, _):
        assert await Replication(party).deliveries() == (1_000_000, 1_000_000)
        assert (party.day.limit, party.day.left) == (1_000, 999)


async def test_salesforce_party_trouble_is_told_by_its_kind() -> None:
    async with a_party() as (party, client):
        await party.organisation()
        await client.sim("/faults", {"kind": "status", "match": {"path": DATA}, "options": {"status": 503}})
        with pytest.raises(Unavailable):
            await party.organisation()
        await client.sim("/faults", {"kind": "cut-before-commit", "match": {"path": DATA}})
        with pytest.raises(Unavailable):
            await party.organisation()


async def test_salesforce_party_keeps_its_secrets() -> None:
    async with an_org() as client:
        keys = credentials(client)
        token = await keys.token()
        assert client.org.settings.client_secret not in repr(keys)
        assert token.access not in f"{token!r}"
        assert json.loads(json.dumps({"instance": token.instance_url}))["instance"] == client.base
    for url in ("http://example.com/token", "https://login.salesforce.com/services/oauth2/token"):
        with pytest.raises(ConfigurationError):
            ClientCredentials(client.http, url, "id", "secret")


async def test_salesforce_party_answers_many_look_ups_with_one_query() -> None:
    async with a_party() as (party, client):
        ids = [await client.create("Account", Name=f"O'Neill {n}", Terms__c=n) for n in range(5)]
        await client.create("Account", Name="o'neill 3", Terms__c=99)
        before = party.calls
        names: list[Fields] = [{"Name": f"o'NEILL {n}"} for n in range(7)]
        found = await party.find_each(ACCOUNT, names, V)
        assert [len(each) for each in found] == [1, 1, 1, 2, 1, 0, 0]
        assert {one.id for each in found for one in each} >= set(ids)
        calls = party.calls - before
        mixed: list[Fields] = [{"Name": "O'Neill 3", "Terms__c": Decimal(3)}, {"Terms__c": Decimal(99)}, {}]
        assert [len(each) for each in await party.find_each(ACCOUNT, mixed[:2], V)] == [1, 1]
        assert await party.find_each(ACCOUNT, mixed[2:], V) == ((),)
        assert calls == 2  # the describe of the object, and one query


async def test_salesforce_party_asks_alone_where_one_answer_would_be_too_much() -> None:
    async with a_party() as (party, client):
        for n in range(25):
            await client.create("Account", Name="Same" if n else "Other", Phone=str(n))
        same, other = await party.find_each(ACCOUNT, [{"Name": "Same"}, {"Name": "Other"}], V)
        assert (len(same), len(other)) == (10, 1)
        long: list[Fields] = [{"Name": f"{n}" + "é" * 250} for n in range(30)]
        assert await party.find_each(ACCOUNT, long, V) == ((),) * 30


async def test_salesforce_party_finds_what_reads_an_object_beside_itself() -> None:
    async with a_party() as (party, client):
        deal, other = await a_deal(client, 2), await a_deal(client, 1)
        deals = await client.rows("SELECT Id, AccountId FROM Opportunity")
        account = next(row["AccountId"] for row in deals if row["Id"] == deal)
        product = (await client.rows("SELECT Product2Id FROM OpportunityLineItem"))[0]["Product2Id"]
        plan = ReadPlan("Opportunity", ("Account.Name",), {"OpportunityLineItems": ("Product2.Name",)})
        beside = await party.beside(plan, "Account", [account])
        assert deal in beside
        assert {deal, other} <= set(await party.beside(plan, "OpportunityLineItems/Product2", [product]))
        assert await party.beside(plan, "Account", ["001000000000000AAA"]) == ()
