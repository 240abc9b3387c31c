"""Reading the clauses of a mapping file: one function per clause, each with its own refusals (file, line, remedy)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from connector.core.mapping.expression import Expression
from connector.core.mapping.life import ALLOWED, ALLOWED_ONCE, Action, Group, Happening, Life
from connector.core.mapping.model import End, Limits, LineBlock, Setting
from connector.core.mapping.nodes import Block, Items, Node, Scalar
from connector.core.mapping.syntax import WORDS, ExpressionError
from connector.core.records import Side
from connector.errors import MappingError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z0-9][A-Za-z0-9_ -]{0,79}){0,4}")
RESERVED = frozenset({"record", "connection", "generation", *WORDS})
_OPTIONS = ("set", "write", "empty", "long", "conflict")
POLICIES = {"ask": "ask", "sf": Side.SALESFORCE.value, "xero": Side.XERO.value, "latest": "latest"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Where we read, for messages."""

    file: str

    def refuse(self, code: str, message: str, line: int, remedy: str = "") -> NoReturn:
        raise MappingError(f"mapping.{code}", message, file=self.file, line=line, remedy=remedy)

    def block(self, node: Node, what: str, keys: Iterable[str] | None = None) -> Block:
        """A table; with ``keys``, those and no others."""
        if not isinstance(node, Block):
            self.refuse("shape", f"{what} is a table of keys", node.line)
        allowed = None if keys is None else tuple(keys)
        for key in node.parts:
            if allowed is not None and key not in allowed:
                self.refuse("unknown-key", f"{what} has no key {key[:60]}", node.lines[key], _hint(node, key, allowed))
        return node

    def items(self, node: Node, what: str) -> tuple[Node, ...]:
        if not isinstance(node, Items):
            self.refuse("shape", f"{what} is a list", node.line)
        return node.parts

    def scalar(self, node: Node, what: str) -> str:
        if not isinstance(node, Scalar):
            self.refuse("shape", f"{what} is one value", node.line,
                        'An expression with a comma inside { } or [ ] needs quotes: "=first(a, b)".')  # fmt: skip
        return node.text

    def choice(self, node: Node, what: str, allowed: Iterable[str]) -> str:
        text, known = self.scalar(node, what), tuple(allowed)
        if text not in known:
            self.refuse("choice", f"{what} cannot be {text[:40]!r}", node.line, f"One of: {', '.join(known)}.")
        return text

    def name(self, text: str, what: str, line: int) -> str:
        if not NAME.fullmatch(text) or text in RESERVED:
            why = "is a word of the language" if text in RESERVED else "is no name"
            self.refuse("name", f"{what}: {text[:60]!r} {why}", line, "Letters, digits, underscores; a letter first.")
        return text

    def path(self, text: str, what: str, line: int) -> str:
        if not FIELD.fullmatch(text):
            self.refuse("name", f"{what}: {text[:60]!r} is not the name of a field", line)
        return text

    def compile(self, source: str, line: int) -> Expression:
        try:
            return Expression.read(source)
        except ExpressionError as error:
            raise MappingError(error.code, error.message, remedy=error.remedy, file=self.file, line=line) from None

    def expression(self, node: Node, what: str) -> Expression:
        """A value that must be an expression."""
        text = self.scalar(node, what)
        if not text.startswith("="):
            self.refuse("expression", f"{what} is an expression", node.line, f"Write ={text[:40]}")
        return self.compile(text[1:], node.line)

    def value(self, node: Node, what: str) -> tuple[Expression, bool]:
        """A plain text, or an expression after =. The second part says which: True is plain."""
        text = self.scalar(node, what)
        if text.startswith("="):
            return self.compile(text[1:], node.line), False
        return Expression.constant(text or None), True


def _hint(node: Block, key: str, allowed: tuple[str, ...]) -> str:
    texts = [part.text for part in node.parts.values() if isinstance(part, Scalar)]
    if any(text.startswith("=") and text.count("(") != text.count(")") for text in texts):
        return 'An expression with a comma inside { } needs quotes: "=first(a, b)".'
    near = difflib.get_close_matches(key, allowed, 1)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(allowed)}."


def end(reading: Reading, node: Node, what: str) -> End:
    text = reading.scalar(node, what)
    side, _, entity = text.partition(".")
    if side not in tuple(Side) or not NAME.fullmatch(entity):
        reading.refuse("end", f"{what}: {text[:60]!r} names no object", node.line,
                       "Write salesforce.Object or xero.Entity.")  # fmt: skip
    return End(Side(side), entity)


def settings(reading: Reading, node: Node, what: str, prefix: str = "") -> tuple[Setting, ...]:
    """``fields:``, with nested objects flattened to dotted paths."""
    out: list[Setting] = []
    block = reading.block(node, what)
    for key, part in block.parts.items():
        line = block.lines[key]
        path = reading.path(f"{prefix}{key}", what, line)
        if isinstance(part, Block) and "set" not in part.parts:
            out += settings(reading, part, what, f"{path}.")
        else:
            out.append(_setting(reading, path, part, line))
    seen: set[str] = set()
    for setting in out:
        if setting.path in seen:
            reading.refuse("duplicate-field", f"{setting.path} is set twice", setting.line, "Take one out.")
        seen.add(setting.path)
    return tuple(out)


