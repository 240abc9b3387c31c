"""Snapshots that operators ask for, beside the stream: one after the other, resumable, each step told.

Where one stands is a position like any other. A signal may be handed over by the agent and be lost with the process
before anything came of it: so the offset of the last signal that was obeyed is a position too, and what came behind it
is read again at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from connector.core.records import Side
from connector.core.snapshots import Collection, Phase, Snapshot, Status, Verb, command, is_command, obeyed
from connector.errors import ConfigurationError, DataError, EngineStop, TryAgain, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from connector.salesforce.condition import Filter, read_filter
from streams.connection import Connection
from streams.walk import Batch, Walker

SOURCE, OBEYED = "snapshot ", "snapshot signals"
RETRY_SECONDS = 10.0
STORE_SECONDS, TELL_SECONDS = 1.0, 5.0
Orders = Callable[[int], AsyncIterator[tuple[int, Mapping[str, Any]]]]
Store = Callable[[Position], Awaitable[None]]
Say = Callable[[Connection, str, str, str, dict[str, str]], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


@dataclass(slots=True)
class AskedLoop:
    """The snapshots of one connection. ``orders`` reads the signals from an offset on."""

    connection: Connection
    walker: Walker
    store: Store
    say: Say
    notice: Notice
    orders: Orders
    positions: Iterable[Position]
    known: dict[Collection, Snapshot] = field(default_factory=dict)
    _obeyed: int = -1
    _stored: float = 0.0
    _told: float = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        await self._load()
        while True:
            await self._obey_all()
            one = next((one for one in self.known.values() if one.phase is Phase.RUNNING), None)
            one = one or next((one for one in self.known.values() if one.phase is Phase.WAITING), None)
            if one is None:
                await self._obey(*await self.connection.orders.get())
            else:
                await self._tried(one)

    async def _load(self) -> None:
        """Where an earlier life left off, and the signals that it did not come to."""
        for position in self.positions:
            if position.source == OBEYED:
                self._obeyed = int(position.value)
            elif position.source.startswith(SOURCE):
                found = Snapshot.from_text(position.source.removeprefix(SOURCE), position.value)
                self.known[found.collection] = found
        async for offset, value in self.orders(self._obeyed + 1):
            await self._obey(offset, value)

    # --- signals -----------------------------------------------------------------------------------------------------

    async def _obey_all(self) -> None:
        while not self.connection.orders.empty():
            await self._obey(*self.connection.orders.get_nowait())

    async def _obey(self, offset: int, value: Mapping[str, Any]) -> None:
        """One signal. What cannot be done is told, and changes nothing."""
        if offset <= self._obeyed or not is_command(value["kind"]):
            return
        try:
            order = command(value["kind"], value["subject"], value["arguments"], value["id"], value["by"])
            if order.verb is Verb.START:
                self._allowed(order.collection, order.filter)
            after, status = obeyed(self.known.get(order.collection), order, self.connection.clock())
        except (DataError, ConfigurationError) as error:
            data = {"code": error.code, "signal": value["id"], "remedy": error.remedy}
            await self.say(self.connection, "snapshot.refused", str(value["subject"])[:200], error.message, data)
        else:
            await self._keep(after)
            if status is not None:
                await self._tell(after, status)
        self._obeyed = offset
        await self._put(OBEYED, str(offset))

    def _allowed(self, collection: Collection, filter_text: str) -> Filter | None:
        """Raises ConfigurationError (``snapshot.not-mapped``, ``snapshot.bad-filter``)."""
        connection = self.connection
        mapped = connection.entities(collection.side)
        if collection.entity not in mapped:
            raise ConfigurationError(
                "snapshot.not-mapped",
                f"No applied mapping of {connection.name} reads or writes {collection}; these are mapped: "
                f"{', '.join(mapped) or 'none'}.",
                remedy="Apply a mapping that takes it first.",
            )
        if filter_text and collection.side is Side.XERO:
            message = f"A filter is SOQL, and {collection} is a list of Xero."
            raise ConfigurationError("snapshot.bad-filter", message, remedy="Read the list whole.")
        return read_filter(filter_text) if filter_text else None

    # --- walking -----------------------------------------------------------------------------------------------------

    async def _tried(self, one: Snapshot) -> None:
        """Walk until it is done, paused or stopped. What is away is tried again; what is refused waits for a person."""
        try:
            await self._walk(one)
        except EngineStop:
            raise
        except ConfigurationError as error:
            begun = self.known[one.collection]
            phase, status = (Phase.PAUSED, Status.PAUSED) if begun.read else (Phase.ABORTED, Status.ABORTED)
            await self._end(one.collection, phase, status, f"{error.message} [{error.code}]")
        except TwinledgerError as error:
            await self._keep(self.known[one.collection])
            await self.notice(self.connection, "snapshot.waits", error)
            seconds = max(error.retry_after, 1) if isinstance(error, TryAgain) else RETRY_SECONDS
            try:
                async with asyncio.timeout(seconds):
                    order = await self.connection.orders.get()
            except TimeoutError:
                return
            await self._obey(*order)

    async def _walk(self, one: Snapshot) -> None:
        collection = one.collection
        chosen = self._allowed(collection, one.filter)
        begins = not one.read and not one.cursor
        one = replace(one, phase=Phase.RUNNING)
        await self._keep(one)
        if begins:
            await self._tell(one, Status.STARTED)
        async with aclosing(self.walker.placed(collection, chosen, one.cursor, lambda: self._ahead(one))) as batches:
            async for batch in batches:
                one = self.known[collection] = _counted(self.known[collection], batch)
                await self._often(one)
                await self._obey_all()
                if self.known[collection].phase is not Phase.RUNNING:
                    return
        await self.walker.settled()
        if self.known[collection].phase is Phase.RUNNING:
            await self._end(collection, Phase.COMPLETED, Status.COMPLETED, "")

    def _ahead(self, one: Snapshot) -> int:
        return max(one.ahead or self.connection.settings.snapshot_ahead, 10)

    async def _often(self, one: Snapshot) -> None:
        """Not each batch: a cursor that is a second old costs a second of reading again."""
        now = asyncio.get_running_loop().time()
        if now - self._stored >= STORE_SECONDS:
            await self._keep(one)
        if now - self._told >= TELL_SECONDS:
            await self._tell(one, Status.IN_PROGRESS)

    async def _end(self, collection: Collection, phase: Phase, status: Status, reason: str) -> None:
        ended = replace(self.known[collection], phase=phase, reason=reason)
        await self._keep(ended)
        await self._tell(ended, status)

    # --- what is kept and told ---------------------------------------------------------------------------------------

    async def _keep(self, one: Snapshot) -> None:
        self.known[one.collection] = one
        self._stored = asyncio.get_running_loop().time()
        await self._put(f"{SOURCE}{one.collection}", one.to_text())

    async def _put(self, source: str, value: str) -> None:
        connection = self.connection
        await self.store(
            Position(
                connection.name, connection.org, source, PositionKind.CURSOR, value, connection.numbers.epoch,
                connection.clock(),
            )
        )  # fmt: skip

    async def _tell(self, one: Snapshot, status: Status) -> None:
        self._told = asyncio.get_running_loop().time()
        message = f"The snapshot of {one.collection}: {_WORDS[status]}; {one.read} records read"
        message += f", {one.passed} passed by newer reads." if one.passed else "."
        data = {"status": status.value, "id": one.id, "type": "incremental", "filter": one.filter, **one.counts()}
        data |= {"cursor": one.cursor} if one.collection.side is Side.SALESFORCE else {}
        data |= {"reason": one.reason} if one.reason else {}
        await self.say(self.connection, "snapshot", str(one.collection), message, data)


_WORDS: Mapping[Status, str] = {
    Status.STARTED: "begins", Status.IN_PROGRESS: "goes on", Status.PAUSED: "rests until it is resumed",
    Status.RESUMED: "goes on where it was", Status.COMPLETED: "is whole",
    Status.ABORTED: "has ended before it was whole",
}  # fmt: skip


def _counted(one: Snapshot, batch: Batch) -> Snapshot:
    return replace(
        one,
        cursor=one.cursor if batch.cursor is None else batch.cursor,
        read=one.read + len(batch.records) + len(batch.missing),
        passed=one.passed + batch.passed,
        unread=one.unread + len(batch.missing),
        calls=one.calls + batch.calls,
    )
