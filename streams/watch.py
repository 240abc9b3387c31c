"""The watch over the stream: what the org changed is asked from time to time, and compared with what was heard.

What was not heard is read at once; a stream that is deaf is opened again, and if it stays deaf, or the org's
allocation of deliveries runs out, its objects are polled until that is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.errors import ConfigurationError, EngineStop, TwinledgerError
from connector.salesforce.describe import SalesforceCatalog
from connector.salesforce.position import StreamPosition
from connector.salesforce.replication import Moved, Replication
from connector.salesforce.stream import ChangeStream
from connector.salesforce.watch import LOW, Alarm, Ear, Pulse, Repair, alarms
from streams.connection import Connection
from streams.followed import Capture, Followed, ask, followed
from streams.hops import Outbox

GRACE = timedelta(minutes=2)  # an event may be that late
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


@dataclass(slots=True)
class Watch:
    """What is known of one connection's stream, for readiness, for the polls, and for the stream itself."""

    connection: Connection
    stream: Callable[[], ChangeStream | None]
    positions: Callable[[], dict[str, StreamPosition]]
    catalog: Callable[[], SalesforceCatalog]
    ear: Ear = field(default_factory=Ear)
    events: int = 0
    unheard: dict[str, int] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    polled: set[str] = field(default_factory=set)  # objects whose stream stayed deaf
    resting: bool = False  # the stream is closed: the allocation of deliveries is nearly spent
    limited: bool = False  # the org refuses the stream for a limit
    deliveries: tuple[int, int] | None = None

    def heard(self, entity: str, ids: Iterable[str], committed: datetime) -> None:
        self.events += 1
        self.limited = False
        self.polled.discard(entity)
        self.ear.heard(entity, ids, committed)

    def followed(self) -> tuple[Followed, ...]:
        return followed(self.connection, self.catalog())

    def streams(self) -> bool:
        """Whether any object is to be heard by change events at all."""
        return any(one.capture is not Capture.POLL for one in self.followed()) or not self.connection.applied

    def polls(self, one: Followed) -> bool:
        """Whether an object is polled now: because it is told so, or because the stream cannot be relied upon."""
        return one.capture is not Capture.CDC or self.resting or self.limited or one.entity in self.polled

    def alarms(self, now: datetime) -> tuple[Alarm, ...]:
        """What is wrong at this moment. An object that is polled instead is not."""
        if not self.streams():
            return ()
        stream = self.stream()
        silent = stream.silent_for if stream is not None else None
        pulse = Pulse(
            None if silent is None else timedelta(seconds=silent),
            stream.wanted if stream is not None else frozenset(),
            stream.subscribed if stream is not None else frozenset(),
            self.positions(), {name: n for name, n in self.unheard.items() if name not in self.polled},
            frozenset(self.deaf), self.deliveries,
        )  # fmt: skip
        found = alarms(pulse, now)
        return tuple(alarm for alarm in found if not (self.resting and alarm.code == "salesforce.watch-disconnected"))


@dataclass(slots=True)
class WatchLoop:
    """Asks every ``seconds`` what changed, and repairs what was not heard."""

    watch: Watch
    replication: Replication
    outbox: Outbox
    notice: Notice
    seconds: float
    _checked: dict[str, datetime] = field(default_factory=dict)
    _began: datetime | None = None
    _events: int = -1

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.seconds)
            try:
                await self.round()
            except EngineStop:
                raise
            except TwinledgerError as error:
                await self.notice(self.watch.connection, "watch.failed", error)

    async def round(self) -> None:
        """One comparison of all objects that the stream should tell of. Raises as the API does."""
        watch, now = self.watch, self.watch.connection.clock()
        progress, self._events = watch.events != self._events, watch.events
        watch.deliveries = await self.replication.deliveries()
        for one in watch.followed():
            if one.capture is not Capture.POLL and one.entity not in watch.polled and not watch.resting:
                try:
                    await self._compare(one, now - GRACE, progress=progress)
                except ConfigurationError as error:  # an object that the user cannot see blinds the watch over no other
                    await self.notice(watch.connection, "watch.failed", error)
        watch.ear.forget(now - 10 * GRACE - timedelta(seconds=self.seconds))
        await self._repair(watch.alarms(now))

    async def _compare(self, one: Followed, end: datetime, *, progress: bool) -> None:
        """Changes between the last look and ``end`` that nobody told us of: asked, and counted."""
        watch = self.watch
        start = self._checked.setdefault(one.entity, end)
        if start >= end:
            return
        missed: list[Moved] = []
        stamp = "LastModifiedDate"  # SystemModstamp also moves when the platform tidies up, without an event
        async for page in self.replication.moved(one.entity, stamp, start, end, one.reference):
            missed += [row for row in page if watch.ear.missed(one.entity, row.id, row.at)]
        self._checked[one.entity] = end
        sure = [row for row in missed if watch.ear.surely(one.entity, row.id, row.at)]
        before, watch.unheard[one.entity] = watch.unheard.get(one.entity, 0), len(sure)
        silent = bool(sure) and not progress and watch.ear.deaf(one.entity, max(row.at for row in sure))
        if silent and before and one.entity in watch.deaf:
            watch.polled.add(one.entity)  # twice in a row: the stream does not bring this object
        (watch.deaf.add if silent else watch.deaf.discard)(one.entity)
        await ask(watch.connection, self.outbox, one, {row.id: row.parent for row in missed}, "unheard")

    async def _repair(self, found: Iterable[Alarm]) -> None:
        watch = self.watch
        for alarm in found:
            if alarm.red:
                await self.notice(watch.connection, "watch.alarm", TwinledgerError(alarm.code, alarm.message))
        wanted = {repair for alarm in found for repair in alarm.repairs}
        stream = watch.stream()
        if Repair.POLL in wanted:
            watch.resting = True
        elif watch.deliveries is not None and watch.deliveries[0] > watch.deliveries[1] * LOW:
            watch.resting = False
        if stream is not None and (watch.resting or Repair.RECONNECT in wanted):
            await stream.aclose()
