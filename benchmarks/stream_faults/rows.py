"""The table of faults. ``trap`` names the audit's number (B1 to B15) or the section of the platform's documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.stream_faults import events, machines, server
from benchmarks.stream_faults.stand import Stand


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. ``clock``: what it takes is waited out by the settable clock. ``feeds``: people edit meanwhile."""

    name: str
    trap: str
    what: str
    strike: Callable[[Stand], Awaitable[None]]
    clock: bool = False
    feeds: bool = True
    workers: int = 1
    org: Mapping[str, Any] = field(default_factory=dict)
    worker: Mapping[str, Any] = field(default_factory=dict)


SHORT = {"hold_seconds": 2}  # a poll is held so long: its turn comes soon
ROWS = (
    Row("calm", "–", "nothing happens", server.calm),
    # --- polls ---
    Row("cut-poll", "B1", "a poll is cut before the server has read it", server.cut_poll),
    Row("lost-answer", "B1, EMP#96", "an answer with events is lost; the server counts it as delivered", server.lost),
    Row("half-open", "B4", "the connection carries nothing any more and nobody is told", server.half_open, org=SHORT),
    Row("slow-answers", "B4", "answers of the stream take 6 s", server.slow),
    Row("away", "B9", "the org cannot be reached for 10 s", server.away),
    Row("html", "B10", "three polls are answered with a page of HTML", server.html),
    Row("empty-answer", "B10", "a poll is answered with nothing", server.empty),
    Row("unavailable", "B10", "503 from the front end, five times", server.unavailable),
    Row("rest-error", "B10", "a poll is answered with the REST API's INVALID_SESSION_ID", server.rest_error),
    # --- sessions ---
    Row("unknown-client", "§3", "the session is forgotten (403::Unknown client)", server.forgotten),
    Row("unknown-none", "EMP#15", "403::Unknown client with the advice reconnect none", server.unknown_none),
    Row("forgotten-often", "B5", "the session is forgotten eight times in ten seconds", server.forgotten_often),
    Row("disconnect", "§3", "the server sends /meta/disconnect by itself", server.disconnected),
    Row("cookie", "§3", "the server misses its cookie (400::Client has established a session)", server.cookie),
    Row("interval", "B3", "every session begins with an advised interval of 2000 ms", server.slowed,
        org={"advice_interval_ms": 2000}),
    # --- subscriptions ---
    Row("resubscribe-silent", "B2", "nobody answers the subscription of a new session", server.resubscribe_silent),
    Row("resubscribe-refused", "B2", "the subscription of a new session is refused for its replay id",
        server.resubscribe_refused, clock=True),
    Row("subscription-lost", "KB 005321562", "the server loses the subscription and says nothing",
        server.subscription_lost, clock=True),
    Row("channel-gone", "§2", "the channel is deleted, and made again ten seconds later", server.channel_gone,
        clock=True),
    # --- sign-in and limits ---
    Row("token-revoked", "B5", "the token is revoked in the middle of a stream", server.revoked),
    Row("handshake-denied", "B5, B9", "the handshake is denied: 401::Authentication invalid", server.denied,
        clock=True),
    Row("busy", "§3", "the org is busy: 401 in error, 503 in failureReason", server.busy, clock=True),
    Row("protecting", "§3", "403::To protect all customers, at the handshake", server.protecting, clock=True),
    Row("daily-limit", "§2", "the org's daily limit of deliveries is reached, and raised later", server.daily_limit,
        clock=True),
    Row("deliveries-low", "§2", "the allocation of deliveries is nearly spent", server.deliveries_low, clock=True,
        worker={"poll_seconds": 1}),
    Row("no-slot", "§3", "somebody else holds the org's last streaming client", server.no_slot, clock=True,
        worker={"poll_seconds": 1}),
    # --- events ---
    Row("gap", "§1.4", "GAP_UPDATE in place of an event", events.gap),
    Row("wildcard", "§1.1", 'a gap for every record ("001*")', events.wildcard, clock=True),
    Row("overflow", "§1.4", "GAP_OVERFLOW in place of six events", events.overflow, clock=True),
    Row("merged", "§1.3", "merged events, delivered apart under one replay id", events.merged),
    Row("duplicates", "§1.3", "everything is delivered three times", events.duplicates),
    Row("reordered", "–", "every answer brings its events in reverse", events.reordered),
    Row("burst", "B6, B7", "600 events in one second", events.burst, feeds=False),
    Row("huge", "§1.4", "events of one megabyte", events.huge),
    Row("poison", "§1", "events that no schema takes", events.poison),
    Row("no-events", "KB 005317091", "change events are turned off for a while", events.turned_off, clock=True),
    Row("rights", "§2", "the user loses the object for a while", events.rights, clock=True),
    # --- machines ---
    Row("kill", "B15", "SIGKILL of the worker", machines.kill),
    Row("kill-merged", "§1.3", "SIGKILL in the middle of a merged event", machines.kill_merged),
    Row("pause", "–", "SIGSTOP of the worker for 15 s", machines.pause),
    Row("slow-kafka", "B6", "Kafka acknowledges nothing for 15 s", machines.slow_kafka),
    Row("kafka-killed", "–", "the broker is killed and comes back", machines.kafka_killed),
    Row("outage", "–", "the worker is away for 20 s", machines.outage),
    Row("outage-73h", "§1.1", "the worker is away for 73 hours: the stored replay id is unknown", machines.outage_73h,
        clock=True, feeds=False),
    Row("idle-80h", "§5.3 d", "nothing happens for 80 hours; then a poll is cut", machines.idle, clock=True,
        feeds=False, org=SHORT),
    Row("two-workers", "–", "two workers fight for one channel: the owner sleeps 30 s and wakes", machines.two_workers,
        workers=2),
)  # fmt: skip
