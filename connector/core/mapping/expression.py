"""Expressions: compiled once to closures, then run on records. Pure, bounded, and nothing but DataError comes out.

Null rules: arithmetic and functions with a null give null; a comparison of order with a null is false; ``or`` picks the
first part that is not empty. Empty is null, an empty text, an empty list and false. Zero is a value: 0 days are 0 days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from connector.core.mapping.calls import call
from connector.core.mapping.given import Given, Traced, traced
from connector.core.mapping.operators import SIGNS, is_empty, negative, sound
from connector.core.mapping.scope import Run, Scope
from connector.core.mapping.shapes import member
from connector.core.mapping.syntax import (
    OVER_ROWS,
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
    read_expression,
    walk,
    within_rows,
)

Result = TypeVar("Result")
MAX_COST = 2_000
ROW_COST = 50  # what sum() and its like weigh: they visit every row


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression. Equal texts are equal expressions."""

    text: str
    tree: Tree = field(compare=False, repr=False)
    run: Run = field(compare=False, repr=False)
    traced: Traced | None = field(default=None, compare=False, repr=False)

    @classmethod
    def read(cls, source: str) -> Expression:
        """From its text, without the leading ``=``. Raises ExpressionError."""
        tree = read_expression(source)
        expression = cls(source.strip(), tree, compiled(tree), traced(tree, compiled))
        if expression.cost() > MAX_COST:
            raise ExpressionError("mapping.expression-size", "the expression costs too much to evaluate")
        return expression

    @classmethod
    def constant(cls, value: None | bool | str | Decimal) -> Expression:
        tree = Literal(value)
        return cls(repr(value), tree, compiled(tree))

    def evaluate(self, scope: Scope) -> object:
        """The value: a ``values.Value`` or a timedelta. Raises ExpressionError."""
        return self._sound(self.run, scope)

    def given(self, scope: Scope) -> Given:
        """The value, and the part that gave it; empty where the expression has no choice. Raises ExpressionError."""
        return (self.evaluate(scope), "") if self.traced is None else self._sound(self.traced, scope)

    def _sound(self, run: Callable[[Scope], Result], scope: Scope) -> Result:
        try:
            return run(scope)
        except ArithmeticError as error:
            reason = "a division by zero" if isinstance(error, ZeroDivisionError) else "a number or date out of range"
            raise ExpressionError("mapping.arithmetic", f"{self.text[:80]}: {reason}") from None

    def fields_read(self) -> frozenset[Path]:
        """Every path that is read. A path over rows appears beneath the name of the rows."""
        return frozenset(_paths_read(self.tree))

    def roots(self) -> frozenset[str]:
        """The names that stand at the beginning of paths."""
        return frozenset(part.root for part in walk(self.tree) if isinstance(part, Path))

    def cost(self) -> int:
        """Steps of one evaluation; rows weigh ROW_COST each time."""
        heavy = sum(1 for part in walk(self.tree) if isinstance(part, Call) and part.name in OVER_ROWS)
        return sum(1 for _ in walk(self.tree)) + ROW_COST * heavy

    @property
    def literal(self) -> None | bool | str | Decimal:
        """The constant's value, when ``is_literal``."""
        return self.tree.value if isinstance(self.tree, Literal) else None

    @property
    def is_literal(self) -> bool:
        return isinstance(self.tree, Literal)


def _paths_read(tree: Tree) -> list[Path]:
    out: list[Path] = []
    for part in walk(tree):
        if isinstance(part, Path):
            out.append(part)
        elif isinstance(part, Call):
            out += within_rows(part)
    return out


def compiled(tree: Tree) -> Run:
    """The closure that runs a tree. Raises ExpressionError for unknown functions and wrong argument counts."""
    match tree:
        case Literal(value):
            return lambda scope: value
        case Listing(parts):
            members = tuple(part.value for part in parts if isinstance(part, Literal))
            return lambda scope: members
        case Path():
            return _path(tree)
        case Unary("not", part):
            inner = compiled(part)
            return lambda scope: is_empty(inner(scope))
        case Unary(_, part):
            inner = compiled(part)
            return lambda scope: negative(inner(scope))
        case Choose(test, then, otherwise):
            asked, yes, no = compiled(test), compiled(then), compiled(otherwise)
            return lambda scope: no(scope) if is_empty(asked(scope)) else yes(scope)
        case Logic(sign, parts):
            return _logic(sign, tuple(compiled(part) for part in parts))
        case Binary(sign, left, right):
            rule, one, two = SIGNS[sign], compiled(left), compiled(right)
            return lambda scope: rule(one(scope), two(scope))
        case Call():
            return call(tree, compiled)


def _path(path: Path) -> Run:
    root, names = path.root, path.names
    unders = (root, *names)

    def run(scope: Scope) -> object:
        value = scope.names.get(root)
        for under, name in zip(unders, names, strict=False):
            value = member(value, name, under)
        return sound(value)

    return run


def _logic(sign: str, runs: tuple[Run, ...]) -> Run:
    stop_at_empty = sign == "and"

    def run(scope: Scope) -> object:
        value: object = None
        for part in runs:
            value = part(scope)
            if is_empty(value) is stop_at_empty:
                break
        return value

    return run
