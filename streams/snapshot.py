"""Snapshots: a mapping that was just applied, or an object that must be read whole, walks through its sources once.

The source's position is pinned before (`apply` says when), the live stream goes on beside it. Until the walk has been
planned and settled the mapping creates nothing; then its gate opens. One that is interrupted goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from connector.core.applied import Applied, Gate
from connector.core.link import Act
from connector.core.snapshots import Collection
from connector.core.values import canonical
from connector.errors import DataError, EngineStop, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from streams.configuration import Entry
from streams.connection import Connection
from streams.walk import Walker


class Resync(Protocol):
    """Keeps that an object must be read whole, or that it was."""

    async def __call__(self, collection: Collection, *, wanted: bool) -> None: ...


Change = Callable[[str, Callable[[Entry], Entry]], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]
RETRY_SECONDS = (*(5,) * 12, *(60,) * 10, 300)  # each try is a call of the org's day
STORE_SECONDS = 1.0
SOURCE = "first snapshot "


@dataclass(slots=True)
class SnapshotLoop:
    """Runs the snapshots of one connection, one after the other."""

    connection: Connection
    walker: Walker
    entry: Callable[[str, str], Entry | None]
    change: Change
    notice: Notice
    resync: Resync
    store: Callable[[Position], Awaitable[None]]
    positions: Iterable[Position]
    owed: set[Collection] = field(default_factory=set)  # to be read once their mappings fit again
    begun: dict[Collection, tuple[str, str]] = field(default_factory=dict)  # why, and up to where

    async def run(self) -> None:
        """Until cancelled: take what `apply` left to do, then wait for more."""
        self._load()
        failures, work = 0, self.connection.work
        while True:
            if await self._round():
                failures = 0
                await work.wait()
            else:
                wait = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                await asyncio.sleep(RETRY_SECONDS[0])
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait - RETRY_SECONDS[0]):
                        await work.wait()
            work.clear()

    async def _round(self) -> bool:
        """Whether all went well. An entity that cannot be read holds its own mappings, and no others."""
        connection, failed = self.connection, set[Collection]()
        await self._hold()
        waiting = {name: one.mapping.version for name, one in connection.applied.items() if _begins(one)}
        sources = sorted({source for name in waiting for source in self._sources(name)}, key=str)
        asked = sorted(connection.resyncs, key=str)
        for collection in dict.fromkeys([*sources, *asked]):
            reason = "" if collection in asked else self._reason(waiting, collection)
            if not await self._walked(collection, reason, asked=collection in asked):
                failed.add(collection)
        for name, version in waiting.items():
            if not failed.intersection(self._sources(name)):
                await self._looked(name)
                await self._open(name, version)
        return not failed

    async def _hold(self) -> None:
        """Records pass by a mapping that does not fit the org as it is now: its sources are read whole once it fits
        again, even after a restart."""
        connection = self.connection
        closed = [name for name, applied in connection.applied.items() if applied.held]
        held = {source for name in closed for source in self._sources(name)}
        for collection in sorted(held - self.owed, key=str):
            await self.resync(collection, wanted=True)
        connection.resyncs |= self.owed - held
        self.owed = held

    async def _walked(self, collection: Collection, reason: str, *, asked: bool) -> bool:
        """Read an entity whole; one that was asked for stays asked until it is read, and if it is asked meanwhile."""
        resyncs = self.connection.resyncs
        if asked:
            resyncs.discard(collection)
        try:
            await self._walk(collection, reason)
        except EngineStop:
            raise
        except TwinledgerError as error:
            if asked:
                resyncs.add(collection)
            await self.notice(self.connection, "snapshot.failed", error)
            return False
        if asked and collection not in resyncs | self.owed:
            await self.resync(collection, wanted=False)
        return True

    async def _looked(self, name: str) -> None:
        """Where it looks for what exists, every record of the snapshot has been looked for before the gate opens."""
        ready = self.connection.ready
        ear = ready.bell.listen()
        while self.connection.looks_only(name) and ready.waits_for(name, Act.LOOK):
            ear.clear()
            await ear.wait()

    def _sources(self, name: str) -> list[Collection]:
        mapping = self.connection.applied[name].mapping
        ends = (mapping.source, mapping.target) if mapping.pairs else (mapping.source,)
        return [Collection(end.side, end.entity) for end in ends]

    async def _walk(self, collection: Collection, reason: str) -> None:
        """Every record of an entity into its topic; returns when all of them are planned and settled.

        A walk that was interrupted goes on if its ``reason`` is the same still.
        """
        known, cursor = self.begun.get(collection, ("", ""))
        start, stored = cursor if reason and known == reason else "", time.monotonic()
        ahead = self.connection.settings.snapshot_ahead
        async with aclosing(self.walker.placed(collection, None, start, lambda: ahead)) as batches:
            async for batch in batches:
                if reason and batch.cursor and time.monotonic() - stored >= STORE_SECONDS:
                    await self._keep(collection, reason, batch.cursor)
                    stored = time.monotonic()
        await self.walker.settled()
        if collection in self.begun:
            await self._keep(collection, "", "")

    def _reason(self, waiting: Iterable[str], collection: Collection) -> str:
        """The mappings that wait for this walk, as they were applied: another one begins it anew."""
        name = self.connection.name
        mine = [one for one in sorted(waiting) if collection in self._sources(one)]
        entries = [entry for entry in (self.entry(name, one) for one in mine) if entry is not None]
        return canonical([f"{entry.mapping} {entry.digest} {entry.at.isoformat()}" for entry in entries])

    async def _keep(self, collection: Collection, reason: str, cursor: str) -> None:
        connection = self.connection
        self.begun[collection] = reason, cursor
        value = json.dumps({"reason": reason, "cursor": cursor})
        await self.store(
            Position(
                connection.name, connection.org, f"{SOURCE}{collection}",
                PositionKind.CURSOR, value, connection.numbers.epoch, connection.clock(),
            )
        )  # fmt: skip

    def _load(self) -> None:
        """Walks that an earlier life has begun. One that cannot be read begins anew."""
        for position in self.positions:
            if position.source.startswith(SOURCE):
                with suppress(ValueError, KeyError, TypeError, DataError):
                    raw = json.loads(position.value)
                    collection = Collection.of(position.source.removeprefix(SOURCE))
                    self.begun[collection] = str(raw["reason"]), str(raw["cursor"])

    async def _open(self, name: str, version: str) -> None:
        """Unless another text was applied meanwhile: that one has a snapshot of its own."""

        def opened(entry: Entry) -> Entry:
            whole = entry.gate is Gate.SNAPSHOT and entry.version == version
            return replace(entry, gate=Gate.OPEN) if whole else entry

        await self.change(name, opened)


def _begins(applied: Applied) -> bool:
    """One that looks for what exists cannot while it is paused: its gate stays shut until it is resumed."""
    return applied.gate is Gate.SNAPSHOT and not (applied.looks and applied.paused)
