"""Change events, decoded. Pure.

An event says *what moved*; its field values are not used (merged ids, differences of long texts, other names of
compound parts): the reader asks for the record. Source: Change Data Capture Developer Guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn

from connector.errors import DataError

MAX_BYTES = 2 * 1024 * 1024  # Salesforce's own limit of an event is 1 MB
MAX_IDS = 10_000
OVERFLOW_ID = "000000000000000AAA"
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")
_WILDCARD = re.compile(r"[0-9A-Za-z]{3}\*")
_BITMAP = re.compile(r"(?:\d+-)?0x[0-9A-Fa-f]+")
_CLIENT = re.compile(r";client=([^;]*)")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_NOT_PARENTS = frozenset({"OwnerId", "CreatedById", "LastModifiedById", "MasterRecordId"})


class Scope(StrEnum):
    """Which records an event speaks of."""

    IDS = "ids"
    WHOLE = "whole"  # a wildcard or an overflow: any record of the object may have changed


@dataclass(frozen=True, slots=True)
class Change:
    """What one event tells. ``kind`` is an open enumeration: CREATE, UPDATE, DELETE, UNDELETE, GAP_..., what may come.

    ``changed`` are names as the event spells them (``BillingAddress.Street``), empty for kinds other than UPDATE.
    ``parents`` are ids that stand in reference fields of the body, by field: of a line, its opportunity. ``client`` is
    the name that a writer gave in Sforce-Call-Options: a hint about echoes, never a proof.
    """

    entity: str
    kind: str
    scope: Scope
    record_ids: tuple[str, ...]
    changed: tuple[str, ...]
    committed: datetime
    transaction: str
    sequence: int
    origin: str
    client: str | None
    user: str
    parents: Mapping[str, str]
    replay_id: int | None

    @property
    def gap(self) -> bool:
        """The event has no body because Salesforce could not make one; the record is to be read."""
        return self.kind.startswith("GAP_")

    @property
    def deleted(self) -> bool:
        return self.kind in ("DELETE", "GAP_DELETE")


def decode(data: bytes) -> Change:
    """The change of a CometD ``data`` object: ``{"schema", "payload": {"ChangeEventHeader", ...}, "event"}``.

    Raises DataError: too large, no JSON, no change event, a header that is not as documented.
    """
    if len(data) > MAX_BYTES:
        _refuse("salesforce.event-too-large", f"an event of {len(data)} bytes; the limit is {MAX_BYTES}")
    try:
        raw = json.loads(data, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        _refuse("salesforce.event-not-json", f"an event that is no JSON: {wrong}")
    return decode_data(raw)


def decode_data(raw: object) -> Change:
    """The same from the parsed object; fractions must be Decimal."""
    payload = raw.get("payload") if isinstance(raw, dict) else None
    if not isinstance(payload, dict) or not isinstance(payload.get("ChangeEventHeader"), dict):
        _refuse("salesforce.not-a-change-event", "a message without a ChangeEventHeader in its payload")
    event = raw.get("event") if isinstance(raw, dict) else None
    replay = event.get("replayId") if isinstance(event, dict) else None
    if replay is not None and (isinstance(replay, bool) or not isinstance(replay, int)):
        _refuse("salesforce.event-header", "replayId is no whole number")
    return _change(payload, payload["ChangeEventHeader"], replay)


def _change(payload: Mapping[str, Any], header: Mapping[str, Any], replay: int | None) -> Change:
    entity, kind = _text(header, "entityName"), _text(header, "changeType")
    scope, ids = _records(header, kind)
    origin = header.get("changeOrigin") or ""
    client = _CLIENT.search(str(origin))
    return Change(
        entity=entity,
        kind=kind,
        scope=scope,
        record_ids=ids,
        changed=_changed(header),
        committed=_moment(header),
        transaction=_text(header, "transactionKey"),
        sequence=_number(header, "sequenceNumber"),
        origin=str(origin),
        client=client[1] if client else None,
        user=str(header.get("commitUser") or ""),
        parents=_parents(payload),
        replay_id=replay,
    )


def _records(header: Mapping[str, Any], kind: str) -> tuple[Scope, tuple[str, ...]]:
    raw = header.get("recordIds")
    if not isinstance(raw, list) or not raw or len(raw) > MAX_IDS:
        _refuse("salesforce.event-header", f"recordIds is no list of 1 to {MAX_IDS} ids")
    if kind == "GAP_OVERFLOW" or raw == [OVERFLOW_ID]:
        return Scope.WHOLE, ()
    for one in raw:
        if not isinstance(one, str) or not (_ID.fullmatch(one) or _WILDCARD.fullmatch(one)):
            _refuse("salesforce.event-header", f"recordIds holds {str(one)[:40]!r}, which is no id")
    if any(one.endswith("*") for one in raw):
        return Scope.WHOLE, ()
    return Scope.IDS, tuple(dict.fromkeys(full_id(one) for one in raw))


def _changed(header: Mapping[str, Any]) -> tuple[str, ...]:
    raw = header.get("changedFields")
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        _refuse("salesforce.event-header", "changedFields is no list of names")
    if any(_BITMAP.fullmatch(one) for one in raw):
        _refuse("salesforce.event-pubsub", "changedFields are bitmaps of the Pub/Sub API; this stream speaks CometD")
    return tuple(raw)


def _moment(header: Mapping[str, Any]) -> datetime:
    stamp = _number(header, "commitTimestamp")
    try:
        seconds, milliseconds = divmod(stamp, 1000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1000)
    except (OverflowError, OSError, ValueError):
        _refuse("salesforce.event-header", f"commitTimestamp {stamp} is no time")


def _parents(payload: Mapping[str, Any]) -> dict[str, str]:
    """Ids in reference fields. Which fields are references is known by their names and by the checksum of the ids."""
    return {
        name: value
        for name, value in payload.items()
        if (name.endswith(("Id", "__c")) and name not in _NOT_PARENTS and isinstance(value, str))
        and len(value) == 18
        and _ID.fullmatch(value)
        and full_id(value[:15]) == value
    }


def full_id(raw: str) -> str:
    """The 18-character form of an id; a given suffix is kept."""
    if len(raw) == 18:
        return raw
    chunks = (raw[at : at + 5] for at in (0, 5, 10))
    return raw + "".join(_SUFFIX[sum(1 << i for i, c in enumerate(chunk) if "A" <= c <= "Z")] for chunk in chunks)


def _text(header: Mapping[str, Any], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        _refuse("salesforce.event-header", f"{name} is missing from the header")
    return value


def _number(header: Mapping[str, Any], name: str) -> int:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse("salesforce.event-header", f"{name} in the header is no whole number")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(code: str, message: str) -> NoReturn:
    raise DataError(code, f"Salesforce sent {message}.", remedy="The bytes are kept in the dead letters.")
