"""The slow lane: records of snapshots go out only as fast as they are processed: live changes keep their latency.

All hops of a connection stand on one partition: a live change waits behind whatever was put there before it. So at most
``ahead`` records of snapshots are there unprocessed; the rest waits here, or at the source.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from connector.core.records import Record
from streams.connection import Connection

LOOK_SECONDS = 0.01
MOST_AT_ONCE = 100  # records that are encoded without a pause
FLYING = 500  # link events that live changes alone may have under way; a shallow lane must not wait for them for ever
Place = Callable[[Record], Awaitable[tuple[str, int] | None]]


@dataclass(slots=True)
class Lane:
    """One for each connection. ``place`` gives topic and offset, ``processed`` how far our agents are in a topic."""

    connection: Connection
    place: Place
    processed: Callable[[str, int], int | None]
    _ahead: deque[tuple[str, int]] = field(default_factory=deque)

    async def send(self, records: Sequence[Record], ahead: int) -> int:
        """Returns when all are acknowledged; gives how many were passed by a newer read, and so were not sent."""
        step, passed = max(1, min(MOST_AT_ONCE, ahead // 2)), 0
        for at in range(0, len(records), step):
            part = records[at : at + step]
            await self.room(ahead, len(part))
            fresh = [record for record in part if not self.connection.window.passed(record)]
            passed += len(part) - len(fresh)
            placed = await asyncio.gather(*(self.place(record) for record in fresh))
            self._ahead.extend(where for where in placed if where is not None)
        return passed

    async def room(self, ahead: int, wanted: int) -> None:
        """Until ``wanted`` more would not be more than ``ahead``, neither before plan nor, as link events, before
        settle."""
        flying = max(ahead, FLYING)
        while self._waiting() + wanted > ahead or len(self.connection.flight) > flying:  # noqa: ASYNC110  of two
            await asyncio.sleep(LOOK_SECONDS)

    def _waiting(self) -> int:
        while self._ahead:
            topic, offset = self._ahead[0]
            done = self.processed(topic, self.connection.partition)
            if done is None or done <= offset:
                break
            self._ahead.popleft()
        return len(self._ahead)
