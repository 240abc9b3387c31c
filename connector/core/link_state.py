"""What a link remembers. The fold over it is ``link.step``; what follows from it is ``link.outputs``.

What is *wanted* of each side is not stored: it is derived by ``merge`` from ``agreed`` (what both sides last held)
and the ``drift`` of each end (where its newest state differs from that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from connector.core.document import NAMED, named, split_line_path
from connector.core.identity import LinkId
from connector.core.link_events import GONE, Texts
from connector.core.records import Side, Version
from connector.core.values import Ref, from_canonical

QUIET = timedelta(seconds=5)  # after the deadline of a call nobody answered for, before anyone touches it
REPEAT_WITHIN = timedelta(minutes=4)  # of the first send: Xero keeps idempotency keys for six
PROBE_AFTER = timedelta(minutes=7)  # of the last announced send
PROBE_TWICE = timedelta(seconds=30)  # apart, before "not there" is believed
CLOSED = 8  # calls that a link remembers after they are over
FLIPS = 3  # times that a field may swing between the same two values

NEVER = Version(0, 0)
LINE_ID = "/LineItemID"  # ends the path of a line's field by which a source names a line of its target
NULL = "null"


class Life(StrEnum):
    NEW = "new"
    LIVE = "live"
    ENDED = "ended"


class Phase(StrEnum):
    """The rows of the table: life and attempt together."""

    NEW = "new"
    CREATING = "creating"
    LOST = "lost"
    LIVE = "live"
    UPDATING = "updating"
    UNSURE = "unsure"
    ENDED = "ended"


class Hold(StrEnum):
    """Why a link is not written although something is wanted."""

    NONE = ""
    WAITS = "waits"
    FAILED = "failed"
    CONFLICT = "conflict"
    LATER = "later"


class State(StrEnum):
    """What people see."""

    CLEAN = "clean"
    DIRTY = "dirty"
    IN_FLIGHT = "in-flight"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    FAILED = "failed"
    CONFLICT = "conflict"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a mapping says about its links, as far as the fold needs it."""

    source: Side
    two_way: bool = False
    owners: Mapping[str, str] = field(
        default_factory=dict
    )  # path, or lines/field, → salesforce | xero | latest | source
    conflict: str = "ask"  # salesforce | xero | latest | ask
    policies: Mapping[str, str] = field(default_factory=dict)  # by the keys of `owners`, where a field has its own
    as_found: bool = False  # what both ends show when they first meet is agreed as it stands, nothing is written
    creates: frozenset[Side] = frozenset()
    matched: str = "ask"
    changed: Mapping[str, str] = field(default_factory=dict)  # status group → update | reissue | credit | tell
    left: Mapping[str, str] = field(default_factory=dict)  # status group → delete | void | tell
    deleted: Mapping[str, str] = field(default_factory=dict)
    again: str = "new"
    target_gone: str = "tell"
    approve: str = "at-once"
    never_creates: bool = False
    tells_unlinked: bool = False  # a back-write without its target is a review, not a wait
    exact: frozenset[str] = frozenset()  # numbers that are rounded before they are sent, by the keys of `owners`

    @property
    def target(self) -> Side:
        return self.source.other

    def owner(self, path: str) -> str:
        return self.owners.get(_name(path), "latest" if self.two_way else "source")

    def is_exact(self, path: str) -> bool:
        """Whether a number of this path is sent with the places that its field holds: nobody rounds it afterwards."""
        return _name(path) in self.exact

    def policy(self, path: str) -> str:
        """Who wins when both sides changed a path."""
        return self.policies.get(_name(path), self.conflict)


def _name(path: str) -> str:
    parts = path.split("/")
    return f"{parts[0]}/{parts[2]}" if len(parts) == 3 else path


