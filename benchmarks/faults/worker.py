"""``python -m benchmarks.faults.worker``: the product's worker, with places where it can be stopped.

The product has no switch for any of this: its methods are wrapped here, in a process that only a benchmark starts, and
only with the test clock (``streams.clock``), which refuses every address that is not on this machine.

A place is armed by a file ``<place>`` in the control folder, whose first line names a signal; whoever comes by takes
the file away, writes ``at.<instance>``, and sends itself the signal (``drafted`` also knows ``SLEEP <seconds>``: only
this loop stops, its process lives on). Places, in the order of a send:

========= =========================================================================================
drafted   a call is about to be announced: the producer has it next
announced it stands in Kafka, the lease is not renewed yet
renewed   the lease is renewed, the deadline not checked yet
checked   everything is checked, the request is about to leave
answered  the answer is here, nothing is reported yet
slow      no place: its first line says for how many seconds settle holds each call's announcement
========= =========================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.faults.broken import GUARDS, put, take_out
from connector.cli import worker as product
from connector.core.party import Answer, Request
from connector.core.records import Side
from connector.errors import TwinledgerError
from connector.kafka.link_codec import Call, LinkEventEnvelope
from connector.kafka.producer import Producer
from connector.xero.rest import XeroParty
from streams import clock, worker
from streams.connection import Connection
from streams.engine.app import EngineSettings
from streams.owned import Owned
from streams.settle import Settle
from streams.write import WriteLoop

_drafting: ContextVar[bool] = ContextVar("drafting", default=False)  # a create of Xero is being announced


@dataclass(frozen=True, slots=True)
class Places:
    """Where this worker can be stopped. Only calls to Xero that create are counted: they are what may double."""

    folder: Path
    instance: str

    def passed(self, place: str) -> float:
        """Gives the seconds that the caller must sleep, 0 where nothing was armed or a signal was lived through."""
        armed, mine = self.folder / place, self.folder / f"taken.{self.instance}"
        try:
            armed.rename(mine)
        except FileNotFoundError:
            return 0.0
        (self.folder / f"at.{self.instance}").write_text(place, "ascii")
        what, _, seconds = mine.read_text("ascii").strip().partition(" ")
        if what != "SLEEP":
            os.kill(os.getpid(), signal.Signals[what])
        return float(seconds or 0)


def arm(places: Places) -> None:
    """Wrap the steps of a send."""
    made, sent = Owned._writer, XeroParty.send

    def writer(self: Owned, side: Side, *more: Any) -> WriteLoop:
        loop = made(self, side, *more)
        if side is Side.XERO:
            loop.announce = _around(loop.announce, places)
            loop.renew = _after(loop.renew, lambda: places.passed("renewed"))
        return loop

    async def send(self: XeroParty, request: Request, *, seconds: int) -> Answer:
        places.passed("checked")
        answer = await sent(self, request, seconds=seconds)
        places.passed("answered")
        return answer

    put(Owned, "_writer", writer)
    put(XeroParty, "send", send)
    _before_the_producer(places)
    _slow_settle(places)


def _before_the_producer(places: Places) -> None:
    """Behind the loop's gate: nothing of the product stands between this place and Kafka."""
    sent = Producer.send_soon

    async def send_soon(self: Producer, topic: str, *message: Any) -> Awaitable[int]:
        if _drafting.get() and (seconds := places.passed("drafted")):
            await asyncio.sleep(seconds)
        return await sent(self, topic, *message)

    put(Producer, "send_soon", send_soon)


def _slow_settle(places: Places) -> None:
    folded = Settle.fold

    async def fold(self: Settle, connection: Connection, envelope: LinkEventEnvelope, offset: int) -> None:
        slow = places.folder / "slow"
        if isinstance(envelope.body, Call) and envelope.body.operation == "create" and slow.exists():
            await asyncio.sleep(float(slow.read_text("ascii")))
        await folded(self, connection, envelope, offset)

    put(Settle, "fold", fold)


def _around(
    announce: Callable[[Connection, Call], Awaitable[None]], places: Places
) -> Callable[[Connection, Call], Awaitable[None]]:
    async def announced(connection: Connection, call: Call) -> None:
        token = _drafting.set(call.operation == "create")
        try:
            await announce(connection, call)
        finally:
            _drafting.reset(token)
        if call.operation == "create":
            places.passed("announced")

    return announced


def _after(step: Callable[[], Awaitable[Any]], then: Callable[[], object]) -> Callable[[], Awaitable[Any]]:
    async def done() -> Any:
        result = await step()
        then()
        return result

    return done


def session(seconds: float) -> None:
    """A shorter session than the product's 20 s, so that a run has time for many."""
    shorter = partial(EngineSettings, session_seconds=seconds, heartbeat_seconds=seconds / 8)
    put(worker, "EngineSettings", shorter)


def end_with_the_harness() -> None:
    """Linux only; elsewhere a harness that is killed leaves its workers behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--session", type=float, default=20.0)
    parser.add_argument("--without", choices=sorted(GUARDS), action="append", default=[])
    asked = parser.parse_args()
    end_with_the_harness()
    if not os.environ.get(clock.VARIABLE):
        sys.stderr.write(f"{clock.VARIABLE} is not set: this worker is for tests only\n")
        return 78
    arm(Places(asked.control, asked.instance))
    session(asked.session)
    for guard in asked.without:
        take_out(guard)
    try:
        product.main(asked.config, instance=asked.instance)
    except TwinledgerError as error:
        sys.stderr.write(f"worker ends: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
