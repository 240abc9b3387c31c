"""Comparing what we hold with what the org lists: hard deletes and merges, of which no event tells.

Source: Change Data Capture Developer Guide: nothing is sent when the recycle bin is emptied. What a list does not show
is only a suspicion; ``core.absence`` has the rule by which it becomes a deletion.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.core.absence import Suspects, gone, listed
from connector.core.link_state import Life, Link
from connector.core.party import ReadResult
from connector.core.records import ReadPlan, Record, Side
from connector.errors import EngineStop, TryAgain, TwinledgerError
from connector.salesforce.replication import Replication
from connector.salesforce.rest import SalesforceParty
from streams.connection import Connection

AGAIN = timedelta(minutes=1)  # between two lists, when the first one lacks something
BETWEEN = timedelta(seconds=30)  # between two looks by id
LOOK_SECONDS = 1.0
LOOKED = 200
YIELD_EVERY = 200  # links: a partition may hold a million
Emit = Callable[[Connection, Record], Awaitable[None]]
Say = Callable[[Connection, str, str, str, dict[str, str]], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


async def held(
    connection: Connection, links: Callable[[int], Iterable[Link]], side: Side, entity: str, tenant: str = ""
) -> frozenset[str]:
    """Ids of the records of an object that a link of ours holds and does not know to be gone.

    Of one ``tenant``, if it is named. Other work goes on between; raises TryAgain where the partition is lost then.
    """
    out = set[str]()
    for number, link in enumerate(links(connection.partition)):
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)
            if not connection.caught_up:
                raise TryAgain("lease.in-doubt", f"Connection {connection.name} is not ours now.", retry_after=1)
        applied = connection.applied.get(link.id.mapping)
        if link.id.connection != connection.name or applied is None or link.life is Life.ENDED:
            continue
        end = link.salesforce if side is Side.SALESFORCE else link.xero
        if tenant not in ("", link.id.tenant) or end.left == "deleted":
            continue
        if connection.rule(link).end(side).entity == entity:
            out.add(end.id or (link.id.source if link.id.side is side else ""))
    return frozenset(out - {""})


@dataclass(slots=True)
class CompareLoop:
    """Compares each mapped object every ``hours``, and those that are asked for at once."""

    connection: Connection
    party: SalesforceParty
    replication: Replication
    links: Callable[[int], Iterable[Link]]
    emit: Emit
    say: Say
    notice: Notice
    hours: float
    suspects: dict[str, Suspects] = field(default_factory=dict)
    _next: dict[str, datetime] = field(default_factory=dict)

    def want(self, entity: str) -> None:
        """Compare this object as soon as may be."""
        self._next[entity] = self.connection.clock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            now = self.connection.clock()
            for entity in self.connection.entities(Side.SALESFORCE):
                if self._next.setdefault(entity, now + timedelta(hours=self.hours)) > now:
                    continue
                self._next[entity] = now + timedelta(hours=self.hours)
                try:
                    if await self.compare(entity):
                        self._next[entity] = now + AGAIN
                except EngineStop:
                    raise
                except TwinledgerError as error:
                    await self.notice(self.connection, "compare.failed", error)
                    rest = timedelta(seconds=error.retry_after if isinstance(error, TryAgain) else 0)
                    self._next[entity] = now + max(AGAIN, rest)
            await asyncio.sleep(LOOK_SECONDS)

    async def compare(self, entity: str) -> bool:
        """One list against what our links hold; True when another list should follow soon. Raises as the API does."""
        ours = await held(self.connection, self.links, Side.SALESFORCE, entity)
        there = await self.replication.ids(entity)
        before = self.suspects.get(entity, Suspects())
        found = listed(before, ours, there)
        self.suspects[entity] = found.next
        if found.ask:
            lost = await self._looked(entity, sorted(found.ask), there)
            kept = found.next.ids - lost
            self.suspects[entity] = Suspects(kept, found.next.former, found.next.lists if kept else 0)
            counts = {"listed": str(len(there)), "gone": str(len(lost)), "missing": str(len(kept))}
            message = f"{entity}: {len(lost)} records are gone without a word, {len(kept)} are missing."
            await self.say(self.connection, "compare.done", entity, message, counts)
            return False
        if not before.lists and not found.next.ids and found.missing:
            message = f"{entity}: a list of {len(there)} where {before.former} were is too short to be believed."
            await self.say(self.connection, "compare.short", entity, message, {"listed": str(len(there))})
        return bool(found.next.ids) and found.next.lists == 1

    async def _looked(self, entity: str, ids: list[str], there: Iterable[str]) -> frozenset[str]:
        """Look twice for each by id, another id beside them; what is gone becomes a deleted record."""
        another = next((one for one in there if one not in set(ids)), "")
        lost: set[str] = set()
        for at in range(0, len(ids), LOOKED - 1):
            part = ids[at : at + LOOKED - 1]
            first = await self._look(entity, [*part, another])
            await self._wait(BETWEEN)
            second = await self._look(entity, [*part, another])
            answered = [{record.id for record in each.records} for each in (first, second)]
            lost |= gone(part, *answered, another=all(another in each for each in answered))
            for record in (*first.records, *second.records):  # told by the recycle bin, or there after all
                if record.id != another and record.deleted:
                    await self.emit(self.connection, record)
        connection = self.connection
        for one in sorted(lost):
            version, now = connection.numbers.next(), connection.clock()
            record = Record(Side.SALESFORCE, connection.org, entity, one, version, now, None, deleted=True)
            await self.emit(connection, record)
        return frozenset(lost)

    async def _wait(self, span: timedelta) -> None:
        """By the connection's clock."""
        until = self.connection.clock() + span
        while self.connection.clock() < until:  # noqa: ASYNC110  a clock has no event
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, entity: str, ids: list[str]) -> ReadResult:
        plan: ReadPlan = self.connection.read_plan(Side.SALESFORCE, entity)
        return await self.party.read(plan, [one for one in ids if one], self.connection.numbers.next())
