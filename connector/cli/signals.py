"""What operators do travels as signals: one message in ``signals.v1``, on the partition of its connection."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.core.identity import join_key
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster
from connector.kafka.producer import Producer

TOPIC = "signals.v1"


@dataclass(frozen=True, slots=True)
class Signal:
    """One command. ``subject`` is the key of a link or dead letter, or the name of a mapping."""

    kind: str
    connection: str
    subject: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    by: str = field(default_factory=getpass.getuser)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def key(self) -> bytes:
        return join_key(self.connection, self.kind, self.id)

    def value(self) -> dict[str, Any]:
        return {**asdict(self), "arguments": dict(self.arguments)}


async def send(cluster: Cluster, signals: Sequence[Signal]) -> None:
    """Sends them and waits until Kafka has them all. Raises Unavailable (``kafka.unavailable``), EngineStop."""
    codec = Codec()
    async with Producer(cluster, client_id="twinledger-cli") as producer:
        sent = [await producer.send_soon(TOPIC, each.key, codec.encode(TOPIC, each.value())) for each in signals]
        for acknowledged in sent:
            await acknowledged
