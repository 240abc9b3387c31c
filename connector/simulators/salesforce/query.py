"""Queries carried out: from the tree to the rows of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from connector.simulators.salesforce.filters import Filters, QueryError, Reader, unknown
from connector.simulators.salesforce.formulas import stored_or_formula
from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.schema import NUMERIC, Child, Entity, Field
from connector.simulators.salesforce.soql import (
    Aggregate,
    AllFields,
    Comparison,
    Condition,
    Junction,
    Membership,
    Path,
    Query,
)
from connector.simulators.salesforce.store import Row, Store

MAX_OFFSET = 2000
MAX_FIELDS_LIMIT = 200
Render = Callable[[Row], Mapping[str, Any]]
Put = Callable[[dict[str, Any], Row], None]


@dataclass(frozen=True)
class Scope:
    """Rows to be tested; ``by_id``: they come in the order of their ids."""

    rows: Iterable[Row]
    by_id: bool = False


@dataclass(frozen=True)
class Found:
    """What a query gives. ``rows`` are rendered page by page; ``ready`` are aggregate results, already rendered."""

    total: int
    rows: list[Row]
    render: Render
    ready: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Queries:
    """Runs query trees. ``page`` tells how child rows that are too many are continued."""

    store: Store
    permissions: Permissions
    now: Callable[[], datetime]
    version: str
    child_page: Callable[[list[Row], Render], Mapping[str, Any]]

    def run(self, query: Query, *, deleted: bool) -> Found:
        """Raises QueryError."""
        reader = Reader(self.store, self.permissions)
        entity = reader.entity(query.source)
        rows = self._rows(reader, entity, query, self._scope(entity, query.where, deleted), deleted)
        if any(isinstance(item, Aggregate) for item in query.items) or query.group:
            return self._aggregated(reader, entity, query, rows)
        render = self._render(reader, entity, query, deleted)
        cut = _cut(query, rows)
        return Found(len(cut), cut, render)

    def _rows(self, reader: Reader, entity: Entity, query: Query, scope: Scope, deleted: bool) -> list[Row]:
        filters = Filters(reader, lambda inner: self._ids(inner, deleted), self.now())
        test = filters.test(entity, query.where) if query.where is not None else None
        rows = (row for row in scope.rows if test is None or test(row))
        if query.group:
            return list(rows)
        if scope.by_id and _ordered_by_id(query):
            return list(rows if query.limit is None else islice(rows, query.offset + query.limit))
        return filters.order(entity, query.order, rows)

    def _scope(self, entity: Entity, where: Condition | None, deleted: bool) -> Scope:
        """The rows worth testing: those the condition names by id, or an index finds, else all."""
        parts = where.parts if isinstance(where, Junction) and where.every else (where,)
        for part in parts:
            match part:
                case Comparison(_, "=", value) if _names(part, "id"):
                    return Scope(self._by_ids(entity, (value,), deleted), by_id=True)
                case Membership(_, tuple() as values, False) if _names(part, "id"):
                    return Scope(self._by_ids(entity, values, deleted), by_id=True)
        first, last = _borders(parts)
        start = None if first or last else _moved_since(parts)
        if start is not None:
            return Scope(self.store.since(entity.name, start, deleted=deleted), by_id=True)
        return Scope(self.store.between(entity.name, first, last, deleted=deleted), by_id=True)

    def _by_ids(self, entity: Entity, values: tuple[Any, ...], deleted: bool) -> Iterable[Row]:
        table, wanted = self.store.tables[entity.name], {_border(value) for value in values}
        born = [table[one] for one in sorted(wanted) if one in table]
        return [row for row in born if deleted or not row["IsDeleted"]]

    def _ids(self, query: Query, deleted: bool) -> frozenset[str]:
        """The values of a semi-join's one column."""
        if len(query.items) != 1 or not isinstance(query.items[0], Path):
            raise QueryError("MALFORMED_QUERY", "a semi-join selects one field")
        reader = Reader(self.store, self.permissions)
        entity = reader.entity(query.source)
        way, field = reader.field(entity, query.items[0])
        rows = self._rows(reader, entity, query, self._scope(entity, query.where, deleted), deleted)
        values = (reader.value(row, way, field) for row in _cut(query, rows))
        return frozenset(str(value).lower() for value in values if value is not None)

    def _render(self, reader: Reader, entity: Entity, query: Query, deleted: bool) -> Render:
        puts: list[Put] = []
        seen: set[str] = set()
        for item in query.items:
            if isinstance(item, AllFields):
                puts += [self._put_path(reader, entity, Path((name,)), seen) for name in self._all(entity, item, query)]
            elif isinstance(item, Path):
                puts.append(self._put_path(reader, entity, item, seen))
            elif isinstance(item, Query):
                puts.append(self._put_children(reader, entity, item, deleted))

        def render(row: Row) -> Mapping[str, Any]:
            out = self._started(entity, row)
            for put in puts:
                put(out, row)
            return out

        return render

    def _started(self, entity: Entity, row: Row) -> dict[str, Any]:
        url = f"/services/data/v{self.version}/sobjects/{entity.name}/{row['Id']}"
        return {"attributes": {"type": entity.name, "url": url}}

    def _put_path(self, reader: Reader, entity: Entity, path: Path, seen: set[str]) -> Put:
        way, field = reader.field(entity, path)
        spelled = ".".join([*(str(step.relationship) for step in way), field.name])
        if spelled in seen:
            raise QueryError("INVALID_FIELD", f"duplicate field selected: {spelled}")
        seen.add(spelled)
        targets = [reader.entity(str(step.reference_to)) for step in way]
        owner = targets[-1] if targets else entity

        def put(out: dict[str, Any], row: Row) -> None:
            at = out
            for depth, step in enumerate(way):
                parent = reader.follow(row, way[: depth + 1])
                if parent is None:
                    at.setdefault(str(step.relationship), None)
                    return
                if at.get(str(step.relationship)) is None:
                    at[str(step.relationship)] = self._started(targets[depth], parent)
                at = at[str(step.relationship)]
            end = reader.follow(row, way)
            at[field.name] = None if end is None else value_of(owner, field, end, self.store.now().date())

        return put

    def _put_children(self, reader: Reader, entity: Entity, query: Query, deleted: bool) -> Put:
        child = entity.child(query.source)
        if child is None or not self.permissions.sees(child.entity, child.field):
            message = f"Didn't understand relationship '{query.source}' in FROM part of query call"
            raise unknown("INVALID_TYPE", message, "relationship", "__r")
        below = reader.entity(child.entity)
        if any(isinstance(item, Query | Aggregate) for item in query.items):
            raise QueryError("MALFORMED_QUERY", "a child query selects fields only")
        render = self._render(reader, below, query, deleted)
        self._rows(reader, below, query, Scope(()), deleted)  # refuses bad filters though no row is there

        def put(out: dict[str, Any], row: Row) -> None:
            scope = Scope(self._offspring(child, row, deleted))
            rows = _cut(query, self._rows(reader, below, query, scope, deleted))
            out[child.name] = self.child_page(rows, render) if rows else None

        return put

    def _offspring(self, child: Child, row: Row, deleted: bool) -> list[Row]:
        return self.store.pointing(child.entity, child.field, row["Id"], deleted=deleted)

    def _all(self, entity: Entity, item: AllFields, query: Query) -> list[str]:
        if item.scope != "STANDARD" and (query.limit is None or query.limit > MAX_FIELDS_LIMIT):
            raise QueryError("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
        wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}[item.scope]
        fields = (field for field in entity.fields.values() if field.custom in wanted)
        return [field.name for field in fields if self.permissions.sees(entity.name, field.name)]

    def _aggregated(self, reader: Reader, entity: Entity, query: Query, rows: list[Row]) -> Found:
        if query.items == (Aggregate("COUNT", None, None),) and not query.group:
            return Found(len(_cut(query, rows)), [], _nothing)
        keys = [reader.field(entity, path) for path in query.group]
        groups: dict[tuple[Any, ...], list[Row]] = {} if keys else {(): rows}
        for row in rows if keys else ():
            groups.setdefault(tuple(reader.value(row, way, field) for way, field in keys), []).append(row)
        ready = tuple(self._group(reader, entity, query, members) for members in groups.values())
        return Found(len(ready), [], _nothing, ready)

    def _group(self, reader: Reader, entity: Entity, query: Query, rows: list[Row]) -> Mapping[str, Any]:
        out: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        number = 0
        grouped = {str(path).lower() for path in query.group}
        for item in query.items:
            if isinstance(item, Aggregate) and item.path is not None:
                way, field = reader.field(entity, item.path)
                name, number = (item.alias, number) if item.alias else (f"expr{number}", number + 1)
                out[str(name)] = _aggregate(item.function, field, [reader.value(row, way, field) for row in rows])
            elif isinstance(item, Path) and str(item).lower() in grouped:
                way, field = reader.field(entity, item)
                out[field.name] = reader.value(rows[0], way, field)
            else:
                raise QueryError("MALFORMED_QUERY", "Field must be grouped or aggregated")
        return out


