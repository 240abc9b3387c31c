"""Xero's JSON to records, and the spelling of values in what we send. Pure.

Left out of records: the marks of an answer (HasErrors, ValidationErrors, ...), which say nothing of the object. All
else is kept, known or not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.core.records import Record, Side, Version
from connector.core.values import Value, plain_number
from connector.errors import DataError
from connector.xero.entities import entity as entity_of
from connector.xero.field import FieldKind
from connector.xero.fields import FIELDS

OF_THE_ANSWER = frozenset({"HasErrors", "HasValidationErrors", "StatusAttributeString", "ValidationErrors", "Warnings"})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/")
_DEEPEST = 40
_LONGEST_NUMBER = 60


def load(body: bytes) -> Any:
    """JSON with every number a Decimal. Raises DataError (``xero.not-json``)."""
    try:
        return json.loads(body, parse_float=_number, parse_int=_number, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DataError("xero.not-json", f"Xero answered something that is not JSON: {str(error)[:200]}.") from error


def _number(text: str) -> Decimal:
    """Bounded: an exponent of a billion would be a billion digits when it is spelled out."""
    value = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    if value is None or abs(value.adjusted()) > _LONGEST_NUMBER:
        raise ValueError("a number with too many digits")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def elements(body: bytes, entity: str) -> list[Mapping[str, Any]]:
    """The objects of an envelope. Raises DataError (``xero.not-json``, ``xero.envelope``)."""
    parsed = load(body)
    found = parsed.get(entity_of(entity).plural) if isinstance(parsed, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise DataError("xero.envelope", f"Xero's answer holds no list of {entity_of(entity).plural}.")
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a list as it came. Polls overlap: most rows are known already, and are read no further than this.

    ``content`` is a short digest of all that it says, UpdatedDateUTC among it.
    """

    id: str
    stamp: datetime | None
    content: str
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)


def row(raw: Mapping[str, Any], entity: str) -> Row:
    """Raises DataError (``xero.no-id``)."""
    stamp = raw.get("UpdatedDateUTC")
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"), default=str)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Row(_id_of(raw, entity), read_moment(stamp) if isinstance(stamp, str) else None, digest, raw)


def _id_of(raw: Mapping[str, Any], entity: str) -> str:
    about = entity_of(entity)
    record_id = raw.get(about.id_field)
    if not isinstance(record_id, str) or not record_id:
        raise DataError("xero.no-id", f"An object of {about.plural} has no {about.id_field}.")
    return record_id


def record(raw: Mapping[str, Any], entity: str, tenant: str, version: Version, read_at: datetime) -> Record:
    """One object. Raises DataError (``xero.no-id``, ``xero.too-deep``)."""
    record_id = _id_of(raw, entity)
    fields = read_fields(raw, entity)
    stamp = fields.get("UpdatedDateUTC")
    return Record(
        side=Side.XERO,
        organisation=tenant,
        entity=entity,
        id=record_id,
        version=version,
        read_at=read_at,
        stamp=stamp if isinstance(stamp, datetime) else None,
        fields=fields,
    )


def read_fields(raw: Mapping[str, Any], entity: str, depth: int = 0) -> dict[str, Value]:
    """The fields of one object, typed by the table of fields; what the table does not know is kept by its look."""
    if depth > _DEEPEST:
        raise DataError("xero.too-deep", f"An object of {entity or 'Xero'} is nested deeper than {_DEEPEST}.")
    table = FIELDS.get(entity, {})
    out: dict[str, Value] = {}
    for name, value in raw.items():
        if name in OF_THE_ANSWER:
            continue
        row = table.get(name)
        kind = row.kind if row else None
        out[name] = _value(value, kind, row.of if row else "", name, depth)
    return out


def _value(raw: Any, kind: FieldKind | None, inside: str, name: str, depth: int) -> Value:
    if isinstance(raw, Mapping):
        return read_fields(raw, inside, depth + 1)
    if isinstance(raw, list):
        if depth > _DEEPEST:
            raise DataError("xero.too-deep", f"{name} is nested deeper than {_DEEPEST}.")
        return [_value(part, None, inside, name, depth + 1) for part in raw]
    if isinstance(raw, str):
        moment = read_moment(raw)
        return raw if moment is None else _dated(moment, kind, name)
    if raw is None or isinstance(raw, bool | Decimal):
        return raw
    raise DataError("xero.value", f"{name} holds a {type(raw).__name__}.")


def _dated(moment: datetime, kind: FieldKind | None, name: str) -> Value:
    """Business dates are the midnight, in UTC, of a date: they stay dates and are never shifted."""
    if kind is FieldKind.DATE or (kind is None and not name.endswith("UTC") and moment.timetz() == EPOCH.timetz()):
        return moment.date()
    return moment


def read_moment(text: str) -> datetime | None:
    """``/Date(ms+0000)/``. The milliseconds are UTC already; an offset beside them is for show and is not added."""
    found = _MS_DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return EPOCH + timedelta(milliseconds=int(found[1]))
    except OverflowError:
        return None


def json_bytes(value: Value) -> bytes:
    """What we send: sorted names, exact decimals, dates as Xero takes them. Equal values give equal bytes."""
    return _json(value).encode()


def _json(value: Value) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return json.dumps(value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    if isinstance(value, Mapping):
        inside = ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_json(value[name])}" for name in sorted(value))
        return f"{{{inside}}}"
    if isinstance(value, Sequence):
        return f"[{','.join(_json(part) for part in value)}]"
    raise DataError("xero.value", f"A {type(value).__name__} cannot be sent to Xero.")
