"""From what an expression gave, or a record holds, to the one neutral form in which both sides are compared.

An empty text is null, texts are trimmed (both systems trim), numbers have the field's places, a day is a date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from connector.core.catalog import FieldInfo, FieldType
from connector.core.mapping.functions import day, number, spoken
from connector.core.mapping.operators import sound
from connector.core.mapping.shapes import ADDRESS_PARTS
from connector.core.mapping.syntax import ExpressionError
from connector.core.money import half_up
from connector.core.records import Side
from connector.core.values import Ref, Sought, Value

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}


def tidy(value: object) -> Value:
    """The neutral form of a value whose type nobody knows."""
    value = sound(value)
    if isinstance(value, Sought):
        return value
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
        return text or None
    if value is None or isinstance(value, bool | Decimal | date | Ref):
        return value
    if isinstance(value, Mapping):
        inner = {str(name): tidy(part) for name, part in value.items()}
        return {name: part for name, part in inner.items() if part is not None} or None
    if isinstance(value, Sequence):
        return [tidy(part) for part in value]
    raise ExpressionError("mapping.type", f"{spoken(value)} cannot be written to a field")


def fitted(value: object, info: FieldInfo | None, *, cut: bool = False) -> Value:
    """The value as the field takes it. Raises ExpressionError: another type, too long a text."""
    out = tidy(value)
    if out is None or info is None or isinstance(out, Ref | Sought):
        return out
    rule = _RULES.get(info.type)
    if rule is not None:
        out = rule(out, info)
    if isinstance(out, str) and info.max_length is not None and len(out) > info.max_length:
        if not cut:
            raise ExpressionError(
                "mapping.too-long",
                f"a text of {len(out)} characters; the field holds {info.max_length}",
                remedy="Shorten it, use left(), or say long: cut.",
            )
        out = out[: info.max_length].rstrip()
    return out


def from_plain(text: str, info: FieldInfo | None) -> Value:
    """A plain scalar by the type of its field. Raises ExpressionError."""
    if info is None:
        return tidy(text)
    if info.type is FieldType.NUMBER:
        return number(text)
    if info.type is FieldType.BOOLEAN:
        if text.lower() not in _YES_NO:
            raise ExpressionError("mapping.type", f"{text[:40]!r} is neither true nor false")
        return _YES_NO[text.lower()]
    if info.type is FieldType.DATE:
        return day(text)
    if info.type is FieldType.TIME:
        return _time(text, info)
    return tidy(text)


def _text(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, str):
        return value
    raise _wrong(value, "a text", "Use text().")


def _id(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, str):
        return value
    raise _wrong(value, "an id", "Use target() or source(), or a field that holds an id.")


def _number(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, Decimal):
        if info.scale is None or -info.scale <= _exponent(value):
            return value
        try:
            return half_up(value, info.scale)
        except ArithmeticError:
            raise ExpressionError("mapping.range", "a number with too many digits") from None
    raise _wrong(value, "a number", "Use number().")


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _date(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, datetime):
        return value.astimezone(UTC).date()
    if isinstance(value, date):
        return value
    raise _wrong(value, "a date", "Use date().")


def _time(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            found: datetime | None = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            found = None
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC)
    raise _wrong(value, "a time with a zone")


def _boolean(value: Value, info: FieldInfo) -> Value:
    if isinstance(value, bool):
        return value
    raise _wrong(value, "true or false", "Use a comparison.")


def _wrong(value: object, wanted: str, remedy: str = "") -> ExpressionError:
    return ExpressionError("mapping.type", f"{spoken(value)} where the field takes {wanted}", remedy=remedy)


_RULES: Mapping[FieldType, Callable[[Value, FieldInfo], Value]] = {
    FieldType.TEXT: _text,
    FieldType.ID: _id,
    FieldType.NUMBER: _number,
    FieldType.DATE: _date,
    FieldType.TIME: _time,
    FieldType.BOOLEAN: _boolean,
}


@dataclass(frozen=True, slots=True)
class Converter:
    """A field that is laid out differently on both sides: to one neutral form, and back to each side's."""

    neutral: Callable[[Side, Value], Value]
    spelled: Callable[[Side, Value], Value]


STREET_LINES = 4
_XERO_LINES = tuple(f"AddressLine{place}" for place in range(1, STREET_LINES + 1))
_XERO_PARTS: Mapping[str, str] = {"City": "City", "State": "Region", "PostalCode": "PostalCode", "Country": "Country"}


def _address(side: Side, value: Value) -> Value:
    """{Street, City, State, PostalCode, Country} without its empty parts; the street in at most four lines."""
    if not isinstance(value, Mapping):
        return None
    if side is Side.XERO:
        parts = {ours: value.get(theirs) for ours, theirs in _XERO_PARTS.items()}
        street = "\n".join(str(value[name]) for name in _XERO_LINES if value.get(name))
        parts["Street"] = street
    else:
        parts = {part: value.get(part) for part in ADDRESS_PARTS}
    if isinstance(parts["Street"], str):
        parts["Street"] = "\n".join(_street(parts["Street"]))
    return tidy({name: parts[name] for name in ADDRESS_PARTS})


def _street(text: str) -> list[str]:
    """Xero has four lines: what goes beyond stands in the fourth, after commas."""
    rows = [row.strip() for row in text.splitlines() if row.strip()]
    return [*rows[: STREET_LINES - 1], ", ".join(rows[STREET_LINES - 1 :])] if len(rows) > STREET_LINES else rows


def _spelled_address(side: Side, value: Value) -> Value:
    if side is Side.SALESFORCE:
        return value
    parts: Mapping[str, Value] = value if isinstance(value, Mapping) else {}
    rows = str(parts.get("Street") or "").split("\n")
    rows += [""] * (STREET_LINES - len(rows))
    out: dict[str, Value] = dict(zip(_XERO_LINES, rows, strict=False))
    out.update({theirs: parts.get(ours) or "" for ours, theirs in _XERO_PARTS.items()})
    return out


_AFTER = "DAYSAFTERBILLDATE"  # the one of Xero's payment terms that a number of days can say


def _terms(side: Side, value: Value) -> Value:
    """A number of days after the date of the document. Other terms of Xero are a text of their own (``20
    OFFOLLOWINGMONTH``): no number is equal to them."""
    if side is Side.SALESFORCE:
        return None if value is None else _days(value)
    term: Mapping[str, Value] = value if isinstance(value, Mapping) else {}
    day, kind = term.get("Day"), term.get("Type")
    if not isinstance(day, Decimal) or not isinstance(kind, str) or not kind:
        return None
    return _days(day) if kind == _AFTER else f"{_days(day)} {kind}"


def _days(value: Value) -> Decimal:
    if isinstance(value, Decimal):
        return half_up(value, 0)
    raise _wrong(value, "a number of days")


def _spelled_terms(side: Side, value: Value) -> Value:
    """Salesforce holds days or nothing; Xero takes a day with its type."""
    if side is Side.SALESFORCE or value is None:
        return value if isinstance(value, Decimal) else None
    day, _, kind = str(value).partition(" ")
    return {"Day": Decimal(day), "Type": kind or _AFTER}


CONVERTERS: Mapping[str, Converter] = {
    "address": Converter(_address, _spelled_address),
    "terms": Converter(_terms, _spelled_terms),
}
