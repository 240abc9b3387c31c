"""Which life of the topics this is: a genesis id that links and positions must share.

A deployment that is pointed at another prefix, whose links topic was emptied, or whose store was restored from an old
copy would make everything a second time. It refuses instead, and says which command mends it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from connector.errors import ConfigurationError
from connector.kafka.codec import Codec
from connector.kafka.compacted import end_offsets
from connector.kafka.connection import Cluster
from connector.kafka.positions import Position, PositionKind, read_positions, write_position
from connector.kafka.producer import Sender
from streams.connection import Connection

SOURCE = "genesis"
MADE = "+"  # behind the id: links have been made under it
EVENTS = "link-events.v1"
REMEDY = "If the links are really lost, run `twinledger links rebuild`; else point to the topics that hold them."


@dataclass(slots=True)
class Genesis:
    """Checks one connection before its loops start."""

    cluster: Cluster
    producer: Sender
    codec: Codec

    async def check(self, connection: Connection, last: int, ids: set[str]) -> None:
        """Sets ``connection.genesis``. ``last`` is the highest event that a link remembers, ``ids`` are the genesis ids
        that links carry. Raises ConfigurationError (``links.missing``, ``links.foreign``, ``events.missing``,
        ``organisation.changed``).
        """
        positions = await self._positions(connection)
        known, made = _life(positions)
        if made:
            _same_sides(connection, positions)
        end = (await end_offsets(self.cluster, EVENTS, [connection.partition]))[connection.partition]
        if last >= end:
            raise ConfigurationError(
                "events.missing",
                f"Links of connection {connection.name} remember event {last}, but {EVENTS} ends at {end}.",
                remedy=REMEDY,
            )
        if ids - {known, ""}:
            raise ConfigurationError(
                "links.foreign", f"Links of connection {connection.name} belong to another life of its topics.",
                remedy=REMEDY,
            )  # fmt: skip
        if made and not ids:
            raise ConfigurationError(
                "links.missing",
                f"Connection {connection.name} has made links before, and none is there now.",
                remedy=REMEDY,
            )
        connection.genesis = known or await self._begin(connection)

    async def _positions(self, connection: Connection) -> list[Position]:
        found = (await read_positions(self.cluster, self.codec, [connection.partition])).values()
        return [position for position in found if position.connection == connection.name]

    async def _begin(self, connection: Connection) -> str:
        genesis = uuid.uuid4().hex
        await self._write(connection, genesis)
        return genesis

    async def note_links(self, connection: Connection) -> None:
        """Once the first link is there, remember that there must be links from now on."""
        await connection.linked.wait()
        if not _life(await self._positions(connection))[1]:
            await self._write(connection, connection.genesis + MADE)

    async def _write(self, connection: Connection, value: str) -> None:
        position = Position(
            connection.name, connection.org, SOURCE, PositionKind.GENESIS, value, connection.numbers.epoch,
            connection.clock(),
        )  # fmt: skip
        await write_position(self.producer, self.codec, position)


def _life(positions: Iterable[Position]) -> tuple[str, bool]:
    """The stored genesis, and whether links have been made under it."""
    for position in positions:
        if position.kind is PositionKind.GENESIS:
            return position.value.removesuffix(MADE), position.value.endswith(MADE)
    return "", False


def _same_sides(connection: Connection, positions: Iterable[Position]) -> None:
    """Links know ids of one org. A sandbox holds copies of production's records under the same ids: with its file on
    production's topics they would be taken for those. The same holds for Xero if none of the tenants is left."""
    orgs = {position.organisation for position in positions if position.kind is PositionKind.GENESIS}
    tenants = {position.organisation for position in positions} - orgs - {connection.org}
    other = (orgs - {connection.org}) or (tenants if tenants.isdisjoint(connection.tenants) else set())
    if other:
        raise ConfigurationError(
            "organisation.changed",
            f"The links of connection {connection.name} are of {', '.join(sorted(other))}, and it is signed in to "
            f"{connection.org} and {', '.join(sorted(connection.tenants))}.",
            remedy="Nothing was written. Give each deployment its own kafka.prefix, or this connection another name.",
        )
