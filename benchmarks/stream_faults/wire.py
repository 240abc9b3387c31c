"""The wire between the connector and an org: a TCP proxy on the loopback that can go half open, or away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass(eq=False, slots=True)
class Link:
    """One connection. A dead one stays open on both ends and carries nothing: neither end is told."""

    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    dead: bool = False

    def cut(self) -> None:
        for end in self.ends:
            end.transport.abort()


@dataclass(slots=True)
class Wire:
    """``async with wire(port) as between: between.base`` is the org's address for the connector."""

    target: int
    base: str = ""
    away: bool = False  # new connections are closed at once
    links: set[Link] = field(default_factory=set)

    def half_open(self) -> None:
        """Every connection of now carries nothing any more; new ones work."""
        for link in self.links:
            link.dead = True

    def go_away(self) -> None:
        self.away = True
        for link in list(self.links):
            link.cut()

    def come_back(self) -> None:
        self.away = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.transport.abort()
            return
        try:
            answers, asks = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link((writer, asks))
        self.links.add(link)
        try:
            pumps = [asyncio.create_task(_pump(link, *ends)) for ends in ((reader, asks), (answers, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self.links.discard(link)
            link.cut()


async def _pump(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            if not link.dead:
                writer.write(data)
                await writer.drain()


@contextlib.asynccontextmanager
async def wire(target: int) -> AsyncIterator[Wire]:
    """A proxy to a port of this machine while the block runs."""
    between = Wire(target)
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    between.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield between
    finally:
        server.close()
        for link in list(between.links):
            link.cut()
