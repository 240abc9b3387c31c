"""Avro single-object encoding: ``C3 01``, the schema's CRC-64-AVRO fingerprint, the value.

What cannot be read comes back as a ``Poison`` value: decoding never raises.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import fastavro
from fastavro.read import SchemaResolutionError

from connector.errors import DataError
from connector.kafka.schemas import Schemas, shipped

_MARK = b"\xc3\x01"
_HEADER = len(_MARK) + 8
_DEPTH = 200
_SHOWN = 300
_PLAIN = frozenset({str, bytes, int, bool, type(None)})  # what is never bent, and most of every value

# Whatever fastavro raises on bytes or values that do not fit; RecursionError on a bomb of nested values.
_REFUSALS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    StopIteration,
    AssertionError,
    SchemaResolutionError,
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A value in the current shape of its record, and the record's full name."""

    schema: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Poison:
    """Bytes that are no value of ours. ``code`` is stable, the bytes are untouched."""

    data: bytes
    code: str
    message: str


class Codec:
    """Encodes for a topic, decodes by fingerprint. ``schemas`` may learn more while it is in use."""

    def __init__(self, schemas: Schemas | None = None) -> None:
        self.schemas = schemas or Schemas(shipped())

    def encode(self, topic: str, value: Mapping[str, Any]) -> bytes:
        """Bytes of a value for a registered topic (its name without a prefix).

        Every field must be there and no other; numbers are Decimal or int, times aware and kept to the millisecond.
        Raises DataError (``codec.invalid``).
        """
        schema = self.schemas.for_topic(topic)
        out = io.BytesIO()
        out.write(_MARK + schema.fingerprint)
        try:
            _inspect(value, schema.whole_digits, 0)
            fastavro.schemaless_writer(out, schema.parsed, value, strict=True)
        except _REFUSALS as error:
            raise DataError("codec.invalid", f"Not a value of {schema.name}: {_said(error)}.") from error
        return out.getvalue()

    def decode(self, data: bytes | None) -> Decoded | Poison:
        """The value, in today's shape of its record, or why it cannot be read."""
        if not data:
            return Poison(b"", "codec.empty", "A tombstone or an empty value.")
        if data[:2] != _MARK or len(data) < _HEADER:
            return Poison(data, "codec.not-avro", "Not an Avro single object: it does not begin with C3 01.")
        written = self.schemas.by_fingerprint(data[2:_HEADER])
        if written is None:
            return Poison(data, "codec.unknown-schema", f"No known schema has the fingerprint {data[2:_HEADER].hex()}.")
        wanted = self.schemas.current(written.name) or written
        source = io.BytesIO(data)
        source.seek(_HEADER)
        try:
            value = fastavro.schemaless_reader(source, written.parsed, wanted.parsed)
        except _REFUSALS as error:
            return Poison(data, "codec.unreadable", f"Not a value of {written.name}: {_said(error)}.")
        if source.tell() != len(data) or not isinstance(value, dict):
            return Poison(
                data, "codec.trailing", f"{len(data) - source.tell()} bytes follow a value of {written.name}."
            )
        return Decoded(wanted.name, value)


def _said(error: BaseException) -> str:
    return (f"{type(error).__name__}: {error}")[:_SHOWN]


def _inspect(value: Any, whole_digits: int, depth: int) -> None:
    """Refuses what fastavro would bend in silence: floats, zoneless times, numbers wider than their decimal."""
    if depth > _DEPTH:
        raise ValueError(f"nested deeper than {_DEPTH}")
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            if type(part) not in _PLAIN:
                _inspect(part, whole_digits, depth + 1)
    elif isinstance(value, float):
        raise TypeError(f"a float ({value!r})")
    elif isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a number")
        if value and value.adjusted() >= whole_digits:
            raise ValueError(f"{value} has more than {whole_digits} digits before the point")
    elif isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no zone")
    elif isinstance(value, Mapping):
        _inspect(dict(value), whole_digits, depth)
