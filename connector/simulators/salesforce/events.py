"""Change events: made of transactions, kept for three days, read by replay id."""

from __future__ import annotations

import difflib
import hashlib
import itertools
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.schema import Entity, Field, Schema
from connector.simulators.salesforce.store import Caller, Changed
from connector.simulators.salesforce.wire import event_time

RETENTION = timedelta(hours=72)
DIFF_FROM = 1000  # a longer text is sent as a difference when it changes
NEVER = frozenset({"Id", "IsDeleted", "SystemModstamp", "FiscalYear", "MasterRecordId"})
NOWHERE = "000000000000000AAA"  # the record id of an overflow event


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the bus. ``header`` and ``body`` are as they stand in the payload."""

    replay: int
    at: datetime
    entity: str
    header: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass
class Bus:
    """The event bus of an org. Replay ids increase and have holes."""

    schema: Schema
    now: Callable[[], datetime]
    selected: set[str]
    events: list[Event] = field(default_factory=list)
    listeners: list[Callable[[], None]] = field(default_factory=list)
    purged: int = 0  # replay id of the newest event that is no longer kept

    def __post_init__(self) -> None:
        self._replay = 4_700
        self._commit = itertools.count(11_657_372_702_432, 17)
        self._transaction = itertools.count(1)

    def publish(self, caller: Caller, at: datetime, changes: Sequence[Changed]) -> None:
        """The events of one transaction; the same change of several records becomes one event."""
        tracked = [c for c in changes if self.schema.entities[c.entity].tracked]
        if not tracked:
            return
        sequence = itertools.count(1)
        stamp = self._stamp(caller, at)
        for group in merged(self.schema, [(change, next(sequence)) for change in tracked]):
            change, number, ids = group
            if change.entity in self.selected:
                header = {"entityName": change.entity, "recordIds": ids, "changeType": change.kind,
                          "changedFields": changed_fields(self.schema.entities[change.entity], change)}  # fmt: skip
                body = body_of(self.schema.entities[change.entity], change)
                self._append(at, change.entity, {**header, **stamp, "sequenceNumber": number}, body)
        self._wake()

    def gap(self, kind: str, entity: str, ids: Sequence[str], origin: str = "") -> int:
        """A gap, overflow or wildcard event: a header without a body. Gives its replay id."""
        at = self.now().replace(microsecond=0)
        header = {"entityName": entity, "recordIds": list(ids), "changeType": kind, "changedFields": []}
        user = "005" + "0" * 12 + "AAA"
        self._append(at, entity, {**header, **self._stamp(Caller(user, origin), at), "sequenceNumber": 1}, {})
        self._wake()
        return self._replay

    def raw(self, entity: str, header: Mapping[str, Any], body: Mapping[str, Any]) -> int:
        """An event as it is given, however wrong. Gives its replay id."""
        self._append(self.now().replace(microsecond=0), entity, header, body)
        self._wake()
        return self._replay

    def _stamp(self, caller: Caller, at: datetime) -> dict[str, Any]:
        number = next(self._transaction)
        return {
            "changeOrigin": caller.origin,
            "transactionKey": f"{number:08x}-3d4f-bbe3-9c2b-{number * 7919 % 2**48:012x}",
            "commitTimestamp": int(at.timestamp() * 1000),
            "commitNumber": next(self._commit),
            "commitUser": caller.user,
        }

    def _append(self, at: datetime, entity: str, header: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        self._replay += 1 + self._replay % 5  # never contiguous
        self.events.append(Event(self._replay, at, entity, header, body))

    def _wake(self) -> None:
        for listener in self.listeners:
            listener()

    @property
    def tip(self) -> int:
        return self._replay

    def expire(self) -> None:
        """Drop what is older than the retention."""
        horizon = self.now() - RETENTION
        kept = next((n for n, event in enumerate(self.events) if event.at >= horizon), len(self.events))
        if kept:
            self.purged = self.events[kept - 1].replay
            del self.events[:kept]

    def start(self, replay: int) -> int | None:
        """The cursor of a subscription from -1 (now), -2 (all kept) or after an id; None for an invalid id."""
        self.expire()
        if replay == -1:
            return self.tip
        if replay == -2:
            return self.purged
        oldest = self.events[0].replay if self.events else self.tip + 1
        return replay if oldest <= replay <= self.tip else None

    def after(self, cursor: int, entities: frozenset[str], limit: int) -> list[Event]:
        """Events behind a cursor, oldest first."""
        at = bisect_right(self.events, cursor, key=lambda event: event.replay)
        return list(itertools.islice((e for e in self.events[at:] if e.entity in entities), limit))


def merged(schema: Schema, changes: Sequence[tuple[Changed, int]]) -> list[tuple[Changed, int, list[str]]]:
    """Changes that are the same but for the record stand together, with all ids."""
    groups: dict[str, tuple[Changed, int, list[str]]] = {}
    for change, number in changes:
        entity = schema.entities[change.entity]
        alone = change.kind == "CREATE" or any(map(is_diff, body_of(entity, change).values()))
        key = change.id if alone else f"{change.entity} {change.kind} {body_of(entity, change)}"
        _, _, ids = groups.setdefault(key, (change, number, []))
        ids.append(change.id)
    return list(groups.values())


def is_diff(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"diff"}


def event_name(entity: Entity, field: Field) -> tuple[str, str | None]:
    """A field's name in events: the compound it belongs to and its part, or just its name."""
    if field.compound is not None:
        return field.compound, field.name.removeprefix(field.compound.removesuffix("Address"))
    if entity.name in ("Contact", "User") and field.name in ("FirstName", "LastName", "Salutation"):
        return "Name", field.name
    return field.name, None


