"""The four tables, typed: bytes on the outside, links, targets, reads and parents on the inside.

Each has one writing agent: settle writes links and targets, hydrate writes reads and parents. Loops only look. Every
value begins with (owner epoch, that writer's own counter): of two for a key the higher one holds, whoever wrote last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Generic, Protocol, TypeVar

from connector.core.identity import LinkId, join_key, record_key
from connector.core.link_state import Link
from connector.core.mapping.credit import credited
from connector.core.records import Side, Version
from connector.errors import EngineStop
from connector.kafka.codec import Codec, Decoded
from connector.kafka.head import Head
from connector.kafka.link_codec import LinkHead, StoredLink, Target, link_value, read_link
from connector.kafka.plain import from_plain, to_plain

Value = TypeVar("Value")
MOST_KNOWN = 20_000
FAMILY_ROWS = 64  # links of one record that are read at once
KEPT_GONE_DAYS = 30  # an answered question keeps its rank so long: a late write of a former owner stays lower
SWEEP_EVERY, SWEEP_ROWS = 256, 1_024  # writes between two looks for what may go, and how far each looks


class Raw(Protocol):
    """A table of bytes (``engine.tables.RawTable``): read, write and remove inside an agent, the rest from anywhere."""

    def read(self, key: bytes) -> bytes | None: ...
    def write(self, key: bytes, value: bytes) -> None: ...
    def remove(self, key: bytes) -> None: ...
    def peek(self, key: bytes) -> bytes | None: ...
    def scan(self, partition: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]: ...
    def after(self, key: bytes, count: int) -> list[tuple[bytes, bytes]]: ...


def _decode(codec: Codec, table: str, key: bytes, data: bytes) -> dict[str, Any]:
    decoded = codec.decode(data)
    if not isinstance(decoded, Decoded):
        raise EngineStop(
            "table.unreadable",
            f"Table {table} holds at {key!r} what cannot be read: {decoded.message}",
            remedy="A newer version wrote it: run that version, or rebuild with `twinledger links rebuild`.",
        )
    return decoded.value


def rank_by(codec: Codec, table: str, counter: str) -> Callable[[bytes], tuple[int, int]]:
    """(owner epoch, its own counter) of a value. Values of this version are not decoded for it."""
    head = Head(codec.schemas.for_topic(f"{table}.v1"), ("epoch", counter))

    def rank(data: bytes) -> tuple[int, int]:
        short = head.rank(data)
        if short is not None:
            return short
        value = _decode(codec, table, b"", data)
        return value["epoch"], value[counter]

    return rank


@dataclass(slots=True)
class Memory(Generic[Value]):
    """What was read of a key, as long as the same bytes stand there: links are looked at many times an event."""

    read: Callable[[bytes, bytes], Value]
    known: dict[bytes, tuple[bytes, Value]] = field(default_factory=dict)

    def of(self, key: bytes, data: bytes) -> Value:
        known = self.known.get(key)
        if known is not None and known[0] == data:
            return known[1]
        if len(self.known) >= MOST_KNOWN:
            self.known.clear()
        value = self.read(key, data)
        self.known[key] = data, value
        return value


def _prefix(connection: str) -> bytes:
    return join_key(connection) + b"/"


@dataclass(slots=True)
class LinkTable:
    """``links``: link key → link."""

    raw: Raw
    codec: Codec
    ordinal: int = 0
    _memory: Memory[Link] = field(init=False)
    _head: Head = field(init=False)

    def __post_init__(self) -> None:
        self._memory = Memory(lambda key, data: self._stored(key, data).link)
        self._head = Head(self.codec.schemas.for_topic("links.v1"), LinkHead._fields)

    def get(self, link_id: LinkId) -> Link | None:
        key = link_id.key
        data = self.raw.read(key)
        return None if data is None else self._memory.of(key, data)

    def put(self, link: Link, epoch: int, genesis: str) -> None:
        self.ordinal += 1
        value = link_value(link, epoch, self.ordinal, genesis)
        self.raw.write(link.id.key, self.codec.encode("links.v1", value))

    def family(self, link_id: LinkId) -> list[LinkId]:
        """The keys of all links of the same mapping and record: of every part and generation."""
        whole = join_key(link_id.connection, link_id.mapping, f"{link_id.side.value}:{link_id.source}")
        out: list[LinkId] = []
        key, beyond = whole, whole + b"0"  # the first byte after the slash
        while rows := [each for each, _ in self.raw.after(key, FAMILY_ROWS) if each < beyond]:
            out += [LinkId.parse(each) for each in rows if each.startswith((whole + b"/", whole + b"%23"))]
            if len(rows) < FAMILY_ROWS:
                break
            key = rows[-1]
        return out

    def documents(self, link_id: LinkId) -> tuple[Link, ...]:
        """The links of all documents of the same mapping and record: of each the last generation, no credit notes."""
        last: dict[tuple[str, str], LinkId] = {}
        for one in self.family(link_id):
            known = last.get((one.tenant, one.part))
            if credited(one.part) is None and (known is None or known.generation < one.generation):
                last[one.tenant, one.part] = one
        return tuple(link for one in last.values() if (link := self.get(one)) is not None)

    def peek(self, key: bytes) -> Link | None:
        """A link as it stands now, from outside an agent; not remembered."""
        data = self.raw.peek(key)
        return None if data is None else self._stored(key, data).link

    def heads(self, partition: int, connection: str) -> Iterator[tuple[bytes, LinkHead]]:
        """Every link of a connection by its head alone, from anywhere: as they stand at the first step."""
        for key, data in self.raw.scan(partition, _prefix(connection)):
            head = self._head.read(data)
            yield key, LinkHead._make(head) if head is not None else self._stored(key, data).head

    def page(self, connection: str, after: bytes, count: int) -> list[tuple[bytes, LinkHead]]:
        """The heads of up to ``count`` links of a connection that follow a key (empty: the first), in key order."""
        prefix = _prefix(connection)
        rows = [row for row in self.raw.after(after or prefix, count) if row[0].startswith(prefix)]
        heads = [(key, data, self._head.read(data)) for key, data in rows]
        return [(key, LinkHead._make(head) if head else self._stored(key, data).head) for key, data, head in heads]

    def scan(self, partition: int) -> Iterator[Link]:
        """Every link of an owned partition, decoded: a minute for a million of them."""
        for key, data in self.raw.scan(partition):
            yield self._stored(key, data).link

    def _stored(self, key: bytes, data: bytes) -> StoredLink:
        return read_link(_decode(self.codec, "links", key, data))


@dataclass(slots=True)
class TargetTable:
    """``targets``: an end of a mapping's link → that link and its other end."""

    raw: Raw
    codec: Codec
    ordinal: int = 0
    _memory: Memory[Target] = field(init=False)

    def __post_init__(self) -> None:
        self._memory = Memory(lambda key, data: from_plain(Target, _decode(self.codec, "targets", key, data)))

    @staticmethod
    def key(connection: str, mapping: str, document: str) -> bytes:
        return join_key(connection, mapping, document)

    def get(self, connection: str, mapping: str, document: str) -> Target | None:
        key = self.key(connection, mapping, document)
        data = self.raw.read(key)
        return None if data is None else self._memory.of(key, data)

    def peek(self, connection: str, mapping: str, document: str) -> Target | None:
        """As ``get``, from outside an agent."""
        key = self.key(connection, mapping, document)
        data = self.raw.peek(key)
        return None if data is None else self._memory.of(key, data)

    def put(self, connection: str, mapping: str, document: str, target: Target, epoch: int) -> None:
        """Written unless the same stands there since our own claim: it is in the changelog then, or the process ends.
        What an earlier life wrote may never have reached it."""
        there = self.get(connection, mapping, document)
        if there is not None and there == replace(target, epoch=epoch, ordinal=there.ordinal):
            return
        self.ordinal += 1
        value = to_plain(replace(target, epoch=epoch, ordinal=self.ordinal))
        self.raw.write(self.key(connection, mapping, document), self.codec.encode("targets.v1", value))


