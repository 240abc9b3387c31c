"""What a worker shows to machines: ``/livez``, ``/readyz``, ``/metrics``. On the loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.errors import ConfigurationError
from connector.observe.health import Facts, judge
from connector.observe.metrics import Metrics

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_STOP_SECONDS = 5


def build(facts: Callable[[], Facts], metrics: Metrics, more: Sequence[Route] = ()) -> Starlette:
    """The app. ``facts`` is asked at each request: it must be quick and must not wait. ``more`` are further routes."""

    async def livez(_request: Request) -> Response:
        health = judge(facts())
        return _answer({"live": health.live, "reasons": [] if health.live else list(health.reasons)}, ok=health.live)

    async def readyz(_request: Request) -> Response:
        health = judge(facts())
        return _answer(asdict(health), ok=health.ready)

    async def show_metrics(_request: Request) -> Response:
        return Response(metrics.text(), media_type=_TEXT)

    own = [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", show_metrics)]
    return Starlette(routes=[*own, *more])


async def serve(
    app: Starlette, host: str = "127.0.0.1", port: int = 0, *, listening: Callable[[str], None] = lambda _: None
) -> None:
    """Serves inside the running loop until cancelled. ``listening`` is told the base URL (port 0 takes a free one).

    Raises ConfigurationError (``web.address``) when the address cannot be had.
    """
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    listening(_url(listener))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving
        listener.close()


class _Server(uvicorn.Server):
    """Leaves signals to the worker that it lives in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _answer(body: object, *, ok: bool) -> Response:
    return JSONResponse(body, status_code=200 if ok else 503, headers={"cache-control": "no-store"})


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(family, kind))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(64)
            stack.pop_all()
    except OSError as error:
        raise ConfigurationError(
            "web.address",
            f"{host}:{port} cannot be listened on: {error.strerror}.",
            remedy="Set web.host and web.port; port 0 takes a free one.",
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
