"""Salesforce objects that are polled: SystemModstamp with an overlap for what changed, getDeleted for what is gone.

For editions without change events, for objects beyond the five that may be selected, and in place of a stream that
cannot be relied upon. What a poll brings is the record itself; rows of a parent make the parent be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.core.records import Record, Side
from connector.errors import ConfigurationError, DataError, EngineStop, TryAgain, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from connector.salesforce.day import Purpose
from connector.salesforce.pace import CALLS, Pace, to_text, with_text
from connector.salesforce.position import PollPosition
from connector.salesforce.replication import DELETED_REACH, Replication
from connector.salesforce.rest import SalesforceParty
from streams.connection import Connection
from streams.followed import DELETED, Capture, Followed, ask
from streams.hops import Outbox
from streams.hydrate import children
from streams.watch import Watch

SOURCE = "poll "
OVERLAP = timedelta(minutes=10)  # the longest transaction: what it commits bears an earlier stamp
SETTLED = timedelta(seconds=60)  # stamps count in seconds, clocks differ: a read so long after a stamp saw all of it
LOOK_SECONDS = 0.5
REST_SECONDS = 60.0
PLAN_SECONDS = 60.0
LINKS_A_CALL = 50  # what waits to be written takes about so many calls, look-ups among them
Store = Callable[[Position], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


@dataclass(slots=True)
class Known:
    """What an overlap may bring again: the stamp of each record, and whether it had settled when it was read."""

    stamps: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)

    def fresh(self, record_id: str, stamp: datetime, read_at: datetime) -> bool:
        """Whether this is to be taken; it is known from now on."""
        before = self.stamps.get(record_id)
        self.stamps[record_id] = (stamp, read_at - stamp > SETTLED)
        return before is None or before[0] != stamp or not before[1]

    def forget(self, before: datetime) -> None:
        self.stamps = {name: known for name, known in self.stamps.items() if known[0] >= before}


@dataclass(slots=True)
class ObjectPoll:
    """Polls the objects of one org that ``watch.polls`` names, each when it is due."""

    connection: Connection
    party: SalesforceParty
    replication: Replication
    outbox: Outbox
    store: Store
    notice: Notice
    watch: Watch
    positions: dict[str, Position]
    sign: Callable[[str], None]
    compare: Callable[[str], None]
    pace: Pace
    known: dict[str, Known] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)  # when each object was asked last
    _rests: dict[str, float] = field(default_factory=dict)  # until when, after a poll that failed
    _planned: float = 0.0

    def __post_init__(self) -> None:
        kept = self.positions.get(CALLS)
        if kept is not None:
            self.pace, self.party.day = with_text(self.pace, self.party.day, kept.value)

    async def run(self) -> None:
        """Until cancelled. An object that cannot be read rests alone."""
        while True:
            polled = [one for one in self.watch.followed() if self.watch.polls(one)]
            await self._look()
            await self._plan(polled)
            for one in polled:
                if self._due(one):
                    await self._tried(one)
            await asyncio.sleep(min(self.pace.fastest, LOOK_SECONDS))

    def _now(self) -> float:
        return self.connection.clock().timestamp()

    async def _look(self) -> None:
        """Where polls rest, since too few calls are left: in a quarter of an hour one call asks how many there are."""
        now = self._now()
        resting = Purpose.POLL in self.party.day.resting(int(now * 1000)) and self._rests.get(CALLS, 0.0) <= now
        if not resting or self.party.pause(now_ms=int(now * 1000)) > 0:
            return
        try:
            await self.replication.deliveries()
        except EngineStop:
            raise
        except TwinledgerError as error:
            self._rests[CALLS] = now + REST_SECONDS
            await self.notice(self.connection, "source.paused", error)
        self._planned = 0.0

    async def _plan(self, polled: Sequence[Followed]) -> None:
        """How often each object is asked from now on, by what is left of the org's calls; and what is known is kept."""
        now = self._now()
        if now - self._planned < PLAN_SECONDS:
            return
        self._planned = now
        waiting = len(self.connection.ready) / LINKS_A_CALL
        allowance = self.party.day.polls(int(now * 1000), self.pace.fastest, waiting=waiting)
        self.pace = self.pace.planned((one.entity for one in polled), allowance)
        await self._put(CALLS, PositionKind.CURSOR, to_text(self.pace, self.party.day))

    def _due(self, one: Followed) -> bool:
        now = self._now()
        due = max(self._last.get(one.entity, 0.0) + self.pace.interval(one.entity), self._rests.get(one.entity, 0.0))
        return due <= now and self.party.pause(now_ms=int(now * 1000)) == 0

    async def _tried(self, one: Followed) -> None:
        now, before, calls = self._now(), self._last.get(one.entity), self.party.calls_for[Purpose.POLL]
        self._last[one.entity] = now
        try:
            number = await self.poll(one)
        except EngineStop:
            raise
        except TwinledgerError as error:
            rest = self.pace.interval(one.entity)
            if isinstance(error, TryAgain):
                rest = error.retry_after
            elif not isinstance(error, ConfigurationError):  # what the user cannot see is asked no more often for it
                rest = min(REST_SECONDS, rest)
            self._last[one.entity], self._rests[one.entity] = before or 0.0, now + rest
            await self.notice(self.connection, "source.paused", error)
        else:
            self.sign(SOURCE + one.entity)
            calls = self.party.calls_for[Purpose.POLL] - calls
            if before is not None:
                self.pace = self.pace.polled(one.entity, changes=number, seconds=now - before, calls=calls)

    async def poll(self, one: Followed) -> int:
        """One poll of one object: how many records it brought. They stand in Kafka before the position does."""
        position, before = self._position(one), self.party.calls_for[Purpose.POLL]
        known = self.known.setdefault(one.entity, Known())
        rows = self._asked if one.parent else self._records
        number, newest = await rows(one, position.at - OVERLAP, known)
        deleted = await self._deleted(one, position.deleted, known)
        known.forget(max(newest, position.at) - OVERLAP)
        await self._keep(one, PollPosition(max(newest, position.at), deleted))
        calls = self.party.calls_for[Purpose.POLL] - before
        self.connection.tally["polls", Side.SALESFORCE.value, one.entity] += calls
        self.connection.tally["poll changes", Side.SALESFORCE.value, one.entity] += number
        self.connection.tally["records", Side.SALESFORCE.value] += number
        return number

    async def _records(self, one: Followed, since: datetime, known: Known) -> tuple[int, datetime]:
        """(how many were new, the newest stamp)."""
        connection, version, newest, number = self.connection, self.connection.numbers.next(), since, 0
        plan, asked_at = connection.read_plan(Side.SALESFORCE, one.entity), connection.clock()
        async for page in self.party.changed(plan, since, version):
            fresh = [r for r in page.records if r.stamp is None or known.fresh(r.id, r.stamp, asked_at)]
            await asyncio.gather(*(self._place(record) for record in fresh))
            await ask(connection, self.outbox, one, dict.fromkeys(page.missing), "unreadable")
            newest = max([newest, *(r.stamp for r in page.records if r.stamp is not None)])
            number += len(fresh)
        return number, newest

    async def _place(self, record: Record) -> None:
        """The record, and whose rows it showed. One that no schema takes is asked alone, and so told as missing."""
        connection = self.connection
        try:
            await self.outbox.record(connection, record)
        except DataError:
            one = Followed(record.entity, Capture.POLL)
            await ask(connection, self.outbox, one, {record.id: None}, "unreadable")
            return
        rows = children(record)
        if rows:
            await self.outbox.answered(connection, record.organisation, record.entity, record.id, record.version, rows)

    async def _asked(self, one: Followed, since: datetime, known: Known) -> tuple[int, datetime]:
        """What shows in another object too is only asked: with the hint both are read, itself where it is mapped."""
        newest, ids, asked_at = since, dict[str, str | None](), self.connection.clock()
        async for page in self.replication.moved(one.entity, "SystemModstamp", since, None, one.reference):
            ids |= {row.id: row.parent for row in page if known.fresh(row.id, row.at, asked_at)}
            newest = max([newest, *(row.at for row in page)])
        await ask(self.connection, self.outbox, one, ids, "poll")
        return len(ids), newest

    async def _deleted(self, one: Followed, since: datetime, known: Known) -> datetime:
        """Ask what we were told is deleted; a span that reaches too far back is compared as a whole."""
        now = self.connection.clock()
        shape = self.party.catalog.objects.get(one.entity)
        if shape is not None and not shape.replicated:
            return now  # files: nobody tells of their deletion, and what was made of them stays
        start = max(since - OVERLAP, now - DELETED_REACH)
        span = await self.replication.deleted(one.entity, start, now)
        told = dict.fromkeys(one_id for one_id in span.ids if one_id not in known.gone)
        await ask(self.connection, self.outbox, one, dict(told), DELETED)
        known.gone = dict.fromkeys(span.ids)
        if one.mapped and (not span.whole or since - OVERLAP < start):
            self.compare(one.entity)
        return max(span.covered, since)

    def _position(self, one: Followed) -> PollPosition:
        """Where the last poll ended; the first begins where the stream is, if there was one, or now."""
        position = self.positions.get(SOURCE + one.entity)
        if position is not None:
            return PollPosition.from_text(position.value)
        heard = [each.at for each in self.watch.positions().values() if each.at is not None]
        begins = min([*heard, self.connection.clock()])
        return PollPosition(begins, begins)

    async def _keep(self, one: Followed, where: PollPosition) -> None:
        await self._put(SOURCE + one.entity, PositionKind.WATERMARK, where.to_text())

    async def _put(self, source: str, kind: PositionKind, value: str) -> None:
        connection = self.connection
        epoch, at = connection.numbers.epoch, connection.clock()
        position = Position(connection.name, connection.org, source, kind, value, epoch, at)
        self.positions[source] = position
        await self.store(position)
