"""The ten events that can move a link, as values. They are written to ``link-events.v1`` before anything is folded.

A *flat* here is a table of paths to canonical texts (``values.canonical``); the empty text means that the path is gone
(a line that was taken out). Texts are compared as they are: equal values have equal texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from connector.core.failure import Failure
from connector.core.records import Side, Version
from connector.core.values import Ref

Texts: TypeAlias = Mapping[str, str]
GONE = ""
CONTROL = "@"  # paths that begin so are no fields of any document: the link follows them itself
TARGET = "@target"  # the path of a back-write's target: its text is the bare id of the object to write to
FOREIGN = "@foreign"  # which lines a person added, where `foreign_lines: conflict` asks
TOTAL = "@total"  # what an invoice that may have to be credited comes to, with its tax
OF = "@of"  # the object whose record shows this one's numbers, added up (`several: sum`)
AFTER = "@after/"  # a document of the same record that must stand before this one begins
WITH = "@with/"  # a document of the same record that must be drafted before this draft is approved


def content(flat: Texts) -> dict[str, str]:
    """What is said of the document itself."""
    return {path: text for path, text in flat.items() if not path.startswith(CONTROL)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record of the side that was seen first (or of either side of a two-way mapping), projected by its mapping.

    ``flat`` is None when the record no longer matches (``left`` says why: ``left`` or ``deleted``). ``refs`` are the
    paths whose target nobody knew yet. ``before`` is set by the snapshot of ``begin: new``: it was so before we came.
    ``unfound`` says what follows if a look-up finds nothing: set while a mapping only looks for what exists.
    ``given`` moves nothing: it tells the reader of the trail which part of a choice gave the value of a path.
    """

    side: Side
    object_id: str
    version: Version
    stamp: datetime | None
    mapping_version: str
    flat: Texts | None = None
    refs: Mapping[str, Ref] = field(default_factory=dict)
    once: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    entity: str = ""
    find: Texts = field(default_factory=dict)
    mark: str = ""
    money: str = ""
    left: str = ""
    refusal: Failure | None = None
    before: str = ""
    unfound: str = ""
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """The target end as a read, a poll or a safety read shows it. ``status`` is its group: draft, approved, paid."""

    side: Side
    object_id: str
    version: Version
    stamp: datetime | None
    flat: Texts
    status: str = ""
    gone: bool = False


#  What it means that a look-up finds nothing, where that is not a birth.
PAST = "end"  # it was there before its mapping, and makes nothing
MEANWHILE = "changed"  # it changed while its mapping was being applied: a person says whether it is old
UNCLAIMED = "unclaimed"  # it may have had its object: a person says so


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up on the target side brought: before a birth (``call`` empty), or the probe of a lost call. No hit,
    no call and a ``version``: a read by id of the end itself, which was not there.

    ``hits`` are object ids; ``policy`` is what one hit means (link, ask, stop), or none (stop: a birth may follow; else
    as ``Wanted.unfound``). A probe that found one says in ``ours`` whether it carries our mark or equals all that we
    sent. ``at`` is when the look-up was sent. ``names`` is what people call the hits, one for each where any is known.
    """

    side: Side
    hits: tuple[str, ...]
    at: datetime
    policy: str = "stop"
    call: str = ""
    ours: bool = False
    version: Version | None = None
    stamp: datetime | None = None
    flat: Texts = field(default_factory=dict)
    status: str = ""
    line_ids: Texts = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """A call is announced: from now on its bytes may leave. A repeat of the same call says so again first."""

    call: str
    side: Side
    operation: str
    sent: Texts
    at: datetime
    deadline: datetime
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """The other side confirmed. ``flat`` is its answer projected (None: it carries no fields and must be read).

    ``answered`` is the counter's number when the answer came, not when the call was sent: a read with a higher number
    was sent after it, and shows what the call wrote.
    """

    call: str
    object_id: str
    answered: Version
    stamp: datetime | None = None
    flat: Texts | None = None
    status: str = ""
    line_ids: Texts = field(default_factory=dict)
    money_differs: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The other side refused. ``element``: a result for this very element, not for the request as a whole: what a
    429, a 401 or a mismatch of the idempotency key says of a repeat is nothing about the send before it."""

    call: str
    failure: Failure
    at: datetime
    element: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """The call ended without an outcome."""

    call: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """A person decided: retry, salesforce, xero, link, create, end. Or the mapping's policy did: undo."""

    decision: str
    by: str
    at: datetime
    value: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """Time passed, or a reference became known (``resolved``: path to the id's canonical text)."""

    at: datetime
    resolved: Texts = field(default_factory=dict)
    merged_into: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """An end must be read again, by whoever doubts it."""

    side: Side
    reason: str = ""


LinkEvent: TypeAlias = Wanted | Observed | Found | Started | Applied | Rejected | Unknown | Settled | Due | Asked
