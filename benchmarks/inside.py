"""The Xero simulator without a socket, in a time that moves only when it is moved."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.types import Message

from connector.core.party import Answer
from connector.http import HttpClient, Pairs
from connector.simulators.xero.app import build
from connector.simulators.xero.world import Settings, World
from connector.xero.auth import Credentials, Tokens
from connector.xero.calls import PER_MINUTE
from connector.xero.entities import ENTITIES
from connector.xero.rest import XeroParty
from connector.xero.scopes import needed_scopes

BASE = "http://inside"


class Inside(HttpClient):
    """Requests go straight to an application of this process."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def request(
        self, method: str, url: str, *, headers: Pairs = (), query: Pairs = (), body: bytes = b"", seconds: float = 60
    ) -> Answer:
        parts = urlsplit(url)
        asked = "&".join(filter(None, [parts.query, urlencode(list(query))]))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": parts.path, "raw_path": parts.path.encode(), "query_string": asked.encode(), "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "server": ("inside", 80), "client": ("inside", 1),
        }  # fmt: skip
        told: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            told.append(message)

        await self._app(scope, receive, send)
        said = {name.decode(): value.decode() for name, value in told[0]["headers"]}
        return Answer(told[0]["status"], said, b"".join(part.get("body", b"") for part in told[1:]))


class Stage:
    """A simulated organisation, what will happen in it, and a party that speaks to it. One clock for all."""

    def __init__(self) -> None:
        app = build(Settings())
        self.world: World = app.state.world
        tomorrow = self.world.clock.now() + timedelta(days=1)  # after the demo company was made
        self.world.clock.still = tomorrow.replace(hour=0, minute=0, second=0, microsecond=0)
        self.http = Inside(app)
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = count()

    def now(self) -> datetime:
        return self.world.clock.now()

    def now_ms(self) -> int:
        return round(self.now().timestamp() * 1000)

    def party(self, per_minute: int = PER_MINUTE) -> XeroParty:
        known = self.world.settings
        credentials = Credentials(known.client_id, known.client_secret, f"{BASE}/connect/token")
        scopes = needed_scopes(ENTITIES)
        tokens = Tokens(self.http, credentials, lambda: scopes, self.now_ms)
        tenant, api = self.world.first.id, f"{BASE}/api.xro/2.0"
        return XeroParty(self.http, tokens, tenant, now_ms=self.now_ms, api=api, per_minute=per_minute)

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._number), act))

    def forget(self) -> None:
        self._events.clear()

    async def sleep(self, seconds: float) -> None:
        """Everything that happens meanwhile happens at its own time."""
        until = self.now() + timedelta(seconds=seconds)
        while self._events and self._events[0][0] <= until:
            moment, _, act = heapq.heappop(self._events)
            self.world.clock.set(max(moment, self.now()))
            act()
        self.world.clock.set(until)
        await asyncio.sleep(0)
