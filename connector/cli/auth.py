"""``twinledger auth``: signing in to Xero as a person, and the key that seals what comes of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from connector.cli.callback import by_consent, consented, listening
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import show, table
from connector.core.grant import Grant
from connector.core.party import NoAnswer
from connector.core.records import Side
from connector.errors import AuthError, Unavailable
from connector.http import HttpClient
from connector.settings import ConnectionSettings, Settings, XeroSettings
from connector.store.tokens import TokenStore, new_key
from connector.xero import sign_in
from connector.xero.auth import TOKEN_SECONDS
from connector.xero.scopes import needed_scopes

app = typer.Typer(no_args_is_help=True, help="Signing in as a person.")


@app.command("key")
def key() -> None:
    """Print a new key that seals tokens (TWINLEDGER_TOKEN_KEY)."""
    typer.echo(new_key())


@app.command("xero")
def xero(
    config: Config = DEFAULT_CONFIG,
    connection: Connection = "",
    browser: Annotated[bool, typer.Option(help="Open the sign-in page in a browser.")] = True,
    output: Output = Format.TABLE,
) -> None:
    """Sign in to Xero and keep the grant, sealed, in the store. The page opens in your browser."""
    settings = settings_of(config)
    chosen = by_consent(settings, connection, Side.XERO)
    found = asyncio.run(consent(settings, chosen, scopes(chosen, config.parent), browser=browser))
    rows = [(each.name, each.tenant, each.kind) for each in found]
    show({"connection": chosen.name, "organisations": found}, output, table(("organisation", "tenant", "kind"), rows))


def scopes(connection: ConnectionSettings, base: Path) -> tuple[str, ...]:
    """The configured ones (of all the connection's organisations: one consent is for all), else those that the mapping
    files need."""
    configured = dict.fromkeys(scope for tenant in connection.xero for scope in tenant.scopes)
    if configured:
        return tuple(configured)
    rules = import_module("connector.cli.apply").load_mappings(connection, base)
    return needed_scopes(name for whole, _ in rules for rule in whole.every for name in rule.touched(Side.XERO))


def app_of(tenant: XeroSettings) -> sign_in.App:
    return sign_in.App(
        tenant.client_id, tenant.client_secret.get_secret_value(), tenant.redirect, tenant.authorize_url,
        tenant.token_url, tenant.connections_url,
    )  # fmt: skip


async def consent(
    settings: Settings, connection: ConnectionSettings, asked: tuple[str, ...], *, browser: bool
) -> tuple[sign_in.Consent, ...]:
    """Ask the person, fetch the pair, check that it reaches every configured tenant, keep it.

    Raises AuthError (``xero.consent``, ``xero.consent-elsewhere``), Unavailable, ConfigurationError.
    """
    tenant = next(each for each in connection.xero if each.sign_in == "consent")
    one, verifier, state = app_of(tenant), secrets.token_urlsafe(64), secrets.token_urlsafe(24)
    store = TokenStore(settings.store_url, settings.token_key.get_secret_value())
    try:
        async with listening(urlsplit(one.redirect)) as answered, HttpClient() as http:
            address = sign_in.authorize_url(one, asked, verifier, state)
            query = await consented(address, answered, "xero.consent", browser=browser)
            grant = await _fetched(http, one, sign_in.code_of(query, state), verifier)
            found = await _consents(http, one, grant)
        if beyond := unreached(connection, found):
            named = ", ".join(f"{each.name} ({each.tenant})" for each in found) or "none"
            raise AuthError(
                "xero.consent-elsewhere", f"The consent reaches {named}, not {', '.join(beyond)}.",
                remedy="Sign in again and choose what lacks on Xero's page (the others stay), or correct the tenant.",
            )  # fmt: skip
        async with store.held(f"{connection.name}/xero") as row:
            await row.save(grant)
    finally:
        await store.close()
    return found


def unreached(connection: ConnectionSettings, found: Iterable[sign_in.Consent]) -> tuple[str, ...]:
    """The organisations signed in to by consent that this one does not reach, as people know them."""
    there = {each.tenant for each in found}
    wanted = (one for one in connection.xero if one.sign_in == "consent" and one.tenant not in there)
    return tuple(f"{one.name} ({one.tenant})" if one.name else one.tenant for one in wanted)


async def _fetched(http: HttpClient, one: sign_in.App, code: str, verifier: str) -> Grant:
    headers, body = sign_in.token_request(one, sign_in.code_form(one, code, verifier))
    asked = time.time_ns() // 1_000_000
    try:
        answer = await http.request("POST", one.token_url, headers=headers, body=body, seconds=TOKEN_SECONDS)
        return sign_in.renewed(answer, Grant(""), asked)
    except NoAnswer as error:
        raise Unavailable("xero.sign-in-unavailable", f"Xero's sign-in gave no answer: {error.reason}.") from error
    except sign_in.Refused as error:
        raise AuthError("xero.consent", "Xero does not take the code any more.", remedy="Sign in again.") from error


async def _consents(http: HttpClient, one: sign_in.App, grant: Grant) -> tuple[sign_in.Consent, ...]:
    headers = [("Authorization", f"Bearer {grant.access}"), ("Accept", "application/json")]
    try:
        return sign_in.consents(await http.request("GET", one.connections_url, headers=headers, seconds=30))
    except NoAnswer as error:
        raise Unavailable("xero.unavailable", f"Xero gave no answer: {error.reason}.") from error
