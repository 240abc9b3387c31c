"""The lists of one Xero organisation, each polled when the plan says so, into the accounting topics.

How often follows from what each list has brought and cost, from what is left of the day, and from webhooks
(``connector.xero.pace``). Polls leave some calls of each minute, and most of a busy day, to writes.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connector.core.records import Record, Side
from connector.core.values import canonical
from connector.errors import DataError, EngineStop, TryAgain, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from connector.xero.entities import entity as xero_entity
from connector.xero.pace import PACE, Pace, Poll
from connector.xero.poller import Polled, poll
from connector.xero.position import Watermark
from connector.xero.rest import XeroParty
from streams.capture import Bury, Heard, Notice, Store
from streams.connection import Connection
from streams.hops import Outbox

LEFT_TO_WRITES = 10  # calls of each minute that polls leave alone
LINKS_A_CALL = 20  # what waits to be written takes about so many calls, look-ups among them
LOOK_SECONDS = 0.5
KEEP_SECONDS = 60.0
LATE = timedelta(seconds=60)  # a webhook may be so late
Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class ListPolls:
    """``run()`` as a loop of the connection's owner. ``sleep`` is the same clock's as the connection's."""

    connection: Connection
    tenant: str
    party: XeroParty
    outbox: Outbox
    store: Store
    notice: Notice
    positions: dict[str, Position]
    heard: Heard
    bury: Bury
    entities: Callable[[], tuple[str, ...]]
    sleep: Sleep = asyncio.sleep
    failures: int = 0
    pace: Pace = field(init=False)
    _counted: tuple[int, int] = (0, 0)  # calls of polls, calls of the party, when the day was looked at last
    _polls: int = 0
    _kept: float = 0.0
    _buried: deque[str] = field(default_factory=lambda: deque(maxlen=1000))

    def __post_init__(self) -> None:
        settings = next(each for each in self.connection.settings.xero if each.tenant == self.tenant)
        size = settings.poll_megabytes * 1e6 if settings.poll_megabytes else math.inf
        self.pace = Pace(settings.poll_seconds, size)
        kept = self.positions.get(PACE)
        self._counted = (0, self.party.calls)
        if kept is not None:
            self.pace = self.pace.with_text(kept.value)

    async def run(self) -> None:
        """Until cancelled: every list when it is due."""
        while True:
            try:
                await self.round()
                self.failures = 0
                await self.sleep(min(self.pace.fastest, LOOK_SECONDS))
            except EngineStop:
                raise
            except TwinledgerError as error:
                await self.notice(self.connection, "source.paused", error)
                self.failures += 1
                await self.sleep(error.retry_after if isinstance(error, TryAgain) else min(60, 2**self.failures))

    async def round(self) -> None:
        """Poll every list that is due or poked, the longest unasked first. Raises as ``poll``."""
        connection = self.connection
        names = self.entities()
        poked = [name for name in names if (self.tenant, name) in connection.poked]
        for name in poked:
            self.pace = self.pace.poked(name)
        for name in self.pace.due(names, poked, self._now()):
            if self._pause() > 0:
                return  # still due: looked at again in a moment
            told = name in poked
            connection.poked.discard((self.tenant, name))
            try:
                await self.list(name, self._mark(name), told=told)
            except TwinledgerError:
                self.pace = self.pace.failed(name, self._now())
                raise
            finally:
                self._plan(names)
            self.heard.at[f"xero {self.named(name)}"] = connection.clock()
            await self._keep()

    def named(self, name: str) -> str:
        """A list's name; where there are several organisations, with its own."""
        known = self.connection.settings.xero
        mine = next((each.name or each.tenant[:8] for each in known if each.tenant == self.tenant), "")
        return f"{mine} {name}" if len(known) > 1 else name

    def heard_of(self) -> Iterator[tuple[str, datetime, float]]:
        """(list, when it last answered, after how many seconds of silence something is wrong)."""
        for name in self.entities():
            at = self.heard.at.get(f"xero {self.named(name)}")
            if at is not None:
                yield self.named(name), at, self.pace.silence(name)

    async def list(self, name: str, mark: Watermark, *, told: bool = False) -> None:
        """Poll one list from a watermark. Its records stand in Kafka before the new watermark does.

        Between the pages of a long one writes come first. ``told``: a webhook asked for it.
        """
        began, late = self._now(), self.connection.clock() - LATE
        calls = size = changes = 0
        missed = False
        async for page in poll(self.party, name, mark, self.connection.numbers.next, turn=self._turn):
            await asyncio.gather(*(self._place(record) for record in page.records))
            await self._bury_unreadable()
            self._count(name, page)
            await self._store(name, page.mark)
            calls, size, changes = calls + 1, size + page.size, changes + len(page.records)
            missed = missed or any(record.stamp is not None and record.stamp < late for record in page.records)
        first = mark == Watermark()
        self.pace = self.pace.polled(name, Poll(calls, size, changes, first, missed and not told), began)

    async def _turn(self) -> None:
        while (pause := self._pause()) > 0:
            await self.sleep(min(pause / 1000, LOOK_SECONDS))

    def _count(self, name: str, page: Polled) -> None:
        tally, side, name = self.connection.tally, Side.XERO.value, self.named(name)
        self._polls += 1
        tally["records", side] += len(page.records)
        tally["polls", side, name] += 1
        tally["poll bytes", side, name] += page.size
        tally["poll changes", side, name] += len(page.records)

    def _pause(self) -> int:
        return self.party.pause(now_ms=round(self._now() * 1000), spare=LEFT_TO_WRITES)

    def _plan(self, names: tuple[str, ...]) -> None:
        """What is left of the day now, and the intervals that follow."""
        now, (polls, calls) = self._now(), self._counted
        polled, others = self._polls - polls, self.party.calls - calls
        self._counted = (self._polls, self.party.calls)
        day = self.pace.day.heard(now, self.party.day_left, polled=polled, others=max(0, others - polled))
        waiting = len(self.connection.ready) / LINKS_A_CALL
        self.pace = replace(self.pace, day=day).planned(names, now, waiting=waiting)

    async def _keep(self) -> None:
        if self._now() - self._kept >= KEEP_SECONDS:
            self._kept = self._now()
            await self.store(self._position(PACE, PositionKind.CURSOR, self.pace.to_text()))

    async def _place(self, record: Record) -> None:
        """Into its topic. What no schema takes is kept as a dead letter and stops nothing else."""
        try:
            await self.outbox.record(self.connection, record)
        except DataError as error:
            self.party.unreadable.append((record.entity, canonical(record.fields).encode(), error))

    async def _bury_unreadable(self) -> None:
        """Each once while it stays as it is: polls overlap, and bring the same object again."""
        found, self.party.unreadable[:] = list(self.party.unreadable), []
        for name, data, error in found:
            known = hashlib.sha256(data).hexdigest()
            if known not in self._buried:
                self._buried.append(known)
                await self.bury(self.connection, f"xero {name}", data, error)

    def _now(self) -> float:
        return self.connection.clock().timestamp()

    def _mark(self, name: str) -> Watermark:
        position = self.positions.get(name)
        return Watermark.from_text(position.value) if position is not None else Watermark()

    def _position(self, source: str, kind: PositionKind, value: str) -> Position:
        connection = self.connection
        epoch, at = connection.numbers.epoch, connection.clock()
        return Position(connection.name, self.tenant, source, kind, value, epoch, at)

    async def _store(self, name: str, mark: Watermark) -> None:
        before, position = self.positions.get(name), self._position(name, PositionKind.WATERMARK, mark.to_text())
        if before is None or replace(before, at=position.at, epoch=position.epoch) != position:
            self.positions[name] = position
            await self.store(position)


COMPUTED_FROM = ("TaxRate", "Account")  # the tax of a line that names no tax type is its account's


def polled_entities(connection: Connection) -> tuple[str, ...]:
    """What the applied mappings read or write in Xero, and what documents are computed from."""
    known = [name for name in (*connection.entities(Side.XERO), *COMPUTED_FROM) if _polls(name)]
    return tuple(dict.fromkeys(known))


def _polls(name: str) -> bool:
    try:
        return bool(xero_entity(name))
    except (KeyError, TwinledgerError):
        return False
