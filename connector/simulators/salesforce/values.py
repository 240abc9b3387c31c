"""What a field takes: the platform's own checks of one value, with its own error codes and messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.schema import NUMERIC, Field

Stored = None | str | bool | Decimal | int | date | datetime
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Refusal(Exception):
    """One row is refused. ``code`` is the platform's statusCode, ``fields`` the API names concerned."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields


def missing(*fields: str) -> Refusal:
    return Refusal("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(fields)}]", fields)


class ParserRefusal(Refusal):
    """A value has the wrong JSON type: the platform refuses the whole request while it reads it."""

    def __init__(self, kind: str, raw: object) -> None:
        super().__init__(
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {kind} from value {raw} "
            "or request may be missing a required field at [line:1, column:1]",
        )


def coerce(field: Field, raw: object) -> Stored:
    """The stored form of a JSON value. Raises Refusal; null and the empty text are None."""
    if raw is None or raw == "":
        if field.type == "boolean":
            raise Refusal(
                "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{field.name}: value not of required type: null", (field.name,)
            )
        return None
    kind = "number" if field.type in NUMERIC else field.type
    return _KINDS.get(kind, _text)(field, raw)


def _text(field: Field, raw: object) -> str | None:
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise ParserRefusal("string", raw)
    text = str(raw).strip()
    if len(text) > field.length > 0:
        raise Refusal(
            "STRING_TOO_LONG", f"{field.name}: data value too large: {text} (max length={field.length})", (field.name,)
        )
    return text or None


def _picklist(field: Field, raw: object) -> str | None:
    text = _text(field, raw)
    if field.restricted and text is not None and text not in field.values:
        raise Refusal(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.name}: bad value for restricted picklist field: {text}",
            (field.name,),
        )
    return text


def _email(field: Field, raw: object) -> str | None:
    text = _text(field, raw)
    if text is not None and not _EMAIL.fullmatch(text):
        raise Refusal("INVALID_EMAIL_ADDRESS", f"{field.name}: invalid email address: {text}", (field.name,))
    return text


def _boolean(_field: Field, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise ParserRefusal("boolean", raw)


def _number(field: Field, raw: object) -> Decimal | int:
    if isinstance(raw, bool) or not isinstance(raw, str | int | Decimal):
        raise ParserRefusal("double", raw)
    try:
        value = Decimal(raw)
    except InvalidOperation:
        raise ParserRefusal("double", raw) from None
    if not value.is_finite():
        raise ParserRefusal("double", raw)
    if field.type == "int":
        if value != value.to_integral_value():
            raise ParserRefusal("int", raw)
        return int(value)
    digits = field.precision - field.scale
    if abs(value) >= Decimal(10) ** digits:
        raise Refusal(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.name}: value outside of valid range on numeric field: {raw}",
            (field.name,),
        )
    return value.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP)


def _date(_field: Field, raw: object) -> date:
    try:
        return date.fromisoformat(str(raw)[:10])
    except ValueError:
        raise ParserRefusal("date", raw) from None


def _datetime(_field: Field, raw: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(raw))
    except ValueError:
        raise ParserRefusal("datetime", raw) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _reference(field: Field, raw: object) -> str:
    try:
        return full_id(str(raw))
    except ValueError:
        raise Refusal("MALFORMED_ID", f"{field.name}: id value of incorrect type: {raw}", (field.name,)) from None


_KINDS: dict[str, Callable[[Field, object], Stored]] = {
    "picklist": _picklist, "email": _email, "boolean": _boolean, "number": _number,
    "date": _date, "datetime": _datetime, "reference": _reference, "id": _reference,
}  # fmt: skip
