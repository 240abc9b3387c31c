"""The loops of one connection that this worker owns: started after the takeover, held back when the partition goes.

Whatever they write goes through a gate that is open only while the partition is ours.

All of them run in one task group: when one fails for a reason that it cannot mend itself, the process ends and the
supervisor starts it again (crash-only).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from connector.core.below import PARENTS
from connector.core.link_events import Due, Found
from connector.core.link_state import Link
from connector.core.mapping.model import Mapping as Rule
from connector.core.party import Applied
from connector.core.planning import observe
from connector.core.records import Record, Side, Version
from connector.core.sending import Draft
from connector.core.snapshots import Collection
from connector.core.values import canonical
from connector.errors import DataError, EngineStop, TryAgain, TwinledgerError
from connector.kafka.codec import Decoded
from connector.kafka.compacted import end_offsets, read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.lease import LeaseLost
from connector.kafka.link_codec import Call, LinkHead
from connector.kafka.positions import Position, read_positions, write_position
from connector.kafka.producer import Producer
from connector.salesforce.day import Purpose
from connector.salesforce.files import file_bytes
from connector.salesforce.spending import spending
from connector.xero.avro import from_value, topic_of
from connector.xero.expected import expected
from connector.xero.money import Chart
from connector.xero.records import EPOCH
from connector.xero.rest import XeroParty
from streams.asked import AskedLoop
from streams.brake import Brake
from streams.capture import (
    DONE,
    RESYNC,
    WANTED,
    Heard,
    resync_position,
)
from streams.choices import Choices
from streams.configuration import Entry, Follower, write_entry
from streams.connection import Connection
from streams.engine.app import Engine
from streams.gate import LOOK_SECONDS, Gate, GatedProducer
from streams.genesis import Genesis
from streams.hops import EVENTS, HINTS, SIGNALS, Outbox
from streams.hydrate import ReadLoop, Reads
from streams.leases import Leases
from streams.letters import LetterLoop
from streams.listening import Listening
from streams.lists import ListPolls, polled_entities
from streams.lookup import Lookup
from streams.notices import Notices
from streams.parties import SalesforceSource
from streams.plan import REFERENCE
from streams.snapshot import SnapshotLoop
from streams.sync_retry import Letters, Retries
from streams.sync_state import SOURCE as SYNC_STATE
from streams.sync_state import SyncStateLoop
from streams.tables import Read, Tables
from streams.takeover import Takeover
from streams.vanished import VanishedLoop
from streams.walk import Walker
from streams.write import WriteLoop

RENEW_SECONDS = 1800
DUE_SECONDS = 0.5


@dataclass(slots=True)
class Owned:
    """Everything that one connection runs."""

    app: Engine
    cluster: Cluster
    kafka: Producer
    leases: Leases
    tables: Tables
    connection: Connection
    source: SalesforceSource
    companies: Mapping[str, XeroParty]  # by tenant
    reads: Reads
    outbox: Outbox
    follower: Follower
    notices: Notices
    new_id: Callable[[], str]
    since: int = 0  # the epoch from which on nobody else has held the lease
    taken: bool = False  # the loops have begun
    heard: Heard = field(default_factory=Heard)
    brake: Brake = field(default_factory=Brake)
    writers: list[WriteLoop] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)  # of the org
    marks: dict[tuple[str, str], Position] = field(default_factory=dict)  # of each tenant's lists
    listening: Listening | None = None
    polls: dict[str, ListPolls] = field(default_factory=dict)  # by tenant
    sync_state: SyncStateLoop | None = None

    gate: Gate = field(init=False)
    producer: GatedProducer = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(lambda: self.app.ownership.generation)
        self.producer = GatedProducer(self.gate, self.kafka)
        self.outbox = replace(self.outbox, put=self.producer.send)
        self.notices = replace(self.notices, put=self.producer.send)

    async def run(self) -> None:
        """Until cancelled. Raises ConfigurationError, EngineStop."""
        genesis = Genesis(self.cluster, self.kafka, self.outbox.codec)
        takeover = Takeover(self.tables, self._settled, self._load, self._scanned, genesis)
        generation = self.app.ownership.generation
        if await takeover.run(self.connection, self.reads):
            await self._load_positions()
            self.taken = True
            self._opens(generation)
            await self._loops(replace(genesis, producer=self.producer))

    def pause(self) -> None:
        """The partition is lost, perhaps for a moment: nothing is written until it is back."""
        self.gate.close()
        self.connection.caught_up = False

    async def go_on(self) -> None:
        """The partition is back, and nobody else has had it."""
        generation = self.app.ownership.generation
        if await self._settled(self.connection.partition):
            self._opens(generation)

    def _opens(self, generation: int | None) -> None:
        """Unless it was lost again: then the next assignment tells."""
        if generation is not None and generation == self.app.ownership.generation:
            self.connection.caught_up = True
            self.gate.open(generation)

    async def _loops(self, genesis: Genesis) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(genesis.note_links(self.connection), name=f"{self.connection.name} genesis")
            for name, work in self._work():
                group.create_task(work, name=f"{self.connection.name} {name}")

    def _work(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        connection, notice = self.connection, self.notices.tell
        walker = Walker(
            connection, self.source.party, self.companies, self.outbox, self.notices.bury, self.app.ownership.processed,
            self._reached, self._end_of_events,
        )  # fmt: skip
        self.listening = Listening(
            connection, self.source, self.outbox, self.reads, self.positions, self.heard, self._store, self._emit,
            self.notices, self._links, self.producer.send_soon, self._reached, self._pause,
            walker.since,
        )  # fmt: skip
        reading = ReadLoop(
            connection,
            self.reads,
            self._emit,
            self._clear,
            self._missing,
            self.notices.unreadable,
            self.notices.readable,
        )
        snapshots = SnapshotLoop(
            connection, walker, self.follower.entry, self._change, notice, self._resync, self._store,
            self.positions.values(),
        )  # fmt: skip
        asked = AskedLoop(
            connection, walker, self._store, self.notices.say, notice, self._orders, self.positions.values()
        )
        homes = [(Side.SALESFORCE, connection.tenant), *((Side.XERO, tenant) for tenant in connection.tenants)]
        self.writers = [self._writer(side, tenant) for side, tenant in homes]
        loops = [
            *self.listening.loops(), *self._polls(), ("read", reading.run()),
            ("snapshot", spending(Purpose.AUDIT, snapshots.run())),
            ("asked snapshots", spending(Purpose.AUDIT, asked.run())),
            ("due", self._due()), ("lease", self._renew()),
            ("letters", LetterLoop(connection, self.cluster, self.outbox.codec, self.producer.send).run()),
        ]  # fmt: skip
        if connection.settings.salesforce.sync_state:
            self.sync_state = self._sync_state()
            loops.append(("sync state", spending(Purpose.AUDIT, self.sync_state.run())))
        return [*loops, *((f"write {writer.side.value}", writer.run()) for writer in self.writers)]

    def _sync_state(self) -> SyncStateLoop:
        connection, party = self.connection, self.source.party
        letters = Letters(self.cluster, self.outbox.codec, connection)
        retries = Retries(connection, party, letters, self._peek, self.outbox.link_event)
        return SyncStateLoop(
            connection, party, self._page, self._peek, retries, self._proved, self._store, self.notices.tell,
            self.positions.get(SYNC_STATE),
        )  # fmt: skip

    def _polls(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        connection = self.connection
        for tenant, company in self.companies.items():
            marks = {name: one for (organisation, name), one in self.marks.items() if organisation == tenant}
            polls = self.polls[tenant] = ListPolls(
                connection, tenant, company, self.outbox, self._store, self.notices.tell, marks, self.heard,
                self.notices.bury, lambda: polled_entities(connection),
            )  # fmt: skip
            yield f"poll {tenant}", polls.run()
            hours = next(each.compare_hours for each in connection.settings.xero if each.tenant == tenant)
            vanished = VanishedLoop(
                connection, tenant, company, self._links, self._emit, self.notices.say, self.notices.tell, self._store,
                marks, lambda: polled_entities(connection), hours,
            )  # fmt: skip
            yield f"compare {tenant}", vanished.run()

    def _writer(self, side: Side, tenant: str) -> WriteLoop:
        lookup = Lookup(self.outbox.link_event, self._claimed)
        party = self.connection.party(side, tenant)
        choices = Choices(self.connection, tenant, party) if isinstance(party, XeroParty) else None
        return WriteLoop(
            self.connection, side, tenant, self.outbox.link_event, self._announce, self._proved, self.new_id,
            expected_totals, self._answer_record, lookup, self.brake,
            partial(file_bytes, self.source.party), choices,
        )  # fmt: skip

    # --- what the loops use --------------------------------------------------------------------------------------

    async def _proved(self) -> datetime:
        """Proof that the partition is ours now: act on it without another await. Raises LeaseLost, EngineStop."""
        while True:
            await self.gate.passed()
            try:
                renewal = await self.leases.renew(self.connection.partition)
            except LeaseLost:
                if self.gate.is_open:
                    raise
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError from None  # giving up the transaction failed, and hid who told us
                continue  # fenced by our own claim after a rebalance, or lost for good: then this loop is closed
            if renewal.clock_is_off:
                raise EngineStop(
                    "clock.off", f"This machine's clock is {renewal.skew.total_seconds():.1f} s off the broker's.",
                    remedy="Mend the clock (NTP).",
                )  # fmt: skip
            if self.gate.is_open:
                return renewal.broker_at

    async def _announce(self, connection: Connection, call: Call) -> None:
        await self.outbox.call(connection, call)

    async def _emit(self, connection: Connection, record: Record) -> None:
        """Into its topic. A record that no schema takes is a dead letter, and stops no other."""
        if record.side is Side.XERO and record.entity in PARENTS:
            await self._shown(connection, record)
            return
        try:
            await self.outbox.record(connection, record)
        except DataError as error:
            where = f"{record.side.value} {record.entity}"
            await self.notices.bury(connection, where, canonical(record.fields).encode(), error)

    async def _shown(self, connection: Connection, record: Record) -> None:
        """What stands below an object has no topic: its link is told itself. The tables are closed in a rebalance."""
        for link, rule in await self._linked(connection, record.side, record.id):
            await self.outbox.link_event(connection, link.id.key, observe(record, rule, link.lines))

    async def _linked(self, connection: Connection, side: Side, object_id: str) -> list[tuple[Link, Rule]]:
        """The links one of whose ends is that object, with their mappings: those that speak for it, and those that
        asked for a read of it."""
        found, document = [], f"{side.value}:{object_id}"
        for applied in connection.mappings():
            await self.gate.passed()
            target = self.tables.targets.peek(connection.name, applied.mapping.name, document)
            owner = (target.link.encode(),) if target is not None and not target.gone else ()
            for key in dict.fromkeys((*owner, *connection.reading.on(applied.mapping.name, document))):
                link = self.tables.links.peek(key)
                if link is not None:
                    found.append((link, applied.of(link)))
        return found

    async def _clear(self, connection: Connection, read: Read, version: Version, parents: Mapping[str, str]) -> None:
        await self.outbox.answered(connection, read.organisation, read.entity, read.id, version, parents)

    async def _missing(self, connection: Connection, read: Read, version: Version) -> None:
        """People are told, and so are the links that waited for this read."""
        await self.notices.missing(connection, read)
        for link, _ in await self._linked(connection, read.side, read.id):
            event = Found(read.side, (), connection.clock(), version=version)
            await self.outbox.link_event(connection, link.id.key, event)

    def _claimed(self, connection: Connection, mapping: str, side: Side, object_id: str) -> bool:
        """Raises TryAgain in a rebalance: the tables are closed."""
        self._check_open()
        target = self.tables.targets.peek(connection.name, mapping, f"{side.value}:{object_id}")
        return target is not None and not target.gone

    def _check_open(self) -> None:
        if not self.gate.is_open:
            raise TryAgain("lease.in-doubt", f"Connection {self.connection.name} is not ours now.", retry_after=1)

    def _peek(self, key: bytes) -> Link | None:
        """A link as it stands. Raises TryAgain in a rebalance."""
        self._check_open()
        return self.tables.links.peek(key)

    def _page(self, after: bytes, count: int) -> list[tuple[bytes, LinkHead]]:
        """Heads of links, in key order. Raises TryAgain in a rebalance."""
        self._check_open()
        return self.tables.links.page(self.connection.name, after, count)

    def _links(self, partition: int) -> Iterable[Link]:
        """Every link of the partition. Raises TryAgain in a rebalance."""
        self._check_open()
        return self.tables.links.scan(partition)

    def _answer_record(self, connection: Connection, organisation: str, entity: str, answer: Applied) -> Record | None:
        """What a write's answer shows, as a record. Salesforce answers show nothing but the id."""
        if answer.fields is None or organisation not in connection.tenants:
            return None
        stamp = answer.fields.get("UpdatedDateUTC")
        return Record(
            Side.XERO, organisation, entity, answer.target, Version(connection.numbers.epoch, 0), connection.clock(),
            stamp if isinstance(stamp, datetime) else EPOCH, fields=answer.fields,
        )  # fmt: skip

    async def _change(self, mapping: str, change: Callable[[Entry], Entry]) -> None:
        """Of a mapping as it is applied now. Nothing waits for the gate in its turn: agents take turns too, and the
        partition comes back once they are done."""
        while True:
            await self.gate.passed()
            try:
                entry = await self.follower.change(self.connection.name, mapping, change, self._write_entry)
                break
            except TryAgain as error:
                if error.code != "lease.in-doubt":
                    raise
        known = self.connection.applied.get(mapping)
        if entry is not None and known is not None and known.mapping.version == entry.version:
            self.connection.applied[mapping] = replace(known, gate=entry.gate, paused=entry.paused)  # a refresh reads
        await self.follower.refresh()

    async def _write_entry(self, entry: Entry) -> None:
        self._check_open()
        await write_entry(self.kafka, self.outbox.codec, entry)

    async def _pause(self, mapping: str) -> None:
        """Until a person resumes it."""
        await self._change(mapping, lambda entry: replace(entry, paused=True))

    async def _resync(self, collection: Collection, *, wanted: bool) -> None:
        await self._store(resync_position(self.connection, collection, WANTED if wanted else DONE))

    async def _store(self, position: Position) -> None:
        await write_position(self.producer, self.outbox.codec, position)

    async def _settled(self, partition: int) -> bool:
        return await self.app.ownership.caught_up([HINTS, EVENTS], [partition])

    async def _reached(self, topic: str, partition: int, offset: int) -> bool:
        """True once it is processed, however often the partition is lost and comes back before."""
        while not await self.app.ownership.processed_to(topic, partition, offset):  # noqa: ASYNC110  it polls too
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _end_of_events(self, partition: int) -> int:
        return (await end_offsets(self.cluster, EVENTS, [partition]))[partition]

    async def _orders(self, start: int) -> AsyncIterator[tuple[int, Mapping[str, Any]]]:
        """The signals about snapshots from an offset to the end as it is now."""
        partition = self.connection.partition
        async for message in read_to_end(self.cluster, SIGNALS, [partition], start={partition: start}):
            decoded = self.outbox.codec.decode(message.value)
            if isinstance(decoded, Decoded) and decoded.value["connection"] == self.connection.name:
                yield message.offset, decoded.value

    async def _load_positions(self) -> None:
        for position in (await read_positions(self.cluster, self.outbox.codec, [self.connection.partition])).values():
            if position.connection == self.connection.name:
                if position.organisation in self.connection.tenants:
                    self.marks[position.organisation, position.source] = position
                    continue
                self.positions[position.source] = position
                if position.source.startswith(RESYNC) and position.value == WANTED:
                    self.connection.resync(Collection.of(position.source.removeprefix(RESYNC)))

    async def _load(self, connection: Connection) -> None:
        """What documents are computed from, as the accounting topics hold it."""
        for entity in REFERENCE:
            async for message in read_to_end(self.cluster, topic_of(entity), [connection.partition]):
                if message.value is None or not message.key.startswith(connection.name.encode() + b"/"):
                    continue
                decoded = self.outbox.codec.decode(message.value)
                if isinstance(decoded, Decoded):  # plan has made a dead letter of anything else
                    record = from_value(decoded.value, entity)
                    connection.reference.setdefault((record.organisation, entity), {})[record.id] = record

    def _scanned(self, connection: Connection, links: Iterable[Link]) -> None:
        self.brake.recount(connection, links)

    async def _due(self) -> None:
        """Wake the links that only time moves: a hold that is over, a call whose sender is gone."""
        connection = self.connection
        while True:
            for key in connection.ready.overdue(connection.clock()):
                await self.outbox.link_event(connection, key, Due(connection.clock()))
            await asyncio.sleep(DUE_SECONDS)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self._proved()


def expected_totals(piece: Draft, connection: Connection) -> dict[str, Decimal] | str:
    """What Xero must answer for a document, computed before it is sent; empty where it has no lines, why not if not."""
    tenant = piece.link.id.tenant
    rates = connection.tax_rates(tenant)
    accounts = connection.reference.get((tenant, "Account"), {}).values()
    tax = {str(a.fields.get("Code")): str(a.fields.get("TaxType")) for a in accounts if a.fields.get("TaxType")}
    try:
        return expected(piece.write.fields, piece.write.entity, Chart(rates, tax))
    except TwinledgerError as error:
        return error.message
