"""The day as headers tell it, and the pace of polls that follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.budget import Budget
from connector.core.party import Answer
from connector.errors import DataError
from connector.xero.allowance import DAY, LEAST, Day
from connector.xero.calls import AppMinute, Calls
from connector.xero.pace import Pace, Poll

NAMES = ("Contact", "Invoice", "TaxRate")


def spend(day: Day, now: float, hours: float, polls: int, others: int, *, left: int | None = None) -> tuple[Day, float]:
    """So many hours later; the headers count down unless told."""
    now += hours * 3600
    known = (day.left or 0) - polls - others if left is None else left
    return day.heard(now, known, polled=polls, others=others), now


def test_a_day_that_begins_anew_is_seen_and_its_end_is_known() -> None:
    day = Day().heard(0, 4_000, polled=1, others=0)
    assert (day.limit, day.until) == (5_000, DAY)
    day, now = spend(day, 0, 5, 100, 0)
    day, now = spend(day, now, 1, 10, 0, left=4_990)
    assert (day.rolling, day.until) == (False, now + DAY)
    calls, seconds = day.allowance(now + DAY / 2)
    assert seconds == DAY / 2
    assert calls == pytest.approx(4_990 * 0.9, rel=0.01)


def test_a_rolling_day_is_told_by_what_creeps_back() -> None:
    day = Day().heard(0, 700, polled=1, others=0)
    day, now = spend(day, 0, 1, 10, 0, left=702)
    assert day.rolling
    assert day.limit == 1_000
    calls, seconds = day.allowance(now)
    assert seconds == DAY
    assert calls == pytest.approx(900, rel=0.02)
    assert day.heard(now, 40, polled=1, others=0).allowance(now)[0] <= 160  # nearly spent: slowly


def test_a_day_without_an_end_is_a_rolling_one() -> None:
    day = Day().heard(0, 1_000, polled=1, others=0)
    for _ in range(30):
        day, _ = spend(day, day.at, 1, 1, 0)
    assert day.rolling


def test_writes_come_first_and_polls_keep_a_little() -> None:
    day, now = Day().heard(0, 5_000, polled=1, others=0), 0.0
    quiet = day.allowance(now)[0]
    for _ in range(6):
        day, now = spend(day, now, 1, 10, 200)
    busy = day.allowance(now)[0]
    assert day.others == pytest.approx(200 * (1 - 0.368), rel=0.1)
    assert busy < quiet / 2
    assert day.allowance(now, waiting=50)[0] == pytest.approx(busy - 50)
    assert day.allowance(now, waiting=5_000)[0] == LEAST * (day.left or 0)


def test_strangers_are_seen_in_the_headers() -> None:
    day, now = Day().heard(0, 5_000, polled=1, others=0), 0.0
    for _ in range(6):
        day, now = spend(day, now, 1, 10, 0, left=(day.left or 0) - 110)
    assert day.others > 50


def paced(day_left: int = 5_000, *, changes: int = 10) -> Pace:
    """After a first scan and an hour of polls, one a minute, of 1,000 calls a day."""
    pace = Pace(15.0)
    for name in NAMES:
        pace = pace.polled(name, Poll(20, 1_000_000, 20_000, first=True), 0.0)
    for minute in range(1, 61):
        for name in NAMES:
            pace = pace.polled(name, Poll(1, 900, changes if name == "Invoice" else 0), 60.0 * minute)
    day = pace.day.heard(3600.0, day_left, polled=200, others=0)
    return replace(pace, day=day).planned(NAMES, 3600.0)


def test_what_changes_often_is_asked_often_and_a_first_scan_teaches_nothing() -> None:
    pace = paced()
    assert pace.listed("Invoice").changes_per_hour == pytest.approx(600, rel=0.2)
    assert pace.listed("Contact").changes_per_hour < 1
    assert pace.interval("Invoice") < pace.interval("Contact") / 5
    assert pace.interval("Invoice") >= 15
    assert pace.spent["Contact"].calls == 60
    assert paced(1_000).interval("Invoice") > pace.interval("Invoice")


def test_the_longest_unasked_comes_first_and_what_failed_rests() -> None:
    pace = paced()
    assert pace.due(NAMES, (), 3600.0) == []
    pace = pace.polled("Contact", Poll(1, 900, 0), 3700.0)
    late = 3700 + 1e6
    assert pace.due(NAMES, (), late) == ["Invoice", "TaxRate", "Contact"]
    failed = pace.failed("Invoice", late)
    assert failed.due(NAMES, (), late) == ["TaxRate", "Contact"]
    assert failed.due(NAMES, (), late + 100)[-1] == "Invoice"


def test_a_poke_brings_a_poll_forward_until_webhooks_are_found_silent() -> None:
    pace = paced()
    assert pace.due(NAMES, ("Contact",), 3610.0) == []  # nobody has told us that webhooks work
    pace = pace.poked("Contact")
    assert pace.due(NAMES, ("Contact",), 3610.0) == ["Contact"]
    assert pace.silence("Contact") > paced().silence("Contact")
    missed = pace.polled("Contact", Poll(1, 900, 1, missed=True), 3700.0)
    assert not missed.listed("Contact").pushed


def test_what_was_learned_survives_a_restart_and_all_lists_are_asked_at_once() -> None:
    pace = paced()
    again = Pace(15.0).with_text(pace.to_text())
    assert (again.lists, again.spent, again.day, again.every) == (pace.lists, pace.spent, pace.day, pace.every)
    assert set(again.due(NAMES, (), 3600.0)) == set(NAMES)
    for text in ("", "[]", "{}", '{"day":{"x":1},"lists":{},"spent":{},"every":{}}'):
        with pytest.raises(DataError):
            Pace(15.0).with_text(text)


@pytest.mark.parametrize(
    ("said", "left"), [("4998", 4998), (" 86401 ", 86_401), ("9999999", 9_999_999), ("-1", None), ("1e9", None)]
)
def test_the_calls_of_a_day_are_as_many_as_the_header_says(said: str, left: int | None) -> None:
    answer = Answer(200, {"x-daylimit-remaining": said}, b"")
    calls = Calls(Budget(), AppMinute.of())
    calls.heard(answer, 0, (0, 0))
    assert calls.own.day_left == left
