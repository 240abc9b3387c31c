"""A take-over finds all that moves, and decodes little else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import cast

from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.core.link_state import End, Hold, Life, Link
from connector.core.mapping.model import Limits
from connector.core.records import Side, Version
from connector.core.values import Ref
from connector.errors import EngineStop
from connector.kafka.codec import Codec
from connector.kafka.link_codec import LinkHead
from streams.brake import Brake
from streams.connection import Connection
from streams.genesis import Genesis
from streams.hydrate import Reads
from streams.rebuild import Memory
from streams.tables import KEPT_GONE_DAYS, LinkTable, ParentTable, Read, ReadTable, Tables, TargetTable
from streams.takeover import Takeover
from tests.unit.test_brake_limits import NAME, NOW, connection

LATER = NOW + timedelta(hours=1)


@dataclass(slots=True)
class Watched(Memory):
    """Counts the rows that are looked at one by one; ``lost`` after so many."""

    peeked: list[bytes] = field(default_factory=list)
    lost: int = 1_000_000

    def peek(self, key: bytes) -> bytes | None:
        self.peeked.append(key)
        if len(self.peeked) > self.lost:
            raise EngineStop("table.not-owned", "Gone.")
        return self.rows.get(key)


@dataclass(slots=True)
class Known:
    """In the place of ``Genesis``: remembers what it was told."""

    last: int = -2
    ids: set[str] = field(default_factory=set)

    async def check(self, connection: Connection, last: int, ids: set[str]) -> None:
        del connection
        self.last, self.ids = last, ids


def link(number: int) -> Link:
    made = new_link(LinkId("demo", NAME, f"salesforce:{number}", "t"))
    return replace(made, life=Life.LIVE, xero=End(f"x{number}", Version(1, 1)), offset=number)


def tables(raw: Watched, reads: Watched | None = None) -> Tables:
    codec = Codec()
    return Tables(
        LinkTable(raw, codec), TargetTable(Memory(), codec), ReadTable(reads or Watched(), codec),
        ParentTable(Memory(), codec),
    )  # fmt: skip


def take(made: Tables, home: Connection, reads: Reads | None = None) -> tuple[bool, Known, Brake]:
    brake, known = Brake(), Known()

    async def yes(partition: int) -> bool:
        return partition == home.partition

    async def nothing(home: Connection) -> None:
        del home

    def scanned(home: Connection, links: Iterable[Link]) -> None:
        brake.recount(home, links)

    takeover = Takeover(made, yes, nothing, scanned, cast("Genesis", known))
    return asyncio.run(takeover.run(home, reads or Reads())), known, brake


def home() -> Connection:
    return connection(Limits(creates=3, voids=None, money=None))


def test_only_what_moves_is_decoded() -> None:
    raw, at_home = Watched(), home()
    made = tables(raw)
    for number in range(2_500):
        made.links.put(link(number), 1, "g")
    sent = replace(link(2_999), status="draft", born=NOW - timedelta(days=1))  # one that we approve ourselves
    made.links.put(sent, 1, "g")
    late = replace(link(3_000), hold=Hold.LATER, not_before=LATER)
    waits = replace(link(3_001), hold=Hold.WAITS, refs={"Contact": Ref("m", "salesforce:9")})
    young = replace(link(3_002), born=NOW, money="")
    old = replace(link(3_003), born=NOW - timedelta(days=1))
    foreign = replace(late, id=replace(late.id, connection="demo-2"))
    for one in (late, waits, young, old, foreign):
        made.links.put(one, 1, "g")
    taken, known, brake = take(made, at_home)
    assert taken
    assert set(raw.peeked) == {late.id.key, waits.id.key, young.id.key, sent.id.key}
    raw.peeked.clear()
    rule = at_home.applied[NAME].mapping
    at_home.applied[NAME] = replace(at_home.applied[NAME], mapping=replace(rule, approve="at-once"))
    take(made, at_home)
    assert set(raw.peeked) == {late.id.key, waits.id.key, young.id.key}
    assert at_home.ready.next_due() == LATER
    assert at_home.waiting.on("m", "salesforce:9") == (waits.id.key,)
    assert brake.spent[NAME].creates == 1
    assert (known.last, known.ids) == (3_003, {"g"})


def test_a_link_that_settle_folded_meanwhile_is_taken_as_it_stands() -> None:
    """The scan shows the table as it was when it began; a job of the past must not come back."""

    @dataclass(slots=True)
    class Moving(Watched):
        def peek(self, key: bytes) -> bytes | None:
            settled = tables(Watched())
            settled.links.put(replace(link(1), offset=9), 1, "g")
            return settled.links.raw.peek(key)

    raw, at_home = Moving(), home()
    made = tables(raw)
    made.links.put(replace(link(1), hold=Hold.LATER, not_before=LATER), 1, "g")
    assert take(made, at_home)[0]
    assert at_home.ready.next_due() is None


def test_a_partition_that_is_lost_in_the_middle_is_not_taken() -> None:
    raw = Watched(lost=1)
    made = tables(raw)
    for number in range(3):
        made.links.put(replace(link(number), hold=Hold.LATER, not_before=LATER), 1, "g")
    taken, known, _ = take(made, home())
    assert not taken
    assert known.last == -2  # nothing was concluded from half a scan


def test_open_questions_are_asked_again_and_answered_ones_are_not_decoded() -> None:
    raw, reads = Watched(), Reads()
    made, today = tables(Watched(), raw), NOW.date()
    for number in range(2_000):
        made.reads.put(replace(question(number), gone=number != 7), 1, today)
    assert take(made, home(), reads)[0]
    assert [read.id for read in reads.open.values()] == ["7"]
    assert raw.peeked == [question(7).key]


def question(number: int) -> Read:
    return Read("demo", Side.SALESFORCE, "org", "Account", str(number), Version(1, 1), NOW)


def test_what_was_answered_long_ago_goes_by_and_by() -> None:
    raw = Watched()
    made, old = tables(Watched(), raw), date(2026, 10, 1)
    for number in range(3_000):
        made.reads.put(replace(question(number), gone=number % 2 == 0), 1, old)
    assert len(raw.rows) == 3_000
    soon = old + timedelta(days=KEPT_GONE_DAYS - 1)
    for _ in range(3_000):
        made.reads.put(question(1), 1, soon)
    assert len(raw.rows) == 3_000  # too early by a day
    for _ in range(3_000):
        made.reads.put(question(1), 1, soon + timedelta(days=1))
    assert sorted(raw.rows) == sorted(question(number).key for number in range(1, 3_000, 2))


def test_what_stands_since_our_claim_is_not_written_twice_and_what_stood_before_is() -> None:
    """A row of an earlier life may never have reached the changelog; one of this life has, or the process ends."""
    from streams.tables import Parent

    raw = Memory()
    table, row = ParentTable(raw, Codec()), Parent("c", "org", "Line", "1", "Opportunity", "2")
    table.put(row, 1)
    first = raw.rows[row.key]
    table.put(row, 1)
    assert raw.rows[row.key] == first
    table.put(row, 2)
    assert raw.rows[row.key] != first


def test_a_value_of_an_older_schema_is_decoded_for_its_head() -> None:
    """Before the head came to the front."""
    import io

    import fastavro

    from connector.kafka.schemas import Schemas, parse_schema, shipped

    current = next(schema for schema in shipped() if schema.name == "io.twinledger.links.v1.Link")
    document = {**current.document, "fields": current.document["fields"][::-1]}
    older = parse_schema(__import__("json").dumps(document))
    schemas = Schemas(shipped())
    schemas.learn(older)
    codec = Codec(schemas)
    raw = Memory()
    table = LinkTable(raw, codec)
    table.put(link(5), 3, "g")
    value = codec.decode(next(iter(raw.rows.values()))).value  # type: ignore[union-attr]
    out = io.BytesIO()
    fastavro.schemaless_writer(out, older.parsed, value)
    raw.rows = {link(5).id.key: b"\xc3\x01" + older.fingerprint + out.getvalue()}
    assert [*table.heads(0, "demo")] == [(link(5).id.key, LinkHead(3, 1, 2, 5, 0, "g"))]
