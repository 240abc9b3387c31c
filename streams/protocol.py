"""Which workers may share topics: a number in ``configuration.v1`` that every worker reads, and follows.

Schemas that only grow need no new number: they are published and learnt. The number rises when a worker of the version
before could not read what the tables hold, or would take a link event for something that it is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.core.identity import join_key
from connector.errors import ConfigurationError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster
from connector.kafka.producer import Sender

PROTOCOL = 1
KIND = "protocol"
TOPIC = "configuration.v1"
KEY = join_key("-", KIND, KIND)  # no connection has this name


def refuse_newer(value: Mapping[str, Any]) -> None:
    """Raises ConfigurationError (``protocol.newer``) for a number higher than ours; other values are passed over."""
    if value["kind"] == KIND and value["version"] > PROTOCOL:
        raise ConfigurationError(
            "protocol.newer",
            f"A newer version works on these topics (protocol {value['version']}, this one speaks {PROTOCOL}).",
            remedy="Run the newer version.",
        )


async def state_protocol(cluster: Cluster, codec: Codec, producer: Sender, now: datetime) -> None:
    """Says which protocol is spoken from now on; workers that know only an older one end when they read it.

    Raises ConfigurationError (``protocol.newer``).
    """
    there = (await latest(cluster, TOPIC)).get(KEY)
    decoded = codec.decode(there.value) if there is not None else None
    if isinstance(decoded, Decoded):
        refuse_newer(decoded.value)
        if decoded.value["version"] == PROTOCOL:
            return
    await producer.send(TOPIC, KEY, codec.encode(TOPIC, protocol_value(PROTOCOL, now)))


def protocol_value(number: int, now: datetime) -> dict[str, Any]:
    """The value that states a protocol."""
    return {
        "connection": "-", "kind": KIND, "name": KIND, "version": number, "body": "{}",
        "digest": hashlib.sha256(b"{}").hexdigest(), "paused": False, "by": "worker", "at": now, "removed": False,
    }  # fmt: skip
