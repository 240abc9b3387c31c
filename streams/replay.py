"""Replay: what the kept records of a topic mean now, against what the links hold.

Records and tables are read with plain consumers and folded in memory, by the same plan and settle as in a worker. Of
the APIs only the shape of objects is asked, no record. What differs is handed to the workers again, as it stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import unquote

from connector.core.catalog import Catalog
from connector.core.identity import LinkId, split_key
from connector.core.link import Act, Todo, new_link, todo
from connector.core.link_events import LinkEvent, Started
from connector.core.link_state import Hold, Life, Link
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Record, Side
from connector.errors import DataError
from connector.http import HttpClient
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import Message, read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.link_codec import KINDS, LinkEventEnvelope
from connector.settings import Settings
from connector.store.tokens import grants_of
from streams.clock import clock, now_ms
from streams.configuration import compile_entry, read_entries
from streams.connection import Connection, Numbers
from streams.hops import record_of
from streams.parties import SalesforceSource, salesforce
from streams.plan import Plan
from streams.rebuild import Memory, connections_of, tables_of
from streams.settle import Settle
from streams.tables import Tables, rank_by

FOLDED = 1_000  # events that one record may mean; links that wait for each other wake in turn
RANKS = {"links": "ordinal", "targets": "ordinal"}
CALL = {Side.XERO: 50, Side.SALESFORCE: 200}  # writes that one call may carry


@dataclass(frozen=True, slots=True)
class Range:
    """Which records: ``key`` is part of the key's text. The times say when a record last came into the topic, by
    Kafka; ``until`` is not within. Only the latest message of a key counts: an older one says what was, not what is.
    """

    topic: str
    connection: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def names(self, key: bytes) -> bool:
        text = key.decode("ascii", "replace")
        return self.key in text and self.connection in ("", unquote(text.split("/", 1)[0]))

    def holds(self, at: datetime) -> bool:
        late = self.until is not None and at >= self.until
        return not late and (self.since is None or at >= self.since)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a record would cause. ``act`` is what would be done first: create, update, remove, approve, look, probe, or
    ``wait`` and ``review`` where nothing would be written. ``changed`` maps a field to what is there and what comes."""

    connection: str
    entity: str
    record: str
    mapping: str
    act: str
    side: str
    target: str
    changed: Mapping[str, tuple[str, str]]
    money: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """``calls`` is how many the writes need at least; look-ups and reads come on top."""

    topic: str
    records: int
    unreadable: int
    differences: tuple[Difference, ...]
    places: frozenset[tuple[int, int]]
    calls: int


@dataclass(slots=True)
class Rehearsal:
    """Plan and settle over tables in memory: nothing goes out."""

    tables: Tables
    events: deque[tuple[LinkId, LinkEvent]] = field(default_factory=deque)
    plan: Plan = field(init=False)
    settle: Settle = field(init=False)

    def __post_init__(self) -> None:
        self.plan = Plan(self.tables, self._send)
        self.settle = Settle(self.tables, self._send, _unasked)

    async def _send(self, connection: Connection, key: bytes, event: LinkEvent) -> None:
        self.events.append((LinkId.parse(key), event))

    async def play(self, connection: Connection, record: Record) -> list[Difference]:
        """What this record would cause, as the tables are now; they move on."""
        before: dict[LinkId, Link | None] = {}
        await self.plan.take(connection, record, replayed=True)
        for _ in range(FOLDED):
            if not self.events:
                break
            link_id, event = self.events.popleft()
            if isinstance(event, Started):
                continue  # only a write loop starts calls
            now = self.tables.links.get(link_id)
            before.setdefault(link_id, now)
            body = LinkEventEnvelope(link_id.key.decode(), KINDS[type(event)], connection.clock(), event)
            await self.settle.fold(connection, body, now.offset + 1 if now is not None else 0)
        self.events.clear()
        found = (self._difference(connection, record, link_id, was) for link_id, was in before.items())
        return [one for one in found if one is not None]

    def _difference(
        self, connection: Connection, record: Record, link_id: LinkId, was: Link | None
    ) -> Difference | None:
        link = self.tables.links.get(link_id)
        rules = connection.rules(link_id.mapping, link.mapping_version) if link is not None else None
        if link is None or rules is None:
            return None
        known = was or new_link(link_id)
        task, before = todo(link, rules), todo(known, rules) if was is not None else None
        place = connection.name, record.entity, record.id, link_id.mapping
        if task is not None and task != before:
            return _shown(place, link, task, makes=task.side in rules.creates)
        if link.hold in (Hold.FAILED, Hold.CONFLICT) and (link.hold, link.code) != (known.hold, known.code):
            return Difference(*place, "review", "", "", {}, link.money, f"{link.code}: {link.message}")
        if was is None and link.life is not Life.ENDED and link.hold is Hold.WAITS:
            return Difference(*place, "wait", "", "", {}, link.money, "for what it names")
        return None


