"""What a side's objects look like: the names, types and limits that a mapping is checked against.

Each party provides a catalog of its own side (Salesforce from describe, Xero from a table); the core only asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FieldType(StrEnum):
    """What a field holds. OBJECT is a nested object or a relationship, LIST rows or keyed entries."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    BOOLEAN = "boolean"
    ID = "id"
    OBJECT = "object"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field. ``scale`` is decimal places, ``values`` all it takes, ``references`` the entities it can name."""

    type: FieldType
    max_length: int | None = None
    creatable: bool = True
    updatable: bool = True
    required: bool = False
    scale: int | None = None
    values: frozenset[str] | None = None
    references: tuple[str, ...] = ()


class Catalog(Protocol):
    """The objects of one side. Answers None for what is not there; never raises."""

    def field(self, entity: str, path: str) -> FieldInfo | None:
        """The field at ``path`` by the side's own names, dotted over relationships and nested objects."""

    def children(self, entity: str, name: str) -> str | None:
        """The entity of the rows under a child relationship (Salesforce) or a line list (Xero)."""

    def parent(self, entity: str, name: str) -> str | None:
        """The field of those rows that names the object they belong to; None where rows have none (Xero)."""

    def has(self, entity: str) -> bool:
        """Whether the side has this entity at all."""
