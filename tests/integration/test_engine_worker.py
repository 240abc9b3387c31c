"""The engine on the real broker: nothing lost, the table whole, whatever happens to the worker."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from connector.errors import ConfigurationError, EngineStop
from connector.kafka import admin
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest, read_to_end
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.headers import read_headers
from connector.kafka.partition import partition_of
from connector.kafka.producer import Producer
from streams.engine.app import make_app, running

WORKER = Path(__file__).with_name("engine_worker.py")
KEYS = [b"connection-%d/x" % number for number in range(20)]


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("engine_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worker = _module()


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, worker.TOPICS)
    yield cluster
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(name) for name in worker.NAMES])


async def _feed(cluster: Cluster, numbers: range, form: str = "{}") -> None:
    async with Producer(cluster) as producer:
        waiting = [
            await producer.send_soon("signals.v1", key, form.format(number).encode())
            for number in numbers
            for key in KEYS
        ]
        await asyncio.gather(*waiting)


async def _states(cluster: Cluster, topic: str = "links.v1") -> dict[bytes, set[int]]:
    found = await latest(cluster, topic)
    return {key: {int(part) for part in (message.value or b"").split()} for key, message in found.items()}


async def _until(done: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110  the worker is another process
            await asyncio.sleep(0.05)


class Workers:
    """Worker processes of one group, ended with the test."""

    def __init__(self, cluster: Cluster, datadir: Path) -> None:
        self._cluster = cluster
        self._datadir = datadir
        self._started: list[asyncio.subprocess.Process] = []

    async def start(self, name: str, *, instance: str | None = None) -> asyncio.subprocess.Process:
        arguments = [self._cluster.bootstrap, self._cluster.prefix, str(self._datadir / name)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), *arguments, *([instance] if instance else []), stdout=asyncio.subprocess.PIPE
        )
        self._started.append(process)
        return process

    async def end(self) -> None:
        for process in self._started:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()


@pytest.fixture
async def workers(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Workers]:
    workers = Workers(cluster, tmp_path)
    yield workers
    await workers.end()


async def _owns(process: asyncio.subprocess.Process, wanted: Callable[[set[int]], bool]) -> set[int]:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            owned = {int(part) for part in line.split()[1:]}
            if wanted(owned):
                return owned
    raise AssertionError("the worker ended")


async def _whole(cluster: Cluster, numbers: range, seconds: float = 90) -> None:
    """Until the changelog holds every number of every key."""
    wanted = {key: set(numbers) for key in KEYS}
    async with asyncio.timeout(seconds):
        while await _states(cluster) != wanted:  # noqa: ASYNC110  the workers are other processes
            await asyncio.sleep(0.3)


async def _outputs(cluster: Cluster) -> set[tuple[bytes, int]]:
    """(key, number) of every event that had an output."""
    found: set[tuple[bytes, int]] = set()
    async for message in read_to_end(cluster, "notifications.v1"):
        found |= {(message.key, int(part)) for part in (message.value or b"").split()}
    return found


async def test_processes_commits_and_goes_on_where_it_was(cluster: Cluster, tmp_path: Path) -> None:
    await _feed(cluster, range(50))
    for store in ("kept", "kept", "wiped"):
        app = worker.counting(worker.settings(cluster.bootstrap, cluster.prefix, tmp_path / store))
        async with running(app):
            assert await app.ownership.caught_up(["signals.v1"], range(4))
            assert app.ownership.partitions() == {0, 1, 2, 3}
            table = app.tables["links"]
            assert {key for number in range(4) for key, _ in table.scan(number)} == set(KEYS)
            assert len(table.peek(KEYS[3]).split()) == 50
    outputs = [message async for message in read_to_end(cluster, "notifications.v1")]
    assert len(outputs) == 50 * len(KEYS)  # three lives, each event once: stopped in order, nothing is replayed
    assert all(message.partition == partition_of(message.key, 4) for message in outputs)


async def test_poison_and_bugs_go_to_the_dead_letters_and_the_rest_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    async with Producer(cluster) as producer:
        for value in (b"1", b"poison", b"bug", None, b"x" * 1_000_000, b"2"):
            await producer.send("signals.v1", KEYS[0], value, [("traceparent", b"00-x")])
    app = worker.counting(worker.settings(cluster.bootstrap, cluster.prefix, tmp_path))
    async with running(app):
        assert await app.ownership.caught_up(["signals.v1"], range(4))
    assert await _states(cluster) == {KEYS[0]: {1, 2}}
    letters = [message async for message in read_to_end(cluster, "deadletters.v1")]
    decoded = [Codec().decode(letter.value) for letter in letters]
    assert all(isinstance(each, Decoded) for each in decoded)
    values = [each.value for each in decoded if isinstance(each, Decoded)]
    assert [(value["code"], value["offset"]) for value in values] == [
        ("test-poison", 1),
        ("unexpected", 2),
        ("unexpected", 3),
        ("unexpected", 4),
    ]
    assert values[0]["value"] == b"poison"
    assert values[0]["remedy"] == "Throw it away."
    assert values[2]["value"] is None
    assert values[3]["value"] == b"x" * 1_000_000
    assert {letter.partition for letter in letters} == {partition_of(KEYS[0], 4)}
    assert read_headers(letters[0].headers)["__connect.errors.topic"] == "signals.v1"


async def test_a_killed_worker_loses_nothing_with_its_store_kept_and_wiped(
    cluster: Cluster, workers: Workers, tmp_path: Path
) -> None:
    await _feed(cluster, range(40), "slow:1:{}")
    for life in range(3):
        process = await workers.start("one")
        await _owns(process, lambda owned: len(owned) == 4)
        before = len(await _outputs(cluster))
        async with asyncio.timeout(60):
            while len(await _outputs(cluster)) < min(before + 100, 40 * len(KEYS)):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.02)
        process.kill()
        await process.wait()
        if life == 1:
            shutil.rmtree(tmp_path / "one")
    await workers.start("one")
    await _whole(cluster, range(40))
    assert await _outputs(cluster) == {(key, number) for key in KEYS for number in range(40)}


async def test_two_workers_share_and_one_takes_over(cluster: Cluster, workers: Workers) -> None:
    first, second = await asyncio.gather(workers.start("one"), workers.start("two"))
    shares = await asyncio.gather(*(_owns(process, lambda owned: len(owned) == 2) for process in (first, second)))
    assert shares[0] | shares[1] == {0, 1, 2, 3}
    await _feed(cluster, range(30), "slow:1:{}")
    second.kill()
    await _owns(first, lambda owned: len(owned) == 4)
    await _feed(cluster, range(30, 40))
    await _whole(cluster, range(40))
    assert await _outputs(cluster) == {(key, number) for key in KEYS for number in range(40)}


async def test_a_frozen_worker_ends_itself_when_it_wakes(cluster: Cluster, workers: Workers) -> None:
    first = await workers.start("one")
    await _owns(first, lambda owned: len(owned) == 4)
    await _feed(cluster, range(60), "slow:2:{}")
    first.send_signal(signal.SIGSTOP)
    second = await workers.start("two")
    await _owns(second, lambda owned: len(owned) == 4)
    first.send_signal(signal.SIGCONT)
    assert await asyncio.wait_for(first.wait(), 30) == EngineStop.exit_code
    await _whole(cluster, range(60))
    assert await _outputs(cluster) == {(key, number) for key in KEYS for number in range(60)}


async def test_a_static_member_comes_back_to_its_partitions(cluster: Cluster, workers: Workers) -> None:
    first = await workers.start("one", instance="one")
    await _owns(first, lambda owned: len(owned) == 4)
    first.kill()
    await first.wait()
    await _feed(cluster, range(5))
    again = await workers.start("one", instance="one")
    await _owns(again, lambda owned: len(owned) == 4)
    await _whole(cluster, range(5))


async def test_a_key_of_another_partition_is_a_dead_letter(cluster: Cluster, tmp_path: Path) -> None:
    from aiokafka import AIOKafkaProducer

    elsewhere = (partition_of(KEYS[0], 4) + 1) % 4
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as foreign:
        await foreign.send_and_wait(cluster.topic("signals.v1"), b"7", key=KEYS[0], partition=elsewhere)
    app = worker.counting(worker.settings(cluster.bootstrap, cluster.prefix, tmp_path))
    async with running(app):
        assert await app.ownership.caught_up(["signals.v1"], range(4))
    letters = [Codec().decode(message.value) async for message in read_to_end(cluster, "deadletters.v1")]
    assert [each.value["code"] for each in letters if isinstance(each, Decoded)] == ["key.foreign"]
    assert await _states(cluster) == {}


async def test_missing_topics_are_refused_at_the_start(kafka: str, prefix: str, tmp_path: Path) -> None:
    app = worker.counting(worker.settings(kafka, prefix, tmp_path))
    with pytest.raises(ConfigurationError, match="twinledger topics apply"):
        async with running(app):
            pytest.fail("it started")


async def test_recovery_keeps_the_highest_value_not_the_last(cluster: Cluster, tmp_path: Path) -> None:
    async with Producer(cluster) as producer:
        for value in (b"1 1 old", b"2 5 new", b"2 4 late", b"1 9 zombie"):
            await producer.send("links.v1", KEYS[0], value)
    app = make_app(worker.settings(cluster.bootstrap, cluster.prefix, tmp_path))
    table = app.raw_table("links", "links.v1", rank=lambda value: (int(value.split()[0]), int(value.split()[1])))

    @app.agent(app.raw_topic("signals.v1"))  # type: ignore[untyped-decorator]
    async def nothing(stream: AsyncIterator[object]) -> None:
        async for _ in stream:
            pass

    async with running(app):
        assert table.peek(KEYS[0]) == b"2 5 new"


async def test_an_agent_that_is_told_to_stop_stops_the_engine(cluster: Cluster, tmp_path: Path) -> None:
    from streams.guard import Incoming, consume

    stopped: list[EngineStop] = []
    base = worker.settings(cluster.bootstrap, cluster.prefix, tmp_path)
    app = make_app(replace(base, on_stop=stopped.append))

    async def stops(incoming: Incoming) -> None:
        raise EngineStop("test-stop", f"No further than {incoming.offset}.")

    consume(app, Codec(), "signals.v1", "stops", stops)
    await _feed(cluster, range(1))
    with pytest.raises(EngineStop, match="No further"):
        async with running(app):
            await asyncio.sleep(60)
    assert [error.code for error in stopped] == ["test-stop"]
    app = worker.counting(replace(base, datadir=tmp_path / "again"))
    async with running(app):
        assert await app.ownership.caught_up(["signals.v1"], range(4))
    assert await _states(cluster) == {key: {0} for key in KEYS}  # nothing was committed by the one that stopped
