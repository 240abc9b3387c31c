"""What this worker owns and how far its agents have come: what loops per connection stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from connector.errors import EngineStop
from streams.engine.ledger import Partition

_POLL_SECONDS = 0.05


class Ownership:
    """Partitions that are ours, caught up in their tables, and flowing. Empty while a rebalance is under way."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._changed = asyncio.Event()
        self.before_open: Callable[[frozenset[int]], Awaitable[None]] | None = None

    @property
    def generation(self) -> int | None:
        """The group's generation while we own; None during a rebalance."""
        generation: int | None = self._app.consumer.ready_generation
        return generation if self._app.fence.fresh and self._app.stop_signal.reason is None else None

    def partitions(self) -> frozenset[int]:
        """Partition numbers, the same for all topics. Check ``app.fence`` or the lease before acting on them."""
        if self.generation is None:
            return frozenset()
        return frozenset(tp.partition for tp in self._app.consumer.sources())

    async def prepare(self) -> None:
        """Called by the engine before any event of a new assignment is processed: leases are claimed here."""
        if self.before_open is None:
            return
        try:
            await self.before_open(frozenset(tp.partition for tp in self._app.consumer.sources()))
        except EngineStop as error:
            self._app.stop_signal(error)

    def opened(self, generation: int) -> None:
        """Called by the engine when the partitions of a generation begin to flow."""
        del generation
        self._changed.set()

    async def changes(self) -> AsyncIterator[frozenset[int]]:
        """The owned partitions now, and again after each change; a loss shows within 50 ms.

        The same partitions come again after a rebalance that passed too quickly to be seen.
        """
        last: tuple[int | None, frozenset[int]] | None = None
        while True:
            now = self.generation, self.partitions()
            if now != last:
                last = now
                yield now[1]
            self._changed.clear()
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def processed(self, topic: str, partition: int) -> int | None:
        """Offset before which our agents have processed everything; None when the partition is not ours."""
        done: int | None = self._app.consumer.ledger.done(Partition(self._app.engine.cluster.topic(topic), partition))
        return done

    async def processed_to(self, topic: str, partition: int, offset: int) -> bool:
        """Waits until everything before ``offset`` is processed. False: the partition was lost meanwhile."""
        while True:
            if partition not in self.partitions():
                return False
            done = self.processed(topic, partition)
            if done is not None and done >= offset:
                return True
            await asyncio.sleep(_POLL_SECONDS)

    async def caught_up(self, topics: Iterable[str], partitions: Iterable[int]) -> bool:
        """Waits until our agents have processed what stands in the topics now. False: a partition was lost meanwhile.

        End offsets are read after the tables are ready; Faust's own ``position`` and ``highwater`` say "caught up" with
        nearly everything still to do (measured).
        """
        from faust.types import TP

        wanted = list(partitions)
        while not set(wanted) <= self.partitions():  # noqa: ASYNC110  time passes the fence too
            await asyncio.sleep(_POLL_SECONDS)
        cluster = self._app.engine.cluster
        names = {cluster.topic(topic): topic for topic in topics}
        ends = await self._app.consumer.highwaters(*(TP(name, number) for name in names for number in wanted))
        for tp, end in ends.items():
            if not await self.processed_to(names[tp.topic], tp.partition, end):
                return False
        return True
