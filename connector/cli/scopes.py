"""Whether the sign-in to Xero was given what the mapping files need: told by ``doctor``,
``check`` and ``mapping check``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Side
from connector.errors import AuthError
from connector.http import HttpClient
from connector.settings import ConnectionSettings, Settings, XeroSettings
from connector.store.tokens import grants_of
from connector.xero.auth import Credentials, Tokens
from connector.xero.scopes import lacking, needs

_IN_FILE = "Add it to `scopes` in the configuration, or take `scopes` out: then it is worked out."
_IN_APP = "Tick it in the custom connection's app at Xero, and authorise the app again."


def needed(rules: Iterable[Rule]) -> Mapping[str, str]:
    """Scope → what needs it."""
    return needs((one.name, entity) for rule in rules for one in rule.every for entity in one.touched(Side.XERO))


async def known_lack(settings: Settings, connection: ConnectionSettings, wanted: Mapping[str, str]) -> AuthError | None:
    """What the configuration or the kept consent already shows to lack, for any of the connection's organisations; asks
    nobody outside."""
    for tenant in connection.xero:
        if tenant.scopes and (said := lacking(wanted, tenant.scopes, _IN_FILE)):
            return said
    consented = any(tenant.sign_in == "consent" for tenant in connection.xero)
    store = grants_of(settings) if consented else None
    if store is None:
        return None
    try:
        grant = await store.read(f"{connection.name}/xero")
    finally:
        await store.close()
    if grant is None or not grant.scopes:
        return None
    return lacking(wanted, grant.scopes.split(), f"Run `twinledger auth xero --connection {connection.name}` again.")


async def refused_lack(
    http: HttpClient, tenant: XeroSettings, wanted: Mapping[str, str], now_ms: Callable[[], int]
) -> AuthError | None:
    """What Xero does not give a custom connection: asked for one by one where all together are refused."""
    if tenant.sign_in == "consent":
        return None
    credentials = Credentials(tenant.client_id, tenant.client_secret.get_secret_value(), tenant.token_url)

    async def given(scopes: Collection[str]) -> bool:
        try:
            await Tokens(http, credentials, lambda: tuple(scopes), now_ms).token()
        except AuthError as error:
            if error.code != "xero.scope-refused":
                raise
            return False
        return True

    if await given(tenant.scopes or tuple(wanted)):
        return None
    found = [scope for scope in wanted if await given((scope,))]
    return lacking(wanted, found, _IN_APP)
