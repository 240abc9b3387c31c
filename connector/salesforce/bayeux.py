"""Bayeux messages, read strictly and without touching the payload. Pure: no socket, no library.

The streaming library gives parsed messages only; what we forward is the exact text of each event's ``data`` as it
stood in the response, so that the topic holds what Salesforce said, digit by digit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from connector.errors import AuthError, ConfigurationError, DataError, TryAgain, TwinledgerError, Unavailable

RAW = "raw"  # where a message keeps the exact text of its data
BUSY_SECONDS = 120
LIMIT_SECONDS = 900
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_float=Decimal)


class ReplayExpired(TwinledgerError):
    """The stored replay id is no longer kept by Salesforce: what lies between is lost to the stream, an incident."""

    exit_code = 69

    def __init__(self, channel: str, replay_id: int, said: str) -> None:
        super().__init__(
            "salesforce.replay-expired",
            f"Salesforce does not know replay id {replay_id} of {channel} any more: {said}",
            remedy="Subscribe from what is kept (-2) and read the objects again by query.",
        )
        self.channel = channel
        self.replay_id = replay_id


class Verdict(StrEnum):
    """What a Bayeux answer asks of us."""

    FINE = "fine"
    RENEW = "renew"  # the token is not accepted: sign in again
    HANDSHAKE = "handshake"  # the session is forgotten: routine, every few hours
    BUSY = "busy"  # come back in minutes
    LIMIT = "limit"  # a daily or concurrent limit of the org
    REPLAY = "replay"  # the replay id is too old
    CONFIGURATION = "configuration"  # the channel or the rights are wrong: stop
    OTHER = "other"


# First match wins. ``ext.sfdc.failureReason`` is read before ``error``: a busy server answers 401 in ``error``.
# Source: Streaming API Developer Guide, "Handling Streaming API Errors" and "Streaming API Error Codes".
_TABLE: tuple[tuple[re.Pattern[str], Verdict], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), verdict)
    for pattern, verdict in (
        (r"^503:", Verdict.BUSY),
        (r"^403::To protect all customers", Verdict.BUSY),
        (r"^403::Organization (concurrent user|total events daily) limit", Verdict.LIMIT),
        (r"^403::Subscription limit exceeded", Verdict.LIMIT),
        (r"^40[23]:[^:]*:(Unknown client|session_unknown)", Verdict.HANDSHAKE),
        (r"^403::Client has not completed handshake", Verdict.HANDSHAKE),
        (r"^400::Client \S+ has established a session", Verdict.HANDSHAKE),
        (r"^400::The replayId ", Verdict.REPLAY),
        (r"^401:", Verdict.RENEW),
        (r"^400::Authenticated user id does not match", Verdict.RENEW),
        (r"^(400|403|404|413):", Verdict.CONFIGURATION),
    )
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The judgement over one failed or fine reply, with the server's own words."""

    verdict: Verdict
    said: str


def judge(message: Mapping[str, Any]) -> Answer:
    """Classify a reply. Success wins over an ``error`` text: an empty one can sit on a success."""
    failed = message.get("successful") is False or ("successful" not in message and message.get("error"))
    if not failed:
        return Answer(Verdict.FINE, "")
    said = _said(message)
    for pattern, verdict in _TABLE:
        if pattern.match(said):
            return Answer(verdict, said)
    advice = message.get("advice")
    if isinstance(advice, Mapping) and advice.get("reconnect") == "handshake":
        return Answer(Verdict.HANDSHAKE, said)
    return Answer(Verdict.OTHER, said)


def _said(message: Mapping[str, Any]) -> str:
    ext = message.get("ext")
    inner = ext.get("sfdc") if isinstance(ext, Mapping) else None
    reason = inner.get("failureReason") if isinstance(inner, Mapping) else None
    return str(reason or message.get("error") or "no reason given")[:500]


def error_of(answer: Answer, *, channel: str = "", replay_id: int = -1) -> TwinledgerError:
    """The error that a verdict becomes for the caller of the stream."""
    said = answer.said
    if answer.verdict is Verdict.REPLAY:
        return ReplayExpired(channel, replay_id, said)
    if answer.verdict is Verdict.RENEW:
        message = f"The Salesforce stream does not accept our token: {said}"
        return AuthError("salesforce.stream-auth", message, remedy="Check the app, its user and its session policy.")
    if answer.verdict is Verdict.CONFIGURATION:
        message = f"Salesforce refuses {channel or 'the stream'}: {said}"
        return ConfigurationError(
            "salesforce.stream-refused", message, remedy="Check the channel and the user's rights."
        )
    if answer.verdict is Verdict.BUSY:
        return TryAgain("salesforce.stream-busy", f"The Salesforce stream is busy: {said}", retry_after=BUSY_SECONDS)
    if answer.verdict is Verdict.LIMIT:
        message = f"The Salesforce stream is over a limit of the org: {said}"
        return TryAgain("salesforce.stream-limit", message, retry_after=LIMIT_SECONDS, remedy="See Setup, Event Usage.")
    return Unavailable("salesforce.stream-lost", f"The Salesforce stream ended: {said}")


def messages(text: str) -> list[dict[str, Any]]:
    """The messages of a response, each event with the exact text of its ``data`` under RAW.

    Raises DataError for what is no array of Bayeux messages, such as the error array of the REST API.
    """
    try:
        found = list(_array(text))
    except (ValueError, IndexError, RecursionError) as wrong:
        raise DataError("salesforce.stream-not-bayeux", f"the stream answered no JSON: {wrong}") from None
    for message in found:
        if "errorCode" in message:
            raise DataError("salesforce.stream-not-bayeux", f"the stream answered {message['errorCode']}")
        if not {"successful", "data"} & set(message) and message.get("channel") != "/meta/disconnect":
            raise DataError("salesforce.stream-not-bayeux", "the stream answered JSON that is no Bayeux message")
    return found


def _array(text: str) -> Iterator[dict[str, Any]]:
    at = _skip(text, 0)
    if text[at] != "[":
        raise ValueError("not an array")
    at = _skip(text, at + 1)
    while text[at] != "]":
        message, at = _object(text, at)
        yield message
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "]":
            raise ValueError(f"expected , or ] at {at}")


def _object(text: str, at: int) -> tuple[dict[str, Any], int]:
    """One object member by member, so that the place of ``data`` in the text is known."""
    if text[at] != "{":
        raise ValueError(f"expected an object at {at}")
    out: dict[str, Any] = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] != ":" or not isinstance(name, str):
            raise ValueError(f"expected a member at {at}")
        start = _skip(text, at + 1)
        out[name], at = _DECODER.raw_decode(text, start)
        if name == "data":
            out[RAW] = text[start:at]
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
        elif text[at] != "}":
            raise ValueError(f"expected , or }} at {at}")
    return out, at + 1


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
