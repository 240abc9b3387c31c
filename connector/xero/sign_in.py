"""Signing in as a person: authorization code with PKCE, its requests and its answers. Pure.

Source: Xero's OAuth 2.0 pages (facts/xero.md §1). A "mobile or desktop" app has no secret; a web app has one and may
use PKCE beside it. The redirect is https, or http://localhost: 127.0.0.1 is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from connector.core.grant import Grant
from connector.core.party import Answer
from connector.errors import AuthError, DataError, TryAgain, Unavailable
from connector.xero.failures import DEFAULT_RETRY, seconds_of
from connector.xero.records import load

AUTHORIZE_URL = "https://login.xero.com/identity/connect/authorize"
TOKEN_URL = "https://identity.xero.com/connect/token"  # noqa: S105  (an address)
CONNECTIONS_URL = "https://api.xero.com/connections"
BASE_SCOPES = ("openid", "offline_access")  # without offline_access there is no refresh token
MOST_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class App:
    """The app that people give their consent to."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    redirect: str = "http://localhost:8467/callback"
    authorize_url: str = AUTHORIZE_URL
    token_url: str = TOKEN_URL
    connections_url: str = CONNECTIONS_URL


@dataclass(frozen=True, slots=True)
class Consent:
    """One organisation that the consent reaches. ``id`` is the connection's own, not the tenant's."""

    id: str
    tenant: str
    name: str
    kind: str


def authorize_url(app: App, scopes: Iterable[str], verifier: str, state: str) -> str:
    """Where a person goes to consent."""
    query = {
        "response_type": "code", "client_id": app.client_id, "redirect_uri": app.redirect,
        "scope": " ".join((*BASE_SCOPES, *scopes)), "state": state,
        "code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256",
    }  # fmt: skip
    return f"{app.authorize_url}?{urlencode(query)}"


def code_of(query: Mapping[str, str], state: str) -> str:
    """The code in the redirect. Raises AuthError (``xero.consent``)."""
    if not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
        raise _no_consent("The answer of Xero's sign-in page is not to our question (state).")
    if query.get("error"):
        raise _no_consent(f"Xero's sign-in page says {query['error'][:100]}.")
    if not query.get("code"):
        raise _no_consent("Xero's sign-in page gave no code.")
    return query["code"]


def _no_consent(words: str) -> AuthError:
    return AuthError("xero.consent", words, remedy="Run `twinledger auth xero` again and allow the access.")


def code_form(app: App, code: str, verifier: str) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect, "code_verifier": verifier}


def refresh_form(refresh: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": refresh}


def token_request(app: App, form: Mapping[str, str]) -> tuple[list[tuple[str, str]], bytes]:
    """(headers, body): a secret goes by HTTP Basic, without one the app names itself in the form."""
    headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
    if not app.client_secret:
        return headers, urlencode({**form, "client_id": app.client_id}).encode()
    pair = base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
    return [*headers, ("Authorization", f"Basic {pair}")], urlencode(form).encode()


class Refused(Exception):
    """The token endpoint does not take this code or token (``invalid_grant``)."""


def renewed(answer: Answer, before: Grant, asked_ms: int) -> Grant:
    """The grant after an answer of the token endpoint. Raises Refused, AuthError, TryAgain, Unavailable."""
    if answer.status == 429:
        seconds = seconds_of(answer.headers.get("retry-after", "")) or DEFAULT_RETRY
        raise TryAgain("xero.sign-in-busy", "Xero's sign-in asks us to wait.", retry_after=seconds)
    if answer.status >= 500:
        raise Unavailable("xero.sign-in-unavailable", f"Xero's sign-in answered HTTP {answer.status}.")
    body = _object(answer)
    if answer.status != 200:
        problem = str(body.get("error", ""))[:100]
        if problem == "invalid_grant":
            raise Refused
        raise AuthError(
            "xero.sign-in-refused", f"Xero refused to sign us in: HTTP {answer.status} {problem}".rstrip() + ".",
            remedy="Check the app's client id, its redirect and the scopes.",
        )  # fmt: skip
    access, refresh, lasts = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if not isinstance(access, str) or not isinstance(refresh, str) or not refresh or not isinstance(lasts, Decimal):
        raise Unavailable("xero.sign-in-unavailable", "Xero's sign-in answered without a pair of tokens.")
    ends_ms = asked_ms + max(0, min(int(lasts), 86_400)) * 1000
    return before.renewed(refresh, access, ends_ms, str(body.get("scope", "")), asked_ms)


def _object(answer: Answer) -> Mapping[str, object]:
    try:
        body = load(answer.body)
    except DataError:
        body = None
    return body if isinstance(body, Mapping) else {}


def consents(answer: Answer) -> tuple[Consent, ...]:
    """The organisations of GET /connections. Raises AuthError, Unavailable."""
    if answer.status in (401, 403):
        raise AuthError("xero.unauthorised", "Xero does not accept the new token.", remedy="Sign in again.")
    try:
        body = load(answer.body)
    except DataError:
        body = None
    if answer.status != 200 or not isinstance(body, list):
        raise Unavailable("xero.unavailable", f"Xero answered GET /connections with HTTP {answer.status}.")
    names = ("id", "tenantId", "tenantName", "tenantType")
    rows = [row for row in body[:MOST_CONNECTIONS] if isinstance(row, Mapping)]
    return tuple(Consent(*(str(row.get(name) or "") for name in names)) for row in rows)


def fingerprint(token: str) -> str:
    """What may be shown of a token."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]
