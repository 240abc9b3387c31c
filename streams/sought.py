"""Objects that mappings name by a natural key are looked up here, just before they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from connector.core.link import Act
from connector.core.records import ReadPlan, Side
from connector.core.sought import questions, told
from connector.core.values import Question, canonical
from connector.errors import DataError
from streams.connection import Connection
from streams.ready import Job

KEPT = timedelta(seconds=60)  # an answer is believed this long: a price book is edited now and then
MOST = 1_000  # answers that are kept


@dataclass(slots=True)
class Seeker:
    """Answers of one write loop, by connection and question."""

    known: dict[tuple[str, str], tuple[datetime, str]] = field(default_factory=dict)

    async def fill(self, connection: Connection, jobs: Sequence[Job]) -> list[tuple[Job, DataError | None]]:
        """The jobs with ids in the place of questions, or why there is none. One query for each object that is asked
        for. Raises as ``Party.find``."""
        asked = [self._asked(connection, job) for job in jobs]
        answers = await self._answers(connection, [one for each in asked for one in each.values()])
        return [_filled(job, each, answers) for job, each in zip(jobs, asked, strict=True)]

    def _asked(self, connection: Connection, job: Job) -> dict[str, Question]:
        if job.todo.side is not Side.SALESFORCE or job.todo.act not in (Act.CREATE, Act.UPDATE):
            return {}
        return dict(questions(connection.rule(job.link), job.todo.changed))

    async def _answers(self, connection: Connection, asked: Sequence[Question]) -> dict[str, str | DataError]:
        now, out = connection.clock(), dict[str, str | DataError]()
        unknown: dict[str, dict[str, Question]] = {}
        for one in asked:
            text = canonical(list(one))
            until, found = self.known.get((connection.name, text), (now, ""))
            if now < until:
                out[text] = found
            else:
                unknown.setdefault(one[0], {})[text] = one
        for entity, each in unknown.items():
            names = tuple(dict.fromkeys(name for _, criteria in each.values() for name in criteria))
            party, number = connection.party(Side.SALESFORCE, ""), connection.numbers.next()
            wanted = [criteria for _, criteria in each.values()]
            hits = await party.find_each(ReadPlan(entity, names), wanted, number)
            for (text, one), rows in zip(each.items(), hits, strict=True):
                out[text] = self._answer(connection, text, one, [row.id for row in rows])
        return out

    def _answer(self, connection: Connection, text: str, asked: Question, ids: Sequence[str]) -> str | DataError:
        if len(ids) == 1:
            if len(self.known) >= MOST:
                self.known.clear()
            self.known[connection.name, text] = (connection.clock() + KEPT, ids[0])
            return ids[0]
        if not ids:
            return DataError("mapping.find-none", f"there is no {told(*asked)}", remedy="Make it there, then retry.")
        return DataError("mapping.find-several", f"there is more than one {told(*asked)}",
                         remedy="Say more in find(): a price book, a currency; or take one out there.")  # fmt: skip


def _filled(job: Job, asked: dict[str, Question], answers: dict[str, str | DataError]) -> tuple[Job, DataError | None]:
    ids: dict[str, str] = {}
    for path, one in asked.items():
        found = answers[canonical(list(one))]
        if isinstance(found, DataError):
            return job, found
        ids[path] = canonical(found)
    todo = replace(job.todo, changed={**job.todo.changed, **ids}) if ids else job.todo
    return replace(job, todo=todo), None
