"""Which names the expressions of one file can see, and in which order they are worked out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from collections.abc import Mapping as Table

from connector.core.mapping.clauses import Reading
from connector.core.mapping.expression import Expression
from connector.core.mapping.model import Mapping, Setting
from connector.core.mapping.nodes import Block

_ALWAYS = frozenset({"record", "connection", "generation"})


def known_names(reading: Reading, tree: Block, mapping: Mapping) -> None:
    """Refuse a name that nothing explains, and one name for two things."""
    fields = {setting.path for setting in mapping.settings if "." not in setting.path}
    taken: dict[str, str] = {}
    for what, names in (("read", set(mapping.read)), ("let", set(mapping.let)), ("fields", fields)):
        for name in sorted(names):
            if name in taken:
                reading.refuse("name", f"{name} is a name of {taken[name]} and of {what}", tree.lines[what])
            taken[name] = what
    known = set(_ALWAYS) | set(taken)
    if mapping.part is not None and mapping.part.rows:
        if mapping.part.name in known:
            reading.refuse("name", f"as: {mapping.part.name} is a name already", mapping.part.line)
        known.add(mapping.part.name)
    for expression, line, visible in _expressions(tree, mapping, frozenset(fields)):
        seen = (known - fields) | visible
        for name in sorted(expression.roots() - seen):
            near = difflib.get_close_matches(name, seen, 1)
            hint = f"Did you mean {near[0]}?" if near else "A text needs quotes; a field of the source is record.Field."
            reading.refuse("unknown-name", f"nothing is called {name[:60]}", line, hint)
    for block in mapping.blocks:
        if block.name in known:
            reading.refuse("name", f"as: {block.name} is a name already", block.line)


def _expressions(
    tree: Block, mapping: Mapping, fields: frozenset[str]
) -> Iterator[tuple[Expression, int, frozenset[str]]]:
    """Each expression, its line, and the names it sees beside those of the source: fields only after the fields."""
    lines, none = tree.lines, frozenset[str]()
    if mapping.part is not None:
        yield from ((one, mapping.part.line, none) for one in (mapping.part.each, mapping.part.key) if one is not None)
    for what, visible, expressions in (
        ("when", none, list(mapping.when.values())),
        ("organisation", none, [mapping.organisation]),
        ("target", none, [mapping.of]),
        ("let", none, list(mapping.let.values())),
        ("find", fields, list(mapping.find.values())),
        ("expect", fields, list(mapping.expect.values())),
    ):
        for expression in expressions:
            if expression is not None:
                yield expression, lines.get(what, 1), visible
    for setting in mapping.settings:
        yield setting.value, setting.line, fields
    for block in mapping.blocks:
        inside = fields | ({block.name} if block.name else set())
        if block.each is not None:
            yield block.each, block.line, none
        for expression in (block.key, block.when):
            if expression is not None:
                yield expression, block.line, inside
        for setting in block.settings:
            yield setting.value, setting.line, inside


def in_order(
    reading: Reading, tree: Block, let: Table[str, Expression], settings: tuple[Setting, ...]
) -> tuple[dict[str, Expression], tuple[Setting, ...]]:
    """``let`` and fields, each after what it builds on. Refuses circles."""
    names = _sorted({name: value.roots() & set(let) for name, value in let.items()})
    if names is None:
        reading.refuse("circle", "names of let build on each other in a circle", tree.lines["let"])
    by_path = {setting.path: setting for setting in settings}
    paths = _sorted({setting.path: setting.value.roots() & set(by_path) for setting in settings})
    if paths is None:
        reading.refuse("circle", "fields build on each other in a circle", tree.lines["fields"])
    return {name: let[name] for name in names}, tuple(by_path[path] for path in paths)


def _sorted(needs: Table[str, frozenset[str] | set[str]]) -> list[str] | None:
    """Names after their needs, otherwise in their own order; None if there is a circle."""
    out: list[str] = []
    left = dict(needs)
    while left:
        ready = [name for name, wanted in left.items() if wanted <= set(out)]
        if not ready:
            return None
        out += ready
        for name in ready:
            del left[name]
    return out
