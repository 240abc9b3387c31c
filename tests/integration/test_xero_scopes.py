"""A custom connection asks for the scopes that its mappings need; what lacks is named with what needs it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector.cli import doctor
from connector.cli.scopes import known_lack, needed, refused_lack
from connector.core.grant import Grant
from connector.core.mapping.parse import parse
from connector.errors import AuthError
from connector.http import HttpClient
from connector.settings import ConnectionSettings, SalesforceSettings, Settings, XeroSettings
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT
from connector.simulators.xero.tokens import SCOPES, Tokens
from connector.simulators.xero.world import Settings as World
from connector.store.tokens import TokenStore, new_key
from streams.parties import xero

PAYS = """
mapping: pays
from: salesforce.Receipt__c
to: xero.Payment
fields:
  Amount: =record.Amount__c
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Company:
    """A simulated Xero whose custom connection was given some scopes."""

    tokens: Tokens
    base: str
    http: HttpClient

    def tenant(self, **more: object) -> XeroSettings:
        return XeroSettings.model_validate(
            {
                "tenant": DEMO_TENANT, "client_id": "xero-demo", "client_secret": "xero-demo-secret",
                "token_url": f"{self.base}/connect/token", "api_url": f"{self.base}/api.xro/2.0", **more,
            }
        )  # fmt: skip

    def given(self) -> list[set[str]]:
        return [set(token.scopes) for token in self.tokens.given.values()]


@asynccontextmanager
async def company(scopes: frozenset[str] = SCOPES) -> AsyncIterator[Company]:
    app = build(World(scopes=scopes))
    async with running(app) as base, HttpClient() as http:
        yield Company(app.state.world.tokens, base, http)


def settings_of(tmp_path: Path, tenant: XeroSettings) -> Settings:
    (tmp_path / "pays.yaml").write_text(PAYS, "utf-8")
    org = SalesforceSettings(url="https://example.org", client_id="x")
    connection = ConnectionSettings(name="main", salesforce=org, xero=(tenant,), mappings=("pays.yaml",))
    return Settings(connections=(connection,), data_dir=str(tmp_path), token_key=new_key())


async def test_only_what_the_mappings_need_is_asked_for_and_more_when_they_need_more() -> None:
    entities: list[str] = []
    async with company() as one:
        party = xero(one.http, one.tenant(), now_ms, entities=lambda: entities)
        await party.organisation()
        assert one.given() == [{"accounting.settings"}]
        entities.append("Payment")
        assert (await party.get("Payments")).status == 200
        assert one.given()[1:] == [{"accounting.settings", "accounting.payments"}]
        entities.clear()  # a mapping is gone: what was given lasts until it ends
        await party.organisation()
        assert len(one.given()) == 2
        named = xero(one.http, one.tenant(scopes=["accounting.settings", "accounting.contacts"]), now_ms)
        await named.organisation()
        assert one.given()[2] == {"accounting.settings", "accounting.contacts"}


async def test_a_scope_that_the_app_was_not_given_is_named_with_its_mapping(tmp_path: Path) -> None:
    async with company(SCOPES - {"accounting.payments"}) as one:
        party = xero(one.http, one.tenant(), now_ms, entities=lambda: ["Payment"])
        with pytest.raises(AuthError) as refused:
            await party.organisation()
        assert (refused.value.code, "twinledger doctor" in refused.value.remedy) == ("xero.scope-refused", True)
        settings = settings_of(tmp_path, one.tenant())

        async def look() -> str:
            return await doctor._xero(settings, settings.connections[0], 0, tmp_path)

        found = await doctor.examine("xero", look)
        assert found.code == "xero.scope-missing"
        assert found.detail == "The sign-in lacks accounting.payments (for Payment of pays)."
        assert "custom connection" in found.remedy
    async with company() as one:
        settings = settings_of(tmp_path, one.tenant())
        found = await doctor.examine("xero", look)
        assert found.ok, found
        assert "for accounting.payments, accounting.settings" in found.detail
        wrong = one.tenant(client_secret="not-it")
        with pytest.raises(AuthError, match="invalid_client"):
            await refused_lack(one.http, wrong, needed([parse(PAYS, "pays.yaml")]), now_ms)


async def test_what_the_file_or_a_kept_consent_lacks_is_known_without_asking(tmp_path: Path) -> None:
    wanted = needed([parse(PAYS, "pays.yaml")])
    tenant = XeroSettings(tenant=DEMO_TENANT, client_id="x", scopes=("accounting.settings",))
    settings = settings_of(tmp_path, tenant)
    said = await known_lack(settings, settings.connections[0], wanted)
    assert said is not None
    assert "accounting.payments (for Payment of pays)" in said.message
    assert "`scopes`" in said.remedy
    settings = settings_of(tmp_path, XeroSettings(tenant=DEMO_TENANT, client_id="x", sign_in="consent"))
    assert await known_lack(settings, settings.connections[0], wanted) is None  # nobody signed in yet
    store = TokenStore(settings.store_url, settings.token_key.get_secret_value())
    for scopes, lacks in (("accounting.settings openid", True), ("accounting.settings accounting.payments", False)):
        async with store.held("main/xero") as row:
            await row.save(Grant("r", "a", 5, scopes=scopes))
        said = await known_lack(settings, settings.connections[0], wanted)
        assert (said is not None) is lacks
        assert said is None or "twinledger auth xero --connection main" in said.remedy
    await store.close()
