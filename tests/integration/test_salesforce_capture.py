"""Capture of one org without the rest of a worker: what it does while Kafka is slow, and what it stores when.

Kafka is a small callable here that acknowledges when it is told to; the org is the simulator, over real HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from connector.core.records import ReadPlan
from connector.errors import ConfigurationError, DataError, TwinledgerError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.headers import Headers
from connector.kafka.positions import Position, PositionKind
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.cometd import ALL_KEPT
from connector.salesforce.position import StreamPosition
from connector.salesforce.replication import Replication
from connector.salesforce.rest import SalesforceParty
from connector.settings import ConnectionSettings
from streams.capture import Heard, StreamCapture
from streams.connection import Connection, Numbers
from streams.followed import Capture, Followed
from streams.hops import Outbox
from streams.hydrate import Reads
from streams.incident import SOURCE, Incident, Incidents, RefillLoop
from streams.parties import SalesforceSource
from streams.watch import Watch, WatchLoop
from tests.integration.salesforce_org import Client, an_org

CHANNEL = "/data/TwinledgerSync__chn"
SOON = 20


@dataclass
class Stand:
    """One connection's capture on a stand of its own."""

    client: Client
    hints: list[dict[str, Any]] = field(default_factory=list)
    stored: list[Position] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    acknowledges: asyncio.Event = field(default_factory=asyncio.Event)
    capture: StreamCapture = field(init=False)
    watch: Watch = field(init=False)
    incidents: Incidents = field(init=False)
    connection: Connection = field(init=False)
    party: SalesforceParty = field(init=False)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        client, codec = self.client, Codec()
        self.acknowledges.set()
        settings = ConnectionSettings.model_validate(
            {
                "name": "demo", "salesforce": {"url": client.base, "client_id": "twinledger"},
                "xero": [{"tenant": "t", "client_id": "x"}],
            }
        )  # fmt: skip
        sign_in = ClientCredentials(
            client.http, f"{client.base}/services/oauth2/token", "twinledger", client.org.settings.client_secret
        )
        party = self.party = SalesforceParty(client.http, sign_in, client.org.organisation, now_ms=lambda: 0)
        source = SalesforceSource(party, sign_in, settings.salesforce)
        connection = self.connection = Connection(
            settings, party, party, client.org.organisation, "t", client.org.clock.now, 0, numbers=Numbers(1)
        )
        self.watch = Watch(connection, lambda: source.now, self.known, lambda: party.catalog)
        self.incidents = Incidents(connection, self.store, self.say)

        async def post(_topic: str, _key: bytes, value: bytes) -> Awaitable[int]:
            found = codec.decode(value)
            assert isinstance(found, Decoded)
            self.hints.append(dict(found.value))
            return self.acknowledged()

        async def put(topic: str, key: bytes, value: bytes, _headers: Headers = ()) -> int:
            return await (await post(topic, key, value))

        self.outbox = Outbox(codec, put, client.org.clock.now)
        self.capture = StreamCapture(
            connection, self.outbox, self.store, self.bury, self.notice, source.stream,
            self.positions, Heard(), source.parents, post, self.watch, self.incidents,
        )  # fmt: skip

    def known(self) -> dict[str, StreamPosition]:
        return self.capture.known()

    async def acknowledged(self) -> int:
        await self.acknowledges.wait()
        return 1

    async def store(self, position: Position) -> None:
        self.stored.append(position)

    async def bury(self, _connection: Connection, channel: str, _payload: bytes, error: DataError) -> None:
        self.said.append((channel, error.code))

    async def notice(self, _connection: Connection, kind: str, error: TwinledgerError) -> None:
        self.said.append((kind, error.code))

    async def say(self, _connection: Connection, kind: str, subject: str, _message: str, _data: dict[str, str]) -> None:
        self.said.append((kind, subject))

    def refill(self, *entities: str) -> RefillLoop:
        """Reads incidents of these objects; what is asked counts as answered."""

        async def reached(_topic: str, _partition: int, _offset: int) -> bool:
            return True

        async def walk(_entity: str, _since: datetime) -> int:
            return 0

        return RefillLoop(
            self.incidents, Replication(self.party), lambda: self.party.catalog,
            lambda: [Followed(name, Capture.CDC) for name in entities], self.outbox, Reads(), reached,
            lambda _entity: None, self.notice, walk,
        )  # fmt: skip

    def replays(self) -> list[int]:
        return [
            StreamPosition.from_text(one.value).replay_id for one in self.stored if one.kind is PositionKind.REPLAY_ID
        ]


