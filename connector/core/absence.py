"""When an object that is merely not seen may be taken for deleted. Pure.

The rule (architecture, "Deleted is something we were told"): absent from two complete lists in a row, each of at least
95 % of the former size, and not answered by id twice while another id is. Anything else unseen is missing: nothing is
written. A lost permission makes lists short and answers empty; it must not void an invoice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

FLOOR = 0.95
SMALL = 20  # below so many rows a part of the former size says nothing: only the look by id counts


@dataclass(frozen=True, slots=True)
class Suspects:
    """What a comparison has found so far. ``former`` is the size of the list before, 0 where there was none."""

    ids: frozenset[str] = frozenset()
    former: int = 0
    lists: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``gone`` are deleted, ``missing`` are unseen and not believed to be. ``next`` is kept for the next list."""

    next: Suspects
    ask: frozenset[str] = field(default_factory=frozenset)
    missing: frozenset[str] = field(default_factory=frozenset)


def listed(before: Suspects, known: Iterable[str], listed_ids: Iterable[str]) -> Verdict:
    """One complete list came. ``ask`` are the ids that were absent from two in a row: look for each by id."""
    there, ours = frozenset(listed_ids), frozenset(known)
    absent = ours - there
    if before.former and len(there) < before.former * FLOOR and before.former >= SMALL:
        return Verdict(Suspects(former=before.former), missing=absent)  # too short to be believed
    if not absent:
        return Verdict(Suspects(former=len(there)))
    twice = absent & before.ids if before.lists else frozenset[str]()
    return Verdict(Suspects(absent, len(there), before.lists + 1), ask=twice, missing=absent - twice)


def gone(asked: Iterable[str], first: Iterable[str], second: Iterable[str], *, another: bool) -> frozenset[str]:
    """Of the asked ids those that neither look answered, if ``another`` id was answered beside them both times."""
    return frozenset(asked) - frozenset(first) - frozenset(second) if another else frozenset()
