"""``documents:``: several documents of one record, each spelled out as a mapping of one document.

What stands beside ``documents:`` holds for each: ``let`` and ``fields`` are added to, anything else is replaced.
A document that names another ``to`` takes over neither fields nor lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass

from connector.core.mapping.clauses import Reading
from connector.core.mapping.expression import Expression
from connector.core.mapping.model import Part
from connector.core.mapping.nodes import Block, Items, Node, Scalar

MOST = 20
SHAPE = ("fields", "lines", "expect", "find", "found", "approve", "mark", "foreign_lines")  # goes with a `to`
OWN = ("key", "each", "as", "after", "when", "to", "let", "life", *SHAPE)
ADDED = ("let", "fields")


@dataclass(frozen=True, slots=True)
class Spelled:
    """One document: the clauses that hold for it, and which of the set it is."""

    tree: Block
    part: Part


def spelled(reading: Reading, tree: Block) -> Iterator[Spelled]:
    """Each document of ``documents:``. Raises MappingError."""
    nodes = reading.items(tree.parts["documents"], "documents")
    if not 1 <= len(nodes) <= MOST:
        reading.refuse("documents", f"documents: holds 1 to {MOST} of them", tree.lines["documents"])
    shared = {key: tree.parts[key] for key in tree.parts if key not in ("documents", "together")}
    known: list[str] = []
    fixed: list[str] = []
    for node in nodes:
        block = reading.block(node, "a document", OWN)
        part = _part(reading, block, fixed)
        if part.name in known:
            reading.refuse("duplicate-document", f"two documents are called {part.name[:40]}", part.line)
        known.append(part.name)
        fixed += [] if part.rows else [part.name]
        yield Spelled(_merged(reading, tree, shared, block), part)


def _part(reading: Reading, block: Block, before: list[str]) -> Part:
    if "key" not in block.parts:
        reading.refuse("missing-key", "a document needs key:", block.line)
    key, line = reading.value(block.parts["key"], "key")[0], block.lines["key"]
    after = _after(reading, block, before)
    if "each" not in block.parts:
        if "as" in block.parts:
            reading.refuse("unknown-key", "as: names the row of each:, which is not there", block.lines["as"])
        return Part(_fixed(reading, key, line), block.line, after=after)
    if "as" not in block.parts:
        reading.refuse("missing-key", "each: needs as:, the name of a row", block.line)
    name = reading.name(reading.scalar(block.parts["as"], "as"), "as", block.lines["as"])
    if name not in key.roots():
        reading.refuse("line-key", f"the key is the same for every {name}", line, f"Use ={name}.Id.")
    return Part(name, block.line, reading.expression(block.parts["each"], "each"), key, after)


def _fixed(reading: Reading, key: Expression, line: int) -> str:
    if not isinstance(key.literal, str):
        reading.refuse("document-key", "the key of a document without each: is a plain name", line)
    return reading.name(key.literal, "key", line)


def _after(reading: Reading, block: Block, before: list[str]) -> tuple[str, ...]:
    node = block.parts.get("after")
    if node is None:
        return ()
    parts = node.parts if isinstance(node, Items) else (node,)
    names = tuple(reading.scalar(part, "after") for part in parts)
    for name in names:
        if name not in before:
            reading.refuse("after", f"after: {name[:40]} is no key of a document that stands before this one",
                           node.line, f"Known there: {', '.join(before) or 'none'}.")  # fmt: skip
    return names


def _merged(reading: Reading, tree: Block, shared: Table[str, Node], block: Block) -> Block:
    """The clauses of one document as a file of its own would have them."""
    mine = {key: part for key, part in block.parts.items() if key in (*SHAPE, "to", "let", "life")}
    elsewhere = "to" in mine and _text(mine["to"]) != _text(tree.parts.get("to"))
    parts = {key: part for key, part in shared.items() if not (elsewhere and key in SHAPE)}
    lines = {key: tree.lines[key] for key in parts}
    for key, node in mine.items():
        parts[key] = _added(reading, key, parts.get(key), node) if key in ADDED else node
        lines[key] = block.lines[key]
    if "when" in block.parts:
        parts["when"], lines["when"] = _both(reading, tree, block), block.lines["when"]
    return Block(parts, block.line, lines)


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _added(reading: Reading, key: str, shared: Node | None, own: Node) -> Node:
    above, below = (Block({}, own.line) if shared is None else reading.block(shared, key)), reading.block(own, key)
    return Block({**above.parts, **below.parts}, below.line, {**above.lines, **below.lines})


def _both(reading: Reading, tree: Block, block: Block) -> Scalar:
    """A document is made when the record matches and its own ``when`` does."""
    own = reading.expression(block.parts["when"], "when").text
    if "when" not in tree.parts:
        return Scalar(f"={own}", block.lines["when"])
    return Scalar(f"=({reading.expression(tree.parts['when'], 'when').text}) and ({own})", block.lines["when"])
