"""The watchdog over the event loop."""

from __future__ import annotations

import asyncio
import threading

from connector.errors import EngineStop
from streams.pulse import watched

TICK = 0.02


async def test_a_blocked_loop_is_told_from_another_thread() -> None:
    told: list[EngineStop] = []
    fired = threading.Event()

    def act(error: EngineStop) -> None:
        told.append(error)
        fired.set()

    with watched(asyncio.get_running_loop(), act, tick_seconds=TICK, missed=5):
        assert fired.wait(30), "nobody noticed"  # this blocks the loop, as a bug would
    assert [error.code for error in told] == ["loop.blocked"]


async def test_a_loop_at_work_is_left_alone() -> None:
    told: list[EngineStop] = []
    with watched(asyncio.get_running_loop(), told.append, tick_seconds=TICK, missed=50):
        for _ in range(20):
            await asyncio.sleep(TICK)
    assert told == []
