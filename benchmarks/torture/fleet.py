"""Two worker processes under a supervisor: what ends is started again at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.torture.judge import Hit
from benchmarks.torture.worker import Orders

_BACK_OFF = (0.1, 0.5, 1.0, 2.0)
_SHORT_LIFE = 5.0


@dataclass(slots=True)
class Slot:
    """One worker's place: its orders, its disk, and its present process."""

    name: str
    orders: Orders
    log: Path
    process: asyncio.subprocess.Process | None = None
    lives: int = 0
    wipe: bool = False  # the disk is lost before the next life
    exits: list[str] = field(default_factory=list)  # what ended it that was not us
    asked: bool = False  # the present end is our doing

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    async def supervise(self) -> None:
        """Until cancelled."""
        quick = 0
        while True:
            if self.wipe:
                await asyncio.to_thread(shutil.rmtree, self.orders.datadir, ignore_errors=True)
                self.wipe = False
            began = time.monotonic()
            self.asked = False
            at = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "benchmarks.torture.worker", self.orders.encode(), stdout=log, stderr=log
                )
            self.lives += 1
            code = await self.process.wait()
            if self.asked:
                quick = 0
                continue
            self.exits.append(_reason(self.log, at, code))
            quick = quick + 1 if time.monotonic() - began < _SHORT_LIFE else 0
            await asyncio.sleep(_BACK_OFF[min(quick, len(_BACK_OFF) - 1)])

    def kill(self, *, wipe: bool = False) -> Hit | None:
        """SIGKILL; the supervisor starts it again."""
        if self.process is None or self.process.returncode is not None:
            return None
        self.asked, self.wipe = True, wipe
        hit = Hit(self.pid, time.time())
        self.process.kill()
        return hit

    def send(self, sign: signal.Signals) -> Hit | None:
        if self.process is None or self.process.returncode is not None:
            return None
        hit = Hit(self.pid, time.time())
        self.process.send_signal(sign)
        return hit


def _reason(log: Path, at: int, code: int) -> str:
    """The code of our own stop, else the exit status."""
    with log.open("rb") as file:
        file.seek(at)
        lines = file.read().decode("utf-8", "replace").splitlines()
    stops = [line for line in lines if line.startswith("worker stops:")]
    code_said = re.search(r"\[([a-z.-]+)\]$", stops[-1]) if stops else None
    return code_said[1] if code_said else f"exit {code}"


@asynccontextmanager
async def fleet(orders: Orders, folder: Path, *, static: bool) -> AsyncIterator[list[Slot]]:
    """Two slots, started together; both processes are gone afterwards."""
    slots = []
    for name in ("one", "two"):
        mine = replace(orders, datadir=str(folder / name), instance=name if static else None)
        slots.append(Slot(name, mine, folder / f"{name}.log"))
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    tasks = [asyncio.create_task(slot.supervise()) for slot in slots]
    try:
        yield slots
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for slot in slots:
            await _end(slot)


async def _end(slot: Slot) -> None:
    if slot.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(slot.process.pid, signal.SIGCONT)
            slot.process.kill()
        await slot.process.wait()
