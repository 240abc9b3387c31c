"""One run: a broker of its own, a backlog, two workers, faults, and the verdict on what stands in Kafka at the end."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.torture.faults import Done, Tormentor
from benchmarks.torture.fleet import Slot, fleet
from benchmarks.torture.judge import fail_overs, judge
from benchmarks.torture.plan import Kind, Run
from benchmarks.torture.reading import Progress, committed, feed, gather_evidence
from benchmarks.torture.state import PARTITIONS, changelog_of, key_of
from benchmarks.torture.worker import TOPICS, Orders
from connector.kafka import admin
from connector.kafka.connection import embedded_cluster
from connector.kafka.embedded import EmbeddedKafka

STALL_SECONDS = 60.0
_GIVE_UP_SECONDS = 900
_LIVE_PER_SECOND = 100.0
_BROKER = {"log.cleaner.enable": "false"}  # the judge reads every changelog record there ever was


@dataclass(slots=True)
class Told:
    """What was seen while a run went on."""

    stalls: int = 0
    longest_idle: float = 0.0
    ended: bool = False
    committed: dict[int, int] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)  # the machine's, sampled: fail-over times hang on it


def events_of(run: Run) -> Iterator[tuple[bytes, int]]:
    """Key by key, number by number: the numbers of a key stand in order."""
    for index in range(run.events):
        yield key_of(index % run.keys), index // run.keys


async def carry_out(run: Run, folder: Path) -> dict[str, Any]:
    """The result line of a run."""
    began = time.monotonic()
    started = datetime.now(UTC)
    async with EmbeddedKafka(folder / "kafka", settings=_BROKER) as kafka:
        lines = [await _try(run, kafka, f"t{number}.", folder / f"try-{number}") for number in range(run.tries)]
    result = _sum(lines)
    row: dict[str, Any] = {
        "run": run.name,
        "engine": run.engine,
        "kind": run.kind.value,
        "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
    }
    row |= {"session": run.group.session, "static": run.group.static, "tries": run.tries, **result}
    return row | {"seconds": round(time.monotonic() - began)}


async def _try(run: Run, kafka: EmbeddedKafka, prefix: str, folder: Path) -> dict[str, Any]:
    await _make_topics(run, kafka.bootstrap, prefix)
    events = list(events_of(run))
    backlog = len(events) - run.live
    await feed(kafka.bootstrap, prefix, events[:backlog])
    orders = Orders(
        run.engine, kafka.bootstrap, prefix, "", None, run.group.session, run.group.heartbeat, run.commit, run.work,
        run.padding, run.without,
    )  # fmt: skip
    told, progress = Told(), Progress()
    async with (
        progress.following(kafka.bootstrap, prefix),
        fleet(orders, folder, static=run.group.static) as slots,
    ):
        tormentor = Tormentor(run, slots, kafka, progress)
        live = asyncio.create_task(feed(kafka.bootstrap, prefix, events[backlog:], _LIVE_PER_SECOND))
        faults = asyncio.create_task(tormentor.work())
        try:
            await _watch(run, kafka.bootstrap, prefix, progress, tormentor.done, told, slots, live)
        finally:
            for task in (faults, live):
                task.cancel()
            ends = await asyncio.gather(faults, live, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return await _judged(run, kafka, prefix, told, tormentor.done, slots)


async def _make_topics(run: Run, bootstrap: str, prefix: str) -> None:
    cluster = embedded_cluster(bootstrap, prefix)
    await admin.apply(cluster, TOPICS)
    if run.engine == "faust":
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await client.start()
        try:
            name = changelog_of(run.engine, prefix)
            await client.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs={"cleanup.policy": "compact"})])
        finally:
            await client.close()


async def _watch(
    run: Run, bootstrap: str, prefix: str, progress: Progress, done: Done, told: Told, slots: list[Slot],
    live: asyncio.Task[None],
) -> None:  # fmt: skip
    """Until everything is committed, or nothing moves any more. A stall of 60 s counts, then both are started again."""
    state: object = None
    moved = time.monotonic()
    deadline = moved + _GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        told.loads.append(os.getloadavg()[0])
        offsets = await committed(bootstrap, prefix)
        if offsets is not None:
            told.committed = dict(offsets)
        now = (len(progress.seen), tuple(sorted(told.committed.items())))
        if now != state:
            state, moved = now, time.monotonic()
        idle = time.monotonic() - moved
        # Where events were lost the outputs never come as far as the next fault.
        finished = live.done() and sum(told.committed.values()) >= run.events
        if finished and (done.over or idle > STALL_SECONDS / 2):
            told.ended = True
            await asyncio.sleep(1)
            return
        told.longest_idle = max(told.longest_idle, idle)
        if idle > STALL_SECONDS:
            told.stalls += 1
            moved = time.monotonic()
            if run.kind is Kind.STARTS or told.stalls > 3:
                return
            for slot in slots:
                slot.kill()


async def _judged(
    run: Run, kafka: EmbeddedKafka, prefix: str, told: Told, done: Done, slots: list[Slot]
) -> dict[str, Any]:
    evidence = await gather_evidence(kafka.bootstrap, prefix, changelog_of(run.engine, prefix), told.committed)
    verdict = judge(evidence, highest=run.engine == "ours")
    exits = Counter(reason.split(":")[0] for slot in slots for reason in slot.exits)
    return {
        **asdict(verdict),
        "ended": told.ended, "stalls": told.stalls, "longest_idle": round(told.longest_idle, 1), "kills": done.kills,
        "pauses": done.pauses, "broker": done.broker, "exits": dict(exits),
        "fail_overs": fail_overs(evidence.outputs, done.hits), "load": round(statistics.mean(told.loads), 1),
    }  # fmt: skip


def _sum(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The tries of a run as one: counts added, the longest idle kept."""
    total: dict[str, Any] = {}
    for line in lines:
        for name, value in line.items():
            had = total.get(name)
            if had is None:
                total[name] = value
            elif name in ("longest_idle", "load"):
                total[name] = max(had, value)
            elif isinstance(value, bool):
                total[name] = had and value
            elif isinstance(value, dict):
                total[name] = dict(Counter(had) + Counter(value))
            else:
                total[name] = had + value
    return total


def failed(row: dict[str, Any]) -> bool:
    """Whether a run shows what must not be."""
    return not row["ended"] or any(row[name] for name in ("lost", "unprocessed", "table_lost", "stalls"))
