"""Link events, links and targets as Avro values (``link-events.v1``, ``links.v1``, ``targets.v1``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

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
from connector.core.resting import rest_of
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


class LinkHead(NamedTuple):
    """The first fields of ``links.v1``: what a scan of a million links needs of nearly all of them.

    ``rest`` says whether anything may follow from the link (``core.resting.Rest``); ``last`` is the offset of the event
    that last moved it, ``born_day`` the UTC day on which its create was announced (``date.toordinal``, 0 for none).
    """

    epoch: int
    ordinal: int
    rest: int
    last: int
    born_day: int
    genesis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLink:
    """One value of ``links.v1``: who wrote it as its which write, its head (``LinkHead``), and the link."""

    epoch: int
    ordinal: int
    rest: int = 0
    last: int = -1
    born_day: int = 0
    genesis: str = ""
    link: Link

    @property
    def head(self) -> LinkHead:
        return LinkHead(self.epoch, self.ordinal, self.rest, self.last, self.born_day, self.genesis)


@dataclass(frozen=True, slots=True)
class Target:
    """One value of ``targets.v1``: who wrote it as its which write; which link an end belongs to, and its other end."""

    epoch: int = field(default=0, kw_only=True)
    ordinal: int = field(default=0, kw_only=True)
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
    day = 0 if link.born is None else link.born.date().toordinal()
    stored = StoredLink(
        epoch=epoch,
        ordinal=ordinal,
        rest=int(rest_of(link)),
        last=link.offset,
        born_day=day,
        genesis=genesis,
        link=link,
    )
    plain: dict[str, Any] = to_plain(stored)
    pairs = plain["link"]["agreed"]
    plain["link"]["agreed"] = {path: {"salesforce": pair[0], "xero": pair[1]} for path, pair in pairs.items()}
    return plain


def read_link(value: Mapping[str, Any]) -> StoredLink:
    return from_plain(StoredLink, value)


SPACE = "io.twinledger.links.v1"
