"""Whether mappings can work on the objects that are there: names, types, lengths, what is missing, who writes what.

Syntax was parse's business. Every problem says file, line, code, what is wrong and what to do; all are found at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from collections.abc import Mapping as Table

from connector.core.catalog import Catalog, FieldInfo, FieldType
from connector.core.document import NAMED
from connector.core.mapping.approval import APPROVALS, AT_ONCE, OURS_ALONE
from connector.core.mapping.bind import field_info, line_entity, written
from connector.core.mapping.check_below import below, is_below
from connector.core.mapping.check_links import across
from connector.core.mapping.check_several import together
from connector.core.mapping.convert import fitted, from_plain
from connector.core.mapping.expect import EXPECTED, unknowable
from connector.core.mapping.expression import Expression
from connector.core.mapping.inference import SPOKEN, fits
from connector.core.mapping.life import remade
from connector.core.mapping.model import Kind, LineBlock, Mapping, Pair, Setting
from connector.core.mapping.problem import Problem, problem
from connector.core.mapping.reads import expressions, row_names
from connector.core.mapping.shapes import LINES
from connector.core.mapping.sight import Sight
from connector.core.mapping.syntax import Call, ExpressionError, walk
from connector.core.marks import MARKS, NATURAL, NUMBERED_ELSEWHERE
from connector.core.records import Side

__all__ = ["Problem", "check"]

# Fields without which the other side takes no object (facts/xero.md §5.5; Salesforce's standard ones).
REQUIRED: Table[tuple[Side, str], tuple[str, ...]] = {
    (Side.XERO, "Invoice"): ("Type", "Contact"),
    (Side.XERO, "CreditNote"): ("Type", "Contact"),
    (Side.XERO, "PurchaseOrder"): ("Contact",),
    (Side.XERO, "Quote"): ("Contact", "Date"),
    (Side.XERO, "Contact"): ("Name",),
    (Side.XERO, "Item"): ("Code",),
    (Side.XERO, "Account"): ("Code", "Name", "Type"),
    (Side.XERO, "Payment"): ("Amount",),
    (Side.XERO, "Allocation"): ("Invoice", "Amount", "Date"),
    (Side.XERO, "Attachment"): ("FileName",),
    (Side.XERO, "HistoryRecord"): ("Details",),
    (Side.SALESFORCE, "Opportunity"): ("Name", "StageName", "CloseDate"),
    (Side.SALESFORCE, "OpportunityLineItem"): ("PricebookEntryId", "Quantity"),
}
OWN = frozenset({"Twinledger_Sync__c"})  # objects of ours that no mapping may touch
_OFTEN_REQUIRED = ("Name", "LastName")  # of any object: asked of the catalog
_CONVERT = "Convert it with text(), number() or date(), or choose a field of its type."


def check(mappings: tuple[Mapping, ...], catalogs: Table[Side, Catalog]) -> tuple[Problem, ...]:
    """Every problem of every mapping, in the order of files and lines. Empty: they may run."""
    found = [one for mapping in mappings for part in mapping.each for one in _one(part, catalogs)]
    found += [one for mapping in mappings for one in together(mapping)]
    found += across(mappings, catalogs)
    return tuple(sorted(set(found), key=lambda one: (one.file, one.line, one.code, one.message)))


def _one(mapping: Mapping, catalogs: Table[Side, Catalog]) -> Iterator[Problem]:
    missing = [one for one in (mapping.source, mapping.target) if not catalogs[one.side].has(one.entity)]
    for one in missing:
        yield problem(
            mapping,
            "between" if mapping.kind is Kind.TWO_WAY else "from" if one is mapping.source else "to",
            "unknown-entity",
            f"{one.side.value} has no object {one.entity}",
            "Check its API name, and that the integration user may read it.",
        )
    for one in (mapping.source, mapping.target):
        if one.side is Side.SALESFORCE and one.entity in OWN:
            yield problem(
                mapping, "between" if mapping.kind is Kind.TWO_WAY else "from" if one is mapping.source else "to",
                "own-object", f"{one.entity} shows how links stand: mapped, each link would make another",
                "Let a flow in Salesforce start from it instead.",
            )  # fmt: skip
    if missing:
        return
    if mapping.kind is Kind.TWO_WAY:
        yield from _two_way(mapping, catalogs)
    else:
        yield from _one_way(mapping, catalogs)
    yield from _mark(mapping, catalogs)
    yield from below(mapping)
    if mapping.begin == "link" and not mapping.find and mapping.kind is Kind.DOCUMENT:
        yield problem(mapping, "begin", "begin-link", "begin: link needs a `find` to link what exists", "Add `find`.")


# --- one-way ---------------------------------------------------------------------------------------------------------


def _one_way(mapping: Mapping, catalogs: Table[Side, Catalog]) -> Iterator[Problem]:
    sight, target = Sight(mapping, catalogs), catalogs[mapping.target.side]
    yield from _reads(mapping, catalogs[mapping.source.side])
    if mapping.part is not None:
        for one in (mapping.part.each, mapping.part.key):
            yield from _typed(mapping, sight, one, mapping.part.line)
    for key, several in (
        ("when", tuple(mapping.when.values())),
        ("organisation", (mapping.organisation,)),
        ("target", (mapping.of,)),
        ("let", tuple(mapping.let.values())),
    ):
        for expression in several:
            yield from _typed(mapping, sight, expression, mapping.lines_of_keys.get(key, 1))
    for setting in mapping.settings:
        yield from _setting(mapping, sight, target, mapping.target.entity, setting)
    for block in mapping.blocks:
        yield from _block(mapping, sight, target, block)
    yield from _lookups(mapping, sight, target)
    if mapping.kind is Kind.DOCUMENT:
        yield from _whole(mapping, target)


def _reads(mapping: Mapping, source: Catalog) -> Iterator[Problem]:
    rows, seen = row_names(mapping), {root for one, _ in expressions(mapping) for root in one.roots()}
    for name, path in mapping.read.items():
        if mapping.part is not None and name not in seen:
            continue  # another document of the record reads it
        known = source.children(mapping.source.entity, path) if name in rows else None
        infos = [field_info(source, mapping.source.entity, one) for one in (path, f"{path}.Id")]
        if known is None and not any(infos):
            what = "child relationship" if name in rows else "relationship"
            yield problem(mapping, "read", "unknown-field", f"{mapping.source} has no {what} {path}",
                          "Use the relationship's API name: Account, Vendor__r, OpportunityLineItems.")  # fmt: skip


def _typed(
    mapping: Mapping, sight: Sight, expression: Expression | None, line: int, what: str = ""
) -> Iterator[Problem]:
    if expression is None:
        return
    try:
        sight.type_of(expression)
    except ExpressionError as error:
        yield Problem(mapping.file, line, error.code, f"{what}{error.message}", error.remedy)


def _remade(mapping: Mapping) -> bool:
    """Whether a field that is taken at birth only may change all the same: with a new object, or by a person."""
    return mapping.kind is Kind.DOCUMENT and remade(mapping.target.side, mapping.target.entity, mapping.life)


def _setting(mapping: Mapping, sight: Sight, target: Catalog, entity: str, setting: Setting) -> Iterator[Problem]:
    info = field_info(target, entity, setting.path)
    if info is None:
        yield Problem(mapping.file, setting.line, "mapping.unknown-field", f"{entity} has no field {setting.path}",
                      "Check its API name, and that the integration user may see it.")  # fmt: skip
        yield from _typed(mapping, sight, setting.value, setting.line)
        return
    writable = info.updatable if mapping.kind is Kind.BACK_WRITE else info.creatable
    if not writable or not (setting.once or setting.plain or info.updatable or _remade(mapping)):
        hint = "Say write: once." if info.creatable and mapping.kind is not Kind.BACK_WRITE else "Take it out."
        yield Problem(mapping.file, setting.line, "mapping.not-writable", f"{setting.path} cannot be written", hint)
    yield from _found(mapping, setting)
    try:
        if setting.plain:
            _plain(str(setting.value.literal or ""), setting, info)
        else:
            given = sight.type_of(setting.value)
            if not fits(given, info.type) or info.type is FieldType.LIST:
                raise ExpressionError(
                    "mapping.type", f"{SPOKEN[given or info.type]} where it takes {SPOKEN[info.type]}", remedy=_CONVERT
                )
            if setting.value.is_literal:
                fitted(setting.value.literal, info, cut=setting.cut)
    except ExpressionError as error:
        yield Problem(mapping.file, setting.line, error.code, f"{setting.path}: {error.message}", error.remedy)


def _found(mapping: Mapping, setting: Setting) -> Iterator[Problem]:
    """What find() gives is known only when it is written: it cannot be compared with what stands there later."""
    if not any(isinstance(part, Call) and part.name == "find" for part in walk(setting.value.tree)):
        return
    alone = isinstance(setting.value.tree, Call) and setting.value.tree.name == "find"
    if not alone or not setting.once or mapping.target.side is not Side.SALESFORCE:
        yield Problem(mapping.file, setting.line, "mapping.find", f"{setting.path}: find() stands alone in a field of "
                      "Salesforce with write: once", "Write { set: \"=find(…)\", write: once }.")  # fmt: skip


def _plain(text: str, setting: Setting, info: FieldInfo) -> None:
    if info.type in (FieldType.OBJECT, FieldType.LIST):
        raise ExpressionError("mapping.type", f"a text where it takes {SPOKEN[info.type]}", remedy=_CONVERT)
    value = fitted(from_plain(text, info), info, cut=setting.cut)
    if info.values is not None and isinstance(value, str) and value not in info.values:
        near = difflib.get_close_matches(value, info.values, 1)
        hint = f"Did you mean {near[0]}?" if near else f"One of: {', '.join(sorted(info.values)[:12])}."
        raise ExpressionError("mapping.value", f"{value!r} is not one of its values", remedy=hint)


def _block(mapping: Mapping, sight: Sight, target: Catalog, block: LineBlock) -> Iterator[Problem]:
    entity = line_entity(target, mapping.target.entity, block)
    if block.rows:
        yield from _rows(mapping, target, entity, block)
    if not entity:
        return
    inside = sight.within(block)
    for expression in (block.each, block.key, block.when):
        yield from _typed(mapping, inside, expression, block.line)
    for setting in block.settings:
        yield from _setting(mapping, inside, target, entity, setting)


def _rows(mapping: Mapping, target: Catalog, entity: str, block: LineBlock) -> Iterator[Problem]:
    """What rows of Salesforce need beside their fields."""
    if not entity:
        yield Problem(mapping.file, block.line, "mapping.unknown-field",
                      f"{mapping.target} has no child relationship {block.rows}",
                      "Use the relationship's API name: OpportunityLineItems, Xero_Invoice_Lines__r.")  # fmt: skip
        return
    paths = {setting.path: setting for setting in block.settings}
    parent = target.parent(mapping.target.entity, block.rows) or ""
    if target.field(entity, block.mark) is None:
        yield Problem(mapping.file, block.line, "mapping.unknown-field", f"{entity} has no field {block.mark}",
                      "mark: is an external-id field of the rows.")  # fmt: skip
    if parent in paths:
        yield Problem(mapping.file, paths[parent].line, "mapping.not-writable", f"{parent} names the object by itself",
                      "Take it out.")  # fmt: skip
    for name in sorted(set(REQUIRED.get((Side.SALESFORCE, entity), ())) - set(paths)):
        yield Problem(mapping.file, block.line, "mapping.missing-required", f"{entity} needs {name}",
                      f"Add {name} to the fields of its lines.")  # fmt: skip


def _lookups(mapping: Mapping, sight: Sight, target: Catalog) -> Iterator[Problem]:
    for key, named in (("find", mapping.find), ("expect", mapping.expect)):
        line = mapping.lines_of_keys.get(key, 1)
        for name, expression in named.items():
            yield from _typed(mapping, sight, expression, line, f"{key} {name}: ")
            if key == "find" and field_info(target, mapping.target.entity, name) is None:
                yield problem(mapping, key, "unknown-field", f"{mapping.target} has no field {name}")
    yield from _expected(mapping)


def _expected(mapping: Mapping) -> Iterator[Problem]:
    """What no amount of a line tells before Xero has added its tax."""
    prices = next((one.value for one in mapping.settings if one.path == "LineAmountTypes"), None)
    for name in mapping.expect:
        if name not in EXPECTED:
            yield problem(mapping, "expect", "expect", f"expect cannot know {name}", f"Known: {', '.join(EXPECTED)}.")
        elif prices is None or prices.is_literal:
            instead = unknowable(name, mapping, prices.literal if prices is not None else None)
            if instead:
                yield problem(mapping, "expect", "expect", f"only Xero knows the {name} of these lines", instead)


def _whole(mapping: Mapping, target: Catalog) -> Iterator[Problem]:
    """What a document as a whole lacks, or has too much."""
    entity, paths = mapping.target.entity, {setting.path.split(".")[0] for setting in mapping.settings}
    needed = set(REQUIRED.get((mapping.target.side, entity), ()))
    for name in _OFTEN_REQUIRED:
        info = target.field(entity, name)
        if info is not None and info.required and info.creatable:
            needed.add(name)
    for name in sorted(needed - paths):
        yield problem(mapping, "fields", "missing-required", f"{mapping.target} needs {name}", f"Add {name} to fields.")
    lines = LINES.get(entity) if mapping.target.side is Side.XERO else None
    if mapping.blocks and lines is None and mapping.target.side is Side.XERO:
        yield problem(mapping, "lines", "lines", f"{mapping.target} has no lines", "Give rows their own mapping.")
    if lines is not None and not mapping.blocks and entity not in NAMED:
        yield problem(mapping, "fields", "missing-required", f"{mapping.target} needs lines", "Add lines:.")
    if mapping.foreign_lines != "keep" and mapping.target.side is Side.SALESFORCE:
        yield problem(mapping, "foreign_lines", "lines", "rows of Salesforce that are not ours are always kept",
                      "Take it out.")  # fmt: skip
    if mapping.expect and not mapping.lines:
        yield problem(mapping, "expect", "expect", "nothing can be expected of an object without lines of Xero")
    if mapping.target.side is Side.XERO and entity in OURS_ALONE and "Status" in paths:
        yield problem(mapping, "fields", "status", "Status is what approve: decides", "Take Status out of fields.")
    approval = APPROVALS.get(entity) if mapping.target.side is Side.XERO else None
    if "approve" in mapping.lines_of_keys and approval is None:
        yield problem(mapping, "approve", "approve", f"{mapping.target} has no draft to approve", "Take approve: out.")
    elif approval is not None and mapping.approve == AT_ONCE and not approval.at_once:
        yield problem(mapping, "approve", "approve", f"{mapping.target} begins as a draft", "Say checked, or draft.")


# --- two-way ---------------------------------------------------------------------------------------------------------


def _two_way(mapping: Mapping, catalogs: Table[Side, Catalog]) -> Iterator[Problem]:
    sight = Sight(mapping, catalogs)
    for expression in mapping.when.values():
        yield from _typed(mapping, sight, expression, mapping.lines_of_keys.get("when", 1))
    for rule in mapping.match:
        for expression in rule.sides.values():
            yield from _typed(mapping, sight, expression, rule.line)
    for pair in mapping.pairs:
        yield from _pair(mapping, pair, catalogs)
    for side in Side:
        paths = {pair.path(side) for pair in mapping.pairs if side in written(pair)}
        needed = REQUIRED.get((side, mapping.end(side).entity), ())
        for name in (name for name in needed if mapping.creates(side) and name not in paths):
            yield problem(mapping, "fields", "missing-required", f"{mapping.end(side)} needs {name}",
                          f"Add a field whose owner writes {name}.")  # fmt: skip


def _pair(mapping: Mapping, pair: Pair, catalogs: Table[Side, Catalog]) -> Iterator[Problem]:
    infos: dict[Side, FieldInfo] = {}
    for side in Side:
        path, entity = pair.path(side), mapping.end(side).entity
        info = field_info(catalogs[side], entity, path)
        if info is None:
            yield Problem(mapping.file, pair.line, "mapping.unknown-field", f"{entity} has no field {path}",
                          "Check its API name, and that the integration user may see it.")  # fmt: skip
            continue
        infos[side] = info
        if side in written(pair) and not info.updatable and not pair.using:
            yield Problem(mapping.file, pair.line, "mapping.not-writable", f"{path} cannot be written",
                          f"Make the other side its owner (owner: {'xero' if side is Side.SALESFORCE else 'sf'} "
                          "never writes it).")  # fmt: skip
    if len(infos) == 2 and not pair.using:
        sf, xero = infos[Side.SALESFORCE].type, infos[Side.XERO].type
        if not (fits(sf, xero) or fits(xero, sf)) or FieldType.LIST in (sf, xero):
            yield Problem(mapping.file, pair.line, "mapping.type",
                          f"{pair.name} is {SPOKEN[sf]}, {pair.xero} is {SPOKEN[xero]}",
                          "Choose fields of one type, or a converter (using:).")  # fmt: skip


# --- marks -----------------------------------------------------------------------------------------------------------


def _mark(mapping: Mapping, catalogs: Table[Side, Catalog]) -> Iterator[Problem]:
    paths = {setting.path: setting for setting in mapping.settings}
    if mapping.creates(Side.SALESFORCE):
        entity = mapping.end(Side.SALESFORCE).entity
        if not mapping.mark:
            yield problem(mapping, "mapping", "mark", f"nothing tells our {entity} after a lost answer",
                          "Add mark: with an external-id field, and set it to the id of the Xero object.")  # fmt: skip
        elif catalogs[Side.SALESFORCE].field(entity, mapping.mark) is None:
            yield problem(mapping, "mark", "unknown-field", f"{entity} has no field {mapping.mark}")
        elif mapping.kind is Kind.DOCUMENT and mapping.mark not in paths:
            yield problem(mapping, "mark", "mark", f"{mapping.mark} is not among the fields", "Set it in fields.")
    elif mapping.mark:
        yield problem(mapping, "mark", "mark", "this mapping creates nothing in Salesforce", "Take mark: out.")
    if mapping.kind is not Kind.DOCUMENT or mapping.target.side is Side.SALESFORCE:
        return
    fields = MARKS.get(mapping.target.entity, ())
    if is_below(mapping):
        return  # told from its siblings by what it must hold anyway
    if not any(name in paths or name not in NATURAL for name in fields):
        yield problem(mapping, "fields", "mark", f"nothing tells our {mapping.target.entity} after a lost answer",
                      f"Set {' or '.join(fields)}." if fields else "No field of it could carry our mark.")  # fmt: skip
    ours = [name for name in fields if name not in NATURAL and name in paths]
    typed = paths.get("Type")
    elsewhere = typed is not None and typed.value.literal in NUMBERED_ELSEWHERE
    if ours and (elsewhere or not any(name in paths for name in fields if name in NATURAL)):
        yield problem(mapping, "fields", "mark", f"{ours[0]} carries our own mark", f"Take {ours[0]} out of fields.")
