"""Capture: what the sources say becomes hints and records in Kafka; positions are stored after the acknowledgement.

Salesforce speaks by itself (Change Data Capture over CometD); Xero is asked (``streams.lists``). Both run as loops of
the connection's owner. A source that is away is asked again with a back-off, for ever: silence is a fault that
readiness shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connector.core.identity import record_key
from connector.core.records import Side
from connector.core.snapshots import Collection
from connector.errors import DataError, EngineStop, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from connector.salesforce.bayeux import ReplayExpired
from connector.salesforce.cometd import ALL_KEPT
from connector.salesforce.events import Change, Scope, decode
from connector.salesforce.position import StreamPosition
from connector.salesforce.stream import EventSource, StreamEvent, backoff, supervised
from streams.connection import Connection
from streams.followed import heads
from streams.hops import HINTS, Outbox, hint_value
from streams.incident import Incidents
from streams.watch import GRACE, Watch

STORE_SECONDS = 1.0
LOOK_SECONDS = 0.5
REFUSED_SECONDS = 60.0  # a channel or right that is wrong is asked for again
HOUR = timedelta(hours=1)
IN_FLIGHT = 500  # events handed to Kafka and not yet acknowledged
WANTED, DONE, RESYNC = "wanted", "done", "resync "
Post = Callable[[str, bytes, bytes], Awaitable[Awaitable[int]]]
Store = Callable[[Position], Awaitable[None]]
Bury = Callable[[Connection, str, bytes, DataError], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


@dataclass(slots=True)
class Heard:
    """When each source last gave a sign of life: what readiness and the staleness metric stand on."""

    at: dict[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class StreamCapture:
    """The change events of one org into ``salesforce.hints.v1``, in their order."""

    connection: Connection
    outbox: Outbox
    store: Store
    bury: Bury
    notice: Notice
    connect: Callable[[Callable[[str], int]], EventSource]
    positions: dict[str, Position]
    heard: Heard
    parents: Callable[[Connection, Change], Mapping[str, str]]
    post: Post
    watch: Watch
    incidents: Incidents
    _dirty: set[str] = field(default_factory=set)
    _last: dict[str, StreamPosition] = field(default_factory=dict)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: asyncio.Queue[tuple[str, StreamPosition, Awaitable[object]]] = field(
        default_factory=lambda: asyncio.Queue(IN_FLIGHT)
    )

    async def run(self) -> None:
        """Until cancelled. An expired position is an incident: recorded, and the stream goes on from what is kept."""
        while True:
            try:
                await self._may_begin()
                await self._run()
            except ReplayExpired as expired:
                await self.notice(self.connection, "incident.replay-expired", expired)
                await self._hole("replay-expired", expired.channel)
            except TwinledgerError as error:
                if isinstance(error, EngineStop):
                    raise
                await self.notice(self.connection, "source.failed", error)
                await self._wait(REFUSED_SECONDS)

    async def _run(self) -> None:
        """Read, acknowledge and store side by side, until one of them fails."""
        tasks = [asyncio.create_task(work) for work in (self._read(), self._acknowledge(), self._store_often())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _may_begin(self) -> None:
        """Not while nothing is to be heard, or while the stream rests. Holes that an outage has left are recorded."""
        while self.watch.resting or not self.watch.streams():  # noqa: ASYNC110  of several reasons
            await asyncio.sleep(STORE_SECONDS)
        for channel, position in self.known().items():
            if position.hole(self.connection.clock()):
                await self._hole("outage", channel)

    async def _hole(self, reason: str, channel: str) -> None:
        """The incident is stored before the position moves: a crash between the two only reads twice."""
        before = self.known().get(channel)
        await self.incidents.begin(reason, channel, before.at if before is not None else None, None)
        self._move(channel, StreamPosition(ALL_KEPT, self.connection.clock()))
        await self.store(self.positions[channel])

    async def _read(self) -> None:
        async for event in supervised(lambda: self.connect(self._from), pause=self._pause):
            await self._take(event)

    def known(self) -> dict[str, StreamPosition]:
        """Where each channel is."""
        mine = [one for one in self.positions.values() if one.kind is PositionKind.REPLAY_ID]
        return {one.source: StreamPosition.from_text(one.value) for one in mine}

    def _from(self, channel: str) -> int:
        position = self.known().get(channel)
        return position.replay_id if position is not None else ALL_KEPT

    async def _pause(self, error: TwinledgerError, failures: int) -> None:
        self.watch.limited = error.code == "salesforce.stream-limit"
        await self.notice(self.connection, "source.paused", error)
        await self._wait(backoff(error, failures))
        await self._may_begin()

    async def _wait(self, seconds: float) -> None:
        """By the connection's clock: a limit of the org is waited out in that time."""
        clock = self.connection.clock
        end = clock() + timedelta(seconds=seconds)
        while (left := (end - clock()).total_seconds()) > 0:  # noqa: ASYNC110  a clock has no event
            await asyncio.sleep(min(left, LOOK_SECONDS))

    async def _take(self, event: StreamEvent) -> None:
        """Hand one event over, in its order; the stream goes on while Kafka acknowledges. A full queue holds it."""
        committed: datetime | None = None
        try:
            change = decode(event.payload)
        except DataError as error:
            await self.bury(self.connection, event.channel, event.payload, error)
            sent: Awaitable[object] = _nothing()
        else:
            committed = change.committed
            sent = await self._send(event, change)
            self.watch.heard(change.entity, change.record_ids, change.committed)
        self.connection.tally["records", Side.SALESFORCE.value] += 1
        await self._sent.put((event.channel, StreamPosition(event.replay_id, committed), sent))

    async def _acknowledge(self) -> None:
        """A position counts once its event, and every other event with the same replay id, is acknowledged."""
        while True:
            channel, position, sent = await self._sent.get()
            await sent
            before = self._last.get(channel)
            if before is not None and before.replay_id != position.replay_id:
                self._move(channel, before)
            if position.replay_id >= 0:
                known = before or self.known().get(channel)
                at = position.at or (known.at if known is not None else None)  # a dead letter does not say when
                self._last[channel] = replace(position, at=at)
            self._idle.clear()

    async def _send(self, event: StreamEvent, change: Change) -> Awaitable[object]:
        connection = self.connection
        if change.scope is Scope.WHOLE:
            await self._whole(change)
            return _nothing()
        value = hint_value(
            connection, connection.org, "change", change.entity, change.record_ids,
            channel=event.channel, replay_id=event.replay_id if event.replay_id >= 0 else None,
            change_type=change.kind, commit_time=change.committed, transaction_key=change.transaction,
            sequence=change.sequence, parents=dict(self.parents(connection, change)), payload=event.payload,
        )  # fmt: skip
        key = record_key(connection.name, connection.org, change.entity, change.record_ids[0])
        return await self.post(HINTS, key, self.outbox.codec.encode(HINTS, value))

    async def _whole(self, change: Change) -> None:
        """A wildcard or an overflow: the object is read whole, and what was deleted is asked."""
        connection = self.connection
        await self.notice(connection, "resync.wanted", DataError("salesforce.overflow", f"{change.entity}: all"))
        for entity in heads(connection, self.watch.catalog(), change.entity):
            collection = Collection(Side.SALESFORCE, entity)
            await self.store(resync_position(connection, collection, WANTED))
            connection.resync(collection)
        await self.incidents.begin("overflow", change.entity, change.committed, (change.entity,))

    def _move(self, channel: str, position: StreamPosition) -> None:
        connection = self.connection
        self.positions[channel] = Position(
            connection.name, connection.org, channel, PositionKind.REPLAY_ID, position.to_text(),
            connection.numbers.epoch, connection.clock(),
        )  # fmt: skip
        self._dirty.add(channel)

    async def _store_often(self) -> None:
        while True:
            self._idle.set()
            await asyncio.sleep(STORE_SECONDS)
            if self._idle.is_set() and self._sent.empty():  # nothing came for a while: the last id is whole
                for channel, position in self._last.items():
                    self._move(channel, position)
                self._last.clear()
                self._rest()
            dirty, self._dirty = self._dirty, set()
            for channel in dirty:
                await self.store(self.positions[channel])

    def _rest(self) -> None:
        """Nothing came for long, and polls are answered: an id that would soon be unknown becomes all that is kept."""
        stream, now = self.watch.stream(), self.connection.clock()
        silent = stream.silent_for if stream is not None else None
        if stream is None or silent is None or not stream.wanted <= stream.subscribed or self.watch.deaf:
            return
        heard = now - timedelta(seconds=silent) - GRACE
        for channel, position in self.known().items():
            rested = position.rested(now, heard)
            if rested.replay_id != position.replay_id or (rested.at and position.at and rested.at - position.at > HOUR):
                self._move(channel, rested)


def resync_position(connection: Connection, collection: Collection, value: str) -> Position:
    """That an object must be read whole is kept like a position: a crash does not forget it."""
    return Position(
        connection.name, connection.org, f"{RESYNC}{collection}", PositionKind.CURSOR, value, connection.numbers.epoch,
        connection.clock(),
    )  # fmt: skip


async def _nothing() -> None:
    """What is acknowledged already."""
