"""The reads that writing needs: look-ups before a birth, probes after a lost call, a fresh look before lines change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from connector.core.applied import BY_MARK, SAME
from connector.core.below import PARENTS, located
from connector.core.link import Act
from connector.core.link_events import Found, LinkEvent, Texts
from connector.core.link_state import Link
from connector.core.mapping import evaluate
from connector.core.mapping.life import group
from connector.core.mapping.model import Kind
from connector.core.mapping.model import Mapping as Rule
from connector.core.merge import EMPTY
from connector.core.planning import observe
from connector.core.records import Record, Side
from connector.core.sending import Draft, draft, mark_of
from connector.core.values import Fields, from_canonical, texts
from connector.errors import DataError
from streams.connection import Connection
from streams.ready import Job
from streams.sought import Seeker

#  By what people know an object, of either side, the first that is filled in.
CALLED = (
    "Name", "InvoiceNumber", "CreditNoteNumber", "PurchaseOrderNumber", "QuoteNumber", "Code", "Narration", "Reference",
)  # fmt: skip
SEEN_SECONDS = 10.0  # what was seen within them is not read again before it is changed
Report = Callable[[Connection, bytes, LinkEvent], Awaitable[int]]
Claimed = Callable[[Connection, str, Side, str], bool]


@dataclass(slots=True)
class Lookup:
    """``report`` produces a link event, ``claimed`` says whether an object is an end of a link already."""

    report: Report
    claimed: Claimed
    seeker: Seeker = field(default_factory=Seeker)

    async def run(self, connection: Connection, jobs: Sequence[Job]) -> bool:
        """Look for what all these jobs (of one mapping and act) need, in as few calls as can be, and report what was
        found. Raises TryAgain, Unavailable, AuthError, ConfigurationError."""
        left = {job.link.id.key: job for job in jobs}
        connection.ready.hold(left)

        async def tell(job: Job, found: Found) -> None:
            key = job.link.id.key
            offset = await self.report(connection, key, found)
            del left[key]
            connection.ready.reported({key: offset})

        try:
            probing = jobs[0].todo.act is Act.PROBE
            found = await (self._probe(connection, jobs) if probing else self._look(connection, jobs))
            await asyncio.gather(*(tell(job, one) for job, one in zip(jobs, found, strict=True)))
        finally:
            connection.ready.release(left)
        return True

    # --- before a birth ------------------------------------------------------------------------------------------

    async def _look(self, connection: Connection, jobs: Sequence[Job]) -> list[Found]:
        """Rule by rule, each for all that have found nothing yet: the first rule with a hit decides."""
        rules = [_rules(job) for job in jobs]
        found: dict[int, Found] = {}
        for turn in range(max(len(each) for each in rules)):
            open_ = [place for place, each in enumerate(rules) if place not in found and turn < len(each)]
            wanted = [self._located(connection, jobs[place], rules[place][turn][1]) for place in open_]
            hits = await self._find(connection, jobs[0], wanted)
            for place, records in zip(open_, hits, strict=True):
                hit = self._hit(connection, jobs[place], rules[place][turn][0], records)
                if hit is not None:
                    found[place] = hit
        return [found.get(place) or self._nothing(connection, job) for place, job in enumerate(jobs)]

    def _located(self, connection: Connection, job: Job, criteria: Fields) -> Fields:
        """What stands below an object is looked for there: its reference is known by now."""
        entity = self._mapping(connection, job).end(job.todo.side).entity
        if entity not in PARENTS or job.todo.side is Side.SALESFORCE:
            return criteria
        known = {path: from_canonical(text) for path, text in job.link.seen(job.link.id.side).items() if text}
        return {**criteria, **located(entity, known)}

    async def _find(self, connection: Connection, job: Job, wanted: Sequence[Fields]) -> Sequence[tuple[Record, ...]]:
        side = job.todo.side
        if not wanted:
            return ()
        plan = connection.read_plan(side, self._mapping(connection, job).end(side).entity)
        return await connection.party(side, job.link.id.tenant).find_each(plan, wanted, connection.numbers.next())

    def _hit(self, connection: Connection, job: Job, rule: str, records: Sequence[Record]) -> Found | None:
        """What one rule found of what nobody has; None for nothing."""
        mapping, same = self._mapping(connection, job), job.link.find.get(rule + SAME)
        free = [
            record
            for record in records
            if _matches(mapping, rule, record, same)
            and not self.claimed(connection, mapping.name, record.side, record.id)
        ]
        policy = _policy(mapping, rule)
        if policy == "link" and mapping.kind is Kind.TWO_WAY:
            free = self._meant(connection, job, free)
        if not free:
            return None
        if len(free) == 1 and policy == "link":
            return self._of(connection, mapping, job.link, free[0], policy=policy)
        hits = tuple(record.id for record in free)
        return Found(job.todo.side, hits, connection.clock(), policy, names=_names(free))

    def _meant(self, connection: Connection, job: Job, found: list[Record]) -> list[Record]:
        """Of several that one rule found, those that `when` takes: a product has an entry in each price book. What it
        does not take is taken all the same where a new one would be made beside it."""
        mapping, context = self._mapping(connection, job), connection.scene().context(job.link.id)
        taken = [one for one in found if isinstance(evaluate.end(mapping, one, context), dict)]
        made_instead = mapping.creates(job.todo.side)
        return taken if taken or not made_instead else found

    def _nothing(self, connection: Connection, job: Job) -> Found:
        link = job.link
        policy = link.unfound or connection.applied[link.id.mapping].unfound(link.end(link.id.side).stamp) or "stop"
        return Found(job.todo.side, (), connection.clock(), policy=policy)

    # --- after a lost call ---------------------------------------------------------------------------------------

    async def _probe(self, connection: Connection, jobs: Sequence[Job]) -> list[Found]:
        """By id where we know it, else by our mark. What carries our mark, or equals all that we sent, is ours."""
        targets = await self._read([job for job in jobs if job.todo.target], connection)
        unnamed = {place: self._marked(connection, job) for place, job in enumerate(jobs) if not job.todo.target}
        marks = {place: criteria for place, criteria in unnamed.items() if criteria}
        hits = await self._find(connection, jobs[0], list(marks.values()))
        marked = dict(zip(marks, [self._free(connection, jobs[0], found) for found in hits], strict=True))
        out: list[Found] = []
        for place, job in enumerate(jobs):
            known = targets.get(job.todo.target)
            out.append(self._probed(connection, job, (known,) if known else marked.get(place, ())))
        return out

    def _marked(self, connection: Connection, job: Job) -> Fields:
        """By what the target of a lost create is found; empty where nothing tells it."""
        mark = mark_of(job.link, self._mapping(connection, job), job.todo.side)
        return self._located(connection, job, {mark[0]: mark[1]} if mark is not None else {})

    def _free(self, connection: Connection, job: Job, found: tuple[Record, ...]) -> tuple[Record, ...]:
        """Below one object two links may want the same (an amount of a day): what another link has is not meant."""
        mapping = self._mapping(connection, job)
        if mapping.end(job.todo.side).entity not in PARENTS:
            return found
        return tuple(one for one in found if not self.claimed(connection, mapping.name, one.side, one.id))

    async def _read(self, jobs: Sequence[Job], connection: Connection) -> dict[str, Record]:
        """The targets of the jobs, by id, as they are now."""
        if not jobs:
            return {}
        side = jobs[0].todo.side
        plan = connection.read_plan(side, self._mapping(connection, jobs[0]).end(side).entity)
        ids = list(dict.fromkeys(job.todo.target for job in jobs))
        result = await connection.party(side, jobs[0].link.id.tenant).read(plan, ids, connection.numbers.next())
        return {record.id: record for record in result.records}

    def _probed(self, connection: Connection, job: Job, records: Sequence[Record]) -> Found:
        if len(records) == 1:
            mapping = self._mapping(connection, job)
            return self._of(connection, mapping, job.link, records[0], call=job.todo.call)
        hits = tuple(record.id for record in records)
        return Found(job.todo.side, hits, connection.clock(), call=job.todo.call, names=_names(records))

    def _of(
        self, connection: Connection, mapping: Rule, link: Link, record: Record, *, policy: str = "", call: str = ""
    ) -> Found:
        lines = link.lines or _by_content(mapping, link, record)
        flat, _ = texts({} if record.deleted else evaluate.observed(mapping, record, lines))
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
            status="gone" if record.deleted else group(record.side, record.entity, record.fields).value,
            line_ids=lines,
            names=_names([record]),
        )

    # --- before an update ----------------------------------------------------------------------------------------

    async def fresh(self, connection: Connection, jobs: Sequence[Job]) -> list[Draft] | None:
        """Drafts for the jobs. Targets that may have been edited are read again first, in one call; where one moved,
        its link is told instead.

        Xero has no conditional update: what happens between this read and the send is detected afterwards.
        """
        doubtful = [job for job in jobs if self._doubtful(connection, job)]
        if doubtful:
            connection.tally["calls", jobs[0].todo.side.value, "safety read"] += 1
        seen = await self._read(doubtful, connection)
        moved = [job for job in doubtful if await self._tell(connection, job, seen.get(job.todo.target))]
        if moved:
            return None
        filled = await self.seeker.fill(connection, jobs)
        return [self._careful(connection, job, seen.get(job.todo.target), why) for job, why in filled]

    def _doubtful(self, connection: Connection, job: Job) -> bool:
        """Lines are written as a whole, so those that are not ours must be known, and so must terms of payment. A
        field that belongs to whoever changed it last must not be written over an edit that no poll has shown yet."""
        if job.todo.act is not Act.UPDATE:
            return False
        if any("/" in path for path in job.todo.changed):
            return True
        if evaluate.sends_back(self._mapping(connection, job), job.todo.side, job.todo.changed):
            return True
        rules = connection.rules(job.link.id.mapping, job.link.mapping_version, job.link.id.part)
        shared = rules is not None and (
            rules.as_found or any(rules.owner(path) == "latest" for path in job.todo.changed)
        )
        return shared and not connection.numbers.lately(job.link.end(job.todo.side).version, SEEN_SECONDS)

    async def _tell(self, connection: Connection, job: Job, record: Record | None) -> bool:
        """Whether the target is not as the link knows it; then the link is told what was seen."""
        if record is None:
            return False
        event = observe(record, self._mapping(connection, job), job.link.lines)
        known = job.link.seen(job.todo.side)
        same = all(known.get(path, text) == text for path, text in event.flat.items())
        if self._mapping(connection, job).kind is Kind.TWO_WAY:
            same = same and not _unheard(event.flat, known, job.todo.changed)
        if record.side is Side.SALESFORCE:  # its rows are written one by one: one that is gone must not come back
            same = same and all(path in event.flat for path in known if "/" in path)
        if same and event.status == job.link.status:
            return False
        key = job.link.id.key
        connection.ready.hold([key])
        connection.ready.reported({key: await self.report(connection, key, event)})
        return True

    def _careful(self, connection: Connection, job: Job, record: Record | None, why: DataError | None) -> Draft:
        mapping = self._mapping(connection, job)
        if why is not None:
            return replace(draft(job.link, job.todo, mapping), unfit=why)
        if record is None:
            return draft(job.link, job.todo, mapping)
        keeps = mapping.foreign_lines == "keep"  # else they were decided on, or are to go
        foreign = evaluate.foreign_lines(mapping, record, job.link.lines) if keeps else ()
        return draft(job.link, job.todo, mapping, foreign, record.fields)

    def _mapping(self, connection: Connection, job: Job) -> Rule:
        return connection.rule(job.link)


def _unheard(flat: Texts, known: Texts, changed: Texts) -> bool:
    """Whether a field that is to be written holds something else, and was never heard of: the mapping has it newly."""
    fresh = {path: text for path, text in flat.items() if path in changed and path not in known}
    return any(text not in EMPTY and text != changed[path] for path, text in fresh.items())


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    """What people call them, of the fields that were read anyway; nothing where none has a name."""
    found = tuple(next((str(one.fields[key])[:80] for key in CALLED if one.fields.get(key)), "") for one in records)
    return found if any(found) else ()


def _rules(job: Job) -> list[tuple[str, Fields]]:
    """The rules of a look-up with their criteria, in the order in which they are tried: what carries our own mark is
    no stranger, whatever `found` says of one."""
    ordered = sorted(job.link.find.items(), key=lambda one: (one[0] != BY_MARK, one[0]))
    found = [(rule, from_canonical(text)) for rule, text in ordered if not rule.endswith(SAME)]
    return [(rule, criteria) for rule, criteria in found if isinstance(criteria, dict)]


def _matches(mapping: Rule, rule: str, record: Record, identity: str | None) -> bool:
    """Whether a hit of a match rule is one: the APIs compare without case, the rule may not."""
    return identity is None or dict(evaluate.identities(mapping, record)).get(int(rule)) == identity


def _policy(mapping: Rule, rule: str) -> str:
    """What one hit means: our own mark is ours; a match rule or ``find`` as the mapping says."""
    if rule == BY_MARK:
        return "link"
    return mapping.matched.get(int(rule), "ask") if rule else mapping.found


def _is_ours(mapping: Rule, link: Link, record: Record, flat: dict[str, str]) -> bool:
    """Carries a mark that only we write, or shows everything that we sent.

    In Salesforce the mark is the mapping's own field: what carries it is ours, whatever became of its other fields.
    """
    mark = mark_of(link, mapping, record.side)
    own = record.side is Side.SALESFORCE or (mark is not None and mark[0] in ("Url", "ContactNumber"))
    if own and mark is not None and record.fields.get(mark[0]) == mark[1]:
        return True
    sent = link.attempt.sent if link.attempt is not None else {}
    if record.entity in PARENTS and record.side is Side.XERO:
        return bool(sent) and all(flat[path] == text for path, text in sent.items() if path in flat)
    return bool(sent) and all(flat.get(path) == text for path, text in sent.items())


def _by_content(mapping: Rule, link: Link, record: Record) -> dict[str, str]:
    """Line ids of a document that we may have made: by position, as Xero keeps the order of the request."""
    return dict(evaluate.line_ids(mapping, link.order, record.fields)) if mapping.lines else {}
