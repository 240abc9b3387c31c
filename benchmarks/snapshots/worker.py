"""The worker from outside: memory and processor time while it runs, and how far its snapshot is."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connector.cli.snapshot import Row, snapshots
from connector.cli.stage import Stage
from connector.kafka.connection import Cluster

SAMPLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds since the start, MB resident, rows that the snapshot has read, and the worker's process."""

    at: float
    rss: float
    read: int
    phase: str
    pid: int


@dataclass(slots=True)
class Watcher:
    """Samples until it is cancelled. ``snapshot`` is the newest row of ``twinledger snapshot list``."""

    scene: Stage
    cluster: Cluster
    phase: Callable[[], str]
    samples: list[Sample] = field(default_factory=list)
    snapshot: Row | None = None
    began: float = field(default_factory=time.monotonic)
    restarts: int = 0  # of a worker that ended by itself: the product's supervisor does the same

    async def run(self) -> None:
        while True:
            await self.look()
            worker = self.scene.worker
            if worker is not None and worker.returncode is not None:
                self.restarts += 1
                (self.scene.config.parent / "data" / "web.port").unlink(missing_ok=True)
                await self.scene.start_connector()
            elif worker is not None:
                read = self.snapshot.read if self.snapshot is not None else 0
                rss = _memory(worker.pid)
                if rss:
                    now = time.monotonic() - self.began
                    self.samples.append(Sample(now, rss, read, self.phase(), worker.pid))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def look(self) -> Row | None:
        """Read how far it is."""
        rows = await snapshots(self.cluster)
        self.snapshot = rows[0] if rows else None
        return self.snapshot


def _memory(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:")), 0.0)


def cpu(pid: int) -> float:
    """Seconds of processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def growth(samples: Sequence[Sample]) -> float:
    """MB for each 100,000 rows read, by least squares over one process's samples; 0 where they are too few."""
    if len(samples) < 3:
        return 0.0
    mean_x = sum(one.read for one in samples) / len(samples)
    mean_y = sum(one.rss for one in samples) / len(samples)
    spread = sum((one.read - mean_x) ** 2 for one in samples)
    if not spread:
        return 0.0
    return 100_000 * sum((one.read - mean_x) * (one.rss - mean_y) for one in samples) / spread


def steps(samples: Sequence[Sample], number: int = 12) -> list[Sample]:
    """Every so-manieth sample, first and last among them."""
    if len(samples) <= number:
        return list(samples)
    return [samples[round(at * (len(samples) - 1) / (number - 1))] for at in range(number)]
