"""What the write loop of one connection may take next. In memory only: a scan of the links makes it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from connector.core.below import PARENTS
from connector.core.link import Act, Outputs, Todo
from connector.core.link_state import Life, Link
from connector.core.records import Side

#  Parents before children: a document names its contact, a payment its invoice.
ORDER = ("Contact", "Account", "Item", "Invoice", "Xero_Invoice__c", "Payment")
ACTS = (Act.PROBE, Act.REMOVE, Act.LOOK, Act.CREATE, Act.APPROVE, Act.UPDATE)
IN_PROGRESS = 1 << 62


class Bell:
    """Wakes several loops: each has an ear of its own, so that none hears for another."""

    def __init__(self) -> None:
        self._ears: list[asyncio.Event] = []

    def listen(self) -> asyncio.Event:
        """An event that is set at each ring; its owner clears it."""
        ear = asyncio.Event()
        self._ears.append(ear)
        return ear

    def ring(self) -> None:
        for ear in self._ears:
            ear.set()


@dataclass(frozen=True, slots=True)
class Job:
    """A link that needs a write, a look-up or a probe."""

    link: Link
    todo: Todo


class Ready:
    """Links with something to do, by link key; those under way are not given out twice."""

    def __init__(self) -> None:
        self._jobs: dict[bytes, Job] = {}
        self._due: dict[bytes, datetime] = {}
        self._busy: dict[bytes, int] = {}
        self._folded: dict[bytes, int] = {}
        self._births: dict[str, set[bytes]] = {}  # announced, by mapping, as their links say
        self._creates: dict[str, set[bytes]] = {}  # taken to be made
        self._looks: dict[str, set[bytes]] = {}
        self.bell = Bell()

    def absorb(self, link: Link, outputs: Outputs, offset: int) -> None:
        """Take in a link as it was just folded. The fold of our own last report frees it."""
        key = link.id.key
        if key in self._busy:
            self._folded[key] = offset
            if offset >= self._busy[key]:
                self.release([key])
        if outputs.todo is not None:
            self._jobs[key] = Job(link, outputs.todo)
        else:
            self._jobs.pop(key, None)
        if outputs.due is not None:
            self._due[key] = outputs.due
        else:
            self._due.pop(key, None)
        self._note_birth(link)
        self.bell.ring()

    def _note_birth(self, link: Link) -> None:
        open_births = self._births.setdefault(link.id.mapping, set())
        if link.life is Life.NEW and link.attempt is not None:
            open_births.add(link.id.key)
        else:
            open_births.discard(link.id.key)

    def jobs(self, side: Side, tenant: str = "") -> Iterator[Job]:
        """What may be done on one side now (in Xero: in one tenant), parents first. A look-up waits for the births
        that are under way."""
        free = [
            job
            for key, job in self._jobs.items()
            if key not in self._busy
            and job.todo.side is side
            and (side is Side.SALESFORCE or not tenant or job.link.id.tenant == tenant)
        ]
        for job in sorted(free, key=_rank):
            mapping = job.link.id.mapping
            if job.todo.act is Act.LOOK and (self._births.get(mapping) or self._creates.get(mapping)):
                continue
            if job.todo.act is Act.CREATE and self._looks.get(mapping):
                continue
            yield job

    def waits_for(self, mapping: str, act: Act) -> bool:
        """Whether any link of a mapping still needs this act."""
        return any(job.link.id.mapping == mapping and job.todo.act is act for job in self._jobs.values())

    def waits_on(self, side: Side) -> bool:
        """Whether anything is left to do on one side."""
        return any(job.todo.side is side for job in self._jobs.values())

    def links_of(self, mappings: Collection[str]) -> Iterator[Link]:
        """The links of these mappings that have something to do."""
        return (job.link for job in self._jobs.values() if job.link.id.mapping in mappings)

    def hold(self, keys: Iterable[bytes]) -> None:
        """These are being worked on."""
        for key in keys:
            self._busy[key] = IN_PROGRESS
            job = self._jobs.get(key)
            if job is not None and job.todo.act is Act.CREATE:
                self._creates.setdefault(job.link.id.mapping, set()).add(key)
            elif job is not None and job.todo.act is Act.LOOK:
                self._looks.setdefault(job.link.id.mapping, set()).add(key)

    def reported(self, offsets: Mapping[bytes, int]) -> None:
        """Our report on these stands at this offset: free once it is folded, which may have been before we knew."""
        for key, offset in offsets.items():
            self._busy[key] = offset
            if self._folded.get(key, -1) >= offset:
                self.release([key])

    def release(self, keys: Iterable[bytes]) -> None:
        """Nothing was reported on these: they may be taken again."""
        for key in keys:
            self._busy.pop(key, None)
            self._folded.pop(key, None)
            for taken in (*self._looks.values(), *self._creates.values()):
                taken.discard(key)
        self.bell.ring()

    def overdue(self, now: datetime) -> tuple[bytes, ...]:
        """Links that time moves, each given once."""
        late = tuple(key for key, at in self._due.items() if at <= now and key not in self._busy)
        for key in late:
            if key not in self._jobs:
                del self._due[key]
        return late

    def next_due(self) -> datetime | None:
        return min(self._due.values(), default=None)

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def under_way(self) -> bool:
        """Whether something is being done that has not been reported."""
        return IN_PROGRESS in self._busy.values()

    @property
    def busy(self) -> int:
        return len(self._busy)


def _rank(job: Job) -> tuple[int, int, str, str]:
    """Jobs that one call can carry stand side by side."""
    entity = job.link.entity
    place = ORDER.index(entity) if entity in ORDER else len(ORDER)
    if entity in PARENTS:  # made after what it stands below, taken away before
        place = -1 if job.todo.act is Act.REMOVE else len(ORDER) + 1
    return place, ACTS.index(job.todo.act), job.link.id.mapping, job.link.id.document
