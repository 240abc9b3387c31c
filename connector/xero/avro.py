"""Records of the accounting topics as Avro values, and back, exactly. Pure.

The value of ``accounting.<entity>.v1``: an envelope and a typed document (null when the object is deleted). Encoding is
the codec's; this module gives and takes the dicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connector.core.records import Record, Side, Version
from connector.core.values import Fields, Value, canonical, from_canonical, plain_number
from connector.errors import DataError
from connector.xero.entities import ENTITIES, entity
from connector.xero.field import FieldKind
from connector.xero.shape import OTHER, Part, Shape, document

TOPICS: Mapping[str, str] = {f"accounting.{about.topic}.v1": name for name, about in ENTITIES.items()}
"""Topic to entity."""
_MISSING = object()


def topic_of(name: str) -> str:
    """The topic of an entity. Raises ConfigurationError for one that is not spoken yet."""
    return f"accounting.{entity(name).topic}.v1"


def to_value(record: Record) -> dict[str, Any]:
    """The dict that the codec takes. ``read_at`` is cut to the millisecond. Raises DataError (``record.not-xero``)."""
    if record.side is not Side.XERO:
        raise DataError("record.not-xero", f"{record.entity} {record.id} is a record of {record.side}.")
    return {
        "tenant": record.organisation,
        "id": record.id,
        "version": {"epoch": record.version.epoch, "ordinal": record.version.ordinal},
        "read_at": _cut(record.read_at),
        "stamp": None if record.stamp is None else _cut(record.stamp),
        "deleted": record.deleted,
        "document": None if record.deleted and not record.fields else _object(record.fields, document(record.entity)),
    }


def from_value(value: Mapping[str, Any], name: str) -> Record:
    """The record of a decoded value of the entity's topic."""
    body = value["document"]
    return Record(
        side=Side.XERO,
        organisation=value["tenant"],
        entity=name,
        id=value["id"],
        version=Version(value["version"]["epoch"], value["version"]["ordinal"]),
        read_at=value["read_at"],
        stamp=value["stamp"],
        deleted=value["deleted"],
        fields={} if body is None else _fields(body, document(name)),
    )


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _object(fields: Fields, shape: Shape) -> dict[str, Any]:
    out: dict[str, Any] = dict.fromkeys(shape.parts)
    other: dict[str, str] = {}
    for name, value in fields.items():
        part = shape.parts.get(name)
        typed = _MISSING if part is None or value is None else _typed(value, part)
        if typed is _MISSING:
            other[name] = canonical(value)
        else:
            out[name] = typed
    return {**out, OTHER: other}


def _typed(value: Value, part: Part) -> Any:
    """The Avro value, or ``_MISSING`` when the value is not what the part takes."""
    kind = part.kind
    if kind in (FieldKind.OBJECT, FieldKind.REFERENCE):
        return _object(value, part.inner) if isinstance(value, Mapping) and part.inner else _MISSING
    if kind is FieldKind.LIST:
        rows = value if isinstance(value, Sequence) and not isinstance(value, str) else None
        if rows is None or part.inner is None or not all(isinstance(row, Mapping) for row in rows):
            return _MISSING
        return [_object(row, part.inner) for row in rows if isinstance(row, Mapping)]
    if not _fits(value, part):
        return _MISSING
    return int(value) if kind is FieldKind.WHOLE and isinstance(value, Decimal) else value


def _fits(value: Value, part: Part) -> bool:
    kind = part.kind
    if kind is FieldKind.TEXT:
        return isinstance(value, str)
    if kind is FieldKind.BOOLEAN:
        return isinstance(value, bool)
    if kind is FieldKind.TIME:
        return isinstance(value, datetime) and value.tzinfo is not None and value.microsecond % 1000 == 0
    if kind is FieldKind.DATE:
        return isinstance(value, date) and not isinstance(value, datetime)
    if not isinstance(value, Decimal) or not value.is_finite():
        return False
    if kind is FieldKind.WHOLE:
        return value == value.to_integral_value() and abs(value) < 2**63
    whole, places = len(str(abs(int(value)))), max(0, -int(value.normalize().as_tuple().exponent))
    return places <= part.scale and whole <= part.precision - part.scale


def _fields(body: Mapping[str, Any], shape: Shape) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for name, part in shape.parts.items():
        value = body.get(name)
        if value is not None:
            out[name] = _plain(value, part)
    return {**out, **{name: from_canonical(text) for name, text in body[OTHER].items()}}


def _plain(value: Any, part: Part) -> Value:
    if part.inner is not None and isinstance(value, Mapping):
        return _fields(value, part.inner)
    if part.inner is not None:
        return [_fields(row, part.inner) for row in value]
    if isinstance(value, Decimal):
        return Decimal(plain_number(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    result: Value = value
    return result
