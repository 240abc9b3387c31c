"""Both parties of a connection, made from its settings, and the check that they are who the settings say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connector.core.catalog import Catalog
from connector.core.grant import Grants
from connector.core.mapping.model import Mapping as Rule
from connector.core.party import Organisation
from connector.core.records import ReadPlan, Side
from connector.errors import ConfigurationError
from connector.http import HttpClient
from connector.salesforce.auth import ClientCredentials, Credentials, SignedAssertion, SignIn
from connector.salesforce.consent import App as SalesforceApp
from connector.salesforce.consent import ConsentSignIn
from connector.salesforce.events import Change
from connector.salesforce.rest import SalesforceParty
from connector.salesforce.stream import ChangeStream, EventSource
from connector.settings import ConnectionSettings, SalesforceSettings, XeroSettings
from connector.xero.auth import Credentials as XeroCredentials
from connector.xero.auth import Tokens, TokenSource
from connector.xero.calls import Apps
from connector.xero.catalog import XeroCatalog
from connector.xero.refresh import GrantTokens
from connector.xero.rest import XeroParty
from connector.xero.scopes import needed_scopes
from connector.xero.sign_in import App
from streams.connection import Connection

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  (a path)


@dataclass(slots=True)
class SalesforceSource:
    """The org as capture needs it: its stream, its scans, its describe."""

    party: SalesforceParty
    credentials: Credentials
    settings: SalesforceSettings
    now: ChangeStream | None = None
    reopened: Callable[[], None] = lambda: None

    def stream(self, replay_from: Callable[[str], int]) -> EventSource:
        """A fresh stream of the configured channels."""
        if self.now is not None:
            self.reopened()
        self.now = ChangeStream(
            self.credentials, self.settings.channels, replay_from, api_version=self.settings.api_version
        )
        return self.now

    def parents(self, connection: Connection, change: Change) -> dict[str, str]:
        """Child id → ``Parent/id`` where the event's body names a record whose lines a mapping reads."""
        for parent in connection.entities(Side.SALESFORCE):
            for name in connection.read_plan(Side.SALESFORCE, parent).children:
                shape = self.party.catalog.objects.get(parent)
                child, reference = shape.children.get(name, ("", "")) if shape is not None else ("", "")
                parent_id = change.parents.get(reference) if child == change.entity else None
                if parent_id:
                    return dict.fromkeys(change.record_ids, f"{parent}/{parent_id}")
        return {}

    async def catalog(self, plans: Iterable[ReadPlan], *, fresh: bool = False) -> Catalog:
        """What the org's objects look like now, as far as these plans reach."""
        return await self.party.describe(plans, fresh=fresh)

    async def both(self, rule: Rule, *, fresh: bool = False) -> Mapping[Side, Catalog]:
        """The catalogs of both sides, as far as a mapping reaches; ``fresh`` asks the org again."""
        plans = [one.read_plan(Side.SALESFORCE) for one in rule.each]
        return sides(await self.catalog(plans, fresh=fresh))


def salesforce(
    http: HttpClient, settings: SalesforceSettings, now_ms: Callable[[], int], grants: Grants | None = None,
    name: str = "",
) -> SalesforceSource:  # fmt: skip
    """``grants`` keeps what people consented to, ``name`` is the connection's."""
    credentials = salesforce_sign_in(http, settings, now_ms, grants, name)
    party = SalesforceParty(
        http, credentials, settings.organisation, now_ms=now_ms, api_version=settings.api_version,
        allow_duplicates=settings.duplicates == "allow",
    )  # fmt: skip
    return SalesforceSource(party, credentials, settings)


def salesforce_sign_in(
    http: HttpClient, settings: SalesforceSettings, now_ms: Callable[[], int], grants: Grants | None = None,
    name: str = "",
) -> Credentials:  # fmt: skip
    """By consent where it is said, by private key where there is one, else by secret. Raises ConfigurationError."""
    token_url, key = settings.url.rstrip("/") + TOKEN_PATH, settings.private_key.get_secret_value()
    if settings.sign_in == "consent" and grants is not None:
        return ConsentSignIn(http, salesforce_app(settings), grants, f"{name}/salesforce", now_ms)
    if key and settings.username:
        return SignIn(
            http, token_url, SignedAssertion(settings.client_id, settings.username, settings.audience, key, now_ms)
        )
    if not settings.client_secret.get_secret_value():
        raise ConfigurationError(
            "salesforce.no-sign-in", f"{settings.url}: neither a client secret nor a private key with its username.",
            remedy="Set client_secret, or username and private_key, or `sign_in: consent`.",
        )  # fmt: skip
    return ClientCredentials(http, token_url, settings.client_id, settings.client_secret.get_secret_value())


