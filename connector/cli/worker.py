"""``twinledger worker``: one worker process. ``twinledger run`` starts it and starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from connector.cli.beside import Beside
from connector.errors import EngineStop, TwinledgerError
from connector.kafka.codec import Codec
from connector.kafka.connection import cluster_of
from connector.observe.logs import configure
from connector.settings import Settings, load
from streams.engine.stop import exit_process
from streams.pulse import watched
from streams.worker import Worker

PORT_FILE = "web.port"
END_SECONDS = 8.0  # after a drain of 20 s; the supervisor kills what has not ended after 30 s


async def work(settings: Settings, *, instance: str = "") -> None:
    """Run a worker with its web endpoints and its projection until SIGTERM. Raises TwinledgerError."""
    worker = Worker(settings, instance)
    beside = Beside(settings, cluster_of(settings.kafka), Codec(), Path(settings.data_dir) / PORT_FILE)
    task = asyncio.ensure_future(_run(worker, beside))
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    ending = asyncio.ensure_future(_end(worker, told, task))
    with watched(asyncio.get_running_loop(), exit_process), contextlib.suppress(asyncio.CancelledError):
        try:
            await task
        finally:
            ending.cancel()


async def _end(
    worker: Worker, told: asyncio.Event, task: asyncio.Future[None], act: Callable[[EngineStop], None] = exit_process,
    seconds: float = END_SECONDS,
) -> None:  # fmt: skip
    """When told to end: first what is on its way, then everything in order, and at once when that takes too long."""
    await told.wait()
    await worker.drain()
    task.cancel()
    await asyncio.sleep(seconds)
    names = ", ".join(sorted(each.get_name() for each in asyncio.all_tasks()))
    act(EngineStop("worker.slow-end", f"Told to end, this worker did not within {seconds:g} s. Still there: {names}."))


async def _run(worker: Worker, beside: Beside) -> None:
    try:
        await worker.run(beside.run)
    except BaseExceptionGroup as group:
        raise first_of(group) from group


def first_of(error: BaseException) -> BaseException:
    """The reason of a task group's end: an error that a reader can act on where there is one."""
    while isinstance(error, BaseExceptionGroup):
        known = [each for each in error.exceptions if isinstance(each, TwinledgerError | BaseExceptionGroup)]
        error = (known or list(error.exceptions))[0]
    return error


def main(config: Path, *, instance: str = "") -> None:
    """One worker's life. Raises TwinledgerError."""
    settings = load(config)
    secrets = [
        secret.get_secret_value()
        for connection in settings.connections
        for secret in (connection.salesforce.client_secret, connection.salesforce.private_key)
    ]
    secrets += [tenant.client_secret.get_secret_value() for each in settings.connections for tenant in each.xero]
    secrets += [settings.kafka.password.get_secret_value()] if settings.kafka.password else []
    Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
    configure(settings.log_level, secrets=secrets)
    asyncio.run(work(settings, instance=instance))