def value_of(entity: Entity, field: Field, row: Row, today: date | None = None) -> Any:
    """A field as the REST API shows it; an address is an object of its parts. Without a day formulas are not known."""
    if field.type == "base64" and row.get(field.name):
        return f"/services/data/v62.0/sobjects/{entity.name}/{row['Id']}/{field.name}"  # the bytes stand there
    if field.type != "address":
        return row.get(field.name) if today is None else stored_or_formula(field, row, today)
    stem = field.name.removesuffix("Address")
    names = {"city": "City", "country": "Country", "postalCode": "PostalCode", "state": "State", "street": "Street"}
    parts = {spelled: row.get(stem + name) for spelled, name in names.items() if stem + name in entity.fields}
    nowhere = {"geocodeAccuracy": None, "latitude": None, "longitude": None}
    return dict(sorted({**parts, **nowhere}.items())) if any(parts.values()) else None


def _names(part: Comparison | Membership, *names: str) -> bool:
    return len(part.path.parts) == 1 and part.path.parts[0].lower() in names


def _ordered_by_id(query: Query) -> bool:
    """Ids are unique: what stands behind them in an order says nothing."""
    first = query.order[0] if query.order else None
    return first is None or (
        len(first.path.parts) == 1 and first.path.parts[0].lower() == "id" and not first.descending
    )


