"""Which connections' loops run in this worker: started, held back in a rebalance, gone on with, closed.

A partition that is lost holds its loops back for 20 s before they are closed: a rebalance takes everything away and
gives most of it back, and a change stream that is kept open needs no new handshake. They go on only if nobody else
claimed the lease meanwhile; else everything that this worker believes of the connection is stale and made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.errors import EngineStop, TwinledgerError
from streams.connection import Connection, Numbers
from streams.engine.app import Engine
from streams.leases import Leases
from streams.owned import Owned

PAUSE_SECONDS = 20.0
LOOK_SECONDS = 0.5
CLAIMS_AT_ONCE = 8
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Owning:
    """``prepare`` is called by the engine before the events of an assignment flow, ``run`` does the rest."""

    app: Engine
    connections: Mapping[str, Connection]
    leases: Leases
    make: Callable[[Connection], Owned]
    forget: Callable[[str], None]
    failed: asyncio.Future[None]
    pause_seconds: float = PAUSE_SECONDS
    running: dict[str, Owned] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)  # since when, by the engine's clock
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _returns: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def prepare(self, partitions: frozenset[int]) -> None:
        """Claim what has connections, before anything of it is processed. Raises LeaseLost, EngineStop."""
        async with self._one:
            mine = [each for each in self.connections.values() if each.partition in partitions]
            for connection in mine:
                connection.caught_up = False
            gate = asyncio.Semaphore(CLAIMS_AT_ONCE)
            await asyncio.gather(*(self._claim(number, gate) for number in sorted({each.partition for each in mine})))
            for connection in mine:
                await self._begin(connection)

    async def _claim(self, partition: int, gate: asyncio.Semaphore) -> None:
        async with gate:
            await self.leases.claim(partition)

    async def _begin(self, connection: Connection) -> None:
        """Keep what we know of a connection if nobody else had it since, forget it if somebody may have."""
        owned = self.running.get(connection.name)
        known = owned is not None and owned.taken and owned.since == self.leases.since(connection.partition)
        if not known:
            await self._close([connection.name])
            connection.forget()
            self.forget(connection.name)
        connection.numbers = Numbers(self.leases.epoch(connection.partition))

    async def run(self) -> None:
        """Until cancelled; closes everything then."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._expire(), name="expire")
                async for partitions in self.app.ownership.changes():
                    async with self._one:
                        await self._changed(partitions)
        finally:
            await self._close(list(self._tasks))
            await self.leases.close()

    async def _changed(self, partitions: frozenset[int]) -> None:
        lost = []
        for name, connection in self.connections.items():
            owned = self.running.get(name)
            if connection.partition in partitions:
                self._have(name, connection, owned)
            elif owned is not None and not self._pause(name, owned):
                lost.append(name)
        await self._close(lost)

    def _have(self, name: str, connection: Connection, owned: Owned | None) -> None:
        if owned is None:
            owned = self.running[name] = self.make(connection)
            owned.since = self.leases.since(connection.partition)
            self._tasks[name] = self._spawn(owned.run(), f"loops of {name}")
        elif owned.taken and not owned.gate.is_open:
            since = self.paused.pop(name, self.app.fence.now())
            seconds = round(self.app.fence.now() - since, 1)
            _log.info("loops go on", extra={"connection": name, "paused_seconds": seconds})
            self._cancel_return(name)
            self._returns[name] = self._spawn(owned.go_on(), f"return of {name}")

    def _pause(self, name: str, owned: Owned) -> bool:
        """False for what has nothing to keep: its loops have not begun."""
        self._cancel_return(name)
        if owned.taken and name not in self.paused:
            _log.info("loops are held back", extra={"connection": name, "seconds": self.pause_seconds})
            self.paused[name] = self.app.fence.now()
            owned.pause()
        return owned.taken

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self.pause_seconds))
            async with self._one:
                now = self.app.fence.now()
                over = [name for name, since in self.paused.items() if now - since >= self.pause_seconds]
                for name in over:
                    _log.info("loops are closed", extra={"connection": name})
                await self._close(over)
                for partition in {self.connections[name].partition for name in over}:
                    await self.leases.drop(partition)

    async def _close(self, names: Iterable[str]) -> None:
        """Cancel and wait: nothing of them may outlive the producer that they use."""
        tasks = []
        for name in list(names):
            self._cancel_return(name)
            self.paused.pop(name, None)
            owned = self.running.pop(name, None)
            if owned is not None:
                owned.pause()
            if (task := self._tasks.pop(name, None)) is not None:
                task.cancel()
                tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel_return(self, name: str) -> None:
        task = self._returns.pop(name, None)
        if task is not None:
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.app.spawn(work, name=name)
        task.add_done_callback(self._report)
        return task

    def _report(self, task: asyncio.Task[None]) -> None:
        """A connection's loops ended by themselves: this process cannot go on for it (crash-only).

        What a restart heals ends the process at once; what a person must mend ends the worker in order, with its own
        words.
        """
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        reason = _first(error)
        if isinstance(reason, TwinledgerError) and not isinstance(reason, EngineStop):
            if not self.failed.done():
                self.failed.set_exception(reason)
            return
        with contextlib.suppress(EngineStop):  # it is raised again for callers inside the engine
            self.app.stop_signal(reason if isinstance(reason, EngineStop) else _broken(task.get_name(), reason))


def _broken(name: str, error: BaseException) -> EngineStop:
    return EngineStop("loop.failed", f"{name}: {error!r}.", remedy="The supervisor starts it again; report this.")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
