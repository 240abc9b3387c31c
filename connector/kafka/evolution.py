"""FULL_TRANSITIVE: any version of a record can be read as any other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from connector.kafka.schemas import Schema


def evolution_problems(new: Schema, earlier: Iterable[Schema]) -> tuple[str, ...]:
    """Why ``new`` must not be published beside ``earlier``; empty when every direction reads."""
    found: list[str] = []
    for old in earlier:
        if old.text == new.text:  # fingerprints do not see logical types
            continue
        found += _unreadable(reader=new, writer=old, direction="cannot read what was written before")
        found += _unreadable(reader=old, writer=new, direction="could not be read by a version that still runs")
        found += _meanings(new, old)
    return tuple(dict.fromkeys(found))


def _unreadable(*, reader: Schema, writer: Schema, direction: str) -> list[str]:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(parse(reader.text), parse(writer.text))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    reasons = "; ".join(sorted(str(message) for message in result.messages)) or "incompatible"
    return [f"{reader.name} {direction}: {reasons}"]


def _meanings(new: Schema, old: Schema) -> list[str]:
    """Avro's rules do not look at logical types: a decimal with another scale would be read as another amount."""
    was, now = dict(_logical(old.document)), dict(_logical(new.document))
    return [
        f"{new.name} changes the meaning of {path}: {was[path]} to {now[path]}"
        for path in sorted(was.keys() & now.keys())
        if was[path] != now[path]
    ]


def _logical(document: Any, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(document, list):
        for part in document:
            yield from _logical(part, f"{path}|{_kind(part)}")
    elif isinstance(document, dict):
        kind = document.get("type")
        if isinstance(kind, str) and kind not in ("record", "array", "map", "enum"):
            names = ("logicalType", "precision", "scale")
            yield path, json.dumps({name: document[name] for name in names if name in document}, sort_keys=True)
        elif isinstance(kind, dict | list):
            yield from _logical(kind, path)
        for nested in ("items", "values"):
            yield from _logical(document.get(nested), f"{path}.{nested}")
        for field in document.get("fields", ()):
            yield from _logical(field["type"], f"{path}.{field['name']}")
    elif isinstance(document, str):
        yield path, "{}"


def _kind(part: Any) -> str:
    return str(part.get("type")) if isinstance(part, dict) else str(part)
