"""Queries: from a read plan and ids or criteria to SOQL text. Pure.

Everything that goes into a query is checked or quoted here: names by form and catalog, ids by form, values by type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NoReturn
from urllib.parse import quote as percent_encoded

from connector.core.catalog import FieldType
from connector.core.records import ReadPlan
from connector.core.values import Fields, Value, plain_number
from connector.errors import ConfigurationError
from connector.salesforce.condition import Filter
from connector.salesforce.describe import OF_FEATURES, FieldShape, SalesforceCatalog

MAX_IDS = 200
MAX_ENCODED = 12_000  # of 16,384 bytes that URI and headers may have together
MAX_FOUND = 10
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + "".join(_ESCAPES.get(letter, letter) for letter in text) + "'"


def by_ids(plan: ReadPlan, catalog: SalesforceCatalog, ids: Sequence[str]) -> list[str]:
    """Queries that read these ids (together at most 200), each short enough for a URI. Deleted rows are for queryAll.

    Raises ConfigurationError: the plan names what is not there (any more), or too many fields.
    """
    if len(ids) > MAX_IDS:
        raise ValueError(f"at most {MAX_IDS} ids in a read, not {len(ids)}")
    known = [one for one in dict.fromkeys(ids) if _ID.fullmatch(one)]
    head = f"{_select(plan, catalog)} WHERE Id IN "
    return list(_split(head, known)) if known else []


def by_way(plan: ReadPlan, catalog: SalesforceCatalog, way: str, ids: Sequence[str]) -> list[str]:
    """Queries for the ids of records that reach one of these ids by a relationship: ``Account``, ``Rows/Product2``.

    Raises ConfigurationError: the plan's object has no such rows.
    """
    rows, _, path = way.rpartition("/")
    entity, column = plan.entity, "Id"
    if rows:
        shape = catalog.objects.get(plan.entity)
        entity, column = shape.children.get(rows, ("", "")) if shape is not None else ("", "")
    if not all(_NAME.fullmatch(name) for name in (entity, column, *path.split("."))):
        raise ConfigurationError("salesforce.name", f"{plan.entity} has nothing that {way[:80]!r} leads to")
    known = [one for one in dict.fromkeys(ids) if _ID.fullmatch(one)]
    head = f"SELECT {column} FROM {entity} WHERE {path}.Id IN "  # noqa: S608  every part is checked above
    return list(_split(head, known)) if known else []


def _split(head: str, ids: list[str]) -> Iterator[str]:
    text = f"{head}({','.join(quoted(one) for one in ids)})"
    if len(percent_encoded(text)) <= MAX_ENCODED:
        yield text
    elif len(ids) == 1:
        message = f"a query of {len(text)} characters is too long for Salesforce"
        raise ConfigurationError("salesforce.query-too-long", message, remedy="Let the mapping read fewer fields.")
    else:
        yield from _split(head, ids[: len(ids) // 2])
        yield from _split(head, ids[len(ids) // 2 :])


def rows_after(plan: ReadPlan, catalog: SalesforceCatalog, last: str, size: int, chosen: Filter | None) -> str:
    """The query for the next ``size`` live rows behind an id (empty: from the first), in the order of their birth.

    By id, not by OFFSET: a page costs the same wherever it is, rows that come and go meanwhile shift nothing, and it
    can go on after a crash. Source: Bulk API Developer Guide, "PK Chunking", which compares ids in this way.
    Raises ConfigurationError: what is not there (any more), what cannot be filtered by, a filter that is too long.
    """
    parts = []
    if chosen is not None:
        for path in chosen.fields:
            _filterable(plan, catalog, path)
        parts.append(f"({chosen.text})")
    if last:
        if not _ID.fullmatch(last):
            raise ValueError(f"{last[:80]!r} is no id")
        parts.append(f"Id > {quoted(last)}")
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    text = f"{_select(plan, catalog)}{where} ORDER BY Id LIMIT {size}"
    if len(percent_encoded(text)) > MAX_ENCODED:
        message = f"a query of {len(text)} characters is too long for Salesforce"
        raise ConfigurationError("salesforce.query-too-long", message, remedy="Give a shorter filter.")
    return text


def changed_between(
    entity: str, stamp: str = "", start: datetime | None = None, end: datetime | None = None, parent: str = ""
) -> str:
    """The query for the ids of live rows by the time in ``stamp`` (start included, end not), oldest first.

    Without a stamp: the ids of all live rows. ``parent`` is a reference field to bring along.
    """
    for name in filter(None, (entity, stamp, parent)):
        _name(name)
    columns = ", ".join(filter(None, ("Id", stamp, parent)))
    limits = [(sign, at) for sign, at in ((">=", start), ("<", end)) if at is not None]
    where = " AND ".join(f"{stamp} {sign} {_moment(at)}" for sign, at in limits)
    order = f"{stamp}, Id" if stamp else "Id"
    return f"SELECT {columns} FROM {entity}{' WHERE ' + where if where else ''} ORDER BY {order}"  # noqa: S608


def changed_since(plan: ReadPlan, catalog: SalesforceCatalog, start: datetime) -> str:
    """The query for live rows by SystemModstamp, oldest first."""
    return f"{_select(plan, catalog)} WHERE SystemModstamp >= {_moment(start)} ORDER BY SystemModstamp, Id"


def by_criteria(plan: ReadPlan, catalog: SalesforceCatalog, criteria: Fields) -> str:
    """The query for live rows that equal all criteria; texts compare without regard to case. At most ten.

    Raises ConfigurationError: a field that is not there or cannot be filtered by.
    """
    if not criteria:
        raise ValueError("a look-up needs a criterion")
    parts = [f"{path} = {_literal(_filterable(plan, catalog, path), value)}" for path, value in criteria.items()]
    return f"{_select(plan, catalog)} WHERE {' AND '.join(parts)} ORDER BY Id LIMIT {MAX_FOUND}"


def by_any(plan: ReadPlan, catalog: SalesforceCatalog, wanted: Sequence[Fields]) -> str:
    """The query for live rows that equal any of the criteria; empty where it would be too long. Raises as
    ``by_criteria``."""
    parts = [
        " AND ".join(
            f"{path} = {_literal(_filterable(plan, catalog, path), value)}" for path, value in criteria.items()
        )
        for criteria in wanted
    ]
    limit = MAX_FOUND * len(wanted)
    text = f"{_select(plan, catalog)} WHERE {' OR '.join(f'({part})' for part in parts)} ORDER BY Id LIMIT {limit}"
    return text if len(percent_encoded(text)) <= MAX_ENCODED else ""


def _select(plan: ReadPlan, catalog: SalesforceCatalog) -> str:
    _name(plan.entity)
    if not catalog.has(plan.entity):
        _missing(plan.entity, "")
    fields = list(_columns(catalog, plan.entity, plan.fields or tuple(catalog.objects[plan.entity].fields)))
    rows = [_children(catalog, plan.entity, name, paths) for name, paths in plan.children.items()]
    return f"SELECT {', '.join([*fields, *rows])} FROM {plan.entity}"  # noqa: S608  every part is checked above


def _columns(catalog: SalesforceCatalog, entity: str, paths: Sequence[str]) -> Iterator[str]:
    """The fields asked for, and what every record needs: id, stamp, and whether it is deleted."""
    own = [name for name in ("Id", "SystemModstamp", "IsDeleted") if catalog.shape(entity, name) is not None]
    for path in dict.fromkeys([*own, *paths]):
        for part in path.split("."):
            _name(part)
        if catalog.shape(entity, path) is None:
            if path.split(".")[-1] in OF_FEATURES and catalog.field(entity, path) is not None:
                continue
            _missing(entity, path)
        yield path


def _children(catalog: SalesforceCatalog, entity: str, relationship: str, paths: Sequence[str]) -> str:
    """Live child rows, in the order in which people see them."""
    _name(relationship)
    child = catalog.children(entity, relationship)
    if child is None or not catalog.has(child):
        _missing(entity, relationship)
    columns = [
        path for path in _columns(catalog, child, paths) if path not in ("SystemModstamp", "IsDeleted") or path in paths
    ]
    live = " WHERE IsDeleted = false" if catalog.shape(child, "IsDeleted") is not None else ""
    sorted_by = "SortOrder NULLS LAST, Id" if catalog.shape(child, "SortOrder") is not None else "Id"
    return f"(SELECT {', '.join(columns)} FROM {relationship}{live} ORDER BY {sorted_by})"  # noqa: S608  checked too


def _filterable(plan: ReadPlan, catalog: SalesforceCatalog, path: str) -> FieldShape:
    for part in path.split("."):
        _name(part)
    found = catalog.shape(plan.entity, path)
    if found is None:
        _missing(plan.entity, path)
    if not found.filterable:
        message = f"Salesforce cannot look for {plan.entity} by {path}: {found.kind} fields are not filterable"
        raise ConfigurationError("salesforce.not-filterable", message, remedy="Look for it by another field.")
    return found


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _literal(field: FieldShape, value: Value) -> str:
    if value is None:
        return "null"
    kind = field.info.type
    if kind is FieldType.BOOLEAN and isinstance(value, bool):
        return "true" if value else "false"
    if kind is FieldType.NUMBER and isinstance(value, Decimal):
        return plain_number(value)
    if kind is FieldType.TIME and isinstance(value, datetime):
        return _moment(value)
    if kind is FieldType.DATE and isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if kind in (FieldType.TEXT, FieldType.ID) and isinstance(value, str):
        return quoted(value)
    message = f"{field.name} is a {kind.value} and cannot equal a {type(value).__name__}"
    raise ConfigurationError("salesforce.criterion-type", message, remedy="Correct the mapping's find or match.")


def _name(text: str) -> None:
    if not _NAME.fullmatch(text):
        raise ConfigurationError("salesforce.name", f"{text[:80]!r} is no name of an object or field")


def _missing(entity: str, path: str) -> NoReturn:
    what = f"{entity}.{path}" if path else entity
    raise ConfigurationError(
        "salesforce.field-missing",
        f"The integration user does not see {what}.",
        remedy="Give it the right to read the field, or correct the mapping. Nothing is taken for empty meanwhile.",
    )