def _borders(parts: Iterable[Condition | None]) -> tuple[str, str]:
    """The lowest and the highest id that a condition lets through, as far as it says so; empty where it does not."""
    first, last = "", ""
    for part in parts:
        if isinstance(part, Comparison) and _names(part, "id") and (border := _border(part.value)):
            if part.operator in (">", ">="):
                first = max(first, border)
            elif part.operator in ("<", "<="):
                last = min(last or border, border)
    return first, last


def _border(value: object) -> str:
    """An id in its long form; empty for what is none, which the test of the condition refuses."""
    try:
        return full_id(str(value))
    except ValueError:
        return ""


def _moved_since(parts: Iterable[Condition | None]) -> datetime | None:
    """The earliest SystemModstamp that a condition lets through. Who was modified then was stamped then, or later."""
    starts = [
        part.value
        for part in parts
        if isinstance(part, Comparison)
        and part.operator in (">", ">=", "=")
        and _names(part, "systemmodstamp", "lastmodifieddate")
        and isinstance(part.value, datetime)
    ]
    return max(starts, default=None)


def _cut(query: Query, rows: list[Row]) -> list[Row]:
    if query.offset > MAX_OFFSET:
        raise QueryError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end]


def _aggregate(function: str, field: Field, values: list[Any]) -> Any:
    given = [value for value in values if value is not None]
    if function in ("COUNT", "COUNT_DISTINCT"):
        return len(given) if function == "COUNT" else len({str(value).lower() for value in given})
    if function in ("SUM", "AVG") and field.type not in NUMERIC:
        raise QueryError("MALFORMED_QUERY", f"field {field.name} does not support aggregate operator {function}")
    if not given:
        return None
    if function in ("MAX", "MIN"):
        return max(given) if function == "MAX" else min(given)
    total = sum((Decimal(value) for value in given), Decimal(0))
    return total if function == "SUM" else total / len(given)


def _nothing(_row: Row) -> Mapping[str, Any]:
    return {}
