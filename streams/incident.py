"""Incidents: a hole in what the stream told us, kept until it has been read and closed with a count.

An incident is a position like any other, so a crash forgets none. While it is open the stream goes on; the hole is
read by getUpdated and getDeleted, or by SystemModstamp where those do not reach.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connector.core.records import Side
from connector.errors import ConfigurationError, DataError, EngineStop, TryAgain, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from connector.salesforce.describe import SalesforceCatalog
from connector.salesforce.replication import DELETED_REACH, UPDATED_REACH, Replication
from streams.connection import Connection
from streams.followed import DELETED, Followed, ask
from streams.hops import HINTS, Outbox
from streams.hydrate import Reads
from streams.tables import Read

SOURCE = "incident "
OVERLAP = timedelta(minutes=10)  # the longest transaction: what it commits bears an earlier stamp
MINUTE, SETTLED = timedelta(minutes=1), timedelta(seconds=5)
MANY = 1000  # five queries by id; one walk reads twice as many in one
RETRY_SECONDS, BARRED_SECONDS = 10.0, 60.0
LOOK_SECONDS = 0.2
Store = Callable[[Position], Awaitable[None]]
Say = Callable[[Connection, str, str, str, dict[str, str]], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Incident:
    """One hole. ``todo`` are the objects still to be read; None until it is known which ones are followed."""

    id: str
    reason: str
    since: datetime
    opened: datetime
    todo: tuple[str, ...] | None = None
    asked: int = 0
    deleted: int = 0
    closed: datetime | None = None

    def to_text(self) -> str:
        return json.dumps(
            {
                "reason": self.reason, "since": self.since.isoformat(), "opened": self.opened.isoformat(),
                "todo": self.todo, "asked": self.asked, "deleted": self.deleted,
                "closed": self.closed.isoformat() if self.closed else None,
            }
        )  # fmt: skip

    @classmethod
    def from_text(cls, name: str, text: str) -> Incident:
        """Raises DataError (``salesforce.position``)."""
        try:
            raw = json.loads(text)
            return cls(
                name, str(raw["reason"]), datetime.fromisoformat(raw["since"]), datetime.fromisoformat(raw["opened"]),
                None if raw["todo"] is None else tuple(map(str, raw["todo"])), int(raw["asked"]), int(raw["deleted"]),
                datetime.fromisoformat(raw["closed"]) if raw["closed"] else None,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("salesforce.position", f"The stored incident {name} cannot be read.") from error


@dataclass(slots=True)
class Incidents:
    """The open incidents of one connection."""

    connection: Connection
    store: Store
    say: Say
    open: dict[str, Incident] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def load(self, positions: Iterable[Position]) -> None:
        """Those that an earlier life left open."""
        for position in positions:
            if position.source.startswith(SOURCE):
                found = Incident.from_text(position.source.removeprefix(SOURCE), position.value)
                if found.closed is None:
                    self.open[found.id] = found
        self.news.set()

    async def begin(self, reason: str, subject: str, since: datetime | None, entities: tuple[str, ...] | None) -> None:
        """Record a hole. The same subject in trouble again widens its open incident."""
        now = self.connection.clock()
        since = since if since is not None else now - UPDATED_REACH
        before = self.open.get(subject)
        if before is not None:
            since = min(since, before.since)
            entities = None if None in (entities, before.todo) else tuple({*(before.todo or ()), *(entities or ())})
        await self.keep(Incident(subject, reason, since, now, entities))
        message = f"{reason}: what {subject} did not tell since {since.isoformat(timespec='seconds')} is read again."
        await self.say(self.connection, "incident.opened", subject, message, {"since": since.isoformat()})
        self.news.set()

    async def keep(self, incident: Incident) -> None:
        """Store it, then know it."""
        connection = self.connection
        await self.store(
            Position(
                connection.name, connection.org, SOURCE + incident.id, PositionKind.CURSOR, incident.to_text(),
                connection.numbers.epoch, connection.clock(),
            )
        )  # fmt: skip
        if incident.closed is None:
            self.open[incident.id] = incident
        else:
            self.open.pop(incident.id, None)


@dataclass(slots=True)
class RefillLoop:
    """Reads what the open incidents left out, one after the other, and closes them."""

    incidents: Incidents
    replication: Replication
    catalog: Callable[[], SalesforceCatalog]
    follows: Callable[[], Iterable[Followed]]
    outbox: Outbox
    reads: Reads
    reached: Callable[[str, int, int], Awaitable[bool]]
    compare: Callable[[str], None]
    notice: Notice
    walk: Callable[[str, datetime], Awaitable[int]]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.incidents.news.wait()
            self.incidents.news.clear()
            for name in list(self.incidents.open):
                try:
                    await self.refill(name)
                except EngineStop:
                    raise
                except TwinledgerError as error:
                    await self.notice(self.incidents.connection, "incident.waits", error)
                    await self._rest(error)

    async def _rest(self, error: TwinledgerError) -> None:
        """Until it may go better, or another incident begins. Each try is a call of the org's day."""
        seconds = BARRED_SECONDS if isinstance(error, ConfigurationError) else RETRY_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(error.retry_after if isinstance(error, TryAgain) else seconds):
                await self.incidents.news.wait()
        self.incidents.news.set()

    async def refill(self, name: str) -> None:
        """Read the hole of one incident and close it; what is done stays done. Raises as the API does.

        An object that the user cannot see keeps the incident open, and its others from nothing.
        """
        connection = self.incidents.connection
        known = {one.entity: one for one in self.follows()}
        barred: dict[str, ConfigurationError] = {}
        last = -1
        while todo := [each for each in self._todo(name, known) if each not in barred]:
            incident, entity = self.incidents.open[name], todo[0]
            try:
                asked, deleted, offset = await self._object(known[entity], incident) if entity in known else (0, 0, -1)
            except ConfigurationError as error:
                barred[entity] = error
                continue
            last = max(last, offset)
            if self.incidents.open[name] is incident:  # else it was widened meanwhile: begin again
                left = tuple(each for each in self._todo(name, known) if each != entity)
                done = replace(incident, asked=incident.asked + asked, deleted=incident.deleted + deleted, todo=left)
                await self.incidents.keep(done)
        if last >= 0:
            await self.reached(HINTS, connection.partition, last + 1)
        if barred:
            raise next(iter(barred.values()))
        await self._read()
        await self._close(self.incidents.open[name])

    def _todo(self, name: str, known: Mapping[str, Followed]) -> tuple[str, ...]:
        todo = self.incidents.open[name].todo
        return tuple(known) if todo is None else todo

    async def _object(self, one: Followed, incident: Incident) -> tuple[int, int, int]:
        """(asked, deleted, last offset) of one object."""
        connection, since = self.incidents.connection, incident.since - OVERLAP
        until = incident.opened.replace(second=0, microsecond=0) + MINUTE  # the org's lists count in minutes
        while connection.clock() < until + SETTLED:  # noqa: ASYNC110  a clock has no event
            await asyncio.sleep(LOOK_SECONDS)
        number, offset = await self._changed(one, since, until)
        if not self._replicated(one):
            return number, 0, offset  # files: nobody tells of their deletion, and what was made of them stays
        span = await self.replication.deleted(one.entity, max(since, until - DELETED_REACH), until)
        gone = dict.fromkeys(span.ids)
        offset = max(offset, await ask(connection, self.outbox, one, gone, DELETED))
        if one.mapped and (not span.whole or since < until - DELETED_REACH):
            self.compare(one.entity)
        return number, len(gone), offset

    async def _changed(self, one: Followed, since: datetime, until: datetime) -> tuple[int, int]:
        """(how many, last offset) of what was changed. Many records are read in the slow lane of snapshots: live
        changes would stand behind so many questions."""
        ids: dict[str, str | None] = {}
        if one.reference or not one.mapped or not self._replicated(one):
            async for page in self.replication.moved(one.entity, "SystemModstamp", since, None, one.reference):
                ids |= {row.id: row.parent for row in page}
        elif since < until - UPDATED_REACH:
            return await self.walk(one.entity, since), -1
        else:
            ids |= dict.fromkeys((await self.replication.updated(one.entity, since, until)).ids)
            if len(ids) > MANY:
                return await self.walk(one.entity, since), -1
        return len(ids), await ask(self.incidents.connection, self.outbox, one, ids, "incident")

    def _replicated(self, one: Followed) -> bool:
        shape = self.catalog().objects.get(one.entity)
        return shape is None or shape.replicated

    async def _read(self) -> None:
        """Wait until what was asked has been answered."""
        while any(map(_ours, self.reads.open.values())):  # noqa: ASYNC110  other questions come and go meanwhile
            await asyncio.sleep(LOOK_SECONDS)

    async def _close(self, incident: Incident) -> None:
        if self.incidents.open.get(incident.id) is not incident:
            self.incidents.news.set()
            return
        connection = self.incidents.connection
        await self.incidents.keep(replace(incident, closed=connection.clock()))
        message = f"{incident.reason}: {incident.asked} records were read again, {incident.deleted} were deleted."
        counts = {"asked": str(incident.asked), "deleted": str(incident.deleted), "since": incident.since.isoformat()}
        await self.incidents.say(connection, "incident.closed", incident.id, message, counts)


def _ours(read: Read) -> bool:
    return read.side is Side.SALESFORCE and not {"incident", DELETED}.isdisjoint(read.reasons)
