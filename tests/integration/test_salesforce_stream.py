"""The stream of change events against a simulated org, as it should be, and what it refuses."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from connector.errors import AuthError, ConfigurationError, TryAgain, Unavailable
from connector.salesforce import cometd
from connector.salesforce.bayeux import ReplayExpired
from connector.salesforce.stream import ChangeStream, backoff
from tests.integration.salesforce_listener import (
    CHANNEL,
    credentials,
    live,
    ours,
    payload,
    until,
)
from tests.integration.salesforce_org import an_org

# --- the stream as it should be --------------------------------------------------------------------------------------


async def test_salesforce_stream_brings_every_change_with_its_exact_bytes() -> None:
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="Größe", AnnualRevenue="12345678901234567")
        event = await listener.next()
        assert event.channel == CHANNEL
        assert payload(event)["AnnualRevenue"] == Decimal("12345678901234567")
        assert b'"AnnualRevenue":12345678901234567.0' in event.payload
        assert event.payload.startswith(b'{"schema":')
        assert "Größe".encode() in event.payload


async def test_salesforce_stream_resumes_behind_the_stored_position() -> None:
    async with an_org() as client:
        for name in ("A", "B", "C"):
            await client.create("Account", Name=name)
        second = client.org.bus.events[1].replay
        async with ours(client, start=second) as listener:
            assert payload(await listener.next())["Name"] == "C"
        assert listener.asked == [second]


async def test_salesforce_stream_new_only_skips_what_was() -> None:
    async with an_org() as client:
        await client.create("Account", Name="old")
        async with ours(client, start=cometd.NEW_ONLY) as listener:
            await until(lambda: any("subscriptions" in one and one["subscriptions"] for one in live(client)))
            await client.create("Account", Name="new")
            assert payload(await listener.next())["Name"] == "new"


async def test_salesforce_stream_that_another_task_closes_tells_its_reader_and_nobody_else_stumbles() -> None:
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.next()
        assert listener.stream.subscribed == listener.stream.wanted
        closing = asyncio.create_task(listener.stream.aclose())
        while not closing.done():  # readiness asks at any moment
            assert listener.stream.silent_for is None or listener.stream.silent_for >= 0
            assert listener.stream.subscribed <= listener.stream.wanted
            await asyncio.sleep(0)
        error = await listener.ended()
        assert isinstance(error, Unavailable)
        assert listener.stream.silent_for is None


async def test_salesforce_stream_survives_a_forgotten_session() -> None:
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        first = await listener.next()
        await listener.store(first)
        await client.sim("/forget-sessions", {})
        await client.create("Account", Name="B")
        assert payload(await listener.next())["Name"] == "B"
        assert listener.asked[-1] == first.replay_id


async def test_salesforce_stream_survives_a_revoked_token() -> None:
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.store(await listener.next())
        await client.sim("/revoke-tokens", {})
        await client.sim("/edit", {"entity": "Account", "fields": {"Name": "B"}})
        assert payload(await listener.next())["Name"] == "B"


# --- refusals at the start -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["/data/NopeChangeEvent", "/data/Nope__chn", "/topic/Old"])
async def test_salesforce_stream_unknown_channels_are_configuration(channel: str) -> None:
    async with an_org() as client, ours(client, channels=(channel,)) as listener:
        error = await listener.ended()
        assert isinstance(error, ConfigurationError)
        assert channel in str(error)


async def test_salesforce_stream_without_the_right_to_see_the_object() -> None:
    async with an_org() as client:
        await client.sim("/permissions", {"hide": ["Account"]})
        async with ours(client, channels=("/data/AccountChangeEvent",)) as listener:
            assert isinstance(await listener.ended(), ConfigurationError)


async def test_salesforce_stream_an_expired_position() -> None:
    async with an_org() as client:
        await client.create("Account", Name="A")
        old = client.org.bus.tip
        client.org.clock.advance(73 * 3600)
        async with ours(client, start=old) as listener:
            error = await listener.ended()
            assert isinstance(error, ReplayExpired)
            assert (error.channel, error.replay_id) == (CHANNEL, old)


async def test_salesforce_stream_nobody_there() -> None:
    async with an_org() as client:
        here = credentials(client)
        await here.token()
        await client.sim("/faults", {"kind": "cut-before-commit", "match": {"path": "/cometd"}, "count": None})
        stream = ChangeStream(here, [CHANNEL], lambda _: -1)
        with pytest.raises(Unavailable):
            async for _ in stream:
                pass


def test_salesforce_backoff_grows_and_obeys() -> None:
    away = Unavailable("x", "x")
    assert [backoff(away, n) for n in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]
    assert backoff(TryAgain("x", "x", retry_after=900), 1) == 900
    assert backoff(AuthError("x", "x"), 1) == 30


async def test_salesforce_stream_that_is_silent_too_long_is_given_up() -> None:
    async with an_org() as client:
        stream = ChangeStream(credentials(client), [CHANNEL], lambda _: -1, silent_seconds=0.2)
        with pytest.raises(Unavailable) as silent:
            async for _ in stream:
                pass
        assert silent.value.code == "salesforce.stream-silent"
