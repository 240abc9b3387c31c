"""Taking over a partition, and giving it up.

Order: claim the lease (which fences every earlier owner) → read the end of ``link-events.v1`` → wait until settle has
processed up to it → scan the partition's links once into the ready queue → start the loops. Whatever an earlier owner
may still send was announced before that end, so nothing is started twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from connector.core.link import outputs
from connector.core.link_state import Link
from connector.kafka.lease import Lease
from streams.connection import Connection, Numbers
from streams.genesis import Genesis
from streams.hydrate import Reads
from streams.tables import Tables

SCAN_STEP = 1_000


@dataclass(slots=True)
class Takeover:
    """Makes one connection this process's own."""

    tables: Tables
    lease: Lease
    settled: Callable[[int], Awaitable[bool]]
    load_reference: Callable[[Connection], Awaitable[None]]
    scanned: Callable[[Connection, Iterable[Link]], None]
    genesis: Genesis

    async def run(self, connection: Connection, reads: Reads) -> bool:
        """True when the loops may start, False when the partition was lost meanwhile. Raises LeaseLost, EngineStop."""
        renewal = await self.lease.claim()
        if connection.numbers.epoch != renewal.epoch:
            connection.numbers = Numbers(renewal.epoch)
        if not await self.settled(connection.partition):
            return False
        await self.genesis.check(connection)
        await self._scan(connection, reads)
        await self.load_reference(connection)
        connection.caught_up = True
        return True

    async def _scan(self, connection: Connection, reads: Reads) -> None:
        mine: list[Link] = []
        for number, link in enumerate(self.tables.links.scan(connection.partition)):
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
        for read in self.tables.reads.open(connection.partition):
            if read.connection == connection.name:
                reads.put(read)
