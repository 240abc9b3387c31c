"""Taking over a partition, and giving it up.

Order: claim the lease (``streams.owning``, before anything of the partition is processed; it fences every earlier
owner) → read the end of ``link-events.v1`` → wait until settle has processed up to it → scan the partition's links once
into the ready queue → start the loops. Whatever an earlier owner may still send was announced before that end, so
nothing is started twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import structlog

from connector.core.applied import rules_of
from connector.core.identity import join_key
from connector.core.link import outputs
from connector.core.link_state import Link
from connector.core.resting import Rest
from connector.errors import EngineStop
from connector.kafka.link_codec import LinkHead
from streams.connection import Connection
from streams.genesis import Genesis
from streams.hydrate import Reads
from streams.tables import Tables

SCAN_STEP = 1_000  # rows between two breaths: a few milliseconds of this process's loop
log = structlog.get_logger("twinledger.takeover")


@dataclass(slots=True)
class Seen:
    """What a scan saw: links, how many of them move, the highest event that one remembers, their genesis ids."""

    links: int = 0
    moving: int = 0
    last: int = -1
    lives: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Takeover:
    """Makes one connection this process's own."""

    tables: Tables
    settled: Callable[[int], Awaitable[bool]]
    load_reference: Callable[[Connection], Awaitable[None]]
    scanned: Callable[[Connection, Iterable[Link]], None]
    genesis: Genesis

    async def run(self, connection: Connection, reads: Reads) -> bool:
        """True when the loops may start, False when the partition was lost meanwhile.

        Raises ConfigurationError, EngineStop.
        """
        if not await self.settled(connection.partition):
            return False
        seen = await self._scan(connection, reads)
        if seen is None:
            return False
        await self.genesis.check(connection, seen.last, seen.lives)
        await self.load_reference(connection)
        return True

    async def _scan(self, connection: Connection, reads: Reads) -> Seen | None:
        """The ready queue, the counts of the brake and the open questions, made anew. A link at rest is passed by on
        its first bytes: a million of them take seconds. None: the partition was lost meanwhile.
        """
        seen, began = Seen(), time.monotonic()
        try:
            await self._links(connection, seen)
            for number, read in enumerate(self.tables.reads.open(connection.partition, connection.name), 1):
                if read is not None:
                    reads.put(read)
                if number % SCAN_STEP == 0:
                    await asyncio.sleep(0)
        except EngineStop as error:
            if error.code != "table.not-owned":
                raise
            return None
        said = {"links": seen.links, "moving": seen.moving, "seconds": round(time.monotonic() - began, 2)}
        log.info("links scanned", connection=connection.name, **said)
        return seen

    async def _links(self, connection: Connection, seen: Seen) -> None:
        links, today = self.tables.links, connection.clock().date().toordinal()
        approving = _approving(connection)
        for key, head in links.heads(connection.partition, connection.name):
            seen.links += 1
            seen.last = max(seen.last, head.last)
            seen.lives.add(head.genesis)
            if seen.links % SCAN_STEP == 0:
                await asyncio.sleep(0)
            if _passed_by(key, head, approving) and head.born_day < today:
                continue
            link = links.peek(key)  # as it stands now: settle goes on folding while we scan
            if link is not None:
                seen.moving += 1
                self._take(connection, link)

    def _take(self, connection: Connection, link: Link) -> None:
        self.scanned(connection, (link,))
        rules = connection.rules(link.id.mapping, link.mapping_version, link.id.part)
        if rules is not None:
            connection.ready.absorb(link, outputs(link, rules), link.offset)
            connection.note(link)


def _passed_by(key: bytes, head: LinkHead, approving: frozenset[bytes]) -> bool:
    return head.rest == Rest.RESTS or (head.rest == Rest.DRAFT and key.split(b"/", 2)[1] not in approving)


def _approving(connection: Connection) -> frozenset[bytes]:
    """Mappings, as their keys spell them, of which any version approves drafts itself."""
    names = (
        applied.mapping.name
        for applied in connection.mappings()
        if any(rules_of(version).approve == "checked" for version in applied.versions)
    )
    return frozenset(join_key(name) for name in names)
