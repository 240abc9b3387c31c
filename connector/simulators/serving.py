"""Serve a simulator on the loopback: in the foreground for a person, or inside a process for a test.

uvicorn with its h11 protocol. The protocol is subclassed for two things that ASGI cannot say: close the TCP connection
without an answer, and close a new connection unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from connector.simulators.control import Control
from connector.simulators.exchanges import record_where_told
from connector.simulators.faults import CUT

READY_SECONDS = 10


class _Protocol(H11Protocol):
    """Gives each request a way to close its own connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inner = self.app
        self.app = self._with_cut

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        control = _control(self.config.app)
        if control is not None and control.refuses_connection():
            transport.abort()

    async def _with_cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[CUT] = {"close": self.transport.abort}
        await self._inner(scope, receive, send)


class _Server(uvicorn.Server):
    """Says when it listens and leaves signals to its caller."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """As uvicorn's, ten ticks a second, but a stop is heard at once."""
        for tick in itertools.count():
            if await self.on_tick(tick % 864_000):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 0.1)

    def stop(self) -> None:
        self.should_exit = True
        self.stopping.set()

    def close_idle(self) -> None:
        """Close the connections that wait for a next request."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol) and (connection.cycle is None or connection.cycle.response_complete):
                connection.transport.abort()


def _control(app: object) -> Control | None:
    return getattr(getattr(app, "state", None), "control", None)


def _listen(port: int, host: str) -> socket.socket:
    # the protocol is named because asyncio turns Nagle off only then; with it each answer waits 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _server(app: Starlette) -> _Server:
    record_where_told()
    config = uvicorn.Config(
        app, http=_Protocol, ws="none", lifespan="on", log_config=None, log_level="warning", access_log=False,
        timeout_graceful_shutdown=1, timeout_keep_alive=60,
    )  # fmt: skip
    server = _Server(config)
    control = _control(app)
    if control is not None:
        control.close_idle = server.close_idle
    return server


async def _serve(app: Starlette, listener: socket.socket, ready: Callable[[int], Mapping[str, Any]]) -> None:
    server = _server(app)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.wait_for(server.listening.wait(), READY_SECONDS)
    line = json.dumps(dict(ready(listener.getsockname()[1])))
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    await serving


def serve(app: Starlette, port: int, ready: Callable[[int], Mapping[str, Any]], host: str = "127.0.0.1") -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free one. Prints ``ready(port)`` as one JSON line when listening.

    Raises OSError when the port is taken.
    """
    listener = _listen(port, host)
    try:
        asyncio.run(_serve(app, listener, ready))
    finally:
        listener.close()


@contextlib.asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[str]:
    """The app on a free loopback port while the block runs; gives its base URL."""
    listener = _listen(0, "127.0.0.1")
    server = _server(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait_for(server.listening.wait(), READY_SECONDS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await serving
        listener.close()
