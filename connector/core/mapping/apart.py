"""Whether two conditions can never hold of one record, as far as their form shows it. Pure.

Where each asks the opposite of a part of the other (``a`` and ``not a``), or for another value of the same field
(``a == 'x'`` and ``a == 'y'``), no record is both. Anything else counts as: perhaps.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.core.mapping.expression import Expression
from connector.core.mapping.syntax import Binary, Literal, Logic, Path, Tree, Unary


def apart(one: Expression | None, other: Expression | None) -> bool:
    """True only if it is certain."""
    if one is None or other is None:
        return False
    return any(_opposed(a, b) or _opposed(b, a) for a in _parts(one.tree) for b in _parts(other.tree))


def _parts(tree: Tree) -> Iterator[Tree]:
    """What must all hold."""
    if isinstance(tree, Logic) and tree.sign == "and":
        for part in tree.parts:
            yield from _parts(part)
    else:
        yield tree


def _opposed(one: Tree, other: Tree) -> bool:
    if isinstance(other, Unary) and other.sign == "not" and other.part == one:
        return True
    here, there = _told(one), _told(other)
    return here is not None and there is not None and here[0] == there[0] and here[1] != there[1]


def _told(tree: Tree) -> tuple[Path, object] | None:
    """The field and the text that a part asks it to be."""
    if not isinstance(tree, Binary) or tree.sign != "==":
        return None
    match tree.left, tree.right:
        case (Path() as path, Literal(value=str() as value)) | (Literal(value=str() as value), Path() as path):
            return path, value.casefold()
    return None
