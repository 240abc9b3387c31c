"""Every trap of the streaming library, shown and mended: ``plain`` is the library as it comes, ``ours`` the same
situation through ``ChangeStream``."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiocometd_ng import utils as library_utils
from aiocometd_ng.constants import TransportState
from aiosfstream_ng.replay import ReplayMarker

from connector.errors import ConfigurationError, TryAgain, TwinledgerError
from connector.salesforce import cometd
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.bayeux import ReplayExpired
from connector.salesforce.stream import ChangeStream, supervised
from connector.simulators.salesforce import Settings
from tests.integration.salesforce_listener import (
    CHANNEL,
    credentials,
    ours,
    payload,
    plain,
    sessions,
    token_calls,
    until,
)
from tests.integration.salesforce_org import an_org

# --- the traps -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:coroutine .TransportBase.wait_for_state:RuntimeWarning")
async def test_salesforce_b1_a_network_blip() -> None:
    async with an_org() as client:
        async with plain(client) as library:
            await library.subscribe(CHANNEL)
            library._transport._state = TransportState.CONNECTING
            with pytest.raises(TypeError):  # its own time-out cannot even be awaited on a current Python
                await library._wait_connection_timeout(5)
        async with ours(client) as listener:
            await client.create("Account", Name="A")
            await listener.store(await listener.next())
            await client.sim("/faults", {"kind": "cut-before-commit", "match": {"path": "/cometd"}, "count": 1})
            await client.create("Account", Name="B")  # answers the poll that is held; the next one is cut
            await listener.store(await listener.next())
            await client.create("Account", Name="C")
            assert payload(await listener.next())["Name"] == "C"


async def test_salesforce_b2_a_refused_resubscribe() -> None:
    async with an_org() as client:
        await client.create("Account", Name="A")
        marker = {CHANNEL: ReplayMarker("1", client.org.bus.tip)}
        async with plain(client, marker) as library:
            await library.subscribe(CHANNEL)
            client.org.clock.advance(80 * 3600)
            await client.sim("/forget-sessions", {})
            await until(lambda: not library.subscriptions)
            assert library._transport.state is TransportState.CONNECTED  # looks healthy, hears nothing
        async with ours(client) as listener:
            await client.sim("/edit", {"entity": "Account", "fields": {"Name": "B"}})
            await listener.store(await listener.next())
            client.org.clock.advance(80 * 3600)
            await client.sim("/forget-sessions", {})
            error = await listener.ended()
            assert isinstance(error, ReplayExpired)
            assert (error.channel, error.replay_id) == (CHANNEL, listener.positions[CHANNEL])


async def test_salesforce_b3_an_interval_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.Event().wait()

    async with an_org(Settings(advice_interval_ms=500)) as client:
        with monkeypatch.context() as patched:
            patched.setattr(library_utils, "asyncio", type("Clock", (), {"sleep": staticmethod(sleep)}))
            async with plain(client):
                await until(lambda: bool(slept))
            assert slept == [500]  # seconds: eight minutes away from a server that waits forty seconds
        async with ours(client) as listener:
            await client.create("Account", Name="A")
            assert payload(await listener.next())["Name"] == "A"


async def test_salesforce_b4_an_advice_without_a_timeout() -> None:
    forgotten = {"channel": "/meta/connect", "successful": False, "advice": {"interval": 0, "reconnect": "handshake"}}
    async with an_org() as client:
        async with plain(client) as library:
            await library._transport._consume_payload([forgotten])
            assert library._transport.request_timeout is None  # waits for ever on a half-open connection
        async with ours(client) as listener:
            await client.create("Account", Name="A")
            await listener.next()
            transport = listener.stream._client.transport
            await transport._consume_payload([dict(forgotten)])
            assert transport.request_timeout == pytest.approx(132)
            assert transport.reconnect_advice["timeout"] == 110_000


async def test_salesforce_b5_a_busy_server_is_no_reason_to_sign_in() -> None:
    reason = "503::Server is too busy.  Please try your request again later."
    advice = {"reconnect": "none", "interval": 0}
    busy = {"error": "401::Authentication invalid", "advice": advice, "ext": {"sfdc": {"failureReason": reason}}}
    staged = {"channel": "/meta/connect", "answer": busy, "count": 50}
    async with an_org() as client, plain(client) as library:
        await client.sim("/stage-error", staged)
        await until(lambda: library.auth.sign_ins > 1)
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.next()
        before = token_calls(client)
        await client.sim("/stage-error", staged)
        await client.create("Account", Name="B")
        await listener.next()
        error = await listener.ended()
        assert isinstance(error, TryAgain)
        assert (error.code, error.retry_after, token_calls(client)) == ("salesforce.stream-busy", 120, before)


async def test_salesforce_b5_the_daily_limit() -> None:
    async with an_org(Settings(event_limit=2)) as client, ours(client) as listener:
        for name in ("A", "B", "C"):
            await client.create("Account", Name=name)
        error = await listener.ended()
        assert isinstance(error, TryAgain)
        assert error.code == "salesforce.stream-limit"


async def test_salesforce_b6_a_slow_consumer_keeps_its_session() -> None:
    async with an_org() as client:
        for number in range(5):
            await client.create("Account", Name=f"A{number}")
        async with plain(client, max_pending_count=2) as library:
            subscribing = asyncio.create_task(library.subscribe(CHANNEL))
            await until(lambda: library.pending_count == 2)
            assert not subscribing.done()  # blocked inside the answer; no connect goes out meanwhile (B7 too)
            subscribing.cancel()
        async with ours(client) as listener:
            first = await listener.next()
            polls = sessions(client)
            await client.sim("/settings", {"hold_seconds": 0.01})
            await client.create("Account", Name="wake")  # ends the poll that is still held for long
            await until(lambda: sessions(client) > polls + 3)  # polling goes on though nobody has read on
            assert payload(first)["Name"] == "A0"
            assert [payload(await listener.next())["Name"] for _ in range(4)] == ["A1", "A2", "A3", "A4"]


async def test_salesforce_b6_a_consumer_that_is_too_slow_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cometd, "MAX_PENDING_BYTES", 3000)
    async with an_org() as client:
        for number in range(10):
            await client.create("Account", Name=f"A{number}")
        async with ours(client) as listener:
            error = await listener.ended()
            assert isinstance(error, TryAgain)
            assert error.code == "salesforce.stream-slow-consumer"
            assert payload(await listener.next())["Name"] == "A0"  # what fitted is not lost


async def test_salesforce_b10_an_answer_that_is_no_bayeux() -> None:
    array = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    staged = {"channel": "/meta/connect", "http": {"status": 401, "body": array}, "count": 1}
    async with an_org() as client, plain(client) as library:
        await client.sim("/stage-error", staged)
        await client.sim("/settings", {"hold_seconds": 0.01})
        client.org.bus.listeners[0]()
        await until(
            lambda: library._transport._connect_task.done() or library._transport.state is TransportState.CONNECTING
        )
        assert library.auth.sign_ins == 1  # it tries again blindly and never signs in
    async with an_org() as client, ours(client) as listener:
        await client.create("Account", Name="A")
        await listener.store(await listener.next())
        before = token_calls(client)
        await client.sim("/stage-error", staged)
        await client.create("Account", Name="B")
        await listener.next()
        await client.create("Account", Name="C")
        assert payload(await listener.next())["Name"] == "C"
        assert token_calls(client) == before + 1


async def test_salesforce_b12_version_and_secrets() -> None:
    async with an_org() as client:
        async with plain(client) as library:
            assert library.url.endswith("/cometd/45.0")
        async with ours(client) as listener:
            await client.create("Account", Name="A")
            await listener.next()
            inner = listener.stream._client
            assert inner.url.endswith(f"/cometd/{cometd.API_VERSION}")
            assert client.org.settings.client_secret not in f"{inner!r} {inner.auth!r} {listener.stream!r}"


async def test_salesforce_b15_the_supervisor_starts_again() -> None:
    """The library's loop simply ends when its client is closed; ours goes on with a new stream."""
    async with an_org() as client:
        async with plain(client) as library:
            await library.subscribe(CHANNEL)
            await library.close()
            assert [message async for message in library] == []
        await client.create("Account", Name="A")
        positions = {CHANNEL: -2}
        waited: list[tuple[str, int]] = []

        async def pause(error: TwinledgerError, failures: int) -> None:
            waited.append((error.code, failures))
            await client.create("Account", Name="C")

        def connect() -> ChangeStream:
            return ChangeStream(credentials(client), [CHANNEL], lambda channel: positions[channel])

        names: list[str] = []
        async with contextlib.aclosing(supervised(connect, pause=pause)) as stream:
            async for event in stream:
                positions[event.channel] = event.replay_id
                names.append(payload(event)["Name"])
                if names == ["A"]:  # the poll that is held brings B; the next one is refused
                    busy = {"error": "503::Server is too busy.  Please try your request again later."}
                    await client.sim("/stage-error", {"channel": "/meta/connect", "answer": busy, "count": 1})
                    await client.create("Account", Name="B")
                if names[-1] == "C":
                    break
        assert names == ["A", "B", "C"]
        assert waited == [("salesforce.stream-busy", 1)]


async def test_salesforce_b15_what_no_retry_can_mend_goes_through() -> None:
    async with an_org() as client:
        waited: list[str] = []

        async def pause(error: TwinledgerError, _failures: int) -> None:
            waited.append(error.code)
            if len(waited) == 3:
                client.org.settings.client_secret = "right"

        wrong = ClientCredentials(client.http, f"{client.base}/services/oauth2/token", "twinledger", "right")
        with pytest.raises(ConfigurationError, match="doesn"):
            async for _ in supervised(lambda: ChangeStream(wrong, ["/data/Nobody__chn"], lambda _: -1), pause=pause):
                pass
        assert waited == ["salesforce.sign-in-refused"] * 3
