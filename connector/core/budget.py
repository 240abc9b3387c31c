"""How much of an API's allowance is left, from what its answers say. Pure: time is an argument, in milliseconds.

The server's headers and its Retry-After decide; a count of our own calls stands in where headers are missing (Xero
sometimes leaves them out).

A call is counted from its end, until a minute after it. It has arrived before it was answered, and the next one arrives
after it was started: so whatever the network does, no span of 60 s sees more than ``per_minute`` of our calls arrive,
whether the server's window is fixed or rolling. What it costs is one latency a minute.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

MINUTE_MS = 60_000
SLACK_MS = 250  # the server's clock and ours do not tick together
FLIGHT_MS = 100  # how soon to look again when only an answer can make room
ROOM_FOR_OTHERS = 2  # where others call too, one may come while our answer is in the air
DAY_STEP_MS = 15 * MINUTE_MS  # how often to look whether a spent day has begun anew, when the server named no time


@dataclass(frozen=True, slots=True)
class Budget:
    """``per_minute`` is the most calls that may arrive in any 60 s (None: no such limit).

    ``reserve`` of a day's calls is left for people who must still be able to act. ``others`` are the calls of a minute
    that the headers know and we do not: other apps, people, processes before us. Calls are numbered as they start:
    what a header says was true when its call arrived, about when the calls with lower numbers had.
    """

    per_minute: int | None = None
    reserve: int = 0
    started: int = 0
    in_flight: tuple[int, ...] = ()
    ended: tuple[tuple[int, int], ...] = ()  # when, number
    others: int = 0
    others_until: int = 0
    day_left: int | None = None
    blocked_until: int = 0

    def call(self, now_ms: int) -> Budget:
        """A call starts; its number is ``started``."""
        if self.per_minute is None:
            return self
        number = self.started + 1
        return replace(self, started=number, in_flight=(*self.in_flight, number))

    def end(self, now_ms: int, number: int) -> Budget:
        """A call has ended, answered or not."""
        flying = tuple(one for one in self.in_flight if one != number)
        return replace(self, in_flight=flying, ended=(*self._recent(now_ms), (now_ms, number)))

    def answered(
        self, now_ms: int, *, number: int = 0, minute_left: int | None = None, day_left: int | None = None
    ) -> Budget:
        """What the headers of a call's answer said; None where they said nothing."""
        out = self
        if minute_left is not None and self.per_minute is not None:
            upto = number or self.started
            ours = sum(one <= upto for one in self.in_flight) + sum(one <= upto for _, one in self._recent(now_ms))
            others = max(0, self.per_minute - minute_left - ours)
            out = replace(out, others=others, others_until=now_ms + MINUTE_MS + SLACK_MS)
        if day_left is not None:
            out = replace(out, day_left=day_left)
            if day_left <= self.reserve:
                out = replace(out, blocked_until=max(out.blocked_until, now_ms + DAY_STEP_MS))
        return out

    def refused(self, now_ms: int, *, seconds: int) -> Budget:
        """The server refused a call for ``seconds``."""
        return replace(self, blocked_until=max(self.blocked_until, now_ms + seconds * 1000))

    def pause(self, now_ms: int, *, spare: int = 0) -> int:
        """Milliseconds until the next call may start; 0 is now. ``spare`` calls of the minute are left to others."""
        return max(0, self.blocked_until - now_ms, self._until_room(now_ms, spare))

    def _recent(self, now_ms: int) -> tuple[tuple[int, int], ...]:
        return self.ended[bisect_right(self.ended, now_ms - MINUTE_MS - SLACK_MS, key=lambda one: one[0]) :]

    def _until_room(self, now_ms: int, spare: int) -> int:
        if self.per_minute is None:
            return 0
        recent = self._recent(now_ms)
        others = self.others + ROOM_FOR_OTHERS if self.others and now_ms < self.others_until else 0
        over = len(self.in_flight) + len(recent) + others - max(1, self.per_minute - spare) + 1
        if over <= 0:
            return 0
        frees = sorted([*(at + MINUTE_MS + SLACK_MS for at, _ in recent), *[self.others_until] * others])
        return frees[over - 1] - now_ms if over <= len(frees) else FLIGHT_MS
