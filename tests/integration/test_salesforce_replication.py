"""What moved in an org, asked: getUpdated, getDeleted, queries by stamp, against a simulated org."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.core.party import Answer
from connector.core.records import ReadPlan, Version
from connector.errors import ConfigurationError, TryAgain
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.replication import Replication
from connector.salesforce.rest import SalesforceParty
from connector.simulators.salesforce import Settings
from tests.integration.salesforce_org import Client, an_org

MINUTE = timedelta(minutes=1)


@contextlib.asynccontextmanager
async def asked(settings: Settings | None = None) -> AsyncIterator[tuple[Replication, SalesforceParty, Client]]:
    async with an_org(settings) as client:
        secret = client.org.settings.client_secret
        sign_in = ClientCredentials(client.http, f"{client.base}/services/oauth2/token", "twinledger", secret)
        party = SalesforceParty(client.http, sign_in, client.org.organisation, now_ms=lambda: 0)
        yield Replication(party), party, client


async def test_replication_tells_what_was_changed_and_deleted() -> None:
    async with asked() as (replication, _, client):
        kept, gone = [await client.create("Account", Name=name) for name in ("A", "B")]
        await client.data("DELETE", f"/sobjects/Account/{gone}")
        start = client.org.clock.now() - 5 * MINUTE
        client.org.clock.advance(120)
        end = client.org.clock.now()
        assert set((await replication.updated("Account", start, end)).ids) == {kept}
        found = await replication.deleted("Account", start, end)
        assert (found.ids, found.whole) == ((gone,), True)
        assert found.covered == end.replace(second=0, microsecond=0)


async def test_replication_asks_for_short_spans_too() -> None:
    async with asked() as (replication, _, client):
        account = await client.create("Account", Name="A")
        client.org.clock.advance(60)
        end = client.org.clock.now()
        assert (await replication.updated("Account", end - MINUTE, end)).ids == (account,)  # a minute is too short


async def test_replication_that_is_behind_is_asked_again() -> None:
    async with asked() as (replication, party, client):
        now = client.org.clock.now()
        behind = (now - timedelta(hours=2)).isoformat(timespec="seconds")

        async def get(path: str, query: tuple[tuple[str, str], ...] = ()) -> Answer:
            assert path.endswith("/updated"), query
            return Answer(200, {}, f'{{"ids": [], "latestDateCovered": "{behind}"}}'.encode())

        party.get = get  # type: ignore[method-assign]
        with pytest.raises(TryAgain) as later:
            await replication.updated("Account", now - timedelta(hours=1), now)
        assert later.value.code == "salesforce.replication-behind"


async def test_replication_further_back_than_it_reaches_is_refused() -> None:
    async with asked() as (replication, _, client):
        now = client.org.clock.now()
        with pytest.raises(ConfigurationError):
            await replication.deleted("Account", now - timedelta(days=20), now)


async def test_replication_by_stamp_brings_times_and_parents_in_order() -> None:
    async with asked(Settings(query_page=200)) as (replication, _, client):
        account = await client.create("Account", Name="A")
        contacts = []
        for number in range(3):
            client.org.clock.advance(10)
            contacts.append(await client.create("Contact", LastName=f"C{number}", AccountId=account))
        since = datetime.fromtimestamp(0, UTC)
        rows = [
            row
            async for page in replication.moved("Contact", "SystemModstamp", since, None, "AccountId")
            for row in page
        ]
        assert [(row.id, row.parent) for row in rows] == [(one, account) for one in contacts]
        assert [row.at for row in rows] == sorted(row.at for row in rows)
        upto = rows[2].at
        assert [
            row.id async for page in replication.moved("Contact", "LastModifiedDate", rows[1].at, upto) for row in page
        ] == [contacts[1]]


async def test_replication_lists_every_live_id_over_many_pages() -> None:
    async with asked(Settings(query_page=200)) as (replication, _, client):
        records = [{"attributes": {"type": "Account"}, "Name": f"A{number}"} for number in range(200)]
        for _ in range(3):
            await client.data("POST", "/composite/sobjects", {"records": records})
        ids = await replication.ids("Account")
        assert len(ids) == len(set(ids)) == 600
        await client.data("DELETE", f"/sobjects/Account/{ids[0]}")
        assert set(await replication.ids("Account")) == set(ids[1:])


async def test_replication_knows_what_is_left_of_the_deliveries() -> None:
    async with asked(Settings(event_limit=1000)) as (replication, _, client):
        client.org.delivered.add(client.org.clock.now(), 400)
        assert await replication.deliveries() == (600, 1000)


async def test_records_by_stamp_are_whole_and_name_what_cannot_be_read() -> None:
    async with asked() as (_, party, client):
        since = client.org.clock.now() - MINUTE
        account = await client.create("Account", Name="A", Phone="1")
        pages = [page async for page in party.changed(ReadPlan("Account", ("Name", "Phone")), since, Version(1, 7))]
        (record,) = pages[0].records
        assert (record.id, record.fields["Phone"], record.version, pages[0].missing) == (
            account,
            "1",
            Version(1, 7),
            (),
        )
