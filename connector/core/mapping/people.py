"""Lines without ids that are told apart by a text of theirs: the persons of a contact, by their e-mail."""

from __future__ import annotations

from collections.abc import Sequence

from connector.core.document import MOST_LINES, NAMED, Flat, line_path, named
from connector.core.mapping.syntax import ExpressionError
from connector.core.values import Fields, Value

BLANK = ""


def named_lines(entity: str, order: Sequence[str], flat: Flat) -> None:
    """Raises ExpressionError where one of them cannot be told from the others, or there are too many."""
    lines, name = NAMED[entity]
    most, seen = MOST_LINES[lines], set[str]()
    if len(order) > most:
        raise too_many(lines, len(order))
    for key in order:
        text = named(flat.get(line_path(lines, key, name)))
        if not text or text in seen:
            what = f"two of {lines} have the {name} {text[:80]}" if text else f"{key[:40]} of {lines} has no {name}"
            raise ExpressionError("mapping.line-name", what,
                                  remedy=f"Xero tells {lines} apart by their {name}: give each its own.")  # fmt: skip
        seen.add(text)


def too_many(lines: str, number: int, others: int = 0) -> ExpressionError:
    """More lines than Xero takes; ``others`` of them are not ours."""
    beside = f", {others} of them added in Xero" if others else ""
    return ExpressionError("mapping.too-many-lines", f"{number} of {lines}{beside}; Xero takes {MOST_LINES[lines]}",
                           remedy="Choose which of them Xero shall have, or take some out there.")  # fmt: skip


def all_of_them(entity: str, ours: Sequence[Value], theirs: Sequence[Fields]) -> list[Value]:
    """The whole list that is sent. Xero takes no empty list: one that is to be empty holds one entry without a word.
    Raises ExpressionError."""
    lines, name = NAMED[entity]
    if len(ours) + len(theirs) > MOST_LINES[lines]:
        raise too_many(lines, len(ours) + len(theirs), len(theirs))
    return [*ours, *theirs] or [{"FirstName": BLANK, "LastName": BLANK, name: BLANK}]
