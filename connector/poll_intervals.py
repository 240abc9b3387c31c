"""How often each list is polled, so that what people wait for is as fresh as the allowance lets it be. Pure.

A list that is polled every T seconds is T/2 seconds stale on average, and costs ``calls``/T. Weighing each list by how
much changes in it, the least staleness for B calls a second has T ∝ √(calls / weight): a list that changes a hundred
times as often is asked ten times as often. Lists at a bound keep it, and the others share what is left.

A list of which webhooks tell is asked when they do, so it costs a poll a change and no more, and waits for nothing.
Only where changes come faster than polls may go, the next one waits for a gap after the last poll. From minimising
(changes in waiting + price × polls) that gap is √(T² - 2/rate²), nothing where that is not positive. Polls that nobody
asked for look for what webhooks kept to themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

RARELY = 1 / 24  # changes an hour that every list is given: a quiet one may wake up
BELIEVED_HOURS = 0.25  # how long that first belief counts for
SLOWEST = 14_400.0  # seconds
MEMORY_HOURS = 6.0  # how long a rate of changes is remembered
NEW_COST = 0.2  # of the mean of calls and bytes, what the last poll weighs
FASTEST_POKED = 2.0  # seconds: webhooks come in handfuls
SWEEPS = 5  # intervals between the polls of such a list that nobody asked for
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of one list. ``calls`` and ``size`` (bytes) are of one poll; ``weight`` is how much it matters.

    ``slow`` multiplies the fastest interval (settings that hardly ever change), ``hours`` is how long it was watched,
    as far as that is remembered; ``pushed``: webhooks tell of its changes.
    """

    name: str
    changes_per_hour: float = RARELY
    calls: float = 1.0
    size: float = 0.0
    weight: float = 1.0
    pushed: bool = False
    slow: float = 1.0
    hours: float = BELIEVED_HOURS

    @property
    def rate(self) -> float:
        """Changes a second."""
        return max(self.changes_per_hour, RARELY) / 3600


@dataclass(frozen=True, slots=True)
class Allowance:
    """What polls may use in the ``seconds`` that are left of the day: calls, and bytes where those cost money.

    ``fastest`` and ``slowest`` bound every interval, in seconds.
    """

    calls: float
    seconds: float = 86_400.0
    size: float = math.inf
    fastest: float = 10.0
    slowest: float = SLOWEST


def share(day_left: float, writes_expected: float, *, reserve: float = 0.1) -> float:
    """The calls of a day that polls may use: what writes and people will want is left alone."""
    return max(0.0, day_left * (1 - reserve) - writes_expected)


def learned(before: Listed, changed: int, seconds: float, calls: float = 1.0, size: float = 0.0) -> Listed:
    """After a poll that brought so many changes for so many seconds: means that forget."""
    if seconds <= 0:
        return before
    hours = seconds / 3600
    keep = math.exp(-hours / MEMORY_HOURS)
    gained = MEMORY_HOURS * (1 - keep)
    watched = before.hours * keep + gained
    rate = (before.changes_per_hour * before.hours * keep + changed * gained / hours) / watched
    return replace(
        before, changes_per_hour=max(RARELY, rate), hours=watched, calls=_mean(before.calls, calls),
        size=_mean(before.size or size, size),
    )  # fmt: skip


def _mean(before: float, now: float) -> float:
    return before + (now - before) * NEW_COST


def gap(one: Listed, interval: float) -> float:
    """Seconds after a poll within which a poke waits."""
    return max(math.sqrt(max(0.0, interval**2 - 2 / one.rate**2)), min(FASTEST_POKED, interval))


def sweep(one: Listed, interval: float, slowest: float = SLOWEST) -> float:
    """Seconds between the polls that nobody asked for."""
    return max(interval, min(interval * SWEEPS, slowest)) if one.pushed else interval


def polls_a_second(one: Listed, interval: float, slowest: float = SLOWEST) -> float:
    """What an interval comes to. A pushed list is polled at a change, but not within the gap after the last poll."""
    unasked = 1 / sweep(one, interval, slowest)
    if not one.pushed:
        return unasked
    after = gap(one, interval)
    waits = math.exp(-one.rate * after) / one.rate  # for the next change, where none came within the gap
    return 1 / (after + waits) + unasked


def intervals(lists: Sequence[Listed], allowance: Allowance) -> Mapping[str, float]:
    """Seconds between the polls of each list; of a pushed one ``gap`` and ``sweep`` follow from them.

    Where even the slowest pace is too much, all go slower still.
    """
    if not lists:
        return {}
    found = _shared([_cost(one.calls) for one in lists], lists, allowance, allowance.calls)
    if math.isfinite(allowance.size):
        by_size = _shared([_cost(one.size) for one in lists], lists, allowance, allowance.size)
        found = [max(pair) for pair in zip(found, by_size, strict=True)]
    return {one.name: seconds for one, seconds in zip(lists, found, strict=True)}


def _cost(amount: float) -> float:
    return max(amount, 1e-9)


def _shared(costs: Sequence[float], lists: Sequence[Listed], allowance: Allowance, amount: float) -> list[float]:
    """Water-filling: the intervals at a common price, the price raised until the cost fits."""
    pace = max(amount, 1e-9) / allowance.seconds  # of the thing that is counted, a second
    roots = [math.sqrt(cost / (one.rate * 3600 * one.weight)) for cost, one in zip(costs, lists, strict=True)]
    fastest = [allowance.fastest * one.slow for one in lists]
    slowest = [max(allowance.slowest, bound) for bound in fastest]

    def at(price: float) -> list[float]:
        rows = zip(roots, fastest, slowest, strict=True)
        return [min(max(root * price, low), high) for root, low, high in rows]

    def used(seconds: Sequence[float]) -> float:
        rows = zip(costs, lists, seconds, strict=True)
        return sum(cost * polls_a_second(one, each, allowance.slowest) for cost, one, each in rows)

    low, high = min(fastest) / max(roots), max(slowest) / min(roots)
    if used(at(low)) <= pace:
        return at(low)
    if used(at(high)) > pace:
        return _slower(at(high), lambda seconds: used(seconds) <= pace)
    return at(_least(low, high, lambda price: used(at(price)) <= pace))


def _slower(seconds: Sequence[float], fits: Callable[[Sequence[float]], bool]) -> list[float]:
    """All by the same factor."""
    factor = _least(1.0, 1e15, lambda factor: fits([each * factor for each in seconds]))
    return [each * factor for each in seconds]


def _least(low: float, high: float, fits: Callable[[float], bool]) -> float:
    """The least that fits, from below where it does not."""
    for _ in range(ROUNDS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
