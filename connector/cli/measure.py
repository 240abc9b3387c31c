"""What a worker knows of itself, into its metrics, once a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from connector.cli.facts import sources
from connector.core.records import Side
from connector.errors import Unavailable
from connector.observe.metrics import Metrics
from connector.store.projection import Projection
from streams.clock import clock
from streams.engine.app import Engine
from streams.owned import Owned
from streams.worker import Worker

MEASURE_SECONDS = 1.0
REVIEW_SECONDS = 5.0
MOST_REVIEWS = 10_000


@dataclass(slots=True)
class Measure:
    """``run()`` until cancelled."""

    worker: Worker
    metrics: Metrics
    known: set[str] = field(default_factory=set)  # connections that have gauges

    async def run(self) -> None:
        while True:
            self.look(clock())
            await asyncio.sleep(MEASURE_SECONDS)

    def look(self, now: datetime) -> None:
        """Everything once."""
        worker, metrics = self.worker, self.metrics
        for name in self.known - set(worker.owned):
            metrics.forget(name)
        self.known = set(worker.owned)
        for name, connection in worker.connections.items():
            _count(metrics, name, connection.tally)
            while connection.took:
                side, seconds = connection.took.popleft()
                metrics.call_seconds.labels(name, side.value).observe(seconds)
        for name, owned in worker.owned.items():
            _gauges(metrics, name, owned, now)
        if worker.owning is not None:
            for outcome, number in _emptied(worker.owning.leases.tally):
                metrics.lease_renewals.labels(outcome).inc(number)
        if worker.app is not None and worker.app.started:
            self._accounts(worker.app)

    def _accounts(self, app: Engine) -> None:
        metrics, prefix = self.metrics, app.engine.cluster.prefix
        for (name, stage), number in _emptied(app.buried):
            known = name if name in self.worker.connections else "unknown"  # a key may say anything
            metrics.dead_letters.labels(known, stage).inc(number)
        accounts = app.consumer.accounts
        for (topic, outcome), number in _emptied(accounts.tally):
            metrics.messages.labels(topic.removeprefix(prefix), outcome).inc(number)
        metrics.messages_waiting.clear()
        metrics.messages_unaccounted.clear()
        for tp, figures, waiting in accounts.all():
            place = (tp.topic.removeprefix(prefix), str(tp.partition))
            metrics.messages_waiting.labels(*place).set(waiting)
            metrics.messages_unaccounted.labels(*place).set(figures.unaccounted)


async def measure_reviews(metrics: Metrics, url: str) -> None:
    """Count the open reviews of all connections until cancelled: beside the one worker that projects."""
    while True:
        try:
            async with await Projection.open(url, create=False) as projection:
                while True:
                    reviews = await projection.reviews(limit=MOST_REVIEWS)
                    found = Counter((each.connection, each.mapping or "-") for each in reviews)
                    metrics.reviews_open.clear()
                    for place, number in found.items():
                        metrics.reviews_open.labels(*place).set(number)
                    await asyncio.sleep(REVIEW_SECONDS)
        except Unavailable:
            await asyncio.sleep(REVIEW_SECONDS)


def _gauges(metrics: Metrics, name: str, owned: Owned, now: datetime) -> None:
    connection = owned.connection
    metrics.links_ready.labels(name).set(len(connection.ready))
    metrics.links_busy.labels(name).set(connection.ready.busy)
    metrics.mappings_braked.labels(name).set(len(owned.brake.braked))
    for side in Side:
        waiting = sum(1 for read in owned.reads.open.values() if read.side is side)
        metrics.reads_open.labels(name, side.value).set(waiting)
        now_ms = int(now.timestamp() * 1000)
        pause = max(party.pause(now_ms=now_ms) for party in connection.parties(side))
        metrics.api_pause.labels(name, side.value).set(pause / 1000)
    for source in sources(owned, now):
        if source.heard is not None:
            metrics.staleness.labels(name, source.side, source.name).set(source.heard.total_seconds())

    for polls in owned.polls.values():
        for listed, seconds in polls.pace.every.items():
            metrics.poll_interval.labels(name, Side.XERO.value, polls.named(listed)).set(seconds)
    _day(metrics, name, owned, now)


def _day(metrics: Metrics, name: str, owned: Owned, now: datetime) -> None:
    """What the org's API calls of 24 hours went to, and how often its polled objects are asked."""
    day, now_ms, side = owned.source.party.day, int(now.timestamp() * 1000), Side.SALESFORCE.value
    if day.limit is not None:
        metrics.day_limit.labels(name, side).set(day.limit)
        metrics.day_left.labels(name, side).set(day.left)
        for kind, number in day.table(now_ms).items():
            metrics.day_calls.labels(name, side, kind).set(number)
    polls = owned.listening.polls if owned.listening is not None else None
    for entity, seconds in polls.pace.every.items() if polls is not None else ():
        metrics.poll_interval.labels(name, side, entity).set(seconds)


def _count(metrics: Metrics, connection: str, tally: Counter[tuple[str, ...]]) -> None:
    """Move what was done since the last look into the metrics."""
    meters = {
        "records": metrics.records_taken, "events": metrics.events_folded, "calls": metrics.calls,
        "writes": metrics.writes, "dead letters": metrics.dead_letters, "polls": metrics.poll_calls,
        "poll bytes": metrics.poll_bytes, "poll changes": metrics.poll_changes,
        "reconnects": metrics.reconnects,
    }  # fmt: skip
    for (kind, *labels), number in _emptied(tally):
        meters[kind].labels(connection, *labels).inc(number)


_Key = TypeVar("_Key")


def _emptied(tally: Counter[_Key]) -> Iterator[tuple[_Key, int]]:
    found = list(tally.items())
    tally.clear()
    yield from found
