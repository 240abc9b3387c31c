"""Hydrate: hints say what moved, one query for many of them says what is.

The agent keeps every asked id in the ``reads`` table until a record that is new enough clears it, so a crash forgets
nothing and ten hints are one query. The reading is done by a loop per connection (``ReadLoop``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connector.core.mapping.beside import BETWEEN
from connector.core.records import Record, Side, Version
from connector.errors import EngineStop, TryAgain, TwinledgerError
from streams.connection import Connection
from streams.tables import Parent, Read, Tables

BATCH = 200
GATHER_SECONDS = 0.05
BACKOFF_SECONDS = (1, 2, 5, 15, 60)
DELETES = ("DELETE",)
TOLD = frozenset({"getDeleted", "GAP_DELETE"})  # why an id was asked: we were told that it is deleted

Kind = tuple[Side, str, str]  # an entity of one organisation
Emit = Callable[[Connection, Record], Awaitable[None]]
Clear = Callable[[Connection, "Read", Version, Mapping[str, str]], Awaitable[None]]
Missing = Callable[[Connection, "Read", Version], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Hint:
    """One value of ``salesforce.hints.v1``: a change, a question, or the word that a question was answered."""

    kind: str
    organisation: str
    entity: str
    ids: tuple[str, ...]
    change: str = ""
    reason: str = ""
    version: Version | None = None
    parents: Mapping[str, str] = field(default_factory=dict)
    commit_time: datetime | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Hint:
        version = value["version"]
        return cls(
            value["kind"],
            value["org"],
            value["entity"],
            tuple(value["record_ids"]),
            value["change_type"],
            value["reason"] or "",
            Version(version["epoch"], version["ordinal"]) if version else None,
            value["parents"],
            value["commit_time"],
        )


class Reads:
    """Ids that the read loop must ask, in memory: the open rows of the ``reads`` table."""

    def __init__(self) -> None:
        self.open: dict[bytes, Read] = {}
        self.changed = asyncio.Event()

    def put(self, read: Read) -> None:
        self.open[read.key] = read
        self.changed.set()

    def clear(self, key: bytes) -> None:
        self.open.pop(key, None)

    def done(self, batch: tuple[Read, ...]) -> None:
        """These were answered; a question that came meanwhile stays."""
        for read in batch:
            if self.open.get(read.key) == read:
                del self.open[read.key]

    def batch(self, resting: Collection[Kind] = ()) -> tuple[Read, ...]:
        """Up to 200 ids of one entity that does not rest, the oldest question first."""
        first = next((read for read in self.open.values() if _kind(read) not in resting), None)
        if first is None:
            return ()
        same = [read for read in self.open.values() if _kind(read) == _kind(first)]
        return tuple(same[:BATCH])


@dataclass(slots=True)
class Hydrate:
    """The agent's part: hints into the ``reads`` and ``parents`` tables."""

    tables: Tables
    emit: Emit

    async def take(self, connection: Connection, reads: Reads, hint: Hint) -> None:
        if hint.kind == "read":
            self._answered(connection, reads, hint)
            return
        if hint.kind == "change" and hint.change in DELETES:
            await self._deleted(connection, reads, hint)
            return
        side = connection.side_of(hint.organisation)
        for entity, object_id in self._wanted(connection, side, hint):
            self._ask(connection, reads, side, entity, object_id, hint)

    def _wanted(self, connection: Connection, side: Side, hint: Hint) -> list[tuple[str, str]]:
        """What must be read: the objects themselves where a mapping reads them, their parents where they are lines."""
        out: list[tuple[str, str]] = []
        if hint.entity in connection.entities(side):
            out.extend((hint.entity, object_id) for object_id in hint.ids)
        for entity, way in connection.beside().get(hint.entity, ()) if side is Side.SALESFORCE else ():
            out.extend((f"{entity}{BETWEEN}{way}", object_id) for object_id in hint.ids)
        for child, parent in self._parents(connection, hint):
            entity, _, parent_id = parent.partition("/")
            row = Parent(connection.name, hint.organisation, hint.entity, child, entity, parent_id)
            self.tables.parents.put(row, connection.numbers.epoch)
            if entity in connection.entities(side):
                out.append((entity, parent_id))
        return list(dict.fromkeys(out))

    def _parents(self, connection: Connection, hint: Hint) -> list[tuple[str, str]]:
        """Child id → ``Entity/id`` of its parent, from the hint or from what we remember."""
        out: list[tuple[str, str]] = []
        for child in hint.ids:
            told = hint.parents.get(child)
            if told is None:
                probe = Parent(connection.name, hint.organisation, hint.entity, child, "", "")
                known = self.tables.parents.get(probe.key)
                told = f"{known.parent_entity}/{known.parent_id}" if known is not None else None
            if told:
                out.append((child, told))
        return out

    def _ask(self, connection: Connection, reads: Reads, side: Side, entity: str, object_id: str, hint: Hint) -> None:
        now = connection.numbers.next()
        organisation = hint.organisation
        reason = (hint.reason or hint.change or hint.kind)[:60]
        read = Read(connection.name, side, organisation, entity, object_id, now, connection.clock(), (reason,))
        before = self.tables.reads.get(read.key)
        if before is not None and not before.gone:
            reasons = (*before.reasons, *(r for r in read.reasons if r not in before.reasons))[:8]
            read = replace(read, asked_at=before.asked_at, reasons=reasons)
        self.tables.reads.put(read, now.epoch, connection.clock().date())
        reads.put(read)

    def _answered(self, connection: Connection, reads: Reads, hint: Hint) -> None:
        """A read that was sent after the question clears it; an older one does not."""
        side = connection.side_of(hint.organisation)
        for object_id in hint.ids:
            key = Read(
                connection.name, side, hint.organisation, hint.entity, object_id, Version(0, 0), connection.clock()
            ).key
            read = self.tables.reads.get(key)
            if read is not None and not read.gone and hint.version is not None and hint.version > read.asked:
                today = connection.clock().date()
                self.tables.reads.put(replace(read, gone=True), connection.numbers.epoch, today)
                reads.clear(key)
        for child, parent in hint.parents.items():
            row = Parent(connection.name, hint.organisation, "", child, hint.entity, parent)
            self.tables.parents.put(row, connection.numbers.epoch)

    async def _deleted(self, connection: Connection, reads: Reads, hint: Hint) -> None:
        """We were told: a deleted object becomes a deleted record; a deleted line makes its document be read."""
        side = connection.side_of(hint.organisation)
        for object_id in hint.ids:
            if hint.entity in connection.entities(side):
                record = Record(
                    side, hint.organisation, hint.entity, object_id, connection.numbers.next(), connection.clock(),
                    hint.commit_time, deleted=True,
                )  # fmt: skip
                await self.emit(connection, record)
        for _, parent in self._parents(connection, hint):
            entity, _, parent_id = parent.partition("/")
            self._ask(connection, reads, side, entity, parent_id, hint)


