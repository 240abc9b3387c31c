"""How often something of little urgency may call an API. Pure: time is an argument.

A span between two calls, and a number of calls in 24 hours. Half of that number may go at once; the other half is
spread over the day, so that a busy morning never means a silent afternoon.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Allowance:
    """``calls`` in any 24 hours, ``seconds`` between two. ``made`` are the times of those that still count."""

    calls: int
    seconds: float
    made: tuple[datetime, ...] = ()

    def spent(self, now: datetime, number: int = 1) -> Allowance:
        """``number`` calls were made at this time."""
        return replace(self, made=(*self._counting(now), *[now] * number))

    def wait(self, now: datetime) -> timedelta:
        """How long until the next call; zero is now."""
        made = self._counting(now)
        if not made:
            return timedelta(0)
        if len(made) >= self.calls:
            return made[len(made) - self.calls] + DAY - now
        span = timedelta(seconds=self.seconds)
        if len(made) * 2 >= self.calls:
            span = max(span, DAY / self.calls)
        return max(timedelta(0), made[-1] + span - now)

    def _counting(self, now: datetime) -> tuple[datetime, ...]:
        return self.made[bisect_right(self.made, now - DAY) :]
