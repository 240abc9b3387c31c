"""Finds the code of every error and failure in the product's source, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CODE = re.compile(r"[a-z]+(?:[.-][a-z0-9]+)+")
CARRIERS = {"Failure", "_fix", "Problem", "Poison", "__init__", "_refuse", "_bury"}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a code stands. One that is made of a prefix and a value ends with ``…``."""

    code: str
    file: str
    line: int


@cache
def sources(repository: Path) -> Mapping[Path, ast.Module]:
    """The product's modules; a simulator's errors are its party's, not ours."""
    paths = [path for room in ("connector", "streams") for path in sorted((repository / room).rglob("*.py"))]
    return {path: ast.parse(path.read_text("utf-8")) for path in paths if "simulators" not in path.parts}


@cache
def codes(repository: Path) -> tuple[Place, ...]:
    """Every code that is given to an error, a failure or a dead letter: as it is, by a constant, or by a function
    that puts a prefix before its argument (``_rule("duplicate")`` makes ``xero.duplicate``)."""
    trees = sources(repository)
    carriers = CARRIERS | set(errors(trees.values()))
    own = {path: dict(prefixes(tree)) for path, tree in trees.items()}
    public = {name: maker for makers in own.values() for name, maker in makers.items() if name[0] != "_"}
    found = []
    for path, tree in trees.items():
        known, makers = constants(tree), {**public, **own[path]}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found += [Place(code, path.name, node.lineno) for code in told(node, carriers, makers, known)]
    return tuple(found)


def told(
    call: ast.Call, carriers: set[str], makers: Mapping[str, tuple[str, int]], known: Mapping[str, str]
) -> Iterator[str]:
    """The codes that one call gives."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in makers:
        prefix, place = makers[name]
        if place < len(call.args) and (value := text(call.args[place], known)):
            yield prefix + value
    elif name in carriers:
        values = [*call.args[:3], *[each.value for each in call.keywords if each.arg == "code"]]
        yield from (
            value for each in values if (value := text(each, known)) and CODE.fullmatch(value.rstrip("…").rstrip("-."))
        )
    yield from (
        value for each in call.keywords if each.arg == "code" and (value := text(each.value, known)) and "…" in value
    )


def errors(trees: Iterable[ast.Module]) -> Iterator[str]:
    """Names of all classes below TwinledgerError."""
    parents = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    family = {"TwinledgerError"}
    for _ in parents:
        family |= {name for name, bases in parents.items() if bases & family}
    yield from family


def prefixes(tree: ast.Module) -> Iterator[tuple[str, tuple[str, int]]]:
    """Functions that make a code of a prefix and one of their arguments: name → prefix and the argument's place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [each.arg for each in node.args.args if each.arg != "self"]
            for part in ast.walk(node):
                if isinstance(part, ast.JoinedStr) and len(part.values) == 2:
                    first, second = part.values
                    holds = isinstance(second, ast.FormattedValue) and isinstance(second.value, ast.Name)
                    if holds and isinstance(first, ast.Constant) and re.fullmatch(r"[a-z]+\.", str(first.value)):
                        name = second.value.id  # type: ignore[attr-defined]
                        if name in names:
                            yield node.name, (str(first.value), names.index(name))


def constants(tree: ast.Module) -> dict[str, str]:
    """Module-level texts by their names."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def text(node: ast.expr, known: Mapping[str, str]) -> str:
    """A text as far as it is written down; what is only known when it runs is ``…``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.JoinedStr):
        first = node.values[0] if node.values else None
        return f"{first.value!s}…" if isinstance(first, ast.Constant) else ""
    return ""


def look_like_codes(repository: Path, rooms: set[str]) -> set[str]:
    """Every text in the source that is written like a code of a known room, whoever uses it."""
    texts = {
        node.value
        for tree in sources(repository).values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }
    return {value for value in texts if re.split(r"[.-]", value)[0] in rooms and not value.endswith(".v1")}
