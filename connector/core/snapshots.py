"""Snapshots that operators ask for: what a signal says, how far one has come, and what it may do next. Pure.

The words are Debezium's: the signals ``execute-snapshot``, ``pause-snapshot``, ``resume-snapshot``, ``stop-snapshot``
of the type ``incremental``, and the notifications STARTED, IN_PROGRESS, PAUSED, RESUMED, COMPLETED and ABORTED.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from connector.core.records import Record, Side, Version
from connector.errors import DataError

MOST_AHEAD = 10_000
CODE = "snapshot.bad-signal"
REMEDY = "Use `twinledger snapshot`, or see docs/snapshots.md for the form of the signal."


class Verb(StrEnum):
    """The kinds of signals."""

    START = "execute-snapshot"
    PAUSE = "pause-snapshot"
    RESUME = "resume-snapshot"
    STOP = "stop-snapshot"


class Status(StrEnum):
    """What a notification says has happened."""

    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"


class Phase(StrEnum):
    """How a snapshot stands."""

    WAITING = "waiting"  # for another one of its connection
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    ABORTED = "aborted"


OPEN = frozenset({Phase.WAITING, Phase.RUNNING, Phase.PAUSED})


@dataclass(frozen=True, slots=True, order=True)
class Collection:
    """One object of Salesforce, or one list of Xero: ``salesforce.Account``, ``xero.Contact``."""

    side: Side
    entity: str

    def __str__(self) -> str:
        return f"{self.side.value}.{self.entity}"

    @classmethod
    def of(cls, text: str) -> Collection:
        """Without a side it is Salesforce's. Raises DataError."""
        side, dot, entity = text.partition(".")
        if not dot:
            side, entity = Side.SALESFORCE.value, text
        if side not in tuple(Side) or not (entity.isascii() and entity.replace("_", "").isalnum()) or len(entity) > 80:
            raise DataError(CODE, f"{text[:80]!r} is no object such as salesforce.Account.", remedy=REMEDY)
        return cls(Side(side), entity)


@dataclass(frozen=True, slots=True)
class Command:
    """One signal. ``ahead`` 0 leaves the depth of the slow lane as it is configured."""

    verb: Verb
    collection: Collection
    id: str
    by: str
    filter: str = ""
    ahead: int = 0


def is_command(kind: str) -> bool:
    return kind in tuple(Verb)


