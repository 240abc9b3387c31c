"""Objects that are polled, are mapped themselves, and are rows of another object: a change of one wakes both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from connector.core.applied import Applied
from connector.core.records import Record, Side
from connector.salesforce.pace import Pace
from connector.salesforce.replication import Replication
from streams.connection import Connection
from streams.followed import Capture, Followed, heads
from streams.hydrate import Hint, Hydrate
from streams.poll import ObjectPoll
from tests.integration.salesforce_org import an_org
from tests.integration.test_salesforce_capture import Stand
from tests.unit.mapping_catalogs import mapping
from tests.unit.settle_desk import empty_tables

DEAL, LINE = "Opportunity", "OpportunityLineItem"
WHOLE = """
mapping: deals
from: salesforce.Opportunity
read: { lines: OpportunityLineItems }
to: xero.Invoice
fields: { Type: ='ACCREC', Reference: =record.Name }
lines:
  - each: =lines
    as: line
    key: =line.Id
    fields: { Description: =line.Description, Quantity: =line.Quantity }
"""
ALONE = """
mapping: lines
from: salesforce.OpportunityLineItem
to: xero.Item
fields: { Code: =record.Id, Name: =record.Description }
"""


@pytest_asyncio.fixture
async def stand() -> AsyncIterator[Stand]:
    async with an_org() as client:
        made = Stand(client)
        made.connection.settings.salesforce.capture.update({"*": "poll"})
        for text in (WHOLE, ALONE):
            rule = mapping(text)
            made.connection.applied[rule.name] = Applied(rule)
        await made.party.describe([made.connection.read_plan(Side.SALESFORCE, one) for one in (DEAL, LINE)])
        yield made


def polls(stand: Stand) -> ObjectPoll:
    return ObjectPoll(
        stand.connection, stand.party, Replication(stand.party), stand.outbox, stand.store, stand.notice, stand.watch,
        {}, lambda _: None, lambda _: None, Pace(1),
    )  # fmt: skip


async def a_line(stand: Stand) -> tuple[str, str]:
    """The ids of a deal and of its line."""
    client = stand.client
    deal = await client.create(DEAL, Name="Deal", StageName="Won", CloseDate="2026-11-20")
    product = await client.create("Product2", Name="Thing")
    book = await client.create("Pricebook2", Name="Standard", IsActive=True)
    entry = await client.create("PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=1, IsActive=True)
    return deal, await client.create(LINE, OpportunityId=deal, PricebookEntryId=entry, Quantity=1, UnitPrice=1)


def wanted(connection: Connection, hint: Hint) -> list[tuple[str, str]]:
    async def emit(_connection: Connection, _record: Record) -> None: ...

    return Hydrate(empty_tables(), emit)._wanted(connection, Side.SALESFORCE, hint)


async def test_a_row_is_followed_for_its_own_sake_and_for_its_parents(stand: Stand) -> None:
    assert [one for one in stand.watch.followed() if one.entity == LINE] == [
        Followed(LINE, Capture.POLL, DEAL, "OpportunityId", mapped=True)
    ]
    assert heads(stand.connection, stand.party.catalog, LINE) == (LINE, DEAL)


async def test_a_polled_row_that_is_mapped_wakes_its_parent_and_itself(stand: Stand) -> None:
    poll = polls(stand)
    (one,) = [each for each in stand.watch.followed() if each.entity == LINE]
    deal, line = await a_line(stand)
    assert await poll.poll(one) == 1
    (value,) = [hint for hint in stand.hints if hint.get("entity") == LINE]
    assert (value["record_ids"], value["parents"]) == ([line], {line: f"{DEAL}/{deal}"})
    assert set(wanted(stand.connection, Hint.of(value))) == {(LINE, line), (DEAL, deal)}


async def test_one_that_is_only_mapped_is_taken_as_it_is_polled(stand: Stand) -> None:
    """One query brings it whole: nothing is asked a second time."""
    poll = polls(stand)
    deal, _ = await a_line(stand)
    (one,) = [each for each in stand.watch.followed() if each.entity == DEAL]
    assert not one.parent
    assert await poll.poll(one) == 1
    told = [value for value in stand.hints if "record_ids" not in value]
    assert [value["id"] for value in told] == [deal]
