"""The shape of an org: objects, fields, relationships, read from a compact table (sales_org.py)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

NUMERIC = frozenset({"currency", "double", "percent", "int"})
TEXTUAL = frozenset({"string", "textarea", "picklist", "phone", "url", "email", "combobox"})
ADDRESS_PARTS = ("Street", "City", "State", "PostalCode", "Country")
SYSTEM = """
Id            id
IsDeleted     boolean          required readonly defaulted
"""
AUDIT = """
CreatedDate      datetime      required readonly defaulted
CreatedById      reference     required readonly defaulted ->User=CreatedBy
LastModifiedDate datetime      required readonly defaulted
LastModifiedById reference     required readonly defaulted ->User=LastModifiedBy
SystemModstamp   datetime      required readonly defaulted
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One field as describe shows it. ``precision`` counts all digits, ``scale`` those after the point."""

    name: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    calculated: bool = False
    defaulted: bool = False
    reference_to: str | None = None
    relationship: str | None = None
    compound: str | None = None
    values: tuple[str, ...] = ()
    restricted: bool = False

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def long_text(self) -> bool:
        """Long text can neither be filtered nor sorted by; nor can the bytes of a file."""
        return (self.type == "textarea" and self.length > 255) or self.type == "base64"


@dataclass(frozen=True, slots=True)
class Child:
    """One child relationship: which rows of another object point here."""

    entity: str
    field: str
    name: str
    cascade: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """One object of the org."""

    name: str
    prefix: str
    fields: Mapping[str, Field]
    children: Mapping[str, Child]
    writable: bool = True
    tracked: bool = True  # whether the platform offers change events for it
    replicated: bool = True  # whether getDeleted and getUpdated know it

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def channel(self) -> str:
        """Name of its change event: ``AccountChangeEvent``, ``Expense__ChangeEvent``."""
        return f"{self.name[:-1]}ChangeEvent" if self.custom else f"{self.name}ChangeEvent"

    def find(self, name: str) -> Field | None:
        """A field by its name; names are not case-sensitive in the API."""
        exact = self.fields.get(name)
        return exact or next((f for f in self.fields.values() if f.name.lower() == name.lower()), None)

    def parent(self, relationship: str) -> Field | None:
        """The reference field behind a relationship name (``Account`` for AccountId)."""
        wanted = relationship.lower()
        return next((f for f in self.fields.values() if f.relationship and f.relationship.lower() == wanted), None)

    def child(self, relationship: str) -> Child | None:
        wanted = relationship.lower()
        return next((c for name, c in self.children.items() if name.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Schema:
    """All objects of the org."""

    entities: Mapping[str, Entity]

    def find(self, name: str) -> Entity | None:
        exact = self.entities.get(name)
        return exact or next((e for e in self.entities.values() if e.name.lower() == name.lower()), None)

    def of_id(self, record_id: str) -> Entity | None:
        return next((e for e in self.entities.values() if e.prefix == record_id[:3]), None)


@dataclass(frozen=True, slots=True)
class Table:
    """One object as the compact table writes it; ``flags``: readonly (no writes), untracked (no change events),
    unreplicated (no getDeleted), currencies (only in an org with several)."""

    name: str
    prefix: str
    fields: str
    flags: frozenset[str] = frozenset()


_TYPE = re.compile(r"(\w+)(?:\((\d+)(?:[.,](\d+))?\))?")
_REFERENCE = re.compile(r"->(\w+)=(\w+)(?:/(\w+))?(!)?")


def build_schema(tables: Iterable[Table], picklists: Mapping[str, tuple[str, ...]], *, currencies: bool) -> Schema:
    """Read the tables. With ``currencies`` the org is multi-currency: money objects carry CurrencyIsoCode."""
    entities: dict[str, Entity] = {}
    children: dict[str, dict[str, Child]] = {}
    for table in tables:
        if "currencies" in table.flags and not currencies:
            continue
        fields: dict[str, Field] = {}
        for line in _lines(table, currencies):
            field, child = _field(line, picklists)
            fields[field.name] = field
            if child is not None and field.reference_to:
                children.setdefault(field.reference_to, {})[child.name] = replace(child, entity=table.name)
        tracked = "untracked" not in table.flags
        entities[table.name] = Entity(
            table.name, table.prefix, fields, {}, "readonly" not in table.flags, tracked,
            "unreplicated" not in table.flags,
        )  # fmt: skip
    return Schema({name: replace(entity, children=children.get(name, {})) for name, entity in entities.items()})


def _lines(table: Table, currencies: bool) -> list[str]:
    text = SYSTEM + table.fields + AUDIT
    if currencies and ("currency" in table.fields or table.name == "Product2"):
        own = " readonly" if table.name == "OpportunityLineItem" else ""  # a line has its parent's currency
        text += f"CurrencyIsoCode picklist(255) values=CurrencyIsoCode restricted defaulted{own}\n"
    return [line for line in text.splitlines() if line.strip()]


def _field(line: str, picklists: Mapping[str, tuple[str, ...]]) -> tuple[Field, Child | None]:
    """One line: ``Name type(length or precision.scale) flag flag ->Target=Relationship/ChildRelationship!``."""
    name, kind, *flags = line.split()
    matched = _TYPE.fullmatch(kind)
    if matched is None:
        raise ValueError(f"not a field type: {kind}")
    field = _sized(Field(name, matched[1]), int(matched[2] or 0), int(matched[3] or 0))
    child: Child | None = None
    for flag in flags:
        reference = _REFERENCE.fullmatch(flag)
        if reference is not None:
            field = replace(field, reference_to=reference[1], relationship=reference[2], length=18)
            child = Child("", name, reference[3], bool(reference[4])) if reference[3] else None
        else:
            field = _flagged(field, flag, picklists)
    return field, child


def _sized(field: Field, size: int, scale: int) -> Field:
    if field.type == "id":
        read_only = replace(field, nillable=False, createable=False, updateable=False)
        return replace(read_only, length=18, defaulted=True)
    if field.type in NUMERIC:
        return replace(field, precision=size, scale=scale)
    if field.type == "boolean":
        return replace(field, nillable=False, defaulted=True)
    if field.type == "address":
        return replace(field, createable=False, updateable=False)
    return replace(field, length=size)


def _flagged(field: Field, flag: str, picklists: Mapping[str, tuple[str, ...]]) -> Field:
    name, _, value = flag.partition("=")
    match name:
        case "required":
            return replace(field, nillable=False)
        case "readonly":
            return replace(field, createable=False, updateable=False)
        case "createonly":
            return replace(field, updateable=False)
        case "defaulted":
            return replace(field, defaulted=True)
        case "external":
            return replace(field, external_id=True, unique=True)
        case "calculated":
            return replace(field, calculated=True, createable=False, updateable=False)
        case "restricted":
            return replace(field, restricted=True)
        case "values":
            return replace(field, values=picklists[value])
        case "in":
            return replace(field, compound=value)
        case _:
            raise ValueError(f"not a flag: {flag}")
