"""The loops of one connection that this worker owns: started after the takeover, ended when the partition goes.

All of them run in one task group: when one fails for a reason that it cannot mend itself, the process ends and the
supervisor starts it again (crash-only).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector.core.link_events import Due
from connector.core.link_state import Link
from connector.core.party import Applied
from connector.core.records import Record, Side, Version
from connector.core.sending import Draft
from connector.errors import EngineStop, TwinledgerError
from connector.kafka.codec import Decoded
from connector.kafka.compacted import end_offsets, read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.lease import Lease
from connector.kafka.link_codec import Call
from connector.kafka.positions import Position, read_positions, write_position
from connector.kafka.producer import Producer
from connector.xero.avro import from_value, topic_of
from connector.xero.money import Chart, totals
from connector.xero.poller import poll
from connector.xero.position import Watermark
from connector.xero.records import EPOCH
from connector.xero.rest import XeroParty
from streams.brake import Brake
from streams.capture import (
    DONE,
    RESYNC,
    WANTED,
    Heard,
    PollCapture,
    StreamCapture,
    polled_entities,
    resync_position,
)
from streams.clock import machine_clock
from streams.configuration import Entry, Follower, write_entry
from streams.connection import Connection
from streams.engine.app import Engine
from streams.genesis import Genesis
from streams.hops import EVENTS, HINTS, Outbox
from streams.hydrate import ReadLoop, Reads
from streams.letters import LetterLoop
from streams.lookup import Lookup
from streams.notices import Notices
from streams.parties import SalesforceSource
from streams.plan import REFERENCE
from streams.snapshot import SnapshotLoop
from streams.tables import Read, Tables
from streams.takeover import Takeover
from streams.write import WriteLoop

RENEW_SECONDS = 1800
DUE_SECONDS = 0.5


@dataclass(slots=True)
class Owned:
    """Everything that one connection runs."""

    app: Engine
    cluster: Cluster
    producer: Producer
    tables: Tables
    connection: Connection
    source: SalesforceSource
    xero: XeroParty
    reads: Reads
    outbox: Outbox
    follower: Follower
    notices: Notices
    owner: str
    new_id: Callable[[], str]
    heard: Heard = field(default_factory=Heard)
    brake: Brake = field(default_factory=Brake)
    writers: list[WriteLoop] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled. Raises EngineStop."""
        lease = Lease(self.cluster, self.outbox.codec, self.connection.partition, self.owner, machine_clock)
        genesis = Genesis(self.cluster, self.producer, self.outbox.codec, self.tables)
        takeover = Takeover(self.tables, lease, self._settled, self._load, self._scanned, genesis)
        try:
            if await takeover.run(self.connection, self.reads):
                await self._load_positions()
                await self._loops(lease, genesis)
        finally:
            self.connection.caught_up = False
            await lease.close()

    async def _loops(self, lease: Lease, genesis: Genesis) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(genesis.note_links(self.connection), name=f"{self.connection.name} genesis")
            for name, work in self._work(lease):
                group.create_task(work, name=f"{self.connection.name} {name}")

    def _work(self, lease: Lease) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        connection, notice = self.connection, self.notices.tell
        stream = StreamCapture(
            connection, self.outbox, self._store, self.notices.bury, notice, self.source.stream,
            self.positions, self.heard, self.source.parents, self.producer.send_soon,
        )  # fmt: skip
        polls = PollCapture(
            connection, self.xero, self.outbox, self._store, notice, lambda: polled_entities(connection),
            self.positions, self.heard, self.xero_poll_seconds, self.notices.bury,
        )  # fmt: skip
        reading = ReadLoop(
            connection,
            self.reads,
            self._emit,
            self._clear,
            self.notices.missing,
            self.notices.unreadable,
            self.notices.readable,
        )
        snapshots = SnapshotLoop(
            connection, self.outbox, self._scan, self.app.ownership.processed_to, self._end_of_events,
            self.follower.entry, self._save, notice, self._resynced,
        )  # fmt: skip
        self.writers = [self._writer(side, lease) for side in Side]
        loops = [
            ("stream", stream.run()), ("poll", polls.run()), ("read", reading.run()), ("snapshot", snapshots.run()),
            ("due", self._due()), ("lease", self._renew(lease)),
            ("letters", LetterLoop(connection, self.cluster, self.outbox.codec, self.producer.send).run()),
        ]  # fmt: skip
        return [*loops, *((f"write {writer.side.value}", writer.run()) for writer in self.writers)]

    @property
    def xero_poll_seconds(self) -> float:
        return self.connection.settings.xero[0].poll_seconds

    def _writer(self, side: Side, lease: Lease) -> WriteLoop:
        async def renew() -> datetime:
            renewal = await lease.renew()
            if renewal.clock_is_off:
                raise EngineStop(
                    "clock.off", f"This machine's clock is {renewal.skew.total_seconds():.1f} s off the broker's.",
                    remedy="Mend the clock (NTP).",
                )  # fmt: skip
            return renewal.broker_at

        lookup = Lookup(self.outbox.link_event, self._claimed)
        return WriteLoop(
            self.connection, side, self.outbox.link_event, self._announce, renew, self.new_id, expected_totals,
            self._answer_record, lookup, self.brake,
        )  # fmt: skip

    # --- what the loops use --------------------------------------------------------------------------------------

    async def _announce(self, connection: Connection, call: Call) -> None:
        await self.outbox.call(connection, call)

    async def _emit(self, connection: Connection, record: Record) -> None:
        await self.outbox.record(connection, record)

    async def _clear(self, connection: Connection, read: Read, version: Version, parents: Mapping[str, str]) -> None:
        await self.outbox.answered(connection, read.side, read.entity, read.id, version, parents)

    def _claimed(self, connection: Connection, mapping: str, side: Side, object_id: str) -> bool:
        target = self.tables.targets.peek(connection.name, mapping, f"{side.value}:{object_id}")
        return target is not None and not target.gone

    def _answer_record(self, connection: Connection, side: Side, entity: str, answer: Applied) -> Record | None:
        """What a write's answer shows, as a record. Salesforce answers show nothing but the id."""
        if answer.fields is None or side is Side.SALESFORCE:
            return None
        stamp = answer.fields.get("UpdatedDateUTC")
        return Record(
            side, connection.tenant, entity, answer.target, Version(connection.numbers.epoch, 0), connection.clock(),
            stamp if isinstance(stamp, datetime) else EPOCH, fields=answer.fields,
        )  # fmt: skip

    async def _scan(self, connection: Connection, side: Side, entity: str) -> AsyncIterator[tuple[Record, ...]]:
        if side is Side.SALESFORCE:
            async for page in self.source.scan(connection.read_plan(side, entity), connection.numbers.next):
                yield page
            return
        async for polled in poll(self.xero, entity, Watermark(), connection.numbers.next):
            yield polled.records

    async def _save(self, entry: Entry) -> None:
        await write_entry(self.producer, self.outbox.codec, entry)
        await self.follower.refresh()

    async def _resynced(self, entity: str) -> None:
        await self._store(resync_position(self.connection, entity, DONE))

    async def _store(self, position: Position) -> None:
        await write_position(self.producer, self.outbox.codec, position)

    async def _settled(self, partition: int) -> bool:
        return await self.app.ownership.caught_up([HINTS, EVENTS], [partition])

    async def _end_of_events(self, partition: int) -> int:
        return (await end_offsets(self.cluster, EVENTS, [partition]))[partition]

    async def _load_positions(self) -> None:
        for position in (await read_positions(self.cluster, self.outbox.codec, [self.connection.partition])).values():
            if position.connection == self.connection.name:
                self.positions[position.source] = position
                if position.source.startswith(RESYNC) and position.value == WANTED:
                    await self.connection.resync(position.source.removeprefix(RESYNC))

    async def _load(self, connection: Connection) -> None:
        """What documents are computed from, as the accounting topics hold it."""
        for entity in REFERENCE:
            known = connection.reference.setdefault(entity, {})
            async for message in read_to_end(self.cluster, topic_of(entity), [connection.partition]):
                if message.value is None or not message.key.startswith(connection.name.encode() + b"/"):
                    continue
                decoded = self.outbox.codec.decode(message.value)
                if isinstance(decoded, Decoded):  # plan has made a dead letter of anything else
                    record = from_value(decoded.value, entity)
                    known[record.id] = record

    def _scanned(self, connection: Connection, links: Iterable[Link]) -> None:
        self.brake.recount(connection, links)

    async def _due(self) -> None:
        """Wake the links that only time moves: a hold that is over, a call whose sender is gone."""
        connection = self.connection
        while True:
            for key in connection.ready.overdue(connection.clock()):
                await self.outbox.link_event(connection, key, Due(connection.clock()))
            await asyncio.sleep(DUE_SECONDS)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await lease.renew()


def expected_totals(piece: Draft, connection: Connection) -> dict[str, Decimal] | str:
    """What Xero must answer for a document, computed before it is sent; empty where it has no lines, why not if not."""
    if "LineItems" not in piece.write.fields:
        return {}
    rates = connection.tax_rates()
    accounts = connection.reference.get("Account", {}).values()
    tax = {str(a.fields.get("Code")): str(a.fields.get("TaxType")) for a in accounts if a.fields.get("TaxType")}
    try:
        found = totals(piece.write.fields, Chart(rates, tax))
    except TwinledgerError as error:
        return error.message
    return {"SubTotal": found.sub_total, "TotalTax": found.total_tax, "Total": found.total}