def _setting(reading: Reading, path: str, node: Node, line: int) -> Setting:
    if not isinstance(node, Block):
        value, plain = reading.value(node, path)
        return Setting(path, value, line, plain=plain)
    block = reading.block(node, path, _OPTIONS)
    value, plain = reading.value(block.parts["set"], path)
    given = {
        name: reading.choice(block.parts[name], f"{path}: {name}", allowed)
        for name, allowed in (
            ("write", ("always", "once")),
            ("empty", ("keep", "clear")),
            ("long", ("reject", "cut")),
            ("conflict", tuple(POLICIES)),
        )
        if name in block.parts
    }
    return Setting(
        path,
        value,
        line,
        once=given.get("write") == "once",
        clear=given.get("empty") == "clear",
        cut=given.get("long") == "cut",
        plain=plain,
        conflict=POLICIES.get(given.get("conflict", ""), ""),
    )


def line_block(reading: Reading, node: Node, side: Side) -> LineBlock:
    own = ("rows", "mark") if side is Side.SALESFORCE else ()
    more = (*own, "unmarked") if own else ()
    block = reading.block(node, "a block of lines", ("each", "as", "key", "when", "fields", *more))
    for needed in ("key", "fields", *own):
        if needed not in block.parts:
            reading.refuse("missing-key", f"a block of lines needs {needed}:", block.line)
    each = reading.expression(block.parts["each"], "each") if "each" in block.parts else None
    name = ""
    if each is not None:
        if "as" not in block.parts:
            reading.refuse("missing-key", "each: needs as:, the name of a row", block.line)
        name = reading.name(reading.scalar(block.parts["as"], "as"), "as", block.lines["as"])
    elif "as" in block.parts:
        reading.refuse("unknown-key", "as: names the row of each:, which is not there", block.lines["as"])
    key, _ = reading.value(block.parts["key"], "key")
    if each is not None and name not in key.roots():
        reading.refuse("line-key", f"the key is the same for every {name}", block.lines["key"], f"Use ={name}.Id.")
    given = settings(reading, block.parts["fields"], "fields of a line")
    names = {one: reading.name(reading.scalar(block.parts[one], one), one, block.lines[one]) for one in own}
    for setting in given:
        if own and setting.path == names["mark"]:
            reading.refuse("mark", f"{setting.path} takes the key of the line by itself", setting.line, "Take it out.")
    return LineBlock(
        key,
        given,
        block.line,
        each=each,
        name=name,
        when=reading.expression(block.parts["when"], "when") if "when" in block.parts else None,
        rows=names.get("rows", ""),
        mark=names.get("mark", ""),
        adopts="unmarked" in block.parts
        and reading.choice(block.parts["unmarked"], "unmarked", ("keep", "adopt")) == "adopt",
    )


def life(reading: Reading, node: Node, default: Life) -> Life:
    block = reading.block(node, "life", [happening.value for happening in Happening])
    given: dict[Happening, Action] = {}
    tables: dict[Happening, Mapping[Group, Action]] = {}
    for key, part in block.parts.items():
        happening = Happening(key)
        if happening in ALLOWED_ONCE:
            given[happening] = Action(reading.choice(part, key, [one.value for one in ALLOWED_ONCE[happening]]))
        else:
            tables[happening] = _groups(reading, part, happening)
    return Life(
        changed={**default.changed, **tables.get(Happening.CHANGED, {})},
        left={**default.left, **tables.get(Happening.LEFT, {})},
        deleted={**default.deleted, **tables.get(Happening.DELETED, {})},
        again=given.get(Happening.AGAIN, default.again),
        target_gone=given.get(Happening.TARGET_GONE, default.target_gone),
    )


def _groups(reading: Reading, node: Node, happening: Happening) -> dict[Group, Action]:
    allowed = ALLOWED[happening]
    block = reading.block(node, happening.value, [group.value for group in allowed])
    return {
        Group(key): Action(
            reading.choice(part, f"{happening.value}: {key}", [action.value for action in allowed[Group(key)]])
        )
        for key, part in block.parts.items()
    }


def limits(reading: Reading, node: Node) -> Limits:
    block = reading.block(node, "limits", ("creates", "voids", "money"))
    numbers: dict[str, Decimal] = {}
    for key, part in block.parts.items():
        text = reading.scalar(part, key)
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,2})?" if key == "money" else r"[0-9]{1,9}", text):
            reading.refuse("limits", f"{key}: {text[:40]!r} is not an amount", part.line)
        numbers[key] = Decimal(text)
    default = Limits()
    return Limits(
        creates=int(numbers["creates"]) if "creates" in numbers else default.creates,
        voids=int(numbers["voids"]) if "voids" in numbers else default.voids,
        money=numbers.get("money"),
    )
