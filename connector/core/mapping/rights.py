"""What rights a mapping needs in Salesforce: to read, create, edit or delete which object, which field. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from connector.core.mapping.bind import written
from connector.core.mapping.life import Action, Group
from connector.core.mapping.model import Kind, Mapping, Setting
from connector.core.mapping.shapes import components
from connector.core.records import Side

FILE, BYTES = "ContentVersion", "VersionData"  # where the bytes of a file are, which `File` of an attachment names


class Right(StrEnum):
    """As people say it: the integration user cannot …"""

    READ = "read"
    CREATE = "create"
    EDIT = "edit"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Need:
    """One right. ``path`` is empty for the object itself; ``rows`` is a child relationship of ``entity`` whose rows are
    meant, where it is not empty."""

    right: Right
    entity: str
    path: str
    mapping: str
    rows: str = ""


def needs(mapping: Mapping) -> Iterator[Need]:
    """All rights that a mapping needs in Salesforce."""
    for one in mapping.every:
        yield from _reads(one)
        if one.kind is Kind.TWO_WAY:
            yield from _both_ends(one)
        elif one.target.side is Side.SALESFORCE:
            yield from _written(one)
        elif any(setting.path == "File" for setting in one.settings):
            yield Need(Right.READ, FILE, BYTES, one.name)


def _reads(one: Mapping) -> Iterator[Need]:
    plan = one.read_plan(Side.SALESFORCE)
    yield Need(Right.READ, plan.entity, "", one.name)
    yield from (Need(Right.READ, plan.entity, path, one.name) for path in plan.fields)
    for rows, paths in plan.children.items():
        yield Need(Right.READ, plan.entity, "", one.name, rows)
        yield from (Need(Right.READ, plan.entity, path, one.name, rows) for path in paths if path != "Id")


def _both_ends(one: Mapping) -> Iterator[Need]:
    entity, creates = one.end(Side.SALESFORCE).entity, one.creates(Side.SALESFORCE)
    paths = [
        part
        for pair in one.pairs
        if Side.SALESFORCE in written(pair)
        for part in components(pair.path(Side.SALESFORCE))
    ]
    paths += [one.mark] if one.mark and one.mark not in paths else []
    if paths:
        yield Need(Right.EDIT, entity, "", one.name)
    if creates:
        yield Need(Right.CREATE, entity, "", one.name)
    yield from (Need(Right.EDIT, entity, path, one.name) for path in paths)


def _written(one: Mapping) -> Iterator[Need]:
    entity, creates = one.target.entity, one.kind is Kind.DOCUMENT
    yield Need(Right.EDIT, entity, "", one.name)
    if creates:
        yield Need(Right.CREATE, entity, "", one.name)
    if creates and Action.DELETE in (one.life.left[Group.DRAFT], one.life.deleted[Group.DRAFT]):
        yield Need(Right.DELETE, entity, "", one.name)
    yield from _fields(one, entity, one.settings, "")
    for block in one.blocks:
        if block.rows:
            yield from (Need(right, entity, "", one.name, block.rows) for right in Right if right is not Right.READ)
            yield Need(Right.CREATE, entity, block.mark, one.name, block.rows)
            yield from _fields(one, entity, block.settings, block.rows)


def _fields(one: Mapping, entity: str, settings: tuple[Setting, ...], rows: str) -> Iterator[Need]:
    for setting in settings:
        right = Right.CREATE if setting.once and one.kind is Kind.DOCUMENT else Right.EDIT
        yield from (Need(right, entity, path, one.name, rows) for path in components(setting.path))
