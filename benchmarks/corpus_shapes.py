"""What describe would say of the rows of a corpus: its own describe answers, and for the rest a look at the rows.

A typed record needs the describe of its object. Where a corpus holds it, it is used; a field that no describe of the
corpus knows (another org's) gets the type that its values show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.corpus_lines import Line, items, member
from connector.errors import DataError
from connector.salesforce.describe import ObjectShape, SalesforceCatalog, read_describe, shape_of

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


@dataclass(frozen=True, slots=True)
class Described:
    """The describe answers of a corpus, one an object: of several the one with the most fields."""

    shapes: Mapping[str, ObjectShape]


def known(lines: Iterable[Line]) -> Described:
    """Every describe answer among the lines."""
    shapes: dict[str, ObjectShape] = {}
    for line in lines:
        for text in _texts(line):
            try:
                shape = read_describe(text)
            except DataError:
                continue
            if shape.name not in shapes or len(shapes[shape.name].fields) < len(shape.fields):
                shapes[shape.name] = shape
    return Described(shapes)


def _texts(line: Line) -> list[str]:
    if line.kind in ("describe", "describe-summary"):
        return [line.raw]
    if line.kind == "describe-composite":
        return [member(part, "body") for part in items(member(line.raw, "compositeResponse"))]
    return []


def learn(
    described: Described, rows: list[dict[str, Any]]
) -> tuple[dict[str, Mapping[str, tuple[str, ...]]], SalesforceCatalog]:
    """Child relationships by object, and a catalog that knows every field of these rows."""
    fields: dict[str, dict[str, dict[str, Any]]] = {}
    children: dict[str, dict[str, str]] = {}
    for row in rows:
        _look(row, "Row", fields, children)
    names = set(fields) | set(described.shapes)
    made = {name: _shape(name, described, fields.get(name, {}), children.get(name, {})) for name in names}
    plans = {name: dict.fromkeys(kinds, ("SystemModstamp", "IsDeleted")) for name, kinds in children.items()}
    return dict(plans), SalesforceCatalog(made)


def _look(row: Mapping[str, Any], entity: str, fields: dict[str, Any], children: dict[str, Any]) -> str:
    """Note the fields of a row and of what it holds; gives the object's name."""
    entity = str((row.get("attributes") or {}).get("type", entity))
    mine = fields.setdefault(entity, {})
    for name, value in row.items():
        if name == "attributes":
            continue
        if isinstance(value, Mapping) and isinstance(value.get("records"), list):
            inner = [_look(one, f"{name}Row", fields, children) for one in value["records"]]
            children.setdefault(entity, {})[name] = inner[0] if inner else f"{name}Row"
            fields.setdefault(children[entity][name], {})
            mine.pop(name, None)  # null in a row before
        elif isinstance(value, Mapping) and "attributes" in value:
            target = _look(value, f"{name}Row", fields, children)
            mine[name] = {"name": f"{name}Id", "type": "reference", "relationshipName": name, "referenceTo": [target]}
        elif name in children.get(entity, {}):
            continue  # no child rows here
        elif name not in mine or mine[name]["type"] == "null":
            mine[name] = {"name": name, "type": _kind(value)}
    return entity


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, Mapping):
        return "address"
    if not isinstance(value, str):
        return "double"
    if _DATE.fullmatch(value):
        return "date"
    return "datetime" if _TIME.fullmatch(value) else "string"


def _shape(name: str, described: Described, seen: Mapping[str, Any], children: Mapping[str, str]) -> ObjectShape:
    there = described.shapes.get(name)
    have = set(there.fields) if there else set()
    relations = {one.relationship for one in there.fields.values()} if there else set()
    more = [
        {**one, "type": "string" if one["type"] == "null" else one["type"]}
        for path, one in seen.items()
        if path not in have and path not in relations
    ]
    extra = shape_of(json.loads(json.dumps({"name": name, "fields": more})))
    kinds = {relation: (target, "") for relation, target in children.items()}
    if there is None:
        return ObjectShape(name, extra.fields, kinds, creatable=True, updatable=True)
    return ObjectShape(
        name, {**extra.fields, **there.fields}, {**there.children, **kinds}, there.creatable, there.updatable
    )
