"""The arithmetic of the snapshot benchmark, and the slow lane that it measures."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from benchmarks.load import Commit, End
from benchmarks.snapshots.live import Live, latencies
from benchmarks.snapshots.worker import Sample, growth, steps
from connector.core.records import Record, Side, Version
from connector.core.snapshots import Collection
from connector.settings import ConnectionSettings
from streams.connection import Connection
from streams.lane import FLYING, Lane

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SETTINGS = ConnectionSettings.model_validate(
    {
        "name": "demo", "salesforce": {"url": "https://x.my.salesforce.com", "client_id": "c"},
        "xero": [{"tenant": "t", "client_id": "x"}],
    }
)  # fmt: skip


# --- the benchmark ---------------------------------------------------------------------------------------------------


def commit(ms: int, object_id: str, number: int, origin: str) -> Commit:
    return Commit(0, NOW + timedelta(milliseconds=ms), object_id, origin, number)


def test_an_edit_counts_to_its_phase_and_is_lost_when_nothing_answers_it() -> None:
    end = End(cast(Any, None), "Account", lambda _: {}, lambda _: None)
    live = Live(end, end, {"a": "A", "b": "B"}, 50)
    live.phases = {1: "alone", 2: "alone", 3: "depth 100", 4: "depth 100"}
    live.edits = [commit(100 * n, "ba"[n % 2], n, "ui") for n in (1, 2, 3, 4)]
    live.writes = [commit(500, "B", 2, "api"), commit(600, "A", 3, "api")]  # the write of 3 answers 1 too
    alone, deep = latencies(live, ["alone", "depth 100", "rest"])
    assert (alone.edits, alone.p50, alone.worst, alone.lost) == (2, 500, 500, 0)
    assert (deep.edits, deep.p99, deep.lost) == (2, 300, 1)
    assert live.missing() == 1


def test_growth_is_a_slope_over_the_rows_that_were_read() -> None:
    rising = [Sample(n, 200 + n, 10_000 * n, "rest", 1) for n in range(10)]
    assert growth(rising) == pytest.approx(10.0)
    assert growth(rising[:2]) == 0
    assert [one.at for one in steps(rising, 4)] == [0, 3, 6, 9]


# --- the lane --------------------------------------------------------------------------------------------------------


def record(number: int, ordinal: int = 1) -> Record:
    return Record(Side.SALESFORCE, "org", "Account", f"{number:018}", Version(1, ordinal), NOW, NOW)


class Topic:
    """One partition: what was put there, and how far it is processed."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.done = 0
        self.most = 0

    async def place(self, one: Record) -> tuple[str, int]:
        await asyncio.sleep(0)
        self.records.append(one)
        self.most = max(self.most, len(self.records) - self.done)
        return "records", len(self.records) - 1

    async def work(self, until: int) -> None:
        while self.done < until:
            await asyncio.sleep(0)
            self.done = min(self.done + 1, len(self.records))


def a_lane(topic: Topic) -> Lane:
    connection = Connection(SETTINGS, cast(Any, None), cast(Any, None), "org", "t", lambda: NOW, 0)
    return Lane(connection, topic.place, lambda _topic, _partition: topic.done)


@pytest.mark.parametrize("ahead", [10, 64, 500])
async def test_no_more_than_so_many_records_wait_before_a_live_change(ahead: int) -> None:
    topic = Topic()
    lane, rows = a_lane(topic), [record(number) for number in range(1000)]
    working = asyncio.create_task(topic.work(len(rows)))
    assert await lane.send(rows, ahead) == 0
    await working
    assert [one.id for one in topic.records] == [one.id for one in rows]
    assert topic.most <= ahead


async def test_link_events_that_are_not_folded_hold_the_lane_too() -> None:
    topic = Topic()
    lane = a_lane(topic)
    for number in range(FLYING + 1):
        lane.connection.flight.sent(f"link {number}")
    sending = asyncio.create_task(lane.send([record(1)], 10))
    await asyncio.sleep(0.05)
    assert topic.records == []
    lane.connection.flight.folded("link 0")
    assert await sending == 0
    assert len(topic.records) == 1


async def test_a_row_that_a_newer_read_has_passed_is_not_sent() -> None:
    topic = Topic()
    lane = a_lane(topic)
    lane.connection.window.open(Collection(Side.SALESFORCE, "Account"))
    lane.connection.window.note(record(2, 5))
    assert await lane.send([record(1), record(2), record(3)], 10) == 1
    assert [one.id for one in topic.records] == [record(1).id, record(3).id]
