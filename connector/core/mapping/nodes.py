"""YAML text as a tree of texts with their lines. Nothing is converted: 090 stays 090 and NO stays NO.

Read from the parser's events instead of a loader, so that tags, anchors and aliases never become objects and every
bound is checked before anything is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from connector.errors import MappingError

MAX_TEXT = 100_000
MAX_DEPTH = 10
MAX_NODES = 5_000


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    parts: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    parts: Mapping[str, Node]
    line: int
    lines: Mapping[str, int] = field(default_factory=dict)  # of the keys


Node: TypeAlias = "Scalar | Items | Block"


@dataclass(slots=True)
class _Open:
    """A list or block whose end has not been read yet."""

    line: int
    is_block: bool
    items: list[Node] = field(default_factory=list)
    parts: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    key: Scalar | None = None


def read_tree(text: str, file: str) -> Block:
    """The one document in ``text``. Raises MappingError with file and line."""
    if len(text) > MAX_TEXT:
        raise MappingError("mapping.too-large", f"more than {MAX_TEXT} characters", file=file, remedy="Split it.")
    try:
        root = _build(yaml.parse(text, Loader=yaml.SafeLoader), file)
    except yaml.YAMLError as error:
        raise _not_yaml(error, file) from None
    if not isinstance(root, Block):
        line = root.line if root else None
        raise MappingError("mapping.shape", "a mapping file is a table of keys", file=file, line=line)
    return root


def plain(node: Node) -> object:
    """The tree without lines, for the version of a mapping."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Items):
        return [plain(part) for part in node.parts]
    return {name: plain(part) for name, part in node.parts.items()}


def _not_yaml(error: yaml.YAMLError, file: str) -> MappingError:
    opened = "quoted" in str(getattr(error, "context", ""))  # a text that is never closed: where it began
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    mark = next((one for one in (reversed(marks) if opened else marks) if one), None)
    problem = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
    return MappingError(
        "mapping.yaml",
        f"not YAML: {problem}",
        file=file,
        line=mark.line + 1 if mark else None,
        remedy='Put quotes around an expression that holds ": ", " #" or, inside { } and [ ], a comma.',
    )


def _build(events: Iterator[yaml.Event], file: str) -> Node | None:
    stack: list[_Open] = []
    root: Node | None = None
    documents = 0
    for count, event in enumerate(events):
        line = event.start_mark.line + 1 if event.start_mark else 1
        _refuse_magic(event, file, line)
        if count > 4 * MAX_NODES:
            raise MappingError("mapping.too-large", "too many entries", file=file, line=line, remedy="Split it.")
        done: Node | None = None
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise MappingError("mapping.shape", "a second document", file=file, line=line, remedy="One per file.")
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(stack) >= MAX_DEPTH:
                raise MappingError("mapping.too-deep", f"nested more than {MAX_DEPTH} deep", file=file, line=line)
            stack.append(_Open(line, isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = _close(stack.pop())
        elif isinstance(event, yaml.ScalarEvent):
            done = Scalar(event.value, line)
        if done is not None:
            root = done
            if stack:
                _place(stack[-1], done, file)
    return root


def _refuse_magic(event: yaml.Event, file: str, line: int) -> None:
    tag = getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise MappingError("mapping.alias", "anchors (&) and aliases (*) are not read", file=file, line=line,
                           remedy="Write the value itself, in quotes if it begins with & or *.")  # fmt: skip
    if tag is not None:
        raise MappingError("mapping.tag", f"the YAML tag {tag[:40]} is not read", file=file, line=line,
                           remedy="Remove it; every value is text or, after =, an expression.")  # fmt: skip


def _close(opened: _Open) -> Node:
    if opened.is_block:
        return Block(opened.parts, opened.line, opened.lines)
    return Items(tuple(opened.items), opened.line)


def _place(parent: _Open, node: Node, file: str) -> None:
    if not parent.is_block:
        parent.items.append(node)
    elif parent.key is None:
        if not isinstance(node, Scalar):
            raise MappingError("mapping.shape", "a key must be a text", file=file, line=node.line)
        if node.text in parent.parts:
            raise MappingError("mapping.duplicate-key", f"{node.text} stands twice", file=file, line=node.line,
                               remedy=f"Remove one (the first is in line {parent.lines[node.text]}).")  # fmt: skip
        parent.key = node
    else:
        parent.parts[parent.key.text] = node
        parent.lines[parent.key.text] = parent.key.line
        parent.key = None
