"""The middleware that lets the armed faults of a control page strike requests to the API."""

from __future__ import annotations

import asyncio
import hashlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.simulators.control import Control, Fault, RequestEntry, request_number
from connector.simulators.exchanges import KEY, Heard, begun, listener

MAX_BODY = 64 * 1024 * 1024
HALF_BATCH = "simulator.half_batch"  # scope key: handlers of batches look here
CUT = "simulator.cut"  # scope extension that serving.py adds: closes the TCP connection


class FaultMiddleware:
    """Logs each request to the API and lets the armed faults strike it."""

    def __init__(self, app: ASGIApp, control: Control) -> None:
        self.app = Heard(app)
        self.control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/__sim"):
            await self.app(scope, receive, send)
            return
        entry = self.control.arrived(scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        keys = [value for name, value in scope["headers"] if name == b"idempotency-key"]
        entry.idempotency_key = keys[0].decode("latin-1") if keys else None
        body = await _read(receive)
        entry.body_size, entry.body_sha256 = len(body), hashlib.sha256(body).hexdigest() if body else ""
        token, hear = request_number.set(entry.n), listener(entry.path)
        if hear is not None:
            scope[KEY] = begun(scope, body)
        try:
            await self._handle(entry, scope, _replay(body, receive), _noting(entry, send))
        finally:
            request_number.reset(token)
            if hear is not None:
                hear(scope[KEY])

    async def _handle(self, entry: RequestEntry, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self.control.struck(entry.method, entry.path, keyed=entry.idempotency_key is not None)
        if fault is None:
            await self.app(scope, receive, send)
            return
        entry.fault = fault.kind
        await _STRIKES[fault.kind](self, fault, scope, receive, send)

    async def _cut_before(self, _fault: Fault, scope: Scope, receive: Receive, _send: Send) -> None:
        await _cut(scope, receive)

    async def _cut_after(self, _fault: Fault, scope: Scope, receive: Receive, _send: Send) -> None:
        await self.app(scope, receive, _nowhere)
        await _cut(scope, receive)

    async def _half(self, _fault: Fault, scope: Scope, receive: Receive, _send: Send) -> None:
        await self.app({**scope, HALF_BATCH: True}, receive, _nowhere)
        await _cut(scope, receive)

    async def _delay(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = float(fault.options.get("ms", 1000)) / 1000
        if fault.options.get("when", "before") == "before":
            await asyncio.sleep(seconds)
            await self.app(scope, receive, send)
            return
        kept: list[Message] = []
        await self.app(scope, receive, _keeping(kept))
        await asyncio.sleep(seconds)
        for message in kept:
            await send(message)

    async def _status(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "status-after-commit":
            await self.app(scope, receive, _nowhere)
        answer = self.control.system.failure(int(fault.options["status"]), fault.options)
        await answer(scope, receive, send)

    async def _revoke(self, _fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        self.control.system.revoke_tokens()
        await self.app(scope, receive, send)

    async def _forget(self, _fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        self.control.system.forget_sessions()
        await self.app(scope, receive, send)


_STRIKES = {
    "cut-before-commit": FaultMiddleware._cut_before,
    "cut-after-commit": FaultMiddleware._cut_after,
    "half-batch": FaultMiddleware._half,
    "delay": FaultMiddleware._delay,
    "status": FaultMiddleware._status,
    "status-after-commit": FaultMiddleware._status,
    "token-revoked": FaultMiddleware._revoke,
    "session-forgotten": FaultMiddleware._forget,
}


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            break
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def _noting(entry: RequestEntry, send: Send) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
        await send(message)

    return noted


def _keeping(kept: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        kept.append(message)

    return keep


async def _nowhere(_message: Message) -> None:
    """An answer that nobody will read."""


async def _cut(scope: Scope, receive: Receive) -> None:
    scope["extensions"][CUT]["close"]()
    for _ in range(1000):  # until the server has noticed that the peer is gone
        if (await receive())["type"] == "http.disconnect":
            return
