"""The worker processes of a row: kept alive as ``twinledger run`` does, killed and frozen by their ids."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connector.core.party import NoAnswer
from connector.http import HttpClient

AGAIN_SECONDS = 0.3
END_SECONDS = 30


@dataclass(slots=True)
class Hand:
    """One worker, started again when it ends by itself. ``wanted`` False: it stays away."""

    name: str
    config: Path
    folder: Path
    http: HttpClient
    environment: Mapping[str, str]
    wanted: bool = True
    frozen: bool = False
    ends: int = 0
    process: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self.wanted:
            (self.folder / "web.port").unlink(missing_ok=True)
            with (self.folder.parent / f"{self.name}.log").open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "connector.cli.main", "worker", "--config", str(self.config),
                    "--instance", self.name, stdout=log, stderr=log, start_new_session=True,
                    env={**os.environ, **self.environment, "TWINLEDGER_DATA_DIR": str(self.folder)},
                )  # fmt: skip
            await self.process.wait()
            self.ends += 1
            await asyncio.sleep(AGAIN_SECONDS)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
        self.frozen = number is signal.SIGSTOP

    async def away(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; it stays away until ``start``."""
        self.wanted = False
        if self._task is None:
            return
        self.send(signal.SIGCONT)
        self.send(number)
        _, late = await asyncio.wait([self._task], timeout=END_SECONDS)
        if late:
            self.send(signal.SIGKILL)
            await self._task

    async def says(self) -> tuple[bool, tuple[str, ...]]:
        """What its readiness page says; not ready while it does not answer."""
        port = self.folder / "web.port"
        if self.frozen or not port.exists():
            return False, ("no answer",)
        try:
            address = f"http://127.0.0.1:{port.read_text('ascii')}/readyz"
            answer = await self.http.request("GET", address, seconds=2)
        except NoAnswer:
            return False, ("no answer",)
        said = json.loads(answer.body)
        return bool(said["ready"]), tuple(said["reasons"])


@dataclass(slots=True)
class Hands:
    """All workers of one deployment."""

    config: Path
    folder: Path
    http: HttpClient
    environment: Mapping[str, str]
    all: list[Hand] = field(default_factory=list)

    def hire(self) -> Hand:
        name = f"worker-{len(self.all)}"
        (self.folder / name).mkdir()
        hand = Hand(name, self.config, self.folder / name, self.http, self.environment)
        self.all.append(hand)
        hand.start()
        return hand

    async def say(self) -> tuple[bool, tuple[str, ...]]:
        """Ready when every worker that there should be says so, as a load balancer would see it."""
        said = [await hand.says() for hand in self.all]
        return all(ready for ready, _ in said), tuple(reason for _, reasons in said for reason in reasons)

    async def end(self) -> None:
        await asyncio.gather(*(hand.away() for hand in self.all))
