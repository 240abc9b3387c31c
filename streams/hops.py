"""The four agents' handlers: bytes in, the connection they belong to found, one call into the hop that they are for.

What raises DataError here becomes a dead letter (``streams.guard``) and is acknowledged: a bad message never stops a
good one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.core.identity import LinkId, join_key, record_key, split_key
from connector.core.link_events import LinkEvent, Settled
from connector.core.records import Record, Side, Version
from connector.errors import DataError
from connector.kafka import record_codec
from connector.kafka.codec import Codec, Decoded, Poison
from connector.kafka.link_codec import Call, event_value, read_event
from connector.xero import avro as accounting
from streams.connection import Connection
from streams.guard import Incoming
from streams.hydrate import Hint, Hydrate, Reads
from streams.plan import Plan
from streams.settle import Settle

EVENTS, HINTS, RECORDS = "link-events.v1", "salesforce.hints.v1", "salesforce.records.v1"

Put = Callable[[str, bytes, bytes], Awaitable[None]]


def value_of(codec: Codec, message: Incoming) -> Mapping[str, Any]:
    """The decoded value. Raises DataError for poison."""
    decoded = codec.decode(message.value)
    if isinstance(decoded, Poison):
        raise DataError(decoded.code, decoded.message, remedy="Find who wrote it; it is kept as a dead letter.")
    return decoded.value if isinstance(decoded, Decoded) else {}


def hint_value(
    connection: Connection, side: Side, kind: str, entity: str, ids: tuple[str, ...], **more: object
) -> dict[str, Any]:
    """The Avro value of one hint."""
    return {
        "connection": connection.name, "org": connection.organisation(side), "kind": kind, "channel": None,
        "replay_id": None, "entity": entity, "record_ids": list(ids), "change_type": "", "commit_time": None,
        "transaction_key": None, "sequence": None, "parents": {}, "version": None, "reason": None, "payload": None,
        **more,
    }  # fmt: skip


@dataclass(slots=True)
class Hops:
    """All handlers of one process. ``put`` hands a message to the agents' producer, flushed before every commit."""

    codec: Codec
    connections: Mapping[str, Connection]
    reads: Mapping[str, Reads]
    hydrate: Hydrate
    plan: Plan
    settle: Settle
    pause: Callable[[Connection, str, bool], Awaitable[None]]

    async def on_hint(self, message: Incoming) -> None:
        connection = self._connection(message)
        await self.hydrate.take(connection, self.reads[connection.name], Hint.of(value_of(self.codec, message)))

    async def on_record(self, message: Incoming) -> None:
        if message.value is not None:  # a tombstone only tidies the topic
            await self.plan.take(self._connection(message), self._record(message))

    async def on_link_event(self, message: Incoming) -> None:
        connection = self._connection(message)
        try:
            envelope = read_event(value_of(self.codec, message))
        except ValueError as error:
            raise DataError("link.bad-event", f"A link event cannot be read: {error}.") from error
        await self.settle.fold(connection, envelope, message.offset)

    async def on_signal(self, message: Incoming) -> None:
        """An operator's word: a decision on a link goes to the link, the rest to whoever it is for."""
        connection, value = self._connection(message), value_of(self.codec, message)
        arguments, at = value["arguments"], value["at"]
        if value["kind"] == "link.settle":
            key = LinkId.parse(value["subject"].encode("ascii")).key
            event = Settled(arguments.get("decision", ""), value["by"], at, arguments.get("value", ""))
            await self.settle.send(connection, key, event)
        elif value["kind"] == "deadletter.close":
            connection.letters.put_nowait((value["subject"], arguments.get("decision", ""), value["by"]))
        elif value["kind"] == "mapping.release":
            connection.released.add(value["subject"])
            connection.ready.changed.set()
        elif value["kind"] in ("mapping.pause", "mapping.resume"):
            await self.pause(connection, value["subject"], value["kind"] == "mapping.pause")

    def _connection(self, message: Incoming) -> Connection:
        name = split_key(message.key)[0] if message.key else ""
        connection = self.connections.get(name)
        if connection is None:
            raise DataError(
                "connection.unknown",
                f"{message.topic} holds a message of connection {name!r}, which this deployment does not have.",
                remedy="Add the connection, or leave the dead letter.",
            )
        return connection

    def _record(self, message: Incoming) -> Record:
        value = value_of(self.codec, message)
        if message.topic == RECORDS:
            return record_codec.from_value(value)
        return accounting.from_value(value, accounting.TOPICS[message.topic])


@dataclass(slots=True)
class Outbox:
    """What hops and loops produce, encoded and keyed. ``put`` is the producer of whoever uses it."""

    codec: Codec
    put: Callable[[str, bytes, bytes], Awaitable[int]]
    clock: Callable[[], datetime]

    async def link_event(self, connection: Connection, link: bytes, event: LinkEvent) -> int:
        value = self.codec.encode(EVENTS, event_value(link, event, self.clock()))
        return await self.put(EVENTS, link, value)

    async def call(self, connection: Connection, call: Call) -> int:
        """Announce a call, under the connection's own key."""
        value = self.codec.encode(EVENTS, event_value(b"", call, call.at))
        return await self.put(EVENTS, join_key(connection.name, "call", call.call), value)

    async def ask(self, connection: Connection, side: Side, entity: str, object_id: str, reason: str) -> int:
        value = hint_value(connection, side, "asked", entity, (object_id,), reason=reason)
        key = record_key(connection.name, connection.organisation(side), entity, object_id)
        return await self.put(HINTS, key, self.codec.encode(HINTS, value))

    async def record(self, connection: Connection, record: Record) -> tuple[str, int]:
        """The topic that it went to and its offset there."""
        key = record_key(connection.name, record.organisation, record.entity, record.id)
        if record.side is Side.SALESFORCE:
            topic, value = RECORDS, record_codec.to_value(record)
        else:
            topic, value = accounting.topic_of(record.entity), accounting.to_value(record)
        return topic, await self.put(topic, key, self.codec.encode(topic, value))

    async def answered(
        self,
        connection: Connection,
        side: Side,
        entity: str,
        object_id: str,
        version: Version,
        parents: Mapping[str, str],
    ) -> int:
        plain = {"epoch": version.epoch, "ordinal": version.ordinal}
        value = hint_value(connection, side, "read", entity, (object_id,), version=plain, parents=dict(parents))
        key = record_key(connection.name, connection.organisation(side), entity, object_id)
        return await self.put(HINTS, key, self.codec.encode(HINTS, value))