def _shown(place: tuple[str, str, str, str], link: Link, task: Todo, *, makes: bool) -> Difference:
    """What would be done first, as people read it: a birth looks before it makes, and makes where nothing is found."""
    act, wanted, reason = task.act, task.changed, ""
    if act is Act.LOOK and makes:
        act, wanted, reason = Act.CREATE, link.seen(task.side.other), "unless it is found there"
    there = link.seen(task.side)
    changed = {path: (there.get(path, ""), text) for path, text in wanted.items()}
    return Difference(*place, act.value, task.side.value, task.target, changed, link.money, reason)


async def compare(settings: Settings, cluster: Cluster, chosen: Range) -> Replayed:
    """What replaying would change. Writes nothing. Raises Unavailable, AuthError, MappingError."""
    codec = Codec()
    tables = await _tables(cluster, codec)
    connections = await connections_of(settings, cluster, codec, clock)
    await _compiled(settings, cluster, codec, connections)
    newest = {message.key: message.offset async for message in messages(cluster, chosen)}  # deletions too
    rehearsal, records, unreadable = Rehearsal(tables), 0, 0
    differences: list[Difference] = []
    places: set[tuple[int, int]] = set()
    async for message in messages(cluster, chosen):
        if newest.get(message.key) != message.offset or message.value is None or not chosen.holds(message.at):
            continue  # a later one says what is, or it came meanwhile
        connection = connections.get(split_key(message.key)[0])
        decoded = codec.decode(message.value)
        records += 1
        if connection is None or not isinstance(decoded, Decoded):
            unreadable += 1
            continue
        try:
            found = await rehearsal.play(connection, record_of(chosen.topic, decoded.value))
        except (DataError, ValueError):
            unreadable += 1
            continue
        if found:
            differences += found
            places.add((message.partition, message.offset))
    return Replayed(chosen.topic, records, unreadable, tuple(differences), frozenset(places), _calls(differences))


async def messages(cluster: Cluster, chosen: Range) -> AsyncIterator[Message]:
    """Those of the named records, of any time, to the topic's end as it is now."""
    async for message in read_to_end(cluster, chosen.topic):
        if chosen.names(message.key):
            yield message


async def _tables(cluster: Cluster, codec: Codec) -> Tables:
    """Links and targets as their topics hold them; of a key the value of the newest owner."""
    filled: dict[str, Memory] = {}
    for name, counter in RANKS.items():
        table, rank = filled.setdefault(name, Memory()), rank_by(codec, name, counter)
        async for message in read_to_end(cluster, f"{name}.v1"):
            known = table.rows.get(message.key)
            if message.value is None:
                table.remove(message.key)
            elif known is None or rank(message.value) >= rank(known):
                table.write(message.key, message.value)
    return tables_of(codec, filled["links"], filled["targets"])


async def _compiled(settings: Settings, cluster: Cluster, codec: Codec, connections: Mapping[str, Connection]) -> None:
    """The applied mappings with the types of their fields, which the org's describe gives."""
    by_name = {each.name: each for each in settings.connections}
    async with HttpClient() as http:
        for name, connection in connections.items():
            source = salesforce(http, by_name[name].salesforce, now_ms, grants_of(settings), name)
            for entry in (await read_entries(cluster, codec, name)).values():
                connection.applied[entry.mapping] = await compile_entry(entry, partial(_catalogs, source), connection)
            connection.numbers = Numbers(connection.numbers.epoch + 1)  # later than anything that was ever read


async def _catalogs(source: SalesforceSource, _: Connection, rule: Rule, fresh: bool) -> Mapping[Side, Catalog]:
    return await source.both(rule, fresh=fresh)


def _calls(differences: Iterable[Difference]) -> int:
    writes: dict[tuple[str, str, str, str], int] = {}
    for one in differences:
        if one.side and one.act not in ("look", "probe"):
            kind = one.connection, one.mapping, one.act, one.side
            writes[kind] = writes.get(kind, 0) + 1
    return sum(-(-number // CALL[Side(side)]) for (_, _, _, side), number in writes.items())


async def _unasked(*_: object) -> None:
    """A read that would be asked: a rehearsal reads nothing."""
