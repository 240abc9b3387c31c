"""Webhooks of Xero over real HTTP: only its own word counts, intent to receive included, and it is answered bare."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import aiohttp
import pytest

from connector.core.identity import split_key
from connector.errors import DataError, Unavailable
from connector.kafka.codec import Codec, Decoded
from connector.observe.health import Facts
from connector.observe.metrics import Metrics
from connector.settings import ConnectionSettings, SalesforceSettings, XeroSettings
from connector.web.app import build, serve
from connector.web.webhooks import PATH, tenants, xero_webhook
from connector.xero.webhooks import Poke, pokes, signers

KEY, OTHER_KEY = "key-of-our-app", "key-of-another-app"
TENANT, STRANGER = "t-1", "t-9"


def sign(body: bytes, key: str = KEY) -> str:
    return base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


def event(category: str = "INVOICE", tenant: str = TENANT, resource: str = "i-1") -> dict[str, str]:
    return {"resourceId": resource, "tenantId": tenant, "tenantType": "ORGANISATION", "eventCategory": category,
            "eventType": "UPDATE", "eventDateUtc": "2025-12-02T00:44:09.923"}  # fmt: skip


def payload(*events: Mapping[str, str]) -> bytes:
    return json.dumps({"events": events, "firstEventSequence": 0, "lastEventSequence": 0, "entropy": "X"}).encode()


@dataclass
class Hook:
    """A worker's web endpoint, and what it has put into Kafka."""

    base: str
    http: aiohttp.ClientSession
    sent: list[tuple[bytes, Mapping[str, Any]]] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)

    async def send(self, key: bytes, value: Mapping[str, Any]) -> None:
        if self.trouble:
            raise self.trouble.pop()
        self.sent.append((key, value))

    async def post(self, body: bytes, signature: str) -> tuple[int, bytes, list[str]]:
        async with self.http.post(self.base + PATH, data=body, headers={"x-xero-signature": signature}) as answer:
            return answer.status, await answer.read(), answer.headers.getall("set-cookie", [])


def connection(name: str, tenant: str, key: str) -> ConnectionSettings:
    company = XeroSettings(tenant=tenant, client_id="x", webhook_key=key)
    return ConnectionSettings(
        name=name, salesforce=SalesforceSettings(url="https://example.org", client_id="x"), xero=(company,)
    )


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    known = tenants(
        [connection("main", TENANT, KEY), connection("other", "t-2", OTHER_KEY), connection("no", "t-3", "")]
    )
    numbers, listening = count(1), asyncio.get_running_loop().create_future()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        made = Hook("", http)
        route = xero_webhook(known, made.send, lambda: f"s-{next(numbers)}", lambda: datetime(2026, 11, 1, tzinfo=UTC))
        app = build(Facts, Metrics(), more=(route,))
        serving = asyncio.create_task(serve(app, listening=listening.set_result))
        made.base = await asyncio.wait_for(listening, 10)
        yield made
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_a_signed_event_becomes_one_poke_for_each_tenant_and_entity(hook: Hook) -> None:
    body = payload(
        event(), event(resource="i-2"), event("CONTACT", resource="c-1"), event("SUBSCRIPTION"), event(tenant=STRANGER)
    )
    assert await hook.post(body, sign(body)) == (200, b"", [])
    assert [(value["connection"], value["subject"], value["arguments"]["ids"]) for _, value in hook.sent] == [
        ("main", "Contact", "c-1"), ("main", "Invoice", "i-1,i-2"),
    ]  # fmt: skip
    key, value = hook.sent[0]
    assert split_key(key) == ("main", "poke", "s-1")
    codec = Codec()
    decoded = codec.decode(codec.encode("signals.v1", value))
    assert isinstance(decoded, Decoded)
    assert (decoded.value["kind"], decoded.value["by"]) == ("poke", "xero")


async def test_intent_to_receive_is_answered_right_both_ways(hook: Hook) -> None:
    body = b'{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "NLDZEGWUXNHESAQVGLYF"}'
    assert (await hook.post(body, sign(body)))[0] == 200
    assert (await hook.post(body, sign(body, "wrong")))[0] == 401
    assert (await hook.post(body, ""))[0] == 401
    assert (await hook.post(body, "é\u00ff"))[0] == 401
    assert (await hook.post(body.replace(b" ", b""), sign(body)))[0] == 401  # the raw bytes are signed, spaces and all
    assert hook.sent == []


async def test_a_key_speaks_for_its_own_tenants_only(hook: Hook) -> None:
    body = payload(event(tenant=TENANT), event(tenant="t-2"), event(tenant="t-3"))
    assert (await hook.post(body, sign(body, OTHER_KEY)))[0] == 200
    assert [value["connection"] for _, value in hook.sent] == ["other"]


async def test_what_kafka_does_not_take_xero_sends_again(hook: Hook) -> None:
    body = payload(event())
    hook.trouble.append(Unavailable("kafka.unavailable", "away"))
    assert (await hook.post(body, sign(body)))[0] == 503
    assert (await hook.post(body, sign(body)))[0] == 200
    assert len(hook.sent) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"events":{}}', b'{"events":[1,null,{"eventCategory":[]}]}'])
async def test_what_is_signed_and_no_webhook_is_taken_and_forgotten(hook: Hook, body: bytes) -> None:
    assert (await hook.post(body, sign(body)))[0] == 200
    assert hook.sent == []


async def test_a_body_without_end_is_not_read(hook: Hook) -> None:
    assert (await hook.post(b"x" * 1_000_001, "s"))[0] == 413
    async with hook.http.get(hook.base + PATH) as answer:
        assert answer.status == 405


def test_no_key_signs_nothing() -> None:
    assert signers(b"{}", sign(b"{}", ""), [""]) == frozenset()
    assert signers(b"{}", sign(b"{}"), [OTHER_KEY, KEY]) == {KEY}


def test_events_are_bounded() -> None:
    with pytest.raises(DataError):
        pokes(payload(*(event(resource=str(n)) for n in range(10_001))))
    assert pokes(payload(event("OVERPAYMENT"))) == (Poke(TENANT, "Overpayment", ("i-1",)),)
