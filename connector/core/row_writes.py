"""What must be done to the child rows of a Salesforce object so that they show the lines of a link. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector.core.document import line_path, split_line_path
from connector.core.link_events import GONE, Texts
from connector.core.mapping.model import LineBlock, Mapping
from connector.core.mapping.rows import blocks_of, keyed, unmarked
from connector.core.mapping.shapes import pick, place
from connector.core.party import MOST_ROWS, Row
from connector.core.records import Side
from connector.core.values import Fields, Value, from_canonical


def row_writes(
    mapping: Mapping, changed: Texts, known: Texts, before: Fields, order: Sequence[str] = ()
) -> tuple[tuple[Row, ...], dict[str, str]]:
    """The rows to write, as many as one write takes, and the paths of ``changed`` that are settled then.

    ``known`` is what the rows show now, ``before`` the object as it was just read (empty: it is not there yet). What
    does not fit stays to be done: the link's next write has it.
    """
    rows: list[Row] = []
    settled = {path: text for path, text in changed.items() if split_line_path(path) is None}
    for row, texts in _each(mapping, changed, known, before, order):
        if row is not None and len(rows) == MOST_ROWS:
            continue
        settled |= texts
        if row is not None:
            rows.append(row)
    return tuple(rows), settled


def _each(
    mapping: Mapping, changed: Texts, known: Texts, before: Fields, order: Sequence[str]
) -> Iterator[tuple[Row | None, dict[str, str]]]:
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for path, text in changed.items():
        parts = split_line_path(path)
        if parts is not None:
            lines.setdefault((parts[0], parts[1]), {})[path] = text
    there = {rows: keyed(mapping, rows, before) for rows in dict.fromkeys(rows for rows, _ in lines)}
    loose = {rows: unmarked(mapping, rows, before) for rows in there}
    places = {key: place for place, key in enumerate(order)}
    for (rows, key), texts in sorted(lines.items(), key=lambda one: places.get(one[0][1], -1)):
        blocks = blocks_of(mapping, rows, key)
        if blocks:
            own = there[rows].get(key)
            found = own or _adopted(blocks[0], texts, loose[rows])
            yield _row(blocks[0], key, texts, known, found, ours=found is own), texts


def _adopted(block: LineBlock, texts: Texts, loose: list[Fields]) -> Fields | None:
    """The row that somebody added and that a new line means: one without a mark which holds what is written at the
    birth of a row only (its product), and of several the one that equals the line in most."""
    if not block.adopts:
        return None
    wanted = {parts[2]: text for path, text in texts.items() if (parts := split_line_path(path)) and text != GONE}
    fixed = [one.path for one in block.settings if one.once and one.path in wanted]
    same = [row for row in loose if fixed and all(_holds(row, path, wanted[path]) for path in fixed)]
    if not same:
        return None
    best = max(same, key=lambda row: sum(_holds(row, path, text) for path, text in wanted.items()))
    loose.remove(best)
    return best


def _holds(row: Fields, path: str, text: str) -> bool:
    return pick(Side.SALESFORCE, row, path) == from_canonical(text)


def _row(
    block: LineBlock, key: str, texts: Texts, known: Texts, there: Fields | None, *, ours: bool = True
) -> Row | None:
    """None where nothing is left to be done. A row that is not ``ours`` yet gets the mark."""
    marked = line_path(block.rows, key, block.mark)
    text = texts.get(marked, known.get(marked, GONE))
    found = there.get("Id") if there is not None else None
    target = found if isinstance(found, str) else None
    mark = (block.mark, str(from_canonical(text or known[marked]))) if text or known.get(marked) else (block.mark, key)
    if text == GONE:
        return Row(block.entity, block.parent, mark, target, None) if target else None
    if target is not None and ours and all(known.get(path, GONE) == one for path, one in texts.items()):
        return None
    fields = _fields(texts, block, new=target is None)
    return Row(block.entity, block.parent, mark, target, fields if ours else {**fields, mark[0]: mark[1]})


def _fields(texts: Texts, block: LineBlock, *, new: bool) -> dict[str, Value]:
    """The fields to send. A row is written like a line of Xero, as a whole: amounts that Salesforce works out of each
    other go together, and what a line says no more is emptied."""
    kept = {block.mark} if new else {block.mark, *(setting.path for setting in block.settings if setting.once)}
    out: dict[str, Value] = {}
    for path, text in texts.items():
        parts = split_line_path(path)
        if parts is not None and parts[2] not in kept and (text or not new):
            place(Side.SALESFORCE, out, parts[2], from_canonical(text) if text else None)
    return out
