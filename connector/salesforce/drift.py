"""What has changed in an org's objects under the mappings that use them. Pure.

Only what can hurt counts: a field that went away, another type, less room, fewer values, a new duty to fill. More room,
more values and new fields are followed without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from connector.core.catalog import FieldInfo
from connector.core.records import ReadPlan
from connector.salesforce.describe import FieldShape, SalesforceCatalog


class Policy(StrEnum):
    """What is done about a drift."""

    FOLLOW = "follow"  # said, and gone on with
    HOLD = "hold"  # the mappings that use it are paused until a person resumes them
    STOP = "stop"  # the connection stands still


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """One change of one field or object. ``path`` is empty for the object itself."""

    entity: str
    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.entity}{'.' if self.path else ''}{self.path} {self.what}"


def drifts(before: SalesforceCatalog, after: SalesforceCatalog, plans: Iterable[ReadPlan]) -> tuple[Drift, ...]:
    """What differs in the fields that the plans read, and in what must be filled in their objects."""
    found: set[Drift] = set()
    for plan in plans:
        found |= set(_object(before, after, plan.entity, plan.fields))
        for relationship, paths in plan.children.items():
            child = before.children(plan.entity, relationship)
            if child is not None:
                if after.children(plan.entity, relationship) != child:
                    found.add(Drift(plan.entity, relationship, "is no longer a list of rows there"))
                found |= set(_object(before, after, child, paths))
    return tuple(sorted(found))


def _object(
    before: SalesforceCatalog, after: SalesforceCatalog, entity: str, paths: Iterable[str]
) -> Iterator[Drift]:  # fmt: skip
    if not before.has(entity):
        return
    if not after.has(entity):
        yield Drift(entity, "", "is not there any more")
        return
    for path in paths:
        was, now = before.shape(entity, path), after.shape(entity, path)
        if was is not None:
            yield from (Drift(entity, path, what) for what in _field(was, now))
    for name, shape in after.objects[entity].fields.items():
        old = before.objects[entity].fields.get(name)
        if shape.info.required and (old is None or not old.info.required):
            yield Drift(entity, name, "must be filled now")


def _field(was: FieldShape, now: FieldShape | None) -> Iterator[str]:
    if now is None:
        yield "is not there any more"
        return
    if was.info.type is not now.info.type:
        yield f"was a {was.info.type.value} and is a {now.info.type.value}"
        return
    yield from _room(was.info, now.info)
    if was.precision > now.precision > 0:
        yield f"takes {now.precision} digits, not {was.precision}"
    if was.info.updatable and not now.info.updatable:
        yield "cannot be written any more"


def _room(was: FieldInfo, now: FieldInfo) -> Iterator[str]:
    if was.max_length is not None and now.max_length is not None and now.max_length < was.max_length:
        yield f"takes {now.max_length} characters, not {was.max_length}"
    if was.scale is not None and now.scale is not None and now.scale < was.scale:
        yield f"has {now.scale} decimal places, not {was.scale}"
    lost = (was.values or frozenset()) - now.values if now.values is not None else frozenset[str]()
    if was.values is None and now.values is not None:
        yield "takes values of a list only"
    elif lost:
        yield f"does not take {', '.join(sorted(lost)[:5])} any more"
