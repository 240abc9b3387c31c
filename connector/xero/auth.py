"""Tokens of a custom connection (client credentials): 30 minutes each, no refresh token. A thin shell over HTTP.

The secret stands in no repr, no message and no log.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_token_request

from connector.core.party import Answer, NoAnswer
from connector.errors import AuthError, DataError, TryAgain, Unavailable
from connector.http import HttpClient
from connector.xero.failures import DEFAULT_RETRY, seconds_of
from connector.xero.records import load

TOKEN_URL = "https://identity.xero.com/connect/token"  # noqa: S105
# a timeout below this can lose a token that the server has already given (seen in the field)
TOKEN_SECONDS = 30
NOT_GRANTED = frozenset({"invalid_scope", "unauthorized_client"})  # of a scope that the app was not given
EARLY_MS = 60_000  # a token is renewed this long before it ends


@dataclass(frozen=True, slots=True)
class Credentials:
    """A custom connection's own."""

    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = TOKEN_URL


class TokenSource(Protocol):
    """Whoever keeps a tenant signed in."""

    async def token(self) -> str:
        """A token that lasts. Raises AuthError, TryAgain, Unavailable."""

    async def renew(self, refused: str) -> str:
        """Another token than the one that was refused."""


class Tokens:
    """The one owner of a connection's token in a process. ``now_ms`` is the clock.

    ``scopes`` tells what is needed now: the granular ones (apps made since March 2026 have no others). A token that
    was given for less is replaced before it is used.
    """

    def __init__(
        self, http: HttpClient, credentials: Credentials, scopes: Callable[[], tuple[str, ...]],
        now_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._http, self._credentials, self._scopes, self._now_ms = http, credentials, scopes, now_ms
        self._lock = asyncio.Lock()
        self._token = ""
        self._asked: tuple[str, ...] = ()
        self._ends_ms = 0

    async def token(self) -> str:
        """A token that lasts. Raises AuthError, TryAgain, Unavailable."""
        async with self._lock:
            old = not self._token or self._now_ms() >= self._ends_ms - EARLY_MS
            if old or not set(self._scopes()) <= set(self._asked):
                await self._sign_in()
            return self._token

    async def renew(self, refused: str) -> str:
        """Another token than the one that was refused; two tasks that were refused together sign in once."""
        async with self._lock:
            if self._token == refused:
                await self._sign_in()
            return self._token

    async def _sign_in(self) -> None:
        scopes = self._scopes()
        form = str(prepare_token_request("client_credentials", scope=" ".join(scopes)))
        pair = f"{quote(self._credentials.client_id, safe='')}:{quote(self._credentials.client_secret, safe='')}"
        headers = [
            ("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        ]
        started = self._now_ms()
        try:
            answer = await self._http.request(
                "POST", self._credentials.token_url, headers=headers, body=form.encode(), seconds=TOKEN_SECONDS
            )
        except NoAnswer as error:
            raise Unavailable("xero.sign-in-unavailable", f"Xero's sign-in gave no answer: {error.reason}.") from error
        self._token, seconds = read_token(answer)
        self._asked = scopes
        self._ends_ms = started + seconds * 1000


def read_token(answer: Answer) -> tuple[str, int]:
    """(token, seconds that it lasts) of an answer of the token endpoint. Raises AuthError, TryAgain, Unavailable."""
    if answer.status == 429:
        seconds = seconds_of(answer.headers.get("retry-after", "")) or DEFAULT_RETRY
        raise TryAgain("xero.sign-in-busy", "Xero's sign-in asks us to wait.", retry_after=seconds)
    if answer.status >= 500:
        raise Unavailable("xero.sign-in-unavailable", f"Xero's sign-in answered HTTP {answer.status}.")
    try:
        body: object = load(answer.body)
    except DataError:
        body = None
    if answer.status != 200 or not isinstance(body, dict):
        why = str(body.get("error", "")) if isinstance(body, dict) else ""
        if why in NOT_GRANTED:
            raise AuthError(
                "xero.scope-refused", f"Xero's app was not given every scope that the mappings need ({why}).",
                remedy="`twinledger doctor` says which lacks and for what; tick it in the app, and authorise it again.",
            )  # fmt: skip
        raise AuthError(
            "xero.sign-in-refused",
            f"Xero refused to sign us in: HTTP {answer.status} {why[:100]}".rstrip() + ".",
            remedy="Check the client id and secret of the custom connection, and the scopes it was given.",
        )
    token, lasts = body.get("access_token"), body.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(lasts, Decimal):
        raise Unavailable("xero.sign-in-unavailable", "Xero's sign-in answered without a token.")
    return token, max(0, min(int(lasts), 86_400))
