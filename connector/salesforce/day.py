"""An org's API calls of 24 hours: what is left of them, and for what they may be spent. Pure; times are milliseconds.

Salesforce counts the calls of all apps over a window of 24 hours that rolls on, and every answer says both numbers
(``Sforce-Limit-Info: api-usage=18/5000``). What matters more may go further down: when little is left comparisons and
snapshots rest first, polls next, then reads, and writes last. Polls are paced so that this does not come to pass.

Source: Salesforce Developer Limits and Allocations Quick Reference, "Total API Request Limits".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from connector.poll_intervals import Allowance, share

DAY_MS = 24 * 3_600_000
QUARTER_MS = 15 * 60_000
LOOK_MS = QUARTER_MS  # where nothing may be called: how often one call asks what is left now
SOON_MS = 60_000  # what rests while others may call is looked at again so soon: they hear what is left
FLIGHT_MS = 100  # how soon to look again when only an answer can tell
RESERVE = 500  # calls of the day that are left to people and other apps
RESERVE_PART = 0.05  # of a small org's day: no more than that
MOST = 0.6  # of the day, for polls: before a first day of work nobody knows what else will be wanted
AMENDS = 4  # what was polled too much is made good in a quarter of a day
HALVES = 2  # what is left may go to polls in half a day
LEAST = 0.25  # of what is left: polls go on whatever writes may want


class Purpose(StrEnum):
    """What a call is made for, the most urgent first."""

    WRITE = "write"
    READ = "read"  # look-ups before writes, records that a change tells of
    WATCH = "watch"  # the stream against getUpdated, holes of the stream
    POLL = "poll"  # objects that are followed by polls
    AUDIT = "audit"  # snapshots, comparisons, describes, sync states in Salesforce


LEFT_ALONE: Mapping[Purpose, float] = {
    Purpose.WRITE: 0.0,
    Purpose.READ: 0.02,
    Purpose.WATCH: 0.05,
    Purpose.POLL: 0.05,
    Purpose.AUDIT: 0.20,
}
"""Parts of the day, beside the reserve, that a purpose leaves to those before it."""


@dataclass(frozen=True, slots=True)
class Day:
    """``limit`` and ``left`` are what was heard last, at ``heard_at``; None: nothing yet.

    ``made`` are our own calls by purpose and quarter of an hour. Until ``refused_until`` Salesforce refuses all calls.
    """

    reserve: int = RESERVE
    limit: int | None = None
    left: int = 0
    heard_at: int = 0
    flying: int = 0
    refused_until: int = 0
    made: Mapping[Purpose, Mapping[int, int]] = field(default_factory=dict)

    def call(self, now: int, purpose: Purpose) -> Self:
        """A call starts."""
        first, place = (now - DAY_MS) // QUARTER_MS, now // QUARTER_MS
        known = {at: number for at, number in self.made.get(purpose, {}).items() if at >= first}
        known[place] = known.get(place, 0) + 1
        return replace(self, flying=self.flying + 1, made={**self.made, purpose: known})

    def end(self) -> Self:
        """A call has ended, answered or not."""
        return replace(self, flying=max(0, self.flying - 1))

    def heard(self, now: int, left: int, limit: int) -> Self:
        """An answer said what is left, and of how many."""
        return replace(self, limit=limit, left=left, heard_at=now)

    def refused(self, now: int, seconds: int) -> Self:
        """Salesforce takes no calls for so long."""
        return replace(self, refused_until=max(self.refused_until, now + seconds * 1000))

    def pause(self, now: int, purpose: Purpose) -> int:
        """Milliseconds until such a call may start; 0 is now. One call looks from time to time what is left."""
        if now < self.refused_until:
            return self.refused_until - now
        floor = self.floor(purpose)
        if self.limit is None or self.left - self.flying > floor:
            return 0
        if self.flying and (self.left > floor or now >= self.heard_at + LOOK_MS):
            return FLIGHT_MS
        wait = max(0, self.heard_at + LOOK_MS - now)
        return wait if purpose is Purpose.WRITE or self.pause(now, Purpose.WRITE) else min(wait, SOON_MS)

    def floor(self, purpose: Purpose) -> int:
        """How many calls this purpose leaves alone."""
        limit = self.limit or 0
        return min(self.reserve, int(limit * RESERVE_PART)) + int(limit * LEFT_ALONE[purpose])

    def resting(self, now: int) -> tuple[Purpose, ...]:
        """What is not called for until Salesforce says that there is more."""
        if now < self.refused_until:
            return tuple(Purpose)
        return tuple(one for one in Purpose if self.limit is not None and self.left <= self.floor(one))

    def spent(self, now: int, purpose: Purpose) -> int:
        """Our calls for it in 24 hours, to the quarter of an hour."""
        first = (now - DAY_MS) // QUARTER_MS
        return sum(number for at, number in self.made.get(purpose, {}).items() if at > first)

    def others(self, now: int) -> int:
        """Calls of 24 hours that are not ours: other apps, people."""
        used = (self.limit or 0) - self.left
        return max(0, used - sum(self.spent(now, one) for one in Purpose))

    def table(self, now: int) -> dict[str, int]:
        """Calls of 24 hours by what they went to."""
        return {**{one.value: self.spent(now, one) for one in Purpose}, "others": self.others(now)}

    def polls(self, now: int, fastest: float, *, waiting: float = 0.0) -> Allowance:
        """What polls may use in 24 hours. What all else used in the last ones is expected again; ``waiting`` are calls
        that writes want at this moment. ``fastest`` is the shortest interval, in seconds."""
        if self.limit is None:
            return Allowance(math.inf, fastest=fastest)
        polled = self.spent(now, Purpose.POLL)
        all_else = max(0, self.limit - self.left - polled) + waiting
        fair = min(share(self.limit, all_else), MOST * self.limit)
        left = max(0, self.left - self.floor(Purpose.POLL))
        calls = min(fair, polled + AMENDS * (fair - polled), HALVES * left)
        return Allowance(max(calls, LEAST * left), fastest=fastest)

    # --- kept with the positions -----------------------------------------------------------------------------------

    def plain(self) -> dict[str, Any]:
        made = {one.value: {str(at): number for at, number in each.items()} for one, each in self.made.items()}
        return {"limit": self.limit, "left": self.left, "heard": self.heard_at, "made": made}

    def with_kept(self, plain: Mapping[str, Any]) -> Self:
        """With what an earlier owner has counted. Raises ValueError, TypeError, KeyError, AttributeError for what is no
        day."""
        made = dict(self.made)
        for name, each in plain["made"].items():
            known = dict(made.get(Purpose(name), {}))
            for at, number in each.items():
                known[int(at)] = max(int(number), known.get(int(at), 0))
            made[Purpose(name)] = known
        if self.limit is not None or plain["limit"] is None:
            return replace(self, made=made)
        heard = {"limit": int(plain["limit"]), "left": int(plain["left"]), "heard_at": int(plain["heard"])}
        return replace(self, made=made, **heard)