@contextlib.asynccontextmanager
async def listening(stand: Stand) -> AsyncIterator[None]:
    task = asyncio.create_task(stand.capture.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110  several things are looked at, in several places
            await asyncio.sleep(0.02)


def polls(client: Client) -> int:
    return sum(1 for one in client.control.requests if one.path.startswith("/cometd"))


async def test_capture_polls_on_while_kafka_acknowledges_nothing() -> None:
    async with an_org() as client:
        stand = Stand(client)
        stand.acknowledges.clear()
        async with listening(stand):
            for number in range(5):
                await client.create("Account", Name=f"A{number}")
            await until(lambda: len(stand.hints) == 5)
            await client.sim("/settings", {"hold_seconds": 0.01})
            await client.create("Account", Name="A5")
            before = polls(client)
            await until(lambda: polls(client) > before + 5)  # the session lives, though nothing is acknowledged
            assert stand.replays() == []  # and nothing is behind us
            stand.acknowledges.set()
            await until(lambda: bool(stand.replays()) and stand.replays()[-1] == client.org.bus.tip)
        assert [hint["replay_id"] for hint in stand.hints] == [event.replay for event in client.org.bus.events]


async def test_capture_stores_the_time_beside_the_id() -> None:
    async with an_org() as client:
        stand = Stand(client)
        async with listening(stand):
            await client.create("Account", Name="A")
            await until(lambda: bool(stand.replays()))
        position = StreamPosition.from_text(stand.stored[-1].value)
        assert position == StreamPosition(client.org.bus.tip, client.org.bus.events[-1].at)


async def test_capture_records_an_expired_position_before_it_goes_on() -> None:
    async with an_org() as client:
        await client.create("Account", Name="A")
        stand = Stand(client)
        async with listening(stand):
            await until(lambda: bool(stand.replays()))
        was = stand.capture.known()[CHANNEL]
        client.org.clock.advance(73 * 3600)
        await client.create("Account", Name="B")
        stand.stored.clear()
        async with listening(stand):
            await until(lambda: client.org.bus.tip in stand.replays())
        first = stand.stored[0]
        incident = Incident.from_text(first.source.removeprefix(SOURCE), first.value)
        assert (incident.id, incident.reason, incident.since, incident.closed) == (
            CHANNEL, "replay-expired", was.at, None,
        )  # fmt: skip
        assert stand.replays()[0] == ALL_KEPT
        assert stand.hints[-1]["replay_id"] == client.org.bus.tip
        again = Incidents(stand.capture.connection, stand.store, stand.say)
        again.load([first])
        assert again.open == {CHANNEL: incident}  # a crash forgets none


async def test_capture_of_an_idle_channel_outlives_the_retention() -> None:
    async with an_org() as client:
        await client.create("Account", Name="A")
        stand = Stand(client)
        async with listening(stand):
            await until(lambda: bool(stand.replays()))
            client.org.clock.advance(61 * 3600)
            await until(lambda: stand.replays()[-1] == ALL_KEPT)
        client.org.clock.advance(20 * 3600)  # the id would be unknown now, and nothing was lost
        async with listening(stand):
            await client.create("Account", Name="B")
            await until(lambda: stand.replays()[-1] == client.org.bus.tip)
        assert not [kind for kind, _ in stand.said if kind.startswith("incident")]


async def test_capture_knows_an_outage_that_was_longer_than_what_is_kept() -> None:
    async with an_org() as client:
        stand = Stand(client)
        at, org = client.org.clock.now() - timedelta(hours=73), client.org.organisation
        text = StreamPosition(ALL_KEPT, at).to_text()
        stand.positions[CHANNEL] = Position("demo", org, CHANNEL, PositionKind.REPLAY_ID, text, 1, at)
        async with listening(stand):
            await until(lambda: ("incident.opened", CHANNEL) in stand.said)
        assert stand.incidents.open[CHANNEL].since == at


async def test_capture_rests_when_deliveries_run_out_and_goes_on_when_there_are_more() -> None:
    async with an_org() as client:
        stand = Stand(client)
        async with listening(stand):
            await client.create("Account", Name="A")
            await until(lambda: len(stand.hints) == 1)
            stand.watch.resting = True
            stream = stand.watch.stream()
            assert stream is not None
            await stream.aclose()
            await until(lambda: ("source.paused", "salesforce.stream-lost") in stand.said)
            before = polls(client)
            await client.create("Account", Name="B")
            stand.watch.resting = False
            await until(lambda: stand.hints[-1]["replay_id"] == client.org.bus.tip)
            assert polls(client) > before


async def test_capture_waits_out_a_limit_by_the_clock_it_is_given() -> None:
    async with an_org() as client:
        stand = Stand(client)
        async with listening(stand):
            await client.create("Account", Name="A")
            await until(lambda: len(stand.hints) == 1)
            await client.sim("/settings", {"event_limit": 1})
            await client.create("Account", Name="B")
            await until(lambda: ("source.paused", "salesforce.stream-limit") in stand.said)
            await client.sim("/settings", {"event_limit": 1000})
            before = polls(client)
            client.org.clock.advance(600)
            assert polls(client) == before
            client.org.clock.advance(301)  # a quarter of an hour, in no time
            await until(lambda: stand.hints[-1]["replay_id"] == client.org.bus.tip)


class Following(Watch):
    """Follows two objects, the first of which the user may not see."""

    def followed(self) -> tuple[Followed, ...]:
        return Followed("Contact", Capture.CDC), Followed("Account", Capture.CDC)


async def test_an_object_that_is_hidden_blinds_the_watch_over_no_other() -> None:
    async with an_org() as client:
        stand = Stand(client)
        watch = Following(stand.connection, lambda: None, stand.known, lambda: stand.party.catalog)
        loop = WatchLoop(watch, Replication(stand.party), stand.outbox, stand.notice, 900)
        await loop.round()
        account = await client.create("Account", Name="unheard")
        await client.sim("/permissions", {"hide": ["Contact"]})
        client.org.clock.advance(300)
        await loop.round()
        assert [(hint["entity"], hint["record_ids"]) for hint in stand.hints] == [("Account", [account])]
        assert ("watch.failed", "salesforce.invalid-type") in stand.said


async def test_an_object_that_is_hidden_keeps_an_incident_open_and_no_other_object_from_being_read() -> None:
    async with an_org() as client:
        stand = Stand(client)
        contact, account = await client.create("Contact", LastName="C"), await client.create("Account", Name="A")
        since = client.org.clock.now() - timedelta(hours=1)
        await client.sim("/permissions", {"hide": ["Contact"]})
        refill = stand.refill("Contact", "Account")
        await stand.incidents.begin("outage", CHANNEL, since, ("Contact", "Account"))
        client.org.clock.advance(120)
        with pytest.raises(ConfigurationError):
            await refill.refill(CHANNEL)
        assert stand.incidents.open[CHANNEL].todo == ("Contact",)
        assert [hint["record_ids"] for hint in stand.hints if hint["entity"] == "Account"] == [[account]]
        await client.sim("/permissions", {"show": ["Contact"]})
        await refill.refill(CHANNEL)
        assert stand.incidents.open == {}
        assert [hint["record_ids"] for hint in stand.hints if hint["entity"] == "Contact"] == [[contact]]


async def test_files_are_read_again_by_their_stamps_as_nobody_tells_of_their_deletion() -> None:
    async with an_org() as client:
        stand = Stand(client)
        await stand.party.describe([ReadPlan("ContentVersion")])
        file = await client.create(
            "ContentVersion", Title="a", PathOnClient="a.txt", VersionData=base64.b64encode(b"a").decode()
        )
        await stand.incidents.begin("outage", CHANNEL, client.org.clock.now() - timedelta(hours=1), ("ContentVersion",))
        client.org.clock.advance(120)
        await stand.refill("ContentVersion").refill(CHANNEL)
        assert stand.incidents.open == {}
        assert [hint["record_ids"] for hint in stand.hints] == [[file]]
