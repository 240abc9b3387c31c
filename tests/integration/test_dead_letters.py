"""A dead letter goes back to its topic as it came, or is dismissed; either way it stays, closed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from connector.core.party import Party
from connector.kafka.admin import apply
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest, read_to_end
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.partition import partition_of
from connector.kafka.producer import Producer
from connector.settings import ConnectionSettings
from streams.clock import clock
from streams.connection import Connection
from streams.letters import TOPIC, LetterLoop

PARTY = {"client_id": "c", "client_secret": "s"}
SETTINGS = ConnectionSettings.model_validate(
    {"name": "demo", "salesforce": {"url": "https://x.example", **PARTY}, "xero": [{"tenant": "t", **PARTY}]}
)
KEY = b"demo/signals.v1/0/7"
POISON = b"\x00not avro" * 3


def connection(cluster: Cluster) -> Connection:
    nobody = cast("Party", None)
    return Connection(SETTINGS, nobody, nobody, "org", "t", clock, partition_of(KEY, cluster.partitions))


def letter(value: bytes | None) -> dict[str, Any]:
    return {
        "connection": "demo", "topic": "signals.v1", "partition": 0, "offset": 7, "key": b"demo/x", "value": value,
        "stage": "signals", "code": "codec.not-avro", "message": "m", "remedy": "r", "at": datetime.now(UTC),
        "closed": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "value", "closed", "given_back"),
    [
        ("retry", POISON, "retry by ann", [POISON]),
        ("dismiss", POISON, "dismiss by ann", []),
        ("retry", None, None, []),  # its bytes were too large to keep
    ],
)
async def test_closing_a_dead_letter(
    kafka: str, prefix: str, decision: str, value: bytes | None, closed: str | None, given_back: list[bytes]
) -> None:
    cluster, codec = embedded_cluster(kafka, prefix), Codec()
    await apply(cluster)
    async with Producer(cluster) as producer:
        await producer.send(TOPIC, KEY, codec.encode(TOPIC, letter(value)))
        loop = LetterLoop(connection(cluster), cluster, codec, producer.send)
        assert await loop.close(KEY, decision, "ann") is (closed is not None)
        assert await loop.close(b"demo/another", decision, "ann") is False
    stands = codec.decode((await latest(cluster, TOPIC))[KEY].value)
    assert isinstance(stands, Decoded)
    assert stands.value["closed"] == closed
    assert [message.value async for message in read_to_end(cluster, "signals.v1")] == given_back
