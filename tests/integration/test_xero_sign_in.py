"""Signing in to the simulated Xero as a person: consent, refresh tokens that change, lost answers, two processes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from connector.cli import auth
from connector.cli.callback import listening
from connector.core.grant import Grant
from connector.core.party import NoAnswer
from connector.errors import AuthError, ConfigurationError, Unavailable
from connector.http import HttpClient
from connector.settings import ConnectionSettings, SalesforceSettings, Settings, XeroSettings
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT, OTHER_TENANT
from connector.simulators.xero.world import World
from connector.store.tokens import TokenStore, new_key
from connector.xero import sign_in
from connector.xero.refresh import GrantTokens
from connector.xero.rest import XeroParty

SCOPES = ("accounting.settings", "accounting.contacts")
VERIFIER = "v" * 64


@dataclass
class Person:
    """A simulated Xero, a browser and a store of grants."""

    base: str
    world: World
    http: HttpClient
    store: TokenStore
    app: sign_in.App
    url: str
    key: str

    async def consent(self) -> Grant:
        """What a browser and ``twinledger auth xero`` do, without the loopback."""
        answer = await self.http.request("GET", sign_in.authorize_url(self.app, SCOPES, VERIFIER, "state-1"))
        assert answer.status == 302
        query = dict(pair.split("=") for pair in urlsplit(answer.headers["location"]).query.split("&"))
        headers, body = sign_in.token_request(self.app, sign_in.code_form(self.app, query["code"], VERIFIER))
        got = await self.http.request("POST", self.app.token_url, headers=headers, body=body)
        grant = sign_in.renewed(got, Grant(""), self.now_ms())
        async with self.store.held("main/xero") as row:
            await row.save(grant)
        return grant

    def tokens(self, store: TokenStore | None = None) -> GrantTokens:
        return GrantTokens(self.http, self.app, store or self.store, "main/xero", self.now_ms)

    def party(self) -> XeroParty:
        api = f"{self.base}/api.xro/2.0"
        return XeroParty(self.http, self.tokens(), DEMO_TENANT, now_ms=self.now_ms, api=api)

    def now_ms(self) -> int:
        return int(self.world.clock.now().timestamp() * 1000)

    def arm(self, kind: str, count: int = 1) -> None:
        self.world.control.arm({"kind": kind, "match": {"path": "/connect/token"}, "count": count})

    @property
    def refreshed(self) -> int:
        return [entry.path for entry in self.world.control.requests].count("/connect/token")


@pytest.fixture(params=["xero-demo-pkce", "xero-demo-web"])
async def person(request: pytest.FixtureRequest, store_url: str) -> AsyncIterator[Person]:
    made = build()
    async with running(made) as base, HttpClient() as http:
        key = new_key()
        store = TokenStore(store_url, key)
        app = sign_in.App(
            request.param, "" if request.param.endswith("pkce") else "xero-demo-secret",
            authorize_url=f"{base}/identity/connect/authorize", token_url=f"{base}/connect/token",
            connections_url=f"{base}/connections",
        )  # fmt: skip
        yield Person(base, made.state.world, http, store, app, store_url, key)
        await store.close()


async def test_a_consent_reads_and_is_renewed_every_half_hour(person: Person) -> None:
    first = await person.consent()
    party = person.party()
    assert (await party.organisation()).id == DEMO_TENANT
    for _ in range(3):
        person.world.clock.advance(1800)
        await asyncio.gather(*(party.organisation() for _ in range(4)))
    assert person.refreshed == 1 + 3
    kept = await person.store.read("main/xero")
    assert kept is not None
    assert kept.refresh not in (first.refresh, kept.previous, "")


async def test_a_code_counts_once_with_its_verifier_and_for_five_minutes(person: Person) -> None:
    for seconds, verifier in ((0, "w" * 64), (301, VERIFIER), (0, VERIFIER)):
        answer = await person.http.request("GET", sign_in.authorize_url(person.app, SCOPES, VERIFIER, "s"))
        code = sign_in.code_of({"code": answer.headers["location"].split("code=")[1].split("&")[0], "state": "s"}, "s")
        person.world.clock.advance(seconds)
        headers, body = sign_in.token_request(person.app, sign_in.code_form(person.app, code, verifier))
        got = await person.http.request("POST", person.app.token_url, headers=headers, body=body)
        if (seconds, verifier) == (0, VERIFIER):
            sign_in.renewed(got, Grant(""), 0)
            got = await person.http.request("POST", person.app.token_url, headers=headers, body=body)
        with pytest.raises(sign_in.Refused):
            sign_in.renewed(got, Grant(""), 0)


async def test_a_lost_answer_is_asked_for_again_with_the_same_token(person: Person) -> None:
    await person.consent()
    person.world.clock.advance(1800)
    tokens = person.tokens()
    person.arm("cut-after-commit")
    with pytest.raises(Unavailable):
        await tokens.token()
    person.world.clock.advance(29 * 60)
    assert await tokens.token()
    person.world.clock.advance(1800)
    assert await person.tokens().token()


async def test_a_pair_is_kept_before_it_is_used_whoever_dies(person: Person) -> None:
    await person.consent()
    person.world.clock.advance(1800)
    before = await person.store.read("main/xero")
    token = await person.tokens().token()
    kept = await person.store.read("main/xero")  # a fresh transaction: it is committed
    assert kept is not None
    assert before is not None
    assert (kept.access, kept.previous) == (token, before.refresh)


async def test_of_several_processes_one_refreshes_and_all_go_on(person: Person) -> None:
    await person.consent()
    person.world.clock.advance(1800)
    stores = [
        TokenStore(person.url, person.key) for _ in range(4)
    ]  # each has a connection of its own, as a process has
    tokens = await asyncio.gather(*(person.tokens(store).token() for store in stores))
    assert len(set(tokens)) == 1
    assert person.refreshed == 2
    for store in stores:
        await store.close()


async def test_a_refused_token_is_replaced_once(person: Person) -> None:
    await person.consent()
    party = person.party()
    await party.organisation()
    person.world.tokens.revoke_all()
    await asyncio.gather(*(party.organisation() for _ in range(3)))
    assert person.refreshed == 2


async def test_a_withdrawn_consent_stops_the_tenant_until_someone_signs_in_again(person: Person) -> None:
    await person.consent()
    party = person.party()
    await party.organisation()
    person.world.tokens.withdraw()
    with pytest.raises(AuthError):
        await party.organisation()
    asked = person.refreshed
    with pytest.raises(AuthError):
        await party.organisation()
    assert person.refreshed == asked  # it does not knock again
    kept = await person.store.read("main/xero")
    assert kept is not None
    assert kept.refused
    with pytest.raises(AuthError) as caught:
        await person.tokens().token()
    assert (caught.value.code, "twinledger auth xero --connection main" in caught.value.remedy) == (
        "xero.sign-in-expired", True,
    )  # fmt: skip
    await person.consent()
    assert (await party.organisation()).id == DEMO_TENANT


async def test_a_grant_older_than_sixty_days_is_over(person: Person) -> None:
    await person.consent()
    person.world.clock.advance(61 * 86_400)
    with pytest.raises(AuthError, match="still holds"):
        await person.tokens().token()


async def test_nothing_readable_stands_in_the_store_and_another_key_opens_nothing(person: Person) -> None:
    grant = await person.consent()
    (sealed,) = await rows(person.url)
    assert grant.refresh not in sealed
    assert grant.refresh not in repr(grant)
    other = TokenStore(person.url, new_key())
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await other.read("main/xero")
    await other.close()
    with pytest.raises(ConfigurationError, match="token_key"):
        TokenStore(person.url, "")


async def test_the_file_of_tokens_is_its_owners_alone(tmp_path: Path) -> None:
    store = TokenStore(f"sqlite+aiosqlite:///{tmp_path}/t.sqlite", new_key())
    async with store.held("main/xero") as row:
        await row.save(Grant("a-refresh-token"))
    await store.close()
    file = tmp_path / "t-tokens.sqlite"
    assert b"a-refresh-token" not in file.read_bytes()
    assert (os.stat(file).st_mode & 0o077) == 0


async def rows(url: str) -> list[str]:
    """What stands in the table of grants."""
    if url.startswith("sqlite"):
        url = url.replace("store.sqlite", "store-tokens.sqlite")
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = [str(row.sealed) for row in await connection.execute(text("SELECT sealed FROM grants"))]
    await engine.dispose()
    return found


NOWHERE = "11111111-1111-4111-8111-111111111111"


def deployment(person: Person, tmp_path: Path, port: int, *tenants: str) -> Settings:
    company = XeroSettings(
        tenant=DEMO_TENANT, client_id=person.app.client_id, client_secret=person.app.client_secret,
        sign_in="consent", scopes=SCOPES, redirect=f"http://localhost:{port}/callback",
        authorize_url=person.app.authorize_url, token_url=person.app.token_url,
        connections_url=person.app.connections_url,
    )  # fmt: skip
    org = SalesforceSettings(url="https://example.org", client_id="x")
    companies = tuple(company.model_copy(update={"tenant": tenant}) for tenant in tenants or (DEMO_TENANT,))
    connection = ConnectionSettings(name="main", salesforce=org, xero=companies)
    return Settings(connections=(connection,), data_dir=str(tmp_path), token_key=new_key())


async def browse(person: Person, address: str) -> None:
    """A browser: Xero's page, then wherever it sends us."""
    answer = await person.http.request("GET", address)
    back = answer.headers["location"]
    for _ in range(100):
        try:
            await person.http.request("GET", back.replace("/callback", "/favicon.ico").partition("?")[0])
            await person.http.request("GET", back)
            return
        except NoAnswer as error:
            if error.sent:
                raise
            await asyncio.sleep(0)
    raise AssertionError("nobody listens")


