"""One row of the table of fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FieldKind(StrEnum):
    """What a field of a Xero object holds."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole"
    DATE = "date"
    TIME = "time"
    BOOLEAN = "boolean"
    OBJECT = "object"  # owned
    REFERENCE = "reference"  # an object of its own
    LIST = "list"


TEXT, NUMBER, WHOLE, DATE, TIME = FieldKind.TEXT, FieldKind.NUMBER, FieldKind.WHOLE, FieldKind.DATE, FieldKind.TIME
BOOLEAN, OBJECT, REFERENCE, LIST = FieldKind.BOOLEAN, FieldKind.OBJECT, FieldKind.REFERENCE, FieldKind.LIST


@dataclass(frozen=True, slots=True)
class Field:
    """``of`` is the entity inside (empty: texts), ``scale`` decimal places of an amount, ``values`` all it takes."""

    kind: FieldKind
    of: str = ""
    max_length: int | None = None
    scale: int | None = None
    read_only: bool = False
    values: str = field(default="")

    @property
    def choices(self) -> frozenset[str] | None:
        return frozenset(self.values.split()) or None
