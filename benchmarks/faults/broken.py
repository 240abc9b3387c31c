"""Guards taken out of a benchmark's worker, to show what they are for. The product has no such switch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from connector.core import planning, sending
from connector.core.party import Answer, NoAnswer, Request
from connector.core.records import Side
from streams import lookup, ready, settle, write
from streams.clock import machine_clock
from streams.connection import Connection
from streams.owned import Owned


def _no_barrier() -> None:
    """The loops start without waiting until settle has processed the end of the link events."""

    async def settled(_self: Owned, _partition: int) -> bool:
        return True

    put(Owned, "_settled", settled)


def _no_lease() -> None:
    """Nobody asks the broker whether a newer owner has started."""
    made = Owned._writer

    async def renew() -> datetime:
        return machine_clock()

    def writer(self: Owned, *more: Any) -> write.WriteLoop:
        loop = made(self, *more)
        loop.renew = renew
        return loop

    put(Owned, "_writer", writer)


def _no_deadline() -> None:
    """A call is sent however late it has become."""

    async def send(self: write._Attempt, request: Request) -> Answer | None:
        loop, connection = self.loop, self.loop.connection
        await loop.announce(connection, self._announcement(request.body, connection.clock()))
        await loop.renew()
        try:
            return await loop.party.send(request, seconds=60)
        except NoAnswer:
            return None

    put(write._Attempt, "_send", send)


def _no_twin_rule() -> None:
    """A record without a link is born at once: it does not wait for births under way, no mark of ours is looked at,
    nobody is looked for. (With the wait alone left in, Salesforce's upsert by our mark still joins the two.)"""
    put(planning, "_marked", lambda *_: None)
    put(planning, "_match_criteria", lambda *_: {})
    put(settle.Settle, "_claimed", lambda _self, _connection, _link, event, _rules: event)

    async def join(_self: settle.Settle, _connection: Connection, _link: object, _rules: object) -> None:
        return None

    put(settle.Settle, "_join_twin", join)
    put(ready.Ready, "jobs", _jobs)


def _jobs(self: ready.Ready, side: Side) -> Iterator[ready.Job]:
    """``Ready.jobs`` without its waits."""
    free = [job for key, job in self._jobs.items() if key not in self._busy and job.todo.side is side]
    yield from sorted(free, key=ready._rank)


def _no_mark() -> None:
    """What we make carries no mark, and none is looked for after a lost call."""
    for module in (sending, lookup):
        put(module, "mark_of", lambda *_: None)


GUARDS: Mapping[str, Callable[[], None]] = {
    "barrier": _no_barrier,
    "lease": _no_lease,
    "deadline": _no_deadline,
    "no-twin": _no_twin_rule,
    "mark": _no_mark,
}


def put(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


def take_out(guard: str) -> None:
    GUARDS[guard]()