@pytest.mark.parametrize("tenants", [(OTHER_TENANT,), (DEMO_TENANT, OTHER_TENANT), (NOWHERE,), (DEMO_TENANT, NOWHERE)])
async def test_the_command_asks_a_browser_and_checks_every_organisation(
    person: Person, tmp_path: Path, tenants: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    settings = deployment(person, tmp_path, unused_port, *tenants)
    browsing: list[asyncio.Task[None]] = []

    def opened(address: str) -> bool:
        browsing.append(asyncio.get_running_loop().create_task(browse(person, address)))
        return True

    monkeypatch.setattr("webbrowser.open", opened)
    asking = auth.consent(settings, settings.connections[0], SCOPES, browser=True)
    store = TokenStore(settings.store_url, settings.token_key.get_secret_value())
    if NOWHERE not in tenants:
        assert {each.tenant for each in await asking} == {DEMO_TENANT, OTHER_TENANT}
        kept = await store.read("main/xero")
        assert kept is not None
        assert kept.scopes == "accounting.contacts accounting.settings offline_access openid"
    else:
        with pytest.raises(AuthError) as caught:
            await asking
        assert caught.value.code == "xero.consent-elsewhere"
        assert caught.value.message.endswith(f", not {NOWHERE}.")  # what is reached is not complained of
        assert await store.read("main/xero") is None
    await asyncio.gather(*browsing)
    await store.close()


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return int(port)


def test_what_comes_back_must_be_the_answer_to_our_question() -> None:
    assert sign_in.code_of({"state": "a", "code": "c"}, "a") == "c"
    for query in ({"state": "b", "code": "c"}, {"code": "c"}, {"state": "a", "error": "access_denied"}, {"state": "a"}):
        with pytest.raises(AuthError):
            sign_in.code_of(query, "a")


async def test_only_this_machine_is_listened_on() -> None:
    for address in ("https://example.org/callback", "http://192.0.2.1:80/", "http://localhost/callback"):
        with pytest.raises(ConfigurationError):
            async with listening(urlsplit(address)):
                pass


def test_a_grant_comes_back_from_its_text_and_a_broken_one_does_not() -> None:
    grant = Grant("r", "a", 5, "p", 4, "s")
    assert Grant.from_text(grant.to_text()) == grant
    assert replace(grant, refused=True).tries(10) == ()
    assert (grant.tries(10), grant.tries(4 + 30 * 60_000)) == (("r", "p"), ("r",))
    for raw in ("[]", json.dumps({"refresh": "x"}), "{"):
        with pytest.raises(ValueError, match=r"."):
            Grant.from_text(raw)
