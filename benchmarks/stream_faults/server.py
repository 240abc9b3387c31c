"""What a server, or the network before it, does to a stream."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.stream_faults.stand import Stand

CONNECT, SUBSCRIBE, HANDSHAKE = "/meta/connect", "/meta/subscribe", "/meta/handshake"
NONE = {"reconnect": "none", "interval": 0}


async def calm(scene: Stand) -> None:
    await scene.edits(20)


async def _struck(scene: Stand, kind: str, count: int = 1, **options: Any) -> None:
    """A fault of the HTTP layer, and the wait until it has struck."""
    await scene.holding()
    body = {"kind": kind, "match": {"path": "/cometd"}, "count": count, "options": options}
    await scene.page("/faults", body)
    await scene.wait(f"{kind} strikes", lambda: all(one.left == 0 for one in scene.control.faults.values()))


async def _staged(scene: Stand, channel: str, count: int = 1, **what: Any) -> None:
    """An answer put in the way, and the wait until it was given."""
    await scene.holding()
    await scene.page("/stage-error", {"channel": channel, "count": count, **what})
    if channel != CONNECT:
        await scene.page("/forget-sessions", {})
    await _given(scene)


async def _given(scene: Stand) -> None:
    await scene.wait("the staged answers are given", lambda: all(one.count <= 0 for one in scene.cometd.staged))


async def cut_poll(scene: Stand) -> None:
    await _struck(scene, "cut-before-commit")


async def lost(scene: Stand) -> None:
    await _struck(scene, "cut-after-commit", 3)


async def half_open(scene: Stand) -> None:
    """The poll that carries nothing ends by our own bound, 30 s with polls as short as these."""
    await scene.holding()
    scene.wire.half_open()
    before = len(scene.sessions.live)
    await scene.wait("a new session begins", lambda: len(scene.sessions.live) > before or _fresh(scene), 90)


def _fresh(scene: Stand) -> bool:
    return any(one.connects <= 2 for one in scene.sessions.live.values())


async def slow(scene: Stand) -> None:
    await _struck(scene, "delay", 3, ms=6000, when="after")


async def away(scene: Stand) -> None:
    scene.wire.go_away()
    await asyncio.sleep(10)
    scene.wire.come_back()


async def html(scene: Stand) -> None:
    page = "<html><body>We are down for maintenance.</body></html>"
    await _staged(scene, CONNECT, 3, http={"status": 200, "html": page})


async def empty(scene: Stand) -> None:
    await _staged(scene, CONNECT, http={"status": 200, "html": ""})


async def unavailable(scene: Stand) -> None:
    await _struck(scene, "status", 5, status=503)


async def rest_error(scene: Stand) -> None:
    body = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    await _staged(scene, CONNECT, http={"status": 401, "body": body})


async def forgotten(scene: Stand) -> None:
    await scene.holding()
    await scene.page("/forget-sessions", {})


async def slowed(scene: Stand) -> None:
    """Two seconds pass before each poll; what comes meanwhile waits for it."""
    await scene.page("/forget-sessions", {})
    await asyncio.sleep(10)


async def unknown_none(scene: Stand) -> None:
    await _staged(scene, CONNECT, answer={"error": "403::Unknown client", "advice": NONE})


async def forgotten_often(scene: Stand) -> None:
    for _ in range(8):
        await scene.page("/forget-sessions", {})
        await asyncio.sleep(1.2)


async def disconnected(scene: Stand) -> None:
    await _staged(scene, CONNECT, http={"status": 200, "body": [{"channel": "/meta/disconnect"}]})


async def cookie(scene: Stand) -> None:
    error = "400::Client 41kd has established a session, but no BAYEUX_BROWSER cookie present"
    await _staged(scene, CONNECT, answer={"error": error, "advice": NONE})


async def resubscribe_silent(scene: Stand) -> None:
    body = [{"channel": CONNECT, "successful": True, "id": "1"}]
    await _staged(scene, SUBSCRIBE, http={"status": 200, "body": body})


async def resubscribe_refused(scene: Stand) -> None:
    error = "400::The replayId {82} you provided was invalid.  Please provide a valid ID, -2 to replay all events, or -1 to replay only new events."  # noqa: E501
    await _staged(scene, SUBSCRIBE, answer={"error": error})


async def subscription_lost(scene: Stand) -> None:
    """Polls are answered as before. Only what the org changed, compared with what was heard, tells."""
    await scene.holding()
    for session in scene.sessions.live.values():
        session.subscriptions.clear()
    await scene.edits(10)
    await asyncio.sleep(4)
    await scene.edits(10)


async def channel_gone(scene: Stand) -> None:
    name = "TwinledgerSync__chn"
    members = scene.org.channels.pop(name)
    await scene.page("/forget-sessions", {})
    await asyncio.sleep(10)
    scene.org.channels[name] = members


async def revoked(scene: Stand) -> None:
    await scene.holding()
    await scene.page("/revoke-tokens", {})


async def denied(scene: Stand) -> None:
    ext = {"sfdc": {"failureReason": "401::Authentication invalid"}, "replay": True}
    await _staged(
        scene, HANDSHAKE, 3, answer={"error": "403::Handshake denied", "ext": ext, "advice": {"reconnect": "none"}}
    )


async def busy(scene: Stand) -> None:
    ext = {"sfdc": {"failureReason": "503::Server is too busy.  Please try your request again later."}}
    await _staged(scene, CONNECT, answer={"error": "401::Authentication invalid", "ext": ext, "advice": NONE})


async def protecting(scene: Stand) -> None:
    reason = "403::To protect all customers from excessive use, we limit the number of requests"
    answer = {"error": "403::Handshake denied", "ext": {"sfdc": {"failureReason": reason}}, "advice": NONE}
    await _staged(scene, HANDSHAKE, answer=answer)


async def daily_limit(scene: Stand) -> None:
    scene.org.settings.event_limit = 1
    await scene.wait("the stream is refused", lambda: not scene.samples[-1].ready)
    await asyncio.sleep(5)
    scene.org.settings.event_limit = 1_000_000


async def deliveries_low(scene: Stand) -> None:
    """Not refused yet: four in a hundred are left, and the stream is to rest before the org stops it."""
    await scene.edits(1000, 0.003)
    await scene.wait("all are delivered", lambda: len(scene.tape.hints) >= len(scene.changes))
    scene.org.settings.event_limit = scene.org.delivered.total(scene.control.clock.now()) * 100 // 96
    await scene.wait("the stream rests", lambda: not scene.sessions.live)
    await scene.edits(10)
    scene.org.settings.event_limit = 1_000_000


async def no_slot(scene: Stand) -> None:
    scene.org.settings.max_clients = 1
    await scene.page("/forget-sessions", {})
    other = scene.sessions.open()
    other.waiting = True  # it is there, and stays
    await scene.wait("the stream is refused", lambda: not scene.samples[-1].ready)
    await asyncio.sleep(5)
    scene.sessions.close(other)
