"""Disks that are full or broken: the worker ends before it takes another event, and nothing is lost or buried."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from connector.errors import EngineStop
from connector.kafka import admin
from connector.kafka.compacted import latest, read_to_end
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.producer import Producer
from streams.engine.app import running
from tests.integration import engine_worker as worker

WORKER = Path(worker.__file__)
KEYS = [b"connection-%d/x" % number for number in range(20)]
NUMBERS = range(200)
ROOM = 100_000  # bytes that a file may have: the tables need more


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, worker.TOPICS)
    async with Producer(cluster) as producer:
        sent = [await producer.send_soon("signals.v1", key, b"%d" % number) for number in NUMBERS for key in KEYS]
        await asyncio.gather(*sent)
    yield cluster
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(name) for name in worker.NAMES])


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


async def _ends(cluster: Cluster, folder: Path, limit: Callable[[], None] | None = None) -> tuple[int, str]:
    """A worker's life until it ends by itself: its exit code and last words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), cluster.bootstrap, cluster.prefix, str(folder),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, preexec_fn=limit,
    )  # fmt: skip
    try:
        _, words = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, words.decode()


def _break(folder: Path) -> None:
    sorted(folder.rglob("MANIFEST-*"))[0].write_bytes(b"\0" * 4096)


async def _whole(cluster: Cluster, folder: Path) -> None:
    """The next life finds everything and loses nothing."""
    app = worker.counting(worker.settings(cluster.bootstrap, cluster.prefix, folder))
    async with running(app):
        assert await app.ownership.caught_up(["signals.v1"], range(4))
        table = app.tables["links"]
        assert {key for number in range(4) for key, _ in table.scan(number)} == set(KEYS)
        assert {int(part) for key in KEYS for part in table.peek(key).split()} == set(NUMBERS)
    states = await latest(cluster, "links.v1")
    assert {key: len((found.value or b"").split()) for key, found in states.items()} == dict.fromkeys(
        KEYS, len(NUMBERS)
    )
    assert [message async for message in read_to_end(cluster, "deadletters.v1")] == []


async def test_a_full_disk_ends_the_worker_and_buries_nothing(cluster: Cluster, tmp_path: Path) -> None:
    code, words = await _ends(cluster, tmp_path, _small_files)
    assert (code, "table.disk" in words) == (EngineStop.exit_code, True), words[-2000:]
    await _whole(cluster, tmp_path)


async def test_a_corrupt_store_is_thrown_away_and_filled_again(cluster: Cluster, tmp_path: Path) -> None:
    await _whole(cluster, tmp_path)
    _break(tmp_path)
    code, words = await _ends(cluster, tmp_path)
    assert (code, "table.corrupt" in words) == (EngineStop.exit_code, True), words[-2000:]
    await _whole(cluster, tmp_path)
