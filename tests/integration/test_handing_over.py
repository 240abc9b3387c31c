"""What a replay hands over stays behind nothing newer: the topic is compacted, and its last message is what is."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import pytest

from connector.kafka import admin
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster
from connector.kafka.headers import REPLAYED, Headers
from connector.kafka.producer import Producer
from streams.handing import Hand, Places, hand_over

pytestmark = pytest.mark.timeout(60)
TOPIC = "salesforce.records.v1"
ANN, BEN = b"demo/org/Account/ann", b"demo/org/Account/ben"


@dataclass
class Busy:
    """A producer beside whose first message somebody else writes a newer one, a moment before."""

    producer: Producer
    newer: bytes = b"newest"

    async def send_soon(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> Awaitable[int]:
        if self.newer:
            newer, self.newer = self.newer, b""
            await self.producer.send(topic, ANN, newer)
        return await self.producer.send_soon(topic, key, value, headers)


async def topic(kafka: str, prefix: str) -> Cluster:
    cluster = Cluster(bootstrap=kafka, prefix=prefix, partitions=4, replication=1)
    await admin.apply(cluster)
    return cluster


async def places(cluster: Cluster) -> Places:
    return frozenset((one.partition, one.offset) for one in (await latest(cluster, TOPIC)).values())


def untold(_: int) -> None:
    return None


async def test_what_came_after_the_comparison_is_left_out(kafka: str, prefix: str) -> None:
    cluster = await topic(kafka, prefix)
    async with Producer(cluster) as producer:
        for key in (ANN, BEN):
            await producer.send(TOPIC, key, b"compared", [("ce_id", b"1")])
        compared = await places(cluster)
        await producer.send(TOPIC, ANN, b"newer")
    assert await hand_over(cluster, "nobody", TOPIC, compared, untold) == 1
    last = await latest(cluster, TOPIC)
    assert {key: one.value for key, one in last.items()} == {ANN: b"newer", BEN: b"compared"}
    assert list(last[BEN].headers) == [("ce_id", b"1"), (REPLAYED, b"1")]
    assert REPLAYED not in dict(last[ANN].headers)


async def test_what_comes_in_the_moment_of_sending_is_written_once_more_behind(kafka: str, prefix: str) -> None:
    cluster = await topic(kafka, prefix)
    async with Producer(cluster) as producer:
        for key in (ANN, BEN):
            await producer.send(TOPIC, key, b"compared")
        hand = Hand(cluster, "nobody", TOPIC, Busy(producer), untold)
        assert await hand.over(await places(cluster)) == 2
    assert {key: one.value for key, one in (await latest(cluster, TOPIC)).items()} == {ANN: b"newest", BEN: b"compared"}


async def test_a_deletion_that_came_meanwhile_stays_one(kafka: str, prefix: str) -> None:
    cluster = await topic(kafka, prefix)
    async with Producer(cluster) as producer:
        await producer.send(TOPIC, ANN, b"compared")
        compared = await places(cluster)
        await producer.send(TOPIC, ANN, None)
    assert await hand_over(cluster, "nobody", TOPIC, compared, untold) == 0
    assert await latest(cluster, TOPIC) == {}
