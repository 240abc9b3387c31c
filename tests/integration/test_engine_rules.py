"""The engine's rules one by one, inside one process: each test fails when its rule is taken out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from faust.types import TP

from connector.errors import EngineStop
from connector.kafka import admin
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.partition import partition_of
from connector.kafka.producer import Producer
from connector.kafka.topics import BY_NAME
from streams.engine.app import Engine, EngineSettings, make_app, running
from streams.guard import Incoming, consume

SOURCE, OUTPUT, CHANGELOG = "signals.v1", "notifications.v1", "links.v1"
TOPICS = tuple(BY_NAME[name] for name in (SOURCE, OUTPUT, CHANGELOG, "deadletters.v1"))
KEY = b"connection-1/x"


@dataclass(slots=True)
class Gate:
    """An agent's event waits here while it is closed."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    passed: int = 0

    async def __call__(self) -> None:
        self.entered.set()
        await self.open.wait()
        self.passed += 1


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, TOPICS)
    yield cluster
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(topic.name) for topic in TOPICS])


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> EngineSettings:
    """Commits only when a test says so; what stops the engine is raised by ``running``."""
    return EngineSettings(
        cluster, tmp_path, session_seconds=20, commit_seconds=600, topics=TOPICS, on_stop=lambda error: None
    )  # fmt: skip


def _app(settings: EngineSettings, gate: Gate) -> Engine:
    app = make_app(settings)
    table = app.raw_table("links", CHANGELOG)

    async def count(incoming: Incoming) -> None:
        await gate()
        table.write(incoming.key, (table.read(incoming.key) or b"") + b".")
        await app.emit(OUTPUT, incoming.key, incoming.value)

    consume(app, Codec(), SOURCE, "count", count)
    return app


async def _feed(cluster: Cluster, count: int) -> None:
    async with Producer(cluster) as producer:
        waiting = [await producer.send_soon(SOURCE, KEY, b"%d" % number) for number in range(count)]
        await asyncio.gather(*waiting)


