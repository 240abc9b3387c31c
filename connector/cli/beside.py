"""What runs beside a worker's engine: the web endpoints and the SQL projection."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from connector.core.link_state import Rules
from connector.core.planning import Gate
from connector.core.records import Side
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster
from connector.kafka.positions import PositionKind, read_positions
from connector.observe.health import Facts, Source, Stop
from connector.observe.metrics import Metrics
from connector.settings import Settings
from connector.web.app import build, serve
from streams.capture import COLD_TIMES
from streams.clock import clock
from streams.genesis import MADE
from streams.owned import Owned
from streams.project import keep_projecting
from streams.worker import Worker

MEASURE_SECONDS = 1.0
STREAM_SILENCE = timedelta(seconds=150)  # Salesforce answers a poll after 110 s at the latest


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
            group.create_task(self._project(worker), name="project")
            group.create_task(self._measure(worker, metrics), name="measure")

    async def _serve(self, worker: Worker, metrics: Metrics) -> None:
        def listening(url: str) -> None:
            self.port_file.write_text(url.rpartition(":")[2], "utf-8")

        app = build(lambda: facts(worker, clock()), metrics)
        await serve(app, self.settings.web.host, self.settings.web.port, listening=listening)

    async def _project(self, worker: Worker) -> None:
        """Starts once this worker's connections have caught up: the genesis is known then."""
        while not worker.caught_up():  # noqa: ASYNC110  of several connections, in any order
            await asyncio.sleep(MEASURE_SECONDS / 4)
        positions = await read_positions(self.cluster, self.codec)
        lives = sorted(p.value.removesuffix(MADE) for p in positions.values() if p.kind is PositionKind.GENESIS)

        def rules(connection: str, mapping: str) -> Rules | None:
            known = worker.connections.get(connection)
            return known.rules(mapping) if known is not None else None

        await keep_projecting(self.cluster, self.codec, self.settings.store_url, rules, ",".join(lives))

    async def _measure(self, worker: Worker, metrics: Metrics) -> None:
        while True:
            now = clock()
            for name, owned in worker.owned.items():
                connection = owned.connection
                _count(metrics, name, connection.tally)
                metrics.links_ready.labels(name).set(len(connection.ready))
                metrics.links_busy.labels(name).set(connection.ready.busy)
                metrics.mappings_braked.labels(name).set(len(owned.brake.braked))
                for side in Side:
                    waiting = sum(1 for read in owned.reads.open.values() if read.side is side)
                    metrics.reads_open.labels(name, side.value).set(waiting)
                    pause = connection.party(side).pause(now_ms=int(now.timestamp() * 1000))
                    metrics.api_pause.labels(name, side.value).set(pause / 1000)
                for source in _sources(owned, now):
                    if source.heard is not None:
                        seconds = source.heard.total_seconds()
                        metrics.staleness.labels(name, source.side, source.name).set(seconds)
            await asyncio.sleep(MEASURE_SECONDS)


def _count(metrics: Metrics, connection: str, tally: Counter[tuple[str, ...]]) -> None:
    """Move what was done since the last look into the metrics."""
    meters = {
        "records": metrics.records_taken, "events": metrics.events_folded, "calls": metrics.calls,
        "writes": metrics.writes, "dead letters": metrics.dead_letters, "polls": metrics.poll_calls,
    }  # fmt: skip
    for (kind, *labels), number in tally.items():
        meters[kind].labels(connection, *labels).inc(number)
    tally.clear()


def facts(worker: Worker, now: datetime) -> Facts:
    """What the worker knows of itself at this moment."""
    app = worker.app
    owned = app.ownership.partitions() if app is not None else frozenset()
    mine = [o for o in worker.owned.values() if o.connection.partition in owned]
    notices = worker.notices.troubles if worker.notices is not None else {}
    return Facts(
        started=app is not None and app.started,
        heartbeat=None if app is None or app.fence.age is None else timedelta(seconds=app.fence.age),
        assigned=bool(owned),
        catching_up=tuple(sorted({o.connection.partition for o in mine if not o.connection.caught_up})),
        sources=tuple(source for o in mine for source in _sources(o, now)),
        wrong=tuple(stop for o in mine for stop in _wrong(o, now, red=True)),
        unreadable=tuple(Stop(name.split(" ")[0], text) for name, text in notices.items() if " read " in name),
        notes=tuple(note for o in mine for note in _notes(o, now)),
    )


def _sources(owned: Owned, now: datetime) -> Iterator[Source]:
    """The stream must answer its polls, each polled object and list must have answered within three rounds."""
    name, listening = owned.connection.name, owned.listening
    if listening is not None and listening.watch.streams() and not listening.watch.resting:
        stream = owned.source.now
        silent = stream.silent_for if stream is not None else None
        heard = None if silent is None else timedelta(seconds=silent)
        yield Source(name, "salesforce", "stream", heard, STREAM_SILENCE)
    polled = max(3 * timedelta(seconds=owned.connection.settings.salesforce.poll_seconds), timedelta(seconds=60))
    for one in listening.watch.followed() if listening is not None else ():
        if listening is not None and listening.watch.polls(one):
            at = owned.heard.at.get(f"salesforce poll {one.entity}")
            yield Source(name, "salesforce", f"poll {one.entity}", None if at is None else now - at, polled)
    limit = timedelta(seconds=max(3 * COLD_TIMES * owned.xero_poll_seconds, 60))
    for source, at in owned.heard.at.items():
        if source.startswith("xero "):
            yield Source(name, "xero", source.removeprefix("xero "), now - at, limit)


def _wrong(owned: Owned, now: datetime, *, red: bool) -> Iterator[Stop]:
    """What the watch over Salesforce's stream has found."""
    listening = owned.listening
    if listening is not None and owned.connection.caught_up:
        for code, what, unready in listening.wrong(now):
            if unready is red:
                yield Stop(owned.connection.name, what, code)


def _notes(owned: Owned, now: datetime) -> Iterator[str]:
    for stop in _wrong(owned, now, red=False):
        yield f"{stop.connection}: {stop.what} [{stop.code}]"
    for mapping, limit in owned.brake.braked.items():
        yield f"{owned.connection.name}: mapping {mapping} waits for a person: over {limit}"
    for name, applied in owned.connection.applied.items():
        if applied.gate is Gate.SNAPSHOT:
            yield f"{owned.connection.name}: mapping {name} takes its snapshot"
        elif applied.gate is Gate.CLOSED:
            yield f"{owned.connection.name}: mapping {name} is held: it does not fit the objects as they are now"
