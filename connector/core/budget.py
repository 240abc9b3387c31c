"""How much of an API's allowance is left, from what its answers say. Pure: time is an argument, in milliseconds.

The server's headers and its Retry-After decide; a count of our own calls stands in where headers are missing (Xero
sometimes leaves them out).

Where others call too, the last calls of a minute go one by one, each with the answer of the one before it in hand, and
the very last are left: what others do between a header and our next call cannot be known.

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
ALONE_BELOW = 10  # calls left of the minute from which on ours go one by one, where others call too
LEFT_TO_OTHERS = 3  # the very last of a minute
RENEWED = 20  # more calls left than before: a fixed window has begun anew
FRESH_MS = 5_000  # for so long a header says what is left
STRANGERS_MS = 30 * MINUTE_MS  # how long we believe in others that were seen
LATEST_MS = 10_000  # an answer that comes so late speaks of calls that have since left our minute
DAY_STEP_MS = 15 * MINUTE_MS  # how often to look whether a spent day has begun anew, when the server named no time


@dataclass(frozen=True, slots=True)
class Budget:
    """``per_minute`` is the most calls that may arrive in any 60 s (None: no such limit). ``scale``: how many times
    the minute of one organisation that is; what is left to others grows with it.

    ``others`` are the calls of a minute that the headers know and we do not: other apps, people, processes before us.
    Calls are numbered as they start: what a header says was true when its call arrived, about when the calls with
    lower numbers had. ``left`` is what the header of call ``left_number`` said at ``left_at``, ``renewed_at`` when it
    had jumped up; until ``strangers_until`` others are believed to call.
    """

    per_minute: int | None = None
    scale: int = 1
    started: int = 0
    in_flight: tuple[int, ...] = ()
    ended: tuple[tuple[int, int], ...] = ()  # when, number
    others: int = 0
    others_until: int = 0
    left: int = 0
    left_number: int = 0
    left_at: int = 0
    renewed_at: int = -2 * MINUTE_MS
    strangers_until: int = 0
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
        return replace(self, in_flight=flying, ended=(*self._recent(now_ms - LATEST_MS), (now_ms, number)))

    def answered(
        self, now_ms: int, *, number: int = 0, minute_left: int | None = None, day_left: int | None = None
    ) -> Budget:
        """What the headers of a call's answer said; None where they said nothing."""
        out = self
        if minute_left is not None and self.per_minute is not None:
            out = self._heard(now_ms, number or self.started, minute_left, self.per_minute - minute_left)
        if day_left is not None:
            out = replace(out, day_left=day_left)
            if day_left <= 0:
                out = replace(out, blocked_until=max(out.blocked_until, now_ms + DAY_STEP_MS))
        return out

    def _heard(self, now_ms: int, number: int, left: int, used: int) -> Budget:
        """A header spoke of the minute when call ``number`` arrived."""
        ours = len(self.in_flight) + self._counted(now_ms) - (self.started - number)  # later ones had not arrived
        out = replace(self, others=max(0, used - ours), others_until=now_ms + MINUTE_MS + SLACK_MS)
        if number >= self.left_number:
            renewed = now_ms if left - self.left > RENEWED * self.scale else self.renewed_at
            out = replace(out, left=left, left_number=number, left_at=now_ms, renewed_at=renewed)
        if used > len(self.in_flight) + self._counted(now_ms - LATEST_MS):  # calls may overtake each other
            out = replace(out, strangers_until=now_ms + STRANGERS_MS)
        return out

    def refused(self, now_ms: int, *, seconds: int) -> Budget:
        """The server refused a call for ``seconds``: others had been there, or we would not have made it."""
        until = max(self.blocked_until, now_ms + seconds * 1000)
        return replace(self, blocked_until=until, strangers_until=now_ms + STRANGERS_MS)

    def pause(self, now_ms: int, *, spare: int = 0) -> int:
        """Milliseconds until the next call may start; 0 is now. ``spare`` calls of the minute are left to others."""
        flying = len(self.in_flight)
        today = FLIGHT_MS if flying and self.day_left is not None and self.day_left <= flying else 0
        return max(
            0, self.blocked_until - now_ms, today, self._until_room(now_ms, spare), self._beside_others(now_ms)
        )  # fmt: skip

    def _recent(self, now_ms: int) -> tuple[tuple[int, int], ...]:
        return self.ended[len(self.ended) - self._counted(now_ms) :]

    def _counted(self, now_ms: int) -> int:
        return len(self.ended) - bisect_right(self.ended, now_ms - MINUTE_MS - SLACK_MS, key=lambda one: one[0])

    def _beside_others(self, now_ms: int) -> int:
        """Where others call: until a header tells what is left, and while that is next to nothing."""
        if now_ms >= self.strangers_until or self.per_minute is None:
            return 0
        age, left = now_ms - self.left_at, self.left - (self.started - self.left_number)
        if age < FRESH_MS and left > ALONE_BELOW * self.scale:
            return 0
        if self.in_flight:
            return FLIGHT_MS
        if left > LEFT_TO_OTHERS * self.scale:
            return 0
        return max(0, FRESH_MS - age, self.renewed_at + MINUTE_MS + SLACK_MS - now_ms)

    def _until_room(self, now_ms: int, spare: int) -> int:
        if self.per_minute is None:
            return 0
        others = self.others + ROOM_FOR_OTHERS * self.scale if self.others and now_ms < self.others_until else 0
        over = len(self.in_flight) + self._counted(now_ms) + others - max(1, self.per_minute - spare) + 1
        if over <= 0:
            return 0
        frees = [at + MINUTE_MS + SLACK_MS for at, _ in self._recent(now_ms)]
        frees = sorted([*frees, *[self.others_until] * others])
        return frees[over - 1] - now_ms if over <= len(frees) else FLIGHT_MS