@dataclass(frozen=True, slots=True)
class Read:
    """An object that must be read: by whom asked, and how new the answer must be."""

    connection: str
    side: Side
    organisation: str
    entity: str
    id: str
    asked: Version
    asked_at: datetime
    reasons: tuple[str, ...] = field(default_factory=tuple)
    epoch: int = 0
    counter: int = 0
    gone: bool = False
    gone_day: int = 0

    @property
    def key(self) -> bytes:
        return record_key(self.connection, self.organisation, self.entity, self.id)


@dataclass(slots=True)
class ReadTable:
    """``reads``: what was asked and not yet answered. An answered one stays as ``gone`` for 30 days, then goes."""

    raw: Raw
    codec: Codec
    counter: int = 0
    _head: Head = field(init=False)
    _swept: dict[bytes, bytes] = field(default_factory=dict)  # connection → the last key that a sweep has seen

    def __post_init__(self) -> None:
        self._head = Head(self.codec.schemas.for_topic("reads.v1"), ("epoch", "counter", "gone", "gone_day"))

    def get(self, key: bytes) -> Read | None:
        data = self.raw.read(key)
        return None if data is None else self._read(key, data)

    def put(self, read: Read, epoch: int, today: date) -> None:
        """Writes a question, or that it was answered; now and then takes away what was answered long ago."""
        self.counter += 1
        day = today.toordinal()
        stored = replace(read, epoch=epoch, counter=self.counter, gone_day=day if read.gone else 0)
        self.raw.write(read.key, self.codec.encode("reads.v1", to_plain(stored)))
        if self.counter % SWEEP_EVERY == 0:
            self._sweep(_prefix(read.connection), day - KEPT_GONE_DAYS)

    def open(self, partition: int, connection: str) -> Iterator[Read | None]:
        """Every question of a connection that nobody has answered, from anywhere; None where one was answered, so that
        whoever reads a million of them can stop for breath."""
        for key, data in self.raw.scan(partition, _prefix(connection)):
            if self._gone_day(key, data) is not None:
                yield None
                continue
            now = self.raw.peek(key)  # the scan shows the table as it was when it began
            read = None if now is None else self._read(key, now)
            yield None if read is None or read.gone else read

    def _sweep(self, prefix: bytes, until: int) -> None:
        """Tombstones for what was answered on or before a day, some rows at a time, round and round."""
        rows = self.raw.after(self._swept.get(prefix, prefix), SWEEP_ROWS)
        mine = [(key, data) for key, data in rows if key.startswith(prefix)]
        for key, data in mine:
            day = self._gone_day(key, data)
            if day is not None and day <= until:
                self.raw.remove(key)
        self._swept[prefix] = mine[-1][0] if len(mine) == SWEEP_ROWS else prefix

    def _gone_day(self, key: bytes, data: bytes) -> int | None:
        """The day on which a question was answered, None for an open one."""
        head = self._head.read(data)
        if head is not None:
            return head[3] if head[2] else None
        read = self._read(key, data)
        return read.gone_day if read.gone else None

    def _read(self, key: bytes, data: bytes) -> Read:
        return from_plain(Read, _decode(self.codec, "reads", key, data))


