"""Known Avro schemas: the files in ``schemas/``, and those that ``schemas.v1`` tells of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, fingerprint, to_parsing_canonical_form

from connector.errors import ConfigurationError
from connector.kafka.topics import BY_NAME

ALGORITHM = "CRC-64-AVRO"


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a record's schema. ``fingerprint`` is 8 bytes, as single-object encoding carries them."""

    name: str
    fingerprint: bytes
    text: str
    parsed: Any
    whole_digits: int  # the most digits that any of its decimals has before the point

    @property
    def document(self) -> Any:
        """The schema as its author wrote it."""
        return json.loads(self.text)


def parse_schema(text: str) -> Schema:
    """Reads one schema. Raises ConfigurationError (``schema.invalid``) for one that is wrong or holds a float."""
    try:
        document = json.loads(text)
        problems = [*floats(document)]
        parsed: Any = fastavro.parse_schema(document)
        canonical = to_parsing_canonical_form(document)
        name = str(parsed["name"])
    except (ValueError, KeyError, TypeError, SchemaParseException) as error:
        raise ConfigurationError("schema.invalid", f"This is not a record schema: {error!r}.") from error
    if problems:
        raise ConfigurationError(
            "schema.invalid", f"{name} holds a float at {problems[0]}.", remedy="Money and numbers are decimals."
        )
    digits = [int(each["precision"]) - int(each.get("scale", 0)) for each in _decimals(document)]
    return Schema(name, bytes.fromhex(fingerprint(canonical, ALGORITHM)), text, parsed, max(digits, default=0))


def floats(document: Any, path: str = "") -> Iterator[str]:
    """Paths at which a schema allows a float or a double."""
    if document in ("float", "double"):
        yield path or "."
    elif isinstance(document, list):
        for part in document:
            yield from floats(part, path)
    elif isinstance(document, dict):
        yield from floats(document.get("type"), path)
        yield from floats(document.get("items"), f"{path}[]")
        yield from floats(document.get("values"), f"{path}{{}}")
        for field in document.get("fields", ()):
            yield from floats(field["type"], f"{path}.{field['name']}")


def undocumented(document: Any, path: str = "") -> Iterator[str]:
    """Paths of records, enums and fields without a doc, and of enums without a default."""
    if isinstance(document, list):
        for part in document:
            yield from undocumented(part, path)
    elif isinstance(document, dict):
        kind = document.get("type")
        if kind in ("record", "enum", "fixed") and not document.get("doc"):
            yield path or document.get("name", ".")
        if kind == "enum" and "default" not in document:
            yield f"{path}: enum without default"
        for field in document.get("fields", ()):
            where = f"{path}.{field['name']}"
            if not field.get("doc"):
                yield where
            yield from undocumented(field["type"], where)
        for nested in (kind, document.get("items"), document.get("values")):
            if isinstance(nested, dict | list):
                yield from undocumented(nested, path)


def _decimals(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, dict):
        if document.get("logicalType") == "decimal":
            yield document
        for part in document.values():
            yield from _decimals(part)
    elif isinstance(document, list):
        for part in document:
            yield from _decimals(part)


class Schemas:
    """Schemas by fingerprint (to read) and the newest by name (to write and to read into)."""

    def __init__(self, current: Iterable[Schema] = ()) -> None:
        self._by_fingerprint: dict[bytes, Schema] = {}
        self._current: dict[str, Schema] = {}
        for schema in current:
            self._current[schema.name] = schema
            self.learn(schema)

    def learn(self, schema: Schema) -> None:
        """Makes values written with an older or newer version readable; writing is not changed by it."""
        self._by_fingerprint.setdefault(schema.fingerprint, schema)

    def by_fingerprint(self, mark: bytes) -> Schema | None:
        return self._by_fingerprint.get(mark)

    def current(self, name: str) -> Schema | None:
        """The version of a record's schema that this process writes."""
        return self._current.get(name)

    def for_topic(self, topic: str) -> Schema:
        """The schema of a registered topic's values. Raises ConfigurationError (``schema.missing``)."""
        registered = BY_NAME.get(topic)
        schema = self._current.get(registered.schema) if registered else None
        if schema is None:
            raise ConfigurationError("schema.missing", f"There is no schema for the values of topic {topic}.")
        return schema

    def all(self) -> tuple[Schema, ...]:
        """Every version known."""
        return tuple(self._by_fingerprint.values())


def schema_directory() -> Path:
    """``schemas/``: inside an installed package, else at the root of the repository."""
    packaged = Path(__file__).parents[1] / "data" / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "schemas"


@cache
def shipped() -> tuple[Schema, ...]:
    """The schemas in the files, each parsed once per process."""
    return tuple(parse_schema(path.read_text("utf-8")) for path in sorted(schema_directory().glob("*.avsc")))