@dataclass(frozen=True, slots=True)
class Rest:
    """An entity that could not be read: until when (the loop's time) it is left alone, after how many tries."""

    until: float
    failures: int


@dataclass(slots=True)
class ReadLoop:
    """Asks the APIs for what ``reads`` wants: at most 200 ids of one entity in a query, gathered for 50 ms."""

    connection: Connection
    reads: Reads
    emit: Emit
    clear: Clear
    missing: Missing
    trouble: Callable[[Connection, Read, TwinledgerError], None]
    readable: Callable[[Connection, str], None]
    rests: dict[Kind, Rest] = field(default_factory=dict)

    async def run(self) -> None:
        while True:
            await self._something_to_ask()
            await asyncio.sleep(GATHER_SECONDS)
            while batch := self.reads.batch(self._resting()):
                await self._read(batch)

    async def _something_to_ask(self) -> None:
        """Until a question comes, or a rest is over."""
        now = asyncio.get_running_loop().time()
        soonest = min((rest.until for rest in self.rests.values() if rest.until > now), default=None)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(soonest):
                await self.reads.changed.wait()
        self.reads.changed.clear()

    def _resting(self) -> frozenset[Kind]:
        now = asyncio.get_running_loop().time()
        return frozenset(kind for kind, rest in self.rests.items() if rest.until > now)

    async def _read(self, batch: tuple[Read, ...]) -> None:
        connection, first = self.connection, batch[0]
        if BETWEEN in first.entity:
            await self._read_beside(batch)
            return
        version = connection.numbers.next()
        plan = connection.read_plan(first.side, first.entity)
        try:
            result = await connection.party(first.side, first.organisation).read(
                plan, [read.id for read in batch], version
            )
        except EngineStop:
            raise
        except TwinledgerError as error:
            self._rest(first, error)
            return
        if self.rests.pop(_kind(first), None) is not None:
            self.readable(connection, first.entity)
        by_id = {read.id: read for read in batch}
        await asyncio.gather(*(self.emit(connection, record) for record in result.records))
        answered = {record.id: children(record) for record in result.records if record.id in by_id}
        await asyncio.gather(*(self._unseen(by_id[object_id], version) for object_id in result.missing))
        answered |= {object_id: {} for object_id in result.missing}
        clears = (self.clear(connection, by_id[name], version, parents) for name, parents in answered.items())
        await asyncio.gather(*clears)  # only once the records are safe
        self.reads.done(batch)

    async def _read_beside(self, batch: tuple[Read, ...]) -> None:
        """Every record that reads one of these objects is read anew: `depends: live`."""
        connection, first = self.connection, batch[0]
        entity, _, way = first.entity.partition(BETWEEN)
        plan, version = connection.read_plan(first.side, entity), connection.numbers.next()
        party = connection.party(Side.SALESFORCE, first.organisation)
        try:
            ids = await party.beside(plan, way, [read.id for read in batch])
            for at in range(0, len(ids), BATCH):
                result = await party.read(plan, ids[at : at + BATCH], connection.numbers.next())
                await asyncio.gather(*(self.emit(connection, record) for record in result.records))
        except EngineStop:
            raise
        except TwinledgerError as error:
            self._rest(first, error)
            return
        self.rests.pop(_kind(first), None)
        await asyncio.gather(*(self.clear(connection, read, version, {}) for read in batch))
        self.reads.done(batch)

    async def _unseen(self, read: Read, version: Version) -> None:
        """Not answered: deleted if we were told so, else only missing."""
        connection = self.connection
        if TOLD.isdisjoint(read.reasons):
            await self.missing(connection, read, version)
            return
        now = connection.clock()
        record = Record(read.side, read.organisation, read.entity, read.id, version, now, None, deleted=True)
        await self.emit(connection, record)

    def _rest(self, first: Read, error: TwinledgerError) -> None:
        """What cannot be read now stays asked: a field or object that we may no longer see holds its own records, and
        no other entity's."""
        self.trouble(self.connection, first, error)
        kind = _kind(first)
        failures = self.rests[kind].failures if kind in self.rests else 0
        seconds = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
        if isinstance(error, TryAgain):
            seconds = max(error.retry_after, 1)
        self.rests[kind] = Rest(asyncio.get_running_loop().time() + seconds, failures + 1)


def _kind(read: Read) -> Kind:
    return read.side, read.organisation, read.entity


def children(record: Record) -> dict[str, str]:
    """Id of each child row in a Salesforce record → the record's id."""
    rows = [row for value in record.fields.values() if isinstance(value, list | tuple) for row in value]
    return {row["Id"]: record.id for row in rows if isinstance(row, Mapping) and isinstance(row.get("Id"), str)}
