"""Links rebuilt from their events: what `twinledger links rebuild` does when the links topic was lost.

Everything that is kept in ``link-events.v1`` is folded again, in order, by the same settle as in a worker. Mappings
come back paused; once resumed they look for their own mark before they create anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from connector.core.identity import split_key
from connector.core.party import Party
from connector.errors import DataError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.lease import last_epochs
from connector.kafka.link_codec import read_event
from connector.kafka.positions import PositionKind, read_positions
from connector.kafka.producer import Producer
from connector.settings import Settings
from streams.configuration import parsed, read_entries, write_entry
from streams.connection import Connection, Numbers
from streams.genesis import MADE
from streams.hops import EVENTS
from streams.settle import Settle
from streams.tables import LinkTable, ParentTable, Raw, ReadTable, Tables, TargetTable


@dataclass(slots=True)
class Memory:
    """A table in memory: what settle writes, to be produced at the end."""

    rows: dict[bytes, bytes] = field(default_factory=dict)

    def read(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def write(self, key: bytes, value: bytes) -> None:
        self.rows[key] = value

    def peek(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def remove(self, key: bytes) -> None:
        self.rows.pop(key, None)

    def scan(self, partition: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        yield from ((key, value) for key, value in self.rows.items() if key.startswith(prefix))

    def after(self, key: bytes, count: int) -> list[tuple[bytes, bytes]]:
        return sorted(row for row in self.rows.items() if row[0] > key)[:count]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it."""

    events: int
    unreadable: int
    links: int
    targets: int
    mappings: int


async def rebuild(settings: Settings, cluster: Cluster, clock: Callable[[], datetime], *, dry_run: bool) -> Rebuilt:
    """Fold all events again; without ``dry_run`` write links and targets and pause the mappings.

    No worker may run meanwhile. Raises Unavailable, EngineStop.
    """
    codec, memory = Codec(), (Memory(), Memory())
    tables = tables_of(codec, *memory)
    connections = await connections_of(settings, cluster, codec, clock)
    events, unreadable = await _fold(cluster, codec, tables, connections)
    paused = 0
    if not dry_run:
        async with Producer(cluster) as producer:
            for topic, table in zip(("links.v1", "targets.v1"), memory, strict=True):
                for key, value in table.rows.items():
                    await producer.send(topic, key, value)
            for entry in (await read_entries(cluster, codec)).values():
                await write_entry(producer, codec, replace(entry, paused=True, claim=True))
                paused += 1
    return Rebuilt(events, unreadable, len(memory[0].rows), len(memory[1].rows), paused)


def tables_of(codec: Codec, links: Raw, targets: Raw) -> Tables:
    unused = Memory()
    return Tables(
        LinkTable(links, codec), TargetTable(targets, codec), ReadTable(unused, codec), ParentTable(unused, codec)
    )


async def connections_of(
    settings: Settings, cluster: Cluster, codec: Codec, clock: Callable[[], datetime]
) -> dict[str, Connection]:
    """Connections with the rules of their mappings, no party behind them: nothing is asked or sent."""
    epoch = max((await last_epochs(cluster, codec)).values(), default=0)  # the next owner's writes are higher
    lives = {
        position.connection: position.value.removesuffix(MADE)
        for position in (await read_positions(cluster, codec)).values()
        if position.kind is PositionKind.GENESIS
    }
    nobody = cast("Party", None)  # folding asks and sends nothing
    out: dict[str, Connection] = {}
    for each in settings.connections:
        tenants = {one.tenant: nobody for one in each.xero}
        life = lives.get(each.name, "")
        connection = Connection(each, nobody, nobody, "", each.xero[0].tenant, clock, 0, life, tenants=tenants)
        connection.numbers = Numbers(epoch)
        for entry in (await read_entries(cluster, codec, each.name)).values():
            connection.applied[entry.mapping] = parsed(entry)
        out[each.name] = connection
    return out


async def _fold(cluster: Cluster, codec: Codec, tables: Tables, connections: dict[str, Connection]) -> tuple[int, int]:
    settle, events, unreadable = Settle(tables, _nothing, _nothing), 0, 0
    async for message in read_to_end(cluster, EVENTS):
        connection = connections.get(split_key(message.key)[0])
        decoded = codec.decode(message.value)
        if connection is None or not isinstance(decoded, Decoded):
            unreadable += 1
            continue
        try:
            await settle.fold(connection, read_event(decoded.value), message.offset)
            events += 1
        except (DataError, ValueError):
            unreadable += 1
    return events, unreadable


async def _nothing(*_: object) -> None:
    return None
