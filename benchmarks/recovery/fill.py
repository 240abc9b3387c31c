"""Writes the population into the changelogs, in a process of its own: ``python -m benchmarks.recovery.fill ORDER``.

ORDER is a JSON object: bootstrap, prefix, connection, org, tenant, genesis, first, last. Whole batches are sent: a
million links take minutes, not an hour.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer

from benchmarks.recovery.population import Scene, rows
from connector.kafka.connection import MESSAGE_MAX_BYTES, embedded_cluster
from connector.kafka.partition import partition_of

BATCH_BYTES, UNDER_WAY = 512 * 1024, 8


async def fill(order: Mapping[str, Any]) -> int:
    """Messages written, all acknowledged."""
    cluster = embedded_cluster(order["bootstrap"], order["prefix"])
    partition = partition_of(f"{order['connection']}/".encode(), cluster.partitions)
    numbers = range(order["first"], order["last"])
    scene = Scene(order["connection"], order["org"], order["tenant"], order["genesis"])
    producer = AIOKafkaProducer(
        **cluster.client_options(), acks="all", max_batch_size=BATCH_BYTES, max_request_size=MESSAGE_MAX_BYTES
    )
    await producer.start()
    open_batches: dict[str, Any] = {}
    waiting: list[asyncio.Future[Any]] = []
    count = 0

    async def send(topic: str) -> None:
        batch = open_batches.pop(topic)
        batch.close()
        waiting.append(await producer.send_batch(batch, cluster.topic(topic), partition=partition))
        if len(waiting) > UNDER_WAY:
            await waiting.pop(0)

    try:
        for topic, key, value in rows(numbers, scene):
            batch = open_batches.get(topic)
            if batch is None:
                batch = open_batches[topic] = producer.create_batch()
            if batch.append(key=key, value=value, timestamp=None) is None:
                await send(topic)
                open_batches[topic] = batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
            count += 1
        for topic in list(open_batches):
            await send(topic)
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    return count


def main() -> None:
    """The command line."""
    print(asyncio.run(fill(json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
