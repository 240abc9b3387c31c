"""The polling plan: within the allowance, fresher than any even pace, and it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.poll_intervals import FASTEST_POKED, Allowance, Listed, gap, intervals, learned, polls_a_second, share

HOT = Listed("Invoice", changes_per_hour=1000)
WARM = Listed("Contact", changes_per_hour=50)
COLD = Listed("TaxRate", changes_per_hour=0.01)
LISTS = (HOT, WARM, Listed("Payment", changes_per_hour=200), COLD, Listed("Account", changes_per_hour=0.1))

listed = st.builds(
    Listed, name=st.uuids().map(str), changes_per_hour=st.floats(0, 1e5), calls=st.floats(1, 50),
    size=st.floats(0, 1e7), weight=st.floats(0.1, 10), pushed=st.booleans(),
)  # fmt: skip


def used(lists: tuple[Listed, ...], found: dict[str, float], seconds: float = 86_400) -> float:
    return sum(one.calls * seconds * polls_a_second(one, found[one.name]) for one in lists)


def staleness(lists: tuple[Listed, ...], found: dict[str, float]) -> float:
    """Mean seconds that a change waits, over all changes."""
    total = sum(one.changes_per_hour for one in lists)
    return sum(one.changes_per_hour * found[one.name] / 2 for one in lists) / total


@pytest.mark.parametrize("calls", [300, 900, 4_500])
def test_it_is_within_the_allowance_and_fresher_than_an_even_pace(calls: int) -> None:
    found = dict(intervals(LISTS, Allowance(calls)))
    assert used(LISTS, found) <= calls * 1.001
    even = dict.fromkeys(found, 86_400 * len(LISTS) / calls)
    assert staleness(LISTS, found) < 0.6 * staleness(LISTS, even)
    assert found["Invoice"] < found["Payment"] < found["Contact"] < found["TaxRate"]


@given(st.lists(listed, min_size=1, max_size=18), st.floats(1, 1e6), st.floats(1e5, 1e12))
def test_no_plan_is_over_the_allowance(lists: list[Listed], calls: float, size: float) -> None:
    found = dict(intervals(lists, Allowance(calls, size=size)))
    assert used(tuple(lists), found) <= calls * 1.001
    pace = sum(one.size * 86_400 * polls_a_second(one, found[one.name]) for one in lists)
    assert pace <= size * 1.001
    assert all(seconds >= 10 and math.isfinite(seconds) for seconds in found.values())


def test_a_wide_allowance_asks_as_fast_as_it_may_and_a_spent_one_still_ends() -> None:
    assert set(intervals(LISTS, Allowance(1e9)).values()) == {10}
    assert all(seconds > 1e6 for seconds in intervals(LISTS, Allowance(0)).values())
    assert intervals((), Allowance(5)) == {}


def test_a_quiet_list_with_webhooks_is_asked_at_every_change() -> None:
    quiet, busy = Listed("Contact", 1), Listed("Invoice", 1000)
    polled = intervals((quiet, busy), Allowance(900))
    pushed = intervals((replace(quiet, pushed=True), busy), Allowance(900))
    assert gap(replace(quiet, pushed=True), pushed["Contact"]) == FASTEST_POKED
    assert pushed["Invoice"] < polled["Invoice"] * 1.01  # and the others do not pay for it


def test_webhooks_of_a_busy_list_spend_no_more_than_polls_would() -> None:
    """A poke a change would be 24,000 calls a day: most of them wait for the gap."""
    busy = (Listed("Invoice", 1000, pushed=True), Listed("Payment", 1000))
    found = intervals(busy, Allowance(900))
    assert found["Invoice"] == pytest.approx(found["Payment"], rel=0.02)
    assert gap(busy[0], found["Invoice"]) > 0.99 * found["Invoice"]
    assert used(busy, dict(found)) <= 900.9


def test_bytes_that_cost_slow_a_heavy_list() -> None:
    heavy = (Listed("Item", 10, size=5_000_000), Listed("Contact", 10, size=2_000))
    free, dear = intervals(heavy, Allowance(4_500)), intervals(heavy, Allowance(4_500, size=1e9))
    assert dear["Item"] > 5 * free["Item"]


def test_a_rate_is_learned_and_forgotten() -> None:
    busy = COLD
    for _ in range(72):
        busy = learned(busy, 100, 600)
    assert busy.changes_per_hour == pytest.approx(600, rel=0.15)
    for _ in range(1000):
        busy = learned(busy, 0, 600)
    assert busy.changes_per_hour == pytest.approx(1 / 24)
    assert learned(busy, 5, 0) is busy
    fresh = learned(learned(COLD, 3, 60, calls=1, size=900), 2, 60, calls=1, size=900)
    assert fresh.changes_per_hour > 10  # what is known of a list that is new to us counts for little
    assert fresh.size == 900


def test_polls_leave_what_writes_will_want() -> None:
    assert share(5000, 1000) == 3500
    assert share(100, 1000) == 0
