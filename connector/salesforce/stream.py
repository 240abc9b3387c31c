"""The stream of change events that capture reads, and the supervisor that keeps one alive.

The stream stores no position: the caller does, after its Kafka ack, and says so when asked (``replay_from``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from aiocometd_ng.exceptions import AiocometdException
from aiosfstream_ng.exceptions import AiosfstreamException, ServerError

from connector.errors import AuthError, TryAgain, TwinledgerError, Unavailable
from connector.salesforce.auth import Credentials
from connector.salesforce.bayeux import RAW, error_of, judge
from connector.salesforce.cometd import API_VERSION, CONNECT_SECONDS, NEW_ONLY, REQUEST_SECONDS, Positions, StreamClient


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event. ``payload`` is the JSON text of the message's ``data`` as it stood in the response, byte for byte."""

    channel: str
    replay_id: int
    payload: bytes


class EventSource(Protocol):
    """What capture reads. Ends only by an error of the table in ``ChangeStream``, or when it is closed."""

    def __aiter__(self) -> AsyncIterator[StreamEvent]: ...

    async def aclose(self) -> None: ...


class ChangeStream:
    """The change events of some channels of one org, from the caller's positions on, until an error.

    ``replay_from(channel)`` is asked at each subscribe, at the start and after each lost session: the last stored
    replay id, NEW_ONLY or ALL_KEPT. The caller must have stored an id only when all its messages are done. Events may
    come twice after a lost session.

    Iterating raises: ReplayExpired (the position is too old), TryAgain (busy, over a limit, slow consumer), AuthError,
    ConfigurationError (channel or rights), Unavailable (anything else that a new connection may mend).
    """

    def __init__(
        self,
        credentials: Credentials,
        channels: Iterable[str],
        replay_from: Callable[[str], int],
        *,
        api_version: str = API_VERSION,
        silent_seconds: float = CONNECT_SECONDS + REQUEST_SECONDS,
    ) -> None:
        self._channels = tuple(dict.fromkeys(channels))
        self._positions = Positions(replay_from)
        self._client = StreamClient(credentials, self._positions, api_version)
        self._silent_seconds = silent_seconds
        self._open_for_events = False

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events()

    @property
    def silent_for(self) -> float | None:
        """Seconds since the stream last answered a poll; None while it is not connected."""
        transport = self._client.open_transport if self._open_for_events else None
        return None if transport is None else asyncio.get_running_loop().time() - transport.polled_at

    @property
    def wanted(self) -> frozenset[str]:
        """The channels that it is for."""
        return frozenset(self._channels)

    @property
    def subscribed(self) -> frozenset[str]:
        """The channels that the server has confirmed in this session."""
        transport = self._client.open_transport if self._open_for_events else None
        return frozenset() if transport is None else frozenset(transport.subscriptions & transport.confirmed)

    async def aclose(self) -> None:
        """Disconnect. Safe at any time, more than once."""
        await self._client.shut()

    async def _events(self) -> AsyncIterator[StreamEvent]:
        try:
            await self._open()
            self._open_for_events = True
            while True:
                message = await self._client.next_message(self._silent_seconds / 4)
                self._watch()
                if message is not None:
                    event = _event(message)
                    if event is not None:
                        self._positions.note(event.channel, event.replay_id)
                        yield event
        finally:
            self._open_for_events = False
            await self.aclose()

    async def _open(self) -> None:
        try:
            await self._client.open()
            self._client.transport.wanted = set(self._channels)
            for channel in self._channels:
                await self._client.subscribe(channel)
        except ServerError as refused:
            channel = str((refused.response or {}).get("subscription") or "")
            position = self._positions.asked(channel) if channel else NEW_ONLY
            raise error_of(judge(refused.response or {}), channel=channel, replay_id=position) from refused
        except (AiosfstreamException, AiocometdException) as error:
            raise Unavailable("salesforce.stream-away", f"The Salesforce stream cannot be opened: {error}") from error

    def _watch(self) -> None:
        """The connection that looks healthy and is not: no answered poll, or fewer channels than asked for."""
        transport = self._client.transport
        silent = asyncio.get_running_loop().time() - transport.polled_at
        if silent > self._silent_seconds:
            raise Unavailable("salesforce.stream-silent", f"No answer from the Salesforce stream for {silent:.0f} s")
        missing = set(self._channels) - (transport.subscriptions & transport.confirmed)
        if missing and transport.trouble is None:
            raise Unavailable("salesforce.stream-unsubscribed", f"No longer subscribed to {', '.join(sorted(missing))}")


async def supervised(
    connect: Callable[[], EventSource],
    *,
    pause: Callable[[TwinledgerError, int], Awaitable[None]],
) -> AsyncGenerator[StreamEvent, None]:
    """B15: streams one after the other, for ever. A plain loop over the library's client ends without an error.

    ``connect`` makes a fresh stream; ``pause(error, failures in a row)`` waits before the next one (see ``backoff``).
    ReplayExpired and ConfigurationError go through to the caller: trying again cannot mend them.
    """
    failures = 0
    while True:
        stream = connect()
        try:
            async for event in stream:
                failures = 0
                yield event
            ended: TwinledgerError = Unavailable(
                "salesforce.stream-ended", "The Salesforce stream ended without a word"
            )
        except (Unavailable, AuthError) as error:
            ended = error
        finally:
            await stream.aclose()
        failures += 1
        await pause(ended, failures)


def backoff(error: TwinledgerError, failures: int) -> float:
    """Seconds to wait: what the server named, else 1, 2, 4 ... 60; a refused sign-in waits at least 30."""
    if isinstance(error, TryAgain):
        return float(error.retry_after)
    seconds = float(min(60, 2 ** min(failures - 1, 6)))
    return max(30.0, seconds) if isinstance(error, AuthError) else seconds


def _event(message: dict[str, Any]) -> StreamEvent | None:
    """What has no replay id is given on with -1: it must reach the dead letters, and is no position to store."""
    data = message["data"]
    event = data.get("event") if isinstance(data, dict) else None
    replay = event.get("replayId") if isinstance(event, dict) else None
    known = replay if isinstance(replay, int) and not isinstance(replay, bool) else NEW_ONLY
    return StreamEvent(str(message["channel"]), known, str(message[RAW]).encode("utf-8"))
