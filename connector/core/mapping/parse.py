"""Text to mapping. Everything that can be known without a catalog is refused here, with file, line and remedy."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping as Table
from dataclasses import replace

from connector.core.mapping import clauses
from connector.core.mapping.approval import APPROVALS
from connector.core.mapping.clauses import Reading
from connector.core.mapping.credit import allocations_of, credits_of
from connector.core.mapping.expression import Expression
from connector.core.mapping.life import Life, usual
from connector.core.mapping.model import End, Kind, Limits, LineBlock, Mapping, MatchRule, Pair, Part
from connector.core.mapping.names import in_order, known_names
from connector.core.mapping.nodes import Block, Node, plain, read_tree
from connector.core.mapping.reads import plan
from connector.core.mapping.several import spelled
from connector.core.mapping.syntax import Call, Path
from connector.core.records import Side

_MAPPING = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BOTH = ("mapping", "when", "begin", "fields", "limits", "mark")
KEYS: Table[Kind, tuple[str, ...]] = {
    Kind.DOCUMENT: (*_BOTH, "from", "read", "to", "organisation", "find", "found", "let", "lines", "expect", "approve",
                    "life", "foreign_lines", "depends", "documents", "together", "conflict"),
    Kind.TWO_WAY: (*_BOTH, "between", "organisation", "match", "matched", "create", "conflict", "life"),
    Kind.BACK_WRITE: ("mapping", "when", "begin", "fields", "limits", "from", "read", "writes", "to", "target",
                      "unlinked", "several", "let", "lines", "life", "foreign_lines", "conflict"),
}  # fmt: skip
_NEEDED: Table[Kind, tuple[str, ...]] = {
    Kind.DOCUMENT: ("mapping", "from", "to", "fields"),
    Kind.TWO_WAY: ("mapping", "between", "fields"),
    Kind.BACK_WRITE: ("mapping", "from", "to", "target"),
}
SIDES = {"sf": Side.SALESFORCE, "xero": Side.XERO}
CONVERTERS = ("address", "terms")
_CHOICES: Table[str, tuple[str, ...]] = {  # key → what it can say; the first is the default
    "begin": ("new", "link", "all"),
    "found": ("stop", "link", "ask"),
    "approve": ("checked", "draft", "at-once"),
    "foreign_lines": ("keep", "conflict", "replace"),
    "depends": ("at-trigger", "live"),
    "together": ("best-effort", "draft-first"),
    "create": ("both", "sf", "xero", "none"),
    "conflict": ("ask", "sf", "xero", "latest"),
    "unlinked": ("skip", "wait", "tell"),
    "several": ("newest", "sum", "each"),
}


def parse(text: str, file: str) -> Mapping:
    """The mapping in ``text``; ``file`` is for messages. Raises MappingError."""
    reading, tree = Reading(file), read_tree(text, file)
    kind = _kind(tree)
    reading.block(tree, f"a {kind.value} mapping", KEYS[kind])
    for key in ("mapping", "from") if "documents" in tree.parts else _NEEDED[kind]:
        if key not in tree.parts:
            reading.refuse("missing-key", f"a {kind.value} mapping needs {key}:", tree.line)
    name = reading.scalar(tree.parts["mapping"], "mapping")
    if not _MAPPING.fullmatch(name) or len(name) > 80:
        reading.refuse("name", f"{name[:60]!r} is no name for a mapping", tree.lines["mapping"],
                       "Small letters and digits, joined by single hyphens.")  # fmt: skip
    content = json.dumps(plain(tree), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    version = hashlib.sha256(content.encode()).hexdigest()[:16]
    if kind is Kind.DOCUMENT:
        mapping = _documents(reading, tree)
    else:
        mapping = (_two_way if kind is Kind.TWO_WAY else _one_way)(reading, tree, kind)

    def named(one: Mapping, lines: Table[str, int]) -> Mapping:
        plans = {side: plan(one, side) for side in Side}
        one = replace(one, name=name, version=version, file=file, lines_of_keys=dict(lines), plans=plans)
        notes = credits_of(one)
        if notes is None:
            return one
        notes = replace(notes, plans={})
        return replace(one, credits=notes, allocations=allocations_of(notes))

    parts = tuple(named(one, one.lines_of_keys) for one in mapping.documents)
    return named(replace(mapping, documents=parts), tree.lines)


def _kind(tree: Block) -> Kind:
    if "between" in tree.parts:
        return Kind.TWO_WAY
    return Kind.BACK_WRITE if "writes" in tree.parts else Kind.DOCUMENT


def _chosen(reading: Reading, tree: Block) -> dict[str, str]:
    """The clauses that are one word of a few."""
    out = {key: allowed[0] for key, allowed in _CHOICES.items()}
    for key, allowed in _CHOICES.items():
        if key in tree.parts:
            word = reading.choice(tree.parts[key], key, allowed)
            out[key] = SIDES[word].value if word in SIDES else word
    return out


def _named(reading: Reading, node: Node | None, what: str, *, names: bool = False) -> dict[str, Expression]:
    """A table of expressions (plain scalars are texts)."""
    if node is None:
        return {}
    block = reading.block(node, what)
    for key, line in block.lines.items():
        (reading.name if names else reading.path)(key, what, line)
    return {key: reading.value(part, f"{what}: {key}")[0] for key, part in block.parts.items()}


def _documents(reading: Reading, tree: Block) -> Mapping:
    """One document of a record, or each of several. The whole of several has the ends of the first."""
    if "documents" not in tree.parts:
        if "together" in tree.parts:
            reading.refuse("unknown-key", "together: is about documents:, which is not there", tree.lines["together"])
        return _one_way(reading, tree, Kind.DOCUMENT)
    found: list[Mapping] = []
    for one in spelled(reading, tree):
        for key in ("to", "fields"):
            if key not in one.tree.parts:
                reading.refuse("missing-key", f"the document {one.part.name} needs {key}:", one.part.line)
        made = _one_way(reading, one.tree, Kind.DOCUMENT, one.part)
        found.append(replace(made, part=one.part, lines_of_keys=dict(one.tree.lines)))
    first = found[0]
    return replace(
        first, documents=tuple(found), part=None, together=_chosen(reading, tree)["together"], settings=(), blocks=(),
        find={}, expect={},
    )  # fmt: skip


def _one_way(reading: Reading, tree: Block, kind: Kind, part: Part | None = None) -> Mapping:
    parts = tree.parts
    if kind is Kind.BACK_WRITE:
        reading.choice(parts["writes"], "writes", ("update",))
    source, target = clauses.end(reading, parts["from"], "from"), clauses.end(reading, parts["to"], "to")
    if source.side is target.side:
        reading.refuse("end", "from and to are on the same side", tree.lines["to"])
    chosen = _chosen(reading, tree)
    if kind is Kind.BACK_WRITE and not {"fields", "lines"} & set(parts):
        reading.refuse("missing-key", f"a {kind.value} mapping needs fields: or lines:", tree.line)
    settings = clauses.settings(reading, parts["fields"], "fields") if "fields" in parts else ()
    read, let = _read(reading, parts.get("read")), _named(reading, parts.get("let"), "let", names=True)
    blocks = _blocks(reading, tree, target.side)
    when = {source.side: reading.expression(parts["when"], "when")} if "when" in parts else {}
    organisation = reading.value(parts["organisation"], "organisation")[0] if "organisation" in parts else None
    mapping = Mapping(
        "", "", kind, source, target,
        begin=chosen["begin"], read=read, when=when, organisation=organisation,
        find=_named(reading, parts.get("find"), "find"), found=chosen["found"],
        expect=_named(reading, parts.get("expect"), "expect"), approve=_approve(target, tree, chosen),
        foreign_lines=chosen["foreign_lines"], depends=chosen["depends"], part=part,
        mark=_mark(reading, tree), blocks=blocks,
        unlinked=chosen["unlinked"], several=chosen["several"], conflict=chosen["conflict"],
        of=_of(reading, tree) if kind is Kind.BACK_WRITE else None,
    )  # fmt: skip
    known_names(reading, tree, replace(mapping, let=let, settings=settings))
    let, settings = in_order(reading, tree, let, settings)
    life, limits = _brakes(reading, tree, usual(target.side, target.entity))
    return replace(mapping, let=let, settings=settings, life=life, limits=limits)


def _approve(target: End, tree: Block, chosen: Table[str, str]) -> str:
    """Unsaid: as documents of its kind usually are."""
    approval = APPROVALS.get(target.entity) if target.side is Side.XERO else None
    return approval.usual if approval is not None and "approve" not in tree.parts else chosen["approve"]


def _brakes(reading: Reading, tree: Block, default: Life) -> tuple[Life, Limits]:
    life = clauses.life(reading, tree.parts["life"], default) if "life" in tree.parts else default
    limits = clauses.limits(reading, tree.parts["limits"]) if "limits" in tree.parts else Limits()
    return life, limits


def _read(reading: Reading, node: Node | None) -> dict[str, str]:
    if node is None:
        return {}
    block = reading.block(node, "read")
    return {
        reading.name(key, "read", block.lines[key]): reading.path(reading.scalar(part, key), "read", part.line)
        for key, part in block.parts.items()
    }


def _blocks(reading: Reading, tree: Block, side: Side) -> tuple[LineBlock, ...]:
    node = tree.parts.get("lines")
    if node is None:
        return ()
    blocks = tuple(clauses.line_block(reading, part, side) for part in reading.items(node, "lines"))
    seen: dict[str, int] = {}
    for block in blocks:
        key = block.fixed_key
        if key is not None and key in seen:
            reading.refuse("duplicate-line", f"two lines have the key {key[:40]}", block.line,
                           f"The first is in line {seen[key]}.")  # fmt: skip
        if key is not None:
            seen[key] = block.line
    marks = {block.rows: block.mark for block in reversed(blocks)}
    for block in blocks:
        if block.mark != marks[block.rows]:
            reading.refuse(
                "mark", f"rows of {block.rows} with two marks", block.line, f"Say mark: {marks[block.rows]}."
            )
    return blocks


def _mark(reading: Reading, tree: Block) -> str:
    if "mark" not in tree.parts:
        return ""
    return reading.path(reading.scalar(tree.parts["mark"], "mark"), "mark", tree.lines["mark"])


def _of(reading: Reading, tree: Block) -> Expression:
    of = reading.expression(tree.parts["target"], "target")
    if not isinstance(of.tree, Call) or of.tree.name not in ("source", "target"):
        reading.refuse("back-write", "target: says which link leads to the object", tree.lines["target"],
                       "Write =source('mapping', record).")  # fmt: skip
    return of


def _two_way(reading: Reading, tree: Block, kind: Kind) -> Mapping:
    parts = tree.parts
    between = reading.block(parts["between"], "between", SIDES)
    if set(between.parts) != set(SIDES):
        reading.refuse("missing-key", "between: needs sf: and xero:", between.line)
    ends = {side: clauses.end(reading, between.parts[alias], alias) for alias, side in SIDES.items()}
    for alias, side in SIDES.items():
        if ends[side].side is not side:
            reading.refuse("end", f"{alias}: is an object of {side.value}", between.lines[alias])
    chosen = _chosen(reading, tree)
    when = {}
    if "when" in parts:
        block = reading.block(parts["when"], "when", SIDES)
        when = {SIDES[alias]: reading.expression(part, f"when: {alias}") for alias, part in block.parts.items()}
        _only_own(reading, block, when)
    rules = tuple(_rule(reading, part) for part in reading.items(parts["match"], "match")) if "match" in parts else ()
    life, limits = _brakes(reading, tree, Life())
    name = reading.scalar(parts["organisation"], "organisation") if "organisation" in parts else ""
    if name.startswith("="):
        reading.refuse("organisation", "a two-way mapping is for one organisation", tree.lines["organisation"],
                       "Name it; write one mapping for each, and say in `when` which records are whose.")  # fmt: skip
    return Mapping(
        "", "", kind, ends[Side.SALESFORCE], ends[Side.XERO],
        organisation=Expression.constant(name) if name else None,
        begin=chosen["begin"], when=when, mark=_mark(reading, tree), pairs=_pairs(reading, parts["fields"]),
        match=rules, matched=_matched(reading, parts.get("matched"), len(rules)), create=chosen["create"],
        conflict=chosen["conflict"], life=life, limits=limits,
    )  # fmt: skip


def _only_own(reading: Reading, block: Block, when: Table[Side, Expression]) -> None:
    for alias, side in SIDES.items():
        expression = when.get(side)
        strange = expression.roots() - {alias, "connection"} if expression else frozenset()
        if strange:
            reading.refuse("unknown-name", f"when: {alias} cannot see {min(strange)}", block.lines[alias],
                           f"Use {alias}.Field.")  # fmt: skip


def _rule(reading: Reading, node: Node) -> MatchRule:
    sides: dict[Side, Expression] = {}
    for part in reading.items(node, "a rule of match"):
        expression = reading.compile(reading.scalar(part, "match").removeprefix("="), part.line)
        inner = expression.tree
        while isinstance(inner, Call) and inner.name in ("lower", "upper", "trim"):
            inner = inner.parts[0]
        if not isinstance(inner, Path) or inner.root not in SIDES or not inner.names:
            reading.refuse("match", f"{expression.text[:60]} is not a field of sf or xero", part.line,
                           "Write sf.Field or lower(sf.Field): the other side is searched by it.")  # fmt: skip
        sides[SIDES[inner.root]] = expression
    if set(sides) != set(Side):
        reading.refuse("match", "a rule names one field of sf and one of xero", node.line)
    return MatchRule(sides, node.line)


def _matched(reading: Reading, node: Node | None, rules: int) -> dict[int, str]:
    out = dict.fromkeys(range(1, rules + 1), "ask")
    if node is not None:
        block = reading.block(node, "matched", [str(number) for number in out])
        for key, part in block.parts.items():
            out[int(key)] = reading.choice(part, f"matched: {key}", ("link", "ask"))
    return out


def _pairs(reading: Reading, node: Node) -> tuple[Pair, ...]:
    out: dict[str, Pair] = {}
    for part in reading.items(node, "fields of a two-way mapping"):
        block = reading.block(part, "a field", ("sf", "xero", "owner", "using", "empty", "long"))
        for needed in ("sf", "xero", "owner"):
            if needed not in block.parts:
                reading.refuse("missing-key", f"a field needs {needed}:", block.line)
        name, xero = (reading.path(reading.scalar(block.parts[alias], alias), alias, block.line) for alias in SIDES)
        owner = reading.choice(block.parts["owner"], "owner", ("sf", "xero", "latest"))
        if name in out or any(pair.xero == xero for pair in out.values()):
            reading.refuse("duplicate-field", f"{name} or {xero} stands in two fields", block.line)
        option = {
            key: reading.choice(block.parts[key], key, allowed)
            for key, allowed in (("using", CONVERTERS), ("empty", ("keep", "clear")), ("long", ("reject", "cut")))
            if key in block.parts
        }
        if option.get("using") == "terms" and option.get("empty") == "clear":
            reading.refuse("choice", "payment terms cannot be emptied in Xero", block.line, "Take empty: clear out.")
        out[name] = Pair(name, xero, SIDES[owner].value if owner in SIDES else owner, block.line,
                         using=option.get("using", ""), clear=option.get("empty") == "clear",
                         cut=option.get("long") == "cut")  # fmt: skip
    return tuple(out.values())
