"""The calls to one organisation, counted twice: in its own minute and day, and in the minute of the app.

Xero gives an app 10,000 calls a minute over all of its organisations. So the parties that are signed in by the same
app share one ``AppMinute``; a worker has one for each app (``Apps``). What other workers use of it is heard in the
headers, as everything else that we do not see.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connector.core.budget import Budget
from connector.core.party import Answer
from connector.xero.failures import CONCURRENT_RETRY, DEFAULT_RETRY, calls_of, limit_of, seconds_of

PER_MINUTE = 60
APP_PER_MINUTE = 10_000
APP = "appminute"  # X-Rate-Limit-Problem, as one of its spellings; ``limit_of`` knows the others


@dataclass(slots=True)
class AppMinute:
    """The minute of one app, shared by the parties of its organisations."""

    budget: Budget

    @classmethod
    def of(cls, per_minute: int = APP_PER_MINUTE) -> AppMinute:
        return cls(Budget(per_minute=per_minute, scale=max(1, per_minute // PER_MINUTE)))


@dataclass(frozen=True, slots=True)
class Apps:
    """The apps of a worker: an app is a client id at one address of the API."""

    known: dict[tuple[str, str], AppMinute] = field(default_factory=dict)

    def minute(self, api: str, client_id: str, per_minute: int) -> AppMinute:
        """The same one for the same app; where its organisations name different limits, the least holds."""
        found, asked = self.known.setdefault((api, client_id), AppMinute.of(per_minute)), AppMinute.of(per_minute)
        if (asked.budget.per_minute or 0) < (found.budget.per_minute or 0):
            found.budget = asked.budget
        return found


@dataclass(slots=True)
class Calls:
    """The budget of one organisation beside that of its app."""

    own: Budget
    app: AppMinute

    def pause(self, now_ms: int, spare: int = 0) -> int:
        """Milliseconds until both have room. Of the app's minute the same part is spared as of the own one."""
        shared = spare * (self.app.budget.per_minute or 0) // max(1, self.own.per_minute or PER_MINUTE)
        return max(self.own.pause(now_ms, spare=spare), self.app.budget.pause(now_ms, spare=shared))

    def lacks(self, now_ms: int) -> tuple[str, int] | None:
        """(which limit, seconds) of a call that must not go now."""
        own, shared = self.own.pause(now_ms), self.app.budget.pause(now_ms)
        pause = max(own, shared)
        return (APP if shared > own else "minute", -(-pause // 1000)) if pause > 0 else None

    def begin(self, now_ms: int) -> tuple[int, int]:
        """A call starts: its number here, and its number among the app's."""
        self.own, self.app.budget = self.own.call(now_ms), self.app.budget.call(now_ms)
        return self.own.started, self.app.budget.started

    def end(self, now_ms: int, numbers: tuple[int, int]) -> None:
        """A call has ended, answered or not."""
        self.own, self.app.budget = self.own.end(now_ms, numbers[0]), self.app.budget.end(now_ms, numbers[1])

    def heard(self, answer: Answer, now_ms: int, numbers: tuple[int, int]) -> None:
        """What an answer's headers say. A limit that is reached stops those who share it, and nobody else."""
        day, minute, app = (calls_of(answer.headers.get(f"x-{name}limit-remaining", "")) for name in _HEADERS)
        self.own = self.own.answered(now_ms, number=numbers[0], minute_left=minute, day_left=day)
        self.app.budget = self.app.budget.answered(now_ms, number=numbers[1], minute_left=app)
        if answer.status != 429:
            return
        problem = limit_of(answer)
        default = CONCURRENT_RETRY if problem == "concurrent" else DEFAULT_RETRY
        seconds = seconds_of(answer.headers.get("retry-after", "")) or default
        if problem == APP:
            self.app.budget = self.app.budget.refused(now_ms, seconds=seconds)
        else:
            self.own = self.own.refused(now_ms, seconds=seconds)


_HEADERS = ("day", "min", "appmin")
