"""The worker processes: started, started again when they end, killed, frozen. Their supervisor is in the harness so
that it knows their process ids; it does what ``twinledger run`` does, with a shorter back-off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
STEADY_SECONDS = 15.0
END_SECONDS = 40.0
_CODE = re.compile(r"\[([a-z-]+\.?[a-z.-]+)\]\s*$")


@dataclass(slots=True)
class Hand:
    """One worker and its log."""

    name: str
    log: Path
    process: asyncio.subprocess.Process | None = None
    hold: float = 0.0  # seconds to stay away after the next end
    frozen: bool = False

    def signal(self, number: signal.Signals) -> bool:
        if self.process is None or self.process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
            return True
        return False


@dataclass(slots=True)
class Crew:
    """``async with Crew(...)``: all workers are kept alive until the block ends."""

    config: Path
    control: Path
    environment: Mapping[str, str]
    session: float
    without: tuple[str, ...] = ()
    count: int = 2
    hands: list[Hand] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    pids: dict[int, str] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Crew:
        for _ in range(self.count):
            self.hire()
        return self

    def hire(self) -> None:
        """One more worker."""
        name = f"worker-{len(self.hands)}"
        self.hands.append(Hand(name, self.control.parent / f"{name}.log"))
        self._tasks.append(asyncio.create_task(self._keep(self.hands[-1])))

    async def __aexit__(self, *_why: object) -> None:
        self._stopping.set()
        for hand in self.hands:
            hand.signal(signal.SIGCONT)
            hand.signal(signal.SIGTERM)
        _, late = await asyncio.wait(self._tasks, timeout=END_SECONDS)
        for hand in self.hands:
            hand.signal(signal.SIGKILL)
        for task in late:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep(self, hand: Hand) -> None:
        failures, loop = 0, asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            await self._life(hand)
            failures = 0 if loop.time() - began > STEADY_SECONDS else failures + 1
            wait = max(hand.hold, BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            hand.hold = 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _life(self, hand: Hand) -> None:
        more = [word for guard in self.without for word in ("--without", guard)]
        with hand.log.open("ab") as log:
            hand.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.faults.worker", "--config", str(self.config),
                "--instance", hand.name, "--control", str(self.control), "--session", str(self.session), *more,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environment},
                start_new_session=True,
            )  # fmt: skip
        self.pids[hand.process.pid] = hand.name
        code = await hand.process.wait()
        hand.frozen = False
        self.ends[_named(code, hand.log)] += 1


def _named(code: int, log: Path) -> str:
    """How a worker ended: by which signal, or for which reason of its own."""
    if code < 0:
        return signal.Signals(-code).name
    if code == 0:
        return "in order"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        lines = file.read().decode("utf-8", "replace").splitlines()
    found = (_CODE.search(line) for line in reversed(lines) if line.startswith("worker "))
    return next((match.group(1) for match in found if match), f"exit {code}")
