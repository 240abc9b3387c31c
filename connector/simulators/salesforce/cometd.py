"""The streaming endpoint, ``/cometd/NN.0``: Bayeux over long polling, with the error messages of the platform."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.salesforce.bayeux import Session, Sessions, Subscription
from connector.simulators.salesforce.wire import MEDIA, dumps, loads

MAX_REQUEST = 32_768
OLDEST_VERSION = 37.0
COOKIE = "BAYEUX_BROWSER"
HANDSHAKE_EXT = {"replay": True, "payload.format": True}
AUTH_INVALID = "401::Authentication invalid"
DAILY_LIMIT = "403::Organization total events daily limit exceeded"
Message = Mapping[str, Any]


@dataclass
class Staged:
    """An answer that a test has put in the way of the next requests on a channel."""

    channel: str
    answer: Mapping[str, Any]
    http: Mapping[str, Any] | None  # {"status", "body"}: not Bayeux at all; or "html", as a proxy would say it
    count: int


class Cometd:
    """Handles one POST after the other; only /meta/connect waits."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.org = sessions.org
        self.staged: list[Staged] = []
        self.handlers: dict[str, Callable[[Request, Message], Awaitable[list[Message]]]] = {
            "/meta/handshake": self._handshake, "/meta/connect": self._connect, "/meta/subscribe": self._subscribe,
            "/meta/unsubscribe": self._unsubscribe, "/meta/disconnect": self._disconnect,
        }  # fmt: skip

    async def handle(self, request: Request) -> Response:
        raw = await request.body()
        if len(raw) > MAX_REQUEST:
            return _reply([{"error": "413::Maximum Request Size Exceeded", "successful": False}], 413)
        wrong = _version_error(request.path_params.get("version"))
        try:
            body = loads(raw)
        except ValueError:
            return Response("<html><body>Bad Request</body></html>", 400, media_type="text/html")
        messages = body if isinstance(body, list) else [body]
        replies: list[Message] = []
        for message in sorted(messages, key=lambda one: one.get("channel") == "/meta/connect"):  # what waits comes last
            if wrong is not None:
                replies.append(_failed(message, wrong))
                continue
            staged = self._take(str(message.get("channel")))
            if staged is not None and staged.http is not None:
                return _unlike(staged.http)
            replies += [_failed(message, "", staged.answer)] if staged else await self._answer(request, message)
        response = _reply(replies)
        for reply in replies:
            if reply.get("channel") == "/meta/handshake" and reply.get("successful"):
                session = self.sessions.find(reply["clientId"])
                if session is not None:
                    response.set_cookie(COOKIE, session.cookie, path="/cometd", httponly=True)
        return response

    def _take(self, channel: str) -> Staged | None:
        staged = next((one for one in self.staged if one.channel == channel and one.count > 0), None)
        if staged is not None:
            staged.count -= 1
        return staged

    async def _answer(self, request: Request, message: Message) -> list[Message]:
        handler = self.handlers.get(str(message.get("channel")))
        if handler is None:
            return [_failed(message, "403::Publish denied")]
        return await handler(request, message)

    # --- meta channels -----------------------------------------------------------------------------------------------

    async def _handshake(self, request: Request, message: Message) -> list[Message]:
        if not self._signed_in(request):
            return [_denied(message, AUTH_INVALID)]
        if "long-polling" not in (message.get("supportedConnectionTypes") or ()):
            return [_failed(message, "400::Invalid connection type")]
        session = self.sessions.open()
        if session is None:
            return [_denied(message, "403::Organization concurrent user limit exceeded")]
        known = {"minimumVersion": "1.0", "clientId": session.id, "supportedConnectionTypes": ["long-polling"]}
        ok = {"channel": "/meta/handshake", "version": "1.0", "successful": True}
        return [{"ext": HANDSHAKE_EXT, **known, **ok, **_id(message)}]

    async def _connect(self, request: Request, message: Message) -> list[Message]:
        session, refusal = self._session(request, message)
        if session is None:
            return [refusal]
        session.connects += 1
        first = session.connects == 1
        if not first and not self.sessions.exhausted():
            await self._hold(request, session)
        session.seen = time.monotonic()
        session, refusal = self._session(request, message)
        if session is None:
            return [refusal]
        if self.sessions.exhausted() and session.subscriptions:
            session.subscriptions.clear()
            return [_failed(message, DAILY_LIMIT, {"clientId": session.id, "advice": _STOP})]
        ok = {"clientId": session.id, "channel": "/meta/connect", "successful": True, **_id(message)}
        settings = self.org.settings
        if first:
            ok["advice"] = {"interval": settings.advice_interval_ms, "timeout": int(settings.hold_seconds * 1000),
                            "reconnect": "retry"}  # fmt: skip
        return [*self.sessions.pending(session), ok]

    async def _hold(self, request: Request, session: Session) -> None:
        """Wait for events, at most as long as advised. Ends early when the session or its token is gone."""
        deadline = time.monotonic() + self.org.settings.hold_seconds
        session.waiting = True
        leaving = asyncio.create_task(_left(request, session))
        try:
            while not leaving.done() and time.monotonic() < deadline and self.sessions.live.get(session.id) is session:
                if self._has_events(session) or not self._signed_in(request):
                    return
                session.wake.clear()
                try:
                    await asyncio.wait_for(session.wake.wait(), deadline - time.monotonic())
                except TimeoutError:
                    return
        finally:
            leaving.cancel()
            session.waiting = False

    def _has_events(self, session: Session) -> bool:
        bus = self.org.bus
        return any(
            bus.after(one.cursor, frozenset(self.sessions.members(one.channel) or ()), 1)
            for one in session.subscriptions.values()
        )

    async def _subscribe(self, request: Request, message: Message) -> list[Message]:
        session, refusal = self._session(request, message)
        if session is None:
            return [refusal]
        wanted = message.get("subscription")
        channels = [str(one) for one in wanted] if isinstance(wanted, list) else [str(wanted or "")]
        replies = [self._subscribed(session, message, channel) for channel in channels]
        return [*replies, *self.sessions.pending(session)]  # events ride in any answer

    def _subscribed(self, session: Session, message: Message, channel: str) -> Message:
        known = {"clientId": session.id, "subscription": channel}
        wrong = self._channel_error(channel)
        if wrong is not None:
            return _failed(message, wrong, known)
        replay = _asked_replay(message, channel)
        cursor = self.org.bus.start(replay) if isinstance(replay, int) else None
        if cursor is None:
            return _failed(message, f"400::The replayId {{{replay}}} you provided was invalid.  Please provide a valid "
                           "ID, -2 to replay all events, or -1 to replay only new events.", known)  # fmt: skip
        session.subscriptions[channel] = Subscription(channel, cursor)
        session.wake.set()
        return {"clientId": session.id, "channel": "/meta/subscribe", **_id(message), "subscription": channel,
                "successful": True}  # fmt: skip

    def _channel_error(self, channel: str) -> str | None:
        if not channel:
            return "400::Channel name not specified"
        if not channel.startswith("/"):
            return "400::Channel subscriptions must start with a leading '/'"
        if self.sessions.members(channel) is None:
            return f"400::The channel you requested to subscribe to doesn’t exist {{{channel}}}"
        if self.sessions.forbidden(channel):
            return "403::User not allowed to subscribe CDC without View All Data permissions"
        return None

    async def _unsubscribe(self, request: Request, message: Message) -> list[Message]:
        session, refusal = self._session(request, message)
        if session is None:
            return [refusal]
        channel = str(message.get("subscription"))
        session.subscriptions.pop(channel, None)
        ok = {"clientId": session.id, "channel": "/meta/unsubscribe", "subscription": channel, "successful": True}
        return [{**ok, **_id(message)}]

    async def _disconnect(self, request: Request, message: Message) -> list[Message]:
        session, refusal = self._session(request, message)
        if session is None:
            return [refusal]
        self.sessions.close(session)
        return [{"clientId": session.id, "channel": "/meta/disconnect", "successful": True, **_id(message)}]

    # --- checks ------------------------------------------------------------------------------------------------------

    def _signed_in(self, request: Request) -> bool:
        return self.org.signed_in(request.headers.get("authorization"))

    def _session(self, request: Request, message: Message) -> tuple[Session, Message] | tuple[None, Message]:
        """The session of a message, or the refusal."""
        client_id = message.get("clientId")
        if client_id is None:
            return None, _failed(message, "403::Client has not completed handshake")
        if not self._signed_in(request):
            advice = {"reconnect": "none", "interval": 0}
            return None, _failed(message, AUTH_INVALID, {"clientId": client_id, "advice": advice})
        session = self.sessions.find(client_id)
        if session is None:
            return None, _failed(message, "403::Unknown client", {"advice": {"interval": 0, "reconnect": "handshake"}})
        if request.cookies.get(COOKIE) != session.cookie:
            text = f"400::Client {client_id} has established a session, but no {COOKIE} cookie present"
            return None, _failed(message, text, {"advice": _STOP})
        session.seen = time.monotonic()
        return session, {}


