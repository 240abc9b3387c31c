"""The objects of one org, and the transactions that change them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from connector.simulators.salesforce.ids import make_id
from connector.simulators.salesforce.indexes import Order, Stamps
from connector.simulators.salesforce.schema import Entity, Schema
from connector.simulators.salesforce.values import Refusal, Stored

Row: TypeAlias = dict[str, Stored]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who writes: the user and the origin that change events carry."""

    user: str
    origin: str
    allow_duplicates: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What one transaction did to one record, all its statements together."""

    entity: str
    id: str
    kind: str  # CREATE, UPDATE, DELETE, UNDELETE
    before: Mapping[str, Stored]
    after: Mapping[str, Stored]


Listener: TypeAlias = Callable[[Caller, datetime, tuple[Changed, ...]], None]


@dataclass
class Store:
    """Rows by object and 18-character id. Deleted rows stay, with IsDeleted, as in the recycle bin."""

    schema: Schema
    now: Callable[[], datetime]
    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = {name: itertools.count(1) for name in self.schema.entities}
        self._index: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
        self._order: dict[str, Order] = {}
        self._stamps: dict[str, Stamps] = {}
        self.blank: dict[str, Row] = {}
        for name, entity in self.schema.entities.items():
            self.tables.setdefault(name, {})
            self._order[name], self._stamps[name] = Order(), Stamps()
            self.blank[name] = dict.fromkeys(entity.fields)
            for one in entity.fields.values():
                if one.unique or one.type == "reference":
                    self._index[name, one.name] = {}

    def new_id(self, entity: Entity) -> str:
        return make_id(entity.prefix, next(self._numbers[entity.name]))

    def rows(self, entity: str, *, deleted: bool = False) -> Iterator[Row]:
        """The rows of an object in the order of their birth; with ``deleted`` the recycle bin too."""
        return (row for row in self.tables[entity].values() if deleted or not row["IsDeleted"])

    def between(self, entity: str, first: str = "", last: str = "", *, deleted: bool = False) -> Iterator[Row]:
        """Rows by id: from ``first`` on, up to ``last``, both included. A page costs what is read of it."""
        return self._shown(entity, self._order[entity].between(first, last), deleted)

    def since(self, entity: str, start: datetime, *, deleted: bool = False) -> Iterator[Row]:
        """Rows whose SystemModstamp is at or after a time, in the order of their birth."""
        return self._shown(entity, self._stamps[entity].since(start.replace(microsecond=0)), deleted)

    def _shown(self, entity: str, ids: Iterable[str], deleted: bool) -> Iterator[Row]:
        table = self.tables[entity]
        rows = (table[record_id] for record_id in ids)
        return (row for row in rows if deleted or not row["IsDeleted"])

    def live(self, entity: str, record_id: str | None) -> Row | None:
        row = self.tables[entity].get(record_id or "")
        return None if row is None or row["IsDeleted"] else row

    def pointing(self, entity: str, name: str, value: Stored, *, deleted: bool = False) -> list[Row]:
        """Rows whose reference or unique field holds a value; unique texts do not differ by case alone."""
        ids = self._index[entity, name].get(str(value).lower(), {})
        rows = (self.tables[entity][record_id] for record_id in ids)
        unique = self.schema.entities[entity].fields[name].unique
        return [row for row in rows if (deleted or not row["IsDeleted"]) and (unique or row[name] == value)]

    def replace(self, entity: str, record_id: str, row: Row | None) -> None:
        """Put a row, or take it away; only transactions do."""
        before = self.tables[entity].get(record_id)
        for name in self.schema.entities[entity].fields:
            index = self._index.get((entity, name))
            if index is None:
                continue
            if before is not None and before.get(name) is not None:
                index.get(str(before[name]).lower(), {}).pop(record_id, None)
            if row is not None and row.get(name) is not None:
                index.setdefault(str(row[name]).lower(), {})[record_id] = None
        self._stamps[entity].move(record_id, _stamp(before), _stamp(row))
        if row is None:
            self.tables[entity].pop(record_id, None)
            self._order[entity].remove(record_id)
        else:
            self.tables[entity][record_id] = row
            if before is None:
                self._order[entity].add(record_id)

    def transaction(self, caller: Caller) -> Transaction:
        return Transaction(self, caller)


class Transaction:
    """All or nothing as a whole, and part by part by its savepoints. Used in one synchronous stretch."""

    def __init__(self, store: Store, caller: Caller, at: datetime | None = None) -> None:
        self.store = store
        self.caller = caller
        self.at = (at or store.now()).replace(microsecond=0)  # the platform keeps whole seconds
        self._undo: list[tuple[str, str, Row | None]] = []
        self._unlisted: set[tuple[str, str]] = set()

    def savepoint(self) -> int:
        return len(self._undo)

    def rollback(self, savepoint: int = 0) -> None:
        while len(self._undo) > savepoint:
            entity, record_id, before = self._undo.pop()
            self.store.replace(entity, record_id, before)

    def put(self, entity: str, record_id: str, row: Row) -> None:
        self._undo.append((entity, record_id, self.store.tables[entity].get(record_id)))
        self.store.replace(entity, record_id, row)

    def erase(self, entity: str, record_id: str) -> None:
        """Gone past the recycle bin."""
        self._undo.append((entity, record_id, self.store.tables[entity].get(record_id)))
        self.store.replace(entity, record_id, None)

    def change(self, entity: str, record_id: str, values: Mapping[str, Stored], *, quietly: bool = False) -> Row:
        """Change a row and stamp it. ``quietly`` leaves its modifier and makes no event, as platform clean-up does."""
        known = self.store.blank[entity] | self.store.tables[entity][record_id]
        row: Row = {**known, **values, "SystemModstamp": self.at}
        if quietly:
            self._unlisted.add((entity, record_id))
        else:
            row |= {"LastModifiedDate": self.at, "LastModifiedById": self.caller.user}
        self.put(entity, record_id, row)
        return row

    def commit(self) -> tuple[Changed, ...]:
        """Tell the listeners what happened, one entry a record, in the order of first touch."""
        first: dict[tuple[str, str], Row | None] = {}
        for entity, record_id, before in self._undo:
            first.setdefault((entity, record_id), before)
        changes = tuple(filter(None, (self._changed(key, before) for key, before in first.items())))
        self._undo.clear()
        for listener in self.store.listeners:
            listener(self.caller, self.at, changes)
        return changes

    def _changed(self, key: tuple[str, str], before: Row | None) -> Changed | None:
        entity, record_id = key
        after = self.store.tables[entity].get(record_id)
        was, now = before is not None and not before["IsDeleted"], after is not None and not after["IsDeleted"]
        if key in self._unlisted or not (was or now):
            return None
        kind = {(True, True): "UPDATE", (True, False): "DELETE"}.get((was, now), "UNDELETE" if before else "CREATE")
        return Changed(entity, record_id, kind, before or {}, after or {})


def _stamp(row: Row | None) -> datetime | None:
    stamp = None if row is None else row.get("SystemModstamp")
    return stamp if isinstance(stamp, datetime) else None


def present(store: Store, entity: Entity, record_id: str) -> Row:
    """A row that is there. Raises Refusal as the platform does for what is deleted, missing or of another object."""
    row = store.tables[entity.name].get(record_id)
    if row is None:
        code = "INVALID_CROSS_REFERENCE_KEY" if record_id.startswith(entity.prefix) else "MALFORMED_ID"
        raise Refusal(code, "invalid cross reference id" if code != "MALFORMED_ID" else f"malformed id {record_id}")
    if row["IsDeleted"]:
        raise Refusal("ENTITY_IS_DELETED", "entity is deleted")
    return row
