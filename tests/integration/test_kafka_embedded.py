"""The embedded Kafka: a real broker that comes, stays and goes with its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from connector.errors import Unavailable
from connector.kafka import jars
from connector.kafka.embedded import EmbeddedKafka

_OWNER = """
import asyncio, sys, time
from connector.kafka.embedded import EmbeddedKafka
async def main():
    broker = EmbeddedKafka()
    await broker.start()
    print(broker.bootstrap, broker._process.pid, broker._directory, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def _produce(bootstrap: str, topic: str, value: bytes) -> int:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=len(value) + 1024) as producer:
        return int((await producer.send_and_wait(topic, value, partition=0)).offset)


async def _consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=10_000_000)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        async with asyncio.timeout(30):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def test_eight_mebibytes_survive_a_power_cut_on_the_same_port(tmp_path: Path) -> None:
    value = b"\x00\xff" * (4 * 1024 * 1024)
    async with EmbeddedKafka(tmp_path / "kafka") as broker:
        before = broker.bootstrap
        await _create(before, "big")
        await _produce(before, "big", value)
        await broker.restart()
        assert broker.bootstrap == before
        assert await _produce(before, "big", b"after") == 1
        assert await _consume(before, "big", 2) == [value, b"after"]
    async with EmbeddedKafka(tmp_path / "kafka") as again:
        assert await _consume(again.bootstrap, "big", 2) == [value, b"after"]


async def test_a_temporary_broker_keeps_its_data_over_a_restart_and_leaves_none() -> None:
    async with EmbeddedKafka() as broker:
        await _create(broker.bootstrap, "kept")
        await _produce(broker.bootstrap, "kept", b"one")
        await broker.restart()
        assert await _consume(broker.bootstrap, "kept", 1) == [b"one"]
        directory = broker._directory
    assert not directory.exists()


async def test_a_topic_nobody_created_is_not_created_by_use(kafka: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        described = await admin.describe_topics([f"{prefix}nobody"])
        assert described[0]["error_code"] == 3  # UNKNOWN_TOPIC_OR_PARTITION
        assert f"{prefix}nobody" not in await admin.list_topics()
    finally:
        await admin.close()


def test_the_broker_and_its_data_go_when_the_owner_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _OWNER], stdout=subprocess.PIPE) as owner:  # noqa: S603
        assert owner.stdout is not None
        _, watchdog, directory = owner.stdout.readline().decode().split()
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
    _wait_until_gone(int(watchdog))
    assert not Path(directory).exists()


def _wait_until_gone(pid: int) -> None:
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return  # dead; whoever inherited it has not collected it yet
        signal.sigtimedwait([], 0.1)
    pytest.fail(f"process {pid} is still there")


def test_a_refused_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLEDGER_CACHE", str(tmp_path))
    monkeypatch.setenv("TWINLEDGER_MAVEN", "http://127.0.0.1:1/maven2")
    with pytest.raises(Unavailable) as caught:
        jars.classpath(jars.pinned()[:1])
    assert caught.value.code == "kafka.download"
    assert "TWINLEDGER_MAVEN" in caught.value.remedy
    assert caught.value.exit_code == 69


def test_a_changed_jar_in_the_cache_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINLEDGER_CACHE", str(tmp_path))
    monkeypatch.setenv("TWINLEDGER_MAVEN", "http://127.0.0.1:1/maven2")
    jar = jars.pinned()[0]
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / jar.name).write_bytes(b"not the jar")
    with pytest.raises(Unavailable):
        jars.classpath([jar])
