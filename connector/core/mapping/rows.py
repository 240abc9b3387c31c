"""Child rows of a Salesforce object, read and written as the lines of a document: which row is which line.

A row is known by its mark, an external id that holds the key of its line. A key that is an id is unlike any other
(``=line.LineItemID``) and stands alone; any other stands behind the mark of the object that the row belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping as Table

from connector.core.catalog import FieldInfo
from connector.core.document import line_path
from connector.core.mapping.convert import fitted, tidy
from connector.core.mapping.model import LineBlock, Mapping
from connector.core.mapping.shapes import pick
from connector.core.mapping.syntax import ExpressionError, Path
from connector.core.records import Side
from connector.core.values import Fields, Value

BEHIND = ":"  # between an object's mark and a key that is no id


def own_key(block: LineBlock) -> bool:
    """Whether a block's keys are ids."""
    tree = block.key.tree
    return isinstance(tree, Path) and bool(tree.names) and tree.names[-1].endswith(("Id", "ID"))


def mark_of_row(block: LineBlock, key: str, parent: Value) -> Value:
    """The mark of the row of a line; ``parent`` is the object's own. Raises ExpressionError: too long, or none."""
    if own_key(block):
        return fitted(key, block.mark_info)
    if not isinstance(parent, str) or not parent:
        raise ExpressionError("mapping.mark", f"the rows of {block.rows} are marked behind the object, which has none",
                              remedy="Give its mark a value, or the lines a key that is an id.")  # fmt: skip
    return fitted(f"{parent}{BEHIND}{key}", block.mark_info)


def observe_rows(mapping: Mapping, fields: Fields, flat: dict[str, Value]) -> None:
    """Our rows, as lines. A row without a mark is somebody else's; a record without the list says nothing of it."""
    for rows in dict.fromkeys(block.rows for block in mapping.blocks):
        for key, row in keyed(mapping, rows, fields).items():
            for block in blocks_of(mapping, rows, key):
                infos = {setting.path: setting.info for setting in block.settings} | {block.mark: block.mark_info}
                for path, info in infos.items():
                    value = _seen(row, path, info)
                    if value is not None:
                        flat[line_path(rows, key, path)] = value


def keyed(mapping: Mapping, rows: str, fields: Fields) -> dict[str, Fields]:
    """The rows of a relationship that carry a mark, by the key of their line."""
    found, parent = fields.get(rows), fields.get(mapping.mark)
    blocks = [block for block in mapping.blocks if block.rows == rows]
    out: dict[str, Fields] = {}
    for row in found if isinstance(found, list | tuple) else ():
        mark = row.get(blocks[0].mark) if isinstance(row, Table) else None
        key = _key(blocks, mark, parent) if isinstance(mark, str) else None
        if key and isinstance(row, Table):
            out[key] = row
    return out


def unmarked(mapping: Mapping, rows: str, fields: Fields) -> list[Fields]:
    """The rows of a relationship that carry no mark: somebody added them."""
    found = fields.get(rows)
    mark = next(block.mark for block in mapping.blocks if block.rows == rows)
    listed = found if isinstance(found, list | tuple) else ()
    return [row for row in listed if isinstance(row, Table) and not row.get(mark)]


def _key(blocks: list[LineBlock], mark: str, parent: Value) -> str | None:
    before = f"{parent}{BEHIND}"
    if mark.startswith(before) and not all(map(own_key, blocks)):
        return mark[len(before) :]
    return mark if any(map(own_key, blocks)) else None


def blocks_of(mapping: Mapping, rows: str, key: str) -> list[LineBlock]:
    """The block that a key belongs to; keys of rows do not tell their block, so all of those."""
    known = [block for block in mapping.blocks if block.rows == rows]
    fixed = [block for block in known if block.fixed_key == key]
    return fixed or [block for block in known if block.fixed_key is None]


def _seen(row: Fields, path: str, info: FieldInfo | None) -> Value:
    try:
        return fitted(pick(Side.SALESFORCE, row, path), info)
    except ExpressionError:  # a value that does not fit its field is still a fact
        return tidy(row.get(path))
