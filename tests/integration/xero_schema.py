"""Schemas of Xero's published files as functions: a value goes in, words of what is wrong come out.

Judged: types, names, enumerations and constants, dates and ids in their spelling, lengths, smallest and largest
numbers, and what must be there. A request that names the object's own id is an update: it says what changes, and what
a new object must have may be missing (facts §5.1: scalars that are left out are kept).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "fixtures/xero-openapi"
AROUND = ("pagination", "Warnings")  # beside the list of an envelope
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,),
}  # fmt: skip
_MS_DATE = re.compile(r"/Date\(-?\d+(\+0000)?\)/|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z?)?")
_SPELLINGS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "uuid": ("no id", re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    "uri": ("no address", re.compile(r"https?://\S+")),
    "date-time": ("no time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z?")),  # Xero's bear no zone
}
Say = Callable[[str], None]
Check = Callable[[Any, str, Say], None]
Schema = Mapping[str, Any]


@cache
def published(file: str) -> Schema:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Schema = yaml.load((FOLDER / f"{file}.yaml").read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader)
    return found


def resolved(file: str, raw: Schema) -> Schema:
    """What a reference leads to; several schemas that hold together (``allOf``) as one."""
    if "$ref" in raw:
        at: Any = published(file)
        for part in raw["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        return resolved(file, {"title": raw["$ref"].rpartition("/")[2], **at})
    if "allOf" not in raw:
        return raw
    out: Schema = {}
    for part in raw["allOf"]:
        out = _joined(out, resolved(file, part))
    return {**out, **{name: value for name, value in raw.items() if name != "allOf"}}


def _joined(one: Schema, two: Schema) -> Schema:
    out = {**one, **two, "required": [*one.get("required", ()), *two.get("required", ())]}
    both = {name: {"allOf": [one[name], two[name]]} for name in ("items",) if name in one and name in two}
    left, right = one.get("properties", {}), two.get("properties", {})
    shared = {name: {"allOf": [left[name], right[name]]} for name in left if name in right}
    return {**out, **both, **({"properties": {**left, **right, **shared}} if left or right else {})}


def plural_of(file: str, body: Schema) -> str:
    """The list in a body that is little else; ``""`` for the body of one object."""
    rows = {name: row for name, row in resolved(file, body).get("properties", {}).items() if name not in AROUND}
    only = next(iter(rows), "")
    return only if len(rows) == 1 and rows[only].get("type") == "array" else ""


@cache
def named(file: str, reference: str, *, sent: bool) -> Check:
    """``reference`` as the file writes it, or a schema's name."""
    whole = reference if reference.startswith("#") else f"#/components/schemas/{reference}"
    return check_of(file, resolved(file, {"$ref": whole}), sent=sent)


def check_of(file: str, raw: Schema, *, sent: bool) -> Check:
    """A schema as a function. References are followed when they are met: the file's schemas are circular."""
    if (reference := raw.get("$ref")) is not None:

        def follow(value: Any, where: str, say: Say) -> None:
            named(file, reference, sent=sent)(value, where, say)

        return follow
    raw = resolved(file, raw)
    kind = raw.get("type", "object" if "properties" in raw else "")
    if kind == "object":
        inner = _object(file, raw, sent=sent)
    elif kind == "array":
        inner = _array(file, raw, sent=sent)
    elif kind == "string":
        inner = _text(raw)
    else:
        inner = _number(raw) if "minimum" in raw or "maximum" in raw else _nothing
    return _typed(kind, inner) if kind in _TYPES else inner


def _nothing(_value: Any, _where: str, _say: Say) -> None:
    """A boolean, or a number without bounds, has no more to it than its type."""


def _typed(kind: str, inner: Check) -> Check:
    types, boolean = _TYPES[kind], kind == "boolean"

    def check(value: Any, where: str, say: Say) -> None:
        if isinstance(value, types) and boolean == isinstance(value, bool):
            inner(value, where, say)
        else:
            say(f"{where} is {type(value).__name__}, not {kind}")

    return check


def _object(file: str, raw: Schema, *, sent: bool) -> Check:
    rows = raw.get("properties")
    if rows is None:
        return _nothing
    title = "envelope" if plural_of(file, raw) else raw.get("title")
    checks = {name: check_of(file, row, sent=sent) for name, row in rows.items()}
    needed, own_id = raw.get("required", ()), f"{title}ID"

    def check(value: Any, where: str, say: Say) -> None:
        owner = title or where
        for name, part in value.items():
            row = checks.get(name)
            if row is None:
                say(f"{owner}.{name} is not in the file")
            else:
                row(part, f"{owner}.{name}", say)
        if sent and own_id in value:
            return
        for name in needed:
            if name not in value:
                say(f"{owner} lacks {name}")

    return check


def _array(file: str, raw: Schema, *, sent: bool) -> Check:
    each = check_of(file, raw["items"], sent=sent) if "items" in raw else _nothing

    def check(value: Any, where: str, say: Say) -> None:
        for part in value:
            each(part, where, say)

    return check


def _number(raw: Schema) -> Check:
    least, most = raw.get("minimum"), raw.get("maximum")

    def check(value: Any, where: str, say: Say) -> None:
        if (least is not None and value < least) or (most is not None and value > most):
            say(f"{where} is {value}, not from {least} to {most}")

    return check


def _listed(raw: Schema) -> frozenset[str] | None:
    if "const" in raw:
        return frozenset({str(raw["const"])})
    choices = raw.get("enum", [one["const"] for one in raw.get("oneOf", ()) if "const" in one])
    return frozenset(map(str, choices)) or None


def _text(raw: Schema) -> Check:
    listed, most = _listed(raw), raw.get("maxLength")
    dated = bool(raw.get("x-is-msdate") or raw.get("x-is-msdate-time"))
    spelling = None if dated else _SPELLINGS.get(raw.get("format", ""))

    def check(value: Any, where: str, say: Say) -> None:
        if listed is not None and value and value not in listed:
            say(f"{where} is {value!r}, which the file does not list")
        if dated and not _MS_DATE.fullmatch(value):
            say(f"{where} is {value!r}, no date")
        if spelling is not None and not spelling[1].fullmatch(value):
            say(f"{where} is {value!r}, {spelling[0]}")
        if most is not None and len(value) > most:
            say(f"{where} has {len(value)} letters, and {most} is the most")

    return check
