"""What moved in an org, asked instead of heard: getUpdated, getDeleted, and queries by time stamp.

Source: REST API Developer Guide, "Get Updated" and "Get Deleted": seconds are ignored, updates reach back 30 days and
deletions 15, and ``latestDateCovered`` is where to go on. A query by SystemModstamp reaches back for ever, but long
transactions commit with stamps that are older than their commit: it needs an overlap.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.errors import ConfigurationError, TryAgain, Unavailable
from connector.salesforce.rest import SalesforceParty
from connector.salesforce.soql import changed_between

UPDATED_REACH = timedelta(days=29)
DELETED_REACH = timedelta(days=14)
STEP = timedelta(minutes=2)  # the shortest span that may be asked: minutes count, and end must be after start
BEHIND_SECONDS = 60
MAX_STEPS = 100


@dataclass(frozen=True, slots=True)
class Span:
    """The ids of one answer. ``covered`` is the time up to which it speaks; ``whole`` is False when deletions before
    the asked start may have been purged."""

    ids: tuple[str, ...]
    covered: datetime
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Moved:
    """One row of a query by time: its id, its stamp, and its parent's id where one was asked for."""

    id: str
    at: datetime
    parent: str | None = None


class Replication:
    """Asks one org. All raise TryAgain, Unavailable, AuthError, ConfigurationError as ``SalesforceParty.get`` does."""

    def __init__(self, party: SalesforceParty) -> None:
        self._party = party

    async def updated(self, entity: str, start: datetime, end: datetime) -> Span:
        """Ids created or changed in the span, which begins at most 30 days ago.

        Raises TryAgain when the org's replication is not yet as far as ``end``.
        """
        return await self._walk(entity, "updated", start, end)

    async def deleted(self, entity: str, start: datetime, end: datetime) -> Span:
        """Ids deleted in the span; it begins at most 15 days ago."""
        return await self._walk(entity, "deleted", start, end)

    async def _walk(self, entity: str, resource: str, start: datetime, end: datetime) -> Span:
        at, last = start.astimezone(UTC).replace(second=0, microsecond=0), _minute(end)
        ids: dict[str, None] = {}
        whole = True
        for _ in range(MAX_STEPS):
            if at >= last:
                return Span(tuple(ids), at, whole)
            raw = await self._ask(entity, resource, min(at, last - STEP), last)
            ids |= dict.fromkeys(_ids(raw, resource))
            earliest = _time(raw.get("earliestDateAvailable")) if resource == "deleted" else None
            whole = whole and not (earliest is not None and earliest > at)
            covered = _time(raw.get("latestDateCovered")) or last
            if covered <= at:
                raise _behind(entity, covered)
            at = _minute(covered)
        raise _behind(entity, at)

    async def _ask(self, entity: str, resource: str, start: datetime, end: datetime) -> dict[str, Any]:
        query = (("start", start.isoformat()), ("end", end.isoformat()))
        answer = await self._party.get(self._party.path(f"sobjects/{entity}/{resource}"), query)
        try:
            raw = json.loads(answer.body)
        except (ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            raise Unavailable("salesforce.answer", f"Salesforce's {resource} of {entity} cannot be read.")
        return raw

    async def moved(
        self, entity: str, stamp: str, start: datetime, end: datetime | None, parent: str = ""
    ) -> AsyncIterator[tuple[Moved, ...]]:
        """Ids by their ``stamp`` field (SystemModstamp, LastModifiedDate), oldest first, page by page."""
        async for rows in self._party.pages("query", changed_between(entity, stamp, start, end, parent)):
            yield tuple(_moved(row, stamp, parent, entity) for row in rows)

    async def ids(self, entity: str) -> tuple[str, ...]:
        """Every live id of an object, from one complete list."""
        found = [row.get("Id") async for rows in self._party.pages("query", changed_between(entity)) for row in rows]
        return tuple(one for one in found if isinstance(one, str))

    async def deliveries(self) -> tuple[int, int] | None:
        """Events that may still be delivered in these 24 hours, and the allocation; None where the org says neither.
        What the same answer says of API calls the party is told."""
        answer = await self._party.get(self._party.path("limits"))
        calls = _limit(answer.body, "DailyApiRequests")
        if calls is not None:
            self._party.limits(*calls)
        return _limit(answer.body, "DailyDeliveredPlatformEvents")


def _limit(body: bytes, name: str) -> tuple[int, int] | None:
    """(what is left, of how many) of one limit."""
    try:
        raw = json.loads(body)[name]
        return int(raw["Remaining"]), int(raw["Max"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _behind(entity: str, covered: datetime) -> TryAgain:
    message = f"Salesforce's replication of {entity} is only at {covered.isoformat()}."
    return TryAgain("salesforce.replication-behind", message, retry_after=BEHIND_SECONDS)


def _ids(raw: dict[str, Any], resource: str) -> list[str]:
    found = raw.get("ids") if resource == "updated" else raw.get("deletedRecords")
    if not isinstance(found, list):
        raise Unavailable("salesforce.answer", f"Salesforce's {resource} holds no list.")
    ids = found if resource == "updated" else [one.get("id") for one in found if isinstance(one, dict)]
    return [one for one in ids if isinstance(one, str)]


def _time(raw: object) -> datetime | None:
    if not isinstance(raw, str):
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def _moved(row: dict[str, Any], stamp: str, parent: str, entity: str) -> Moved:
    at, above = _time(row.get(stamp)), row.get(parent) if parent else None
    if not isinstance(row.get("Id"), str) or at is None:
        raise ConfigurationError("salesforce.field-missing", f"The integration user does not see {entity}.{stamp}.")
    return Moved(row["Id"], at, above if isinstance(above, str) else None)
