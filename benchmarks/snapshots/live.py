"""The live changes beside a snapshot: edits at a rate, each with the phase it fell into, and when it was in Xero."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load import Commit, End, commits, last

COLLECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the commit of an edit in one simulator to the commit of our write in the other."""

    phase: str
    edits: int
    p50: int
    p99: int
    worst: int
    lost: int


@dataclass(slots=True)
class Live:
    """Runs until it is stopped. ``pairs`` maps each account to its contact; every edit has a number of its own."""

    source: End
    target: End
    pairs: Mapping[str, str]
    per_second: float
    phase: str = "warm"
    edits: list[Commit] = field(default_factory=list)
    writes: list[Commit] = field(default_factory=list)
    phases: dict[int, str] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    _marks: list[int] = field(default_factory=lambda: [0, 0])
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stopping: bool = False

    async def start(self) -> None:
        self._marks = [await last(self.source.actor), await last(self.target.actor)]
        self._tasks = [asyncio.create_task(self._edit()), asyncio.create_task(self._collect())]

    async def _edit(self) -> None:
        """One edit every 1/``per_second`` seconds by the clock, whatever the other ones take."""
        loop, ids, number = asyncio.get_running_loop(), list(self.pairs), 0
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                await asyncio.sleep(max(0.0, began + number / self.per_second - loop.time()))
                number += 1
                self.phases[number] = self.phase
                group.create_task(
                    self._one(ids[number % len(ids)], number)
                )  # an edit that the simulator takes late is late for people, not for us

    async def _one(self, account: str, number: int) -> None:
        await self.source.actor.edit(self.source.entity, self.source.fields(number), account)

    async def _collect(self) -> None:
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            await self.collect()

    async def collect(self) -> None:
        """Take in both logs: they keep so many entries only."""
        for place, (end, log, origin) in enumerate(
            ((self.source, self.edits, "ui"), (self.target, self.writes, "api"))
        ):
            found = await commits(end, self._marks[place])
            self._marks[place] = max([self._marks[place], *(one.n for one in found)])
            log.extend(one for one in found if one.origin == origin)

    async def stop(self) -> None:
        """No more edits. Those that were made go on to Xero."""
        self._stopping = True
        await self._tasks[0]

    async def arrived(self, seconds: float) -> bool:
        """Whether every account's newest edit stands in Xero within a time."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self.collect()
            if not self.missing():
                break
            await asyncio.sleep(0.5)
        self._tasks[1].cancel()
        await asyncio.gather(self._tasks[1], return_exceptions=True)
        return not self.missing()

    def missing(self) -> int:
        """Accounts whose newest edit has not arrived."""
        newest = {self.pairs[one.id]: one.number for one in self.edits}
        seen: dict[str, int] = {}
        for one in self.writes:
            seen[one.id] = max(one.number, seen.get(one.id, 0))
        return sum(seen.get(target, 0) < number for target, number in newest.items())


def latencies(live: Live, phases: Sequence[str]) -> list[Latency]:
    """One row a phase. An edit counts to the phase in which it was made, and is answered by the first write that is not
    older."""
    by_target: dict[str, list[Commit]] = {}
    for write in live.writes:
        by_target.setdefault(write.id, []).append(write)
    took: dict[str, list[int]] = {phase: [] for phase in phases}
    lost: Counter[str] = Counter()
    at: Counter[str] = Counter()  # edits of one account come in order, and so do the writes that answer them
    for edit in live.edits:
        target, phase = live.pairs[edit.id], live.phases[edit.number]
        writes = by_target.get(target, [])
        while at[target] < len(writes) and writes[at[target]].number < edit.number:
            at[target] += 1
        if at[target] == len(writes):
            lost[phase] += 1
        elif phase in took:
            took[phase].append(round((writes[at[target]].at - edit.at).total_seconds() * 1000))
    return [_row(phase, sorted(took[phase]), lost[phase]) for phase in phases if took[phase] or lost[phase]]


def _row(phase: str, ordered: Sequence[int], lost: int) -> Latency:
    def percentile(part: float) -> int:
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0

    return Latency(phase, len(ordered) + lost, percentile(0.5), percentile(0.99), max(ordered, default=0), lost)


def as_rows(found: Sequence[Latency]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {"phase": one.phase, "edits": one.edits, "p50_ms": one.p50, "p99_ms": one.p99, "max_ms": one.worst,
         "lost": one.lost} for one in found
    ]  # fmt: skip
