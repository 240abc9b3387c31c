"""describe answers become a catalog: the fields of each object with types and limits. Pure.

Implements ``core.catalog.Catalog`` for the Salesforce side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from connector.core.catalog import FieldInfo, FieldType
from connector.core.records import ReadPlan
from connector.errors import DataError

MAX_DEPTH = 5  # Salesforce follows at most five parents
_TYPES: Mapping[str, FieldType] = {
    "id": FieldType.ID, "reference": FieldType.ID, "boolean": FieldType.BOOLEAN, "date": FieldType.DATE,
    "datetime": FieldType.TIME, "currency": FieldType.NUMBER, "double": FieldType.NUMBER,
    "percent": FieldType.NUMBER, "int": FieldType.NUMBER, "long": FieldType.NUMBER,
    "address": FieldType.OBJECT, "location": FieldType.OBJECT,
}  # fmt: skip
ADDRESS_PARTS = ("street", "city", "state", "postalCode", "country", "stateCode", "countryCode")
#  Fields that come with a feature of the org, on objects of any org: without the feature they are empty, so that one
#  mapping file serves both kinds. Multi-currency; person accounts.
OF_FEATURES: Mapping[str, FieldInfo] = {
    "CurrencyIsoCode": FieldInfo(FieldType.TEXT, max_length=3, creatable=False, updatable=False),
    "IsPersonAccount": FieldInfo(FieldType.BOOLEAN, creatable=False, updatable=False),
}
_LONG_TEXT = frozenset({"textarea", "encryptedstring", "base64"})


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field. ``kind`` is Salesforce's own type name, ``relationship`` the name that leads to the parent."""

    name: str
    kind: str
    info: FieldInfo
    relationship: str | None
    external_id: bool
    filterable: bool
    precision: int


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """One object: its fields, and its child relationships as name to (child object, reference field there)."""

    name: str
    fields: Mapping[str, FieldShape]
    children: Mapping[str, tuple[str, str]]
    creatable: bool
    updatable: bool
    replicated: bool = True  # whether getDeleted can be asked for it
    deletable: bool = True

    def parent(self, relationship: str) -> FieldShape | None:
        """The reference field behind a relationship name."""
        return next((f for f in self.fields.values() if f.relationship == relationship), None)


@dataclass(frozen=True, slots=True)
class SalesforceCatalog:
    """What the integration user may see of the described objects. Objects that are not described are not there."""

    objects: Mapping[str, ObjectShape]

    def has(self, entity: str) -> bool:
        return entity in self.objects

    def children(self, entity: str, name: str) -> str | None:
        shape = self.objects.get(entity)
        found = shape.children.get(name) if shape else None
        return found[0] if found else None

    def parent(self, entity: str, name: str) -> str | None:
        shape = self.objects.get(entity)
        found = shape.children.get(name) if shape else None
        return found[1] if found else None

    def field(self, entity: str, path: str) -> FieldInfo | None:
        parts = path.split(".")
        if len(parts) > 1 and parts[-1] in ADDRESS_PARTS:
            whole = self.shape(entity, ".".join(parts[:-1]))
            if whole is not None and whole.kind == "address":
                return FieldInfo(FieldType.TEXT, creatable=False, updatable=False)
        found = self.shape(entity, path)
        if found is not None:
            return found.info
        parent = self._owner(entity, parts)
        if parent is not None and parts[-1] in OF_FEATURES:
            return OF_FEATURES[parts[-1]]
        reference = parent.parent(parts[-1]) if parent else None
        if reference is None:
            return None
        return FieldInfo(FieldType.OBJECT, creatable=False, updatable=False, references=reference.info.references)

    def shape(self, entity: str, path: str) -> FieldShape | None:
        """The field at a path dotted over relationships."""
        parts = path.split(".")
        owner = self._owner(entity, parts)
        return owner.fields.get(parts[-1]) if owner else None

    def _owner(self, entity: str, parts: list[str]) -> ObjectShape | None:
        """The object that the last part belongs to. Of a polymorphic reference the first described object counts."""
        shape = self.objects.get(entity)
        for relationship in parts[:-1]:
            reference = shape.parent(relationship) if shape else None
            if reference is None or len(parts) > MAX_DEPTH + 1:
                return None
            targets = (self.objects.get(name) for name in reference.info.references)
            shape = next((target for target in targets if target is not None), None)
        return shape

    def target(self, entity: str, relationship: str) -> str | None:
        """The object that a relationship leads to."""
        shape = self.objects.get(entity)
        reference = shape.parent(relationship) if shape else None
        if reference is None:
            return None
        known = [name for name in reference.info.references if name in self.objects]
        return known[0] if known else None

    def undescribed(self, plans: Iterable[ReadPlan]) -> frozenset[str]:
        """Objects that the plans pass through and that are not here yet. Ask, add, ask again, until none is left."""
        out: set[str] = set()
        for plan in plans:
            out |= self._undescribed(plan.entity, plan.fields)
            for relationship, paths in plan.children.items():
                child = self.children(plan.entity, relationship)
                if child is not None:
                    out |= self._undescribed(child, paths)
        return frozenset(out)

    def _undescribed(self, entity: str, paths: Iterable[str]) -> set[str]:
        out = set() if self.has(entity) else {entity}
        for path in paths:
            at: str | None = entity
            for relationship in path.split(".")[:-1]:
                shape = self.objects.get(at or "")
                reference = shape.parent(relationship) if shape else None
                if reference is None:
                    break
                if not any(map(self.has, reference.info.references)):
                    out |= set(reference.info.references[:1])
                at = self.target(shape.name, relationship) if shape else None
        return out

    def with_objects(self, shapes: Iterable[ObjectShape]) -> SalesforceCatalog:
        return SalesforceCatalog({**self.objects, **{shape.name: shape for shape in shapes}})


