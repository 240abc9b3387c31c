"""The judge of the polled org: an edit was timed, overtaken by the next of its account, or lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.polled_org import Row, an_hour, judged

BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


def test_what_was_overtaken_is_no_loss_and_what_never_came_is() -> None:
    made = {"1": "a", "2": "a", "3": "b", "4": "b"}
    here = dict.fromkeys(made, BEGAN)
    there = {"2": BEGAN + timedelta(seconds=4), "3": BEGAN + timedelta(seconds=1)}
    row = Row(5, 9, 100, *judged(made, here, there))
    assert (row.edits, row.took, row.merged, row.lost) == (4, (1_000, 4_000), 1, 1)
    assert (row.within(0.5), row.within(1.0)) == (4.0, 4.0)


def test_calls_are_counted_by_whole_rounds() -> None:
    paths = ("/query", "/sobjects/Account/deleted", "/query", "/sobjects/Contact/deleted")
    times = [(BEGAN + timedelta(minutes=number)).isoformat() for number in range(3)]
    calls = [{"path": path, "at": at} for at in times for path in paths]
    assert an_hour(calls[:-2]) == 4 * 60
