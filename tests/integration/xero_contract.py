"""Xero's published API file as a judge: of the requests that we send and of the answers that the simulator gives.

The file says little of what must be there, so it is asked for the rest: paths, methods, parameters, names of fields,
their types, the values of enumerations, the spelling of dates. What the real wire is known to do otherwise stands in
``KNOWN``, each with its reason. Schemas are compiled once; the whole suite is judged (``tests/conftest.py``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from connector.simulators.exchanges import Exchange
from tests.integration.xero_differences import KNOWN

FILE = Path(__file__).parents[1] / "fixtures/xero-openapi/accounting.yaml"
BASE = "/api.xro/2.0"
OURS = "python-httpx"  # the product's HTTP library names itself so; tests that try the simulator use others
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,),
}  # fmt: skip
_DATE = re.compile(r"/Date\(-?\d+(\+0000)?\)/|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z?)?")
_AROUND = ("pagination", "Warnings")  # beside the list of an envelope
Say = Callable[[str], None]
Check = Callable[[Any, str, Say], None]


@cache
def published() -> Mapping[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Mapping[str, Any] = yaml.load(FILE.read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader)
    return found


@dataclass
class Judge:
    """``found`` is what was wrong, each once; ``used`` are the known differences that were met."""

    found: list[str] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)

    def hear(self, one: Exchange) -> None:
        for said in self.differences(one):
            if said not in self.found:
                self.found.append(said)

    def differences(self, one: Exchange) -> list[str]:
        """What is wrong with an exchange. A stranger's request that was refused was perhaps meant to be wrong."""
        ours = one.agent.startswith(OURS)
        if not ours and not 200 <= one.status < 300:
            return []
        operation = _operation(one.method, one.path)
        if operation is None:
            return [f"{one.method} {one.path}: no such operation"]
        self.operations[operation.name] += 1
        said = list(operation.parameters(one.query))
        if operation.request is not None and one.sent:
            said += [f"sent {each}" for each in self._said(operation.request, _listed(one.sent, operation.plural))]
        answer = operation.answers.get(one.status)
        if answer is not None and one.got:
            said += [f"got {each}" for each in self._said(answer, json.loads(one.got))]
        return sorted({f"{operation.name}: {each}" for each in said})

    def _said(self, check: Check, body: Any) -> list[str]:
        out: list[str] = []

        def say(words: str) -> None:
            if words in KNOWN:
                self.used[words] += 1
            else:
                out.append(words)

        check(body, "", say)
        return out


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    name: str
    known: frozenset[str]
    plural: str  # the list of its request, if that is one
    request: Check | None
    answers: Mapping[int, Check]

    def parameters(self, query: str) -> Iterator[str]:
        for name in (pair.partition("=")[0] for pair in query.split("&") if pair):
            if name not in self.known:
                yield f"no parameter {name}"


@cache
def _paths() -> Mapping[int, list[tuple[list[str], str, Mapping[str, Any]]]]:
    """By their number of parts."""
    out: dict[int, list[tuple[list[str], str, Mapping[str, Any]]]] = {}
    for template, item in published()["paths"].items():
        parts = template.split("/")
        out.setdefault(len(parts), []).append((parts, template, item))
    return out


def _operation(method: str, path: str) -> Operation | None:
    wanted = path.removeprefix(BASE).split("/")
    for parts, template, item in _paths().get(len(wanted), ()):
        fits = all(part == name or part.startswith("{") for part, name in zip(parts, wanted, strict=True))
        if fits and method.lower() in item:
            return _compiled(method, template)
    return None


@cache
def _compiled(method: str, template: str) -> Operation:
    raw = published()["paths"][template][method.lower()]
    known = frozenset(_resolved(each)["name"] for each in raw.get("parameters", ()))
    body = _json(raw.get("requestBody", {}))
    answers = {int(status): _json(_resolved(answer)) for status, answer in raw["responses"].items() if status.isdigit()}
    checks = {status: _check(schema) for status, schema in answers.items() if schema}
    return Operation(f"{method} {template}", known, _plural(body or {}), _check(body) if body else None, checks)


def _plural(body: Mapping[str, Any]) -> str:
    """The list in a body that is little else; ``""`` for the body of one object."""
    rows = {name: row for name, row in _resolved(body).get("properties", {}).items() if name not in _AROUND}
    only = next(iter(rows), "")
    return only if len(rows) == 1 and rows[only].get("type") == "array" else ""


def _listed(body: bytes, plural: str) -> Any:
    """Xero takes one object without a list around it; the file shows lists only."""
    value = json.loads(body)
    return {plural: [value]} if plural and isinstance(value, dict) and plural not in value else value


def _json(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    schema: Mapping[str, Any] | None = raw.get("content", {}).get("application/json", {}).get("schema")
    return schema


def _resolved(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in raw:
        return raw
    at: Any = published()
    for part in raw["$ref"].removeprefix("#/").split("/"):
        at = at[part]
    return {"title": raw["$ref"].rpartition("/")[2], **at}


@cache
def _of(reference: str) -> Check:
    return _check(_resolved({"$ref": reference}))


def _check(raw: Mapping[str, Any]) -> Check:
    """A schema as a function. References are followed when they are met: the file's schemas are circular."""
    if (reference := raw.get("$ref")) is not None:

        def follow(value: Any, where: str, say: Say) -> None:
            _of(reference)(value, where, say)

        return follow
    kind = raw.get("type", "object" if "properties" in raw else "")
    if kind == "object":
        inner = _object(raw)
    elif kind == "array":
        inner = _array(raw)
    else:
        inner = _text(raw) if kind == "string" else _nothing
    return _typed(kind, inner) if kind in _TYPES else inner


def _nothing(_value: Any, _where: str, _say: Say) -> None:
    """A number or a boolean has no more to it than its type."""


def _typed(kind: str, inner: Check) -> Check:
    types, boolean = _TYPES[kind], kind == "boolean"

    def check(value: Any, where: str, say: Say) -> None:
        if isinstance(value, types) and boolean == isinstance(value, bool):
            inner(value, where, say)
        else:
            say(f"{where} is {type(value).__name__}, not {kind}")

    return check


def _object(raw: Mapping[str, Any]) -> Check:
    rows = raw.get("properties")
    if rows is None:
        return _nothing
    title = "envelope" if _plural(raw) else raw.get("title")
    checks = {name: _check(row) for name, row in rows.items()}

    def check(value: Any, where: str, say: Say) -> None:
        named = title or where
        for name, part in value.items():
            row = checks.get(name)
            if row is None:
                say(f"{named}.{name} is not in the file")
            else:
                row(part, f"{named}.{name}", say)

    return check


def _array(raw: Mapping[str, Any]) -> Check:
    each = _check(raw["items"]) if "items" in raw else _nothing

    def check(value: Any, where: str, say: Say) -> None:
        for part in value:
            each(part, where, say)

    return check


def _text(raw: Mapping[str, Any]) -> Check:
    listed = frozenset(map(str, raw["enum"])) if "enum" in raw else None
    dated = bool(raw.get("x-is-msdate") or raw.get("x-is-msdate-time"))

    def check(value: Any, where: str, say: Say) -> None:
        if listed is not None and value and value not in listed:
            say(f"{where} is {value!r}, which the file does not list")
        if dated and not _DATE.fullmatch(value):
            say(f"{where} is {value!r}, no date")

    return check
