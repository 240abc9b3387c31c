"""Reading what clients send: each entity is a table of field name to parser.

A null is as good as an omitted field. A field that Xero only reads (``None`` in the table) is ignored, as Xero does
with
an object that is sent back whole; a name that is in no table refuses the request, so that a typo cannot pass.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from connector.simulators.xero.errors import Invalid, unreadable

Parser = Callable[[Any, str], Any]
Table = Mapping[str, Parser | None]
_MS_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")


def text(limit: int) -> Parser:
    """Trimmed."""

    def parse(raw: Any, path: str) -> str:
        if isinstance(raw, bool | Mapping | list):
            raise unreadable(f"Unexpected value. Path '{path}'.")
        value = str(raw).strip()
        if len(value) > limit:
            raise Invalid(f"The length of the field {path.rpartition('.')[2]} must be {limit} characters or fewer.")
        return value

    return parse


def number(raw: Any, path: str) -> Decimal:
    try:
        if isinstance(raw, bool):
            raise InvalidOperation
        value = Decimal(str(raw))
    except InvalidOperation:
        raise unreadable(f"Error converting value \"{raw}\" to type 'System.Decimal'. Path '{path}'.") from None
    if not value.is_finite() or abs(value) >= Decimal("1e15"):
        raise unreadable(f"Error converting value \"{raw}\" to type 'System.Decimal'. Path '{path}'.")
    return value


def money(raw: Any, path: str) -> Decimal:
    """Two places, half up."""
    return cents(number(raw, path))


def cents(value: Decimal, places: int = 2) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def flag(raw: Any, path: str) -> bool:
    if isinstance(raw, bool):
        return raw
    if str(raw).lower() in ("true", "false"):
        return str(raw).lower() == "true"
    raise unreadable(f"Could not convert string to boolean: {raw}. Path '{path}'.")


def guid(raw: Any, path: str) -> str:
    try:
        return str(uuid.UUID(str(raw)))
    except ValueError:
        raise unreadable(f"Error converting value \"{raw}\" to type 'System.Guid'. Path '{path}'.") from None


def day(raw: Any, path: str) -> date:
    """``YYYY-MM-DD``, the same with a time, or ``/Date(ms)/``."""
    found = _MS_DATE.fullmatch(str(raw))
    try:
        if found:
            return datetime.fromtimestamp(int(found[1]) / 1000, UTC).date()
        return datetime.fromisoformat(str(raw)).date()
    except (ValueError, OverflowError):
        raise unreadable(f"String was not recognized as a valid DateTime: {raw}. Path '{path}'.") from None


def choice(kind: str, *values: str) -> Parser:
    def parse(raw: Any, path: str) -> str:
        if raw not in values:
            raise unreadable(f"Error converting value \"{raw}\" to type '{kind}'. Path '{path}'.")
        return str(raw)

    return parse


def record(table: Table) -> Parser:
    """A nested object."""

    def parse(raw: Any, path: str) -> dict[str, Any]:
        return read(raw, table, path)

    return parse


def rows(table: Table) -> Parser:
    """A list of nested objects. Refusals of single fields are gathered, so that one answer names them all."""

    def parse(raw: Any, path: str) -> list[dict[str, Any]]:
        if not isinstance(raw, list):
            raise unreadable(f"A list is expected. Path '{path}'.")
        return [read(part, table, f"{path}[{at}]") for at, part in enumerate(raw)]

    return parse


def empty_only(raw: Any, path: str) -> Any:
    """A list or object that the simulator takes only when there is nothing in it."""
    if raw:
        raise unreadable(f"The Xero simulator does not support a value here. Path '{path}'.")
    return raw


def read(raw: Any, table: Table, path: str) -> dict[str, Any]:
    """The given fields of one object, parsed. Raises Refusal for the unreadable, Invalid for what breaks a length."""
    if not isinstance(raw, Mapping):
        raise unreadable(f"An object is expected. Path '{path}'.")
    out: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in raw.items():
        if name not in table:
            raise unreadable(f"The Xero simulator knows no field '{name}' here. Path '{path}.{name}'.")
        parser = table[name]
        if value is None or parser is None:
            continue
        try:
            out[name] = parser(value, f"{path}.{name}")
        except Invalid as invalid:
            wrong.extend(invalid.messages)
    if wrong:
        raise Invalid(*wrong)
    return out


def named(table: Table, entity: str) -> Table:
    """An object that another one only names: by its id or number; whatever else is sent of it is ignored."""
    return {**dict.fromkeys(table), f"{entity}ID": guid, f"{entity}Number": text(255), "LineItems": empty_only}