_STOP = {"reconnect": "none", "interval": 0}


def _id(message: Message) -> dict[str, Any]:
    return {"id": message["id"]} if "id" in message else {}


def _failed(message: Message, error: str, extra: Mapping[str, Any] | None = None) -> Message:
    return {"channel": message.get("channel"), **_id(message), "error": error, "successful": False, **(extra or {})}


def _denied(message: Message, reason: str) -> Message:
    """A refused handshake hides its reason in ext.sfdc."""
    ext = {"sfdc": {"failureReason": reason}, **HANDSHAKE_EXT}
    return _failed(message, "403::Handshake denied", {"ext": ext, "advice": {"reconnect": "none"}})


def _asked_replay(message: Message, channel: str) -> object:
    replay = ((message.get("ext") or {}).get("replay") or {}).get(channel, -1)
    return int(replay) if isinstance(replay, str) and re.fullmatch(r"-?\d{1,18}", replay) else replay


def _version_error(version: str | None) -> str | None:
    if version is None:
        return "400::API version in the URI is mandatory. URI format: '/cometd/66.0'"
    if not re.fullmatch(r"\d{2}\.0", version) or float(version) < OLDEST_VERSION:
        return (
            "400::Unsupported API version. Only API versions '37.0' and later are supported. URI format: '/cometd/66.0'"
        )
    return None


def _reply(messages: list[Message], status: int = 200) -> Response:
    return Response(dumps(messages), status, media_type=MEDIA)


def _unlike(http: Mapping[str, Any]) -> Response:
    """An answer that is no Bayeux at all."""
    status = int(http["status"])
    if "html" in http:
        return Response(str(http["html"]), status, media_type="text/html")
    return Response(dumps(http.get("body")), status, media_type=MEDIA)


async def _left(request: Request, session: Session) -> None:
    """Ends when the client closes its connection: nobody is there to wait for."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    session.wake.set()
