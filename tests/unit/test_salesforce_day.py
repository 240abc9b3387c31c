"""The org's API calls of 24 hours: who rests first, what polls may use, and a whole simulated day of it."""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from connector.cli.status import day_of
from connector.core.party import Answer
from connector.errors import DataError
from connector.kafka.positions import Position, PositionKind
from connector.salesforce.day import DAY_MS, FLIGHT_MS, LOOK_MS, QUARTER_MS, RESERVE, Day, Purpose
from connector.salesforce.pace import CALLS, Pace, to_text, with_text
from connector.salesforce.rest import heard as told_by
from connector.salesforce.spending import purpose_of, spending
from connector.salesforce.watch import calls_left

SECOND, HOUR = 1000, 3_600_000
OBJECTS = ("Account", "Contact", "Opportunity", "OpportunityLineItem", "Product2", "PricebookEntry", "Xero_Invoice__c")
A_POLL = 2  # calls: the query and getDeleted
BEGAN = 1_700_000_000_000


@dataclass
class Org:
    """Counts calls as Salesforce does: any 24 hours, whoever calls. It refuses what is over."""

    limit: int
    calls: deque[int] = field(default_factory=deque)
    most: int = 0
    refused: int = 0

    def left(self, now: int) -> int:
        while self.calls and self.calls[0] <= now - DAY_MS:
            self.calls.popleft()
        return self.limit - len(self.calls)

    def call(self, now: int) -> bool:
        if self.left(now) <= 0:
            self.refused += 1
            return False
        self.calls.append(now)
        self.most = max(self.most, len(self.calls))
        return True


