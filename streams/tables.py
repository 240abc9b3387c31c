"""The four tables, typed: bytes on the outside, links, targets, reads and parents on the inside.

Each has one writing agent: settle writes links and targets, hydrate writes reads and parents. Loops only look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from connector.core.identity import LinkId, join_key, record_key
from connector.core.link_state import Link
from connector.core.records import Side, Version
from connector.errors import EngineStop
from connector.kafka.codec import Codec, Decoded
from connector.kafka.link_codec import Target, link_value, read_link
from connector.kafka.plain import from_plain, to_plain

Value = TypeVar("Value")
MOST_KNOWN = 20_000


class Raw(Protocol):
    """A table of bytes (``engine.tables.RawTable``): read and write inside an agent, peek and scan from anywhere."""

    def read(self, key: bytes) -> bytes | None: ...
    def write(self, key: bytes, value: bytes) -> None: ...
    def peek(self, key: bytes) -> bytes | None: ...
    def scan(self, partition: int) -> Iterator[tuple[bytes, bytes]]: ...


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
    """(owner epoch, its own counter) of a value: recovery keeps the highest, whoever wrote last."""

    def rank(data: bytes) -> tuple[int, int]:
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


@dataclass(slots=True)
class LinkTable:
    """``links``: link key → link."""

    raw: Raw
    codec: Codec
    ordinal: int = 0
    _memory: Memory[Link] = field(init=False)

    def __post_init__(self) -> None:
        self._memory = Memory(lambda key, data: read_link(_decode(self.codec, "links", key, data)).link)

    def get(self, link_id: LinkId) -> Link | None:
        key = link_id.key
        data = self.raw.read(key)
        return None if data is None else self._memory.of(key, data)

    def put(self, link: Link, epoch: int, genesis: str) -> None:
        self.ordinal += 1
        value = link_value(link, epoch, self.ordinal, genesis)
        self.raw.write(link.id.key, self.codec.encode("links.v1", value))

    def scan(self, partition: int) -> Iterator[Link]:
        """Every link of an owned partition, from anywhere."""
        for link, _ in self.stamped(partition):
            yield link

    def stamped(self, partition: int) -> Iterator[tuple[Link, str]]:
        """As ``scan``, with the genesis under which each link was written."""
        for key, data in self.raw.scan(partition):
            stored = read_link(_decode(self.codec, "links", key, data))
            yield stored.link, stored.genesis


@dataclass(slots=True)
class TargetTable:
    """``targets``: an end of a mapping's link → that link and its other end."""

    raw: Raw
    codec: Codec
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

    def put(self, connection: str, mapping: str, document: str, target: Target) -> None:
        key = self.key(connection, mapping, document)
        self.raw.write(key, self.codec.encode("targets.v1", to_plain(target)))


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

    @property
    def key(self) -> bytes:
        return record_key(self.connection, self.organisation, self.entity, self.id)


@dataclass(slots=True)
class ReadTable:
    """``reads``: what was asked and not yet answered. An answered one stays as ``gone`` until it is cleaned."""

    raw: Raw
    codec: Codec

    def get(self, key: bytes) -> Read | None:
        data = self.raw.read(key)
        return None if data is None else from_plain(Read, _decode(self.codec, "reads", key, data))

    def put(self, read: Read) -> None:
        self.raw.write(read.key, self.codec.encode("reads.v1", to_plain(read)))

    def open(self, partition: int) -> Iterator[Read]:
        """Every question of an owned partition that nobody has answered, from anywhere."""
        for key, data in self.raw.scan(partition):
            read = from_plain(Read, _decode(self.codec, "reads", key, data))
            if not read.gone:
                yield read


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

    def get(self, key: bytes) -> Parent | None:
        data = self.raw.read(key)
        return None if data is None else from_plain(Parent, _decode(self.codec, "parents", key, data))

    def put(self, parent: Parent) -> None:
        if self.get(parent.key) != parent:
            self.raw.write(parent.key, self.codec.encode("parents.v1", to_plain(parent)))


@dataclass(slots=True)
class Tables:
    links: LinkTable
    targets: TargetTable
    reads: ReadTable
    parents: ParentTable
