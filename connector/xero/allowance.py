"""What is left of an organisation's day, and how much of it polls may use. Pure; times are seconds since 1970.

The headers say how many calls are left, not when the day begins anew. Xero speaks of a fixed window that begins at
another time for each organisation; some who wrote about it saw a rolling one. Both are learned from what is left: it
jumps up once (fixed), or it creeps up while old calls leave (rolling). Until then the day ends at the latest a day
after we first looked, so that nothing is ever spent twice.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from connector.poll_intervals import Allowance, share

DAY = 86_400.0
TIERS = (1_000, 5_000)  # calls a day: Starter; Core and above
JUMP = 0.9  # of the limit: what is left after a day has begun anew
LATE = 900.0  # seconds: near the end of a day what is left may go, but not in one breath
LEAST = 0.25  # of what is left: polls go on whatever writes may want
TURNS = 4  # a rolling day: what is left now may go in a quarter of it
MEMORY = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Day:
    """``left`` is what the last headers said (None: nothing yet), ``until`` when the day ends at the latest.

    ``others`` are the calls an hour that are not polls: our writes and reads, and strangers.
    """

    limit: int = TIERS[0]
    left: int | None = None
    at: float = 0.0
    until: float = 0.0
    rolling: bool = False
    others: float = 0.0

    def heard(self, now: float, left: int | None, *, polled: int, others: int) -> Self:
        """After calls: what the headers say is left, and how many we made for polls and for all else since before."""
        if self.left is None or left is None:
            known = self.left if left is None else left
            limit = self.limit if left is None else next((tier for tier in TIERS if left <= tier), left)
            return replace(self, limit=limit, left=known, at=now, until=self.until or now + DAY)
        used = self.left - left
        out = replace(self, left=left, at=now, limit=max(self.limit, left))
        if used < 0:
            fresh = left >= JUMP * self.limit
            out = replace(out, rolling=not fresh, until=now + DAY if fresh else self.until)
        elif now > self.until:
            out = replace(out, rolling=True)
        return replace(out, others=self._others(now, max(others, used - polled)))

    def _others(self, now: float, calls: int) -> float:
        hours = max(now - self.at, 1e-3) / 3600
        keep = math.exp(-hours * 3600 / MEMORY)
        return self.others * keep + calls / hours * (1 - keep)

    def allowance(self, now: float, *, waiting: float = 0.0) -> tuple[float, float]:
        """(calls, seconds): what polls may use, until when. ``waiting``: calls that writes want at this moment."""
        left = self.limit if self.left is None else self.left
        seconds = DAY if self.rolling else min(max(self.until - now, LATE), DAY)
        writes = self.others * seconds / 3600 + waiting
        calls = min(share(self.limit, writes), TURNS * left) if self.rolling else share(left, writes)
        return max(calls, LEAST * left), seconds

    def plan(self, now: float, fastest: float, *, waiting: float = 0.0, day_bytes: float = math.inf) -> Allowance:
        calls, seconds = self.allowance(now, waiting=waiting)
        return Allowance(calls, seconds, day_bytes * seconds / DAY, fastest)

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Self:
        """Raises TypeError for what is not a day."""
        return cls(**plain)
