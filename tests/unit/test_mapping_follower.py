"""What a worker takes in of the mappings that are applied: in the order in which it was written, and again and again
while one does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from connector.core.applied import Gate
from connector.core.catalog import Catalog
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Side
from connector.core.snapshots import Collection
from connector.errors import TwinledgerError, Unavailable
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster
from streams import configuration
from streams.configuration import AT_ONCE, Entry, Follower, next_look
from streams.connection import Connection
from streams.snapshot import SnapshotLoop
from tests.unit.mapping_catalogs import CATALOGS
from tests.unit.settle_desk import SETTINGS

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAME = "opportunity-to-invoice"
TEXT = (Path(__file__).parents[2] / "mappings" / f"{NAME}.yaml").read_text("utf-8")
WAITS = Entry("demo", NAME, "", TEXT, Gate.SNAPSHOT, NOW, paused=False, by="", at=NOW)
OPEN = replace(WAITS, gate=Gate.OPEN)
DEALS = Collection(Side.SALESFORCE, "Opportunity")


@dataclass
class World:
    """A worker with one connection. ``away``: the org does not answer."""

    monkeypatch: pytest.MonkeyPatch
    stands: Entry = OPEN
    away: bool = False
    told: list[str] = field(default_factory=list)
    asked_anew: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        nobody = cast(Any, None)
        self.home = Connection(SETTINGS, nobody, nobody, "org", "t", lambda: NOW, 0)
        self.follower = Follower(
            Cluster(""), Codec(), {"demo": self.home}, self.catalogs, self.refused, lambda _home, _entry: None
        )
        self.monkeypatch.setattr(configuration, "read_entries", self.read)

    async def read(self, *_: object) -> dict[str, Entry]:
        return {self.stands.key.decode(): self.stands}

    async def write(self, entry: Entry) -> None:
        """It takes a while."""
        for _ in range(3):
            await asyncio.sleep(0)
        self.stands = entry

    async def catalogs(self, _home: Connection, _rule: Rule, fresh: bool) -> Mapping[Side, Catalog]:
        self.asked_anew.append(fresh)
        if self.away:
            raise Unavailable("salesforce.unavailable", "The org does not answer.")
        return CATALOGS

    def refused(self, _home: Connection, _entry: Entry, error: TwinledgerError) -> None:
        self.told.append(error.code)

    @property
    def gate(self) -> Gate:
        return self.home.applied[NAME].gate


async def test_of_two_looks_the_later_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    world, go_on = World(monkeypatch), asyncio.Event()
    stood = [WAITS, OPEN]

    async def read(*_: object) -> dict[str, Entry]:
        stands = stood.pop(0)
        if stands is WAITS:  # read before, told after
            await go_on.wait()
        return {stands.key.decode(): stands}

    monkeypatch.setattr(configuration, "read_entries", read)
    async with asyncio.TaskGroup() as looks:
        looks.create_task(world.follower.refresh())
        await asyncio.sleep(0)
        later = looks.create_task(world.follower.refresh())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not later.done()
        go_on.set()
    assert world.gate is Gate.OPEN


async def test_two_words_at_once_undo_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume, and a gate that opens at the end of a snapshot, by a worker that has not heard of the resume yet."""
    world = World(monkeypatch, stands=replace(WAITS, paused=True))
    await world.follower.refresh()

    async with asyncio.TaskGroup() as words:
        words.create_task(world.follower.change("demo", NAME, lambda one: replace(one, paused=False), world.write))
        words.create_task(world.follower.change("demo", NAME, lambda one: replace(one, gate=Gate.OPEN), world.write))
    assert world.stands == replace(OPEN, paused=False)
    assert await world.follower.change("demo", "another", lambda one: one, world.write) is None


async def test_a_snapshot_opens_the_text_that_it_was_taken_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world, edited = World(monkeypatch, stands=WAITS), replace(WAITS, text=TEXT.replace("OPP-", "SALE-"))
    assert edited != WAITS

    async def change(name: str, how: Callable[[Entry], Entry]) -> None:
        await world.follower.change("demo", name, how, world.write)

    async def walk(_loop: SnapshotLoop, _collection: Collection, _reason: str) -> None:
        world.stands = applied.pop() if applied else world.stands

    applied = [edited]
    monkeypatch.setattr(SnapshotLoop, "_walk", walk)
    nothing = cast(Any, None)
    loop = SnapshotLoop(world.home, nothing, world.follower.entry, change, nothing, nothing, nothing, ())
    await world.follower.refresh()
    await loop._round()
    assert world.stands == edited, "applied meanwhile: it has a snapshot of its own"
    await world.follower.refresh()
    await loop._round()
    assert world.stands == replace(edited, gate=Gate.OPEN)


async def test_what_could_not_be_looked_at_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, away=True)
    await world.follower.refresh()
    await world.follower.refresh()
    assert (world.gate, world.told) == (Gate.CLOSED, ["salesforce.unavailable"] * 2)
    world.away = False
    await world.follower.refresh()
    assert (world.gate, world.follower.again) == (Gate.OPEN, set())
    assert world.asked_anew == [False, True, True]  # not what was remembered of the org
    assert not await world.follower.refresh()


async def test_what_passed_by_a_held_mapping_is_read_once_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    world, kept, walked = World(monkeypatch, away=True), list[tuple[str, bool]](), list[str]()

    async def keep(collection: Collection, *, wanted: bool) -> None:
        kept.append((str(collection), wanted))

    async def walk(_loop: SnapshotLoop, collection: Collection, _reason: str) -> None:
        walked.append(str(collection))

    monkeypatch.setattr(SnapshotLoop, "_walk", walk)
    nothing = cast(Any, None)
    loop = SnapshotLoop(world.home, nothing, nothing, nothing, nothing, keep, nothing, ())
    await world.follower.refresh()
    await loop._round()
    assert (kept, walked) == ([("salesforce.Opportunity", True)], [])
    world.home.resync(DEALS)  # somebody lost count meanwhile: the others' sake
    await loop._round()
    assert (kept, walked) == ([("salesforce.Opportunity", True)], ["salesforce.Opportunity"])
    world.away = False
    await world.follower.refresh()
    await loop._round()
    assert kept[1:] == [("salesforce.Opportunity", False)]
    assert walked == ["salesforce.Opportunity"] * 2
    await loop._round()
    assert len(kept) == len(walked) == 2


def test_a_mapping_that_does_not_fit_for_long_does_not_spend_the_calls_of_the_day() -> None:
    day_ms, spent, tries = 86_400_000, 0, 0
    while spent < day_ms:
        spent += next_look(tries, waits=True)
        tries += 1
    assert AT_ONCE < tries < 350
    assert next_look(0, waits=True) == 10_000
    assert next_look(tries, waits=False) == next_look(0, waits=False)
