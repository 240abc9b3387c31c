"""Tokens of a person's consent, kept alive: a thin shell over ``sign_in`` and the store of grants.

The row's lock is held over the whole refresh, so that of many processes one refreshes and the others read what it got.
A new pair is committed before it is used. An answer that was lost is asked for again with the same token, which Xero
takes for another 30 minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from connector.core.grant import Grant, Grants
from connector.core.party import NoAnswer
from connector.errors import AuthError, Unavailable
from connector.http import HttpClient
from connector.xero.auth import TOKEN_SECONDS
from connector.xero.sign_in import App, Refused, refresh_form, renewed, token_request


class GrantTokens:
    """The tokens of one grant (``name``) in this process. ``now_ms`` is the clock."""

    def __init__(self, http: HttpClient, app: App, grants: Grants, name: str, now_ms: Callable[[], int]) -> None:
        self._http, self._app, self._grants, self._name, self._now_ms = http, app, grants, name, now_ms
        self._lock = asyncio.Lock()
        self._grant: Grant | None = None

    async def token(self) -> str:
        """A token that lasts. Raises AuthError, TryAgain, Unavailable."""
        async with self._lock:
            if self._grant is None or not self._grant.lasts(self._now_ms()):
                self._grant = await self._renew("")
            return self._grant.access

    async def renew(self, refused: str) -> str:
        """Another token than the one that was refused."""
        async with self._lock:
            if self._grant is None or self._grant.access == refused:
                self._grant = await self._renew(refused)
            return self._grant.access

    async def _renew(self, refused: str) -> Grant:
        """What another process got meanwhile, or a new pair. It is committed when this returns."""
        async with self._grants.held(self._name) as row:
            grant = await row.read()
            if grant is None or grant.refused:
                raise self._expired()
            if grant.lasts(self._now_ms()) and grant.access != refused:
                return grant
            for refresh in grant.tries(self._now_ms()):
                try:
                    fresh = await self._refresh(grant, refresh)
                except Refused:
                    continue
                await row.save(fresh)
                return fresh
            await row.save(grant.lost())
        raise self._expired()

    async def _refresh(self, grant: Grant, refresh: str) -> Grant:
        headers, body = token_request(self._app, refresh_form(refresh))
        asked = self._now_ms()
        try:
            answer = await self._http.request(
                "POST", self._app.token_url, headers=headers, body=body, seconds=TOKEN_SECONDS
            )
        except NoAnswer as error:
            # the same token may be sent again for half an hour, whether or not this one was heard
            raise Unavailable("xero.sign-in-unavailable", f"Xero's sign-in gave no answer: {error.reason}.") from error
        return renewed(answer, grant, asked)

    def _expired(self) -> AuthError:
        return AuthError(
            "xero.sign-in-expired", f"There is no sign-in to Xero for {self._name} that still holds.",
            remedy=f"Run `twinledger auth xero --connection {self._name.partition('/')[0]}`.",
        )  # fmt: skip
