"""Xero's limits per tenant: 60 a minute, 1,000 or 5,000 a day, 5 at once, and 10,000 a minute per app.

The documentation says fixed windows that begin at different times for each tenant; some implementers saw rolling
ones. Both can be set. A refused call does not count. An app's minute is counted over all of its tenants.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from connector.simulators.control import Refused

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass
class Limits:
    """What may be set while it runs (``POST /__sim/limits``)."""

    minute: int = 60
    day: int = 5000
    concurrent: int = 5
    app_minute: int = 10_000
    window: Literal["fixed", "rolling"] = "fixed"
    latency_ms: int = 0  # every call is held this long while it counts as in flight

    def change(self, given: dict[str, Any]) -> None:
        """Raises Refused for a name or value that cannot be."""
        known = {part.name: part.type for part in fields(self)}
        for name, value in given.items():
            if name not in known:
                raise Refused(f"limits are {sorted(known)}, not {name!r}")
            if value not in ("fixed", "rolling") if name == "window" else not isinstance(value, int) or value < 0:
                raise Refused(f"{name} cannot be {value!r}")
            setattr(self, name, value)


@dataclass
class Window:
    """Calls counted in one span of time."""

    span: timedelta
    start: datetime | None = None
    count: int = 0
    calls: deque[datetime] = field(default_factory=deque)

    def used(self, now: datetime, kind: str) -> int:
        if kind == "rolling":
            while self.calls and now - self.calls[0] >= self.span:
                self.calls.popleft()
            return len(self.calls)
        if self.start is None or not timedelta(0) <= now - self.start < self.span:
            self.start, self.count = now, 0
        return self.count

    def take(self, now: datetime) -> None:
        while self.calls and now - self.calls[0] >= self.span:
            self.calls.popleft()
        self.count += 1
        self.calls.append(now)

    def seconds_left(self, now: datetime, kind: str) -> int:
        """Until one more fits."""
        begin = self.calls[0] if kind == "rolling" and self.calls else self.start or now
        return max(1, -(-(begin + self.span - now) // timedelta(seconds=1)))


@dataclass
class Usage:
    """What one tenant has used. The ``app`` of a call is the window that all tenants of its app share."""

    minute: Window = field(default_factory=lambda: Window(MINUTE))
    day: Window = field(default_factory=lambda: Window(DAY))
    in_flight: int = 0
    egress: int = 0

    def left(self, limits: Limits, now: datetime, app: Window) -> dict[str, int]:
        return {
            "minute": max(0, limits.minute - self.minute.used(now, limits.window)),
            "day": max(0, limits.day - self.day.used(now, limits.window)),
            "app_minute": max(0, limits.app_minute - app.used(now, limits.window)),
        }

    def problem(self, limits: Limits, now: datetime, app: Window) -> tuple[str, int | None] | None:
        """(X-Rate-Limit-Problem, Retry-After) of the limit that is used up. The concurrent one names no time."""
        if self.in_flight >= limits.concurrent:
            return "concurrent", None
        for name, window in (("minute", self.minute), ("day", self.day), ("app_minute", app)):
            if self.left(limits, now, app)[name] == 0:
                return name.replace("app_minute", "appminute"), window.seconds_left(now, limits.window)
        return None

    def take(self, now: datetime, app: Window) -> None:
        for window in (self.minute, self.day, app):
            window.take(now)


def limit_headers(left: dict[str, int]) -> dict[str, str]:
    return {
        "X-DayLimit-Remaining": str(left["day"]),
        "X-MinLimit-Remaining": str(left["minute"]),
        "X-AppMinLimit-Remaining": str(left["app_minute"]),
    }
