"""One worker process: the engine with its agents, and the loops of the connections whose partitions it owns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from connector.core.catalog import Catalog
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Record, Side
from connector.errors import EngineStop, TwinledgerError
from connector.http import HttpClient
from connector.kafka.admin import check_topics
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.lease import last_epochs
from connector.kafka.partition import partition_of
from connector.kafka.producer import Producer
from connector.settings import ConnectionSettings, Settings
from connector.xero.avro import TOPICS as ACCOUNTING_TOPICS
from connector.xero.rest import XeroParty
from streams.clock import clock, now_ms, refuse_elsewhere
from streams.configuration import Follower, write_entry
from streams.connection import Connection, Numbers
from streams.engine.app import Engine, EngineSettings, make_app, running
from streams.guard import consume
from streams.hops import EVENTS, HINTS, RECORDS, Hops, Outbox
from streams.hydrate import Hydrate, Reads
from streams.notices import Notices
from streams.owned import Owned
from streams.parties import SalesforceSource, identify, salesforce, sides, xero
from streams.plan import Plan
from streams.settle import Settle
from streams.tables import LinkTable, ParentTable, ReadTable, Tables, TargetTable, rank_by

SIGNALS = "signals.v1"


def new_id() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class Worker:
    """The composition root of a worker. ``run`` returns when the process is told to end."""

    settings: Settings
    instance: str = ""
    connections: dict[str, Connection] = field(default_factory=dict)
    sources: dict[str, SalesforceSource] = field(default_factory=dict)
    companies: dict[str, XeroParty] = field(default_factory=dict)
    reads: dict[str, Reads] = field(default_factory=dict)
    owned: dict[str, Owned] = field(default_factory=dict)
    notices: Notices | None = None
    app: Engine | None = None

    async def run(self, beside: Callable[[Worker], Awaitable[None]] | None = None) -> None:
        """Run until cancelled; ``beside`` (web server, projector) runs with it. Raises TwinledgerError."""
        cluster, codec = cluster_of(self.settings.kafka), Codec()
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(HttpClient(connections=50))
            producer = await stack.enter_async_context(Producer(cluster))
            outbox = Outbox(codec, producer.send, clock)
            self.notices = Notices(codec, producer.send, new_id, clock)
            await check_topics(cluster)
            epochs = await last_epochs(cluster, codec)
            for each in self.settings.connections:
                await self._connect(each, http, cluster, epochs)
            follower = Follower(cluster, codec, self.connections, self._catalogs, self.notices.refused, {})
            await follower.refresh()
            app = self._engine(cluster)
            tables = self._tables(app, codec)
            self._agents(app, codec, tables, follower, producer)
            await stack.enter_async_context(running(app))
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.run(), name="configuration")
                failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                owning = self._own(app, cluster, producer, tables, outbox, follower, failed)
                group.create_task(owning, name="ownership")
                group.create_task(_as_coroutine(failed), name="loops")
                if beside is not None:
                    group.create_task(_as_coroutine(beside(self)), name="beside")

    def caught_up(self) -> bool:
        """Whether every connection of ours has been taken over."""
        return bool(self.owned) and all(owned.connection.caught_up for owned in self.owned.values())

    async def _connect(
        self, settings: ConnectionSettings, http: HttpClient, cluster: Cluster, epochs: Mapping[int, int]
    ) -> None:
        """Sign in to both sides and check who they are, before anything else.

        Until the lease is claimed the next epoch is counted with: what is folded meanwhile must outrank what stands.
        """
        tenant = settings.xero[0]
        refuse_elsewhere([settings.salesforce.url, tenant.api_url, tenant.token_url])
        source = salesforce(http, settings.salesforce, now_ms)
        company = xero(http, settings.xero[0], now_ms)
        org, organisation = await source.party.organisation(), await company.organisation()
        await identify(settings, org, organisation)
        source.party.organisation_id = org.id
        self.sources[settings.name] = source
        self.companies[settings.name] = company
        self.reads[settings.name] = Reads()
        partition = partition_of(settings.name.encode() + b"/", cluster.partitions)
        self.connections[settings.name] = Connection(
            settings, source.party, company, org.id, settings.xero[0].tenant, clock, partition,
            numbers=Numbers(epochs.get(partition, 0) + 1),
        )  # fmt: skip

    async def _catalogs(self, connection: Connection, rule: Rule) -> Mapping[Side, Catalog]:
        return sides(await self.sources[connection.name].catalog([rule.read_plan(Side.SALESFORCE)]))

    def _engine(self, cluster: Cluster) -> Engine:
        engine = EngineSettings(
            cluster, Path(self.settings.data_dir) / "tables", self.settings.group, self.instance or None
        )
        self.app = make_app(engine)
        return self.app

    def _tables(self, app: Engine, codec: Codec) -> Tables:
        return Tables(
            LinkTable(app.raw_table("links", "links.v1", rank_by(codec, "links", "ordinal")), codec),
            TargetTable(app.raw_table("targets", "targets.v1"), codec),
            ReadTable(app.raw_table("reads", "reads.v1", rank_by(codec, "reads", "counter")), codec),
            ParentTable(app.raw_table("parents", "parents.v1"), codec),
        )

    def _agents(self, app: Engine, codec: Codec, tables: Tables, follower: Follower, producer: Producer) -> None:
        async def put(topic: str, key: bytes, value: bytes) -> int:
            await app.emit(topic, key, value)
            return -1  # acknowledged before the event that caused it is committed

        async def pause(connection: Connection, mapping: str, paused: bool) -> None:
            entry = follower.entry(connection.name, mapping)
            if entry is not None:
                await write_entry(producer, codec, replace(entry, paused=paused))

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

    async def _own(
        self, app: Engine, cluster: Cluster, producer: Producer, tables: Tables, outbox: Outbox, follower: Follower,
        failed: asyncio.Future[None],
    ) -> None:  # fmt: skip
        """Start the loops of what we own, end the loops of what we lost, and all of them at the end."""
        loops: dict[str, asyncio.Task[None]] = {}
        try:
            async for partitions in app.ownership.changes():
                for name, connection in self.connections.items():
                    mine = connection.partition in partitions
                    if mine and name not in loops:
                        owned = self._owned(app, cluster, producer, tables, outbox, follower, connection)
                        self.owned[name] = owned
                        loops[name] = app.spawn(owned.run(), name=f"loops of {name}")
                        loops[name].add_done_callback(lambda task: _report(app, task, failed))
                    elif not mine and name in loops:
                        self.owned.pop(name, None)
                        await _ended([loops.pop(name)])
        finally:
            await _ended(loops.values())

    def _owned(
        self, app: Engine, cluster: Cluster, producer: Producer, tables: Tables, outbox: Outbox, follower: Follower,
        connection: Connection,
    ) -> Owned:  # fmt: skip
        if self.notices is None:
            raise RuntimeError("the worker has not been started")
        source = self.sources[connection.name]
        company = self.companies[connection.name]
        return Owned(
            app, cluster, producer, tables, connection, source, company, self.reads[connection.name], outbox,
            follower, self.notices, f"{socket.gethostname()}:{os.getpid()}", new_id,
        )  # fmt: skip


async def _ended(loops: Iterable[asyncio.Task[None]]) -> None:
    """Cancel and wait: nothing of them may outlive the producer that they use."""
    tasks = list(loops)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _report(app: Engine, task: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    """A connection's loops ended by themselves: this process cannot go on for it (crash-only).

    What a restart heals ends the process at once; what a person must mend ends the worker in order, with its own words.
    """
    error = None if task.cancelled() else task.exception()
    if error is None:
        return
    reason = _first(error)
    if isinstance(reason, TwinledgerError) and not isinstance(reason, EngineStop):
        if not failed.done():
            failed.set_exception(reason)
        return
    with contextlib.suppress(EngineStop):  # it is raised again for callers inside the engine
        app.stop_signal(reason if isinstance(reason, EngineStop) else _broken(task.get_name(), reason))


def _broken(name: str, error: BaseException) -> EngineStop:
    return EngineStop("loop.failed", f"{name}: {error!r}.", remedy="The supervisor starts it again; report this.")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _record(outbox: Outbox) -> Callable[[Connection, Record], Awaitable[None]]:
    async def emit(connection: Connection, record: Record) -> None:
        await outbox.record(connection, record)

    return emit


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
