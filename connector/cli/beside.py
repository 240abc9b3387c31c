"""What runs beside a worker's engine: the web endpoints, the metrics, and the SQL projection."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from connector.cli.facts import facts
from connector.cli.hooks import webhooks
from connector.cli.measure import Measure, measure_reviews
from connector.core.identity import LinkId
from connector.core.link_state import Rules
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster
from connector.kafka.positions import PositionKind, read_positions
from connector.observe.metrics import Metrics
from connector.settings import Settings
from connector.web.app import build, serve
from streams.clock import clock
from streams.engine.app import Engine
from streams.genesis import MADE
from streams.project import keep_projecting
from streams.worker import Worker

LOOK_SECONDS = 0.25
ELECTS = 0  # the owner of this partition projects, so that one worker of the deployment does


@dataclass(slots=True)
class Beside:
    """``run(worker)`` until cancelled. ``port_file`` tells where the web endpoints listen."""

    settings: Settings
    cluster: Cluster
    codec: Codec
    port_file: Path

    async def run(self, worker: Worker) -> None:
        """Raises TwinledgerError."""
        metrics = Metrics()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve(worker, metrics), name="web")
            group.create_task(self._project(worker, metrics), name="project")
            group.create_task(Measure(worker, metrics).run(), name="measure")

    async def _serve(self, worker: Worker, metrics: Metrics) -> None:
        def listening(url: str) -> None:
            self.port_file.write_text(url.rpartition(":")[2], "utf-8")

        async with AsyncExitStack() as stack:
            more = await webhooks(stack, self.settings, self.cluster, self.codec)
            app = build(lambda: facts(worker, clock()), metrics, more)
            await serve(app, self.settings.web.host, self.settings.web.port, listening=listening)

    async def _project(self, worker: Worker, metrics: Metrics) -> None:
        """While the electing partition is ours."""
        while True:
            await self._until(worker, ours=True)
            async with asyncio.TaskGroup() as group:
                project = group.create_task(self._projects(worker, metrics))
                reviews = group.create_task(measure_reviews(metrics, self.settings.store_url))
                await self._until(worker, ours=False)
                project.cancel()
                reviews.cancel()
            metrics.reviews_open.clear()
            metrics.behind.set(0)

    async def _projects(self, worker: Worker, metrics: Metrics) -> None:
        lives = await self._lives()

        def rules(link: LinkId, version: str) -> Rules | None:
            known = worker.connections.get(link.connection)
            return known.rules(link.mapping, version, link.part) if known is not None else None

        url = self.settings.store_url
        await keep_projecting(self.cluster, self.codec, url, rules, ",".join(lives), behind=metrics.behind.set)

    async def _lives(self) -> list[str]:
        """The genesis of every connection, once all of them have been taken over by somebody."""
        while True:
            positions = (await read_positions(self.cluster, self.codec)).values()
            found = {p.connection: p.value.removesuffix(MADE) for p in positions if p.kind is PositionKind.GENESIS}
            if all(each.name in found for each in self.settings.connections):
                return sorted(found.values())
            await asyncio.sleep(LOOK_SECONDS * 4)

    async def _until(self, worker: Worker, *, ours: bool) -> None:
        while (worker.app is not None and worker.app.started and self._elected(worker.app)) is not ours:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)

    def _elected(self, app: Engine) -> bool:
        return ELECTS in app.ownership.partitions()