def read_describe(body: bytes | str) -> ObjectShape:
    """An sObject describe answer. Raises DataError."""
    try:
        raw = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as wrong:
        raise DataError("salesforce.describe", f"a describe answer that is no JSON: {wrong}") from None
    return shape_of(raw)


def shape_of(raw: object) -> ObjectShape:
    """The same from the parsed object. Raises DataError."""
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not isinstance(raw.get("fields"), list):
        _refuse("a describe answer without name and fields")
    fields = [_field(one) for one in raw["fields"]]
    children = {
        one["relationshipName"]: (str(one["childSObject"]), str(one["field"]))
        for one in raw.get("childRelationships") or ()
        if isinstance(one, dict) and isinstance(one.get("relationshipName"), str)
    }
    creatable, updatable = raw.get("createable") is not False, raw.get("updateable") is not False
    return ObjectShape(
        raw["name"], {one.name: one for one in fields}, children, creatable, updatable,
        replicated=raw.get("replicateable") is not False, deletable=raw.get("deletable") is not False,
    )  # fmt: skip


def _field(raw: object) -> FieldShape:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not isinstance(raw.get("type"), str):
        _refuse("a describe answer with a field without name and type")
    kind = raw["type"]
    relationship = raw.get("relationshipName")
    long = kind in _LONG_TEXT and _whole(raw, "length") > 255
    return FieldShape(
        name=raw["name"],
        kind=kind,
        info=_info(raw, _TYPES.get(kind, FieldType.TEXT)),
        relationship=relationship if isinstance(relationship, str) else None,
        external_id=raw.get("externalId") is True,
        filterable=raw.get("filterable") is not False and not long and kind != "address",
        precision=_whole(raw, "precision"),
    )


def _info(raw: Mapping[str, Any], kind: FieldType) -> FieldInfo:
    creatable = raw.get("createable") is True
    needed = raw.get("nillable") is False and raw.get("defaultedOnCreate") is not True
    values = [
        one.get("value") for one in raw.get("picklistValues") or () if isinstance(one, dict) and one.get("active")
    ]
    restricted = raw.get("restrictedPicklist") is True
    length = _whole(raw, "length")
    return FieldInfo(
        type=kind,
        max_length=length if kind is FieldType.TEXT and length > 0 else None,
        creatable=creatable,
        updatable=raw.get("updateable") is True,
        required=creatable and needed and kind is not FieldType.BOOLEAN,
        scale=(0 if raw.get("type") in ("int", "long") else _whole(raw, "scale")) if kind is FieldType.NUMBER else None,
        values=frozenset(str(value) for value in values) if restricted else None,
        references=tuple(str(one) for one in raw.get("referenceTo") or ()),
    )


def _whole(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _refuse(what: str) -> NoReturn:
    raise DataError("salesforce.describe", f"Salesforce sent {what}.")
