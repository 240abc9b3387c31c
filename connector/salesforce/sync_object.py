"""``Twinledger_Sync__c``: the object of our package in which people see how their records stand. Pure.

One row a link, found by ``Key__c``. Everything in it is ours except ``Retry__c``, which a person ticks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from connector.core.party import Operation, Write
from connector.core.sync_state import Shown, SyncState
from connector.core.values import Value
from connector.salesforce.describe import ObjectShape

OBJECT, KEY, RETRY, STATE = "Twinledger_Sync__c", "Key__c", "Retry__c", "State__c"
WRITTEN = (
    "Name", KEY, "Mapping__c", "Object__c", "Record_Id__c", STATE, "Code__c", "Reason__c", "Remedy__c", "Xero_Id__c",
    "Xero_Link__c", "Last_Success__c", RETRY,
)  # fmt: skip
MOST_RETRIES, MOST_OPEN = 200, 50_000
RETRIES = (
    f"SELECT Id, {KEY}, LastModifiedById FROM {OBJECT} "  # noqa: S608  constants of ours
    f"WHERE {RETRY} = true ORDER BY Id LIMIT {MOST_RETRIES}"
)
OPEN = (
    f"SELECT Id, {KEY} FROM {OBJECT} "  # noqa: S608  constants of ours
    f"WHERE {STATE} != '{Shown.CLEAN}' AND {STATE} != '{Shown.ENDED}' "
    f"ORDER BY Id LIMIT {MOST_OPEN}"
)
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


@dataclass(frozen=True, slots=True)
class Asked:
    """A row whose box a person has ticked."""

    row: str
    key: str
    by: str


def lacking(shape: ObjectShape) -> tuple[str, ...]:
    """Which of the fields that we write the integration user may not write; ``create`` where it makes no rows."""
    out = [] if shape.creatable and shape.updatable else ["create"]
    for name in WRITTEN:
        field = shape.fields.get(name)
        if field is None or not field.info.updatable:
            out.append(name)
        elif name == KEY and not field.external_id:
            out.append(f"{KEY} as an external id")
    return tuple(out)


def row_of(shown: SyncState, xero_link: str, succeeded: datetime | None) -> Write:
    """An upsert by our key. ``succeeded`` None leaves the time that stands there, and the box is never touched."""
    fields: dict[str, Value] = {
        "Name": shown.name, KEY: shown.key, "Mapping__c": shown.mapping, "Object__c": shown.entity or None,
        "Record_Id__c": shown.record or None, STATE: shown.state.value, "Code__c": shown.code or None,
        "Reason__c": shown.reason or None, "Remedy__c": shown.remedy or None, "Xero_Id__c": shown.xero_id or None,
        "Xero_Link__c": xero_link[:255] or None,
    }  # fmt: skip
    if succeeded is not None:
        fields["Last_Success__c"] = succeeded
    return Write(shown.key, OBJECT, Operation.CREATE, None, fields, (KEY, shown.key))


def cleared(asked: Iterable[Asked]) -> tuple[Write, ...]:
    """The boxes of what has been carried out, taken back."""
    return tuple(Write(one.row, OBJECT, Operation.UPDATE, one.row, {RETRY: False}) for one in asked)


def asked_of(rows: Iterable[Mapping[str, object]]) -> tuple[Asked, ...]:
    """What the answer to ``RETRIES`` says. A row that cannot be read is left out: anybody may write into it."""
    out = []
    for row in rows:
        row_id, key, by = (row.get(name) for name in ("Id", KEY, "LastModifiedById"))
        if isinstance(row_id, str) and _ID.fullmatch(row_id) and isinstance(by, str) and _ID.fullmatch(by):
            out.append(Asked(row_id, key if isinstance(key, str) else "", by))
    return tuple(out)
