"""The one module of the product that imports an HTTP library (httpx2, the maintained successor of httpx).

Used of it: ``AsyncClient``, ``AsyncHTTPTransport``, ``create_ssl_context``, ``URL``, ``Limits``, ``Timeout``,
``HTTPError``, ``InvalidURL`` and the errors of the connecting phase (``ConnectError``, ``ConnectTimeout``,
``PoolTimeout``, ``UnsupportedProtocol``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from copy import copy
from types import TracebackType

import httpx2

from connector.core.party import Answer, NoAnswer

MAX_BODY = 64 * 1024 * 1024
CONNECT_SECONDS = 10
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)

Pairs = Iterable[tuple[str, str]]


class HttpClient:
    """Requests out, ``Answer`` or ``NoAnswer`` back. Keeps connections; follows no redirect, keeps no cookie.

    Proxies come from the environment, except for the loopback. One client may serve many tasks of one event loop.
    """

    def __init__(self, *, connections: int = 20, max_body: int = MAX_BODY) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30)
        trust = httpx2.create_ssl_context()
        direct = httpx2.AsyncHTTPTransport(limits=limits, verify=trust)
        loopback = dict.fromkeys(("all://127.0.0.1", "all://localhost"), direct)
        self._client = httpx2.AsyncClient(limits=limits, mounts=loopback, follow_redirects=False, verify=trust)
        self._max_body = max_body
        self._took: Callable[[float], None] | None = None

    def watched(self, took: Callable[[float], None]) -> HttpClient:
        """The same client with the same connections; ``took`` hears how many seconds each request took."""
        other = copy(self)
        other._took = took
        return other

    async def request(
        self, method: str, url: str, *, headers: Pairs = (), query: Pairs = (), body: bytes = b"", seconds: float = 60
    ) -> Answer:
        """One request, done within ``seconds`` of real time from first to last byte.

        ``query`` is added to the URL's own. The body of the answer is decompressed and at most ``max_body`` bytes;
        header names are lower case, repeated headers joined by ``, ``.

        Raises NoAnswer: refused or timed out while connecting (``sent`` False); cut, timed out or too large after that
        (``sent`` True: nobody knows what the other side did).
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(method, _target(url, list(query)), headers, body, seconds)
        except _UNSENT as error:
            raise NoAnswer(f"{method} {_bare(url)}: not connected: {_words(error)}", sent=False) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:  # OSError holds TimeoutError too
            sent = not isinstance(error, httpx2.InvalidURL)
            raise NoAnswer(f"{method} {_bare(url)}: no answer: {_words(error)}", sent=sent) from error
        finally:
            if self._took is not None:
                self._took(time.monotonic() - began)

    async def _exchange(self, method: str, target: httpx2.URL, headers: Pairs, body: bytes, seconds: float) -> Answer:
        phases = httpx2.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
        request = self._client.build_request(
            method, target, headers=list(headers), content=body or None, timeout=phases
        )
        response = await self._client.send(request, stream=True)
        try:
            parts = bytearray()
            async for part in response.aiter_bytes():
                parts += part
                if len(parts) > self._max_body:
                    raise NoAnswer(f"{method} {_bare(str(target))}: answer over {self._max_body} bytes", sent=True)
        finally:
            await response.aclose()
        self._client.cookies.clear()
        return Answer(
            response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(parts)
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _target(url: str, query: list[tuple[str, str]]) -> httpx2.URL:
    target = httpx2.URL(url)
    return target.copy_with(params=[*target.params.multi_items(), *query]) if query else target


def _bare(url: str) -> str:
    """The URL without query and user information: those may hold secrets."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
