"""``twinledger auth salesforce``: signing in to an org as a person, by the code flow with PKCE."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Annotated
from urllib.parse import urlsplit

import typer

from connector.cli.callback import by_consent, consented, listening
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import show, table
from connector.core.party import Organisation
from connector.core.records import Side
from connector.errors import AuthError
from connector.http import HttpClient
from connector.salesforce.consent import CodeSignIn, authorize_url, code_of
from connector.salesforce.rest import SalesforceParty
from connector.settings import ConnectionSettings, Settings
from connector.store.tokens import TokenStore


def salesforce(
    config: Config = DEFAULT_CONFIG,
    connection: Connection = "",
    browser: Annotated[bool, typer.Option(help="Open the sign-in page in a browser.")] = True,
    output: Output = Format.TABLE,
) -> None:
    """Sign in to Salesforce and keep the grant, sealed, in the store. The page opens in your browser."""
    settings = settings_of(config)
    chosen = by_consent(settings, connection, Side.SALESFORCE)
    found = asyncio.run(consent(settings, chosen, browser=browser))
    row = (found.name, found.id, "sandbox" if found.is_demo else "production")
    show({"connection": chosen.name, "organisation": found}, output, table(("organisation", "id", "kind"), [row]))


async def consent(settings: Settings, connection: ConnectionSettings, *, browser: bool) -> Organisation:
    """Ask the person, fetch the tokens, check that they reach the configured org, keep the refresh token.

    Raises AuthError (``salesforce.consent``, ``salesforce.consent-elsewhere``), Unavailable, ConfigurationError.
    """
    from streams.parties import salesforce_app

    app, verifier, state = salesforce_app(connection.salesforce), secrets.token_urlsafe(64), secrets.token_urlsafe(24)
    store = TokenStore(settings.store_url, settings.token_key.get_secret_value())
    try:
        async with listening(urlsplit(app.redirect)) as answered, HttpClient() as http:
            address = authorize_url(app, verifier, state)
            query = await consented(address, answered, "salesforce.consent", browser=browser)
            sign_in = CodeSignIn(http, app, code_of(query, state), verifier)
            party = SalesforceParty(http, sign_in, "", now_ms=lambda: time.time_ns() // 1_000_000)
            found = await party.organisation()
        wanted = connection.salesforce.organisation
        if wanted and found.id[:15] != wanted[:15]:
            raise AuthError(
                "salesforce.consent-elsewhere", f"The consent reaches {found.name} ({found.id}), not {wanted}.",
                remedy="Sign in to the org of the configuration, or correct the organisation.",
            )  # fmt: skip
        async with store.held(f"{connection.name}/salesforce") as row:
            if sign_in.grant is not None:
                await row.save(sign_in.grant)
    finally:
        await store.close()
    return found
