"""Links rebuilt from their events: what `twinledger links rebuild` does when the links topic was lost.

Everything that is kept in ``link-events.v1`` is folded again, in order, by the same settle as in a worker. Mappings
come back paused; once resumed they look for their own mark before they create anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from connector.core.applied import Gate
from connector.core.identity import LinkId, split_key
from connector.core.mapping.model import Kind
from connector.core.party import Party
from connector.errors import DataError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import begin_offsets, read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.lease import last_epochs
from connector.kafka.link_codec import read_event
from connector.kafka.positions import Position, PositionKind, read_positions, write_position
from connector.kafka.producer import Producer
from connector.settings import Settings
from streams.configuration import Entry, parsed, read_entries, write_entry
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
    """What came of it. ``gone`` is how many events Kafka keeps no more; ``lost`` names connections that had made links
    and of which no link came back. Where either says something, not every link can be made anew."""

    events: int
    unreadable: int
    links: int
    targets: int
    mappings: int
    gone: int = 0
    lost: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.gone and not self.lost


async def rebuild(
    settings: Settings, cluster: Cluster, clock: Callable[[], datetime], *, dry_run: bool, partial: bool = False
) -> Rebuilt:
    """Fold all events again; without ``dry_run`` write links and targets and pause the mappings.

    No API is asked. No worker may run meanwhile. Raises Unavailable, EngineStop, and where events are gone and
    ``partial`` is not said DataError (``events.gone``): then nothing is written.
    """
    codec, memory = Codec(), (Memory(), Memory())
    tables = tables_of(codec, *memory)
    connections = await connections_of(settings, cluster, codec, clock)
    gone = sum((await begin_offsets(cluster, EVENTS)).values())
    events, unreadable = await _fold(cluster, codec, tables, connections)
    made = await _made(cluster, codec)
    back = {LinkId.parse(key).connection for key in memory[0].rows}
    lost = [position for position in made if position.connection in connections and position.connection not in back]
    names = tuple(position.connection for position in lost)
    done = Rebuilt(events, unreadable, len(memory[0].rows), len(memory[1].rows), 0, gone, names)
    if dry_run:
        return done
    if not done.whole and not partial:
        raise _gone(done)
    async with Producer(cluster) as producer:
        for topic, table in zip(("links.v1", "targets.v1"), memory, strict=True):
            for key, value in table.rows.items():
                await producer.send(topic, key, value)
        for position in lost:  # it begins anew, and would be refused as one whose links are missing
            await write_position(producer, codec, replace(position, value=position.value.removesuffix(MADE)))
        entries = (await read_entries(cluster, codec)).values()
        for entry in entries:
            await write_entry(producer, codec, _come_back(entry, whole=done.whole))
    return replace(done, mappings=len(entries))


def _come_back(entry: Entry, *, whole: bool) -> Entry:
    """Paused, and looking for its own mark before every birth. Where events are gone it begins once more: it reads
    every record, and one that leaves the past closed makes nothing of what is not found before a person says so."""
    again = not whole and parsed(entry).mapping.kind is not Kind.BACK_WRITE
    return replace(entry, paused=True, claim=True, gate=Gate.SNAPSHOT if again else entry.gate)


async def _made(cluster: Cluster, codec: Codec) -> list[Position]:
    """The genesis of each connection under which links have been made."""
    positions = (await read_positions(cluster, codec)).values()
    return [one for one in positions if one.kind is PositionKind.GENESIS and one.value.endswith(MADE)]


def _gone(done: Rebuilt) -> DataError:
    which = f"{done.gone} events are kept no more" if done.gone else f"no event of {', '.join(done.lost)} is there"
    return DataError(
        "events.gone", f"{EVENTS} is not whole: {which}. {done.links} links could be made anew, not all of them.",
        remedy="`--dry-run` shows what there is. `--partial` makes anew what can be; what else there was is looked for "
        "by its mark once its mapping is resumed, and what is not found makes nothing before a person says so.",
    )  # fmt: skip


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