@dataclass(frozen=True, slots=True)
class Parent:
    """The record that a child row belongs to."""

    connection: str
    org: str
    child_entity: str
    child_id: str
    parent_entity: str
    parent_id: str
    epoch: int = 0
    counter: int = 0
    gone: bool = False

    @property
    def key(self) -> bytes:
        return record_key(self.connection, self.org, "child", self.child_id)


@dataclass(slots=True)
class ParentTable:
    """``parents``: child row → the record it belongs to, so that a deleted line still finds its document."""

    raw: Raw
    codec: Codec
    counter: int = 0

    def get(self, key: bytes) -> Parent | None:
        data = self.raw.read(key)
        return None if data is None else from_plain(Parent, _decode(self.codec, "parents", key, data))

    def put(self, parent: Parent, epoch: int) -> None:
        """Written unless the same stands there since our own claim, as ``TargetTable.put``."""
        there = self.get(parent.key)
        if there is not None and there == replace(parent, epoch=epoch, counter=there.counter):
            return
        self.counter += 1
        value = to_plain(replace(parent, epoch=epoch, counter=self.counter))
        self.raw.write(parent.key, self.codec.encode("parents.v1", value))


@dataclass(slots=True)
class Tables:
    links: LinkTable
    targets: TargetTable
    reads: ReadTable
    parents: ParentTable