@dataclass
class Worker:
    """One connection, second by second: writes when there are any, polls as they are paced."""

    org: Org
    pace: Pace
    day: Day = field(default_factory=Day)
    last: dict[str, int] = field(default_factory=dict)
    planned: int = 0
    polls: Counter[int] = field(default_factory=Counter)  # by hour
    gaps: list[int] = field(default_factory=list)
    held: Counter[Purpose] = field(default_factory=Counter)
    made: Counter[Purpose] = field(default_factory=Counter)

    def call(self, now: int, purpose: Purpose) -> bool:
        if self.day.pause(now, purpose) > 0:
            self.held[purpose] += 1
            return False
        self.day = self.day.call(now, purpose)
        taken = self.org.call(now)
        self.day = self.day.end().heard(now, self.org.left(now), self.org.limit)
        if not taken:
            self.day = self.day.refused(now, 900)
        self.made[purpose] += taken
        return taken

    def turn(self, now: int) -> None:
        """A look of the poll loop."""
        if now - self.planned >= 60 * SECOND:
            self.planned = now
            self.pace = self.pace.planned(OBJECTS, self.day.polls(now, self.pace.fastest))
        for name in OBJECTS:
            before = self.last.get(name)
            due = before is None or now >= before + self.pace.interval(name) * SECOND
            if due and all(self.call(now, Purpose.POLL) for _ in range(A_POLL)):
                self.last[name] = now
                self.polls[(now - BEGAN) // HOUR] += 1
                if before is not None:
                    self.gaps.append((now - before) // SECOND)
                    self.pace = self.pace.polled(name, changes=0, seconds=(now - before) / 1000, calls=A_POLL)


def test_an_org_polled_alone_does_not_run_dry_at_noon() -> None:
    """15,000 calls a day, seven objects that the settings would have asked every 5 s: 241,920 calls."""
    worker = Worker(Org(15_000), Pace(5))
    for now in range(BEGAN, BEGAN + 2 * DAY_MS, SECOND):
        worker.turn(now)
    assert worker.org.refused == 0
    assert worker.org.most <= 15_000 - worker.day.floor(Purpose.POLL)
    assert worker.made[Purpose.POLL] > 1.95 * 9_000  # what polls may have is used
    hours = [worker.polls[hour] for hour in range(1, 48)]
    assert min(hours) > 0.9 * max(hours)
    assert max(worker.gaps) < 180


def test_polls_that_fit_the_day_are_as_fast_as_the_settings_say() -> None:
    worker = Worker(Org(15_000), Pace(300))
    for now in range(BEGAN, BEGAN + DAY_MS, 5 * SECOND):
        worker.turn(now)
    assert set(worker.pace.every.values()) == {300}
    assert worker.made[Purpose.POLL] == DAY_MS // (300 * SECOND) * len(OBJECTS) * A_POLL


def test_writes_never_wait_for_polls_and_polls_give_way_before_the_day_is_spent() -> None:
    """A morning of writes and a stranger who takes a fifth of the day: every write goes at once."""
    chance = random.Random("a day of work")
    worker = Worker(Org(15_000), Pace(5))
    for now in range(BEGAN, BEGAN + 2 * DAY_MS, SECOND):
        hour = (now - BEGAN) // HOUR % 24
        if 8 <= hour < 12 and chance.random() < 0.2:  # 2,880 writes each morning
            assert worker.call(now, Purpose.READ)
            assert worker.call(now, Purpose.WRITE)
        if 9 <= hour < 17 and chance.random() < 0.11:  # 3,200 calls of another app each day
            assert worker.org.call(now)
        worker.turn(now)
    assert worker.org.refused == 0
    assert worker.held[Purpose.WRITE] == worker.held[Purpose.READ] == 0
    assert worker.org.most <= 15_000 - RESERVE
    assert all(worker.polls[hour] >= len(OBJECTS) for hour in range(24, 48))  # once a day is known, none is silent


def test_a_spent_day_is_looked_at_once_in_a_while_and_used_again_when_it_has_rolled_on() -> None:
    """A stranger spends all there is in a minute: we are refused a few times an hour, not in a loop."""
    worker = Worker(Org(1_000), Pace(5))
    worker.turn(BEGAN)
    while worker.org.call(BEGAN + SECOND):
        pass
    worker.org.refused = 0
    for now in range(BEGAN + 2 * SECOND, BEGAN + DAY_MS, SECOND):
        worker.turn(now)
        worker.call(now, Purpose.WRITE)
    assert 90 <= worker.org.refused <= 97
    assert worker.day.resting(now) == tuple(Purpose)
    for now in range(BEGAN + DAY_MS, BEGAN + DAY_MS + HOUR, SECOND):
        worker.turn(now)
        worker.call(now, Purpose.WRITE)
    assert worker.made[Purpose.WRITE] > 300
    assert worker.org.refused <= 98


def heard(left: int, limit: int = 100_000) -> Day:
    return Day().heard(BEGAN, left, limit)


@pytest.mark.parametrize(
    ("left", "resting"),
    [
        (60_000, ()),
        (20_500, (Purpose.AUDIT,)),
        (5_500, (Purpose.WATCH, Purpose.POLL, Purpose.AUDIT)),
        (2_500, (Purpose.READ, Purpose.WATCH, Purpose.POLL, Purpose.AUDIT)),
        (500, tuple(Purpose)),
        (-20, tuple(Purpose)),
    ],
)
def test_what_matters_least_rests_first(left: int, resting: tuple[Purpose, ...]) -> None:
    assert heard(left).resting(BEGAN + 1) == resting


def test_a_small_org_keeps_a_small_reserve() -> None:
    assert [heard(900, limit).floor(Purpose.WRITE) for limit in (1_000, 5_000, 15_000)] == [50, 250, 500]


def test_before_anything_was_heard_calls_go() -> None:
    assert Day().resting(0) == ()
    assert Pace(300).planned(OBJECTS, Day().polls(0, 300)).interval("Account") == 300


def test_calls_on_their_way_count_and_only_one_looks() -> None:
    day = heard(501).call(BEGAN, Purpose.WRITE)
    assert day.pause(BEGAN, Purpose.WRITE) == FLIGHT_MS
    spent = heard(0)
    later = BEGAN + LOOK_MS
    assert spent.pause(BEGAN, Purpose.READ) == LOOK_MS
    assert spent.pause(later, Purpose.READ) == 0
    assert spent.call(later, Purpose.READ).pause(later, Purpose.WRITE) == FLIGHT_MS


def test_a_refusal_holds_everything_for_as_long_as_it_says() -> None:
    day = heard(60_000).refused(BEGAN, 900)
    assert {day.pause(BEGAN, one) for one in Purpose} == {900_000}
    assert day.resting(BEGAN + 900_000) == ()


def test_the_calls_of_24_hours_are_told_apart() -> None:
    day = Day(limit=1_000)
    for at in range(BEGAN, BEGAN + 10 * QUARTER_MS, QUARTER_MS):
        day = day.call(at, Purpose.POLL).call(at, Purpose.WRITE).end().end()
    day = day.heard(at, 1_000 - 20 - 300, 1_000)
    assert day.table(at) == {"write": 10, "read": 0, "watch": 0, "poll": 10, "audit": 0, "others": 300}
    assert day.spent(at + DAY_MS, Purpose.POLL) == 0
    assert sum(day.call(at + 2 * DAY_MS, Purpose.POLL).made[Purpose.POLL].values()) == 1  # and forgotten


def test_what_is_kept_comes_back_beside_what_was_counted_since() -> None:
    day = Day().call(BEGAN, Purpose.POLL).call(BEGAN, Purpose.POLL).heard(BEGAN, 700, 1_000)
    pace = Pace(300).polled("Account", changes=5, seconds=300, calls=2).planned(["Account"], day.polls(BEGAN, 300))
    text = to_text(pace, day)
    again, known = with_text(Pace(300), Day(), text)
    assert (again.lists, again.every) == (pace.lists, pace.every)
    assert (known.left, known.limit, known.spent(BEGAN, Purpose.POLL)) == (700, 1_000, 2)
    since = Day().call(BEGAN, Purpose.POLL).heard(BEGAN + 1, 650, 1_000)
    _, both = with_text(Pace(300), since, text)
    assert (both.left, both.spent(BEGAN, Purpose.POLL)) == (650, 2)
    for wrong in ("", "[]", "{}", text.replace("poll", "pall"), text.replace('"made":{', '"made":[')):
        with pytest.raises(DataError):
            with_text(Pace(300), Day(), wrong)


async def test_a_loop_says_once_for_what_it_calls() -> None:
    async def inside() -> tuple[Purpose, Purpose]:
        return purpose_of("GET"), purpose_of("POST")

    assert await inside() == (Purpose.READ, Purpose.WRITE)
    assert await spending(Purpose.AUDIT, inside()) == (Purpose.AUDIT, Purpose.AUDIT)
    assert await inside() == (Purpose.READ, Purpose.WRITE)


def test_what_all_else_used_yesterday_is_left_to_it_today() -> None:
    quiet, busy = heard(15_000, 15_000), heard(5_000, 15_000)
    assert quiet.polls(BEGAN, 5).calls == 9_000
    assert busy.polls(BEGAN, 5).calls == pytest.approx(3_500)
    assert busy.polls(BEGAN, 5, waiting=1_000).calls == pytest.approx(2_500)


@pytest.mark.parametrize(
    ("day", "codes", "red"),
    [
        (Day(), [], False),
        (heard(60_000), [], False),
        (heard(20_000), ["salesforce.day-low"], False),
        (heard(5_000), ["salesforce.day-low"], True),
        (heard(400), ["salesforce.day-spent"], True),
        (heard(0).refused(BEGAN, 900), ["salesforce.day-spent"], True),
        (heard(60_000).refused(BEGAN, 5), ["salesforce.calls-refused"], True),
    ],
)
def test_readiness_names_what_rests(day: Day, codes: list[str], red: bool) -> None:
    found = list(calls_left(day, datetime.fromtimestamp(BEGAN / 1000, UTC)))
    assert [one.code for one in found] == codes
    assert any(one.red for one in found) is red


def test_status_shows_what_the_calls_went_to() -> None:
    at = datetime.fromtimestamp(BEGAN / 1000, UTC)
    day = Day().call(BEGAN, Purpose.WRITE).call(BEGAN, Purpose.POLL).heard(BEGAN, 700, 1_000)
    kept = Position("acme", "00D", CALLS, PositionKind.CURSOR, to_text(Pace(300), day), 1, at)
    assert list(day_of(kept, at)) == [("acme", 1, 0, 0, 1, 0, 298, 700, 1_000)]
    assert list(day_of(replace(kept, value="?"), at)) == []


@pytest.mark.parametrize(("code", "held"), [("REQUEST_LIMIT_EXCEEDED", 900_000), ("STORAGE_LIMIT_EXCEEDED", 0)])
def test_only_a_refusal_that_any_call_would_meet_holds_them_all(code: str, held: int) -> None:
    body = json.dumps([{"errorCode": code, "message": "no"}]).encode()
    day = told_by(heard(60_000), Answer(403, {}, body), BEGAN)
    assert day.pause(BEGAN, Purpose.READ) == held
