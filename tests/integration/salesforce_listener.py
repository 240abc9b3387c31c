"""Listeners to a simulated org for tests: ``ours`` through ``ChangeStream``, ``plain`` the library as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import aiohttp
from aiosfstream_ng.auth import AuthenticatorBase
from aiosfstream_ng.client import Client as LibraryClient
from aiosfstream_ng.client import ReplayMarkerStoragePolicy
from aiosfstream_ng.replay import DefaultMappingStorage, ReplayMarker

from connector.errors import TwinledgerError
from connector.salesforce import cometd
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.stream import ChangeStream, StreamEvent
from tests.integration.salesforce_org import Client

CHANNEL = "/data/TwinledgerSync__chn"
SOON = 20  # a bound of every wait, not a measure of anything


def credentials(client: Client) -> ClientCredentials:
    settings = client.org.settings
    return ClientCredentials(
        client.http, f"{client.base}/services/oauth2/token", settings.client_id, settings.client_secret
    )


class Listener:
    """Reads a stream in the background; ``positions`` is what the caller has stored."""

    def __init__(self, client: Client, *, start: int = cometd.ALL_KEPT, channels: tuple[str, ...] = (CHANNEL,)) -> None:
        self.positions: dict[str, int] = {}
        self.asked: list[int] = []
        self.start = start
        self.events: asyncio.Queue[StreamEvent] = asyncio.Queue()
        self.stream = ChangeStream(credentials(client), channels, self._replay_from)
        self.task = asyncio.create_task(self._read())

    def _replay_from(self, channel: str) -> int:
        self.asked.append(self.positions.get(channel, self.start))
        return self.asked[-1]

    async def _read(self) -> None:
        async for event in self.stream:
            await self.events.put(event)

    async def next(self) -> StreamEvent:
        got = asyncio.create_task(self.events.get())
        done, _ = await asyncio.wait({got, self.task}, timeout=SOON, return_when=asyncio.FIRST_COMPLETED)
        if got not in done:
            got.cancel()
            if self.task in done:
                self.task.result()
            raise TimeoutError("no event came")
        return got.result()

    async def ended(self) -> BaseException | None:
        await asyncio.wait({self.task}, timeout=SOON)
        return self.task.exception()

    async def store(self, event: StreamEvent) -> None:
        self.positions[event.channel] = event.replay_id


@contextlib.asynccontextmanager
async def ours(client: Client, **options: Any) -> AsyncIterator[Listener]:
    listener = Listener(client, **options)
    try:
        yield listener
    finally:
        listener.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, TwinledgerError):
            await listener.task
        await listener.stream.aclose()


class LibraryAuth(AuthenticatorBase):
    """The library's own hook, with a count of sign-ins."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.sign_ins = 0

    async def _authenticate(self) -> tuple[int, dict[str, Any]]:
        self.sign_ins += 1
        token = self.client.org.issue_token()
        return 200, {"access_token": token, "token_type": "Bearer", "instance_url": self.client.base}


@contextlib.asynccontextmanager
async def plain(client: Client, replay: dict[str, ReplayMarker] | None = None, **options: Any) -> AsyncIterator[Any]:
    """The library as it comes (with a cookie jar that takes cookies from an IP address)."""
    storage = DefaultMappingStorage(replay or {}, -2)
    auth = LibraryAuth(client)
    library = LibraryClient(
        auth, replay=storage, replay_storage_policy=ReplayMarkerStoragePolicy.MANUAL, connection_timeout=5, **options
    )
    library._http_session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    try:
        await library.open()
        yield library
    finally:
        if library._transport is not None:
            await library._transport.disconnect()
        await library._http_session.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110  the library has no event for what is awaited here
            await asyncio.sleep(0.01)


def sessions(client: Client) -> int:
    return sum(1 for one in client.control.requests if one.path.startswith("/cometd"))


def payload(event: StreamEvent) -> dict[str, Any]:
    data = json.loads(event.payload, parse_float=Decimal)
    found: dict[str, Any] = data["payload"]
    return found


def live(client: Client) -> list[dict[str, Any]]:
    sim = client.org.forgetters[0].__self__
    return [{"id": s.id, "subscriptions": list(s.subscriptions)} for s in sim.live.values()]


def token_calls(client: Client) -> int:
    return sum(1 for one in client.control.requests if one.path.endswith("/oauth2/token"))


async def heard(library: Any) -> str:
    """The next event in the library's queue: its own receive() breaks at the first blip (B1)."""
    async with asyncio.timeout(SOON):
        return str((await library._incoming_queue.get())["data"]["payload"]["Name"])


async def held(client: Client) -> None:
    """Until the server holds a poll: what is armed now strikes the one after it."""
    server = client.org.forgetters[0].__self__
    await until(lambda: any(one.waiting for one in server.live.values()))


def struck(client: Client) -> int:
    return sum(one.hits for one in client.control.faults.values())
