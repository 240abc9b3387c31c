"""The expression grammar: a white list of Python's, read into a tree of our own.

What is not in the tables below is refused with its place. Numbers are taken from the text, never through a float.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from connector.errors import DataError

MAX_TEXT = 2_000
MAX_DEPTH = 40
MAX_NODES = 300


class ExpressionError(DataError):
    """An expression is wrong: in its syntax, or for the value it met."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: None | bool | str | Decimal


@dataclass(frozen=True, slots=True)
class Path:
    """``root.name.name``: a record, a name of ``read`` or ``let``, another field, with what lies beneath it."""

    root: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.root, *self.names))


@dataclass(frozen=True, slots=True)
class Listing:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, comparison or membership; ``sign`` as written: + - * / == != < <= > >= in, not in."""

    sign: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Logic:
    """``or`` gives the first part that is not empty, ``and`` the first that is (else the last)."""

    sign: str
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """``not`` or a minus."""

    sign: str
    part: Tree


@dataclass(frozen=True, slots=True)
class Choose:
    test: Tree
    then: Tree
    otherwise: Tree


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    parts: tuple[Tree, ...]
    options: tuple[tuple[str, Tree], ...] = field(default_factory=tuple)


Tree: TypeAlias = "Literal | Path | Listing | Binary | Logic | Unary | Choose | Call"

OVER_ROWS = ("sum", "count", "len", "listed")  # functions that visit every row
_FIELDS_OF_ROWS = ("sum", "listed")  # those that name fields of the rows

# Spelled as people write them in YAML; True, False and None come as constants of the grammar.
WORDS: dict[str, None | bool] = {"null": None, "true": True, "false": False, "yes": True, "no": False}
ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}


def read_expression(text: str) -> Tree:
    """The tree of ``text`` (without its ``=``). Raises ExpressionError: too long, too deep, not in the grammar."""
    source = text.replace("\n", " ").strip()
    if not source:
        raise ExpressionError("mapping.expression-empty", "there is no expression after the =")
    if len(source) > MAX_TEXT:
        raise ExpressionError("mapping.expression-size", f"an expression of more than {MAX_TEXT} characters")
    if "\\" in source or "\x00" in source:
        raise ExpressionError("mapping.expression-syntax", "a backslash or NUL has no meaning in an expression")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            body = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError, Warning) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise ExpressionError(
            "mapping.expression-syntax",
            f"not an expression: {source[:80]!r}: {reason}",
            remedy="Put quotes around texts; a comma inside { } needs the whole expression in quotes.",
        ) from None
    _bound(body)
    return _read(body, source)


def walk(tree: Tree) -> Iterator[Tree]:
    """The tree and everything beneath it."""
    stack: list[Tree] = [tree]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(_parts(part))


def within_rows(call: Call) -> list[Path]:
    """The fields of rows that a function names in quotes, each beneath the name of the rows."""
    rows = call.parts[0] if call.name in _FIELDS_OF_ROWS and call.parts else None
    if not isinstance(rows, Path):
        return []
    named = (part.value for part in call.parts[1:] if isinstance(part, Literal))
    return [Path(rows.root, (*rows.names, *name.split("."))) for name in named if isinstance(name, str)]


def _parts(tree: Tree) -> tuple[Tree, ...]:
    match tree:
        case Listing(parts) | Logic(_, parts):
            return parts
        case Binary(_, left, right):
            return (left, right)
        case Unary(_, part):
            return (part,)
        case Choose(test, then, otherwise):
            return (test, then, otherwise)
        case Call(_, parts, options):
            return (*parts, *(part for _, part in options))
        case _:
            return ()


def _bound(body: ast.AST) -> None:
    """Depth and size, without recursion, before anything recursive runs."""
    level: list[ast.AST] = [body]
    nodes = depth = 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if depth > MAX_DEPTH or nodes > 4 * MAX_NODES:
            raise ExpressionError(
                "mapping.expression-size",
                "the expression is too large or nested too deep",
                remedy="Give parts of it a name under let:, or join texts with concat().",
            )
        level = [child for node in level for child in ast.iter_child_nodes(node)]


def _read(node: ast.expr, source: str) -> Tree:
    match node:
        case ast.Constant():
            return _constant(node, source)
        case ast.Name():
            return _name(node)
        case ast.Attribute():
            return _attribute(node)
        case ast.List() | ast.Tuple():
            return _listing(node, source)
        case ast.BinOp():
            return _binary(node, source)
        case ast.Compare():
            return _compare(node, source)
        case ast.BoolOp():
            return _logic(node, source)
        case ast.UnaryOp():
            return _unary(node, source)
        case ast.IfExp():
            return _choose(node, source)
        case ast.Call():
            return _call(node, source)
    piece = ast.get_source_segment(source, node) or type(node).__name__
    raise ExpressionError(
        "mapping.expression-syntax", f"{piece[:60]!r} is not part of the language", remedy="See docs/mappings.md."
    )


def _constant(node: ast.Constant, source: str) -> Tree:
    value = node.value
    if value is None or isinstance(value, bool | str):
        return Literal(value)
    piece = ast.get_source_segment(source, node) or ""
    if isinstance(value, int | float):
        try:
            number = Decimal(piece)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and abs(number.adjusted()) <= 40:
            return Literal(number)
    raise ExpressionError("mapping.expression-syntax", f"{piece[:60]!r} is not a number that the language knows")


def _name(node: ast.Name) -> Tree:
    if node.id in WORDS:
        return Literal(WORDS[node.id])
    return Path(_allowed(node.id))


def _attribute(node: ast.Attribute) -> Tree:
    names: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        names.append(_allowed(inner.attr))
        inner = inner.value
    if not isinstance(inner, ast.Name):
        raise ExpressionError("mapping.expression-syntax", f"only a name can stand before .{names[-1]}")
    return Path(_allowed(inner.id), tuple(reversed(names)))


def _allowed(name: str) -> str:
    if name.startswith("_"):
        raise ExpressionError("mapping.expression-syntax", f"{name}: a name cannot begin with an underscore")
    return name


def _listing(node: ast.List | ast.Tuple, source: str) -> Tree:
    parts = tuple(_read(part, source) for part in node.elts)
    if not all(isinstance(part, Literal) for part in parts):
        raise ExpressionError("mapping.expression-syntax", "a list holds texts and numbers only")
    return Listing(parts)


def _binary(node: ast.BinOp, source: str) -> Tree:
    sign = ARITHMETIC.get(type(node.op))
    if sign is None:
        raise ExpressionError("mapping.expression-syntax", "only + - * / calculate")
    return Binary(sign, _read(node.left, source), _read(node.right, source))


def _compare(node: ast.Compare, source: str) -> Tree:
    parts: list[Tree] = []
    left = _read(node.left, source)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        sign, right = COMPARISONS.get(type(op)), _read(right_node, source)
        if sign is None:
            raise ExpressionError("mapping.expression-syntax", "use == and != instead of `is`")
        parts.append(Binary(sign, left, right))
        left = right
    return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))


def _logic(node: ast.BoolOp, source: str) -> Tree:
    sign = "or" if isinstance(node.op, ast.Or) else "and"
    return Logic(sign, tuple(_read(part, source) for part in node.values))


def _unary(node: ast.UnaryOp, source: str) -> Tree:
    sign = {ast.Not: "not", ast.USub: "-"}.get(type(node.op))
    if sign is None:
        raise ExpressionError("mapping.expression-syntax", "only `not` and a minus can stand before a value")
    return Unary(sign, _read(node.operand, source))


def _choose(node: ast.IfExp, source: str) -> Tree:
    return Choose(_read(node.test, source), _read(node.body, source), _read(node.orelse, source))


def _call(node: ast.Call, source: str) -> Tree:
    if not isinstance(node.func, ast.Name):
        raise ExpressionError("mapping.expression-syntax", "only a function of the language can be called")
    options: list[tuple[str, Tree]] = []
    for option in node.keywords:
        if option.arg is None:
            raise ExpressionError("mapping.expression-syntax", "** is not part of the language")
        options.append((option.arg, _read(option.value, source)))
    return Call(node.func.id, tuple(_read(part, source) for part in node.args), tuple(options))
