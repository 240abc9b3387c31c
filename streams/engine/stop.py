"""The end of the process: a worker that cannot go on safely ends at once, and its supervisor starts it again."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from connector.errors import EngineStop

_log = logging.getLogger(__name__)


def exit_process(error: EngineStop) -> None:
    """Ends the process without another write: no flush, no commit, no farewell to the group."""
    _log.critical("worker stops", extra={"code": error.code, "reason": error.message})
    sys.stderr.write(f"worker stops: {error}\n")
    sys.stderr.flush()
    logging.shutdown()
    os._exit(EngineStop.exit_code)


class Stop:
    """Carries the first reason to end. Callable from any thread; raises what it was given if the process lives on."""

    def __init__(self, act: Callable[[EngineStop], None]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self.reason: EngineStop | None = None

    def __call__(self, error: EngineStop) -> None:
        """Ends the process (or does what the owner chose). Raises ``error``."""
        with self._lock:
            first = self.reason is None
            self.reason = self.reason or error
        if first:
            self._act(error)
        raise error

    def check(self) -> None:
        """Raises the reason, if there is one: nothing more may leave this process."""
        if self.reason is not None:
            raise self.reason


def _boot_clock() -> float:
    """Seconds that also pass while the machine sleeps, where the platform has such a clock."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Fence:
    """Refuses to act when the group may have given our partitions away: the last good heartbeat is too old.

    Checked before each event, table write and send. It narrows what a frozen process can still do after it wakes; the
    lease closes it for what leaves the building.
    """

    SHARE = 0.7

    def __init__(self, session_seconds: float, stop: Stop, clock: Callable[[], float] = _boot_clock) -> None:
        self._limit = session_seconds * self.SHARE
        self._stop = stop
        self._clock = clock
        self._last: float | None = None

    def now(self) -> float:
        return self._clock()

    def beat(self, at: float) -> None:
        """A heartbeat *sent* at this time was accepted, or a join was."""
        self._last = at if self._last is None else max(self._last, at)

    @property
    def age(self) -> float | None:
        """Seconds since the last accepted heartbeat was sent; None before the first."""
        return None if self._last is None else self._clock() - self._last

    @property
    def fresh(self) -> bool:
        return self._last is None or self._clock() - self._last <= self._limit

    def check(self) -> None:
        """Raises EngineStop (``heartbeat.stale``), or whatever stopped the worker before."""
        self._stop.check()
        if self._last is not None and (age := self._clock() - self._last) > self._limit:
            self._stop(
                EngineStop(
                    "heartbeat.stale",
                    f"The last accepted heartbeat is {age:.1f} s old, more than {self._limit:.1f} s:"
                    " another worker may own our partitions.",
                )
            )
