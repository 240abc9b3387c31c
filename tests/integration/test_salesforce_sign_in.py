"""Signing in to an org: by secret, by signed assertion; what each refusal says, and what it never shows."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from connector.cli import auth_salesforce, callback
from connector.core.party import Answer
from connector.errors import AuthError, ConfigurationError
from connector.salesforce.auth import ClientCredentials, SignedAssertion, SignIn
from connector.salesforce.consent import code_of
from connector.salesforce.rest import SalesforceParty
from connector.settings import SalesforceSettings
from connector.settings import Settings as SettingsOfAll
from connector.simulators.salesforce import Settings
from connector.store.tokens import TokenStore, new_key
from streams.parties import salesforce_sign_in
from tests.integration.salesforce_org import Client, an_org, told

KEY = RSAKey.generate_key(2048, private=True)
PRIVATE, PUBLIC = KEY.as_pem(private=True).decode(), KEY.as_pem(private=False).decode()
USER = Settings().username
BACK = "http://127.0.0.1:8467/callback"


def now_ms(client: Client) -> int:
    return int(client.org.clock.now().timestamp() * 1000)


def by_key(client: Client, **changes: str) -> SignIn:
    known = {"client_id": "twinledger", "username": USER, "audience": "https://test.salesforce.com", "key": PRIVATE}
    grant = SignedAssertion(**{**known, **changes}, now_ms=lambda: now_ms(client))
    return SignIn(client.http, f"{client.base}/services/oauth2/token", grant)


async def test_sign_in_by_assertion_reads_and_renews() -> None:
    async with an_org(Settings(certificate=PUBLIC)) as client:
        sign_in = by_key(client)
        party = SalesforceParty(client.http, sign_in, "", now_ms=lambda: now_ms(client))
        assert (await party.organisation()).id == client.org.organisation
        await client.sim("/revoke-tokens", {})
        assert (await party.organisation()).id == client.org.organisation  # another assertion: a jti is good for once


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": "another"}, "client identifier invalid"),
        ({"username": "stranger@example.com"}, "hasn't approved"),
        ({"audience": "https://example.com"}, "audience is invalid"),
        ({"key": RSAKey.generate_key(2048, private=True).as_pem(private=True).decode()}, "invalid assertion"),
    ],
)
async def test_sign_in_by_assertion_is_refused_with_salesforces_words(changes: dict[str, str], said: str) -> None:
    async with an_org(Settings(certificate=PUBLIC)) as client:
        with pytest.raises(AuthError, match=said) as refused:
            await by_key(client, **changes).token()
        assert "admin approved" in refused.value.remedy
        assert "PRIVATE" not in f"{refused.value!r}{by_key(client, **changes)!r}"


async def test_sign_in_with_a_clock_that_is_far_off_is_refused() -> None:
    async with an_org(Settings(certificate=PUBLIC)) as client:
        for seconds in (-600, 600):
            sign_in = by_key(client)
            client.org.clock.advance(0)
            late = SignedAssertion(
                "twinledger", USER, "https://login.salesforce.com", PRIVATE,
                now_ms=lambda off=seconds: now_ms(client) + off * 1000,  # type: ignore[misc]
            )  # fmt: skip
            with pytest.raises(AuthError):
                await SignIn(client.http, f"{client.base}/services/oauth2/token", late).token()
            assert (await sign_in.token()).instance_url == client.base


@pytest.mark.parametrize("key", ["", "no key", PUBLIC, RSAKey.generate_key(1024, private=True).as_pem().decode()])
def test_sign_in_refuses_a_key_that_cannot_sign(key: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        SignedAssertion("id", USER, "https://login.salesforce.com", key)
    assert wrong.value.code == "salesforce.private-key"


async def test_sign_in_is_chosen_by_what_the_settings_hold() -> None:
    async with an_org(Settings(certificate=PUBLIC)) as client:
        known: dict[str, Any] = {"url": client.base, "client_id": "twinledger"}
        secret = SalesforceSettings(**known, client_secret="twinledger-secret")
        keyed = SalesforceSettings(**known, username=USER, private_key=PRIVATE)
        for settings in (secret, keyed):
            sign_in = salesforce_sign_in(client.http, settings, lambda: now_ms(client))
            assert (await sign_in.token()).instance_url == client.base
        with pytest.raises(ConfigurationError) as nothing:
            salesforce_sign_in(client.http, SalesforceSettings(**known), lambda: 0)
        assert nothing.value.code == "salesforce.no-sign-in"


def test_sign_in_by_secret_needs_the_orgs_own_address() -> None:
    with pytest.raises(ConfigurationError):
        ClientCredentials(None, "https://login.salesforce.com/services/oauth2/token", "a", "b")  # type: ignore[arg-type]


# --- the simulator's other endpoints ----------------------------------------------------------------------------------


async def post(client: Client, form: Mapping[str, str]) -> Answer:
    body = urlencode(form).encode()
    return await client.http.request("POST", f"{client.base}/services/oauth2/token", body=body)


async def a_code(client: Client, verifier: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": "twinledger", "redirect_uri": BACK, "state": "s1",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    answer = await client.http.request("GET", f"{client.base}/services/oauth2/authorize", query=query.items())
    assert answer.status == 302
    told_back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert told_back["state"] == ["s1"]
    return told_back["code"][0]


async def test_simulated_code_flow_needs_its_verifier_and_is_good_for_once() -> None:
    async with an_org() as client:
        code = await a_code(client, "v" * 43)
        form = {"grant_type": "authorization_code", "client_id": "twinledger", "redirect_uri": BACK, "code": code}
        assert (await post(client, {**form, "code_verifier": "x" * 43})).status == 400
        assert (await post(client, {**form, "code_verifier": "v" * 43})).status == 400  # it was used
        answer = told(await post(client, {**form, "code": await a_code(client, "v" * 43), "code_verifier": "v" * 43}))
        again = {"grant_type": "refresh_token", "client_id": "twinledger", "refresh_token": answer["refresh_token"]}
        assert "refresh_token" not in told(await post(client, again))
        client.org.settings.rotate_refresh = True
        rotated = told(await post(client, again))["refresh_token"]
        assert (await post(client, again)).status == 400
        assert (await post(client, {**again, "refresh_token": rotated})).status == 200
        client.org.revoke_grants()
        refused = await post(client, {**again, "refresh_token": rotated})
        assert json.loads(refused.body)["error_description"] == "expired access/refresh token"


async def test_simulated_assertions_are_taken_once() -> None:
    async with an_org(Settings(certificate=PUBLIC)) as client:
        claims = {"iss": "twinledger", "sub": USER, "aud": client.base, "exp": now_ms(client) // 1000 + 60, "jti": "1"}
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode({"alg": "RS256"}, claims, KEY, algorithms=["RS256"]),
        }
        first = told(await post(client, form))
        assert {"refresh_token", "expires_in"}.isdisjoint(first)
        assert (await post(client, form)).status == 400


# --- a person's consent -----------------------------------------------------------------------------------------------


def a_configuration(client: Client, folder: Path, port: int, **more: str) -> tuple[Any, Any]:
    back = f"http://localhost:{port}/callback"
    client.org.settings.redirect_uris = back
    salesforce = {"url": client.base, "client_id": "twinledger", "sign_in": "consent", "redirect": back, **more}
    xero = {"tenant": "t", "client_id": "x"}
    settings = SettingsOfAll.model_validate(
        {
            "data_dir": str(folder), "token_key": new_key(),
            "connections": [{"name": "demo", "salesforce": salesforce, "xero": [xero]}],
        }
    )  # fmt: skip
    return settings, settings.connections[0]


def a_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def agrees(client: Client, printed: list[str]) -> None:
    """The person's browser: opens the page that was named, agrees, and follows the redirect."""
    async with asyncio.timeout(20):
        while not printed:  # noqa: ASYNC110  a printed line has no event
            await asyncio.sleep(0.01)
    page = await client.http.request("GET", printed[0].removeprefix("Sign in here: "))
    assert page.status == 302, page.body
    assert (await client.http.request("GET", page.headers["location"].replace("localhost", "127.0.0.1"))).status == 200


