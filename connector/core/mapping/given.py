"""Which part of a choice gave a field its value: what a person sees who asks why a line has a code.

A choice is ``first(…)``, ``or`` and ``… if … else …``, one within another too. Value and part come out of the same run,
so that they can never tell two stories.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from connector.core.mapping.operators import is_empty
from connector.core.mapping.scope import Run, Scope
from connector.core.mapping.syntax import Binary, Call, Choose, Listing, Literal, Logic, Path, Tree, Unary
from connector.core.values import plain_number

Given: TypeAlias = tuple[object, str]
Traced: TypeAlias = Callable[[Scope], Given]
Compiled: TypeAlias = Callable[[Tree], Run]
MAX_SHOWN = 200  # characters of a part


def traced(tree: Tree, compiled: Compiled) -> Traced | None:
    """Runs a choice: its value, and the part that gave it as the mapping spells it. None for what is no choice."""
    match tree:
        case Call("first", parts):
            return _until(parts, lambda value: value is not None and value != "", compiled, otherwise=True)
        case Logic("or", parts):
            return _until(parts, lambda value: not is_empty(value), compiled, otherwise=False)
        case Choose(test, then, otherwise):
            asked, yes, no = compiled(test), _part(then, compiled), _part(otherwise, compiled)
            return lambda scope: no(scope) if is_empty(asked(scope)) else yes(scope)
    return None


def _part(tree: Tree, compiled: Compiled) -> Traced:
    inner = traced(tree, compiled)
    if inner is not None:
        return inner
    run, shown = compiled(tree), written(tree)[:MAX_SHOWN]
    return lambda scope: (run(scope), shown)


def _until(parts: tuple[Tree, ...], enough: Callable[[object], bool], compiled: Compiled, *, otherwise: bool) -> Traced:
    """The first part that is enough. Where none is: null (``otherwise``), or what the last one gave."""
    runs = tuple(_part(part, compiled) for part in parts)

    def run(scope: Scope) -> Given:
        found: Given = (None, "")
        for part in runs:
            found = part(scope)
            if enough(found[0]):
                return found
        return (None, "") if otherwise else found

    return run


def written(tree: Tree) -> str:
    """An expression as text. Read again, it is the same tree."""
    match tree:
        case Literal(value):
            return _constant(value)
        case Path():
            return str(tree)
        case Listing(parts):
            return f"[{', '.join(written(part) for part in parts)}]"
        case Unary("not", part):
            return f"not {_inner(part)}"
        case Unary(sign, part):
            return f"{sign}{_inner(part)}"
        case Binary(sign, left, right):
            return f"{_inner(left)} {sign} {_inner(right)}"
        case Logic(sign, parts):
            return f" {sign} ".join(_inner(part) for part in parts)
        case Choose(test, then, otherwise):
            return f"{_inner(then)} if {_inner(test)} else {_inner(otherwise)}"
        case Call(name, parts, options):
            named = (f"{option}={written(part)}" for option, part in options)
            return f"{name}({', '.join((*map(written, parts), *named))})"


def _inner(tree: Tree) -> str:
    return written(tree) if isinstance(tree, Literal | Path | Call | Listing) else f"({written(tree)})"


def _constant(value: None | bool | str | Decimal) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return plain_number(value)
    return f'"{value}"' if "'" in value else f"'{value}'"
