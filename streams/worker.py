"""One worker process: the engine with its agents, and the loops of the connections whose partitions it owns."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from connector.core.catalog import Catalog
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Record, Side
from connector.errors import TryAgain
from connector.http import HttpClient
from connector.kafka.admin import check_topics
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.headers import Headers
from connector.kafka.partition import partition_of
from connector.kafka.producer import Producer
from connector.kafka.schema_topic import Learner, publish_schemas
from connector.settings import ConnectionSettings, Settings
from connector.store.tokens import grants_of
from connector.xero.avro import TOPICS as ACCOUNTING_TOPICS
from connector.xero.calls import Apps
from connector.xero.rest import XeroParty
from streams.clock import clock, machine_clock, now_ms, refuse_elsewhere
from streams.configuration import Follower, write_entry
from streams.connection import Connection
from streams.engine.app import Engine, EngineSettings, make_app, running
from streams.guard import consume
from streams.hops import EVENTS, HINTS, RECORDS, SIGNALS, Hops, Outbox
from streams.hydrate import Hydrate, Reads
from streams.leases import Leases
from streams.notices import Notices
from streams.owned import Owned
from streams.owning import Owning
from streams.parties import SalesforceSource, corporate_currency, identify, salesforce, xero
from streams.plan import Plan
from streams.protocol import state_protocol
from streams.settle import Settle
from streams.tables import LinkTable, ParentTable, ReadTable, Tables, TargetTable, rank_by

DRAIN_SECONDS, DRAIN_LOOK_SECONDS = 20, 0.05  # less than the supervisor waits before it kills
WAIT_LOOK_SECONDS = 0.5
TIMES_KEPT = 10_000  # of API calls, between two looks of the metrics
_log = logging.getLogger(__name__)


def new_id() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class Worker:
    """The composition root of a worker. ``run`` returns when the process is told to end."""

    settings: Settings
    instance: str = ""
    connections: dict[str, Connection] = field(default_factory=dict)
    sources: dict[str, SalesforceSource] = field(default_factory=dict)
    companies: dict[str, dict[str, XeroParty]] = field(default_factory=dict)  # by connection and tenant
    apps: Apps = field(default_factory=Apps)
    reads: dict[str, Reads] = field(default_factory=dict)
    owned: dict[str, Owned] = field(default_factory=dict)
    notices: Notices | None = None
    app: Engine | None = None
    owning: Owning | None = None
    draining: bool = False

    async def run(self, beside: Callable[[Worker], Awaitable[None]] | None = None) -> None:
        """Run until cancelled; ``beside`` (web server, projector) runs with it. Raises TwinledgerError."""
        cluster, codec = cluster_of(self.settings.kafka), Codec()
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(HttpClient(connections=50))
            producer = await stack.enter_async_context(Producer(cluster))
            outbox = Outbox(codec, producer.send, clock)
            notices = self.notices = Notices(codec, producer.send, new_id, clock)
            await check_topics(cluster)
            await publish_schemas(cluster, codec, producer, clock())
            await state_protocol(cluster, codec, producer, clock())
            for each in self.settings.connections:
                await self._connected(each, http, cluster)
            follower = Follower(cluster, codec, self.connections, self._catalogs, notices.refused, notices.fits)
            await follower.refresh()
            app = self._engine(cluster)
            tables = self._tables(app, codec)
            self._agents(app, codec, tables, follower, producer)
            app.learn = Learner(cluster, codec)
            owning = self.owning = self._owning(app, cluster, producer, tables, outbox, follower, notices)
            await stack.enter_async_context(running(app))
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.run(), name="configuration")
                group.create_task(owning.run(), name="ownership")
                group.create_task(_as_coroutine(owning.failed), name="loops")
                if beside is not None:
                    group.create_task(_as_coroutine(beside(self)), name="beside")

    async def drain(self) -> None:
        """Begin nothing more, and wait until what is under way has been reported, at most DRAIN_SECONDS."""
        self.draining = True
        for connection in self.connections.values():
            connection.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while any(each.ready.under_way for each in self.connections.values()):  # noqa: ASYNC110  of several
                    await asyncio.sleep(DRAIN_LOOK_SECONDS)

    def caught_up(self) -> bool:
        """Whether every connection of ours has been taken over."""
        return bool(self.owned) and all(owned.connection.caught_up for owned in self.owned.values())

    async def _connected(self, settings: ConnectionSettings, http: HttpClient, cluster: Cluster) -> None:
        """A side that says when to come back (its calls of the day are spent) is waited for here: a life after life of
        this process would knock at it twice a minute."""
        while True:
            try:
                return await self._connect(settings, http, cluster)
            except TryAgain as error:
                said = {"connection": settings.name, "code": error.code, "reason": error.message}
                _log.warning("start waits", extra={**said, "seconds": error.retry_after})
                end = clock() + timedelta(seconds=max(error.retry_after, 1))
                while clock() < end:  # noqa: ASYNC110  a clock has no event
                    await asyncio.sleep(WAIT_LOOK_SECONDS)

    async def _connect(self, settings: ConnectionSettings, http: HttpClient, cluster: Cluster) -> None:
        """Sign in to both sides and check who they are, before anything else."""
        refuse_elsewhere([settings.salesforce.url, *(u for one in settings.xero for u in (one.api_url, one.token_url))])
        took: deque[tuple[Side, float]] = deque(maxlen=TIMES_KEPT)
        timed = {side: http.watched(_noting(took, side)) for side in Side}
        source = salesforce(
            timed[Side.SALESFORCE], settings.salesforce, now_ms, grants_of(self.settings), settings.name
        )
        grants = grants_of(self.settings)

        def mapped() -> tuple[str, ...]:
            known = self.connections.get(settings.name)
            return known.touched(Side.XERO) if known is not None else ()

        companies = {
            one.tenant: xero(timed[Side.XERO], one, now_ms, grants, settings.name, mapped, self.apps)
            for one in settings.xero
        }
        org = await source.party.organisation()
        found = {tenant: await each.organisation() for tenant, each in companies.items()}
        identify(settings, org, found)
        corporate = await corporate_currency(settings, source.party)
        source.party.organisation_id = org.id
        self.sources[settings.name] = source
        self.companies[settings.name] = companies
        self.reads[settings.name] = Reads()
        partition = partition_of(settings.name.encode() + b"/", cluster.partitions)
        connection = self.connections[settings.name] = Connection(
            settings, source.party, companies[settings.xero[0].tenant], org.id, settings.xero[0].tenant, clock,
            partition, took=took, tenants=dict(companies),
            corporate=corporate, short_codes={tenant: each.short_code for tenant, each in found.items()},
        )  # fmt: skip
        source.reopened = lambda: connection.tally.update({("reconnects", Side.SALESFORCE.value): 1})

    async def _catalogs(self, connection: Connection, rule: Rule, fresh: bool) -> Mapping[Side, Catalog]:
        return await self.sources[connection.name].both(rule, fresh=fresh)

    def _engine(self, cluster: Cluster) -> Engine:
        engine = EngineSettings(
            cluster, Path(self.settings.data_dir) / "tables" / (self.instance or "worker"), self.settings.group,
            self.instance or None,
        )  # fmt: skip
        self.app = make_app(engine)
        return self.app

    def _tables(self, app: Engine, codec: Codec) -> Tables:
        return Tables(
            LinkTable(app.raw_table("links", "links.v1", rank_by(codec, "links", "ordinal")), codec),
            TargetTable(app.raw_table("targets", "targets.v1", rank_by(codec, "targets", "ordinal")), codec),
            ReadTable(app.raw_table("reads", "reads.v1", rank_by(codec, "reads", "counter")), codec),
            ParentTable(app.raw_table("parents", "parents.v1", rank_by(codec, "parents", "counter")), codec),
        )

    def _agents(self, app: Engine, codec: Codec, tables: Tables, follower: Follower, producer: Producer) -> None:
        async def put(topic: str, key: bytes, value: bytes, headers: Headers) -> int:
            await app.emit(topic, key, value, headers)
            return -1  # acknowledged before the event that caused it is committed

        async def pause(connection: Connection, mapping: str, paused: bool) -> None:
            write = partial(write_entry, producer, codec)
            await follower.change(connection.name, mapping, lambda entry: replace(entry, paused=paused), write)

        agents = Outbox(codec, put, clock)
        hops = Hops(
            codec, self.connections, self.reads, Hydrate(tables, _record(agents)), Plan(tables, agents.link_event),
            Settle(tables, agents.link_event, agents.ask), pause,
        )  # fmt: skip
        consume(app, codec, HINTS, "hydrate", hops.on_hint)
        for topic in (RECORDS, *ACCOUNTING_TOPICS):
            consume(app, codec, topic, "plan", hops.on_record)
        consume(app, codec, EVENTS, "settle", hops.on_link_event)
        consume(app, codec, SIGNALS, "signals", hops.on_signal)

    def _owning(
        self, app: Engine, cluster: Cluster, producer: Producer, tables: Tables, outbox: Outbox, follower: Follower,
        notices: Notices,
    ) -> Owning:  # fmt: skip
        """Claims leases before events flow, and runs the loops of what we own."""
        leases = Leases(cluster, outbox.codec, f"{socket.gethostname()}:{os.getpid()}", machine_clock)

        def make(connection: Connection) -> Owned:
            name = connection.name
            return Owned(
                app, cluster, producer, leases, tables, connection, self.sources[name], self.companies[name],
                self.reads[name], outbox, follower, notices, new_id,
            )  # fmt: skip

        def forget(name: str) -> None:
            self.reads[name] = Reads()

        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        owning = Owning(app, self.connections, leases, make, forget, failed, running=self.owned)
        app.ownership.before_open = owning.prepare
        return owning


def _noting(took: deque[tuple[Side, float]], side: Side) -> Callable[[float], None]:
    return lambda seconds: took.append((side, seconds))


def _record(outbox: Outbox) -> Callable[[Connection, Record], Awaitable[None]]:
    async def emit(connection: Connection, record: Record) -> None:
        await outbox.record(connection, record)

    return emit


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
