"""What vanished from Xero's lists without a word: compared with what they held before, and with our links.

What a list does not show is only a suspicion; ``core.absence`` has the rule by which it becomes a deletion. What is
believed gone goes out as a deleted record; what is missing is told, and nothing is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.core.absence import Suspects, gone, listed
from connector.core.link_state import Link
from connector.core.records import Record, Side
from connector.errors import EngineStop, TwinledgerError
from connector.kafka.positions import Position, PositionKind
from connector.xero.pace import WHOLE
from connector.xero.rest import XeroParty
from connector.xero.whole import BY_ID, COMPARED, LOOKED, Seen, Whole
from streams.capture import Notice, Store
from streams.compare import AGAIN, BETWEEN, Emit, Say, held
from streams.connection import Connection
from streams.lists import LEFT_TO_WRITES, LOOK_SECONDS, Sleep

REST = timedelta(minutes=10)  # after a comparison that failed


@dataclass(slots=True)
class VanishedLoop:
    """Compares each list of one organisation every ``hours``. ``positions`` are the tenant's."""

    connection: Connection
    tenant: str
    party: XeroParty
    links: Callable[[int], Iterable[Link]]
    emit: Emit
    say: Say
    notice: Notice
    store: Store
    positions: dict[str, Position]
    entities: Callable[[], tuple[str, ...]]
    hours: float
    sleep: Sleep = asyncio.sleep

    async def run(self) -> None:
        """Until cancelled."""
        due: dict[str, datetime] = {}
        while True:
            for name in self.entities():
                if name in COMPARED and due.setdefault(name, self._first(name)) <= self.connection.clock():
                    due[name] = self.connection.clock() + await self._tried(name)
            await self.sleep(LOOK_SECONDS)

    def _first(self, name: str) -> datetime:
        """A restart compares no sooner than was due; a list that was never seen is read at once."""
        before = self.positions.get(WHOLE + name)
        return self.connection.clock() if before is None else before.at + timedelta(hours=self.hours)

    async def _tried(self, name: str) -> timedelta:
        """How long until the next comparison."""
        try:
            return AGAIN if await self.compare(name) else timedelta(hours=self.hours)
        except EngineStop:
            raise
        except TwinledgerError as error:
            await self.notice(self.connection, "compare.failed", error)
            return REST

    async def compare(self, name: str) -> bool:
        """One list against what it held before and what links hold; True when another list should follow soon.

        Raises as the API does.
        """
        before, whole = self._seen(name), Whole(self.party)
        ours = before.ids | await held(self.connection, self.links, Side.XERO, name, self.tenant)
        await self._turn()
        there = await whole.ids(name)
        found = listed(before.suspects, ours, there)
        lost: frozenset[str] = frozenset()
        if found.ask and name in BY_ID:
            lost = await self._looked(whole, name, sorted(found.ask)[:LOOKED], there)
        kept = found.next.ids - lost
        await self._tell(
            name, before.suspects, len(there), lost, kept, short=bool(found.missing and not found.next.ids)
        )
        suspects = Suspects(kept, found.next.former, found.next.lists if kept else 0)
        await self._keep(name, Seen((ours | there) - lost, suspects))
        return bool(kept) and found.next.lists == 1

    async def _looked(self, whole: Whole, name: str, ids: list[str], there: frozenset[str]) -> frozenset[str]:
        """Look twice for each by id, another id beside them; what is gone becomes a deleted record."""
        another = min(there - frozenset(ids), default="")
        asked = [*ids, another] if another else ids
        looks = []
        for last in (False, True):
            await self._turn()
            looks.append(await whole.answered(name, asked))
            if not last:
                await self._wait(BETWEEN)
        lost = gone(ids, *looks, another=bool(another) and all(another in look for look in looks))
        connection = self.connection
        for one in sorted(lost):
            version, now = connection.numbers.next(), connection.clock()
            await self.emit(connection, Record(Side.XERO, self.tenant, name, one, version, now, None, deleted=True))
        return lost

    async def _tell(
        self, name: str, before: Suspects, size: int, lost: frozenset[str], kept: frozenset[str], *, short: bool
    ) -> None:
        if short:
            message = f"{name}: a list of {size} where {before.former} were is too short to be believed."
            await self.say(self.connection, "compare.short", name, message, {"listed": str(size)})
        elif lost or (kept and before.lists):
            counts = {"listed": str(size), "gone": str(len(lost)), "missing": str(len(kept))}
            message = f"{name}: {len(lost)} records are gone without a word, {len(kept)} are missing."
            await self.say(self.connection, "compare.done", name, message, counts)

    async def _turn(self) -> None:
        """Writes come first."""
        while self.party.pause(now_ms=round(self.connection.clock().timestamp() * 1000), spare=LEFT_TO_WRITES) > 0:
            await self.sleep(LOOK_SECONDS)

    async def _wait(self, span: timedelta) -> None:
        """By the connection's clock."""
        until = self.connection.clock() + span
        while self.connection.clock() < until:
            await self.sleep(LOOK_SECONDS)

    def _seen(self, name: str) -> Seen:
        kept = self.positions.get(WHOLE + name)
        return Seen() if kept is None else Seen.from_text(kept.value)

    async def _keep(self, name: str, seen: Seen) -> None:
        connection = self.connection
        position = Position(
            connection.name, self.tenant, WHOLE + name, PositionKind.CURSOR, seen.to_text(),
            connection.numbers.epoch, connection.clock(),
        )  # fmt: skip
        self.positions[position.source] = position
        await self.store(position)
