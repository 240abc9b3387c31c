"""Tokens of custom connections (client_credentials), their scopes, and GET /connections."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.xero.wire import json_answer

LIFETIME = 1800
AREAS = ("invoices", "payments", "contacts", "settings", "banktransactions", "manualjournals", "attachments")
SCOPES = frozenset(f"accounting.{area}{way}" for area in AREAS for way in ("", ".read"))


@dataclass(frozen=True)
class Client:
    """An app that may sign in. A custom connection has one tenant and needs no tenant header."""

    id: str
    secret: str
    tenants: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    client: Client
    scopes: frozenset[str]
    ends: datetime

    def allows(self, names: tuple[str, ...], *, write: bool) -> bool:
        """Whether one of these scopes, or its reading half for a read, was given."""
        return any(name in self.scopes or (not write and f"{name}.read" in self.scopes) for name in names)


class Tokens:
    """Tokens given out."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self.clients = dict(clients)
        self.given: dict[str, Token] = {}

    def revoke_all(self) -> None:
        self.given.clear()

    async def grant(self, request: Request, now: datetime) -> Response:
        """POST /connect/token: secret by HTTP Basic or in the form."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode("latin-1")).items()}
        name, secret = _basic(request.headers.get("authorization", "")) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        client = self.clients.get(name)
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            return json_answer({"error": "invalid_client"}, 400)
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        asked = frozenset(form.get("scope", " ".join(SCOPES)).split())
        if not asked <= SCOPES:
            return json_answer({"error": "invalid_scope"}, 400)
        access = secrets.token_urlsafe(48)
        self.given[access] = Token(client, asked, now + timedelta(seconds=LIFETIME))
        body = {
            "access_token": access,
            "expires_in": LIFETIME,
            "token_type": "Bearer",
            "scope": " ".join(sorted(asked)),
        }
        return json_answer(body)

    def bearer(self, header: str, now: datetime) -> Token | str:
        """The token of an Authorization header, or the words of the 401."""
        token = self.given.get(header.removeprefix("Bearer ")) if header.startswith("Bearer ") else None
        if token is None:
            return "AuthenticationUnsuccessful"
        if token.ends <= now:
            return f"TokenExpired: token expired at {token.ends.strftime('%m/%d/%Y %H:%M:%S')}"
        return token


def _basic(header: str) -> tuple[str, str] | None:
    if not header.startswith("Basic "):
        return None
    try:
        name, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)
