"""The applied configuration: which mappings run, as ``twinledger apply`` wrote them into ``configuration.v1``.

Workers run what was applied, not the files on their disk. Beside each mapping stand its earlier texts that links still
follow. The topic is small: it is read whole, then followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition

from connector.core.applied import Applied, Gate
from connector.core.catalog import Catalog
from connector.core.identity import join_key
from connector.core.mapping.beside import ways
from connector.core.mapping.bind import bind
from connector.core.mapping.model import Mapping as Rule
from connector.core.mapping.parse import parse
from connector.core.records import Side
from connector.errors import EngineStop, TwinledgerError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import Message, latest, reader
from connector.kafka.connection import Cluster
from connector.kafka.producer import Sender
from streams.connection import Connection
from streams.protocol import refuse_newer

TOPIC = "configuration.v1"
FOLLOW_MS = 1000
AGAIN_MS, LATER_MS = 10_000, 300_000  # until a mapping that did not fit is tried again; once it has not for long
AT_ONCE = 30  # tries before that: each asks the org for its objects, and the calls of its day are counted
Catalogs = Callable[[Connection, Rule, bool], Awaitable[Mapping[Side, Catalog]]]  # True: asked anew


@dataclass(frozen=True, slots=True)
class Kept:
    """An earlier text of a mapping. Links that were planned by it go on by it."""

    connection: str
    mapping: str
    version: str
    file: str
    text: str
    by: str
    at: datetime

    @property
    def key(self) -> bytes:
        return join_key(self.connection, "version", self.mapping, self.version)

    def value(self, *, removed: bool = False) -> dict[str, Any]:
        body = {"mapping": self.mapping, "version": self.version, "file": self.file, "text": self.text}
        return {
            "connection": self.connection, "kind": "version", "name": self.mapping, "version": 1,
            "body": json.dumps(body, sort_keys=True), "digest": hashlib.sha256(self.text.encode()).hexdigest(),
            "paused": False, "by": self.by, "at": self.at, "removed": removed,
        }  # fmt: skip

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Kept:
        body = json.loads(value["body"])
        return cls(
            value["connection"], body["mapping"], body["version"], body["file"], body["text"], value["by"], value["at"]
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One mapping as it was applied, with its earlier texts that are kept."""

    connection: str
    mapping: str
    file: str
    text: str
    gate: Gate
    pinned: datetime | None
    paused: bool
    by: str
    at: datetime
    removed: bool = False
    claim: bool = False  # after a rebuild: look for our own mark before every birth
    kept: tuple[Kept, ...] = ()

    @property
    def key(self) -> bytes:
        return join_key(self.connection, "mapping", self.mapping)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def version(self) -> str:
        """Of the text. Raises MappingError."""
        return parse(self.text, self.file).version

    def value(self) -> dict[str, Any]:
        body = {
            "file": self.file,
            "text": self.text,
            "gate": self.gate.value,
            "pinned": self.pinned.isoformat() if self.pinned else None,
            "claim": self.claim,
        }
        return {
            "connection": self.connection, "kind": "mapping", "name": self.mapping, "version": 1,
            "body": json.dumps(body, sort_keys=True), "digest": self.digest, "paused": self.paused, "by": self.by,
            "at": self.at, "removed": self.removed,
        }  # fmt: skip

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Entry:
        body = json.loads(value["body"])
        pinned = datetime.fromisoformat(body["pinned"]) if body["pinned"] else None
        return cls(
            value["connection"], value["name"], body["file"], body["text"], Gate(body["gate"]), pinned,
            value["paused"], value["by"], value["at"], value["removed"], bool(body.get("claim")),
        )  # fmt: skip


async def read_entries(cluster: Cluster, codec: Codec, connection: str = "") -> dict[str, Entry]:
    """Every applied mapping of a connection (of all, when empty), by its key's text."""
    values = [_value(codec, message) for message in (await latest(cluster, TOPIC)).values()]
    mine = [value for value in values if not value["removed"] and connection in ("", value["connection"])]
    kept: dict[tuple[str, str], list[Kept]] = {}
    for one in (Kept.of(value) for value in mine if value["kind"] == "version"):
        kept.setdefault((one.connection, one.mapping), []).append(one)
    found: dict[str, Entry] = {}
    for entry in (Entry.of(value) for value in mine if value["kind"] == "mapping"):
        earlier = sorted(kept.get((entry.connection, entry.mapping), ()), key=lambda one: one.at)
        found[entry.key.decode()] = replace(entry, kept=tuple(earlier))
    return found


def _value(codec: Codec, message: Message) -> Mapping[str, Any]:
    decoded = codec.decode(message.value)
    if not isinstance(decoded, Decoded):
        raise EngineStop(
            "configuration.unreadable",
            f"{TOPIC} holds at offset {message.offset} what cannot be read: {decoded.message}",
            remedy="A newer version wrote it: run that version.",
        )
    refuse_newer(decoded.value)
    return decoded.value


