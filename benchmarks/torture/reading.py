"""The judge's eyes: topics and committed offsets with a plain client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from benchmarks.torture.judge import Event, Evidence
from benchmarks.torture.state import GROUP, OUTPUT, PARTITIONS, SOURCE, Output, decode_output, decode_state
from connector.kafka.partition import partition_of

_PATIENCE = 90


async def read_all(bootstrap: str, topic: str) -> list[Any]:
    """Every message up to the end as it is now, each partition in its order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(tps)
        consumer.assign(tps)
        found: list[Any] = []
        async with asyncio.timeout(_PATIENCE):
            for tp in tps:
                await consumer.seek_to_beginning(tp)
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += batch
        return found
    finally:
        await consumer.stop()


async def committed(bootstrap: str, prefix: str) -> Mapping[int, int] | None:
    """The group's committed offset of each source partition; None while Kafka does not say."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        async with asyncio.timeout(10):
            await admin.start()
            offsets = await admin.list_consumer_group_offsets(f"{prefix}{GROUP}")
    except (KafkaError, OSError, TimeoutError):
        return None
    finally:
        await admin.close()
    found = {tp.partition: each.offset for tp, each in offsets.items() if tp.topic == f"{prefix}{SOURCE}"}
    return {number: max(found.get(number, 0), 0) for number in range(PARTITIONS)}


async def gather_evidence(bootstrap: str, prefix: str, changelog: str, done: Mapping[int, int]) -> Evidence:
    """All that stands in the topics now."""
    source = await read_all(bootstrap, f"{prefix}{SOURCE}")
    said = await read_all(bootstrap, f"{prefix}{OUTPUT}")
    table = await read_all(bootstrap, changelog)
    return Evidence(
        events=[Event(each.key.decode(), int(each.value), each.partition, each.offset) for each in source],
        outputs=[decode_output(each.value) for each in said],
        changelog=[(each.key.decode(), decode_state(each.value)) for each in table],
        committed=done,
    )


class Progress:
    """Follows the outputs while a run goes on."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.owners: dict[int, int] = {}  # partition to the process that spoke last

    def add(self, output: Output) -> None:
        self.seen.add((output.key, output.seq))
        self.owners[output.partition] = output.pid

    @asynccontextmanager
    async def following(self, bootstrap: str, prefix: str) -> AsyncIterator[Progress]:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(f"{prefix}{OUTPUT}", number) for number in range(PARTITIONS)])

        async def follow() -> None:
            async for message in consumer:
                self.add(decode_output(message.value))

        task = asyncio.create_task(follow())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await consumer.stop()


async def feed(
    bootstrap: str, prefix: str, events: Iterable[tuple[bytes, int]], per_second: float | None = None
) -> None:
    """Writes (key, seq) in their order: at once, or at a rate."""
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, request_timeout_ms=20_000, linger_ms=5
    ) as producer:
        waiting = []
        for key, seq in events:
            tp = partition_of(key, PARTITIONS)
            waiting.append(await producer.send(f"{prefix}{SOURCE}", b"%d" % seq, key=key, partition=tp))
            if per_second is not None:
                await asyncio.sleep(1 / per_second)
        await asyncio.gather(*waiting)
