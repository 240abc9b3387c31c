"""The simulator's streaming endpoint on the wire: Bayeux as the platform speaks it."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from connector.simulators.salesforce import Settings
from tests.integration.salesforce_org import Client, an_org

SYNC = "/data/TwinledgerSync__chn"
Message = dict[str, Any]


class Wire:
    """A bare Bayeux client: what is sent is what the test says."""

    def __init__(self, client: Client, session: aiohttp.ClientSession) -> None:
        self.client = client
        self.session = session
        self.client_id = ""

    async def post(self, *messages: Message, version: str = "/62.0", token: str | None = None) -> list[Message]:
        headers = {"Authorization": f"Bearer {token or self.client.token}"}
        url = f"{self.client.base}/cometd{version}"
        async with self.session.post(url, json=list(messages), headers=headers) as response:
            found: list[Message] = json.loads(await response.text())
            return found

    async def handshake(self, **extra: Any) -> Message:
        hello = {
            "channel": "/meta/handshake",
            "version": "1.0",
            "supportedConnectionTypes": ["long-polling"],
            "id": "1",
        }
        (reply,) = await self.post({**hello, **extra})
        self.client_id = str(reply.get("clientId"))
        return reply

    async def connect(self) -> list[Message]:
        message = {"channel": "/meta/connect", "clientId": self.client_id, "connectionType": "long-polling", "id": "2"}
        return await self.post(message)

    async def subscribe(self, channel: str, replay: object = -2) -> list[Message]:
        ext = {"replay": {channel: replay}}
        message = {"channel": "/meta/subscribe", "clientId": self.client_id, "subscription": channel, "id": "3"}
        return await self.post({**message, "ext": ext})


@contextlib.asynccontextmanager
async def a_wire(settings: Settings | None = None, *, cookies: bool = True) -> AsyncIterator[tuple[Wire, Client]]:
    jar = aiohttp.CookieJar(unsafe=True) if cookies else aiohttp.DummyCookieJar()
    async with an_org(settings) as client, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Wire(client, session), client


def headers_of(messages: list[Message]) -> list[Message]:
    return [one["data"]["payload"]["ChangeEventHeader"] for one in messages if "data" in one]


async def test_salesforce_wire_handshake_connect_subscribe_receive() -> None:
    async with a_wire() as (wire, client):
        hello = await wire.handshake()
        assert (hello["successful"], hello["id"], "advice" in hello) == (True, "1", False)
        (first,) = await wire.connect()
        assert first["advice"] == {"interval": 0, "timeout": 110_000, "reconnect": "retry"}
        await client.create("Account", Name="A")
        reply, event = await wire.subscribe(SYNC)
        assert (reply["successful"], reply["subscription"]) == (True, SYNC)
        assert event["channel"] == SYNC
        assert set(event["data"]) == {"schema", "payload", "event"}
        await client.create("Account", Name="B")
        event, reply = await wire.connect()
        assert (event["data"]["payload"]["Name"], reply["successful"], "advice" in reply) == ("B", True, False)
        assert event["data"]["event"]["replayId"] > 0


async def test_salesforce_wire_refusals() -> None:
    async with a_wire() as (wire, client):
        assert (await wire.connect())[0]["error"] == "403::Unknown client"
        denied = (
            await wire.post({"channel": "/meta/handshake", "supportedConnectionTypes": ["long-polling"]}, token="x")
        )[0]
        assert denied["error"] == "403::Handshake denied"
        assert denied["ext"]["sfdc"]["failureReason"] == "401::Authentication invalid"
        hello = {"channel": "/meta/handshake", "supportedConnectionTypes": ["long-polling"]}
        assert "mandatory" in (await wire.post(hello, version=""))[0]["error"]
        assert "Unsupported API version" in (await wire.post(hello, version="/36.0"))[0]["error"]
        await wire.handshake()
        await wire.connect()
        for wrong in ("/data/NopeChangeEvent", "data/x", "/topic/X"):
            assert (await wire.subscribe(wrong))[0]["error"].startswith("400::")
        for replay in (99, "x", None, 10**17):
            assert "replayId" in (await wire.subscribe(SYNC, replay))[0]["error"]
        assert (await wire.post({"channel": "/foo", "data": {}}))[0]["successful"] is False
        await client.sim("/revoke-tokens", {})
        assert (await wire.connect())[0]["error"] == "401::Authentication invalid"


async def test_salesforce_wire_needs_its_cookie() -> None:
    async with a_wire(cookies=False) as (wire, _client):
        await wire.handshake()
        assert "no BAYEUX_BROWSER cookie present" in (await wire.connect())[0]["error"]


async def test_salesforce_wire_too_many_clients() -> None:
    async with a_wire(Settings(max_clients=1)) as (wire, _client):
        await wire.handshake()
        refused = await wire.handshake()
        assert refused["ext"]["sfdc"]["failureReason"] == "403::Organization concurrent user limit exceeded"


async def test_salesforce_wire_a_poll_ends_when_its_time_is_over_and_disconnect_ends_it() -> None:
    async with a_wire(Settings(hold_seconds=0.05)) as (wire, _client):
        await wire.handshake()
        await wire.connect()
        assert [one["successful"] for one in await wire.connect()] == [True]
        bye = {"channel": "/meta/disconnect", "clientId": wire.client_id, "id": "9"}
        assert (await wire.post(bye))[0]["successful"] is True
        assert (await wire.connect())[0]["advice"]["reconnect"] == "handshake"


async def test_salesforce_wire_unsubscribed_means_silent() -> None:
    async with a_wire(Settings(hold_seconds=0.05)) as (wire, client):
        await wire.handshake()
        await wire.connect()
        await wire.subscribe(SYNC)
        await wire.post({"channel": "/meta/unsubscribe", "clientId": wire.client_id, "subscription": SYNC})
        await client.create("Account", Name="A")
        assert [one["channel"] for one in await wire.connect()] == ["/meta/connect"]


async def test_salesforce_wire_replay_and_retention() -> None:
    async with a_wire() as (wire, client):
        await wire.handshake()
        await wire.connect()
        for name in ("A", "B", "C"):
            await client.create("Account", Name=name)
        ids = [event.replay for event in client.org.bus.events]
        assert any(after - before > 1 for before, after in itertools.pairwise(ids))
        assert [h["changeType"] for h in headers_of(await wire.subscribe(SYNC, ids[0]))] == ["CREATE", "CREATE"]
        assert headers_of(await wire.subscribe(SYNC, -1)) == []
        client.org.clock.advance(73 * 3600)
        assert headers_of(await wire.subscribe(SYNC, -2)) == []
        assert "replayId" in (await wire.subscribe(SYNC, ids[-1]))[0]["error"]  # aged out though nothing was missed


async def test_salesforce_wire_channels_carry_their_members() -> None:
    async with a_wire() as (wire, client):
        await wire.handshake()
        await wire.connect()
        await client.create("Account", Name="A")
        await client.create("Contact", LastName="not selected")
        await client.create("Expense__c", Name="E")
        assert len(headers_of(await wire.subscribe("/data/ChangeEvents"))) == 2
        assert len(headers_of(await wire.subscribe("/data/AccountChangeEvent"))) == 1
        assert len(headers_of(await wire.subscribe("/data/Expense__ChangeEvent"))) == 1
        await client.sim("/permissions", {"hide": ["Account"]})
        assert [h["entityName"] for h in headers_of(await wire.subscribe(SYNC))] == ["Expense__c"]
        assert "View All Data" in (await wire.subscribe("/data/AccountChangeEvent"))[0]["error"]


async def test_salesforce_wire_a_hidden_field_is_not_told() -> None:
    async with a_wire() as (wire, client):
        await wire.handshake()
        await wire.connect()
        account = await client.create("Account", Name="A", Phone="1", BillingCity="Leeds", BillingStreet="1 Road")
        await client.sim("/permissions", {"hide": ["Account.Phone", "Account.BillingCity"]})
        await client.sim("/edit", {"entity": "Account", "id": account, "fields": {"Phone": "2", "BillingCity": "York"}})
        events = [one["data"]["payload"] for one in (await wire.subscribe(SYNC))[1:]]
        assert "Phone" not in events[0]
        assert events[0]["BillingAddress"] == {"Street": "1 Road"}
        assert events[1]["ChangeEventHeader"]["changedFields"] == ["LastModifiedDate"]


async def test_salesforce_wire_an_enriched_channel_takes_merged_events_apart() -> None:
    async with a_wire() as (wire, client):
        await wire.handshake()
        await wire.connect()
        ids = [await client.create("Account", Name=f"A{n}", AccountNumber=f"N{n}") for n in range(2)]
        await client.sim("/channels", {"channel": "Rich__chn", "members": {"Account": ["AccountNumber"]}})
        await client.sim("/edit-many", {"entity": "Account", "ids": ids, "fields": {"Industry": "Retail"}})
        tip = client.org.bus.events[-2].replay
        events = (await wire.subscribe("/data/Rich__chn", tip))[1:]
        assert [one["data"]["payload"]["ChangeEventHeader"]["recordIds"] for one in events] == [[ids[0]], [ids[1]]]
        assert [one["data"]["payload"]["AccountNumber"] for one in events] == ["N0", "N1"]
        assert len({one["data"]["event"]["replayId"] for one in events}) == 1


async def test_salesforce_wire_gaps_overflows_and_wildcards() -> None:
    async with a_wire() as (wire, client):
        await wire.handshake()
        await wire.connect()
        account = await client.create("Account", Name="A")
        await client.sim("/gap", {"kind": "GAP_UPDATE", "entity": "Account", "ids": [account]})
        await client.sim("/gap", {"kind": "GAP_OVERFLOW", "entity": "Account"})
        await client.sim("/gap", {"kind": "UPDATE", "entity": "Account", "ids": ["001*"]})
        _, *told = headers_of(await wire.subscribe(SYNC))
        assert [(one["changeType"], one["recordIds"]) for one in told] == [
            ("GAP_UPDATE", [account]), ("GAP_OVERFLOW", ["000000000000000AAA"]), ("UPDATE", ["001*"]),
        ]  # fmt: skip


async def test_salesforce_wire_undelete_tells_all_fields_again() -> None:
    async with a_wire() as (wire, client):
        await wire.handshake()
        await wire.connect()
        account = await client.create("Account", Name="A", Phone="1")
        await client.sim("/delete", {"entity": "Account", "id": account})
        await client.sim("/undelete", {"entity": "Account", "id": account})
        _, gone, back = [one["data"]["payload"] for one in (await wire.subscribe(SYNC))[1:]]
        assert set(gone) == {"ChangeEventHeader"}
        assert (back["ChangeEventHeader"]["changeType"], back["Phone"]) == ("UNDELETE", "1")


async def test_salesforce_multi_currency_is_a_switch() -> None:
    async with an_org(Settings(multi_currency=True, currency="EUR")) as client:
        account = await client.create("Account", Name="A")
        deal = await client.create(
            "Opportunity",
            Name="D",
            AccountId=account,
            StageName="Prospecting",
            CloseDate="2026-01-01",
            CurrencyIsoCode="USD",
        )
        entry = (await client.rows("SELECT Id FROM PricebookEntry LIMIT 1"))[0]["Id"]
        line = await client.create(
            "OpportunityLineItem", OpportunityId=deal, PricebookEntryId=entry, Quantity=1, UnitPrice=1
        )
        assert (await client.rows("SELECT CurrencyIsoCode FROM Account"))[0]["CurrencyIsoCode"] == "EUR"
        assert (await client.rows("SELECT CurrencyIsoCode FROM OpportunityLineItem"))[0]["CurrencyIsoCode"] == "USD"
        refused = await client.data("PATCH", f"/sobjects/OpportunityLineItem/{line}", {"CurrencyIsoCode": "GBP"})
        assert refused[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    async with an_org() as client:
        unknown = await client.data("GET", "/query", q="SELECT CurrencyIsoCode FROM Account")
        assert unknown[0]["errorCode"] == "INVALID_FIELD"
