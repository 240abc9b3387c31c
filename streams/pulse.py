"""A watchdog over the event loop, in a thread of its own: a loop that is blocked holds its partitions for ever.

The consumer's heartbeats come from another thread, so that the group sees a worker in good health that does nothing.
"""

from __future__ import annotations

import asyncio
import faulthandler
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connector.errors import EngineStop

TICK_SECONDS = 1.0
MISSED = 60  # ticks without a beat: whatever takes a minute at a stretch is not work


@contextmanager
def watched(
    loop: asyncio.AbstractEventLoop,
    act: Callable[[EngineStop], None],
    *,
    tick_seconds: float = TICK_SECONDS,
    missed: int = MISSED,
) -> Iterator[None]:
    """Inside the block ``act`` is called, in another thread, once the loop has been blocked for ``missed`` ticks.

    Ticks are counted, not seconds: a process that was frozen and wakes has missed one.
    """
    over, beat = threading.Event(), threading.Event()

    def watch() -> None:
        silent = 0
        while not over.wait(tick_seconds):
            silent = 0 if beat.is_set() else silent + 1
            beat.clear()
            if silent >= missed:
                faulthandler.dump_traceback(all_threads=True)
                act(EngineStop("loop.blocked", f"The event loop did nothing for {silent * tick_seconds:.0f} s."))
                return
            loop.call_soon_threadsafe(beat.set)

    beat.set()
    thread = threading.Thread(target=watch, name="twinledger-pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
