"""Reads a compacted topic to its present end: the latest value of each key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from connector.errors import Unavailable
from connector.kafka.connection import MESSAGE_MAX_BYTES, Cluster
from connector.kafka.headers import Headers

_SECONDS_WITHOUT_PROGRESS = 60
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``value`` None is a tombstone; ``at`` is Kafka's time of it."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int
    at: datetime
    headers: Headers


@asynccontextmanager
async def reader(cluster: Cluster, *, committed: bool = False) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group. Raises Unavailable (``kafka.unavailable``)."""
    consumer = AIOKafkaConsumer(
        **cluster.client_options(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if committed else "read_uncommitted",
        max_partition_fetch_bytes=MESSAGE_MAX_BYTES,
        fetch_max_bytes=4 * MESSAGE_MAX_BYTES,
    )
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError) as error:
        raise Unavailable(
            "kafka.unavailable",
            f"Kafka at {cluster.bootstrap} cannot be read: {error!r}.",
            remedy="Check kafka.bootstrap_servers, its TLS and its credentials.",
        ) from error
    finally:
        await consumer.stop()


async def read_to_end(
    cluster: Cluster,
    topic: str,
    partitions: Iterable[int] | None = None,
    *,
    committed: bool = False,
    start: Mapping[int, int] | None = None,
) -> AsyncIterator[Message]:
    """Every message from the beginning (or the offsets in ``start``) to the end as it is now, in partition order.

    ``committed`` leaves out what belongs to open or aborted transactions; the end is then the last stable offset.
    """
    numbers = range(cluster.partitions) if partitions is None else partitions
    assigned = [TopicPartition(cluster.topic(topic), number) for number in numbers]
    async with reader(cluster, committed=committed) as consumer:
        consumer.assign(assigned)
        beginnings = await consumer.beginning_offsets(assigned)
        ends = await consumer.end_offsets(assigned)
        for each in assigned:
            consumer.seek(each, max(beginnings[each], (start or {}).get(each.partition, 0)))
        left = {each for each in assigned if await consumer.position(each) < ends[each]}
        while left:
            for each, records in (await _batch(consumer, left, topic)).items():
                for record in records:
                    if record.offset < ends[each]:
                        yield _message(record)
            left = {each for each in left if await consumer.position(each) < ends[each]}
            consumer.pause(*(set(assigned) - left))


async def latest(
    cluster: Cluster, topic: str, partitions: Iterable[int] | None = None, *, committed: bool = False
) -> dict[bytes, Message]:
    """The latest message of each key; keys whose latest is a tombstone are left out."""
    found: dict[bytes, Message] = {}
    async for message in read_to_end(cluster, topic, partitions, committed=committed):
        if message.value is None:
            found.pop(message.key, None)
        else:
            found[message.key] = message
    return found


async def end_offsets(cluster: Cluster, topic: str, partitions: Iterable[int] | None = None) -> dict[int, int]:
    """Partition to the offset that the next message will get."""
    numbers = range(cluster.partitions) if partitions is None else partitions
    async with reader(cluster) as consumer:
        ends = await consumer.end_offsets([TopicPartition(cluster.topic(topic), number) for number in numbers])
    return {each.partition: offset for each, offset in ends.items()}


async def begin_offsets(cluster: Cluster, topic: str) -> dict[int, int]:
    """Partition to the offset of the first message that is kept."""
    async with reader(cluster) as consumer:
        places = [TopicPartition(cluster.topic(topic), number) for number in range(cluster.partitions)]
        begins = await consumer.beginning_offsets(places)
    return {each.partition: offset for each, offset in begins.items()}


async def _batch(
    consumer: AIOKafkaConsumer, left: set[TopicPartition], topic: str
) -> Mapping[TopicPartition, list[Any]]:
    """What arrived. A batch may be empty although the position moved: control records are not handed out."""
    before = [await consumer.position(each) for each in left]
    try:
        async with asyncio.timeout(_SECONDS_WITHOUT_PROGRESS):
            while True:
                batch: Mapping[TopicPartition, list[Any]] = await consumer.getmany(
                    *left, timeout_ms=200, max_records=_BATCH
                )
                if batch or before != [await consumer.position(each) for each in left]:
                    return batch
    except TimeoutError as error:
        raise Unavailable(
            "kafka.no-progress", f"{topic} gave nothing for {_SECONDS_WITHOUT_PROGRESS} s before its end."
        ) from error


def _message(record: Any) -> Message:
    return Message(
        key=record.key or b"",
        value=record.value,
        partition=record.partition,
        offset=record.offset,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        headers=record.headers,
    )
