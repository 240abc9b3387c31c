"""Bulk API 2.0: many writes as one job. Pure: CSV out, results in, in the shape that collections answer with.

Source: Bulk API 2.0 Developer Guide: an empty value leaves a field as it is, ``#N/A`` clears it; results come in any
order, each with its own columns, so rows are known again by their key.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from connector.core.party import Operation, Request, Write
from connector.core.values import Value, plain_number
from connector.errors import DataError

FROM = 2000  # fewer rows cost less as collections of 200 (Salesforce says so too)
MOST = 5000  # rows of one job: it should end well within a call's time
RESOURCE = "jobs/ingest"
NULL = "#N/A"
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of a job; ``key`` is the column by which its rows are known again."""

    entity: str
    operation: str
    key: str

    @classmethod
    def of(cls, request: Request) -> Job:
        asked = dict(request.query)
        return cls(asked["object"], asked["operation"], asked["key"])

    def body(self) -> bytes:
        """The JSON that creates it."""
        job = {"object": self.entity, "operation": self.operation, "contentType": "CSV", "lineEnding": "LF"}
        if self.operation == "upsert":
            job["externalIdFieldName"] = self.key
        return json.dumps(job).encode()


def takes(writes: Sequence[Write]) -> bool:
    """Whether a repeat of the job would make nothing twice: updates, and creates by an external id."""
    return all(
        not write.rows
        and (write.operation is Operation.UPDATE or (write.mark is not None and write.mark[0].endswith("__c")))
        for write in writes
    )


def prepare(writes: Sequence[Write], path: str, headers: tuple[tuple[str, str], ...]) -> Request:
    """One job as one request, which the party carries out in its steps. Raises DataError for what no cell can hold."""
    first = writes[0]
    updates = first.operation is Operation.UPDATE
    key = "Id" if updates or first.mark is None else first.mark[0]
    rows = [_row(write, key) for write in writes]
    columns = [key, *sorted({name for row in rows for name in row} - {key})]
    out = io.StringIO()
    # Every cell in quotes: left to itself, Python's writer leaves a lone carriage return bare, which ends a row.
    sheet = csv.DictWriter(out, columns, restval="", lineterminator="\n", quoting=csv.QUOTE_ALL)
    sheet.writeheader()
    sheet.writerows(rows)
    query = (("object", first.entity), ("operation", "update" if updates else "upsert"), ("key", key))
    return Request("POST", path, query, headers, out.getvalue().encode())


def _row(write: Write, key: str) -> dict[str, str]:
    known = write.target if key == "Id" else write.mark[1] if write.mark else None
    if not known:
        raise ValueError(f"a write of {write.entity} without its key")
    fields = {name: value for name, value in write.fields.items() if name not in ("Id", "attributes", key)}
    return {**{name: _cell(value, write, name) for name, value in fields.items()}, key: known}


def _cell(value: Value, write: Write, name: str) -> str:
    if value is None or value == "":
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    if isinstance(value, date):
        return value.isoformat()
    raise DataError(
        "salesforce.value", f"{write.entity}.{name} cannot take a {type(value).__name__}",
        remedy="Salesforce takes texts, numbers, dates, times and booleans: map the parts one by one.",
    )  # fmt: skip


def results(sent: bytes, job: Job, succeeded: bytes, failed: bytes) -> bytes:
    """The results in the order of the rows that were sent, as a collections call would answer.

    A row in neither list was not worked on: it is to be tried again.
    """
    found: dict[str, dict[str, object]] = {}
    for row in _table(succeeded):
        told: dict[str, object] = {
            "id": row.get("sf__Id"),
            "success": True,
            "errors": [],
            "created": row.get("sf__Created") == "true",
        }
        found[row.get(job.key, "").lower()] = told
    for row in _table(failed):
        found[row.get(job.key, "").lower()] = {"success": False, "errors": [_error(row.get("sf__Error", ""))]}
    left = {"statusCode": "SERVER_UNAVAILABLE", "message": "the job did not come to this row", "fields": []}
    rows = [found.get(row[job.key].lower(), {"success": False, "errors": [left]}) for row in _table(sent)]
    return json.dumps(rows).encode()


def _table(data: bytes) -> list[Mapping[str, str]]:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    return [{str(name): str(value) for name, value in row.items()} for row in rows]


def _error(text: str) -> dict[str, object]:
    """``REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --``"""
    code, _, rest = text.partition(":")
    message, _, fields = rest.rpartition(":")
    named = [name.strip() for name in fields.removesuffix("--").split(",") if name.strip()]
    plain = all(name.replace("_", "").isalnum() for name in named)
    return {
        "statusCode": code or "UNKNOWN",
        "message": (message if plain else rest) or rest,
        "fields": named if plain else [],
    }