@dataclass(frozen=True, slots=True)
class Observation:
    """A state of one end that is kept until it may be judged."""

    object_id: str
    version: Version
    stamp: datetime | None
    flat: Texts
    status: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """One end: which object, how new our knowledge is, and where it differs from what was agreed."""

    id: str = ""
    version: Version = NEVER
    stamp: datetime | None = None
    drift: Texts = field(default_factory=dict)
    held: Observation | None = None
    asked: Version | None = None  # must be read again: only a version above this one clears it
    left: str = ""  # why this end's record no longer matches: left, deleted
    sent: Texts = field(default_factory=dict)  # written there by an answer without fields, not read back yet


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call under way, or one whose outcome nobody knows."""

    call: str
    side: Side
    operation: str
    sent: Texts
    first_sent: datetime
    last_sent: datetime
    deadline: datetime
    unknown: bool = False
    absent_at: datetime | None = None  # a probe found nothing then
    epoch: int = 0  # of the owner who announced it; 0 where nobody said
    refused_at: datetime | None = None  # a repeat was refused then: a look tells at once what an earlier send did

    @property
    def probe_from(self) -> datetime:
        """When what a probe does not find may be believed. Only a create in Xero must outwait its idempotency key:
        everything else is an upsert by external id, or an update, whose target can be read."""
        if self.operation == "create" and self.side is Side.XERO:
            return self.last_sent + PROBE_AFTER
        return self.deadline + QUIET


@dataclass(frozen=True, slots=True)
class Link:
    """One link. ``agreed`` holds for each path what salesforce and xero last held together (they may spell it
    differently: Xero trims, rounds and fills)."""

    id: LinkId
    life: Life = Life.NEW
    reason: str = ""
    agreed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    salesforce: End = field(default_factory=End)
    xero: End = field(default_factory=End)
    attempt: Attempt | None = None
    hold: Hold = Hold.NONE
    code: str = ""
    message: str = ""
    remedy: str = ""
    hold_paths: tuple[str, ...] = ()
    not_before: datetime | None = None
    tries: int = 0
    mapping_version: str = ""
    entity: str = ""
    refs: Mapping[str, Ref] = field(default_factory=dict)
    once: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    line_ids: Texts = field(default_factory=dict)
    find: Texts = field(default_factory=dict)
    mark: str = ""
    money: str = ""
    looked: bool = False  # find or match has been run: a birth may follow
    unfound: str = ""  # what follows if that finds nothing, where it was first seen by a mapping that only looked
    left: str = ""
    status: str = ""
    born: datetime | None = None
    flips: Texts = field(default_factory=dict)  # path → count, side and digests of the two values
    offset: int = -1  # of the event that last moved it
    refused: bool = False  # what the record says now cannot be written: nothing is, until it says something else
    closed: tuple[str, ...] = ()  # the last calls that are over: an announcement delivered again starts nothing

    def end(self, side: Side) -> End:
        return self.salesforce if side is Side.SALESFORCE else self.xero

    def with_end(self, side: Side, end: End) -> Link:
        return replace(self, salesforce=end) if side is Side.SALESFORCE else replace(self, xero=end)

    def base(self, side: Side) -> dict[str, str]:
        """What this side held when both last agreed."""
        index = 0 if side is Side.SALESFORCE else 1
        return {path: pair[index] for path, pair in self.agreed.items()}

    def seen(self, side: Side) -> dict[str, str]:
        """What this side holds now, as far as we know."""
        merged = {**self.base(side), **self.end(side).drift}
        return {path: text for path, text in merged.items() if text != GONE}

    @property
    def lines(self) -> dict[str, str]:
        """The ids of the target's lines by our keys: those that answers told, and those that the source itself says."""
        if self.entity in NAMED:
            return self._named_lines(*NAMED[self.entity])
        said = ([*path.split("/"), text] for path, text in self.seen(self.id.side).items() if path.endswith(LINE_ID))
        return {**self.line_ids, **{parts[1]: str(from_canonical(parts[3])) for parts in said if parts[3] != NULL}}

    def _named_lines(self, lines: str, name: str) -> dict[str, str]:
        """By the text that the target's line had when both agreed, else by the one that the source gives it."""
        out: dict[str, str] = {}
        for known in (self.seen(self.id.side), self.base(self.id.side.other)):
            for path, text in known.items():
                parts = split_line_path(path)
                if parts is not None and (parts[0], parts[2]) == (lines, name) and text not in (GONE, NULL):
                    out[parts[1]] = named(from_canonical(text))
        return out

    @property
    def phase(self) -> Phase:
        if self.life is Life.ENDED:
            return Phase.ENDED
        if self.attempt is None:
            return Phase.NEW if self.life is Life.NEW else Phase.LIVE
        if self.life is Life.NEW:
            return Phase.LOST if self.attempt.unknown else Phase.CREATING
        return Phase.UNSURE if self.attempt.unknown else Phase.UPDATING
