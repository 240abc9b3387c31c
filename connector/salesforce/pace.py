"""How often each polled object is asked, so that the org's calls of the day last for all of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from connector.errors import DataError
from connector.poll_intervals import Allowance, Listed, intervals, learned
from connector.salesforce.day import Day

CALLS = "calls"  # the position that keeps what was learned, and what the day's calls were spent on
SILENCES = 3  # so many intervals without an answer are a fault
SHORTEST_SILENCE = 60.0
SLOWEST = 3600.0  # only calls tell what is left; where that is nothing, the day itself holds them back


@dataclass(frozen=True, slots=True)
class Pace:
    """``fastest`` is what the settings say, in seconds; ``every`` the interval of each object as planned last."""

    fastest: float
    lists: Mapping[str, Listed] = field(default_factory=dict)
    every: Mapping[str, float] = field(default_factory=dict)

    def interval(self, entity: str) -> float:
        return self.every.get(entity, self.fastest)

    def silence(self, entity: str) -> float:
        """Seconds after which an object that was not heard is a fault."""
        return max(SILENCES * self.interval(entity), SHORTEST_SILENCE)

    def polled(self, entity: str, *, changes: int, seconds: float, calls: int) -> Self:
        """A poll brought so many changes of so many seconds."""
        known = self.lists.get(entity, Listed(entity))
        return replace(self, lists={**self.lists, entity: learned(known, changes, seconds, calls)})

    def planned(self, entities: Iterable[str], allowance: Allowance) -> Self:
        """With intervals for these objects."""
        lists = [self.lists.get(entity, Listed(entity)) for entity in entities]
        slowest = max(SLOWEST, self.fastest)
        return replace(self, every={name: min(each, slowest) for name, each in intervals(lists, allowance).items()})


def to_text(pace: Pace, day: Day) -> str:
    """What is kept of both."""
    lists = {name: asdict(one) for name, one in pace.lists.items()}
    return json.dumps({"day": day.plain(), "lists": lists, "every": dict(pace.every)}, separators=(",", ":"))


def with_text(pace: Pace, day: Day, text: str) -> tuple[Pace, Day]:
    """Both with what was kept. Raises DataError (``salesforce.position``)."""
    try:
        kept = json.loads(text)
        lists = {name: Listed(**one) for name, one in kept["lists"].items()}
        every = {name: float(seconds) for name, seconds in kept["every"].items()}
        return replace(pace, lists=lists, every=every), day.with_kept(kept["day"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("salesforce.position", "What is kept of the org's calls cannot be read.") from error
