"""A grant: what a person gave us by signing in, kept alive by refresh tokens that change with every use. Pure.

Source of the rules (facts/xero.md §1): an access token lasts 30 minutes, a refresh token 60 days and one use; the one
before it may be used again for 30 minutes, so that a lost answer loses nothing. Two owners would lose the grant.
"""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

EARLY_MS = 60_000  # an access token is renewed this long before it ends
GRACE_MS = 30 * 60_000


@dataclass(frozen=True, slots=True)
class Grant:
    """Times in milliseconds since 1970. ``previous`` was replaced by ``refresh`` at ``rotated_ms``.

    ``refused`` is set when the other side takes neither any more: a person must sign in again.
    """

    refresh: str = field(repr=False)
    access: str = field(default="", repr=False)
    ends_ms: int = 0
    previous: str = field(default="", repr=False)
    rotated_ms: int = 0
    scopes: str = ""
    refused: bool = False

    def lasts(self, now_ms: int) -> bool:
        """Whether the access token can still be used."""
        return bool(self.access) and now_ms < self.ends_ms - EARLY_MS

    def tries(self, now_ms: int) -> tuple[str, ...]:
        """The refresh tokens that may work, the likelier first."""
        if self.refused:
            return ()
        again = self.previous and now_ms - self.rotated_ms < GRACE_MS
        return (self.refresh, self.previous) if again else (self.refresh,)

    def renewed(self, refresh: str, access: str, ends_ms: int, scopes: str, now_ms: int) -> Grant:
        """After a pair came."""
        return Grant(refresh, access, ends_ms, self.refresh, now_ms, scopes or self.scopes)

    def lost(self) -> Grant:
        return replace(self, refused=True, access="")

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Grant:
        """Raises ValueError."""
        raw = json.loads(text)
        if not isinstance(raw, dict) or set(raw) != set(cls.__slots__):
            raise ValueError("not a grant")
        return cls(**raw)


class Held(Protocol):
    """One grant's row while its lock is held: nobody else refreshes it."""

    async def read(self) -> Grant | None: ...

    async def save(self, grant: Grant) -> None:
        """Durable when it returns."""


class Grants(Protocol):
    """Where grants are kept."""

    async def read(self, name: str) -> Grant | None: ...

    def held(self, name: str) -> AbstractAsyncContextManager[Held]:
        """Waits for the lock of the row; it is free again when the block ends, or the process dies."""