async def write_entry(producer: Sender, codec: Codec, entry: Entry) -> None:
    """The entry alone: what is kept of it is written by ``write_kept``."""
    await producer.send(TOPIC, entry.key, codec.encode(TOPIC, entry.value()))


async def write_kept(producer: Sender, codec: Codec, kept: Kept, *, removed: bool = False) -> None:
    await producer.send(TOPIC, kept.key, codec.encode(TOPIC, kept.value(removed=removed)))


async def compile_entry(entry: Entry, catalogs: Catalogs, connection: Connection, *, fresh: bool = False) -> Applied:
    """A mapping ready to run. Raises MappingError, and what the catalogs raise."""
    applied = parsed(entry)
    kept = {version: bind(rule, await catalogs(connection, rule, fresh)) for version, rule in applied.kept.items()}
    found = await catalogs(connection, applied.mapping, fresh)
    bound = bind(applied.mapping, found)
    return replace(applied, mapping=replace(bound, beside=ways(bound, found)), kept=kept)


def parsed(entry: Entry) -> Applied:
    """A mapping with the versions that are kept of it, without the types of fields. Raises MappingError."""
    kept = {one.version: parse(one.text, one.file) for one in entry.kept}
    return Applied(parse(entry.text, entry.file), entry.gate, entry.pinned, entry.paused, entry.claim, kept)


@dataclass(slots=True)
class Follower:
    """Keeps the applied mappings of this process's connections as ``configuration.v1`` says."""

    cluster: Cluster
    codec: Codec
    connections: Mapping[str, Connection]
    catalogs: Catalogs
    refused: Callable[[Connection, Entry, TwinledgerError], None]
    fits: Callable[[Connection, Entry], None]
    known: dict[str, Entry] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)  # keys of mappings that did not fit, or could not be looked at
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def change(
        self, connection: str, mapping: str, change: Callable[[Entry], Entry], write: Callable[[Entry], Awaitable[None]]
    ) -> Entry | None:
        """Write an entry anew, changed from what Kafka holds now: what is known here may be older, and one word would
        undo another. One at a time, and no API is asked meanwhile. Gives it as it stands then, None where there is no
        such mapping. Raises as ``write``.
        """
        async with self.writing:
            entries = await read_entries(self.cluster, self.codec, connection)
            before = entries.get(join_key(connection, "mapping", mapping).decode())
            if before is None:
                return None
            after = change(before)
            if after != before:
                await write(after)
            return after

    async def refresh(self) -> bool:
        """Take in what changed; True if anything did. A mapping that no longer fits is held, not run. One at a time:
        of two that overlap the one that read earlier could end later, and undo what the other took in."""
        async with self.turn:
            return await self._refresh()

    async def _refresh(self) -> bool:
        entries = await read_entries(self.cluster, self.codec)
        changed = [key for key, entry in entries.items() if self.known.get(key) != entry or key in self.again]
        gone = [key for key in self.known if key not in entries]
        for key in changed:
            fits = await self._install(entries[key])
            (self.again.discard if fits else self.again.add)(key)
        for key in gone:
            entry = self.known[key]
            self.again.discard(key)
            if entry.connection in self.connections:
                self.connections[entry.connection].applied.pop(entry.mapping, None)
        self.known = entries
        return bool(changed or gone)

    async def _install(self, entry: Entry) -> bool:
        """Whether the mapping fits the org as it is now."""
        connection = self.connections.get(entry.connection)
        if connection is None:
            return True
        try:
            applied = await compile_entry(entry, self.catalogs, connection, fresh=entry.key.decode() in self.again)
        except TwinledgerError as error:
            connection.applied[entry.mapping] = replace(parsed(entry), gate=Gate.CLOSED, paused=True)
            self.refused(connection, entry, error)
        else:
            connection.applied[entry.mapping] = applied
            self.fits(connection, entry)
        connection.work.set()
        connection.ready.bell.ring()
        return not connection.applied[entry.mapping].held

    def entry(self, connection: str, mapping: str) -> Entry | None:
        """The entry of an applied mapping."""
        return self.known.get(join_key(connection, "mapping", mapping).decode())

    async def run(self) -> None:
        """Follow the topic: whenever something is applied, read what stands there now."""
        async with reader(self.cluster) as consumer:
            topic = self.cluster.topic(TOPIC)
            assigned = [TopicPartition(topic, number) for number in range(self.cluster.partitions)]
            consumer.assign(assigned)
            for each, end in (await consumer.end_offsets(assigned)).items():  # seek_to_end() may give up in silence
                consumer.seek(each, end)
            await self.refresh()
            tries = 0
            while True:
                news = await consumer.getmany(timeout_ms=next_look(tries, waits=bool(self.again)))
                tries = tries + 1 if self.again and not news else 0
                if news or self.again:
                    await self.refresh()


def next_look(tries: int, *, waits: bool) -> int:
    """Milliseconds until the mappings are looked at again, news apart; ``tries`` found that some still do not fit."""
    if not waits:
        return FOLLOW_MS
    return AGAIN_MS if tries < AT_ONCE else LATER_MS
