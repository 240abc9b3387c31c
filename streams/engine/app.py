"""Makes the engine: a Faust app with our transport, tables and rules, hosted in our own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
from yarl import URL

from connector.errors import EngineStop
from connector.kafka.admin import check_topics
from connector.kafka.connection import MESSAGE_MAX_BYTES, REQUEST_TIMEOUT_MS, Cluster
from connector.kafka.headers import Headers
from connector.kafka.partition import partitioner
from connector.kafka.producer import BATCH_BYTES
from connector.kafka.topics import TOPICS, Kept, Topic
from streams.engine.ownership import Ownership
from streams.engine.stop import Fence, Stop, exit_process
from streams.engine.tables import Rank, RawTable, TableManager
from streams.engine.versions import check_versions

_DENSE = (Kept.WEEK, Kept.AUDIT)  # topics that compaction leaves alone: a gap in their offsets is a loss
_STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """One worker. All workers of a deployment consume the same topics, or partitions of one number part ways."""

    cluster: Cluster
    datadir: Path
    group: str = "twinledger"
    instance: str | None = None  # stable per worker: a restart within the session then costs no rebalance
    session_seconds: float = 20.0
    heartbeat_seconds: float = 2.0
    commit_seconds: float = 0.5
    stall_seconds: float = 20.0
    topics: tuple[Topic, ...] = TOPICS
    on_stop: Callable[[EngineStop], None] = exit_process


class Engine(faust.App):  # type: ignore[misc]
    """A Faust app that knows its rules. Made by ``make_app``."""

    def __init__(self, engine: EngineSettings, **options: Any) -> None:
        self.engine = engine
        self.stop_signal = Stop(engine.on_stop)
        self.fence = Fence(engine.session_seconds, self.stop_signal)
        self.ownership = Ownership(self)
        self.learn: Callable[[], Awaitable[bool]] = _nothing_new
        self.buried: Counter[tuple[str, str]] = Counter()  # dead letters by connection as written, and stage
        self.dense_topics = frozenset(
            engine.cluster.topic(topic.name) for topic in engine.topics if topic.kept in _DENSE
        )
        super().__init__(f"{engine.cluster.prefix}{engine.group}", **options)

    def raw_topic(self, name: str, **options: Any) -> Any:
        """A registered topic (named without the prefix) as Faust's, raw bytes both ways: no value fails to decode."""
        return self.topic(
            self.engine.cluster.topic(name),
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            partitions=self.engine.cluster.partitions,
            allow_empty=True,
            **options,
        )

    def raw_table(self, name: str, changelog: str, rank: Rank | None = None) -> RawTable:
        """A table on a registered changelog topic. ``rank`` lets recovery keep the highest value, not the last."""
        table = RawTable(
            self,
            name=name,
            changelog_topic=self.raw_topic(changelog, acks=False, internal=True),
            partitions=self.engine.cluster.partitions,
            rank=rank,
            beacon=self.beacon,
        )
        added: RawTable = self.tables.add(table)
        return added

    async def emit(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> None:
        """Sends an agent's output: acknowledged before the offset of the agent's event is committed."""
        await self.producer.send(self.engine.cluster.topic(topic), key, value, None, None, [*headers])

    def account(self, message: Any, outcome: str) -> None:
        """Writes down what became of a message, before it is acknowledged. ``outcome`` is one of a few words."""
        self.consumer.accounts.outcome(message.tp, message.offset, outcome)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Starts a loop in an empty context: Faust hides the current event in a context variable."""
        return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


async def _nothing_new() -> bool:
    """Whether there are schemas that were not known before."""
    return False


def make_app(settings: EngineSettings) -> Engine:
    """The engine of one worker; agents and tables are added to it before ``running``.

    Raises ConfigurationError (``engine.version``, ``engine.not-compiled``). Call it inside the loop that will run it.
    """
    check_versions()
    cluster = settings.cluster
    settings.datadir.mkdir(parents=True, exist_ok=True)
    return Engine(
        settings,
        broker=[URL(f"twinledger://{server.strip()}") for server in cluster.bootstrap.split(",")],
        broker_credentials=_credentials(cluster),
        broker_session_timeout=settings.session_seconds,
        broker_heartbeat_interval=settings.heartbeat_seconds,
        broker_request_timeout=max(REQUEST_TIMEOUT_MS / 1000, settings.session_seconds),
        broker_commit_interval=settings.commit_seconds,
        consumer_group_instance_id=settings.instance,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MESSAGE_MAX_BYTES,
        producer_partitioner=partitioner,
        producer_max_request_size=MESSAGE_MAX_BYTES,
        producer_linger=0.005,
        producer_max_batch_size=BATCH_BYTES,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=cluster.partitions,
        topic_replication_factor=cluster.replication,
        store="rocksdb://",
        datadir=str(settings.datadir),
        TableManager=TableManager,
        web_enabled=False,
        autodiscover=False,
        table_standby_replicas=0,
    )


def _credentials(cluster: Cluster) -> Any:
    security = cluster.security
    if security.sasl:
        return faust.SASLCredentials(
            username=security.username,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=security.context(),
        )
    return faust.SSLCredentials(context=security.context()) if security.tls else None


@asynccontextmanager
async def running(app: Engine) -> AsyncIterator[Engine]:
    """Hosts the app in this loop. The body is cancelled when the engine fails, and the reason is raised.

    Raises ConfigurationError (``topics.differ``) before anything is consumed, EngineStop when the engine ended.
    """
    await check_topics(app.engine.cluster, app.engine.topics)
    body = asyncio.current_task()

    def interrupt(failed: asyncio.Task[EngineStop]) -> None:
        if body is not None and not failed.cancelled():
            body.cancel()

    failed = asyncio.create_task(_failure(app))
    failed.add_done_callback(interrupt)
    try:
        await app.start()
        yield app
    except asyncio.CancelledError:
        if failed.done() and not failed.cancelled():
            raise failed.result() from None
        raise
    finally:
        failed.cancel()
        await _stop(app)


async def _failure(app: Engine) -> EngineStop:
    """Returns when the engine has crashed or has been told to stop."""
    while app.stop_signal.reason is None and not app.crashed:  # noqa: ASYNC110  set from other threads too
        await asyncio.sleep(0.05)
    with contextlib.suppress(EngineStop):
        app.stop_signal(EngineStop("engine.crashed", f"The engine ended: {app.crash_reason!r}."))
    return app.stop_signal.reason or EngineStop("engine.crashed", "The engine ended.")


async def _stop(app: Engine) -> None:
    """In order when all is well; a worker with a reason to stop writes nothing more."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await app.stop()
    except (EngineStop, TimeoutError) as error:
        app.log.warning("the engine did not stop in order: %s", error)
