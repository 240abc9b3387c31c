"""The pace of an organisation's polls: which lists are due, from what their polls have cost and brought. Pure.

Times are seconds since 1970. What is learned (rates, costs, the day) is kept as text with the positions; when each
list was asked last is not: after a restart all are asked at once, which is how what was missed is found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from connector.errors import DataError
from connector.poll_intervals import Listed, gap, intervals, learned, sweep
from connector.xero.allowance import Day
from connector.xero.entities import entity

PACE = "pace"  # the position that keeps what was learned
WHOLE = "whole "  # before the name of a list: the position that keeps what it held when it was read whole
SETTINGS_TIMES = 20.0  # rarer at their fastest than the lists that people change all day
SETTINGS = frozenset({"Account", "Organisation"})  # beside all lists that are compared whole
REST = 60.0


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll was. ``first``: a scan of all there is, which says nothing of a rate.

    ``missed``: it brought a change that a webhook should have told, and none came.
    """

    calls: int
    size: int
    changes: int
    first: bool = False
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What the polls of a list came to, first scans left out."""

    polls: int = 0
    calls: int = 0
    size: int = 0
    changes: int = 0

    def and_(self, poll: Poll) -> Self:
        return replace(
            self, polls=self.polls + 1, calls=self.calls + poll.calls, size=self.size + poll.size,
            changes=self.changes + poll.changes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pace:
    """``every`` is the interval of each list, ``last`` when its last poll began."""

    fastest: float
    day_bytes: float = math.inf
    day: Day = field(default_factory=Day)
    lists: Mapping[str, Listed] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)
    last: Mapping[str, float] = field(default_factory=dict)
    every: Mapping[str, float] = field(default_factory=dict)
    rests: Mapping[str, float] = field(default_factory=dict)  # until when, after a poll that failed

    def due(self, names: Iterable[str], poked: Iterable[str], now: float) -> list[str]:
        """The lists to poll now, the longest unasked first."""
        told = frozenset(poked)
        found = [name for name in names if self._wait(name, told) <= now - self.last.get(name, -math.inf)]
        awake = [name for name in found if self.rests.get(name, now) <= now]
        return sorted(awake, key=lambda name: max(self.last.get(name, -math.inf), self.rests.get(name, -math.inf)))

    def _wait(self, name: str, told: frozenset[str]) -> float:
        one, interval = self.listed(name), self.interval(name)
        return gap(one, interval) if name in told and one.pushed else sweep(one, interval)

    def interval(self, name: str) -> float:
        return self.every.get(name, self.fastest * self.listed(name).slow)

    def silence(self, name: str) -> float:
        """Seconds after which a list that was not heard is a fault."""
        return max(3 * self._wait(name, frozenset()), 60.0)

    def listed(self, name: str) -> Listed:
        found = self.lists.get(name)
        return found if found is not None else Listed(name, slow=SETTINGS_TIMES if _settings(name) else 1.0)

    def poked(self, name: str) -> Pace:
        """A webhook told of this list: they work."""
        if self.listed(name).pushed:
            return self
        return replace(self, lists={**self.lists, name: replace(self.listed(name), pushed=True)})

    def failed(self, name: str, now: float) -> Pace:
        """The others go on meanwhile."""
        return replace(self, rests={**self.rests, name: now + min(self._wait(name, frozenset()), REST)})

    def polled(self, name: str, poll: Poll, now: float) -> Pace:
        """After a poll that began at ``now``."""
        before, last = self.listed(name), self.last.get(name)
        listed = before
        if not poll.first and last is not None:
            listed = learned(before, poll.changes, now - last, poll.calls, poll.size)
        listed = replace(listed, pushed=listed.pushed and not poll.missed)
        spent = self.spent if poll.first else {**self.spent, name: self.spent.get(name, Spent()).and_(poll)}
        return replace(self, lists={**self.lists, name: listed}, spent=spent, last={**self.last, name: now})

    def planned(self, names: Iterable[str], now: float, *, waiting: float = 0.0) -> Pace:
        """With intervals for these lists, from what is left of the day."""
        allowance = self.day.plan(now, self.fastest, waiting=waiting, day_bytes=self.day_bytes)
        return replace(self, every=intervals([self.listed(name) for name in names], allowance))

    def to_text(self) -> str:
        lists = {name: asdict(one) for name, one in self.lists.items()}
        spent = {name: asdict(one) for name, one in self.spent.items()}
        kept = {"day": self.day.plain(), "lists": lists, "spent": spent, "every": dict(self.every)}
        return json.dumps(kept, separators=(",", ":"))

    def with_text(self, text: str) -> Pace:
        """With what was kept. Raises DataError (``xero.position``)."""
        try:
            kept: dict[str, Any] = json.loads(text)
            day = Day.of(kept["day"])
            lists = {name: Listed(**one) for name, one in kept["lists"].items()}
            spent = {name: Spent(**one) for name, one in kept["spent"].items()}
            return replace(self, day=day, lists=lists, spent=spent, every=dict(kept["every"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError("xero.position", "The kept pace of Xero's polls cannot be read.") from error


def _settings(name: str) -> bool:
    return name in SETTINGS or "since" not in entity(name).takes
