"""Which rights the integration user lacks, in words. Pure.

describe shows what the user may see and write. What it does not show may be hidden from the user, or not be there at
all: Salesforce tells nobody which.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from connector.core.mapping.rights import Need, Right
from connector.salesforce.describe import ObjectShape, SalesforceCatalog

_NEWS = "ChangeEvent"


@dataclass(frozen=True, slots=True)
class Lack:
    """One right that is not there, and the mappings that need it. ``path`` is empty for the object itself."""

    right: Right
    entity: str
    path: str
    mappings: tuple[str, ...]

    @property
    def message(self) -> str:
        what = f"{self.entity}.{self.path}" if self.path else f"{self.entity} records"
        many = "mappings" if len(self.mappings) > 1 else "mapping"
        return f"the integration user cannot {self.right} {what}, needed by {many} {', '.join(self.mappings)}"

    @property
    def remedy(self) -> str:
        kind = "field" if self.path else "object"
        if self.right is Right.READ:
            return f"Give the {kind} to its permission set; if it is not there, make it, or correct the mapping."
        return f"Give its permission set the right to {self.right} this {kind}."


def lacks(needs: Iterable[Need], catalog: SalesforceCatalog) -> tuple[Lack, ...]:
    """What is missing, each thing once: of a field that cannot be read nothing else is said, nor of the fields of an
    object that is not there."""
    found: dict[tuple[str, str], dict[Right, dict[str, None]]] = {}
    for need in needs:
        for right, entity, path in _lacking(need, catalog):
            found.setdefault((entity, path), {}).setdefault(right, {})[need.mapping] = None
    hidden = {entity for entity, path in found if not path and Right.READ in found[entity, path]}
    told = {where: rights for where, rights in found.items() if not where[1] or where[0] not in hidden}
    return tuple(
        Lack(right, entity, path, tuple(sorted(rights[right])))
        for (entity, path), rights in sorted(told.items())
        for right in _worth_saying(rights, field=bool(path))
    )


def _worth_saying(rights: Mapping[Right, object], *, field: bool) -> tuple[Right, ...]:
    if Right.READ in rights:
        return (Right.READ,)
    return (Right.EDIT,) if field and Right.EDIT in rights else tuple(right for right in Right if right in rights)


def _lacking(need: Need, catalog: SalesforceCatalog) -> Iterable[tuple[Right, str, str]]:
    entity: str | None = need.entity
    if need.rows and catalog.has(need.entity):
        entity = catalog.children(need.entity, need.rows)
        if entity is None:
            return [(Right.READ, need.entity, need.rows)]
    shape = catalog.objects.get(entity or "")
    if shape is None or entity is None:
        return [(Right.READ, entity or need.entity, "")]
    if need.path:
        return _field(need.right, entity, need.path, catalog)
    return [] if _may(need.right, shape) else [(need.right, entity, "")]


def _may(right: Right, shape: ObjectShape) -> bool:
    return {
        Right.READ: True, Right.CREATE: shape.creatable, Right.EDIT: shape.updatable, Right.DELETE: shape.deletable,
    }[right]  # fmt: skip


def _field(right: Right, entity: str, path: str, catalog: SalesforceCatalog) -> Iterable[tuple[Right, str, str]]:
    """Along the relationships to the object whose field is meant, or to the first that cannot be followed."""
    *way, name = path.split(".")
    for relationship in way:
        target = catalog.target(entity, relationship)
        if target is None:
            shape = catalog.objects[entity]
            reference = shape.parent(relationship)
            if reference is None:  # perhaps a compound address, whose parts are fields of their own
                return [] if catalog.field(entity, f"{relationship}.{name}") else [(Right.READ, entity, relationship)]
            return [(Right.READ, reference.info.references[0], "")] if reference.info.references else []
        entity = target
    info = catalog.field(entity, name)
    if info is None:
        return [] if name == "Id" else [(Right.READ, entity, name)]
    may = {Right.CREATE: info.creatable, Right.EDIT: info.updatable}.get(right, True)
    return [] if may else [(right, entity, name)]


def unselected(followed: Iterable[str], selected: Collection[str]) -> tuple[str, ...]:
    """The objects of which no channel tells. ``selected`` as SelectedEntity says it: AccountChangeEvent,
    Expense__ChangeEvent."""
    known = {name.casefold() for name in selected}
    return tuple(name for name in followed if event_of(name).casefold() not in known)


def event_of(entity: str) -> str:
    """Account → AccountChangeEvent, Expense__c → Expense__ChangeEvent."""
    return f"{entity.removesuffix('c')}{_NEWS}" if entity.endswith("__c") else f"{entity}{_NEWS}"
