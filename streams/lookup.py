"""The reads that writing needs: look-ups before a birth, probes after a lost call, a fresh look before lines change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from connector.core.link import Act
from connector.core.link_events import Found, LinkEvent
from connector.core.link_state import Link
from connector.core.mapping import evaluate
from connector.core.mapping.life import group
from connector.core.mapping.model import Mapping as Rule
from connector.core.planning import BY_MARK, SAME, Gate, observe, texts
from connector.core.records import Record, Side
from connector.core.sending import Draft, draft, mark_of
from connector.core.values import Fields, from_canonical
from streams.connection import Connection
from streams.ready import Job

AT_ONCE = 5  # what Xero takes of one organisation together
Report = Callable[[Connection, bytes, LinkEvent], Awaitable[int]]
Claimed = Callable[[Connection, str, Side, str], bool]


@dataclass(slots=True)
class Lookup:
    """``report`` produces a link event, ``claimed`` says whether an object is an end of a link already."""

    report: Report
    claimed: Claimed

    async def run(self, connection: Connection, jobs: Sequence[Job]) -> bool:
        """Look for each job, a few at a time, and report what was found. Raises TryAgain, Unavailable, AuthError."""
        gate = asyncio.Semaphore(AT_ONCE)
        looks = await asyncio.gather(*(self._one(connection, job, gate) for job in jobs), return_exceptions=True)
        for wrong in looks:
            if wrong is not None:
                raise wrong
        return True

    async def _one(self, connection: Connection, job: Job, gate: asyncio.Semaphore) -> None:
        key, offset = job.link.id.key, None
        async with gate:
            connection.ready.hold([key])
            try:
                offset = await self.report(connection, key, await self._found(connection, job))
            finally:
                if offset is None:
                    connection.ready.release([key])
                else:
                    connection.ready.reported({key: offset})

    async def _found(self, connection: Connection, job: Job) -> Found:
        if job.todo.act is Act.PROBE:
            return await self._probe(connection, job)
        return await self._look(connection, job)

    # --- before a birth ------------------------------------------------------------------------------------------

    async def _look(self, connection: Connection, job: Job) -> Found:
        mapping = connection.applied[job.link.id.mapping].mapping
        for rule, text in sorted(job.link.find.items()):
            criteria = None if rule.endswith(SAME) else from_canonical(text)
            if not isinstance(criteria, dict):
                continue
            same = job.link.find.get(rule + SAME)
            records = [r for r in await self._find(connection, job, criteria) if _matches(mapping, rule, r, same)]
            free = [r for r in records if not self.claimed(connection, mapping.name, r.side, r.id)]
            if free:
                policy = _policy(mapping, rule)
                return self._hit(connection, job, mapping, free, policy)
        applied = connection.applied[mapping.name]
        before = applied.gate is Gate.SNAPSHOT and mapping.begin == "link"
        return Found(job.todo.side, (), connection.clock(), policy="end" if before else "stop")

    async def _find(self, connection: Connection, job: Job, criteria: Fields) -> tuple[Record, ...]:
        mapping = connection.applied[job.link.id.mapping].mapping
        plan = connection.read_plan(job.todo.side, mapping.end(job.todo.side).entity)
        return await connection.party(job.todo.side).find(plan, criteria, connection.numbers.next())

    def _hit(self, connection: Connection, job: Job, mapping: Rule, records: Sequence[Record], policy: str) -> Found:
        hits = tuple(record.id for record in records)
        if len(records) != 1 or policy != "link":
            return Found(job.todo.side, hits, connection.clock(), policy)
        return self._of(connection, mapping, job.link, records[0], policy=policy)

    # --- after a lost call ---------------------------------------------------------------------------------------

    async def _probe(self, connection: Connection, job: Job) -> Found:
        """By id where we know it, else by our mark. What carries our mark, or equals all that we sent, is ours."""
        mapping = connection.applied[job.link.id.mapping].mapping
        side = job.todo.side
        if job.todo.target:
            plan = connection.read_plan(side, mapping.end(side).entity)
            result = await connection.party(side).read(plan, [job.todo.target], connection.numbers.next())
            records = result.records
        else:
            mark = mark_of(job.link, mapping, side)
            records = await self._find(connection, job, {mark[0]: mark[1]}) if mark else ()
        if len(records) != 1:
            return Found(side, tuple(r.id for r in records), connection.clock(), call=job.todo.call)
        return self._of(connection, mapping, job.link, records[0], call=job.todo.call)

    def _of(
        self, connection: Connection, mapping: Rule, link: Link, record: Record, *, policy: str = "", call: str = ""
    ) -> Found:
        lines = _by_content(mapping, link, record) if not link.line_ids else dict(link.line_ids)
        flat, _ = texts(evaluate.observed(mapping, record, lines))
        return Found(
            record.side,
            (record.id,),
            connection.clock(),
            policy=policy,
            call=call,
            ours=bool(call) and _is_ours(mapping, link, record, flat),
            version=record.version,
            stamp=record.stamp,
            flat=flat,
            status=group(record.side, record.entity, record.fields).value,
            line_ids=lines,
        )

    # --- before an update ----------------------------------------------------------------------------------------

    async def fresh(self, connection: Connection, jobs: Sequence[Job]) -> list[Draft] | None:
        """Drafts for the jobs. A target with lines is read again first; where it moved, the link is told instead.

        Xero has no conditional update: what happens between this read and the send is detected afterwards.
        """
        updates = [job for job in jobs if job.todo.act is Act.UPDATE and any("/" in path for path in job.todo.changed)]
        if not updates:
            return [draft(job.link, job.todo, self._mapping(connection, job)) for job in jobs]
        seen = await self._read_again(connection, updates)
        moved = [job for job in updates if await self._tell(connection, job, seen.get(job.todo.target))]
        if moved:
            return None
        return [self._careful(connection, job, seen.get(job.todo.target)) for job in jobs]

    async def _read_again(self, connection: Connection, jobs: Sequence[Job]) -> dict[str, Record]:
        side = jobs[0].todo.side
        plan = connection.read_plan(side, self._mapping(connection, jobs[0]).end(side).entity)
        ids = [job.todo.target for job in jobs]
        result = await connection.party(side).read(plan, ids, connection.numbers.next())
        return {record.id: record for record in result.records}

    async def _tell(self, connection: Connection, job: Job, record: Record | None) -> bool:
        """Whether the target is not as the link knows it; then the link is told what was seen."""
        if record is None:
            return False
        event = observe(record, self._mapping(connection, job), job.link.line_ids)
        known = job.link.seen(job.todo.side)
        if all(known.get(path, text) == text for path, text in event.flat.items()) and event.status == job.link.status:
            return False
        key = job.link.id.key
        connection.ready.hold([key])
        connection.ready.reported({key: await self.report(connection, key, event)})
        return True

    def _careful(self, connection: Connection, job: Job, record: Record | None) -> Draft:
        mapping = self._mapping(connection, job)
        if record is None:
            return draft(job.link, job.todo, mapping)
        foreign = evaluate.foreign_lines(mapping, record, job.link.line_ids)
        return draft(job.link, job.todo, mapping, foreign, record.fields)

    def _mapping(self, connection: Connection, job: Job) -> Rule:
        return connection.applied[job.link.id.mapping].mapping


def _matches(mapping: Rule, rule: str, record: Record, identity: str | None) -> bool:
    """Whether a hit of a match rule is one: the APIs compare without case, the rule may not."""
    return identity is None or dict(evaluate.identities(mapping, record)).get(int(rule)) == identity


def _policy(mapping: Rule, rule: str) -> str:
    """What one hit means: our own mark is ours; a match rule or ``find`` as the mapping says."""
    if rule == BY_MARK:
        return "link"
    return mapping.matched.get(int(rule), "ask") if rule else mapping.found


def _is_ours(mapping: Rule, link: Link, record: Record, flat: dict[str, str]) -> bool:
    """Carries a mark that only we write, or shows everything that we sent."""
    mark = mark_of(link, mapping, record.side)
    if mark is not None and mark[0] in ("Url", "ContactNumber") and record.fields.get(mark[0]) == mark[1]:
        return True
    sent = link.attempt.sent if link.attempt is not None else {}
    return bool(sent) and all(flat.get(path) == text for path, text in sent.items())


def _by_content(mapping: Rule, link: Link, record: Record) -> dict[str, str]:
    """Line ids of a document that we may have made: by position, as Xero keeps the order of the request."""
    return dict(evaluate.line_ids(mapping, link.order, record.fields)) if mapping.lines else {}
