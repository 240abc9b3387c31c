"""A Salesforce record as the value of ``salesforce.records.v1``, and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connector.core.records import Record, Side, Version
from connector.core.values import Value, plain_number
from connector.errors import DataError


def to_value(record: Record) -> dict[str, Any]:
    """The dict that ``Codec.encode("salesforce.records.v1", …)`` takes.

    ``read_at`` is cut to the millisecond. Raises DataError (``record.not-salesforce``, ``record.value``).
    """
    if record.side is not Side.SALESFORCE:
        raise DataError("record.not-salesforce", f"{record.entity} {record.id} is a record of {record.side}.")
    return {
        "org": record.organisation,
        "object": record.entity,
        "id": record.id,
        "version": {"epoch": record.version.epoch, "ordinal": record.version.ordinal},
        "read_at": record.read_at,
        "stamp": None if record.stamp is None else _time(record.stamp),
        "deleted": record.deleted,
        "fields": {name: _wrap(value, f"{record.entity} {record.id}, {name}") for name, value in record.fields.items()},
    }


def from_value(value: Mapping[str, Any]) -> Record:
    """The record of a decoded ``salesforce.records.v1`` value."""
    return Record(
        side=Side.SALESFORCE,
        organisation=value["org"],
        entity=value["object"],
        id=value["id"],
        version=Version(value["version"]["epoch"], value["version"]["ordinal"]),
        read_at=value["read_at"],
        stamp=value["stamp"],
        deleted=value["deleted"],
        fields={name: _unwrap(part) for name, part in value["fields"].items()},
    )


def _time(value: datetime) -> datetime:
    if value.tzinfo is None or value.microsecond % 1000:
        raise DataError("record.value", f"{value.isoformat()} is not an aware time in whole milliseconds.")
    return value


def _wrap(value: Value, where: str) -> dict[str, Any]:
    """A value with the branch of the union named: a datetime is a date too, and fastavro would take the first."""
    branch: tuple[str, Any] | None
    if value is None:
        branch = None
    elif isinstance(value, str):
        branch = ("string", value)
    elif isinstance(value, bool):
        branch = ("boolean", value)
    elif isinstance(value, Decimal):
        branch = ("bytes", value)
    elif isinstance(value, datetime):
        branch = ("long", _time(value))
    elif isinstance(value, date):
        branch = ("int", value)
    elif isinstance(value, Mapping):
        branch = ("map", {name: _wrap(part, where) for name, part in value.items()})
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        branch = ("array", [_wrap(part, where) for part in value])
    else:
        raise DataError("record.value", f"{where}: a {type(value).__name__} is not a field value.")
    return {"value": branch}


def _unwrap(wrapped: Mapping[str, Any]) -> Value:
    value = wrapped["value"]
    if isinstance(value, Decimal):
        return Decimal(plain_number(value))
    if isinstance(value, dict):
        return {name: _unwrap(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_unwrap(part) for part in value]
    result: Value = value
    return result
