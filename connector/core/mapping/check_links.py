"""What can only be seen across mappings: names used twice, references into nowhere or in a circle, two writers."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table

from connector.core.catalog import Catalog, FieldInfo
from connector.core.mapping.apart import apart
from connector.core.mapping.bind import field_info, line_entity, written
from connector.core.mapping.model import End, Kind, LineBlock, Mapping, Setting
from connector.core.mapping.problem import Problem, problem
from connector.core.mapping.sight import Sight
from connector.core.mapping.syntax import Call, ExpressionError, Literal, Path, Tree, walk
from connector.core.records import Side


def across(mappings: tuple[Mapping, ...], catalogs: Table[Side, Catalog]) -> Iterator[Problem]:
    """Every problem between mappings."""
    by_name: dict[str, Mapping] = {}
    for mapping in mappings:
        if mapping.name in by_name:
            other = by_name[mapping.name].file
            yield problem(mapping, "mapping", "duplicate-name", f"{other} is {mapping.name} too", "Rename one.")
        by_name.setdefault(mapping.name, mapping)
    waits: dict[str, set[str]] = {}
    for mapping in mappings:
        for one, call, line, setting in _all_references(mapping):
            yield from _reference(one, call, line, setting, by_name, catalogs)
            if _waits(call) and not (mapping.documents and _name(call) == mapping.name):
                waits.setdefault(mapping.name, set()).add(_name(call))
    for name in sorted(_circular(waits)):
        yield problem(by_name[name], "mapping", "circle", f"{name} waits for itself, by way of its target() calls",
                      "Say wait=no in one of them.")  # fmt: skip
    yield from _two_writers(mappings, by_name)


def _all_references(mapping: Mapping) -> Iterator[tuple[Mapping, Call, int, Setting | None]]:
    for one in mapping.each:
        yield from ((one, *found) for found in _references(one))


def _references(mapping: Mapping) -> Iterator[tuple[Call, int, Setting | None]]:
    """Each target() and source() with its line and, if it is the value of a field, that field."""
    if mapping.of is not None:
        yield from ((call, mapping.lines_of_keys.get("target", 1), None) for call in _calls(mapping.of.tree))
    blocks: tuple[LineBlock | None, ...] = (None, *mapping.blocks)
    for block in blocks:
        for setting in mapping.settings if block is None else block.settings:
            for call in _calls(setting.value.tree):
                yield call, setting.line, setting


def _calls(tree: Tree) -> Iterator[Call]:
    for part in walk(tree):
        if isinstance(part, Call) and part.name in ("target", "source"):
            yield part


def _name(call: Call) -> str:
    part = call.parts[0]
    return str(part.value) if isinstance(part, Literal) else ""


def _document(call: Call) -> str:
    part = dict(call.options).get("document")
    return str(part.value) if isinstance(part, Literal) else ""


def _waits(call: Call) -> bool:
    wait = dict(call.options).get("wait", Literal(call.name == "target"))
    return isinstance(wait, Literal) and wait.value is True


def _reference(
    mapping: Mapping,
    call: Call,
    line: int,
    setting: Setting | None,
    by_name: Table[str, Mapping],
    catalogs: Table[Side, Catalog],
) -> Iterator[Problem]:
    other = by_name.get(_name(call))
    if other is None:
        yield Problem(mapping.file, line, "mapping.unknown-mapping", f"there is no mapping {_name(call)}",
                      f"There are: {', '.join(sorted(by_name))}.")  # fmt: skip
        return
    if other.kind is Kind.BACK_WRITE:
        yield Problem(mapping.file, line, "mapping.reference", f"{other.name} never makes an object")
        return
    told = _document(call)
    if call.name == "target" and other.documents and not told:
        names = ", ".join(one.part.name for one in other.documents if one.part is not None)
        yield Problem(mapping.file, line, "mapping.reference", f"{other.name} makes several documents of a record",
                      f"Say which: document= one of {names}.")  # fmt: skip
        return
    if told:
        part = next((one for one in other.documents if one.part is not None and one.part.name == told), None)
        if part is None or part.part is None or part.part.rows:
            yield Problem(mapping.file, line, "mapping.reference", f"{other.name} has no document {told}")
            return
        if other.name == mapping.name and mapping.part is not None and told not in mapping.part.after:
            yield Problem(mapping.file, line, "mapping.reference", f"{mapping.part.name} needs the document {told}",
                          f"Say after: {told} in it.")  # fmt: skip
        other = part
    here, there = _ends(call, other, mapping.source.side)
    if here is None or there is None:
        turned = "source" if call.name == "target" else "target"
        begins = other.source if call.name == "target" else other.target
        yield Problem(mapping.file, line, "mapping.reference", f"{call.name}('{other.name}') begins at {begins}",
                      f"Use {turned}() for the other way.")  # fmt: skip
        return
    given = _given(mapping, call, catalogs)
    if given is not None and given.references and here.entity not in given.references:
        yield Problem(mapping.file, line, "mapping.reference",
                      f"{call.name}('{other.name}') takes {here}, not {' or '.join(given.references)}")  # fmt: skip
    taken = _taken(mapping, setting, catalogs)
    if taken is not None and taken.references and there.entity not in taken.references:
        what = f"{setting.path if setting else 'target'} holds {' or '.join(taken.references)}, not {there}"
        yield Problem(mapping.file, line, "mapping.reference", what)


def _ends(call: Call, other: Mapping, side: Side) -> tuple[End | None, End | None]:
    """Where the reference begins (on our source's side) and where it leads to."""
    if other.kind is Kind.TWO_WAY:
        return other.end(side), other.end(side.other)
    here, there = (other.source, other.target) if call.name == "target" else (other.target, other.source)
    return (here, there) if here.side is side else (None, None)


def _given(mapping: Mapping, call: Call, catalogs: Table[Side, Catalog]) -> FieldInfo | None:
    path = call.parts[1]
    if not isinstance(path, Path) or not catalogs[mapping.source.side].has(mapping.source.entity):
        return None
    try:
        return Sight(mapping, catalogs).info(path)
    except ExpressionError:  # told where the expression is checked
        return None


def _taken(mapping: Mapping, setting: Setting | None, catalogs: Table[Side, Catalog]) -> FieldInfo | None:
    if setting is None:
        return None
    catalog, entity = catalogs[mapping.target.side], mapping.target.entity
    for block in mapping.blocks:
        if setting in block.settings:
            entity = line_entity(catalog, entity, block)
    return field_info(catalog, entity, setting.path)


def _circular(waits: Table[str, set[str]]) -> set[str]:
    """The names from which one comes back to them."""
    out: set[str] = set()
    for start in waits:
        seen: set[str] = set()
        ahead = set(waits[start])
        while ahead:
            name = ahead.pop()
            if name == start:
                out.add(start)
            if name not in seen:
                seen.add(name)
                ahead |= waits.get(name, set())
    return out


def _two_writers(mappings: tuple[Mapping, ...], by_name: Table[str, Mapping]) -> Iterator[Problem]:
    """Documents are each mapping's own; objects that several mappings change must have one writer for a field. Mappings
    for different Xero organisations do not meet, nor do two-way mappings that begin with different records."""
    writers: dict[tuple[End, str], list[Mapping]] = {}
    for mapping in mappings:
        for end, path, line in _written(mapping, by_name):
            known = writers.setdefault((end, path), [])
            other = next((one for one in known if one.name != mapping.name and _meet(one, mapping, end.side)), None)
            known.append(mapping)
            if other is not None:
                yield Problem(mapping.file, line, "mapping.two-writers", f"{other.name} writes {end}.{path} too",
                              "Leave it to one of them, or let `when` of both say whose a record is.")  # fmt: skip


def _meet(one: Mapping, other: Mapping, side: Side) -> bool:
    """Whether both may change the same object."""
    here, there = (each.organisation.text if each.organisation is not None else "" for each in (one, other))
    if here and there and here != there:
        return False
    both = one.kind is Kind.TWO_WAY and other.kind is Kind.TWO_WAY
    return not (both and apart(one.when.get(side), other.when.get(side)))


def _written(mapping: Mapping, by_name: Table[str, Mapping]) -> Iterator[tuple[End, str, int]]:
    if mapping.kind is Kind.TWO_WAY:
        for pair in mapping.pairs:
            for side in written(pair):
                yield mapping.end(side), pair.path(side), pair.line
    elif mapping.kind is Kind.BACK_WRITE or any(_aims_at(other, mapping) for other in by_name.values()):
        for one in mapping.each:
            yield from ((one.target, setting.path, setting.line) for setting in one.settings)


def _aims_at(back_write: Mapping, document: Mapping) -> bool:
    """Whether a back-write changes the very objects that a document mapping makes."""
    tree = back_write.of.tree if back_write.of is not None else None
    return isinstance(tree, Call) and tree.name == "target" and _name(tree) == document.name
