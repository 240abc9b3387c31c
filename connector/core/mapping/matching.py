"""How a two-way mapping tells that two records of different sides are the same thing."""

from __future__ import annotations

import unicodedata

from connector.core.mapping.convert import tidy
from connector.core.mapping.functions import text
from connector.core.mapping.model import Mapping
from connector.core.mapping.scope import Scope
from connector.core.mapping.shapes import own_fields, pick
from connector.core.mapping.syntax import Call, ExpressionError, Path, Tree
from connector.core.records import Record, Side
from connector.core.values import Fields

_ALIAS = {Side.SALESFORCE: "sf", Side.XERO: "xero"}


def identities(mapping: Mapping, record: Record) -> tuple[tuple[int, str], ...]:
    """(rule from 1, key) for each rule of `match` that the record has a value for. Equal keys are a match."""
    scope = Scope({_ALIAS[record.side]: own_fields(record)}, record.side)
    out: list[tuple[int, str]] = []
    for number, rule in enumerate(mapping.match, 1):
        try:
            value = tidy(rule.sides[record.side].evaluate(scope))
            key = "" if value is None else unicodedata.normalize("NFC", text(value))
        except ExpressionError:  # a value that cannot be a key matches nothing
            key = ""
        if key:
            out.append((number, key))
    return tuple(out)


def match_criteria(mapping: Mapping, record: Record, rule: int) -> Fields:
    """What to look for on the other side for a rule: one field and this record's value, empty if it has none.

    Both sides compare texts without regard to case; compare ``identities`` of what was found before believing it.
    """
    sides = mapping.match[rule - 1].sides
    here, there = _field(sides[record.side].tree), _field(sides[record.side.other].tree)
    try:
        value = tidy(pick(record.side, own_fields(record), here))
    except ExpressionError:
        value = None
    return {} if value is None else {there: value}


def _field(tree: Tree) -> str:
    while isinstance(tree, Call):
        tree = tree.parts[0]
    return ".".join(tree.names) if isinstance(tree, Path) else ""
