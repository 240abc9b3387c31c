"""A flush waits for what was handed over before it, not for a backlog that never ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from streams.engine.producer import Buffer


class Endless:
    """A channel whose every message brings the next one, as a worker that works off a backlog does."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.published: list[str] = []

    async def publish_message(self, message: Any, wait: bool = False) -> None:
        self.published.append(message.name)
        self.buffer.put(self.message(f"later {len(self.published)}"))
        await asyncio.sleep(0)

    def message(self, name: str) -> Any:
        return SimpleNamespace(name=name, message=SimpleNamespace(channel=self))


async def test_a_flush_ends_while_more_keeps_coming() -> None:
    buffer = Buffer()
    buffer.app = SimpleNamespace(
        stop_signal=SimpleNamespace(reason=None), conf=SimpleNamespace(producer_threaded=False)
    )
    channel = Endless(buffer)
    await buffer.start()
    try:
        for name in ("first", "second"):
            buffer.put(channel.message(name))
        async with asyncio.timeout(10):  # bounds the test: a flush that waits for an empty buffer never ends
            await buffer.flush()
        assert channel.published[:2] == ["first", "second"]
    finally:
        buffer.app.stop_signal.reason = "over"
        await buffer.stop()
