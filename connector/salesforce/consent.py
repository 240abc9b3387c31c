"""A person's consent: the authorization-code flow with PKCE, and the refresh token that it leaves.

Source: Salesforce Help, "OAuth 2.0 Web Server Flow" and "Refresh Token Flow". An app may be set to rotate refresh
tokens: then each is good for once, so the new one is committed, under the row's lock, before it is used.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from connector.core.grant import Grant, Grants
from connector.errors import AuthError
from connector.http import HttpClient
from connector.salesforce.auth import SignIn, Token

AUTHORIZE_PATH, TOKEN_PATH = "/services/oauth2/authorize", "/services/oauth2/token"
SCOPES = "api refresh_token"


@dataclass(frozen=True, slots=True)
class App:
    """The External Client App that people give their consent to. ``url`` is the org's My Domain address."""

    url: str
    client_id: str
    redirect: str
    secret: str = field(default="", repr=False)
    remedy: str = "Run `twinledger auth salesforce` and allow the access."

    @property
    def token_url(self) -> str:
        return self.url.rstrip("/") + TOKEN_PATH

    async def form(self) -> Mapping[str, str]:
        return self.known({})

    def known(self, more: Mapping[str, str]) -> dict[str, str]:
        """A form of the token endpoint, with who asks."""
        secret = {"client_secret": self.secret} if self.secret else {}
        return {"client_id": self.client_id, **secret, **more}


def authorize_url(app: App, verifier: str, state: str) -> str:
    """Where a person goes to consent."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": app.client_id, "redirect_uri": app.redirect, "scope": SCOPES,
        "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    return f"{app.url.rstrip('/')}{AUTHORIZE_PATH}?{urlencode(query)}"


def code_of(query: Mapping[str, str], state: str) -> str:
    """The code in the redirect. Raises AuthError (``salesforce.consent``)."""
    if query.get("state") != state:
        raise _no_consent("The answer of Salesforce's sign-in page is not to our question (state).")
    if "error" in query:
        raise _no_consent(f"Salesforce's sign-in page says {query['error'][:100]}.")
    if not query.get("code"):
        raise _no_consent("Salesforce's sign-in page gave no code.")
    return query["code"]


def _no_consent(words: str) -> AuthError:
    return AuthError("salesforce.consent", words, remedy="Run `twinledger auth salesforce` again and allow the access.")


class CodeSignIn(SignIn):
    """The first sign-in, with the code that the person's browser brought."""

    def __init__(self, http: HttpClient, app: App, code: str, verifier: str) -> None:
        super().__init__(http, app.token_url, app)
        self._app, self._code, self._verifier = app, code, verifier
        self.grant: Grant | None = None

    async def _sign_in(self) -> Token:
        token, answer = await self._ask(
            self._app.known({
                "grant_type": "authorization_code", "code": self._code, "redirect_uri": self._app.redirect,
                "code_verifier": self._verifier,
            })
        )  # fmt: skip
        refresh = _refresh_of(answer)
        if not refresh:
            raise _no_consent("Salesforce gave no refresh token: the app needs the scope refresh_token.")
        self.grant = Grant(refresh, scopes=str(answer.get("scope") or ""))
        return token


class ConsentSignIn(SignIn):
    """Access tokens by the refresh token of ``name`` in ``grants``. ``now_ms`` is the clock."""

    def __init__(self, http: HttpClient, app: App, grants: Grants, name: str, now_ms: Callable[[], int]) -> None:
        super().__init__(http, app.token_url, app)
        self._app, self._grants, self._name, self._now_ms = app, grants, name, now_ms

    async def _sign_in(self) -> Token:
        """Raises AuthError (``salesforce.sign-in-expired``) when a person must sign in again."""
        async with self._grants.held(self._name) as row:
            grant = await row.read()
            now = self._now_ms()
            for refresh in grant.tries(now) if grant is not None else ():
                try:
                    token, answer = await self._ask(
                        self._app.known({"grant_type": "refresh_token", "refresh_token": refresh})
                    )
                except AuthError as refused:
                    if "invalid_grant" not in refused.message:
                        raise
                    continue
                rotated = _refresh_of(answer)
                if grant is not None and rotated and rotated != grant.refresh:
                    await row.save(grant.renewed(rotated, "", 0, "", now))
                return token
            if grant is not None and not grant.refused:
                await row.save(grant.lost())
        raise AuthError(
            "salesforce.sign-in-expired", f"There is no sign-in to Salesforce for {self._name} that still holds.",
            remedy=f"Run `twinledger auth salesforce --connection {self._name.partition('/')[0]}`.",
        )  # fmt: skip


def _refresh_of(answer: Mapping[str, Any]) -> str:
    found = answer.get("refresh_token")
    return found if isinstance(found, str) else ""
