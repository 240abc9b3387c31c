"""The four agents' handlers: bytes in, the connection they belong to found, one call into the hop that they are for.

What raises DataError here becomes a dead letter (``streams.guard``) and is acknowledged: a bad message never stops a
good one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from connector.core.identity import LinkId, join_key, record_key
from connector.core.link_events import LinkEvent, Observed, Settled, Wanted
from connector.core.records import Record, Side, Version
from connector.core.snapshots import is_command
from connector.errors import DataError
from connector.kafka import record_codec
from connector.kafka.codec import Codec, Poison
from connector.kafka.headers import GENESIS, REPLAYED, Headers, record_headers
from connector.kafka.link_codec import Call, event_value, read_event
from connector.kafka.topics import BY_NAME
from connector.xero import avro as accounting
from streams.connection import Connection
from streams.guard import Incoming
from streams.hydrate import Hint, Hydrate, Reads
from streams.plan import Plan
from streams.settle import Settle

REMEDY = "Find who wrote it; it is kept as a dead letter."
HINT_OUTCOMES = {"change": "asked", "asked": "asked", "read": "answered"}
EVENTS, HINTS, RECORDS = "link-events.v1", "salesforce.hints.v1", "salesforce.records.v1"
SIGNALS = "signals.v1"

Put = Callable[[str, bytes, bytes, Headers], Awaitable[int]]


def value_of(codec: Codec, message: Incoming) -> Mapping[str, Any]:
    """The decoded value. Raises DataError for poison, and for a value that belongs into another topic."""
    decoded = codec.decode(message.value)
    if isinstance(decoded, Poison):
        raise DataError(decoded.code, decoded.message, remedy=REMEDY)
    if decoded.schema != BY_NAME[message.topic].schema:
        raise DataError("codec.other-schema", f"A {decoded.schema} stands in {message.topic}.", remedy=REMEDY)
    return decoded.value


def hint_value(
    connection: Connection, organisation: str, kind: str, entity: str, ids: tuple[str, ...], **more: object
) -> dict[str, Any]:
    """The Avro value of one hint."""
    return {
        "connection": connection.name, "org": organisation, "kind": kind, "channel": None,
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

    async def on_hint(self, message: Incoming) -> str:
        connection = self._connection(message)
        hint = Hint.of(value_of(self.codec, message))
        _check_organisation(connection, hint.organisation, (Side.SALESFORCE, Side.XERO))
        await self.hydrate.take(connection, self.reads[connection.name], hint)
        return HINT_OUTCOMES.get(hint.kind, "taken")

    async def on_record(self, message: Incoming) -> str:
        connection = self._connection(message)
        if message.value is None:
            return "tombstone"  # it only tidies the topic
        record = record_of(message.topic, value_of(self.codec, message))
        _check_organisation(connection, record.organisation, (record.side,))
        replayed = REPLAYED in dict(message.headers)
        return "planned" if await self.plan.take(connection, record, replayed=replayed) else "nothing to do"

    async def on_link_event(self, message: Incoming) -> str:
        connection = self._connection(message)
        try:
            envelope = read_event(value_of(self.codec, message))
        except ValueError as error:
            raise DataError("link.bad-event", f"A link event cannot be read: {error}.") from error
        await self.settle.fold(connection, envelope, message.offset)
        return "folded"

    async def on_signal(self, message: Incoming) -> str:
        """An operator's word: a decision on a link goes to the link, the rest to whoever it is for."""
        connection, value = self._connection(message), value_of(self.codec, message)
        arguments, at = value["arguments"], value["at"]
        if value["kind"] == "link.settle":
            key = _link_key(value["subject"])
            event = Settled(arguments.get("decision", ""), value["by"], at, arguments.get("value", ""))
            await self.settle.send(connection, key, event)
        elif value["kind"] == "deadletter.close":
            connection.letters.put_nowait((value["subject"], arguments.get("decision", ""), value["by"]))
        elif is_command(value["kind"]):
            connection.orders.put_nowait((message.offset, value))
        elif value["kind"] == "mapping.release":
            connection.released.add(value["subject"])
            connection.ready.bell.ring()
        elif value["kind"] == "poke" and arguments.get("tenant") in connection.tenants:
            connection.poked.add((arguments["tenant"], value["subject"]))
        elif value["kind"] in ("mapping.pause", "mapping.resume"):
            await self.pause(connection, value["subject"], value["kind"] == "mapping.pause")
        else:
            return "unknown kind"
        return "carried out"

    def _connection(self, message: Incoming) -> Connection:
        name = unquote(message.key.split(b"/", 1)[0].decode("ascii", "replace"))
        connection = self.connections.get(name)
        if connection is None:
            raise DataError(
                "connection.unknown",
                f"{message.topic} holds a message of connection {name[:80]!r}, which this deployment does not have.",
                remedy="Add the connection, or leave the dead letter.",
            )
        if message.partition != connection.partition:
            raise DataError(
                "partition.foreign",
                f"{message.topic} holds a message of connection {name} on partition {message.partition}, not on "
                f"{connection.partition}: whoever wrote it uses another partitioner.",
                remedy=REMEDY,
            )
        return connection


