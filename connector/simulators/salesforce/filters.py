"""WHERE and ORDER BY: checked against the schema first, then carried out row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from connector.simulators.salesforce.dates import moments, span
from connector.simulators.salesforce.formulas import stored_or_formula
from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.schema import NUMERIC, TEXTUAL, Entity, Field
from connector.simulators.salesforce.soql import (
    Comparison,
    Condition,
    DateLiteral,
    Junction,
    Literal,
    Membership,
    Not,
    Ordering,
    Path,
    Query,
)
from connector.simulators.salesforce.store import Row, Store
from connector.simulators.salesforce.values import Stored

Test = Callable[[Row], bool]
Subquery = Callable[[Query], frozenset[str]]


class QueryError(Exception):
    """The query is refused; ``code`` is the platform's errorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_ADVICE = (
    "If you are attempting to use a custom {what}, be sure to append the '{tail}' after the {name} name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)


def unknown(code: str, message: str, what: str, tail: str) -> QueryError:
    """The platform's long sentence about a name that it does not know."""
    name = {"object": "entity", "relationship": "custom relationship", "field": "custom field"}[what]
    return QueryError(code, f"\nERROR at Row:1:Column:1\n{message}. {_ADVICE.format(what=what, tail=tail, name=name)}")


class Reader:
    """Looks up fields over relationships, within what the user may see."""

    def __init__(self, store: Store, permissions: Permissions) -> None:
        self.store = store
        self.permissions = permissions

    def entity(self, name: str) -> Entity:
        found = self.store.schema.find(name)
        if found is None or not self.permissions.sees_object(found.name):
            raise unknown("INVALID_TYPE", f"sObject type '{name}' is not supported", "object", "__c")
        return found

    def field(self, entity: Entity, path: Path) -> tuple[tuple[Field, ...], Field]:
        """The references on the way and the field at the end. Raises QueryError."""
        way: list[Field] = []
        for relationship in self._relationships(entity, path):
            reference = entity.parent(relationship)
            if reference is None or reference.reference_to is None or not self._sees(entity, reference):
                message = f"Didn't understand relationship '{relationship}' in field path"
                raise unknown("INVALID_FIELD", message, "relationship", "__r")
            way.append(reference)
            entity = self.entity(reference.reference_to)
        found = entity.find(path.parts[-1])
        if found is None or not self._sees(entity, found):
            message = f"No such column '{path.parts[-1]}' on entity '{entity.name}'"
            raise unknown("INVALID_FIELD", message, "field", "__c")
        if len(way) > 5:
            raise QueryError("MALFORMED_QUERY", "a relationship path has at most five levels")
        return tuple(way), found

    def _relationships(self, entity: Entity, path: Path) -> tuple[str, ...]:
        """Everything but the last part; the object's own name may stand first, as an alias."""
        before = path.parts[:-1]
        aliased = before and before[0].lower() == entity.name.lower() and entity.parent(before[0]) is None
        return before[1:] if aliased else before

    def _sees(self, entity: Entity, field: Field) -> bool:
        return self.permissions.sees(entity.name, field.name)

    def value(self, row: Row, way: tuple[Field, ...], field: Field) -> Stored:
        at = self.follow(row, way)
        return None if at is None else stored_or_formula(field, at, self.store.now().date())

    def follow(self, row: Row, way: tuple[Field, ...]) -> Row | None:
        at: Row | None = row
        for reference in way:
            if at is None or reference.reference_to is None:
                return None
            at = self.store.tables[reference.reference_to].get(str(at.get(reference.name)))
        return at


