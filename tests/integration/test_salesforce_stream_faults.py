"""What a server does to a stream at the worst moment; ``plain`` is the library as it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiocometd_ng.constants import TransportState

from connector.errors import AuthError, Unavailable
from connector.salesforce import cometd
from connector.salesforce.stream import ChangeStream
from tests.integration.salesforce_listener import (
    CHANNEL,
    credentials,
    heard,
    held,
    ours,
    payload,
    plain,
    sessions,
    struck,
    token_calls,
    until,
)
from tests.integration.salesforce_org import an_org

# --- what a server does at the worst moment ---------------------------------------------------------------------------


async def test_salesforce_an_answer_lost_at_the_turn_of_a_poll() -> None:
    """The server counts what it wrote into a lost answer as delivered; the same session never brings it again."""
    lost = {"kind": "cut-after-commit", "match": {"path": "/cometd"}, "count": 1}
    async with an_org() as client, plain(client) as library:
        await library.subscribe(CHANNEL)
        await client.create("Account", Name="A")
        assert await heard(library) == "A"
        await held(client)
        await client.sim("/faults", lost)
        await client.create("Account", Name="B")  # answers the poll that is held; the next one is armed
        assert await heard(library) == "B"
        await client.create("Account", Name="C")  # in the answer that is cut
        await until(lambda: struck(client) == 1)
        polls = sessions(client)
        await until(lambda: sessions(client) > polls)
        await client.create("Account", Name="D")
        assert await heard(library) == "D"  # C is lost without a word
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.store(await listener.next())
        await held(client)
        await client.sim("/faults", lost)
        await client.create("Account", Name="B")
        await listener.store(await listener.next())
        await client.create("Account", Name="C")
        assert payload(await listener.next())["Name"] == "C"
        assert struck(client) == 1


async def test_salesforce_a_server_that_disconnects_by_itself() -> None:
    gone = {"channel": "/meta/connect", "http": {"status": 200, "body": [{"channel": "/meta/disconnect"}]}, "count": 1}
    async with an_org() as client, plain(client) as library:
        await library.subscribe(CHANNEL)
        await client.sim("/stage-error", gone)
        handshakes = len(client.org.forgetters[0].__self__.live)
        await client.create("Account", Name="wake")
        await heard(library)
        await until(lambda: library._transport.state is TransportState.CONNECTING)
        assert len(client.org.forgetters[0].__self__.live) == handshakes  # it clings to the session that is over
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.store(await listener.next())
        await client.sim("/stage-error", gone)
        await client.create("Account", Name="B")
        await listener.store(await listener.next())
        await client.create("Account", Name="C")
        assert payload(await listener.next())["Name"] == "C"
        assert len(listener.asked) == 2  # subscribed anew, behind what was stored


@pytest.mark.parametrize("error", ["403::Unknown client", "402::Unknown client", "403:x:session_unknown"])
async def test_salesforce_unknown_client_whatever_the_advice_says(error: str) -> None:
    staged = {"error": error, "advice": {"reconnect": "none", "interval": 0}}
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.store(await listener.next())
        await client.sim("/stage-error", {"channel": "/meta/connect", "answer": staged, "count": 1})
        await client.create("Account", Name="B")
        await listener.store(await listener.next())
        await client.create("Account", Name="C")
        assert payload(await listener.next())["Name"] == "C"
        assert token_calls(client) == 2  # the test's own and ours: no sign-in for a forgotten session


async def test_salesforce_b2_a_resubscribe_without_an_answer() -> None:
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.store(await listener.next())
        body = [{"channel": "/meta/connect", "successful": True, "id": "1"}]
        await client.sim("/stage-error", {"channel": "/meta/subscribe", "http": {"status": 200, "body": body}})
        await client.sim("/forget-sessions", {})
        error = await listener.ended()
        assert isinstance(error, Unavailable)
        assert error.code == "salesforce.stream-unsubscribed"


async def test_salesforce_b7_two_channels_full_of_events() -> None:
    async with an_org() as client:
        for number in range(20):
            await client.create("Account", Name=f"A{number}")
        both = (CHANNEL, "/data/AccountChangeEvent")
        async with plain(client, max_pending_count=5) as library:
            subscribing = asyncio.create_task(library.subscribe(CHANNEL))
            await until(lambda: library.pending_count == 5)
            assert not subscribing.done()  # nobody reads before both are subscribed: it waits for ever
            subscribing.cancel()
        async with ours(client, channels=both) as listener:
            seen = [await listener.next() for _ in range(40)]
            assert {event.channel for event in seen} == set(both)


async def test_salesforce_b8_closing_is_no_error() -> None:
    said: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: said.append(str(context["message"])))
    try:
        async with an_org() as client:
            async with plain(client) as library:
                await library.subscribe(CHANNEL)
            await until(lambda: bool(said))
            assert "_connect_done" in said[0]
            said.clear()
            async with ours(client) as listener:
                await client.create("Account", Name="A")
                await listener.next()
            assert said == []
    finally:
        loop.set_exception_handler(None)


async def test_salesforce_b9_a_refused_sign_in_is_told_not_hammered() -> None:
    async with an_org() as client:
        async with plain(client) as library:
            await library.subscribe(CHANNEL)
            monitored = library.auth

            async def refuses() -> tuple[int, dict[str, Any]]:
                monitored.sign_ins += 1
                return 400, {"error": "invalid_grant", "error_description": "no"}

            monitored._authenticate = refuses
            await client.sim("/revoke-tokens", {})
            await until(lambda: library._transport.state is TransportState.CONNECTING)
            task = library._transport._connect_task
            await until(lambda: library._transport._connect_task is not task)  # again each second, and nobody is told
            assert monitored.sign_ins == 2  # nor does it ever sign in again
        await client.sign_in()
        async with ours(client) as listener:
            await client.create("Account", Name="A")
            await listener.next()
            before = token_calls(client)
            client.org.settings.client_secret = "changed"
            await client.sim("/revoke-tokens", {})
            error = await listener.ended()
            assert isinstance(error, AuthError)
            assert token_calls(client) == before + 1


async def test_salesforce_b11_a_slow_answer_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"kind": "delay", "match": {"path": "/cometd"}, "count": None, "options": {"ms": 2000}}
    async with an_org() as client:
        async with plain(client) as library:
            library._transport._reconnect_advice = {"timeout": 50, "reconnect": "retry", "interval": 0}
            fault = await client.sim("/faults", slow)
            with pytest.raises(TimeoutError):  # neither an error of the library nor of its transport
                await library.subscribe(CHANNEL)
            await client.call("DELETE", f"/__sim/faults/{fault['id']}")
        monkeypatch.setattr(cometd, "REQUEST_SECONDS", 0.05)
        here = credentials(client)
        await here.token()
        await client.sim("/faults", slow)
        with pytest.raises(Unavailable) as away:
            async for _ in ChangeStream(here, [CHANNEL], lambda _: -1):
                pass
        assert away.value.code == "salesforce.stream-away"


async def test_salesforce_b13_what_a_token_answer_may_overwrite() -> None:
    async with an_org() as client, plain(client) as library:
        known = {"access_token": client.token, "token_type": "Bearer", "instance_url": client.base}

        async def answers() -> tuple[int, dict[str, Any]]:
            return 200, {**known, "outgoing": "an attribute of ours"}

        library.auth._authenticate = answers
        await library.auth.authenticate()
        assert library.auth.outgoing == "an attribute of ours"  # a method is gone
        auth = cometd.Authenticator(credentials(client))
        before = dict(vars(auth))
        await auth.authenticate()
        moved = {name for name, value in vars(auth).items() if not name.startswith("_") and before.get(name) != value}
        assert moved <= {"access_token", "token_type", "instance_url"}
