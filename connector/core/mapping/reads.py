"""What must be read of a record so that every expression of a mapping finds what it names."""

from __future__ import annotations

from collections.abc import Iterator

from connector.core.mapping.expression import Expression
from connector.core.mapping.model import Kind, LineBlock, Mapping
from connector.core.mapping.shapes import components
from connector.core.mapping.syntax import OVER_ROWS, Call, Path, walk
from connector.core.records import ReadPlan, Side


def plan(mapping: Mapping, side: Side) -> ReadPlan:
    """The read plan for that side. Xero always answers with whole documents, so its plan names the entity only."""
    entity = mapping.end(side).entity
    children: dict[str, set[str]] = {}
    if side is Side.XERO:
        return ReadPlan(entity)
    if mapping.kind is Kind.TWO_WAY:
        fields = _both_ends(mapping, side)
    elif mapping.documents and side is mapping.source.side:
        return _together([plan(one, side) for one in mapping.documents])
    elif side is mapping.source.side:
        fields, children = _source(mapping)
    else:
        fields = {name for setting in mapping.settings for name in components(setting.path)}
        for block in mapping.blocks:
            paths = {name for setting in block.settings for name in components(setting.path)}
            children.setdefault(block.rows, {"Id"}).update(paths | {block.mark})
    if mapping.mark and side is Side.SALESFORCE:
        fields = fields | {mapping.mark}
    return ReadPlan(
        entity,
        tuple(sorted(fields - {"Id"})),
        {name: tuple(sorted(paths)) for name, paths in sorted(children.items())},
    )


def _together(plans: list[ReadPlan]) -> ReadPlan:
    """All that several documents of one record read of it."""
    children: dict[str, set[str]] = {}
    for each in plans:
        for name, paths in each.children.items():
            children.setdefault(name, set()).update(paths)
    fields = {path for each in plans for path in each.fields}
    rows = {name: tuple(sorted(paths)) for name, paths in sorted(children.items())}
    return ReadPlan(plans[0].entity, tuple(sorted(fields)), rows)


def _both_ends(mapping: Mapping, side: Side) -> set[str]:
    expressions = [rule.sides[side] for rule in mapping.match]
    expressions += [mapping.when[side]] if side in mapping.when else []
    ours = {path for one in expressions for path in one.fields_read() if path.root in ("sf", "xero")}
    fields = {".".join(path.names) for path in ours if path.names}
    return fields | {name for pair in mapping.pairs for name in components(pair.path(side))}


def expressions(mapping: Mapping) -> Iterator[tuple[Expression, LineBlock | None]]:
    """Every expression of a one-way mapping, with the block of lines that it stands in."""
    if mapping.part is not None:
        yield from ((one, None) for one in (mapping.part.each, mapping.part.key) if one is not None)
    yield from ((one, None) for one in mapping.when.values())
    yield from ((one, None) for one in (mapping.organisation, mapping.of) if one is not None)
    for table in (mapping.let, mapping.find, mapping.expect):
        yield from ((one, None) for one in table.values())
    yield from ((setting.value, None) for setting in mapping.settings)
    for block in mapping.blocks:
        yield from ((one, block) for one in (block.key, block.each, block.when) if one is not None)
        yield from ((setting.value, block) for setting in block.settings)


def row_names(mapping: Mapping) -> frozenset[str]:
    """The names of ``read`` that are rows, told by their use: in each:, or within sum(), count(), len()."""
    out: set[str] = set()
    for expression, _ in expressions(mapping):
        for part in walk(expression.tree):
            if isinstance(part, Call) and part.name in OVER_ROWS and isinstance(part.parts[0], Path):
                out.add(part.parts[0].root)
    eaches = [block.each for block in mapping.blocks] + ([mapping.part.each] if mapping.part is not None else [])
    out |= {root for each in eaches if each is not None for root in each.roots()}
    return frozenset(out & set(mapping.read))


def _source(mapping: Mapping) -> tuple[set[str], dict[str, set[str]]]:
    rows = row_names(mapping)
    fields: set[str] = set()
    children: dict[str, set[str]] = {mapping.read[name]: {"Id"} for name in rows}
    for expression, block in expressions(mapping):
        ids = _asked_ids(expression)
        for path in expression.fields_read():
            names = (*path.names, "Id") if path in ids else path.names
            row = _row_of(mapping, path.root, block)
            if row is not None and names:
                children[row].add(".".join(names))
            elif path.root == "record" and path.names:
                fields.add(".".join(names))
            elif path.root in mapping.read and path.root not in rows and names:
                fields.add(".".join((mapping.read[path.root], *names)))
    return fields, children


def _row_of(mapping: Mapping, root: str, block: LineBlock | None) -> str | None:
    """The child relationship whose rows ``root`` names in this place."""
    if root in mapping.read and root in row_names(mapping):
        return mapping.read[root]
    part, each = mapping.part, None
    if block is not None and root == block.name:
        each = block.each
    elif part is not None and part.rows and root == part.name:
        each = part.each
    return next((mapping.read[name] for name in each.roots() if name in mapping.read), None) if each else None


def _asked_ids(expression: Expression) -> frozenset[Path]:
    """Paths that stand for a whole parent in target() or source(): their Id is read. `AccountId` is an id itself."""
    out: set[Path] = set()
    for part in walk(expression.tree):
        if isinstance(part, Call) and part.name in ("target", "source") and isinstance(part.parts[1], Path):
            path = part.parts[1]
            last = path.names[-1] if path.names else ""
            if (last or path.root != "record") and not last.endswith(("Id", "__c")):
                out.add(path)
    return frozenset(out)
