"""aiosfstream-ng with its traps mended: everything that we change in the library is in this file.

The library is used for the protocol (messages, message ids, extensions, the connect task). Where it stalls in silence
we override; each override's docstring names the trap, B1 to B15 of the audit of aiosfstream-ng 0.7.5 and aiocometd-ng
0.5.6. What capture uses of it is in stream.py.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiocometd_ng.constants import MetaChannel, TransportState
from aiocometd_ng.exceptions import AiocometdException, TransportError
from aiocometd_ng.transports.abc import Transport
from aiocometd_ng.transports.long_polling import LongPollingTransport
from aiosfstream_ng.auth import AuthenticatorBase
from aiosfstream_ng.client import Client, ReplayMarkerStoragePolicy
from aiosfstream_ng.exceptions import AiosfstreamException
from aiosfstream_ng.replay import ReplayMarker, ReplayMarkerStorage

from connector.errors import DataError, TryAgain, TwinledgerError, Unavailable
from connector.salesforce.auth import Credentials, Token
from connector.salesforce.bayeux import RAW, Verdict, error_of, judge, messages

API_VERSION = "62.0"
NEW_ONLY, ALL_KEPT = -1, -2
CLOSE_SECONDS = 2
REQUEST_SECONDS = 30.0  # handshake, subscribe, disconnect
CONNECT_SECONDS = 130.0  # a connect is held for up to 110 s
LONGEST_INTERVAL = 20.0  # the session is dropped when a client stays away for 40 s
MAX_RESPONSE = 64 * 1024 * 1024
MAX_PENDING_BYTES = 64 * 1024 * 1024
MAX_HANDSHAKES = 5  # in a row without a connect between them
MAX_FAILED_POLLS = 3
RENEW_SECONDS = 30.0  # two sign-ins are at least so far apart


class Positions(ReplayMarkerStorage):
    """Replay ids come from the caller at every subscribe, and nothing is ever stored here.

    The library's default stores a marker before its consumer has seen the message and compares markers as texts; a
    channel without a marker starts at -1 and skips history in silence.
    """

    def __init__(self, replay_from: Callable[[str], int]) -> None:
        super().__init__()
        self._replay_from = replay_from
        self._received: dict[str, int] = {}

    def asked(self, channel: str) -> int:
        """The caller's position; while it has none, a re-handshake goes on where we were instead of at the tip."""
        position = self._replay_from(channel)
        return self._received.get(channel, position) if position == NEW_ONLY else position

    def note(self, channel: str, replay_id: int) -> None:
        if replay_id >= 0:
            self._received[channel] = replay_id

    async def insert_replay_id(self, message: dict[str, Any]) -> None:
        channel = message["subscription"]
        message["ext"] = {**message.get("ext", {}), "replay": {channel: self.asked(channel)}}

    async def get_replay_marker(self, subscription: str) -> ReplayMarker | None:
        return None

    async def set_replay_marker(self, subscription: str, replay_marker: ReplayMarker) -> None:
        return None


class Authenticator(AuthenticatorBase):
    """Our credentials behind the library's hook."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials
        self._held: Token | None = None
        self._renewed_at = float("-inf")

    def __repr__(self) -> str:
        """B12: the library logs repr(authenticator), with password and refresh token."""
        return "Authenticator()"

    async def authenticate(self) -> None:
        """B13: the library pours the whole token answer over its own attributes; we set the three that it needs."""
        await self._use(await self._credentials.token())

    async def renew(self) -> bool:
        """B5: sign in again, but not more often than RENEW_SECONDS. False when it is too early."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at < RENEW_SECONDS or self._held is None:
            return False
        self._renewed_at = now
        before = self._held
        await self._use(await self._credentials.renew(before))
        if self._held.instance_url != before.instance_url:
            raise Unavailable("salesforce.stream-moved", f"The org moved to {self._held.instance_url}; connecting anew")
        return True

    async def _use(self, token: Token) -> None:
        self._held = token
        self.access_token, self.token_type, self.instance_url = token.access, "Bearer", token.instance_url

    async def _authenticate(self) -> tuple[int, dict[str, Any]]:
        raise NotImplementedError("authenticate() is overridden")


