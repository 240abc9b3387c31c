"""Signing in as a person: whose connection it is, and the loopback listener that the browser comes back to."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, parse_qsl, urlsplit

from connector.cli.printing import note
from connector.core.records import Side
from connector.errors import AuthError, ConfigurationError
from connector.settings import ConnectionSettings, Settings

WAIT_SECONDS = 300  # a code lasts five minutes
LARGEST = 16_384  # bytes of one request head
HEAD_SECONDS = 10
_PAGE = "<!doctype html><title>Twinledger</title><p>{}</p>"
_DONE, _OTHER = "You can close this window.", "This is not the page that is waited for."


def by_consent(settings: Settings, name: str, side: Side) -> ConnectionSettings:
    """The one connection (of this name, where one is given) whose ``side`` is signed in to by a person.

    Raises ConfigurationError (``auth.connection``).
    """

    def asked(each: ConnectionSettings) -> bool:
        parties = each.xero if side is Side.XERO else (each.salesforce,)
        return any(party.sign_in == "consent" for party in parties) and name in ("", each.name)

    known = [each for each in settings.connections if asked(each)]
    if len(known) != 1:
        raise ConfigurationError(
            "auth.connection", f"{len(known)} connections are signed in by consent here; one is needed.",
            remedy=f"Set `sign_in: consent` in the connection's {side.value} part, and name it with --connection.",
        )  # fmt: skip
    return known[0]


@asynccontextmanager
async def listening(redirect: SplitResult) -> AsyncIterator[asyncio.Future[dict[str, str]]]:
    """A future of the query that comes to the redirect's path. Bound to 127.0.0.1 only.

    Raises ConfigurationError (``auth.redirect``) for an address that is not on this machine, or taken.
    """
    if redirect.scheme != "http" or redirect.hostname not in ("localhost", "127.0.0.1") or not redirect.port:
        raise ConfigurationError(
            "auth.redirect", f"{redirect.geturl()} cannot be listened on.", remedy="Use http://localhost:PORT/callback."
        )
    answered: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = await _query(reader, redirect.path)
        body = _PAGE.format(_OTHER if query is None else _DONE).encode()
        status = "404 Not Found" if query is None else "200 OK"
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Cache-Control: no-store\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()
        if query is not None and not answered.done():
            answered.set_result(query)

    try:
        server = await asyncio.start_server(hear, "127.0.0.1", redirect.port, limit=LARGEST)
    except OSError as error:
        raise ConfigurationError(
            "auth.redirect", f"Port {redirect.port} cannot be listened on: {error.strerror}.",
            remedy="Free it, or use another port in `redirect` and in the app at Xero.",
        ) from error  # fmt: skip
    try:
        yield answered
    finally:
        server.close()
        answered.cancel()


async def consented(
    address: str, answered: asyncio.Future[dict[str, str]], code: str, *, browser: bool
) -> dict[str, str]:
    """Lead a person to the sign-in page, and give the query that the browser comes back with.

    Raises AuthError with ``code`` when nobody signed in.
    """
    note(f"Sign in here: {address}")
    if browser:
        webbrowser.open(address)
    try:
        return await asyncio.wait_for(answered, WAIT_SECONDS)
    except TimeoutError as error:
        raise AuthError(code, "Nobody signed in within five minutes.") from error


async def _query(reader: asyncio.StreamReader, path: str) -> dict[str, str] | None:
    """The query of a GET of the path; None for anything else (a browser asks for an icon too)."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return None
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != "GET":
        return None
    target = urlsplit(words[1])
    return dict(parse_qsl(target.query, max_num_fields=20)) if target.path == path else None
