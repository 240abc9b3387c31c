"""The first fields of an Avro value, read without the rest: who wrote it, and whether it needs a look at all.

Tables are read by the million when a worker starts. A link is 50 µs to decode in Python, its head 2. Values that were
written with another version of the schema have no head here: decode them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from connector.errors import ConfigurationError
from connector.kafka.schemas import Schema

MARK = b"\xc3\x01"
_START = len(MARK) + 8  # behind the schema's fingerprint
_KINDS = ("long", "boolean", "string")

Part: TypeAlias = int | bool | str


class Head:
    """The named fields, which must be the first ones of the schema, in its order. Pure.

    Raises ConfigurationError (``schema.head``) for a schema that begins otherwise.
    """

    def __init__(self, schema: Schema, names: tuple[str, ...]) -> None:
        first = schema.document["fields"][: len(names)]
        kinds = [_kind(field["type"]) for field in first]
        if [field["name"] for field in first] != [*names] or not set(kinds) <= set(_KINDS):
            raise ConfigurationError("schema.head", f"{schema.name} must begin with {', '.join(names)}.")
        self._prefix = MARK + schema.fingerprint
        self._kinds = kinds

    def read(self, data: bytes) -> tuple[Any, ...] | None:
        """The fields; None for a value of another schema, and for one that ends too soon."""
        if data[:_START] != self._prefix:
            return None
        out: list[Part] = []
        place = _START
        try:
            for kind in self._kinds:
                if kind == "boolean":
                    out.append(data[place] != 0)
                    place += 1
                    continue
                number, place = _long(data, place)
                if kind == "string":
                    number, place = place, place + number
                    out.append(data[number:place].decode())
                else:
                    out.append(number)
        except (IndexError, UnicodeDecodeError):
            return None
        return tuple(out)

    def rank(self, data: bytes) -> tuple[int, int] | None:
        """The first two fields, where both are numbers: as ``read``, in half the time."""
        if data[:_START] != self._prefix:
            return None
        try:
            one, place = _long(data, _START)
            return one, _long(data, place)[0]
        except IndexError:
            return None


def _kind(kind: Any) -> str:
    return str(kind["type"]) if isinstance(kind, dict) else str(kind)


def _long(data: bytes, place: int) -> tuple[int, int]:
    """One zigzag number and the place behind it. Raises IndexError."""
    byte = data[place]
    place += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), place
    number, shift = byte & 0x7F, 7
    while byte & 0x80 and shift < 64:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), place