class StreamTransport(LongPollingTransport):
    """Long polling that says when it is in trouble instead of stalling."""

    def __init__(self, *, positions: Positions, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positions = positions
        self.trouble: TwinledgerError | None = None
        self.news = asyncio.Event()  # an event is queued, or trouble
        self.wanted: set[str] = set()
        self.pending_bytes = 0
        self.polled_at = self._loop.time()
        self._handshakes = 0
        self._failed_polls = 0
        self._sent_away = False
        self.confirmed: set[str] = set()  # channels that the server has said yes to in this session

    def stop(self, trouble: TwinledgerError) -> None:
        """The first trouble is told to the consumer; the connect task ends."""
        if self.trouble is None and self.state not in (TransportState.DISCONNECTING, TransportState.DISCONNECTED):
            self.trouble = trouble
        self.news.set()

    @property
    def request_timeout(self) -> float | None:
        """B4: an advice without ``timeout`` (403::Unknown client) made every later request wait for ever."""
        advised = super().request_timeout
        return max(float(advised), REQUEST_SECONDS) if advised is not None else CONNECT_SECONDS

    async def _connect(self) -> dict[str, Any]:
        """B2: a resubscribe that nobody answers is no subscription either."""
        again = bool(self._subscribe_on_connect and self.subscriptions)
        if again:
            self.confirmed.clear()
        result: dict[str, Any] = await super()._connect()
        silent = self.subscriptions - self.confirmed
        if again and silent and result.get("successful"):
            message = f"No answer to the subscription of {', '.join(sorted(silent))}"
            self.stop(Unavailable("salesforce.stream-unsubscribed", message))
        return result

    async def _send_payload_with_auth(self, payload: list[dict[str, Any]]) -> dict[str, Any]:
        """B5: the library signs in again on every 401 and 403, a busy server and the daily limit among them."""
        response = await self._send_payload(payload)
        if judge(response).verdict is not Verdict.RENEW or not isinstance(self._auth, Authenticator):
            return response
        return await self._send_payload(payload) if await self._auth.renew() else response

    async def _send_final_payload(self, payload: list[dict[str, Any]], *, headers: Any) -> dict[str, Any]:
        """B4, B10, B11: a bound for every request, answers that are no Bayeux, timeouts that were no TransportError."""
        connects = any(message["channel"] == MetaChannel.CONNECT for message in payload)
        seconds = self.request_timeout if connects else REQUEST_SECONDS
        try:
            async with self._http_semaphore, asyncio.timeout(seconds):
                response = await self._http_session.post(self._url, json=payload, headers=headers, ssl=self.ssl or True)
                text = (await _bounded(response)).decode("utf-8")
            found = messages(text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error
        except (DataError, UnicodeDecodeError) as error:
            return await self._not_bayeux(error, payload, headers)
        return await self._answered(found, payload, response.headers)

    async def _not_bayeux(self, error: Exception, payload: list[dict[str, Any]], headers: Any) -> dict[str, Any]:
        """B10: the REST error array (INVALID_SESSION_ID) killed the connect task again and again, never signing in."""
        if "INVALID_SESSION_ID" in str(error):
            said = "401::Authentication invalid"
            return {"channel": payload[0]["channel"], "successful": False, "error": said}
        raise TransportError(str(error)) from error

    async def _answered(
        self, found: list[dict[str, Any]], payload: list[dict[str, Any]], headers: Any
    ) -> dict[str, Any]:
        """The reply to the first message. Replies may lack channel and id, and an id may come back as a number.

        A server that sends /meta/disconnect by itself has closed the session: the library takes no notice of it.
        """
        ours = payload[0]["channel"]
        dropped = ours != MetaChannel.DISCONNECT and any(one.get("channel") == MetaChannel.DISCONNECT for one in found)
        found = [one for one in found if not (dropped and one.get("channel") == MetaChannel.DISCONNECT)]
        self._sent_away = self._sent_away or dropped
        for message in found:
            if "channel" not in message:  # 403::Unknown client is documented without a channel
                message["channel"] = payload[0]["channel"]
                message.setdefault("id", payload[0].get("id"))
            if "id" in message and message["id"] is not None:
                message["id"] = str(message["id"])
        response = await self._consume_payload(found, headers=headers, find_response_for=payload[0])
        if response is None and dropped:
            return {"channel": ours, "successful": False, "error": "403::Unknown client: disconnected by the server"}
        if response is None:
            raise TransportError(f"no reply to {payload[0]['channel']} in the answer")
        return response

    async def _consume_payload(
        self, payload: list[dict[str, Any]], *, headers: Any = None, find_response_for: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """B4: an advice is merged into the one before, not put in its place."""
        before = dict(self._reconnect_advice)
        result = await super()._consume_payload(payload, headers=headers, find_response_for=find_response_for)
        self._reconnect_advice = {**before, **self._reconnect_advice}
        return result

    def _update_subscriptions(self, response_message: dict[str, Any]) -> None:
        """B2: a refused resubscribe was dropped in silence: connected for ever, subscribed to nothing."""
        channel = response_message.get("subscription")
        if response_message["channel"] == MetaChannel.SUBSCRIBE and not response_message.get("successful"):
            answer = judge(response_message)
            if answer.verdict is Verdict.HANDSHAKE:  # the connect answers the same and handshakes
                return
            name = str(channel or ", ".join(sorted(self.wanted)))
            self.stop(error_of(answer, channel=name, replay_id=self.positions.asked(name)))
            return
        if response_message["channel"] == MetaChannel.SUBSCRIBE and isinstance(channel, str):
            self.confirmed.add(channel)
        super()._update_subscriptions(response_message)

    async def _consume_message(self, response_message: dict[str, Any]) -> None:
        """B6: the library waits here for a slow consumer, sends no connect meanwhile and loses the session.

        Everything goes into an unbounded queue at once; a consumer that is too far behind ends the stream instead and
        comes back from its own position.
        """
        if "data" not in response_message or RAW not in response_message:
            return
        self.pending_bytes += len(response_message[RAW])
        if self.pending_bytes > MAX_PENDING_BYTES:
            message = f"{self.pending_bytes} bytes of events wait for the consumer"
            self.stop(TryAgain("salesforce.stream-slow-consumer", message, retry_after=5))
            return
        self.incoming_queue.put_nowait(response_message)
        self.news.set()

    def _connect_done(self, future: asyncio.Future[dict[str, Any]]) -> None:
        """B8, B9: a cancelled poll is no error; a lost one is tried again a few times, then told."""
        if future.cancelled() or self.state in (TransportState.DISCONNECTING, TransportState.DISCONNECTED):
            return
        error = future.exception()
        if isinstance(error, TransportError):
            self._lost(error)
        elif isinstance(error, TwinledgerError):
            self.stop(error)
        elif error is not None:
            self.stop(Unavailable("salesforce.stream-lost", f"The stream broke: {type(error).__name__}: {error}"))
        else:
            self._polled(future.result())

    def _lost(self, error: TransportError) -> None:
        """B1, and events lost at the turn of a poll: the server counts what it wrote into a lost answer as delivered.

        Only a new session that subscribes behind the stored position brings it again; the library goes on connecting.
        """
        self._failed_polls += 1
        if self._failed_polls >= MAX_FAILED_POLLS:
            self.stop(Unavailable("salesforce.stream-away", f"No answer from the Salesforce stream: {error}"))
            return
        self._state = TransportState.CONNECTING
        self._follow_advice("handshake", 250 * 2**self._failed_polls)

    def _polled(self, result: dict[str, Any]) -> None:
        """A handshake or connect was answered. Unknown client is followed by a handshake whatever the advice says."""
        answer = judge(result)
        if result.get("channel") == MetaChannel.CONNECT:
            self._failed_polls = 0
        sent_away, self._sent_away = self._sent_away, False
        if sent_away and answer.verdict is Verdict.FINE:
            answer = replace(answer, verdict=Verdict.HANDSHAKE)
        if answer.verdict is Verdict.FINE:
            if result.get("channel") == MetaChannel.CONNECT:
                self.polled_at = self._loop.time()
                self._handshakes = 0
            self._state = TransportState.CONNECTED
            self._follow_advice("retry", self.reconnect_advice.get("interval"))
        elif answer.verdict is Verdict.HANDSHAKE and self._handshakes < MAX_HANDSHAKES:
            self._handshakes += 1
            self._state = TransportState.CONNECTING
            self._follow_advice("handshake", 0 if self._handshakes == 1 else 1000)
        else:
            self.stop(error_of(answer))

    def _follow_advice(self, reconnect_advice: str, reconnect_timeout: float | None) -> None:
        """B3: ``interval`` is milliseconds; the library sleeps as many seconds. Capped below the 40 s of the server."""
        seconds = min(float(reconnect_timeout or 0) / 1000, LONGEST_INTERVAL)
        super()._follow_advice(reconnect_advice, seconds)


class StreamClient(Client):
    """The library's client with our transport."""

    def __init__(self, credentials: Credentials, positions: Positions, api_version: str) -> None:
        super().__init__(
            Authenticator(credentials),
            replay=positions,
            replay_storage_policy=ReplayMarkerStoragePolicy.MANUAL,
            max_pending_count=0,
        )
        self._positions = positions
        self._api_version = api_version
        self._shutting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"StreamClient({self.url!r})"

    def get_cometd_url(self, instance_url: str) -> str:  # type: ignore[override]
        """B12: the version is a constant of 2019 in the library."""
        return f"{instance_url}/cometd/{self._api_version}"

    async def _get_http_session(self) -> aiohttp.ClientSession:
        """B12, B14: proxies of the environment, except for the loopback; cookies also from an IP address."""
        if self._http_session is None:
            address = _is_address(urlsplit(self.url).hostname or "")
            jar = aiohttp.CookieJar(unsafe=address)
            self._http_session = aiohttp.ClientSession(trust_env=not address, cookie_jar=jar)
        return self._http_session

    async def _negotiate_transport(self) -> Transport:
        """The platform speaks long polling only: handshake on our transport, no negotiation."""
        self._incoming_queue = asyncio.Queue()
        transport = StreamTransport(
            positions=self._positions, url=self.url, incoming_queue=self._incoming_queue, ssl=self.ssl,
            extensions=self.extensions, auth=self.auth, http_session=await self._get_http_session(), loop=self._loop,
        )  # fmt: skip
        self._transport = transport  # so that shut() finds it whatever happens next
        self._verify_response(await transport.handshake([transport.connection_type]))
        return transport

    @property
    def open_transport(self) -> StreamTransport | None:
        """None before it is opened, and from the moment that anybody closes it."""
        return self._transport if isinstance(self._transport, StreamTransport) else None

    @property
    def transport(self) -> StreamTransport:
        """Raises Unavailable where there is none."""
        found = self.open_transport
        if found is None:
            raise Unavailable("salesforce.stream-lost", "the stream is not open")
        return found

    async def next_message(self, seconds: float) -> dict[str, Any] | None:
        """B1: in place of receive(), which raises TypeError at any network blip. None after ``seconds`` of silence.

        Raises the trouble of the transport once the events before it are read.
        """
        transport = self.transport
        queue = transport.incoming_queue
        if queue.empty() and transport.trouble is None:
            transport.news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await transport.news.wait()
            except TimeoutError:
                return None
        if not queue.empty():
            message = queue.get_nowait()
            transport.pending_bytes -= len(message[RAW])
            return message
        if transport.trouble is not None:
            raise transport.trouble
        return None

    async def shut(self) -> None:
        """Close what is open, also after an open() that failed half-way (the library leaks task and session then)."""
        async with self._shutting:  # a generator that is thrown away and its owner both close
            transport, self._transport = self._transport, None
            if isinstance(transport, StreamTransport):
                transport.news.set()  # whoever reads learns at once that it is over
            session, self._http_session = self._http_session, None
            if transport is not None:
                with suppress(TimeoutError, TwinledgerError, AiocometdException, AiosfstreamException):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await transport.disconnect()
            if session is not None:
                await session.close()
            self._closed = True


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts = bytearray()
    async for part in response.content.iter_any():
        parts += part
        if len(parts) > MAX_RESPONSE:
            response.close()
            raise aiohttp.ClientPayloadError(f"an answer over {MAX_RESPONSE} bytes")
    return bytes(parts)


def _is_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
