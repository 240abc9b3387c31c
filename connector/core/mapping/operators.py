"""What the signs of the language mean, for every pair of values that can meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from connector.core.mapping.functions import MAX_RESULT, spoken
from connector.core.mapping.syntax import ExpressionError
from connector.core.money import ARITHMETIC


def is_empty(value: object) -> bool:
    return value is None or value is False or value == "" or (isinstance(value, list | tuple) and not value)


def sound(value: object) -> object:
    """Refuse numbers that no amount can be: not finite, or beyond any field's size."""
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) > 40):
        raise ExpressionError("mapping.range", "a number that is not finite or beyond any size")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ExpressionError("mapping.type", "a time without a zone")
    if isinstance(value, float | int) and not isinstance(value, bool):
        raise ExpressionError("mapping.type", "a number that was not read as a decimal")
    return value


def negative(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, Decimal):
        return ARITHMETIC.minus(value)
    raise ExpressionError("mapping.type", f"a minus before {spoken(value)}")


def _add(left: object, right: object) -> object:
    match left, right:
        case (None, _) | (_, None):
            return None
        case Decimal(), Decimal():
            return sound(ARITHMETIC.add(left, right))
        case str(), str():
            if len(left) + len(right) > MAX_RESULT:
                raise ExpressionError("mapping.text-size", f"a text of more than {MAX_RESULT} characters")
            return left + right
        case (date(), timedelta()) | (timedelta(), date()) | (timedelta(), timedelta()):
            return left + right  # type: ignore[operator]
    raise _mismatch("+", left, right)


def _subtract(left: object, right: object) -> object:
    match left, right:
        case (None, _) | (_, None):
            return None
        case Decimal(), Decimal():
            return sound(ARITHMETIC.subtract(left, right))
        case (date(), timedelta()) | (timedelta(), timedelta()):
            return left - right  # type: ignore[operator]
        case date(), date() if isinstance(left, datetime) is isinstance(right, datetime):
            return Decimal((left - right).days)
    raise _mismatch("-", left, right)


def _multiply(left: object, right: object) -> object:
    if left is None or right is None:
        return None
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return sound(ARITHMETIC.multiply(left, right))
    raise _mismatch("*", left, right)


def _divide(left: object, right: object) -> object:
    if left is None or right is None:
        return None
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return sound(ARITHMETIC.divide(left, right))
    raise _mismatch("/", left, right)


def _mismatch(sign: str, left: object, right: object) -> ExpressionError:
    return ExpressionError(
        "mapping.type",
        f"{spoken(left)} {sign} {spoken(right)}",
        remedy="Use text(), number(), date() or days() to make both sides alike.",
    )


def _same(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def _ordered(sign: str, rule: Callable[[int], bool]) -> Callable[[object, object], bool]:
    def run(left: object, right: object) -> bool:
        if left is None or right is None:
            return False
        comparable = (
            (isinstance(left, Decimal) and isinstance(right, Decimal))
            or (isinstance(left, str) and isinstance(right, str))
            or (isinstance(left, date) and isinstance(right, date)
                and isinstance(left, datetime) is isinstance(right, datetime))
        )  # fmt: skip
        if not comparable:
            raise _mismatch(sign, left, right)
        return rule((left > right) - (left < right))  # type: ignore[operator]

    return run


def _within(left: object, right: object) -> bool:
    if isinstance(right, str):
        raise ExpressionError("mapping.type", "`in` looks in a list", remedy="Use contains(text, part).")
    if right is None:
        return False
    if isinstance(right, Sequence):
        return any(_same(left, one) for one in right)
    raise ExpressionError("mapping.type", f"`in` cannot look in {spoken(right)}")


SIGNS: Mapping[str, Callable[[object, object], object]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": _ordered("<", lambda way: way < 0),
    "<=": _ordered("<=", lambda way: way <= 0),
    ">": _ordered(">", lambda way: way > 0),
    ">=": _ordered(">=", lambda way: way >= 0),
    "in": _within,
    "not in": lambda left, right: not _within(left, right),
}
