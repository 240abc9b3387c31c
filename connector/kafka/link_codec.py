"""Link events, links and targets as Avro values (``link-events.v1``, ``links.v1``, ``targets.v1``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from connector.core.link_events import (
    Applied,
    Asked,
    Due,
    Found,
    LinkEvent,
    Observed,
    Rejected,
    Settled,
    Texts,
    Unknown,
    Wanted,
)
from connector.core.link_state import Link
from connector.core.records import Side
from connector.kafka.plain import from_plain, to_plain


@dataclass(frozen=True, slots=True)
class Member:
    """One write of a call: which link, and the paths that are sent."""

    link: str
    sent: Texts


@dataclass(frozen=True, slots=True)
class Call:
    """The announcement of one HTTP request, before any byte of it leaves: ``started`` for every member at once."""

    call: str
    side: Side
    organisation: str
    entity: str
    operation: str
    members: tuple[Member, ...]
    epoch: int
    body_sha256: str
    at: datetime
    deadline: datetime


Body: TypeAlias = Wanted | Observed | Found | Call | Applied | Rejected | Unknown | Settled | Due | Asked
EVENTS: Mapping[str, type[Any]] = {
    "wanted": Wanted,
    "observed": Observed,
    "found": Found,
    "started": Call,
    "applied": Applied,
    "rejected": Rejected,
    "unknown": Unknown,
    "settled": Settled,
    "due": Due,
    "asked": Asked,
}
KINDS = {kind: name for name, kind in EVENTS.items()}


@dataclass(frozen=True, slots=True)
class LinkEventEnvelope:
    """One value of ``link-events.v1``. ``link`` is the link's key; empty for ``started``, which names its members."""

    link: str
    kind: str
    at: datetime
    body: Body


@dataclass(frozen=True, slots=True)
class StoredLink:
    """One value of ``links.v1``: the link, and who wrote it as its which write."""

    link: Link
    epoch: int
    ordinal: int
    genesis: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One value of ``targets.v1``: which link an end belongs to, and its other end."""

    link: str
    other: str = ""
    gone: bool = False
    meta: Mapping[str, str] = field(default_factory=dict)


def event_value(link: bytes, body: LinkEvent | Call, at: datetime) -> dict[str, Any]:
    """The Avro value of one event."""
    kind = type(body)
    plain = to_plain(body)
    return {"link": link.decode(), "kind": KINDS[kind], "at": at, "body": (f"{SPACE}.{kind.__name__}", plain)}


def read_event(value: Mapping[str, Any]) -> LinkEventEnvelope:
    """The envelope of one decoded value. Raises ValueError."""
    kind = EVENTS.get(value["kind"])
    if kind is None:
        raise ValueError(f"unknown link event {value['kind']!r}")
    return LinkEventEnvelope(value["link"], value["kind"], value["at"], from_plain(kind, value["body"]))


def link_value(link: Link, epoch: int, ordinal: int, genesis: str) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(StoredLink(link, epoch, ordinal, genesis))
    pairs = plain["link"]["agreed"]
    plain["link"]["agreed"] = {path: {"salesforce": pair[0], "xero": pair[1]} for path, pair in pairs.items()}
    return plain


def read_link(value: Mapping[str, Any]) -> StoredLink:
    return from_plain(StoredLink, value)


SPACE = "io.twinledger.links.v1"
