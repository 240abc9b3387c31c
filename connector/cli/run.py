"""``twinledger run``: the supervisor. Starts workers, starts them again with a back-off, ends them on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from connector.settings import PREFIX, load

BACKOFF_SECONDS = (0.5, 1, 2, 5, 10, 30)
STEADY_SECONDS = 60.0
END_SECONDS = 30.0
FINAL = (65, 77, 78)  # a configuration, a mapping, credentials: starting again would not mend it
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Supervisor:
    """Keeps ``count`` worker processes alive. A reason to end that a restart cannot mend ends the run."""

    config: Path
    count: int = 1
    port: int = 0  # of the first worker's web endpoints; the others take the next ones, and 0 a free one each
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = 0

    async def run(self) -> int:
        """Until SIGTERM, SIGINT or a final failure; gives the exit code."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self.stopping.set)
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._keep(number))
        return self.exit_code

    async def _keep(self, number: int) -> None:
        failures = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            code = await self._life(number)
            if self.stopping.is_set():
                return
            if code in FINAL:
                self.exit_code = code
                self.stopping.set()
                return
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            wait = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            _log.warning("worker ended", extra={"worker": number, "exit_code": code, "again_in_seconds": wait})
            await self._rest(wait)

    async def _life(self, number: int) -> int:
        """One worker process from start to end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connector.cli.main", "worker", "--config", str(self.config),
            "--instance", f"worker-{number}", start_new_session=True, env={**os.environ, **self.told(number)},
        )  # fmt: skip
        ended = asyncio.ensure_future(process.wait())
        stopped = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await asyncio.shield(ended)
            except TimeoutError:
                process.kill()
        return await ended

    def told(self, number: int) -> dict[str, str]:
        """What one worker is told apart from the configuration that all of them share."""
        return {f"{PREFIX}WEB__PORT": str(self.port + number)} if self.port and number else {}

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return


def main(config: Path, *, workers: int = 1) -> int:
    """Supervise until told to end; gives the exit code."""
    return asyncio.run(Supervisor(config, workers, load(config).web.port).run())
