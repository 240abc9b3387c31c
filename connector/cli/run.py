"""``twinledger run``: the supervisor. Starts workers, starts them again with a back-off, ends them on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from connector.observe.logs import configure
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
    folder: str = ""  # of the first worker; the others have folders of their own in it
    store: str = ""  # the one that all of them share
    host: str = field(default_factory=socket.gethostname)
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
        failures = lives = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            code = await self._life(number)
            if self.stopping.is_set():
                return
            if code in FINAL:
                _log.error("worker ended for good", extra={"worker": number, "exit_code": code})
                self.exit_code = code
                self.stopping.set()
                return
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            wait = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            lives += 1
            said = {"worker": number, "exit_code": code, "lives": lives, "again_in_seconds": wait}
            _log.warning("worker ended", extra=said)
            await self._rest(wait)

    async def _life(self, number: int) -> int:
        """One worker process from start to end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connector.cli.main", "worker", "--config", str(self.config),
            "--instance", f"{self.host}-{number}", start_new_session=True, env={**os.environ, **self.told(number)},
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
        if not number:
            return {}
        told = {"DATA_DIR": str(Path(self.folder) / f"worker-{number}"), "STORE": self.store}
        if self.port:
            told["WEB__PORT"] = str(self.port + number)
        return {PREFIX + name: value for name, value in told.items()}

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return


def main(config: Path, *, workers: int = 1) -> int:
    """Supervise until told to end; gives the exit code. Raises ConfigurationError."""
    settings = load(config)
    configure(settings.log_level)
    told = (settings.web.port, settings.data_dir, settings.store_url)
    return asyncio.run(Supervisor(config, workers, *told).run())
