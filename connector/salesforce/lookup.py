"""Several look-ups in one query: what must be read beside, and which row answers which. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from connector.core.records import ReadPlan, Record
from connector.core.values import Fields, Value


def widened(plan: ReadPlan, wanted: Sequence[Fields]) -> ReadPlan:
    """The plan with the fields that the criteria name: rows are told apart by them."""
    if not plan.fields:
        return plan  # all fields
    names = dict.fromkeys([*plan.fields, *(path for criteria in wanted for path in criteria)])
    return replace(plan, fields=tuple(names))


def told_apart(records: Iterable[Record], wanted: Sequence[Fields]) -> tuple[tuple[Record, ...], ...] | None:
    """The rows that equal each of the criteria; None when a row equals none of them by our comparison."""
    found: list[list[Record]] = [[] for _ in wanted]
    for record in records:
        places = [place for place, criteria in enumerate(wanted) if _equals(record, criteria)]
        if not places:
            return None
        for place in places:
            found[place].append(record)
    return tuple(tuple(rows) for rows in found)


def _equals(record: Record, criteria: Fields) -> bool:
    return all(_same(_at(record.fields, path), value) for path, value in criteria.items())


def _at(fields: Value, path: str) -> Value:
    for name in path.split("."):
        fields = fields.get(name) if isinstance(fields, Mapping) else None
    return fields


def _same(here: Value, wanted: Value) -> bool:
    """Texts compare without regard to case, as in Salesforce's own filters."""
    if isinstance(here, str) and isinstance(wanted, str):
        return here.strip().casefold() == wanted.strip().casefold()
    return here == wanted or (here in (None, "") and wanted in (None, ""))
