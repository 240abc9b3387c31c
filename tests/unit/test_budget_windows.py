"""The budget against Xero's limits as simulated, in simulated time: all of the minute, and never a refusal."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from connector.core.budget import Budget
from connector.simulators.xero.limits import MINUTE, Limits, Usage, Window

START = datetime(2026, 11, 1, tzinfo=UTC)
CONCURRENT = 5
MINUTES = 30


@dataclass
class Server:
    """Counts calls when they arrive. ``grid`` is a fixed window that begins at its own second of each minute."""

    kind: str
    limits: Limits = field(default_factory=Limits)
    grid: int = 0
    refused: int = 0
    taken: int = 0
    seen: tuple[int, int] = (-1, 0)

    def __post_init__(self) -> None:
        self.usage, self.app = Usage(), Window(MINUTE)
        self.limits.day = 1_000_000
        if self.kind != "grid":
            self.limits.window = "fixed" if self.kind == "fixed" else "rolling"

    def arrive(self, at_ms: int) -> int | None:
        """What is left of the minute; None: refused."""
        if self.kind == "grid":
            return self._on_grid(at_ms)
        now = START + timedelta(milliseconds=at_ms)
        if self.usage.problem(self.limits, now, self.app) is not None:
            self.refused += 1
            return None
        self.usage.take(now, self.app)
        self.taken += 1
        return self.usage.left(self.limits, now, self.app)["minute"]

    def _on_grid(self, at_ms: int) -> int | None:
        window = (at_ms - self.grid) // 60_000
        used = self.seen[1] if self.seen[0] == window else 0
        if used >= self.limits.minute:
            self.refused += 1
            return None
        self.seen = (window, used + 1)
        self.taken += 1
        return self.limits.minute - used - 1


def run(server: Server, dice: random.Random, *, slowest_ms: int, stranger_every_ms: int = 0) -> Budget:
    """A writer that always has work, five calls at once, for half an hour; perhaps a stranger beside it."""
    budget, order = Budget(per_minute=60), count()
    events: list[tuple[int, int, str, int, int]] = [(0, next(order), "look", 0, 0)]
    if stranger_every_ms:
        heapq.heappush(events, (1, next(order), "stranger", 0, 0))
    in_flight, now = 0, 0
    while events and now < MINUTES * 60_000:
        now, _, what, number, left = heapq.heappop(events)
        if what == "stranger":
            before = server.refused, server.taken
            server.arrive(now)
            server.refused, server.taken = before  # only ours are judged
            heapq.heappush(events, (now + stranger_every_ms, next(order), "stranger", 0, 0))
        elif what == "arrive":
            got = server.arrive(now)
            heapq.heappush(
                events, (now + dice.randint(1, slowest_ms), next(order), "answer", number, -1 if got is None else got)
            )
        elif what == "answer":
            in_flight -= 1
            budget = budget.end(now, number)
            budget = (
                budget.answered(now, number=number, minute_left=left) if left >= 0 else budget.refused(now, seconds=60)
            )
            heapq.heappush(events, (now, next(order), "look", 0, 0))
        else:
            pause = budget.pause(now)
            if pause == 0 and in_flight < CONCURRENT:
                budget, in_flight = budget.call(now), in_flight + 1
                heapq.heappush(events, (now + dice.randint(1, slowest_ms), next(order), "arrive", budget.started, 0))
                heapq.heappush(events, (now, next(order), "look", 0, 0))
            elif pause > 0 and not any(event[2] == "look" for event in events):
                heapq.heappush(events, (now + pause, next(order), "look", 0, 0))
    return budget


@pytest.mark.parametrize("kind", ["fixed", "rolling", "grid"])
@pytest.mark.parametrize("slowest_ms", [20, 300, 1200])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_least_95_of_100_calls_of_the_minute_and_no_refusal(kind: str, slowest_ms: int, seed: int) -> None:
    dice = random.Random(seed)
    server = Server(kind, grid=dice.randint(0, 59_999))
    run(server, dice, slowest_ms=slowest_ms)
    assert server.refused == 0
    assert server.taken >= 0.95 * 60 * MINUTES, server.taken / MINUTES


@pytest.mark.parametrize("kind", ["fixed", "rolling", "grid"])
@pytest.mark.parametrize("slowest_ms", [20, 300, 1200])
@pytest.mark.parametrize("seed", range(6))
def test_what_others_use_is_heard_in_the_headers(kind: str, slowest_ms: int, seed: int) -> None:
    """Beside a stranger with 15 calls a minute who looks at no header: one refusal at most, before we know of them."""
    dice = random.Random(seed)
    server = Server(kind, grid=dice.randint(0, 59_999))
    run(server, dice, slowest_ms=slowest_ms, stranger_every_ms=4_000)
    assert server.refused <= 1
    assert server.taken >= 0.85 * 45 * MINUTES, server.taken / MINUTES


def test_the_last_calls_of_a_day_are_not_overrun() -> None:
    budget = Budget(per_minute=60).call(0).end(10, 1).answered(10, number=1, minute_left=50, day_left=2)
    budget = budget.call(20).call(20)
    assert budget.pause(20) > 0
    assert budget.end(30, 2).end(30, 3).answered(30, number=3, minute_left=48, day_left=0).pause(30) > 60_000


def test_without_headers_the_own_count_holds() -> None:
    budget = Budget(per_minute=60)
    for at in range(60):
        assert budget.pause(at * 10) == 0
        budget = budget.call(at * 10).end(at * 10 + 5, at + 1)
    assert 59_000 < budget.pause(600) < 61_000
    assert budget.pause(600, spare=20) > budget.pause(600)


def test_polls_leave_some_calls_to_writes() -> None:
    budget = Budget(per_minute=60)
    for at in range(50):
        budget = budget.call(at).end(at, at + 1)
    assert budget.pause(100) == 0
    assert budget.pause(100, spare=15) > 0
