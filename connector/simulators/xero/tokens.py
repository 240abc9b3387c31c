"""Tokens: of custom connections (client credentials) and of people's consents (authorization code with PKCE).

Refresh tokens change with every use; the one before stays good for 30 minutes, in case its answer was lost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.xero.wire import json_answer

LIFETIME = 1800
CODE_SECONDS = 300
GRACE = timedelta(minutes=30)
REFRESH_DAYS = timedelta(days=60)
AREAS = ("invoices", "payments", "contacts", "settings", "banktransactions", "manualjournals", "attachments")
SCOPES = frozenset(f"accounting.{area}{way}" for area in AREAS for way in ("", ".read"))
PERSONAL = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True)
class Client:
    """An app that may sign in. A custom connection has one tenant and needs no tenant header.

    Without a secret it is a desktop app: PKCE only. ``consents``: people sign in through it. ``scopes`` are those
    that a custom connection was given when it was authorised.
    """

    id: str
    secret: str
    tenants: tuple[str, ...]
    consents: bool = False
    scopes: frozenset[str] = SCOPES


@dataclass(frozen=True)
class Token:
    client: Client
    scopes: frozenset[str]
    ends: datetime

    def allows(self, names: tuple[str, ...], *, write: bool) -> bool:
        """Whether one of these scopes, or its reading half for a read, was given."""
        return any(name in self.scopes or (not write and f"{name}.read" in self.scopes) for name in names)


@dataclass(frozen=True)
class Code:
    """A consent that waits to be fetched, once."""

    client: Client
    scopes: frozenset[str]
    redirect: str
    challenge: str
    ends: datetime


@dataclass
class Refresh:
    client: Client
    scopes: frozenset[str]
    made: datetime
    replaced: datetime | None = None


class Tokens:
    """Tokens given out."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self.clients = dict(clients)
        self.given: dict[str, Token] = {}
        self.codes: dict[str, Code] = {}
        self.refreshes: dict[str, Refresh] = {}

    def revoke_all(self) -> None:
        """Every access token stops working; consents hold."""
        self.given.clear()

    def withdraw(self) -> None:
        """A person disconnects the app: access and refresh tokens stop working."""
        self.given.clear()
        self.refreshes.clear()

    def authorize(self, query: Mapping[str, str], now: datetime) -> Response:
        """GET /identity/connect/authorize: the person says yes at once, unless the request itself is wrong."""
        client = self.clients.get(query.get("client_id", ""))
        redirect = query.get("redirect_uri", "")
        if client is None or not client.consents or not redirect.startswith(("https://", "http://localhost")):
            return Response("unauthorized_client: Invalid redirect_uri", 400, media_type="text/html")
        state = {"state": query["state"]} if "state" in query else {}
        asked = frozenset(query.get("scope", "").split())
        problem = _problem(query, client, asked)
        if problem:
            return _redirect(redirect, {"error": problem, **state})
        code = secrets.token_urlsafe(24)
        ends = now + timedelta(seconds=CODE_SECONDS)
        self.codes[code] = Code(client, asked, redirect, query.get("code_challenge", ""), ends)
        return _redirect(redirect, {"code": code, **state})

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
        kind = form.get("grant_type")
        if kind == "authorization_code" and client.consents:
            return self._fetch(client, form, now)
        if kind == "refresh_token" and client.consents:
            return self._refresh(client, form.get("refresh_token", ""), now)
        if kind != "client_credentials" or client.consents:
            return json_answer({"error": "unsupported_grant_type"}, 400)
        asked = frozenset(form.get("scope", " ".join(client.scopes)).split())
        if not asked <= client.scopes:
            return json_answer({"error": "invalid_scope"}, 400)
        return json_answer(self._access(client, asked, now))

    def _access(self, client: Client, scopes: frozenset[str], now: datetime) -> dict[str, object]:
        access = secrets.token_urlsafe(48)
        self.given[access] = Token(client, scopes, now + timedelta(seconds=LIFETIME))
        return {
            "access_token": access,
            "expires_in": LIFETIME,
            "token_type": "Bearer",
            "scope": " ".join(sorted(scopes)),
        }

    def _fetch(self, client: Client, form: Mapping[str, str], now: datetime) -> Response:
        """A code counts once, for five minutes, with the verifier that its challenge was made of."""
        code = self.codes.pop(form.get("code", ""), None)
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        if (
            code is None
            or code.client is not client
            or code.ends <= now
            or code.redirect != form.get("redirect_uri")
            or (code.challenge and not hmac.compare_digest(code.challenge, proof))
        ):
            return json_answer({"error": "invalid_grant"}, 400)
        return json_answer(self._pair(client, code.scopes, now))

    def _refresh(self, client: Client, token: str, now: datetime) -> Response:
        known = self.refreshes.get(token)
        spent = known is not None and known.replaced is not None and now - known.replaced >= GRACE
        if known is None or known.client is not client or spent or now - known.made >= REFRESH_DAYS:
            return json_answer({"error": "invalid_grant"}, 400)
        known.replaced = known.replaced or now
        return json_answer(self._pair(client, known.scopes, now))

    def _pair(self, client: Client, scopes: frozenset[str], now: datetime) -> dict[str, object]:
        body = self._access(client, scopes, now)
        if "offline_access" in scopes:
            refresh = secrets.token_urlsafe(32)
            self.refreshes[refresh] = Refresh(client, scopes, now)
            body["refresh_token"] = refresh
        return body

    def bearer(self, header: str, now: datetime) -> Token | str:
        """The token of an Authorization header, or the words of the 401."""
        token = self.given.get(header.removeprefix("Bearer ")) if header.startswith("Bearer ") else None
        if token is None:
            return "AuthenticationUnsuccessful"
        if token.ends <= now:
            return f"TokenExpired: token expired at {token.ends.strftime('%m/%d/%Y %H:%M:%S')}"
        return token


def _problem(query: Mapping[str, str], client: Client, asked: frozenset[str]) -> str:
    if query.get("response_type") != "code":
        return "unsupported_response_type"
    if not asked or not asked <= SCOPES | PERSONAL:
        return "invalid_scope"
    challenged = query.get("code_challenge_method") == "S256" and query.get("code_challenge")
    return "" if client.secret or challenged else "invalid_request"


def _redirect(address: str, query: Mapping[str, str]) -> Response:
    joint = "&" if "?" in address else "?"
    return Response(b"", 302, {"Location": f"{address}{joint}{urlencode(query)}"})


def _basic(header: str) -> tuple[str, str] | None:
    if not header.startswith("Basic "):
        return None
    try:
        name, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)
