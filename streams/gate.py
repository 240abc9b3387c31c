"""Between the loops of a connection and the world: they pass while their lease stands, and wait while it is in doubt.

A rebalance takes every partition away and gives most of them back a moment later. Loops that lose theirs are not
ended at once: whatever they were about to write waits here, and goes on when the partition comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connector.kafka.headers import Headers
from connector.kafka.producer import Producer

LOOK_SECONDS = 0.05


class Gate:
    """Open only in the generation of the group that it was opened for. ``generation`` gives None in a rebalance, and
    when the last heartbeat is too old: a worker that slept finds the gate closed before it writes anything."""

    def __init__(self, generation: Callable[[], int | None]) -> None:
        self._generation = generation
        self._opened_for: int | None = None
        self._news = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._opened_for is not None and self._generation() == self._opened_for

    def open(self, generation: int | None) -> None:
        """The lease was claimed for this generation, and what it found is processed."""
        self._opened_for = generation
        self._news.set()

    def close(self) -> None:
        self._opened_for = None

    async def passed(self) -> None:
        """Returns while it is open: act without another await."""
        while not self.is_open:
            self._news.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):  # a heartbeat that comes back opens it without a word
                    await self._news.wait()
            except TimeoutError:
                continue


@dataclass(frozen=True, slots=True)
class GatedProducer:
    """A loop's producer: nothing reaches Kafka while the gate is closed."""

    gate: Gate
    producer: Producer

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> int:
        """As ``Producer.send``."""
        return await (await self.send_soon(topic, key, value, headers))

    async def send_soon(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> Awaitable[int]:
        """As ``Producer.send_soon``."""
        await self.gate.passed()
        return await self.producer.send_soon(topic, key, value, headers)
