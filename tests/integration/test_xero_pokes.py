"""A poke of a webhook brings a list's poll forward; polls leave some of the minute's calls to writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from connector.core.records import Record
from connector.http import HttpClient
from connector.kafka.positions import Position
from connector.settings import ConnectionSettings, SalesforceSettings, XeroSettings
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT
from streams.capture import Heard
from streams.connection import Connection
from streams.lists import LEFT_TO_WRITES, ListPolls
from tests.integration.xero_rig import Rig


class Outbox:
    """Takes records as Kafka would."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def record(self, _connection: Connection, record: Record) -> tuple[str, int]:
        self.records.append(record)
        return "topic", len(self.records)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    async with running(app) as base, HttpClient() as http:
        yield Rig(base, app.state.world, http)


async def _forget(*_args: Any) -> None:
    return None


def capture(rig: Rig, outbox: Outbox) -> ListPolls:
    settings = ConnectionSettings(
        name="main", salesforce=SalesforceSettings(url="https://example.org", client_id="x"),
        xero=(XeroSettings(tenant=DEMO_TENANT, client_id="x", poll_seconds=3600),),
    )  # fmt: skip
    party: Any = rig.party
    connection = Connection(settings, party, party, "00D", DEMO_TENANT, rig.world.clock.now, 0)
    positions: dict[str, Position] = {}
    entities = lambda: ("Contact", "TaxRate")  # noqa: E731
    sink: Any = outbox
    return ListPolls(connection, DEMO_TENANT, rig.party, sink, _forget, _forget, positions, Heard(), _forget, entities)


async def test_a_poked_list_is_asked_at_once_and_once(rig: Rig) -> None:
    outbox = Outbox()
    polls = capture(rig, outbox)
    await polls.round()
    asked = rig.party.calls
    await polls.round()
    assert rig.party.calls == asked  # nothing is due
    rig.world.clock.advance(5)
    rig.world.edit("Contact", rig.contact(), {"FirstName": "Poked"})
    polls.connection.poked.add((DEMO_TENANT, "Contact"))
    await polls.round()
    await polls.round()
    assert rig.party.calls == asked + 1
    assert outbox.records[-1].fields["FirstName"] == "Poked"


async def test_polls_stop_before_the_calls_that_are_left_to_writes(rig: Rig) -> None:
    polls = capture(rig, Outbox())
    rig.world.limits.change({"minute": 60, "day": 5000})
    rig.party = polls.party = rig.new_party()
    for _ in range(60 - LEFT_TO_WRITES):
        await rig.party.organisation()
    await polls.round()
    assert rig.party.calls == 60 - LEFT_TO_WRITES
    assert rig.party.pause(now_ms=rig.now_ms()) == 0  # a write may go
    rig.world.clock.advance(61)
    await polls.round()
    assert rig.party.calls == 60 - LEFT_TO_WRITES + 2
