"""The leases of this worker: one a partition, shared by the connections on it, claimed anew with every assignment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster
from connector.kafka.lease import Lease, LeaseLost, Renewal


@dataclass(frozen=True, slots=True)
class Tenure:
    """``since`` is the epoch of our first claim after which nobody else claimed: the same as before a rebalance says
    that nobody else can have done anything meanwhile."""

    lease: Lease
    since: int


class Leases:
    """``claim`` before anything of a partition is processed, ``renew`` before each send."""

    def __init__(self, cluster: Cluster, codec: Codec, owner: str, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._codec = codec
        self._owner = owner
        self._clock = clock
        self._held: dict[int, Tenure] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._behind: set[asyncio.Task[None]] = set()  # what must come to its end though nobody waits for it
        self.tally: Counter[str] = Counter()

    def since(self, partition: int) -> int:
        """0 where nothing is held."""
        held = self._held.get(partition)
        return held.since if held is not None else 0

    def epoch(self, partition: int) -> int:
        """0 where nothing is held."""
        held = self._held.get(partition)
        return held.lease.epoch if held is not None else 0

    async def claim(self, partition: int) -> None:
        """Fences every earlier owner, ourselves before the rebalance too. Raises LeaseLost, EngineStop."""
        # A rebalance on top of a rebalance cancels the waiting, never the claim: half of one would look like another's.
        claiming = asyncio.create_task(self._claim(partition))
        self._behind.add(claiming)
        claiming.add_done_callback(self._over)
        await asyncio.shield(claiming)

    async def _claim(self, partition: int) -> None:
        async with self._locks.setdefault(partition, asyncio.Lock()):
            before = self._held.get(partition)
            lease = Lease(self._cluster, self._codec, partition, self._owner, self._clock)
            try:
                renewal = await lease.claim()
            except BaseException:
                await lease.close()
                raise
            self.tally["claimed"] += 1
            unbroken = before is not None and renewal.epoch == before.lease.epoch + 1
            self._held[partition] = Tenure(lease, before.since if before is not None and unbroken else renewal.epoch)
            if before is not None:
                await before.lease.close()

    async def renew(self, partition: int) -> Renewal:
        """Proves at the broker that no newer owner has started. Raises LeaseLost."""
        held = self._held.get(partition)
        if held is None:
            raise LeaseLost("lease.lost", f"The lease of partition {partition} is not held.")
        try:
            renewal = await held.lease.renew()
        except LeaseLost:
            self.tally["lost"] += 1
            raise
        self.tally["renewed"] += 1
        return renewal

    async def drop(self, partition: int) -> None:
        """Gives a lease up without a word: the next owner fences."""
        held = self._held.pop(partition, None)
        if held is not None:
            await held.lease.close()

    async def close(self) -> None:
        for partition in list(self._held):
            await self.drop(partition)
        await asyncio.gather(*self._behind, return_exceptions=True)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._behind.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody else needs it
