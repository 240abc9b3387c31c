"""Signing in: OAuth at the token endpoint, by client credentials or by a signed assertion (JWT bearer).

Salesforce names no lifetime of a token, so a refused token is what renews it: once for all callers that hold it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from authlib.oauth2.rfc6749.parameters import prepare_token_request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connector.core.party import Answer, NoAnswer
from connector.errors import AuthError, ConfigurationError, Unavailable
from connector.http import HttpClient

TOKEN_SECONDS = 30
ASSERTION_SECONDS = 150  # Salesforce takes three minutes; clocks differ
SMALLEST_KEY = 2048
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


class Grant(Protocol):
    """What is shown to the token endpoint. Its repr shows no secret."""

    @property
    def remedy(self) -> str:
        """What a person checks when it is refused."""

    async def form(self) -> Mapping[str, str]:
        """The fields of one sign-in, each time anew."""


class SignIn:
    """One grant at one token endpoint. Raises ConfigurationError for a token URL that cannot work."""

    def __init__(self, http: HttpClient, token_url: str, grant: Grant, *, own_domain: bool = False) -> None:
        _check_url(token_url, own_domain=own_domain)
        self._http = http
        self._token_url = token_url
        self._grant = grant
        self._token: Token | None = None
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._token_url!r}, {self._grant!r})"

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
        token, _ = await self._ask(await self._grant.form())
        return token

    async def _ask(self, form: Mapping[str, str]) -> tuple[Token, Mapping[str, Any]]:
        """The token of one request, and the whole answer. Raises AuthError, Unavailable."""
        fields = dict(form)
        body = str(prepare_token_request(fields.pop("grant_type"), **fields)).encode()
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        try:
            answer = await self._http.request(
                "POST", self._token_url, headers=headers, body=body, seconds=TOKEN_SECONDS
            )
        except NoAnswer as nobody:
            raise Unavailable("salesforce.sign-in-away", f"No answer from {self._token_url}: {nobody}") from None
        return read_token(answer, self._token_url, self._grant.remedy), json.loads(answer.body)


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """The client-credentials flow: the app signs in as its execution user."""

    client_id: str
    secret: str = field(repr=False)
    remedy: str = "Check client id and secret, that the app allows client credentials, and its execution user."

    async def form(self) -> Mapping[str, str]:
        return {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret}


@dataclass(frozen=True, slots=True)
class SignedAssertion:
    """The JWT bearer flow: no secret travels, and there is no refresh token. ``key`` is an RSA key in PEM.

    ``audience`` is https://login.salesforce.com, https://test.salesforce.com for a sandbox, or the site's address.
    Source: Salesforce Help, "OAuth 2.0 JWT Bearer Flow": RS256, the assertion lives three minutes at most, a repeated
    jti is refused; so each has its own.
    """

    client_id: str
    username: str
    audience: str
    key: str = field(repr=False)
    now_ms: Callable[[], int] = field(repr=False, default=lambda: time.time_ns() // 1_000_000)
    remedy: str = "Check the consumer key, the certificate of the app, and that its user is admin approved."

    def __post_init__(self) -> None:
        self._key()

    def _key(self) -> RSAKey:
        try:
            key = RSAKey.import_key(self.key)
            if key.is_private and key.raw_value.key_size >= SMALLEST_KEY:
                return key
        except (ValueError, TypeError, JoseError):
            pass
        raise ConfigurationError(
            "salesforce.private-key", f"private_key is no RSA key of at least {SMALLEST_KEY} bits in PEM.",
            remedy="openssl genrsa -out key.pem 2048; its certificate belongs into the app.",
        )  # fmt: skip

    async def form(self) -> Mapping[str, str]:
        claims = {
            "iss": self.client_id, "sub": self.username, "aud": self.audience,
            "exp": self.now_ms() // 1000 + ASSERTION_SECONDS, "jti": uuid4().hex,
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256"}, claims, self._key(), algorithms=["RS256"])
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}


class ClientCredentials(SignIn):
    """The client-credentials flow at the org's own address."""

    def __init__(self, http: HttpClient, token_url: str, client_id: str, client_secret: str) -> None:
        super().__init__(http, token_url, ClientSecret(client_id, client_secret), own_domain=True)


def read_token(answer: Answer, token_url: str, remedy: str = "") -> Token:
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
        _refused(raw, token_url, remedy)
    _check_url(instance)
    return Token(access, instance.rstrip("/"))


def _refused(raw: dict[str, Any], token_url: str, remedy: str) -> NoReturn:
    said = f"{raw.get('error', 'no reason')}: {raw.get('error_description', '')}"[:300]
    raise AuthError(
        "salesforce.sign-in-refused",
        f"Salesforce refuses the sign-in at {token_url} ({said}).",
        remedy=remedy,
    )


def _check_url(url: str, *, own_domain: bool = False) -> None:
    parts = urlsplit(url)
    loopback = parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        message = f"{url!r} is not an https address"
        raise ConfigurationError("salesforce.url", message, remedy="Use https://MyDomain.my.salesforce.com/...")
    if own_domain and parts.hostname in _SHARED_HOSTS:
        message = f"{parts.hostname} does not take client credentials"
        raise ConfigurationError("salesforce.url", message, remedy="Use the org's own My Domain address.")