def salesforce_app(settings: SalesforceSettings) -> SalesforceApp:
    secret = settings.client_secret.get_secret_value()
    return SalesforceApp(settings.url, settings.client_id, settings.redirect, secret)


Entities = Callable[[], Iterable[str]]


def xero(
    http: HttpClient, settings: XeroSettings, now_ms: Callable[[], int], grants: Grants | None = None, name: str = "",
    entities: Entities = tuple, apps: Apps | None = None,
) -> XeroParty:  # fmt: skip
    """``grants`` keeps what people consented to, ``name`` is the connection's, ``entities`` those of its mappings;
    ``apps`` are those of this process, whose organisations share a minute."""
    tokens = xero_sign_in(http, settings, now_ms, grants, name, entities)
    app = (apps or Apps()).minute(settings.api_url, settings.client_id, settings.app_calls_per_minute)
    return XeroParty(
        http,
        tokens,
        settings.tenant,
        now_ms=now_ms,
        api=settings.api_url,
        per_minute=settings.calls_per_minute,
        app=app,
    )


def xero_sign_in(
    http: HttpClient, settings: XeroSettings, now_ms: Callable[[], int], grants: Grants | None, name: str,
    entities: Entities = tuple,
) -> TokenSource:  # fmt: skip
    """By consent or as a custom connection, for what ``entities`` need. Raises ConfigurationError."""
    secret = settings.client_secret.get_secret_value()
    if settings.sign_in == "consent" and grants is not None:
        app = App(settings.client_id, secret, token_url=settings.token_url)
        return GrantTokens(http, app, grants, f"{name}/xero", now_ms)
    if not secret:
        raise ConfigurationError(
            "xero.no-sign-in", f"The Xero tenant {settings.tenant} has no client secret.",
            remedy="Set client_secret, or `sign_in: consent` and run `twinledger auth xero`.",
        )  # fmt: skip
    credentials = XeroCredentials(settings.client_id, secret, settings.token_url)
    return Tokens(http, credentials, lambda: settings.scopes or needed_scopes(entities()), now_ms)


def identify(settings: ConnectionSettings, org: Organisation, companies: Mapping[str, Organisation]) -> None:
    """Another organisation than a configured one, or none of the demo companies where one is wanted, stops the
    connection. ``companies`` is by tenant. Raises ConfigurationError."""
    wanted = settings.salesforce.organisation
    if wanted and org.id[:15] != wanted[:15]:
        raise _other(settings.name, "Salesforce", org, wanted)
    for tenant in settings.xero:
        _identify(settings, tenant, companies[tenant.tenant])


def _identify(settings: ConnectionSettings, tenant: XeroSettings, company: Organisation) -> None:
    if tenant.organisation and company.id != tenant.organisation:
        raise _other(settings.name, "Xero", company, tenant.organisation)
    if tenant.demo and company.is_demo is not True:
        raise ConfigurationError(
            "organisation.not-demo",
            f"Connection {settings.name} is for a demo company, and {company.name} is none.",
            remedy="Check the tenant id, or take `demo: true` out of the configuration.",
        )


async def corporate_currency(settings: ConnectionSettings, party: SalesforceParty) -> str:
    """What an org with several currencies says; empty where the settings say it. Raises ConfigurationError
    (``connection.no-currency``): money without a currency would be taken for Xero's own."""
    if settings.currency:
        return ""
    found = await party.corporate_currency()
    if found is None:
        raise ConfigurationError(
            "connection.no-currency",
            f"The Salesforce org of connection {settings.name} has one currency, and its records do not say which.",
            remedy="Set `currency:` of the connection, as Setup, Company Information shows it (GBP, EUR, …).",
        )
    return found


def _other(connection: str, party: str, found: Organisation, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        "organisation.other",
        f"Connection {connection} expects {party} organisation {wanted} and reached {found.name} ({found.id}).",
        remedy="Nothing was written. Check the credentials, or the id in the configuration.",
    )


def sides(salesforce_catalog: Catalog) -> dict[Side, Catalog]:
    return {Side.SALESFORCE: salesforce_catalog, Side.XERO: XeroCatalog()}
