"""Taking over a partition, and giving it up.

Order: claim the lease (which fences every earlier owner) → read the end of ``link-events.v1`` → wait until settle has
processed up to it → scan the partition's links once into the ready queue → start the loops. Whatever an earlier owner
may still send was announced before that end, so nothing is started twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from connector.core.link import outputs
from connector.core.link_state import Link
from connector.kafka.lease import Lease
from streams.connection import Connection, Numbers
from streams.hydrate import Reads
from streams.tables import Tables

SCAN_STEP = 1_000
POLL_SECONDS = 0.05


class Progress:
    """How far settle has come in ``link-events.v1``, by partition: the next offset, counted after the handler."""

    def __init__(self) -> None:
        self.done: dict[int, int] = {}

    def processed(self, partition: int, offset: int) -> None:
        self.done[partition] = max(self.done.get(partition, 0), offset + 1)

    def reached(self, partition: int, end: int, committed: int) -> bool:
        return max(self.done.get(partition, 0), committed) >= end


@dataclass(slots=True)
class Takeover:
    """Makes one connection this process's own."""

    tables: Tables
    progress: Progress
    lease: Lease
    end_of_events: Callable[[int], Awaitable[int]]
    committed: Callable[[int], Awaitable[int]]
    load_reference: Callable[[Connection], Awaitable[None]]
    scanned: Callable[[Connection, Iterable[Link]], None]
    links: list[Link] = field(default_factory=list)

    async def run(self, connection: Connection, reads: Reads) -> None:
        """Returns when the loops may start. Raises LeaseLost, EngineStop."""
        renewal = await self.lease.claim()
        connection.numbers = Numbers(renewal.epoch)
        end = await self.end_of_events(connection.partition)
        while not self.progress.reached(connection.partition, end, await self.committed(connection.partition)):
            await asyncio.sleep(POLL_SECONDS)
        await self._scan(connection, reads)
        await self.load_reference(connection)
        connection.caught_up = True

    async def _scan(self, connection: Connection, reads: Reads) -> None:
        mine: list[Link] = []
        for number, link in enumerate(self.tables.links.scan()):
            if number % SCAN_STEP == SCAN_STEP - 1:
                await asyncio.sleep(0)
            if link.id.connection != connection.name:
                continue
            mine.append(link)
            rules = connection.rules(link.id.mapping)
            if rules is not None:
                connection.ready.absorb(link, outputs(link, rules), link.offset)
                connection.waiting.note(link)
        self.scanned(connection, mine)
        for read in self.tables.reads.open():
            if read.connection == connection.name:
                reads.put(read)
