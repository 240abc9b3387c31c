"""Idempotency-Key: the first answer under a key is given again for six minutes from the first call, errors of ours
(500)
included; a concurrent twin waits for it; another request under the same key is a 400. Keys belong to the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.responses import Response

from connector.simulators.xero.errors import Refusal

KEPT = timedelta(minutes=6)
LONGEST = 128


@dataclass
class Kept:
    """One key: what was asked first, when, and the answer once it is there."""

    request: str
    at: datetime
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Response | None = None


class Keys:
    """The store of keys."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[str, Kept] = {}

    async def once(self, key: str, request: str, handle: Callable[[], Awaitable[Response]]) -> Response:
        """Handle the request unless its answer is known. Raises Refusal for a key that is too long or differs."""
        if not 1 <= len(key) <= LONGEST:
            raise Refusal(400, _problem(f"Idempotency Key must be 1 to {LONGEST} characters long."))
        self._forget()
        kept = self._kept.get(key)
        if kept is not None:
            return await self._again(key, kept, request)
        kept = self._kept[key] = Kept(request, self._now())
        try:
            kept.answer = await handle()
        finally:
            if kept.answer is None:
                self._kept.pop(key, None)
            kept.answered.set()
        return kept.answer

    async def _again(self, key: str, kept: Kept, request: str) -> Response:
        if kept.request != request:
            raise Refusal(400, _problem(f"Idempotency Key: {key} is used with a different request."))
        await kept.answered.wait()
        if kept.answer is None:
            raise Refusal(500, _problem("The first request under this key has ended without an answer."))
        return kept.answer

    def remember(self, key: str, request: str, answer: Response) -> None:
        """Keep an internal error as the first answer."""
        kept = Kept(request, self._now(), answer=answer)
        kept.answered.set()
        self._kept[key] = kept

    def _forget(self) -> None:
        old = [key for key, kept in self._kept.items() if self._now() - kept.at >= KEPT]
        for key in old:
            del self._kept[key]


def _problem(message: str) -> dict[str, object]:
    return {"ErrorNumber": 10, "Type": "IdempotencyException", "Message": message}
