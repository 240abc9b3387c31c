"""Signing in: OAuth client credentials at the org's own token endpoint.

Salesforce names no lifetime of a token, so a refused token is what renews it: once for all callers that hold it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_token_request

from connector.core.party import Answer, NoAnswer
from connector.errors import AuthError, ConfigurationError, Unavailable
from connector.http import HttpClient

TOKEN_SECONDS = 30
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SHARED_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})


@dataclass(frozen=True, slots=True)
class Token:
    """What a sign-in gave. ``instance_url`` is where the API and the stream of this org are, without a slash."""

    access: str = field(repr=False)
    instance_url: str


class Credentials(Protocol):
    """Where tokens come from. Both raise AuthError (refused) and Unavailable (nobody there)."""

    async def token(self) -> Token:
        """The token in use; signs in when there is none."""

    async def renew(self, refused: Token) -> Token:
        """A token newer than the refused one. Many callers with the same refused token cause one sign-in."""


class ClientCredentials:
    """The client-credentials flow. Raises ConfigurationError for a token URL that cannot work."""

    def __init__(self, http: HttpClient, token_url: str, client_id: str, client_secret: str) -> None:
        _check_url(token_url)
        self._http = http
        self._token_url = token_url
        self._client_id = client_id
        self._secret = client_secret
        self._token: Token | None = None
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"ClientCredentials({self._token_url!r}, {self._client_id!r})"

    async def token(self) -> Token:
        async with self._lock:
            if self._token is None:
                self._token = await self._sign_in()
            return self._token

    async def renew(self, refused: Token) -> Token:
        async with self._lock:
            if self._token is None or self._token == refused:
                self._token = None
                self._token = await self._sign_in()
            return self._token

    async def _sign_in(self) -> Token:
        secrets = {"client_id": self._client_id, "client_secret": self._secret}
        body = str(prepare_token_request("client_credentials", **secrets)).encode()
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        try:
            answer = await self._http.request(
                "POST", self._token_url, headers=headers, body=body, seconds=TOKEN_SECONDS
            )
        except NoAnswer as nobody:
            raise Unavailable("salesforce.sign-in-away", f"No answer from {self._token_url}: {nobody}") from None
        return read_token(answer, self._token_url)


def read_token(answer: Answer, token_url: str) -> Token:
    """The token of an answer of the token endpoint. Raises AuthError, Unavailable."""
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable("salesforce.sign-in-away", f"{token_url} answered {answer.status}")
    try:
        raw = json.loads(answer.body)
    except ValueError:
        raise Unavailable("salesforce.sign-in-away", f"{token_url} answered {answer.status} and no JSON") from None
    if not isinstance(raw, dict):
        raise Unavailable("salesforce.sign-in-away", f"{token_url} answered {answer.status} and no JSON object")
    access, instance = raw.get("access_token"), raw.get("instance_url")
    if answer.status != 200 or not isinstance(access, str) or not isinstance(instance, str):
        _refused(raw, token_url)
    _check_url(instance)
    return Token(access, instance.rstrip("/"))


def _refused(raw: dict[str, Any], token_url: str) -> NoReturn:
    said = f"{raw.get('error', 'no reason')}: {raw.get('error_description', '')}"[:300]
    raise AuthError(
        "salesforce.sign-in-refused",
        f"Salesforce refuses the sign-in at {token_url} ({said}).",
        remedy="Check client id and secret, that the app allows client credentials, and its execution user.",
    )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    loopback = parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        message = f"{url!r} is not an https address"
        raise ConfigurationError("salesforce.url", message, remedy="Use https://MyDomain.my.salesforce.com/...")
    if parts.hostname in _SHARED_HOSTS:
        message = f"{parts.hostname} does not take client credentials"
        raise ConfigurationError("salesforce.url", message, remedy="Use the org's own My Domain address.")
