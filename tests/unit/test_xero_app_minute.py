"""The minute of an app that many organisations share, against Xero's limits as simulated, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from connector.core.budget import Budget
from connector.core.party import Answer
from connector.simulators.xero.limits import MINUTE, Limits, Usage, Window, limit_headers
from connector.xero.calls import AppMinute, Apps, Calls

START = datetime(2026, 11, 1, tzinfo=UTC)
CONCURRENT = 5
MINUTES = 20


@dataclass
class Server:
    """Counts calls of one app when they arrive, by tenant."""

    limits: Limits
    app: Window = field(default_factory=lambda: Window(MINUTE))
    tenants: dict[int, Usage] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    taken: int = 0

    def arrive(self, tenant: int, at_ms: int) -> Answer:
        now, usage = START + timedelta(milliseconds=at_ms), self.tenants.setdefault(tenant, Usage())
        problem = usage.problem(self.limits, now, self.app)
        if problem is None:
            usage.take(now, self.app)
            self.taken += 1
        else:
            self.problems.append(problem[0])
        headers = {name.lower(): value for name, value in limit_headers(usage.left(self.limits, now, self.app)).items()}
        more = {"x-rate-limit-problem": problem[0], "retry-after": str(problem[1])} if problem else {}
        return Answer(200 if problem is None else 429, {**headers, **more}, b"")


@dataclass
class Run:
    """Writers of every organisation that always have work, five calls at once each."""

    server: Server
    writers: list[Calls]
    dice: random.Random
    slowest_ms: int
    events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    order: count[int] = field(default_factory=count)
    flying: dict[int, int] = field(default_factory=dict)
    now: int = 0

    def go(self) -> None:
        for tenant in range(len(self.writers)):
            self.later(0, self.look, tenant)
        while self.events and self.now < MINUTES * 60_000:
            self.now, _, step, told = heapq.heappop(self.events)
            step(*told)

    def later(self, after_ms: int, step: Callable[..., None], *told: Any) -> None:
        heapq.heappush(self.events, (self.now + after_ms, next(self.order), step, told))

    def look(self, tenant: int) -> None:
        """One chain of looks for each organisation: it never dies, and never forks."""
        calls, flying = self.writers[tenant], self.flying.get(tenant, 0)
        pause = calls.pause(self.now)
        if pause > 0 or flying >= CONCURRENT:
            self.later(max(pause, 20), self.look, tenant)
            return
        self.flying[tenant] = flying + 1
        self.later(self.dice.randint(1, self.slowest_ms), self.arrive, tenant, calls.begin(self.now))
        self.later(0, self.look, tenant)

    def arrive(self, tenant: int, numbers: tuple[int, int]) -> None:
        answer = self.server.arrive(tenant, self.now)
        self.later(self.dice.randint(1, self.slowest_ms), self.answer, tenant, numbers, answer)

    def answer(self, tenant: int, numbers: tuple[int, int], answer: Answer) -> None:
        self.flying[tenant] -= 1
        self.writers[tenant].end(self.now, numbers)
        self.writers[tenant].heard(answer, self.now, numbers)


def run(limits: Limits, workers: list[int], *, slowest_ms: int, seed: int, said: int | None = None) -> Server:
    """So many organisations in each worker; the workers have one app. ``said``: the limit that settings tell."""
    server, writers = Server(limits), list[Calls]()
    for organisations in workers:
        app = AppMinute.of(said or limits.app_minute)
        writers += [Calls(Budget(per_minute=limits.minute), app) for _ in range(organisations)]
    Run(server, writers, random.Random(seed), slowest_ms).go()
    return server


@pytest.mark.parametrize("window", ["fixed", "rolling"])
@pytest.mark.parametrize("slowest_ms", [20, 300, 1200])
@pytest.mark.parametrize("seed", [1, 2])
def test_organisations_of_one_app_take_all_of_its_minute_and_no_refusal(
    window: Any, slowest_ms: int, seed: int
) -> None:
    limits = Limits(minute=60, day=1_000_000, app_minute=200, window=window)
    server = run(limits, [6], slowest_ms=slowest_ms, seed=seed)
    assert server.problems == []
    part = 0.95 if slowest_ms < 1000 else 0.93  # what it costs is one latency a minute: here up to 2.4 s
    assert server.taken >= part * 200 * MINUTES, server.taken / MINUTES


@pytest.mark.parametrize("window", ["fixed", "rolling"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_workers_of_one_app_hear_of_each_other(window: Any, seed: int) -> None:
    """Three workers with eight organisations each: 1,440 calls a minute wanted, 600 there."""
    limits = Limits(minute=60, day=1_000_000, app_minute=600, window=window)
    server = run(limits, [8, 8, 8], slowest_ms=150, seed=seed)
    assert server.problems == []
    assert server.taken >= 0.9 * 600 * MINUTES, server.taken / MINUTES


@pytest.mark.parametrize("window", ["fixed", "rolling"])
def test_a_limit_that_is_less_than_the_settings_say_is_heard(window: Any) -> None:
    limits = Limits(minute=60, day=1_000_000, app_minute=100, window=window)
    server = run(limits, [4], slowest_ms=300, seed=1, said=1_000)
    assert server.problems == []
    assert server.taken >= 0.5 * 100 * MINUTES, server.taken / MINUTES  # safe, and slower


def _heard(calls: Calls, problem: str) -> None:
    """A call that was refused for half a minute."""
    numbers = calls.begin(0)
    calls.end(0, numbers)
    calls.heard(Answer(429, {"x-rate-limit-problem": problem, "retry-after": "30"}, b""), 0, numbers)


def test_a_limit_stops_those_who_share_it_and_nobody_else() -> None:
    app = AppMinute.of()
    one, two = Calls(Budget(per_minute=60), app), Calls(Budget(per_minute=60), app)
    stranger = Calls(Budget(per_minute=60), AppMinute.of())
    _heard(one, "minute")
    assert (one.pause(0), two.pause(0)) == (30_000, 0)
    for spelling in ("appminute", "[app-minute]"):
        two.app.budget = AppMinute.of().budget
        _heard(two, spelling)
        assert (one.pause(30_000), one.pause(0), two.pause(0), stranger.pause(0)) == (0, 30_000, 30_000, 0)
        assert two.lacks(0) == ("appminute", 30)


def test_polls_leave_the_same_part_of_the_apps_minute_to_writes_as_of_their_own() -> None:
    app = AppMinute.of(600)
    busy, polls = Calls(Budget(per_minute=600), app), Calls(Budget(per_minute=60), app)
    for at in range(520):
        busy.end(at, busy.begin(at))
    assert polls.pause(520) == 0  # writes
    assert polls.pause(520, 10) > 0  # polls, while 80 of the 600 are left, and 100 are for writes


def test_an_app_is_a_client_id_at_one_address_and_its_least_limit_holds() -> None:
    apps = Apps()
    one = apps.minute("https://x", "a", 10_000)
    assert apps.minute("https://x", "b", 10_000) is not one
    assert apps.minute("https://y", "a", 10_000) is not one
    assert apps.minute("https://x", "a", 500) is one
    assert (one.budget.per_minute, apps.minute("https://x", "a", 9_000).budget.per_minute) == (500, 500)