def command(kind: str, subject: str, arguments: Mapping[str, str], signal: str, by: str) -> Command:
    """What a signal says. Raises DataError (``snapshot.bad-signal``)."""
    unknown = set(arguments) - {"type", "filter", "ahead"}
    if unknown:
        raise DataError(CODE, f"A {kind} signal has no argument {sorted(unknown)[0][:40]!r}.", remedy=REMEDY)
    if arguments.get("type", "incremental").lower() != "incremental":
        raise DataError(CODE, f"Snapshots are incremental, not {arguments['type'][:40]!r}.", remedy=REMEDY)
    ahead = arguments.get("ahead", "0")
    if not (ahead.isascii() and ahead.isdigit()) or len(ahead) > 6 or int(ahead) > MOST_AHEAD:
        raise DataError(CODE, f"ahead is a number up to {MOST_AHEAD}, not {ahead[:20]!r}.", remedy=REMEDY)
    return Command(Verb(kind), Collection.of(subject), signal, by, arguments.get("filter", "").strip(), int(ahead))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One that was asked for. ``id`` is its signal's; everything up to ``cursor`` stands in Kafka.

    ``read`` rows were read, of which ``passed`` were not placed because a newer read of them stood there already;
    ``unread`` could not be read. ``calls`` are those to the API. ``reason`` says why it is paused or was aborted.
    """

    id: str
    collection: Collection
    by: str
    begun: datetime
    phase: Phase = Phase.WAITING
    filter: str = ""
    ahead: int = 0
    cursor: str = ""
    read: int = 0
    passed: int = 0
    unread: int = 0
    calls: int = 0
    reason: str = ""

    def to_text(self) -> str:
        return json.dumps(
            {
                "id": self.id, "phase": self.phase.value, "cursor": self.cursor, "read": self.read,
                "passed": self.passed, "unread": self.unread, "calls": self.calls, "filter": self.filter,
                "ahead": self.ahead, "by": self.by, "begun": self.begun.isoformat(), "reason": self.reason,
            }
        )  # fmt: skip

    @classmethod
    def from_text(cls, collection: str, text: str) -> Snapshot:
        """Raises DataError (``snapshot.position``)."""
        try:
            raw = json.loads(text)
            return cls(
                str(raw["id"]), Collection.of(collection), str(raw["by"]), datetime.fromisoformat(raw["begun"]),
                Phase(raw["phase"]), str(raw["filter"]), int(raw["ahead"]), str(raw["cursor"]), int(raw["read"]),
                int(raw["passed"]), int(raw["unread"]), int(raw["calls"]), str(raw["reason"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, DataError) as error:
            raise DataError("snapshot.position", f"The stored snapshot of {collection[:80]} cannot be read.") from error

    def counts(self) -> dict[str, str]:
        """For people and their tools."""
        return {name: str(getattr(self, name)) for name in ("read", "passed", "unread", "calls")}


def obeyed(known: Snapshot | None, order: Command, now: datetime) -> tuple[Snapshot, Status | None]:
    """The snapshot after a signal, and what is to be told. A repeated signal changes nothing.

    Raises DataError (``snapshot.none``, ``snapshot.running``) for what cannot be done.
    """
    if order.verb is Verb.START:
        if known is not None and known.id == order.id:
            return known, None
        if known is not None and known.phase in OPEN:
            raise DataError(
                "snapshot.running", f"A snapshot of {order.collection} is {known.phase.value} already.",
                remedy="Wait for it, or stop it first.",
            )  # fmt: skip
        fresh = Snapshot(order.id, order.collection, order.by, now, filter=order.filter, ahead=order.ahead)
        return fresh, None
    if known is None or known.phase not in OPEN:
        raise DataError(
            "snapshot.none",
            f"No snapshot of {order.collection} is under way.",
            remedy="See `twinledger snapshot list`.",
        )
    match order.verb, known.phase:
        case Verb.STOP, _:
            return replace(known, phase=Phase.ABORTED, reason=f"stopped by {order.by}"), Status.ABORTED
        case Verb.PAUSE, Phase.WAITING | Phase.RUNNING:
            return replace(known, phase=Phase.PAUSED, reason=f"paused by {order.by}"), Status.PAUSED
        case Verb.RESUME, Phase.PAUSED:
            ahead = order.ahead or known.ahead
            return replace(known, phase=Phase.WAITING, reason="", ahead=ahead), Status.RESUMED
    return known, None


@dataclass(slots=True)
class Pane:
    """What one walk must not come after: the newest record of each id that went out since its rows were read."""

    collection: Collection
    newest: dict[str, Record] = field(default_factory=dict)

    def forget(self, before: Version) -> None:
        """Rows that were read before this are placed: what was read earlier still can pass nothing that comes."""
        for record_id in [one for one, record in self.newest.items() if record.version < before]:
            del self.newest[record_id]


class Window:
    """The records that other readers send while rows of a snapshot of the same object are on their way.

    A row that was read before one of them must not come after it: the topic keeps the last of each key. (What DBLog
    does with watermarks; here each read has its number.)
    """

    def __init__(self) -> None:
        self._panes: dict[Collection, list[Pane]] = {}

    def open(self, collection: Collection) -> Pane:
        pane = Pane(collection)
        self._panes.setdefault(collection, []).append(pane)
        return pane

    def close(self, pane: Pane) -> None:
        left = [one for one in self._panes[pane.collection] if one is not pane]
        if left:
            self._panes[pane.collection] = left
        else:
            del self._panes[pane.collection]

    def note(self, record: Record) -> None:
        """A record goes out, whoever has read it."""
        for pane in self._of(record):
            before = pane.newest.get(record.id)
            if before is None or record.newer_than(before):
                pane.newest[record.id] = replace(record, fields={})

    def passed(self, record: Record) -> bool:
        """Whether a newer read of this record has gone out."""
        known = (pane.newest.get(record.id) for pane in self._of(record))
        return any(one is not None and not record.newer_than(one) for one in known)

    def _of(self, record: Record) -> Sequence[Pane]:
        return self._panes.get(Collection(record.side, record.entity), ()) if self._panes else ()
