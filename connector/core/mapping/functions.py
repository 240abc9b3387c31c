"""The named functions of the language, as one table. docs/mappings.md lists the same names; a test compares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from connector.core.catalog import FieldType
from connector.core.mapping.syntax import ExpressionError
from connector.core.money import half_up
from connector.core.values import plain_number

MAX_RESULT = 200_000  # characters: more than any field of either side holds
MAX_DAYS = 36_600

TEXT, NUMBER, DATE = FieldType.TEXT, FieldType.NUMBER, FieldType.DATE
BOOLEAN = FieldType.BOOLEAN


@dataclass(frozen=True, slots=True)
class Function:
    """``takes`` are the types of its arguments, None for any; the last one ``repeats``. A null argument gives null
    unless the function ``sees_null``. ``run`` is None where the compiler has the function's own rule."""

    takes: tuple[FieldType | None, ...]
    gives: FieldType | None
    run: Callable[..., object] | None
    does: str
    repeats: bool = False
    sees_null: bool = False
    options: tuple[str, ...] = ()


def text(value: object) -> str:
    """A value as people write it: numbers without trailing zeros, dates as year-month-day."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise ExpressionError("mapping.type", f"{spoken(value)} has no text")


def number(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        try:
            found = Decimal(value.strip())
        except ArithmeticError:
            found = Decimal("NaN")
        if found.is_finite() and abs(found.adjusted()) <= 40 and "_" not in value:
            return found
    raise ExpressionError("mapping.type", f"{_shown(value)} is not a number")


def day(value: object) -> date:
    """A business date; a time gives its date in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip()[:10])
        except ValueError:
            pass
    raise ExpressionError("mapping.type", f"{_shown(value)} is not a date (year-month-day)")


def whole(value: Decimal, least: int, most: int) -> int:
    if value != value.to_integral_value() or not least <= value <= most:
        raise ExpressionError("mapping.range", f"{_shown(value)} is not a whole number from {least} to {most}")
    return int(value)


def spoken(value: object) -> str:
    """What kind of value this is, for messages."""
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "yes or no"),
        (str, "a text"),
        (Decimal, "a number"),
        (datetime, "a time"),
        (date, "a date"),
        (timedelta, "a number of days"),
        (Mapping, "an object"),
        (type(None), "null"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "a list")


def _shown(value: object) -> str:
    return (
        repr(value[:40])
        if isinstance(value, str)
        else plain_number(value)
        if isinstance(value, Decimal)
        else spoken(value)
    )


def _replace(value: str, old: str, new: str) -> str:
    if not old:
        raise ExpressionError("mapping.range", "replace() cannot look for an empty text")
    if len(value) + value.count(old) * len(new) > MAX_RESULT:
        raise ExpressionError("mapping.text-size", f"a text of more than {MAX_RESULT} characters")
    return value.replace(old, new)


def _concat(*parts: object) -> str | None:
    texts = [text(part) for part in parts if part is not None]
    return "".join(texts) if texts else None


def _join(separator: object, *parts: object) -> str | None:
    texts = [text(part) for part in parts if part not in (None, "")]
    return text(separator).join(texts) if texts and separator is not None else None


def _refuse(words: str) -> NoReturn:
    raise ExpressionError("mapping.refused", words, remedy="Change the record, or the mapping and apply it.")


FUNCTIONS: Mapping[str, Function] = {
    "first": Function((None,), None, None, "the first value that is neither null nor an empty text", repeats=True,
                      sees_null=True),
    "lower": Function((TEXT,), TEXT, str.lower, "in small letters"),
    "upper": Function((TEXT,), TEXT, str.upper, "in capital letters"),
    "trim": Function((TEXT,), TEXT, str.strip, "without white space at both ends"),
    "left": Function((TEXT, NUMBER), TEXT, lambda value, count: value[: whole(count, 0, MAX_RESULT)],
                     "the first characters, as many as the second value says"),
    "replace": Function((TEXT, TEXT, TEXT), TEXT, _replace, "every second text replaced by the third"),
    "startswith": Function((TEXT, TEXT), BOOLEAN, str.startswith, "whether the first text begins with the second"),
    "contains": Function((TEXT, TEXT), BOOLEAN, lambda value, part: part in value,
                         "whether the first text holds the second"),
    "concat": Function((None,), TEXT, _concat, "the values as one text; nulls are left out", repeats=True,
                       sees_null=True),
    "join": Function((TEXT, None), TEXT, _join, "the values with the first one between them; nulls are left out",
                     repeats=True, sees_null=True),
    "len": Function((None,), NUMBER, None, "the number of characters of a text, or of rows"),
    "text": Function((None,), TEXT, text, "a number, date or yes/no as text"),
    "number": Function((None,), NUMBER, number, "a text as a number"),
    "date": Function((None,), DATE, day, "a text (year-month-day) or time as a date; a time by its date in UTC"),
    "round": Function((NUMBER, NUMBER), NUMBER, lambda value, places: half_up(value, whole(places, 0, 10)),
                      "half up, to that many places"),
    "days": Function((NUMBER,), None, lambda count: timedelta(days=whole(count, -MAX_DAYS, MAX_DAYS)),
                     "that many days, to add to a date or take from it"),
    "suffix": Function((NUMBER,), TEXT, lambda count: "" if count <= 1 else f"-{plain_number(count)}",
                       "nothing for the first generation, then -2, -3 …"),
    "refuse": Function((TEXT,), None, _refuse, "nothing: the record is a review with these words"),
    "sum": Function((None, TEXT), NUMBER, None, "the sum of a field (its path in quotes) over rows; null is 0"),
    "listed": Function((None, TEXT), TEXT, None, "fields (their paths in quotes) of all rows as one text: "
                       "`Region: North; Team: Sales`", repeats=True),
    "count": Function((None,), NUMBER, None, "the number of rows"),
    "lookup": Function((TEXT, TEXT), TEXT, None, "the key's value in a table of the connection file, else otherwise=",
                       options=("otherwise",)),
    "find": Function((TEXT, TEXT, None), FieldType.ID, None,
                     "the one Salesforce object of that type whose fields (name, value, …) hold these values",
                     repeats=True),
    "target": Function((TEXT, None), FieldType.ID, None,
                       "the object that the named mapping made of this record; waits for it (wait=no: filled in later)",
                       options=("wait", "document")),
    "source": Function((TEXT, None), FieldType.ID, None,
                       "the record that this object was made of; empty until known (wait=yes: waits)",
                       options=("wait",)),
}  # fmt: skip
OWN_RULE = frozenset(name for name, function in FUNCTIONS.items() if function.run is None)
