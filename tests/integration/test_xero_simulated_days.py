"""Polls against the simulator in simulated time: rows that move while they are paged, and days with few calls."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import moving, staleness
from benchmarks.staleness_page import Outcome, Scan, page, plot
from connector.xero.allowance import DAY

RUNS = 12  # `python -m benchmarks.moving --runs 1000` makes the figures of the documentation
HOURS = 2.0


@pytest.mark.parametrize("entity", moving.ENTITIES)
async def test_nothing_is_lost_while_rows_move(entity: str) -> None:
    for seed in range(RUNS):
        whole, pages = await moving.one(entity, seed)
        assert whole, f"seed {seed}"
        assert pages > 4


@pytest.fixture(scope="module")
def days() -> tuple[Scan, list[Outcome]]:
    """A small organisation: 30 changes an hour."""
    return asyncio.run(staleness.runs(2_500, 500, HOURS, 7))


def test_every_change_becomes_known_and_no_day_is_overspent(days: tuple[Scan, list[Outcome]]) -> None:
    scan, found = days
    assert scan.records >= 3_000
    for one in found:
        assert one.lost == 0
        assert one.refused == 0, "polls earned a refusal"
        assert one.edits > 30
        assert one.calls <= one.tier * HOURS * 3600 / DAY * 1.1 + 10


def test_more_calls_and_webhooks_make_it_fresher(days: tuple[Scan, list[Outcome]]) -> None:
    slow, slow_told, fast, fast_told = days[1]
    assert fast.p50 < slow.p50 / 2
    assert fast_told.p95 < fast.p95
    assert slow_told.p95 < slow.p95


def test_the_page_has_a_row_and_the_drawing_two_bars_for_each_day(days: tuple[Scan, list[Outcome]]) -> None:
    scan, found = days
    text = page(scan, found, 2_500, 500, 60)
    assert all(text.count(f"| {one.name} |") == 2 for one in found)
    assert plot(found).count("<rect") == 1 + 2 * len(found)
