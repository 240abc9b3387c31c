"""What was taken is what became of it, over restarts and other owners; what nobody processed is told for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete

from connector.cli.status import Hop, hops_of
from connector.kafka import admin
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.producer import Producer
from streams.engine.app import running
from tests.integration import engine_worker as worker

KEYS = [b"connection-%d/x" % number for number in range(8)]
GROUP = "twinledger"


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, worker.TOPICS)
    yield cluster
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(name) for name in worker.NAMES])


async def _feed(cluster: Cluster, *values: bytes) -> None:
    async with Producer(cluster) as producer:
        sent = [await producer.send_soon("signals.v1", key, value) for value in values for key in KEYS]
        await asyncio.gather(*sent)


async def _life(cluster: Cluster, folder: Path) -> None:
    """One worker until it has caught up, ended in order."""
    app = worker.counting(worker.settings(cluster.bootstrap, cluster.prefix, folder))
    async with running(app):
        async with asyncio.timeout(60):
            while not await app.ownership.caught_up(["signals.v1"], range(4)):  # lost in a rebalance: once more
                continue


async def _signals(cluster: Cluster) -> Hop:
    return next(hop for hop in await hops_of(cluster, cluster.prefix + GROUP) if hop.topic == "signals.v1")


async def test_the_figures_go_on_over_restarts_and_a_loss_is_told(cluster: Cluster, tmp_path: Path) -> None:
    await _feed(cluster, b"1", b"2", b"poison")
    await _life(cluster, tmp_path / "one")
    hop = await _signals(cluster)
    assert (hop.taken, hop.done, hop.dead_letters, hop.waiting, hop.unaccounted) == (24, 16, 8, 0, 0)

    await _feed(cluster, b"3")
    assert (await _signals(cluster)).waiting == 8
    await _life(cluster, tmp_path / "two")  # another worker, an empty disk
    hop = await _signals(cluster)
    assert (hop.taken, hop.done, hop.dead_letters, hop.waiting, hop.unaccounted) == (32, 24, 8, 0, 0)

    await _feed(cluster, b"4", b"5")
    async with admin.admin_client(cluster) as client:  # what retention does to a worker that was away for too long
        wanted = {TopicPartition(cluster.topic("signals.v1"), number): RecordsToDelete(-1) for number in range(4)}
        await client.delete_records(wanted)
    await _feed(cluster, b"6")
    await _life(cluster, tmp_path / "one")
    hop = await _signals(cluster)
    assert (hop.taken, hop.done, hop.unaccounted) == (56, 32, 16)
    await _life(cluster, tmp_path / "one")
    assert (await _signals(cluster)).unaccounted == 16