async def _until(done: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110  the engine works in other tasks and a thread
            await asyncio.sleep(0.02)


def _source(cluster: Cluster) -> TP:
    return TP(cluster.topic(SOURCE), partition_of(KEY, cluster.partitions))


async def _life(app: Engine, body: Callable[[], Awaitable[None]]) -> None:
    """Runs the engine until it ends by itself; half a minute at most."""
    async with running(app):
        await body()
        await asyncio.sleep(30)


async def _committed(settings: EngineSettings, tp: TP) -> int | None:
    """As the broker has it."""
    async with admin.admin_client(settings.cluster) as client:
        offsets = await client.list_consumer_group_offsets(f"{settings.cluster.prefix}{settings.group}")
    known = offsets.get(TopicPartition(*tp))
    return None if known is None or known.offset < 0 else int(known.offset)


async def test_a_record_that_was_left_out_ends_the_worker_and_nothing_is_committed_over_it(
    cluster: Cluster, settings: EngineSettings
) -> None:
    gate, tp = Gate(), _source(cluster)
    gate.open.set()
    app = _app(replace(settings, commit_seconds=0.05), gate)

    async def body() -> None:
        fetch, taken = app.consumer._thread._fetch, threading.Event()

        async def leaves_one_out(wanted: Mapping[Any, int]) -> Any:
            taken.set()
            records, positions = await fetch(wanted)
            return {
                place: [each for each in batch if place.topic != tp.topic or each.offset != 20]
                for place, batch in records.items()
            }, positions

        app.consumer._thread._fetch = leaves_one_out
        await _until(taken.is_set)  # the fetch that was under way is over
        await _feed(cluster, 30)

    with pytest.raises(EngineStop) as caught:
        await _life(app, body)
    assert caught.value.code == "hole"
    done = app.consumer.ledger.done(tp)
    assert done is not None
    assert done <= 20


async def test_queues_are_cleared_after_the_seek_and_before_anything_flows(
    cluster: Cluster, settings: EngineSettings
) -> None:
    gate = Gate()
    gate.open.set()
    app = _app(settings, gate)
    await _feed(cluster, 20)
    order: list[str] = []
    async with running(app):
        await _until(lambda: gate.passed == 20)
        consumer, flow = app.consumer, app.flow_control

        def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def noting(*args: Any) -> Any:
                order.append(name)
                return call(*args)

            return noting

        consumer.perform_seek = noted("seek", consumer.perform_seek)
        flow.resume = noted("clear", flow.resume)
        consumer.resume_flow = noted("flow", consumer.resume_flow)
        consumer.resume_partitions = noted("sources", consumer.resume_partitions)
        await app.tables.recovery._open(app.consumer_generation_id)
    assert order == ["seek", "clear", "flow", "sources"]


async def test_nothing_is_fetched_that_has_not_been_sought(cluster: Cluster, settings: EngineSettings) -> None:
    gate, tp = Gate(), _source(cluster)
    app = _app(settings, gate)
    await _feed(cluster, 5)
    async with running(app):
        await _until(lambda: app.consumer.ledger.expected(tp) == 5)
        app.consumer.ledger.clear()
        app.consumer._session += 1
        delivered: list[Any] = []
        app.consumer.callback = delivered.append
        await _feed(cluster, 5)
        assert await app.consumer._next_batch() is None
        assert delivered == []
        gate.open.set()


async def test_without_a_commit_a_seek_goes_back_to_the_earliest(cluster: Cluster, settings: EngineSettings) -> None:
    gate, tp = Gate(), _source(cluster)
    gate.open.set()
    app = _app(settings, gate)
    await _feed(cluster, 10)
    async with running(app):
        await _until(lambda: app.consumer.ledger.done(tp) == 10)
        assert await _committed(settings, tp) is None
        await app.consumer.perform_seek()
        await _until(lambda: gate.passed == 20)  # all of them again


async def test_a_commit_of_an_older_generation_changes_nothing(cluster: Cluster, settings: EngineSettings) -> None:
    gate, tp = Gate(), _source(cluster)
    gate.open.set()
    app = _app(settings, gate)
    await _feed(cluster, 10)
    async with running(app):
        await _until(lambda: app.consumer.ledger.done(tp) == 10)
        app.consumer_generation_id -= 1  # a commit that has waited since then for its flush
        assert not await app.consumer.force_commit()
        assert await _committed(settings, tp) is None
        app.consumer_generation_id += 1
        assert await app.consumer.force_commit()
        assert await _committed(settings, tp) == 10


async def test_no_partition_asked_for_is_none_fetched_and_what_was_not_delivered_comes_again(
    cluster: Cluster, settings: EngineSettings
) -> None:
    gate, tp = Gate(), _source(cluster)
    app = _app(settings, gate)
    async with running(app):
        await _until(app.ownership.partitions)
        thread, idle = app.consumer._thread, asyncio.Event()

        async def asks_nothing() -> None:
            idle.set()
            await asyncio.sleep(0.02)

        app.consumer._next_batch = asks_nothing  # the engine itself rests
        await idle.wait()
        await _feed(cluster, 10)
        records: Mapping[Any, Any] = {}
        async with asyncio.timeout(20):
            while not records:
                records, _ = await thread.fetch({tp: 0})
        await _feed(cluster, 10)
        for _ in range(5):
            assert await thread.fetch({}) == ({}, {})
        for offset in (3, 3, 0):
            records, _ = await thread.fetch({tp: offset})
            assert set(records) == {TopicPartition(*tp)}
            assert next(iter(records.values()))[0].offset == offset


async def test_offsets_wait_for_the_changelog(cluster: Cluster, settings: EngineSettings) -> None:
    """A table write that the producer does not take yet: Faust's flush gives up after 0.1 s and the commit follows."""
    gate, tp = Gate(), _source(cluster)
    gate.open.set()
    app = _app(settings, gate)
    order: list[str] = []
    async with running(app):
        changelog, thread = app.tables["links"].changelog_topic, app.consumer._thread
        publish, commit, held = changelog.publish_message, thread.commit_as, asyncio.Event()

        async def holds(*arguments: Any, **named: Any) -> Any:
            await held.wait()
            order.append("changelog")
            return await publish(*arguments, **named)

        async def commits(*arguments: Any) -> bool:
            order.append("commit")
            return bool(await commit(*arguments))

        changelog.publish_message, thread.commit_as = holds, commits
        await _feed(cluster, 3)
        await _until(lambda: app.consumer.ledger.done(tp) == 3)
        committing = asyncio.create_task(app.consumer.force_commit())
        await asyncio.wait([committing], timeout=0.5)
        held.set()
        await committing
        assert await _committed(settings, tp) == 3
    assert order == ["changelog", "changelog", "changelog", "commit"]


async def test_a_message_that_the_broker_refuses_ends_the_worker_before_a_commit(
    cluster: Cluster, settings: EngineSettings
) -> None:
    gate, tp = Gate(), _source(cluster)
    app = _app(replace(settings, commit_seconds=0.05), gate)
    await _feed(cluster, 1)

    async def body() -> None:
        await gate.entered.wait()
        async with admin.admin_client(cluster) as client:
            output = ConfigResource(
                ConfigResourceType.TOPIC, cluster.topic(OUTPUT), configs={"max.message.bytes": "40"}
            )
            await client.alter_configs([output])
        gate.open.set()

    with pytest.raises(EngineStop) as caught:
        await _life(app, body)
    assert caught.value.code == "send.failed"
    assert await _committed(settings, tp) is None


async def test_an_event_is_acknowledged_when_its_agent_is_done_with_it(
    cluster: Cluster, settings: EngineSettings
) -> None:
    gate, tp = Gate(), _source(cluster)
    app = _app(settings, gate)
    await _feed(cluster, 2)
    async with running(app):
        await gate.entered.wait()
        assert not await app.consumer.force_commit()
        assert app.consumer.ledger.done(tp) == 0
        gate.open.set()
        await _until(lambda: app.consumer.ledger.done(tp) == 2)
        assert await app.consumer.force_commit()


async def test_caught_up_is_processed_not_fetched(cluster: Cluster, settings: EngineSettings) -> None:
    gate, tp = Gate(), _source(cluster)
    app = _app(settings, gate)
    await _feed(cluster, 50)
    async with running(app):
        await gate.entered.wait()
        await _until(lambda: app.consumer.ledger.expected(tp) == 50)  # all of them fetched
        caught_up = asyncio.create_task(app.ownership.caught_up([SOURCE], [tp.partition]))
        await asyncio.wait([caught_up], timeout=0.3)
        assert not caught_up.done()
        gate.open.set()
        assert await caught_up
        assert gate.passed == 50


async def test_a_partition_that_commits_nothing_ends_the_worker(cluster: Cluster, settings: EngineSettings) -> None:
    app = _app(replace(settings, stall_seconds=1), Gate())  # its agent never comes to an end
    await _feed(cluster, 1)
    with pytest.raises(EngineStop) as caught:
        async with running(app):
            await asyncio.sleep(30)
    assert caught.value.code == "commit.stalled"


async def test_a_stale_heartbeat_stops_writes_sends_and_commits(cluster: Cluster, settings: EngineSettings) -> None:
    gate, tp = Gate(), _source(cluster)
    app = _app(settings, gate)
    await _feed(cluster, 1)

    async def body() -> None:
        await gate.entered.wait()
        real = app.fence._clock
        app.fence._clock = lambda: real() + 15  # the process slept; no heartbeat was accepted meanwhile
        assert app.ownership.partitions() == frozenset()
        with pytest.raises(EngineStop):
            await app.emit(OUTPUT, KEY, b"late")
        gate.open.set()

    with pytest.raises(EngineStop) as caught:
        await _life(app, body)
    assert caught.value.code == "heartbeat.stale"
    assert app.consumer.ledger.done(tp) in (0, None)


async def test_a_sleep_between_the_join_and_its_callback_counts(cluster: Cluster, settings: EngineSettings) -> None:
    gate = Gate()
    gate.open.set()
    app = _app(replace(settings, heartbeat_seconds=6), gate)
    real, asleep = app.fence._clock, [0.0]
    app.fence._clock = lambda: real() + asleep[0]
    await _feed(cluster, 1)
    assigned = app.consumer.on_partitions_assigned

    async def slept(*arguments: Any, **named: Any) -> None:
        asleep[0] = 15.0
        await assigned(*arguments, **named)

    app.consumer.on_partitions_assigned = slept

    async def body() -> None:
        await gate.entered.wait()

    with pytest.raises(EngineStop) as caught:
        await asyncio.wait_for(_life(app, body), 40)
    assert caught.value.code == "heartbeat.stale"
    assert gate.passed == 0
