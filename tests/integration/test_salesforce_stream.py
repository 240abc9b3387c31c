"""The stream of change events against a simulated org: every trap of the library, shown and mended.

``plain`` is the library as it comes; ``ours`` is the same situation through ``ChangeStream``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiocometd_ng import utils as library_utils
from aiocometd_ng.constants import TransportState
from aiosfstream_ng.auth import AuthenticatorBase
from aiosfstream_ng.client import Client as LibraryClient
from aiosfstream_ng.client import ReplayMarkerStoragePolicy
from aiosfstream_ng.replay import DefaultMappingStorage, ReplayMarker

from connector.errors import AuthError, ConfigurationError, TryAgain, TwinledgerError, Unavailable
from connector.salesforce import cometd
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.bayeux import ReplayExpired
from connector.salesforce.stream import ChangeStream, StreamEvent, backoff, supervised
from connector.simulators.salesforce import Settings
from tests.integration.salesforce_org import Client, an_org

CHANNEL = "/data/TwinledgerSync__chn"
SOON = 20  # a bound of every wait, not a measure of anything


def credentials(client: Client) -> ClientCredentials:
    settings = client.org.settings
    return ClientCredentials(
        client.http, f"{client.base}/services/oauth2/token", settings.client_id, settings.client_secret
    )


class Listener:
    """Reads a stream in the background; ``positions`` is what the caller has stored."""

    def __init__(self, client: Client, *, start: int = cometd.ALL_KEPT, channels: tuple[str, ...] = (CHANNEL,)) -> None:
        self.positions: dict[str, int] = {}
        self.asked: list[int] = []
        self.start = start
        self.events: asyncio.Queue[StreamEvent] = asyncio.Queue()
        self.stream = ChangeStream(credentials(client), channels, self._replay_from)
        self.task = asyncio.create_task(self._read())

    def _replay_from(self, channel: str) -> int:
        self.asked.append(self.positions.get(channel, self.start))
        return self.asked[-1]

    async def _read(self) -> None:
        async for event in self.stream:
            await self.events.put(event)

    async def next(self) -> StreamEvent:
        got = asyncio.create_task(self.events.get())
        done, _ = await asyncio.wait({got, self.task}, timeout=SOON, return_when=asyncio.FIRST_COMPLETED)
        if got not in done:
            got.cancel()
            if self.task in done:
                self.task.result()
            raise TimeoutError("no event came")
        return got.result()

    async def ended(self) -> BaseException | None:
        await asyncio.wait({self.task}, timeout=SOON)
        return self.task.exception()

    async def store(self, event: StreamEvent) -> None:
        self.positions[event.channel] = event.replay_id


@contextlib.asynccontextmanager
async def ours(client: Client, **options: Any) -> AsyncIterator[Listener]:
    listener = Listener(client, **options)
    try:
        yield listener
    finally:
        listener.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, TwinledgerError):
            await listener.task
        await listener.stream.aclose()


class LibraryAuth(AuthenticatorBase):
    """The library's own hook, with a count of sign-ins."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.sign_ins = 0

    async def _authenticate(self) -> tuple[int, dict[str, Any]]:
        self.sign_ins += 1
        token = self.client.org.issue_token()
        return 200, {"access_token": token, "token_type": "Bearer", "instance_url": self.client.base}


@contextlib.asynccontextmanager
async def plain(client: Client, replay: dict[str, ReplayMarker] | None = None, **options: Any) -> AsyncIterator[Any]:
    """The library as it comes (with a cookie jar that takes cookies from an IP address)."""
    storage = DefaultMappingStorage(replay or {}, -2)
    auth = LibraryAuth(client)
    library = LibraryClient(
        auth, replay=storage, replay_storage_policy=ReplayMarkerStoragePolicy.MANUAL, connection_timeout=5, **options
    )
    library._http_session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    try:
        await library.open()
        yield library
    finally:
        if library._transport is not None:
            await library._transport.disconnect()
        await library._http_session.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110  the library has no event for what is awaited here
            await asyncio.sleep(0.01)


def sessions(client: Client) -> int:
    return sum(1 for one in client.control.requests if one.path.startswith("/cometd"))


def payload(event: StreamEvent) -> dict[str, Any]:
    data = json.loads(event.payload, parse_float=Decimal)
    found: dict[str, Any] = data["payload"]
    return found


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


def live(client: Client) -> list[dict[str, Any]]:
    sim = client.org.forgetters[0].__self__
    return [{"id": s.id, "subscriptions": list(s.subscriptions)} for s in sim.live.values()]


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


def token_calls(client: Client) -> int:
    return sum(1 for one in client.control.requests if one.path.endswith("/oauth2/token"))


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


async def heard(library: Any) -> str:
    """The next event in the library's queue: its own receive() breaks at the first blip (B1)."""
    async with asyncio.timeout(SOON):
        return str((await library._incoming_queue.get())["data"]["payload"]["Name"])


async def held(client: Client) -> None:
    """Until the server holds a poll: what is armed now strikes the one after it."""
    server = client.org.forgetters[0].__self__
    await until(lambda: any(one.waiting for one in server.live.values()))


def struck(client: Client) -> int:
    return sum(one.hits for one in client.control.faults.values())


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
