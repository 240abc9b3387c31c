"""``POST /webhooks/xero``: verifies, maps the tenant to its connection, hands a poke over, answers within five seconds.

Xero wants 200 or 401 with no body and no cookie, and repeats what got anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from connector.core.identity import join_key
from connector.errors import DataError, TwinledgerError
from connector.settings import ConnectionSettings
from connector.xero.webhooks import LARGEST, SIGNATURE, Poke, pokes, signers

PATH = "/webhooks/xero"
ANSWER_SECONDS = 4  # of Xero's five
MOST_IDS = 100  # told in one signal
Send = Callable[[bytes, Mapping[str, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Tenants:
    """Which connection a tenant is of, and the key that its webhooks are signed with."""

    connections: Mapping[str, str]
    keys: Mapping[str, str]

    def of(self, poke: Poke, signed: frozenset[str]) -> str | None:
        """The connection to poke: only on the word of the tenant's own key."""
        return self.connections.get(poke.tenant) if self.keys.get(poke.tenant) in signed else None


def tenants(settings: Iterable[ConnectionSettings]) -> Tenants:
    """From the configuration; a tenant without a key is not known here."""
    rows = [
        (tenant.tenant, connection.name, tenant.webhook_key.get_secret_value())
        for connection in settings
        for tenant in connection.xero
        if tenant.webhook_key.get_secret_value()
    ]
    return Tenants({tenant: name for tenant, name, _ in rows}, {tenant: key for tenant, _, key in rows})


def signal(poke: Poke, connection: str, signal_id: str, at: datetime) -> tuple[bytes, dict[str, Any]]:
    """Key and value of the poke in ``signals.v1``."""
    value = {
        "id": signal_id, "kind": "poke", "connection": connection, "subject": poke.entity,
        "arguments": {"tenant": poke.tenant, "ids": ",".join(poke.ids[:MOST_IDS])}, "by": "xero", "at": at,
    }  # fmt: skip
    return join_key(connection, "poke", signal_id), value


def xero_webhook(known: Tenants, send: Send, new_id: Callable[[], str], now: Callable[[], datetime]) -> Route:
    """``send`` puts a signal into Kafka. What it raises becomes a 503: Xero comes again."""

    async def receive(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        signed = signers(body, request.headers.get(SIGNATURE, ""), set(known.keys.values()))
        if not signed:
            return Response(status_code=401)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for poke in pokes(body):
                    connection = known.of(poke, signed)
                    if connection is not None:
                        await send(*signal(poke, connection, new_id(), now()))
        except DataError:
            return Response(status_code=200)  # signed and unreadable: it will not become readable
        except (TwinledgerError, TimeoutError):
            return Response(status_code=503)
        return Response(status_code=200)

    return Route(PATH, receive, methods=["POST"])


async def _body(request: Request) -> bytes | None:
    """The raw bytes, which the signature is over; None when there are too many."""
    out = bytearray()
    try:
        async for part in request.stream():
            out += part
            if len(out) > LARGEST:
                return None
    except ClientDisconnect:
        return None
    return bytes(out)
