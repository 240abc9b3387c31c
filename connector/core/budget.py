"""How much of an API's allowance is left, from what its answers say. Pure: time is an argument, in milliseconds.

The server's headers and its Retry-After decide; a count of our own calls keeps a little below the limit where
headers are
missing (Xero sometimes leaves them out).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MINUTE_MS = 60_000
DAY_STEP_MS = 15 * MINUTE_MS  # how often to look whether a spent day has begun anew, when the server named no time


@dataclass(frozen=True, slots=True)
class Budget:
    """``per_minute`` is the most calls that we start in any 60 s (None: no such limit).

    ``reserve`` of a day's calls is left for people who must still be able to act.
    """

    per_minute: int | None = None
    reserve: int = 0
    started: tuple[int, ...] = ()
    minute_left: int | None = None
    minute_seen: int = 0
    day_left: int | None = None
    blocked_until: int = 0

    def call(self, now_ms: int) -> Budget:
        """A call starts."""
        kept = tuple(at for at in self.started if now_ms - MINUTE_MS < at <= now_ms)
        left = None if self.minute_left is None else max(0, self.minute_left - 1)
        return replace(self, started=(*kept, now_ms), minute_left=left)

    def answered(self, now_ms: int, *, minute_left: int | None = None, day_left: int | None = None) -> Budget:
        """What an answer's headers said; None where they said nothing."""
        out = self
        if minute_left is not None:
            out = replace(out, minute_left=minute_left, minute_seen=now_ms)
        if day_left is not None:
            out = replace(out, day_left=day_left)
            if day_left <= self.reserve:
                out = replace(out, blocked_until=max(out.blocked_until, now_ms + DAY_STEP_MS))
        return out

    def refused(self, now_ms: int, *, seconds: int) -> Budget:
        """The server refused a call for ``seconds``."""
        return replace(self, blocked_until=max(self.blocked_until, now_ms + seconds * 1000))

    def pause(self, now_ms: int) -> int:
        """Milliseconds until the next call may start; 0 is now."""
        waits = [self.blocked_until - now_ms]
        if self.minute_left == 0:
            waits.append(self.minute_seen + MINUTE_MS - now_ms)
        if self.per_minute is not None:
            recent = [at for at in self.started if now_ms - MINUTE_MS < at <= now_ms]
            if len(recent) >= self.per_minute:
                waits.append(recent[-self.per_minute] + MINUTE_MS - now_ms)
        return max(0, *waits)
