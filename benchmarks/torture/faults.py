"""What is done to the workers in a run, when the outputs have come far enough. Random by the run's seed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.torture.fleet import Slot
from benchmarks.torture.judge import Hit
from benchmarks.torture.plan import Kind, Run
from benchmarks.torture.reading import Progress
from connector.kafka.embedded import EmbeddedKafka

_AGAIN = 0.3  # share of kills that hit the same worker once more while it starts
_BROKER_AWAY = 4.0
_FROZEN = 1.5


@dataclass(slots=True)
class Done:
    """What was done so far."""

    hits: list[Hit] = field(default_factory=list)
    kills: int = 0
    pauses: int = 0
    broker: int = 0
    over: bool = False


@dataclass(slots=True)
class Tormentor:
    """Works through the faults of one run."""

    run: Run
    slots: list[Slot]
    kafka: EmbeddedKafka
    progress: Progress
    done: Done = field(default_factory=Done)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.run.seed)

    async def work(self) -> None:
        """Until all faults are done."""
        faults = {
            Kind.KEEP: self._kill, Kind.WIPE: self._kill, Kind.PAUSE: self._pause, Kind.BROKER: self._broker,
            Kind.FLUSH: self._flush,
        }  # fmt: skip
        for number in range(self.run.faults):
            await self._reached(round(self.run.events * (number + 0.5) / (self.run.faults + 1)))
            await asyncio.sleep(self.random.uniform(0, 1))
            await faults[self.run.kind]()
        self.done.over = True

    async def _reached(self, outputs: int) -> None:
        while len(self.progress.seen) < outputs:  # noqa: ASYNC110  other processes write them
            await asyncio.sleep(0.05)

    def _victim(self) -> Slot:
        """One that owns something, if any does: killing an idle one shows little."""
        owners = set(self.progress.owners.values())
        busy = [slot for slot in self.slots if slot.pid in owners]
        return self.random.choice(busy or self.slots)

    async def _kill(self) -> None:
        victim = self._victim()
        self._hit(lambda: victim.kill(wipe=self.run.kind is Kind.WIPE))
        if self.random.random() < _AGAIN:
            await asyncio.sleep(self.random.uniform(1, 4))
            self._hit(lambda: victim.kill(wipe=self.run.kind is Kind.WIPE))

    def _hit(self, strike: Callable[[], Hit | None]) -> None:
        hit = strike()
        if hit is not None:
            self.done.hits.append(hit)
            self.done.kills += 1

    async def _pause(self) -> None:
        victim = self._victim()
        hit = victim.send(signal.SIGSTOP)
        if hit is None:
            return
        self.done.hits.append(hit)
        await asyncio.sleep(self.run.pause)
        if victim.pid == hit.pid:
            victim.send(signal.SIGCONT)
        self.done.pauses += 1
        await asyncio.sleep(self.random.uniform(2, 5))

    async def _broker(self) -> None:
        """The broker goes and comes; then a worker, so that recovery reads what the broker kept."""
        await self.kafka.kill()
        await asyncio.sleep(_BROKER_AWAY)
        await self.kafka.start()
        self.done.broker += 1
        before = len(self.progress.seen)
        await self._reached(min(before + 500, self.run.events))
        await self._kill()

    async def _flush(self) -> None:
        self.kafka.freeze()
        await asyncio.sleep(_FROZEN)
        self.kafka.thaw()
        await asyncio.sleep(self.random.uniform(0, 0.06))
        await self._kill()
