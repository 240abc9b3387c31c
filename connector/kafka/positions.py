"""Where each source is, kept in ``positions.v1`` and written after Kafka has acknowledged what came before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connector.core.identity import join_key
from connector.errors import EngineStop
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.producer import Sender

TOPIC = "positions.v1"


class PositionKind(StrEnum):
    UNKNOWN = "unknown"
    REPLAY_ID = "replay_id"
    WATERMARK = "watermark"
    CURSOR = "cursor"
    GENESIS = "genesis"


@dataclass(frozen=True, slots=True)
class Position:
    """One source's position. ``value``: replay id in digits, time in ISO 8601, cursor as given, genesis id."""

    connection: str
    organisation: str
    source: str
    kind: PositionKind
    value: str
    epoch: int
    at: datetime

    @property
    def key(self) -> bytes:
        return join_key(self.connection, self.organisation, self.source)


async def read_positions(
    cluster: Cluster, codec: Codec, partitions: Iterable[int] | None = None
) -> dict[bytes, Position]:
    """Every position by its key. Raises EngineStop (``position.unreadable``): to guess one would lose or repeat."""
    found: dict[bytes, Position] = {}
    async for message in read_to_end(cluster, TOPIC, partitions):
        if message.value is None:
            found.pop(message.key, None)
            continue
        decoded = codec.decode(message.value)
        if not isinstance(decoded, Decoded):
            raise EngineStop(
                "position.unreadable",
                f"The position {message.key!r} at offset {message.offset} cannot be read: {decoded.message}",
                remedy="A newer version of Twinledger has written it: run that version.",
            )
        position = Position(**{**decoded.value, "kind": PositionKind(decoded.value["kind"])})
        known = found.get(message.key)
        if known is None or position.epoch >= known.epoch:  # a former owner's late write does not count
            found[message.key] = position
    return found


async def write_position(producer: Sender, codec: Codec, position: Position) -> int:
    """Writes and waits for the acknowledgement; gives the offset. Call it after what lies before it is acknowledged."""
    value = {
        "connection": position.connection,
        "organisation": position.organisation,
        "source": position.source,
        "kind": position.kind.value,
        "value": position.value,
        "epoch": position.epoch,
        "at": position.at,
    }
    return await producer.send(TOPIC, position.key, codec.encode(TOPIC, value))