class Filters:
    """Turns conditions into tests of a row."""

    def __init__(self, reader: Reader, subquery: Subquery, now: datetime) -> None:
        self.reader = reader
        self.subquery = subquery
        self.now = now

    def test(self, entity: Entity, condition: Condition) -> Test:
        match condition:
            case Junction(every, parts):
                tests = [self.test(entity, part) for part in parts]
                if every:
                    return lambda row: all(test(row) for test in tests)
                return lambda row: any(test(row) for test in tests)
            case Not(part):
                inner = self.test(entity, part)
                return lambda row: not inner(row)
            case Comparison():
                return self._comparison(entity, condition)
            case Membership():
                return self._membership(entity, condition)

    def _comparison(self, entity: Entity, condition: Comparison) -> Test:
        way, field = self._filterable(entity, condition.path)
        if condition.operator == "like":
            if field.type not in TEXTUAL or not isinstance(condition.value, str):
                raise QueryError("INVALID_QUERY_FILTER_OPERATOR", f"'{field.name}': LIKE takes texts only")
            pattern = _like(condition.value)
            return lambda row: bool(pattern.fullmatch(str(self.reader.value(row, way, field) or "")))
        if isinstance(condition.value, DateLiteral):
            return self._dated(way, field, condition.operator, condition.value)
        wanted = literal(field, condition.value)
        if condition.operator in ("=", "!="):
            equal = condition.operator == "="
            return lambda row: (_key(self.reader.value(row, way, field)) == wanted) is equal
        if field.type in ("reference", "boolean") or wanted is None:
            raise QueryError("INVALID_QUERY_FILTER_OPERATOR", f"'{field.name}': invalid operator on {field.type} field")
        compare = _COMPARE[condition.operator]
        if field.type == "id":
            border = full_id(str(condition.value))
            return lambda row: _present(compare, self.reader.value(row, way, field), border)
        return lambda row: _present(compare, _key(self.reader.value(row, way, field)), wanted)

    def _dated(self, way: tuple[Field, ...], field: Field, operator: str, named: DateLiteral) -> Test:
        try:
            days = span(named.name, named.count, self.now.date())
        except ValueError as wrong:
            raise QueryError("MALFORMED_QUERY", str(wrong)) from None
        if field.type not in ("date", "datetime"):
            raise QueryError("INVALID_FIELD", _mistyped(field))
        first, after = days if field.type == "date" else moments(days)
        inside = _SPANS[operator]
        return lambda row: _inside(inside, self.reader.value(row, way, field), first, after)

    def _membership(self, entity: Entity, condition: Membership) -> Test:
        way, field = self._filterable(entity, condition.path)
        if isinstance(condition.values, Query):
            wanted: frozenset[Any] = self.subquery(condition.values)
        else:
            wanted = frozenset(literal(field, value) for value in condition.values)
        negated = condition.negated
        return lambda row: (_key(self.reader.value(row, way, field)) in wanted) is not negated

    def _filterable(self, entity: Entity, path: Path) -> tuple[tuple[Field, ...], Field]:
        way, field = self.reader.field(entity, path)
        if field.long_text or field.type == "address":
            raise QueryError("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
        return way, field

    def order(self, entity: Entity, orderings: tuple[Ordering, ...], rows: Iterable[Row]) -> list[Row]:
        ordered = list(rows)
        for ordering in reversed(orderings):
            way, field = self.reader.field(entity, ordering.path)
            if field.long_text or field.type == "address":
                raise QueryError("INVALID_FIELD", f"field '{field.name}' can not be sorted in a query call")
            ordered.sort(key=cmp_to_key(self._comparer(way, field, ordering)))
        return ordered

    def _comparer(self, way: tuple[Field, ...], field: Field, ordering: Ordering) -> Callable[[Row, Row], int]:
        last = bool(ordering.nulls_last)
        key = _as_it_is if field.type == "id" else _key  # ids sort by their letters' case, as they compare

        def compare(one: Row, other: Row) -> int:
            sign = -1 if ordering.descending else 1
            left, right = (key(self.reader.value(row, way, field)) for row in (one, other))
            if left is None or right is None:
                return 0 if left is right else (1 if (left is None) == last else -1)
            return sign * (int(left > right) - int(left < right))

        return compare


def literal(field: Field, value: Literal) -> Any:
    """A literal as the key it is compared by. Raises QueryError when its type does not fit the field."""
    if value is None or isinstance(value, DateLiteral):
        return None
    if field.type in ("id", "reference"):
        try:
            return full_id(str(value)).lower()
        except ValueError:
            raise QueryError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value}") from None
    if not isinstance(value, _LITERALS.get(field.type, str)) or (isinstance(value, datetime) and field.type == "date"):
        raise QueryError("INVALID_FIELD", _mistyped(field))
    return _key(value)


_LITERALS: dict[str, type] = {
    **dict.fromkeys(NUMERIC, Decimal), "boolean": bool, "date": date, "datetime": datetime,
}  # fmt: skip
_SQL_TYPES = {"datetime": "dateTime", "currency": "double", "percent": "double"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_SPANS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "=": lambda v, a, b: a <= v < b, "!=": lambda v, a, b: not a <= v < b, "<": lambda v, a, _b: v < a,
    ">": lambda v, _a, b: v >= b, "<=": lambda v, _a, b: v < b, ">=": lambda v, a, _b: v >= a,
}  # fmt: skip


def _mistyped(field: Field) -> str:
    kind = _SQL_TYPES.get(field.type, field.type)
    tail = "should be enclosed in quotes" if field.type in TEXTUAL else "should not be enclosed in quotes"
    return f"value of filter criterion for field '{field.name}' must be of type {kind} and {tail}"


def _present(compare: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    return value is not None and compare(value, wanted)


def _inside(inside: Callable[[Any, Any, Any], bool], value: Any, first: Any, after: Any) -> bool:
    return value is not None and inside(value, first, after)


def _as_it_is(value: Any) -> Any:
    return value


def _key(value: Any) -> Any:
    """Texts compare without regard to case; numbers as numbers; no text and null are one."""
    if isinstance(value, str):
        return value.lower() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _like(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    for escaped, plain in re.findall(r"\\(.)|(.)", pattern, re.DOTALL):
        parts.append(re.escape(escaped) if escaped else {"%": ".*", "_": "."}.get(plain, re.escape(plain)))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
