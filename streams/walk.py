"""A walk through all records of an object, or those that a filter takes, in chunks that can be gone on with.

Salesforce is read by id, 2,000 rows a call, the next chunk while this one is placed; a list of Xero as its polls do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.core.records import Record, Side
from connector.core.snapshots import Collection, Pane
from connector.core.values import canonical
from connector.errors import DataError
from connector.salesforce.condition import Filter, moved_since
from connector.salesforce.reader import Chunk
from connector.salesforce.rest import SalesforceParty
from connector.xero.poller import poll
from connector.xero.position import Watermark
from connector.xero.rest import XeroParty
from streams.connection import Connection
from streams.followed import Capture, Followed, ask
from streams.hops import EVENTS, Outbox
from streams.hydrate import children
from streams.lane import Lane

SLICE = 100  # rows that are made records without a pause
LEFT_TO_WRITES = 20  # calls of each minute that a walk through a list of Xero leaves alone
LOOK_SECONDS = 0.5
Bury = Callable[[Connection, str, bytes, DataError], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of a walk. Once they are placed, a walk may go on from ``cursor`` (None: from where it did).

    ``read`` rows gave ``records``; of the others ``missing`` names the ids. ``passed`` is known once it is placed.
    """

    records: tuple[Record, ...]
    missing: tuple[str, ...] = ()
    cursor: str | None = None
    calls: int = 0
    passed: int = 0


@dataclass(slots=True)
class Walker:
    """Walks for one connection; all its walks share the slow lane."""

    connection: Connection
    salesforce: SalesforceParty
    companies: Mapping[str, XeroParty]  # by tenant
    outbox: Outbox
    bury: Bury
    processed: Callable[[str, int], int | None]
    reached: Callable[[str, int, int], Awaitable[bool]]
    end_of_events: Callable[[int], Awaitable[int]]
    lane: Lane = field(init=False)
    _last: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lane = Lane(self.connection, self._place, self.processed)

    async def placed(
        self, collection: Collection, chosen: Filter | None, cursor: str, ahead: Callable[[], int]
    ) -> AsyncGenerator[Batch, None]:
        """Each batch once its records are acknowledged. Raises as the APIs do; what was given before stays good."""
        batches = self._salesforce if collection.side is Side.SALESFORCE else self._xero
        window = self.connection.window
        pane = window.open(collection)
        try:
            async with aclosing(batches(pane, chosen, cursor)) as coming:
                async for batch in coming:
                    passed = await self.lane.send(batch.records, ahead())
                    one = Followed(collection.entity, Capture.POLL)
                    await ask(self.connection, self.outbox, one, dict.fromkeys(batch.missing), "unreadable")
                    yield replace(batch, passed=passed)
        finally:
            window.close(pane)

    async def since(self, entity: str, start: datetime) -> int:
        """Read what an org changed since a time; gives how many records, once they are planned and settled."""
        collection, ahead, number = Collection(Side.SALESFORCE, entity), self.connection.settings.snapshot_ahead, 0
        async with aclosing(self.placed(collection, moved_since(start), "", lambda: ahead)) as batches:
            async for batch in batches:
                number += len(batch.records) + len(batch.missing)
        await self.settled()
        return number

    async def settled(self) -> None:
        """Until everything that was placed is planned, and what that meant is folded."""
        partition = self.connection.partition
        for topic, offset in list(self._last.items()):
            await self.reached(topic, partition, offset + 1)
        await self.reached(EVENTS, partition, await self.end_of_events(partition))

    async def _place(self, record: Record) -> tuple[str, int] | None:
        """Its topic and offset. A record that no schema takes is a dead letter, and stops no other."""
        connection = self.connection
        try:
            topic, offset = await self.outbox.record(connection, record)
        except DataError as error:
            where = f"{record.side.value} {record.entity}"
            await self.bury(connection, where, canonical(record.fields).encode(), error)
            return None
        rows = children(record) if record.side is Side.SALESFORCE else {}
        if rows:  # whose lines they are is known from now on: the deletion of one tells nothing else
            await self.outbox.answered(connection, record.organisation, record.entity, record.id, record.version, rows)
        self._last[topic] = max(offset, self._last.get(topic, 0))
        return topic, offset

    # --- Salesforce --------------------------------------------------------------------------------------------------

    async def _salesforce(self, pane: Pane, chosen: Filter | None, cursor: str) -> AsyncGenerator[Batch, None]:
        coming: asyncio.Task[Chunk] | None = asyncio.create_task(self._chunk(pane.collection.entity, chosen, cursor))
        try:
            while coming is not None:
                chunk, calls = await coming, 0
                pane.forget(chunk.version)
                coming = None if chunk.whole else asyncio.create_task(
                    self._chunk(pane.collection.entity, chosen, chunk.last)
                )  # fmt: skip
                for at in range(0, max(len(chunk.rows), 1), SLICE):
                    rows = await self.salesforce.typed(chunk, at, SLICE)
                    part = chunk.rows[at : at + SLICE]
                    calls = chunk.calls if at == 0 else 0
                    yield Batch(rows.records, rows.missing, str(part[-1]["Id"]) if part else None, calls)
                    await asyncio.sleep(0)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _chunk(self, entity: str, chosen: Filter | None, last: str) -> Chunk:
        connection = self.connection
        while self.salesforce.pause(now_ms=self._now_ms()) > 0:  # noqa: ASYNC110  a clock has no event
            await asyncio.sleep(LOOK_SECONDS)
        plan = connection.read_plan(Side.SALESFORCE, entity)
        return await self.salesforce.rows_after(plan, last, chosen, connection.numbers.next())

    def _now_ms(self) -> int:
        return int(self.connection.clock().timestamp() * 1000)

    # --- Xero --------------------------------------------------------------------------------------------------------

    async def _xero(self, pane: Pane, _chosen: Filter | None, cursor: str) -> AsyncGenerator[Batch, None]:
        """One organisation after the other; the cursor holds the mark of each that was begun."""
        marks: dict[str, str] = json.loads(cursor) if cursor else {}
        for tenant, company in self.companies.items():
            mark = Watermark.from_text(marks[tenant]) if tenant in marks else Watermark()
            async for page in poll(company, pane.collection.entity, mark, self.connection.numbers.next):
                for at in range(0, len(page.records), SLICE):
                    yield Batch(page.records[at : at + SLICE])
                marks[tenant] = page.mark.to_text()
                yield Batch((), cursor=json.dumps(marks), calls=1)
                while company.pause(now_ms=self._now_ms(), spare=LEFT_TO_WRITES) > 0:  # noqa: ASYNC110  see above
                    await asyncio.sleep(LOOK_SECONDS)