def record_of(topic: str, value: Mapping[str, Any]) -> Record:
    """The record in a value of a record topic."""
    if topic == RECORDS:
        return record_codec.from_value(value)
    return accounting.from_value(value, accounting.TOPICS[topic])


def _check_organisation(connection: Connection, organisation: str, sides: tuple[Side, ...]) -> None:
    if not any(organisation in connection.organisations(side) for side in sides):
        raise DataError(
            "organisation.foreign",
            f"A message of connection {connection.name} is about organisation {organisation[:80]!r}, none of its own.",
            remedy=REMEDY,
        )


def _link_key(text: str) -> bytes:
    try:
        return LinkId.parse(text.encode("ascii")).key
    except ValueError as error:
        raise DataError("link.bad-key", f"{text[:200]!r} is no key of a link.", remedy=REMEDY) from error


def _life(connection: Connection) -> Headers:
    """In which life of the topics an event was made (``streams.genesis``)."""
    return [(GENESIS, connection.genesis.encode())] if connection.genesis else []


@dataclass(slots=True)
class Outbox:
    """What hops and loops produce, encoded and keyed. ``put`` is the producer of whoever uses it."""

    codec: Codec
    put: Put
    clock: Callable[[], datetime]

    async def link_event(self, connection: Connection, link: bytes, event: LinkEvent) -> int:
        """Its offset (-1 from an agent). What says how an end stands is in flight until settle has folded it."""
        if isinstance(event, Wanted | Observed):
            connection.flight.sent(link.decode())
        value = self.codec.encode(EVENTS, event_value(link, event, self.clock()))
        return await self.put(EVENTS, link, value, _life(connection))

    async def call(self, connection: Connection, call: Call) -> int:
        """Announce a call, under the connection's own key."""
        value = self.codec.encode(EVENTS, event_value(b"", call, call.at))
        return await self.put(EVENTS, join_key(connection.name, "call", call.call), value, _life(connection))

    async def ask(self, connection: Connection, organisation: str, entity: str, object_id: str, reason: str) -> int:
        value = hint_value(connection, organisation, "asked", entity, (object_id,), reason=reason)
        key = record_key(connection.name, organisation, entity, object_id)
        return await self.put(HINTS, key, self.codec.encode(HINTS, value), ())

    async def record(self, connection: Connection, record: Record) -> tuple[str, int]:
        """The topic that it went to and its offset there."""
        connection.window.note(record)
        key = record_key(connection.name, record.organisation, record.entity, record.id)
        if record.side is Side.SALESFORCE:
            topic, value = RECORDS, record_codec.to_value(record)
        else:
            topic, value = accounting.topic_of(record.entity), accounting.to_value(record)
        headers = record_headers(connection.name, record, self.codec.schemas.for_topic(topic).name)
        return topic, await self.put(topic, key, self.codec.encode(topic, value), headers)

    async def answered(
        self,
        connection: Connection,
        organisation: str,
        entity: str,
        object_id: str,
        version: Version,
        parents: Mapping[str, str],
    ) -> int:
        plain = {"epoch": version.epoch, "ordinal": version.ordinal}
        value = hint_value(connection, organisation, "read", entity, (object_id,), version=plain, parents=dict(parents))
        key = record_key(connection.name, organisation, entity, object_id)
        return await self.put(HINTS, key, self.codec.encode(HINTS, value), ())
