"""Signing in: client credentials, JWT bearer, authorization code with PKCE, refresh. No answer names a lifetime."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote_plus, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.wire import answer

CODE_SECONDS = 900
LONGEST_ASSERTION = 300
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Form = Mapping[str, str]


@dataclass
class Issued:
    """Codes and refresh tokens that are out, and assertions that were seen."""

    codes: dict[str, tuple[datetime, str, str]] = field(default_factory=dict)  # → until, challenge, redirect_uri
    refresh: set[str] = field(default_factory=set)
    jtis: set[str] = field(default_factory=set)


class Oauth:
    """The endpoints of one org's app."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.issued = Issued()
        self.grants: Mapping[str, Callable[[Request, Form], Response]] = {
            "client_credentials": self._client, _JWT: self._assertion,
            "authorization_code": self._code, "refresh_token": self._refresh,
        }  # fmt: skip
        org.revokers.append(self.issued.refresh.clear)

    async def token(self, request: Request) -> Response:
        """POST /services/oauth2/token with a form body; credentials in it or as Basic."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        grant = self.grants.get(form.get("grant_type", ""))
        if grant is None or form["grant_type"] not in self.org.settings.grants.split():
            return _wrong("unsupported_grant_type", "grant type not supported")
        return grant(request, form)

    async def authorize(self, request: Request) -> Response:
        """GET /services/oauth2/authorize: the user signs in and agrees at once; PKCE is required."""
        query = request.query_params
        if not _equal(query.get("client_id", ""), self.org.settings.client_id):
            return _wrong("invalid_client_id", "client identifier invalid")
        to = query.get("redirect_uri", "")
        if to not in self.org.settings.redirect_uris.split():
            return _wrong("redirect_uri_mismatch", "redirect_uri must match configuration")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return _wrong("invalid_request", "missing required code challenge")
        code = secrets.token_urlsafe(32)
        until = self.org.clock.now() + timedelta(seconds=CODE_SECONDS)
        self.issued.codes[code] = (until, query.get("code_challenge", ""), to)
        told = urlencode({"code": code, "state": query.get("state", "")})
        return RedirectResponse(f"{to}?{told}", 302)

    # --- grants ------------------------------------------------------------------------------------------------------

    def _client(self, request: Request, form: Form) -> Response:
        return self._app(request, form, secret=True) or self._given(request)

    def _code(self, request: Request, form: Form) -> Response:
        wrong = self._app(request, form, secret=self.org.settings.secret_required)
        if wrong is not None:
            return wrong
        until, challenge, to = self.issued.codes.pop(form.get("code", ""), (self.org.clock.now(), "", ""))
        if until <= self.org.clock.now():
            return _wrong("invalid_grant", "expired authorization code")
        made = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if not _equal(base64.urlsafe_b64encode(made).rstrip(b"=").decode(), challenge):
            return _wrong("invalid_grant", "invalid code verifier")
        if form.get("redirect_uri") != to:
            return _wrong("redirect_uri_mismatch", "redirect_uri must match configuration")
        return self._given(request, refresh=True)

    def _refresh(self, request: Request, form: Form) -> Response:
        wrong = self._app(request, form, secret=self.org.settings.secret_required)
        if wrong is not None:
            return wrong
        if form.get("refresh_token") not in self.issued.refresh:
            return _wrong("invalid_grant", "expired access/refresh token")
        rotates = self.org.settings.rotate_refresh
        if rotates:
            self.issued.refresh.discard(form["refresh_token"])
        return self._given(request, refresh=rotates)

    def _assertion(self, request: Request, form: Form) -> Response:
        """RS256 by the certificate of the app; short-lived, for an approved user, and never the same twice."""
        settings, now = self.org.settings, self.org.clock.now().timestamp()
        try:
            token = jwt.decode(form.get("assertion", ""), RSAKey.import_key(settings.certificate), algorithms=["RS256"])
        except (JoseError, ValueError, TypeError):
            return _wrong("invalid_grant", "invalid assertion")
        claims = token.claims
        hosts = ("https://login.salesforce.com", "https://test.salesforce.com", str(request.base_url).rstrip("/"))
        if claims.get("iss") != settings.client_id:
            return _wrong("invalid_client_id", "client identifier invalid")
        if claims.get("aud") not in hosts:
            return _wrong("invalid_grant", "audience is invalid")
        ends = claims.get("exp")
        if not isinstance(ends, int) or not now < ends <= now + LONGEST_ASSERTION:
            return _wrong("invalid_grant", "expired authorization code")
        if claims.get("jti") in self.issued.jtis:
            return _wrong("invalid_grant", "invalid assertion")
        if claims.get("jti"):
            self.issued.jtis.add(str(claims["jti"]))
        if claims.get("sub") != settings.username:
            return _wrong("invalid_grant", "user hasn't approved this consumer")
        return self._given(request, signed=False)

    # --- shared ------------------------------------------------------------------------------------------------------

    def _app(self, request: Request, form: Form, *, secret: bool) -> Response | None:
        given = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
        if not _equal(given[0], self.org.settings.client_id):
            return _wrong("invalid_client_id", "client identifier invalid")
        if secret and not _equal(given[1], self.org.settings.client_secret):
            return _wrong("invalid_client", "invalid client credentials")
        return None

    def _given(self, request: Request, *, refresh: bool = False, signed: bool = True) -> Response:
        org, base = self.org, str(request.base_url).rstrip("/")
        issued = str(int(org.clock.now().timestamp() * 1000))
        identity = f"{base}/id/{org.organisation}/{org.user}"
        told = {
            "access_token": org.issue_token(), "scope": "refresh_token api" if refresh else "api",
            "instance_url": base, "id": identity, "token_type": "Bearer",
        }  # fmt: skip
        if signed:
            mark = hmac.digest(org.settings.client_secret.encode(), (identity + issued).encode(), hashlib.sha256)
            told |= {"signature": base64.b64encode(mark).decode(), "issued_at": issued, "api_instance_url": base}
        if refresh:
            told["refresh_token"] = f"5Aep861{secrets.token_urlsafe(40)}"
            self.issued.refresh.add(told["refresh_token"])
        return answer(told)


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _wrong(error: str, description: str) -> Response:
    return answer({"error": error, "error_description": description}, 400)