async def test_consent_is_kept_sealed_renewed_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with an_org() as client:
        client.org.settings.rotate_refresh = True
        settings, connection = a_configuration(client, tmp_path, a_port(), organisation=client.org.organisation)
        printed: list[str] = []
        monkeypatch.setattr(callback, "note", printed.append)
        found, _ = await asyncio.gather(
            auth_salesforce.consent(settings, connection, browser=False), agrees(client, printed)
        )
        assert found.id == client.org.organisation
        store = TokenStore(settings.store_url, settings.token_key.get_secret_value())
        first = await store.read("demo/salesforce")
        assert first is not None
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("*tokens*"))  # noqa: ASYNC240  a small file
        assert kept
        assert first.refresh.encode() not in kept
        sign_in = salesforce_sign_in(client.http, connection.salesforce, lambda: now_ms(client), store, "demo")
        token = await sign_in.token()
        second = await store.read("demo/salesforce")
        assert second is not None
        assert second.refresh != first.refresh  # rotated, and kept before it was used
        assert (await sign_in.renew(token)).access != token.access
        client.org.revoke_grants()
        with pytest.raises(AuthError) as over:
            await sign_in.renew(await sign_in.token())
        assert over.value.code == "salesforce.sign-in-expired"
        assert "twinledger auth salesforce --connection demo" in over.value.remedy
        await store.close()


async def test_consent_of_another_org_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with an_org() as client:
        settings, connection = a_configuration(client, tmp_path, a_port(), organisation="00D000000000001AAA")
        printed: list[str] = []
        monkeypatch.setattr(callback, "note", printed.append)
        person = asyncio.create_task(agrees(client, printed))
        with pytest.raises(AuthError) as elsewhere:
            await auth_salesforce.consent(settings, connection, browser=False)
        await person
        assert elsewhere.value.code == "salesforce.consent-elsewhere"
        store = TokenStore(settings.store_url, settings.token_key.get_secret_value())
        assert await store.read("demo/salesforce") is None
        await store.close()


@pytest.mark.parametrize(
    "query", [{"state": "other", "code": "c"}, {"state": "s", "error": "access_denied"}, {"state": "s"}]
)
def test_consent_needs_our_state_and_a_code(query: dict[str, str]) -> None:
    with pytest.raises(AuthError):
        code_of(query, "s")
