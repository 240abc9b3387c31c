"""A worker that is told to end ends, also when a task of it does not listen."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

from connector.cli.worker import _end
from connector.errors import EngineStop


async def test_a_task_that_does_not_listen_is_named_and_left_behind() -> None:
    let_go = asyncio.Event()

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await let_go.wait()

    async def drain() -> None:
        await asyncio.sleep(0)

    worker: Any = SimpleNamespace(drain=drain)
    told, ends = asyncio.Event(), list[EngineStop]()
    told.set()
    task = asyncio.create_task(deaf(), name="a deaf one")
    await asyncio.sleep(0)
    await _end(worker, told, task, ends.append, 0.01)
    assert [end.code for end in ends] == ["worker.slow-end"]
    assert "a deaf one" in ends[0].message
    let_go.set()
    await task
