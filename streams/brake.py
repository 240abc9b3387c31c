"""The brake of a mapping: creates, voids and money a day. Over it the mapping pauses and asks a person.

The counts are made anew from the links after a takeover (`born` says on which day a document began).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from connector.core.link import Act
from connector.core.link_state import Link
from connector.core.mapping.model import Limits
from connector.core.sending import Draft
from connector.core.values import from_canonical
from streams.connection import Connection
from streams.ready import Job


@dataclass(slots=True)
class Spent:
    """What one mapping did today."""

    creates: int = 0
    voids: int = 0
    money: Decimal = Decimal(0)

    def add(self, act: Act, money: Decimal) -> None:
        if act is Act.CREATE:
            self.creates += 1
            self.money += money
        elif act is Act.REMOVE:
            self.voids += 1

    def over(self, limits: Limits, act: Act, money: Decimal) -> str:
        """Which limit the next act would break, empty if none."""
        if act is Act.CREATE and limits.creates is not None and self.creates + 1 > limits.creates:
            return f"{limits.creates} creates a day"
        if act is Act.REMOVE and limits.voids is not None and self.voids + 1 > limits.voids:
            return f"{limits.voids} voids a day"
        if act is Act.CREATE and limits.money is not None and self.money + money > limits.money:
            return f"{limits.money} of money a day"
        return ""


@dataclass(slots=True)
class Brake:
    """Counts by mapping and UTC day. ``Connection.released`` names what a person let through for the day."""

    day: date | None = None
    spent: dict[str, Spent] = field(default_factory=dict)
    braked: dict[str, str] = field(default_factory=dict)

    def allows(self, connection: Connection, job: Job) -> bool:
        """Whether this job may go now. A paused mapping writes nothing."""
        self._turn_day(connection)
        name = job.link.id.mapping
        if connection.stopped(name):
            return job.todo.act is Act.LOOK and connection.looks_only(name)
        if job.todo.act not in (Act.CREATE, Act.REMOVE) or name in connection.released:
            self.braked.pop(name, None)
            return True
        limits = connection.applied[name].mapping.limits
        broken = self._of(name).over(limits, job.todo.act, amount(job.link))
        if broken:
            self.braked[name] = broken
        return not broken

    def within(self, connection: Connection, jobs: Sequence[Job]) -> list[Job]:
        """As many of the jobs of one mapping, from the first on, as its limits allow together."""
        name = jobs[0].link.id.mapping
        if name in connection.released or jobs[0].todo.act not in (Act.CREATE, Act.REMOVE):
            return list(jobs)
        limits, spent = connection.applied[name].mapping.limits, replace(self._of(name))
        for number, job in enumerate(jobs):
            broken = spent.over(limits, job.todo.act, amount(job.link))
            if broken:
                self.braked[name] = broken
                return list(jobs[:number])
            spent.add(job.todo.act, amount(job.link))
        return list(jobs)

    def count(self, connection: Connection, piece: Draft) -> None:
        self._turn_day(connection)
        self._of(piece.link.id.mapping).add(piece.todo.act, amount(piece.link))

    def recount(self, connection: Connection, links: Iterable[Link]) -> None:
        """After a takeover: what was begun today."""
        self._turn_day(connection)
        for link in links:
            if link.born is not None and link.born.date() == self.day:
                self._of(link.id.mapping).add(Act.CREATE, amount(link))

    def _of(self, mapping: str) -> Spent:
        return self.spent.setdefault(mapping, Spent())

    def _turn_day(self, connection: Connection) -> None:
        today = connection.clock().date()
        if today != self.day:
            self.day = today
            self.spent.clear()
            self.braked.clear()
            connection.released.clear()


def amount(link: Link) -> Decimal:
    """The money that a document moves, 0 where it has none."""
    value = from_canonical(link.money) if link.money else None
    return abs(value) if isinstance(value, Decimal) else Decimal(0)
