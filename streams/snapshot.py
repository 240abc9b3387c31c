"""Snapshots: a mapping that was just applied, or an object that must be read whole, walks through its sources once.

The source's position is pinned before (`apply` says when), the live stream goes on beside it. Until the walk has been
planned and settled the mapping creates nothing; then its gate opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from connector.core.link import Act
from connector.core.planning import Gate
from connector.core.records import Record, Side
from connector.core.values import canonical
from connector.errors import DataError, EngineStop, TwinledgerError
from streams.configuration import Entry
from streams.connection import Connection
from streams.hops import EVENTS, Outbox

Scan = Callable[[Connection, Side, str], AsyncIterator[tuple[Record, ...]]]
Reached = Callable[[str, int, int], Awaitable[bool]]
Save = Callable[[Entry], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]
Bury = Callable[[Connection, str, bytes, DataError], Awaitable[None]]
RETRY_SECONDS = 5


@dataclass(slots=True)
class SnapshotLoop:
    """Runs the snapshots of one connection, one after the other."""

    connection: Connection
    outbox: Outbox
    scan: Scan
    reached: Reached
    end_of_events: Callable[[int], Awaitable[int]]
    entry: Callable[[str, str], Entry | None]
    save: Save
    notice: Notice
    resynced: Callable[[str], Awaitable[None]]
    bury: Bury

    async def run(self) -> None:
        """Until cancelled: take what `apply` left to do, then wait for more."""
        while True:
            if await self._round():
                await self.connection.work.wait()
                self.connection.work.clear()
            else:
                await asyncio.sleep(RETRY_SECONDS)

    async def _round(self) -> bool:
        """Whether all went well. An entity that cannot be read holds its own mappings, and no others."""
        connection, failed = self.connection, set[tuple[Side, str]]()
        waiting = [name for name, applied in connection.applied.items() if applied.gate is Gate.SNAPSHOT]
        sources = sorted({source for name in waiting for source in self._sources(name)})
        asked = sorted((Side.SALESFORCE, entity) for entity in connection.resyncs)
        for side, entity in dict.fromkeys([*sources, *asked]):
            if not await self._walked(side, entity, asked=(side, entity) in asked):
                failed.add((side, entity))
        for name in waiting:
            if not failed.intersection(self._sources(name)):
                await self._looked(name)
                await self._open(name)
        return not failed

    async def _walked(self, side: Side, entity: str, *, asked: bool) -> bool:
        """Read an entity whole; one that was asked for stays asked until it is read, and if it is asked meanwhile."""
        resyncs = self.connection.resyncs
        if asked:
            resyncs.discard(entity)
        try:
            await self._walk(side, entity)
        except EngineStop:
            raise
        except TwinledgerError as error:
            if asked:
                resyncs.add(entity)
            await self.notice(self.connection, "snapshot.failed", error)
            return False
        if asked and entity not in resyncs:
            await self.resynced(entity)
        return True

    async def _looked(self, name: str) -> None:
        """With `begin: link` every record of the snapshot has been looked for before the gate opens."""
        ready = self.connection.ready
        ear = ready.bell.listen()
        while self.connection.looks_only(name) and ready.waits_for(name, Act.LOOK):
            ear.clear()
            await ear.wait()

    def _sources(self, name: str) -> list[tuple[Side, str]]:
        mapping = self.connection.applied[name].mapping
        ends = (mapping.source, mapping.target) if mapping.pairs else (mapping.source,)
        return [(end.side, end.entity) for end in ends]

    async def _walk(self, side: Side, entity: str) -> None:
        """Every record of an entity into its topic; returns when all of them are planned and settled."""
        last: dict[str, int] = {}
        async for page in self.scan(self.connection, side, entity):
            placed = await asyncio.gather(*(self._place(record) for record in page))
            for topic, offset in filter(None, placed):
                last[topic] = max(offset, last.get(topic, 0))
        partition = self.connection.partition
        for topic, offset in last.items():
            await self.reached(topic, partition, offset + 1)
        await self.reached(EVENTS, partition, await self.end_of_events(partition))

    async def _place(self, record: Record) -> tuple[str, int] | None:
        """Its topic and offset. A record that no schema takes is a dead letter, and stops no other."""
        try:
            return await self.outbox.record(self.connection, record)
        except DataError as error:
            where = f"{record.side.value} {record.entity}"
            await self.bury(self.connection, where, canonical(record.fields).encode(), error)
            return None

    async def _open(self, name: str) -> None:
        entry = self.entry(self.connection.name, name)
        if entry is not None and entry.gate is Gate.SNAPSHOT:
            await self.save(replace(entry, gate=Gate.OPEN))
