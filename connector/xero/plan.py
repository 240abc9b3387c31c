"""How often each list is polled, so that what people wait for is as fresh as the allowance lets it be. Pure.

A list that is polled every T seconds is T/2 seconds stale on average, and costs ``calls``/T. Weighing each list by how
much changes in it, the least staleness for B calls a second has T ∝ √(calls / weight): a list that changes a hundred
times as often is asked ten times as often. Lists at a bound keep it, and the others share what is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

RARELY = 1 / 24  # changes an hour that every list is given: a quiet one may wake up
PUSHED = 0.05  # of the weight, where webhooks poke: the poll finds what they missed
MEMORY_HOURS = 6.0  # how long a rate of changes is remembered
ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of one list. ``calls`` and ``size`` (bytes) are of one poll; ``weight`` is how much it matters."""

    name: str
    changes_per_hour: float = RARELY
    calls: float = 1.0
    size: float = 0.0
    weight: float = 1.0
    pushed: bool = False


@dataclass(frozen=True, slots=True)
class Allowance:
    """What polls may use in the ``seconds`` that are left of the day: calls, and bytes where those cost money.

    ``fastest`` and ``slowest`` bound every interval, in seconds.
    """

    calls: float
    seconds: float = 86_400.0
    size: float = math.inf
    fastest: float = 10.0
    slowest: float = 14_400.0


def share(day_left: int, writes_expected: int, *, reserve: float = 0.1) -> float:
    """The calls of a day that polls may use: what writes and people will want is left alone."""
    return max(0.0, day_left * (1 - reserve) - writes_expected)


def learned(before: Listed, changed: int, seconds: float) -> Listed:
    """After a poll that brought so many changes for so many seconds: a mean that forgets."""
    if seconds <= 0:
        return before
    hours = seconds / 3600
    keep = math.exp(-hours / MEMORY_HOURS)
    rate = before.changes_per_hour * keep + (changed / hours) * (1 - keep)
    return replace(before, changes_per_hour=max(RARELY, rate))


def intervals(lists: Sequence[Listed], allowance: Allowance) -> Mapping[str, float]:
    """Seconds between the polls of each list. Where even the slowest pace is too much, all go slower still."""
    if not lists:
        return {}
    by_calls = _shared([_cost(one.calls) for one in lists], lists, allowance, allowance.calls)
    found = by_calls
    if math.isfinite(allowance.size):
        by_size = _shared([_cost(one.size) for one in lists], lists, allowance, allowance.size)
        found = [max(pair) for pair in zip(by_calls, by_size, strict=True)]
    return {one.name: seconds for one, seconds in zip(lists, found, strict=True)}


def _cost(amount: float) -> float:
    return max(amount, 1e-9)


def _weight(one: Listed) -> float:
    return max(one.changes_per_hour, RARELY) * one.weight * (PUSHED if one.pushed else 1.0)


def _shared(costs: Sequence[float], lists: Sequence[Listed], allowance: Allowance, amount: float) -> list[float]:
    """Water-filling: the intervals at a common price, the price raised until the cost fits."""
    pace = max(amount, 1e-9) / allowance.seconds  # of the thing that is counted, a second
    roots = [math.sqrt(cost / _weight(one)) for cost, one in zip(costs, lists, strict=True)]

    def at(price: float) -> list[float]:
        return [min(max(root * price, allowance.fastest), allowance.slowest) for root in roots]

    def used(seconds: Sequence[float]) -> float:
        return sum(cost / each for cost, each in zip(costs, seconds, strict=True))

    low, high = allowance.fastest / max(roots), allowance.slowest / min(roots)
    if used(at(low)) <= pace:
        return at(low)
    slowest = at(high)
    if used(slowest) > pace:
        return [each * used(slowest) / pace for each in slowest]
    for _ in range(ROUNDS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if used(at(middle)) > pace else (low, middle)
    return at(high)