def _told(entity: Entity) -> list[Field]:
    """The fields that events carry: no derived ones, no compounds (their parts stand for them)."""
    person = entity.name in ("Contact", "User")
    return [
        f
        for f in entity.fields.values()
        if f.name not in NEVER and f.type != "address" and not (person and f.name == "Name")
    ]


def _moved(entity: Entity, change: Changed) -> list[Field]:
    """What differs, and LastModifiedDate, which an update always names."""
    before, after = change.before, change.after
    return [f for f in _told(entity) if before.get(f.name) != after.get(f.name) or f.name == "LastModifiedDate"]


def changed_fields(entity: Entity, change: Changed) -> list[str]:
    """Names of what an update changed, parts of compounds as ``BillingAddress.Street``; empty for the other kinds."""
    if change.kind != "UPDATE":
        return []
    names = (event_name(entity, f) for f in _moved(entity, change))
    return [name if part is None else f"{name}.{part}" for name, part in names]


def body_of(entity: Entity, change: Changed) -> dict[str, Any]:
    """What an event carries: all that is not empty, only what changed (null for cleared), or nothing for a DELETE."""
    if change.kind == "DELETE":
        return {}
    update = change.kind == "UPDATE"
    fields = _moved(entity, change) if update else [f for f in _told(entity) if change.after.get(f.name) is not None]
    body: dict[str, Any] = {}
    for one in fields:
        name, part = event_name(entity, one)
        value = _spelled(one, change, update=update)
        if part is None:
            body[name] = value
        else:
            body.setdefault(name, {})[part] = value
    return body


def _spelled(field: Field, change: Changed, *, update: bool) -> Any:
    value = change.after.get(field.name)
    if isinstance(value, datetime):
        return event_time(value)
    if update and field.long_text and isinstance(value, str) and len(value) > DIFF_FROM:
        return {"diff": difference(str(change.before.get(field.name) or ""), value)}
    return value


def difference(before: str, after: str) -> str:
    """A unified diff; its second line carries the SHA-256 of the new text."""
    digest = hashlib.sha256(after.encode()).hexdigest()
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=1)
    return "\n".join(["--- ", f"+++ {digest}", *itertools.islice(lines, 2, None)])


def visible(event: Event, entity: Entity, permissions: Permissions) -> Event | None:
    """The event as the subscriber may see it; None when the whole object is hidden."""
    if not permissions.sees_object(event.entity):
        return None
    hidden = {event_name(entity, f) for f in entity.fields.values() if not permissions.sees(entity.name, f.name)}
    if not hidden:
        return event
    spelled = {name if part is None else f"{name}.{part}" for name, part in hidden}
    body = {name: value for name, value in event.body.items() if (name, None) not in hidden}
    for name, part in hidden:
        if part is not None and isinstance(body.get(name), dict):
            body[name] = {key: value for key, value in body[name].items() if key != part}
    changed = [name for name in event.header["changedFields"] if name not in spelled]
    return replace(event, body=body, header={**event.header, "changedFields": changed})
