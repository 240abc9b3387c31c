"""Which runs there are. A run is named by engine, kind and number; the number is also its seed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to the workers."""

    KEEP = "kill-keep"  # SIGKILL, the store stays
    WIPE = "kill-wipe"  # SIGKILL, the store is gone
    PAUSE = "pause"  # SIGSTOP for longer than the session, then SIGCONT
    BROKER = "broker"  # the broker is killed and comes back, workers are killed between
    STARTS = "starts"  # two workers started together on a fresh topic, several times
    FLUSH = "flush"  # the broker freezes for a moment and a worker is killed as it wakes


@dataclass(frozen=True, slots=True)
class Group:
    """How members of the consumer group live. ``static``: a stable instance id per worker, the product's way."""

    session: float
    heartbeat: float
    static: bool


PRODUCT = Group(20, 2, static=True)
SHORT = Group(6, 1, static=False)


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``work`` in milliseconds per event, ``pause`` and ``commit`` in seconds."""

    engine: str
    kind: Kind
    number: int
    group: Group = PRODUCT
    events: int = 16_000
    live: int = 4_000  # of them written while the workers run; the rest is a backlog
    keys: int = 500
    faults: int = 6
    pause: float = 0
    tries: int = 1
    work: tuple[float, float] = (0.5, 4.0)
    commit: float = 0.5
    padding: int = 0
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        left_out = f"-without-{'+'.join(self.without)}" if self.without else ""
        return f"{self.engine}-{self.kind}-{self.number}{left_out}"

    @property
    def seed(self) -> int:
        return zlib.crc32(f"{self.kind}-{self.number}".encode())


def _kills(engine: str, kind: Kind, number: int) -> Run:
    return Run(engine, kind, number, SHORT if number in (5, 6) else PRODUCT)


def _pauses(engine: str, number: int) -> Run:
    """Slower work, so that something is left for the one that wakes."""
    if number <= 2:
        return Run(engine, Kind.PAUSE, number, SHORT, faults=6, pause=9, work=(2, 10))
    return Run(engine, Kind.PAUSE, number, PRODUCT, faults=3, pause=24, work=(4, 16))


def _broker(engine: str, number: int) -> Run:
    return Run(engine, Kind.BROKER, number, faults=3, work=(1, 8))


def _starts(engine: str, number: int) -> Run:
    return Run(engine, Kind.STARTS, number, SHORT, events=3_000, live=0, faults=0, tries=5)


def faust_runs() -> list[Run]:
    """A few, to show what is mended."""
    return [
        _starts("faust", 1),
        _kills("faust", Kind.WIPE, 5),
        _pauses("faust", 1),
        _kills("faust", Kind.WIPE, 6),
    ]


def our_runs() -> list[Run]:
    """Twenty, the kinds mixed, so that a part of them says something too."""
    runs = [_starts("ours", 1), _broker("ours", 1)]
    for number in range(1, 7):
        runs += [_kills("ours", Kind.KEEP, number), _kills("ours", Kind.WIPE, number)]
        if number <= 4:
            runs.append(_pauses("ours", number))
        if number in (3, 5):
            runs.append(_starts("ours", (number + 1) // 2))
    return runs


def smoke_runs() -> list[Run]:
    """Under a minute: two kills, the store kept and wiped."""
    return [
        Run("ours", kind, 0, events=2_000, live=500, keys=50, faults=1, work=(0.5, 2))
        for kind in (Kind.KEEP, Kind.WIPE)
    ]
