"""The type that an expression gives, worked out from a catalog before any record is seen.

None is a type that nobody knows (null, a setting of the connection, a number of days): it fits everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

from connector.core.catalog import FieldType
from connector.core.mapping.functions import FUNCTIONS
from connector.core.mapping.syntax import (
    Binary,
    Call,
    Choose,
    ExpressionError,
    Listing,
    Literal,
    Logic,
    Path,
    Tree,
    Unary,
    within_rows,
)

See: TypeAlias = Callable[[Path], FieldType | None]
TEXT, NUMBER, DATE, TIME = FieldType.TEXT, FieldType.NUMBER, FieldType.DATE, FieldType.TIME
BOOLEAN, ID = FieldType.BOOLEAN, FieldType.ID
SPOKEN: Mapping[FieldType, str] = {
    TEXT: "a text",
    NUMBER: "a number",
    DATE: "a date",
    TIME: "a time",
    BOOLEAN: "yes or no",
    ID: "an id",
    FieldType.OBJECT: "an object",
    FieldType.LIST: "a list",
}
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def type_of(tree: Tree, see: See) -> FieldType | None:
    """The type of the value. Raises ExpressionError: an operation that no values of these types can do."""
    match tree:
        case Literal(value):
            return _of_literal(value)
        case Path():
            return see(tree)
        case Listing():
            return FieldType.LIST
        case Unary("not", part):
            type_of(part, see)
            return BOOLEAN
        case Unary(_, part):
            _need(type_of(part, see), NUMBER, "a minus stands before")
            return NUMBER
        case Choose(test, then, otherwise):
            type_of(test, see)
            return _common(type_of(then, see), type_of(otherwise, see))
        case Logic(_, parts):
            found = [type_of(part, see) for part in parts]
            out = found[0]
            for one in found[1:]:
                out = _common(out, one)
            return out
        case Binary(sign, left, right):
            return _binary(sign, left, right, see)
        case Call():
            return _call(tree, see)


def fits(given: FieldType | None, taken: FieldType) -> bool:
    """Whether a value of one type can be written to a field of another."""
    if given is None or given is taken:
        return True
    if taken in (TEXT, ID, FieldType.OBJECT):
        return given in (TEXT, ID)
    return taken is DATE and given is TIME


def _of_literal(value: object) -> FieldType | None:
    kinds: tuple[tuple[type, FieldType], ...] = ((bool, BOOLEAN), (str, TEXT), (Decimal, NUMBER))
    return next((found for kind, found in kinds if isinstance(value, kind)), None)


def _common(left: FieldType | None, right: FieldType | None) -> FieldType | None:
    """The type of one or the other: known when both agree, or one is null."""
    if left is None or right is None:
        return left or right
    if {left, right} == {TEXT, ID}:
        return TEXT
    return left if left is right else None


def _kin(left: FieldType | None, right: FieldType | None) -> bool:
    return left is None or right is None or left is right or {left, right} == {TEXT, ID}


def _need(found: FieldType | None, wanted: FieldType, what: str) -> None:
    if not _kin(found, wanted):
        raise ExpressionError("mapping.type", f"{what} {SPOKEN[found or TEXT]}, and {SPOKEN[wanted]} is needed")


def _binary(sign: str, left: Tree, right: Tree, see: See) -> FieldType | None:
    one, two = type_of(left, see), type_of(right, see)
    if sign in ("in", "not in"):
        if isinstance(right, Listing):
            for part in right.parts:
                _alike(sign, one, type_of(part, see))
        return BOOLEAN
    if sign in _COMPARISONS:
        _alike(sign, one, two)
        return BOOLEAN
    if sign in ("*", "/"):
        _need(one, NUMBER, f"left of {sign} stands")
        _need(two, NUMBER, f"right of {sign} stands")
        return NUMBER
    return _sum(sign, one, two)


def _alike(sign: str, left: FieldType | None, right: FieldType | None) -> None:
    if not _kin(left, right) and left is not None and right is not None:
        raise ExpressionError(
            "mapping.type",
            f"{SPOKEN[left]} {sign} {SPOKEN[right]} is never true",
            remedy="Use text(), number() or date() to make both sides alike.",
        )


def _sum(sign: str, left: FieldType | None, right: FieldType | None) -> FieldType | None:
    days = (DATE, TIME)
    if left in days and right is None:
        return left if sign == "+" else None
    if left is None and right in days:
        return right if sign == "+" else NUMBER
    if sign == "-" and left in days and left is right:
        return NUMBER
    summed = (NUMBER,) if sign == "-" else (NUMBER, TEXT, ID)
    wrong = next((one for one in (left, right) if one is not None and one not in summed), None)
    if wrong is not None or not _kin(left, right):
        pair = " and ".join(SPOKEN[one] for one in (left, right) if one is not None)
        raise ExpressionError(
            "mapping.type",
            f"{sign} does not take {pair}",
            remedy="Use text(), number(), or days() for a number of days.",
        )
    known = left or right
    return TEXT if known is ID else known


def _call(tree: Call, see: See) -> FieldType | None:
    function = FUNCTIONS[tree.name]
    found = [type_of(part, see) for part in tree.parts]
    for part in tree.options:
        type_of(part[1], see)
    for place, (given, taken) in enumerate(zip(found, function.takes, strict=False), 1):
        if taken is not None and not (_kin(given, taken) or (taken is DATE and given is TIME)):
            raise ExpressionError(
                "mapping.type",
                f"{tree.name}(): value {place} is {SPOKEN[given or TEXT]}, and {SPOKEN[taken]} is needed",
            )
    if tree.name == "first":
        out = found[0]
        for one in found[1:]:
            out = _common(out, one)
        return out
    for inner in within_rows(tree):
        given = see(inner)
        if tree.name == "sum":
            _need(given, NUMBER, "sum() goes over")
    return function.gives
