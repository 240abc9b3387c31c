"""The target as it is, projected onto the paths that a mapping writes: what is compared with what was wanted."""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from decimal import Decimal

from connector.core.catalog import FieldInfo
from connector.core.document import NAMED, Flat, line_path, named
from connector.core.link_events import FOREIGN, TOTAL
from connector.core.mapping.convert import CONVERTERS, fitted, tidy
from connector.core.mapping.model import Kind, Mapping, Setting
from connector.core.mapping.rows import observe_rows
from connector.core.mapping.shapes import LINES, has, own_fields, pick
from connector.core.mapping.syntax import ExpressionError
from connector.core.marks import MARKS
from connector.core.records import Record, Side
from connector.core.values import Fields, Value


def observed(mapping: Mapping, record: Record, lines: Table[str, str]) -> Flat:
    """The target record by the paths of ``document``. ``lines``: our line key → the target's own line id.

    As in a document, a line's field without a value is left out, and so is a line of ours that is no longer there.
    Lines that nobody told us of are ``foreign_lines``.
    Either end of a two-way mapping is projected as ``end`` does, whatever `when` says. Never raises.
    """
    if mapping.kind is Kind.TWO_WAY:
        return projection(mapping, record, strict=False)
    fields = own_fields(record)
    flat: dict[str, Value] = {}
    for setting in mapping.settings:
        if has(record.side, fields, setting.path, record.entity):
            flat[setting.path] = _seen(record.side, fields, setting.path, setting.info)
    total = record.fields.get("Total") if mapping.credits is not None else None
    if isinstance(total, Decimal):
        flat[TOTAL] = total
    for name in _marks(mapping, record):
        flat.setdefault(name, _seen(record.side, fields, name, None))
    if mapping.target.side is Side.SALESFORCE:
        observe_rows(mapping, record.fields, flat)
    elif mapping.blocks:
        _observe_lines(mapping, fields, lines, flat)
    return flat


def neutral(mapping: Mapping, record: Record) -> Flat:
    """Either end of a two-way mapping as ``end`` gives it, whatever `when` says. Never raises."""
    return projection(mapping, record, strict=False)


def projection(mapping: Mapping, record: Record, *, strict: bool = True) -> dict[str, Value]:
    """Either end of a two-way mapping by its neutral names. Raises ExpressionError when ``strict``."""
    fields = own_fields(record)
    flat: dict[str, Value] = {}
    for pair in mapping.pairs:
        path = pair.path(record.side)
        if not has(record.side, fields, path):
            continue
        try:
            value = pick(record.side, fields, path)
            if pair.using:
                value = CONVERTERS[pair.using].neutral(record.side, value)
            value = fitted(value, pair.info, cut=pair.cut)
        except ExpressionError as error:
            if strict:
                raise ExpressionError(error.code, f"{path}: {error.message}", remedy=error.remedy) from None
            value = _raw(record.side, fields, path)
        if value is not None or pair.clear:
            flat[pair.name] = value
    return flat


def foreign_lines(mapping: Mapping, record: Record, lines: Table[str, str]) -> tuple[Fields, ...]:
    """The lines of a target document that are not ours, in their order."""
    name, own_id = LINES.get(record.entity, ("", ""))
    ours = set(lines.values())
    return tuple(row for line_id, row in line_rows(record.fields, name, own_id) if line_id not in ours)


def rows(fields: Fields, name: str) -> list[Fields]:
    found = fields.get(name)
    if not isinstance(found, Sequence) or isinstance(found, str):
        return []
    return [row for row in found if isinstance(row, Table)]


def line_rows(fields: Fields, name: str, own_id: str) -> list[tuple[str, Fields]]:
    """The lines of a document with their ids: Xero's own, or their places (from 1) where it gives none. Lines that are
    told apart by a text have that; a second one with the same text has none, so that nobody takes it for the first."""
    if (name, own_id) in NAMED.values():
        texts = [named(row.get(own_id)) for row in rows(fields, name)]
        own = (text if text not in texts[:place] else "" for place, text in enumerate(texts))
        return list(zip(own, rows(fields, name), strict=True))
    found = enumerate(rows(fields, name), 1)
    return [(_text(row, own_id) if own_id else str(place), row) for place, row in found]


def keyed_rows(fields: Fields, name: str, key: str) -> dict[str, Fields]:
    """The rows of a list by one of their texts; rows without it are left out."""
    return {text: row for row in rows(fields, name) if (text := _text(row, key))}


def _text(row: Fields, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _marks(mapping: Mapping, record: Record) -> list[str]:
    """Mark fields that a document carries although its mapping does not name them."""
    if record.side is not Side.XERO or mapping.kind is not Kind.DOCUMENT:
        return []
    named = {setting.path for setting in mapping.settings}
    return [name for name in MARKS.get(record.entity, ()) if name not in named and record.fields.get(name)]


def _seen(side: Side, fields: Fields, path: str, info: FieldInfo | None) -> Value:
    try:
        return fitted(pick(side, fields, path), info)
    except ExpressionError:
        return _raw(side, fields, path)


def _raw(side: Side, fields: Fields, path: str) -> Value:
    """A value that does not fit its field is still a fact: it differs from whatever we want."""
    try:
        return tidy(pick(side, fields, path))
    except ExpressionError:
        return None


def _observe_lines(mapping: Mapping, fields: Fields, lines: Table[str, str], flat: dict[str, Value]) -> None:
    name, own_id = LINES.get(mapping.target.entity, ("", ""))
    if name not in fields:  # a summary without lines says nothing about them
        return
    by_id = {line_id: row for line_id, row in line_rows(fields, name, own_id) if line_id}
    for key, line_id in lines.items():
        row = by_id.get(line_id, {})
        for path, setting in line_settings(mapping, key).items():
            value = _seen(mapping.target.side, row, path, setting.info)
            if value is not None:
                flat[line_path(name, key, path)] = value
    if mapping.foreign_lines == "conflict":
        theirs = set(by_id) - set(lines.values()) if lines else set()
        flat[FOREIGN] = sorted(theirs) or None


def line_settings(mapping: Mapping, key: str) -> dict[str, Setting]:
    """The fields of the block that the key belongs to; keys of rows do not tell their block, so all of those."""
    fixed = [block for block in mapping.blocks if block.fixed_key == key]
    blocks = fixed or [block for block in mapping.blocks if block.fixed_key is None]
    return {setting.path: setting for block in blocks for setting in block.settings}
