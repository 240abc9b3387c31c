"""Query answers become records. Pure: what the shell fetched goes in, typed values come out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from connector.core.catalog import FieldType
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.values import Value
from connector.errors import DataError
from connector.salesforce.describe import FieldShape, SalesforceCatalog

_OWN = frozenset({"SystemModstamp", "IsDeleted"})


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query answer. ``more`` is the path of the next page. Rows are not yet typed."""

    total: int
    rows: list[dict[str, Any]]
    more: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What every record of a read has in common."""

    plan: ReadPlan
    catalog: SalesforceCatalog
    organisation: str
    version: Version
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next rows by id, not yet typed. ``size`` were asked; they came in ``calls`` answers."""

    plan: ReadPlan
    version: Version
    rows: list[dict[str, Any]]
    size: int
    calls: int

    @property
    def whole(self) -> bool:
        """Whether nothing comes behind it."""
        return len(self.rows) < self.size

    @property
    def last(self) -> str:
        """The id behind which the next chunk begins."""
        found = self.rows[-1].get("Id") if self.rows else ""
        if not isinstance(found, str):
            _refuse(f"a row of {self.plan.entity} without an id")
        return found


def read_page(body: bytes) -> Page:
    """A query answer. Raises DataError."""
    try:
        raw = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as wrong:
        _refuse(f"a query answer that is no JSON: {wrong}")
    return page_of(raw)


def page_of(raw: object) -> Page:
    """The same from the parsed object: of a query or of child rows inside one."""
    rows = raw.get("records") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _refuse("a query answer without records")
    more = raw.get("nextRecordsUrl") if raw.get("done") is False else None
    if raw.get("done") is False and not (isinstance(more, str) and more.startswith("/services/data/")):
        _refuse("a query answer that is not done and names no next page")
    total = raw.get("totalSize")
    return Page(total if isinstance(total, int) else len(rows), rows, more)


def unfinished(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Child answers inside rows that have more pages. The shell appends the rest and sets ``done``."""
    for row in rows:
        for value in row.values():
            if isinstance(value, dict) and "records" in value and value.get("done") is False:
                yield value


def records(rows: list[dict[str, Any]], reading: Reading) -> tuple[Record, ...]:
    """The records of rows whose child rows are complete. Raises DataError for what is not as describe says."""
    return tuple(_record(row, reading) for row in rows)


def _record(row: Mapping[str, Any], reading: Reading) -> Record:
    plan = reading.plan
    record_id, stamp = row.get("Id"), row.get("SystemModstamp")
    if not isinstance(record_id, str) or len(record_id) != 18:
        _refuse(f"a row of {plan.entity} without an id")
    wanted = set(plan.fields)
    kept = {name: value for name, value in row.items() if name not in _OWN or not wanted or name in wanted}
    return Record(
        side=Side.SALESFORCE,
        organisation=reading.organisation,
        entity=plan.entity,
        id=record_id,
        version=reading.version,
        read_at=reading.read_at,
        stamp=None if stamp is None else _time(stamp, f"{plan.entity} {record_id} SystemModstamp"),
        deleted=row.get("IsDeleted") is True,
        fields=_fields(kept, plan.entity, reading, f"{plan.entity} {record_id}"),
    )


def _fields(row: Mapping[str, Any], entity: str, reading: Reading, where: str) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for name, raw in row.items():
        if name == "attributes":
            continue
        shape = reading.catalog.shape(entity, name)
        if shape is not None:
            out[name] = _value(shape, raw, f"{where} {name}")
        elif name in reading.plan.children and entity == reading.plan.entity:
            out[name] = _rows(name, raw, reading, where)
        else:
            out[name] = _parent(entity, name, raw, reading, where)
    return out


def _rows(relationship: str, raw: object, reading: Reading, where: str) -> list[Value]:
    """Child rows in their order; null is none."""
    if raw is None:
        return []
    child = reading.catalog.children(reading.plan.entity, relationship)
    page = page_of(raw)
    if page.more is not None or child is None:
        _refuse(f"{where} with child rows that are not complete")
    return [
        _fields(
            {name: value for name, value in row.items() if _asked(name, relationship, reading)}, child, reading, where
        )
        for row in page.rows
    ]


def _asked(name: str, relationship: str, reading: Reading) -> bool:
    return name not in _OWN or name in reading.plan.children[relationship]


def _parent(entity: str, relationship: str, raw: object, reading: Reading, where: str) -> Value:
    target = reading.catalog.target(entity, relationship)
    if target is None:
        _refuse(f"{where} with {relationship}, which describe does not know")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        _refuse(f"{where} with {relationship}, which is no object")
    return _fields(raw, target, reading, f"{where} {relationship}")


def _value(shape: FieldShape, raw: object, where: str) -> Value:
    return None if raw is None else _READERS[shape.info.type](raw, where)


def _text(raw: object, where: str) -> Value:
    if not isinstance(raw, str):
        _mistyped(raw, where, "a text")
    return raw or None


def _number(raw: object, where: str) -> Value:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        _mistyped(raw, where, "a number")
    try:
        value = Decimal(raw)
    except InvalidOperation:
        _mistyped(raw, where, "a number")
    if not value.is_finite():
        _mistyped(raw, where, "a number")
    return value


def _boolean(raw: object, where: str) -> Value:
    if not isinstance(raw, bool):
        _mistyped(raw, where, "true or false")
    return raw


def _date(raw: object, where: str) -> Value:
    try:
        return date.fromisoformat(str(raw))
    except ValueError:
        _mistyped(raw, where, "a date")


def _time(raw: object, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(str(raw))
    except ValueError:
        _mistyped(raw, where, "a time")
    if moment.tzinfo is None:
        _mistyped(raw, where, "a time with a zone")
    return moment.astimezone(UTC)


def _object(raw: object, where: str) -> Value:
    """An address or a place: a flat object."""
    if not isinstance(raw, dict):
        _mistyped(raw, where, "an object")
    return {str(name): _part(part, f"{where}.{name}") for name, part in raw.items()}


def _part(raw: object, where: str) -> Value:
    if raw is None or isinstance(raw, str | bool):
        return raw
    return _number(raw, where)


_READERS: Mapping[FieldType, Callable[[object, str], Value]] = {
    FieldType.TEXT: _text, FieldType.ID: _text, FieldType.NUMBER: _number, FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date, FieldType.TIME: _time, FieldType.OBJECT: _object,
}  # fmt: skip


def _mistyped(raw: object, where: str, wanted: str) -> NoReturn:
    _refuse(f"{where} as {str(raw)[:80]!r}, which is not {wanted}")


def _refuse(what: str) -> NoReturn:
    raise DataError(
        "salesforce.answer", f"Salesforce sent {what}.", remedy="Describe the object anew; report it if it stays."
    )
