"""Write: takes ready links in dependency order, announces calls, sends them, reports what became of them.

The order before every send, first or repeated: announce the call in Kafka, renew the lease, check the deadline, send
with a time-out that ends at the deadline. A loop writes no table: it reports events, and settle folds them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from connector.core.failure import Failure, Kind
from connector.core.link import Act
from connector.core.link_events import Applied as LinkApplied
from connector.core.link_events import LinkEvent, Rejected, Unknown
from connector.core.link_state import REPEAT_WITHIN
from connector.core.mapping.model import Mapping as Rule
from connector.core.party import Answer, Applied, NoAnswer, Operation, Outcome, Party, Request, Undecided
from connector.core.party import Rejected as Refused
from connector.core.records import Record, Side
from connector.core.sending import Draft, confirmed, content_of, with_file
from connector.errors import DataError, EngineStop, TryAgain, TwinledgerError, Unavailable
from connector.kafka.link_codec import Call, Member
from streams.brake import Brake
from streams.choices import Choices
from streams.connection import Connection
from streams.lookup import Lookup
from streams.ready import Job

DEADLINE = timedelta(seconds=60)
REPEAT_SECONDS = (1, 2, 5, 10, 20)
IDLE_SECONDS = 1.0
ASIDE_SECONDS = 10.0
REPEATED_AT_ONCE = 3  # calls that are repeated beside the others; more than that and the API is away
ELEMENT_STATUSES = (200, 400)  # answers that speak of each element, not of the request as a whole
_log = logging.getLogger(__name__)

Report = Callable[[Connection, bytes, LinkEvent], Awaitable[int]]
Announce = Callable[[Connection, Call], Awaitable[None]]
Lease = Callable[[], Awaitable[datetime]]
Files = Callable[[str], Awaitable[bytes]]


@dataclass(slots=True)
class WriteLoop:
    """The writes of one connection to one organisation."""

    connection: Connection
    side: Side
    tenant: str  # whose documents these are; of the writes to Salesforce it says nothing
    report: Report
    announce: Announce
    renew: Lease
    new_id: Callable[[], str]
    totals: Callable[[Draft, Connection], dict[str, Decimal] | str]
    answer_record: Callable[[Connection, str, str, Applied], Record | None]  # organisation, entity
    lookup: Lookup
    brake: Brake
    files: Files | None = None  # fetches what an attachment holds, by its id in Salesforce
    choices: Choices | None = None  # judges what documents of Xero are coded by
    failures: int = 0
    ear: asyncio.Event = field(default_factory=asyncio.Event)
    aside: dict[tuple[str, str, str, str], float] = field(default_factory=dict)  # kinds of work, until when they rest
    repeats: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def party(self) -> Party:
        return self.connection.party(self.side, self.tenant)

    async def run(self) -> None:
        """Until cancelled. What the API cannot take now waits; nothing else does."""
        self.ear = self.connection.ready.bell.listen()
        async with asyncio.TaskGroup() as group:
            await self._turns(group)

    async def _turns(self, group: asyncio.TaskGroup) -> None:
        while True:
            self.ear.clear()
            try:
                worked = await self.turn(group)
                self.failures = 0
            except EngineStop:
                raise
            except TwinledgerError as error:
                worked = False
                await self._back_off(error)
            if not worked:
                await self._idle()

    async def turn(self, group: asyncio.TaskGroup) -> bool:
        """One call, look-up or probe, if there is one to make. Raises TryAgain, Unavailable, AuthError."""
        pause = self.party.pause(now_ms=int(self.connection.clock().timestamp() * 1000))
        if pause > 0:
            await asyncio.sleep(min(pause / 1000, IDLE_SECONDS))
            return True
        batch = self._batch()
        if not batch:
            return False
        try:
            if batch[0].todo.act in (Act.LOOK, Act.PROBE):
                return await self.lookup.run(self.connection, batch)
            return await self._write(batch, group)
        except (EngineStop, Unavailable):
            raise
        except TwinledgerError as error:  # a field or object that we may no longer see: it stops no other mapping
            self.warn(error)
            self.aside[_kind(batch[0])] = asyncio.get_running_loop().time() + ASIDE_SECONDS
            return True

    def _batch(self) -> list[Job]:
        """The first jobs of one kind: same mapping, act and entity, as many as a call may carry."""
        if self.connection.draining:
            return []
        now, moment = self.connection.clock(), asyncio.get_running_loop().time()
        due = (
            job
            for job in self.connection.ready.jobs(self.side, self.tenant)
            if (job.todo.not_before is None or job.todo.not_before <= now) and self.aside.get(_kind(job), 0) <= moment
        )
        allowed = [job for job in due if self.brake.allows(self.connection, job)]
        for _, group in groupby(allowed, key=_kind):
            jobs = list(group)
            if within := self.brake.within(self.connection, jobs[: self._limit(jobs[0])]):
                return within
        return []

    def _limit(self, job: Job) -> int:
        operation = Operation.CREATE if job.todo.act is Act.CREATE else Operation.UPDATE
        return self.party.batch_limit(self._mapping(job).end(self.side).entity, operation)

    def _mapping(self, job: Job) -> Rule:
        return self.connection.rule(job.link)

    async def _write(self, jobs: Sequence[Job], group: asyncio.TaskGroup) -> bool:
        drafts = await self.lookup.fresh(self.connection, jobs)
        if drafts is None:
            return True  # somebody changed a target meanwhile: the links were told, and will say what they need now
        drafts = await self._filled(drafts)
        if not drafts:
            return True  # what they need of the other side cannot be had now
        if self.choices is not None:
            drafts = await self.choices.judged(drafts)
        if self.connection.draining:
            return False
        drafts = drafts[: self.party.room([piece.write for piece in drafts])]
        keys = [piece.link.id.key for piece in drafts]
        self.connection.ready.hold(keys)
        for piece in drafts:
            self.brake.count(self.connection, piece)
        attempt = _Attempt(self, drafts, self.new_id())
        try:
            request = attempt.prepared()
        except DataError:
            for piece in drafts:  # one of them cannot be sent at all: told apart, it stops none of the others
                await _Attempt(self, [piece], self.new_id()).alone()
            return True
        if not await attempt.first(request):
            await self._beside(attempt.again(request), group)
        return True

    async def _filled(self, drafts: Sequence[Draft]) -> list[Draft]:
        """With the files that they name, fetched before the call is announced: its digest is part of the announcement.
        None of them while Salesforce is away: this kind of work rests, and nothing else does."""
        out: list[Draft] = []
        for piece in drafts:
            name, text = content_of(piece)
            if not name or self.files is None:
                out.append(with_file(piece, text.encode()) if text else piece)
                continue
            try:
                out.append(with_file(piece, await self.files(name)))
            except DataError as error:
                out.append(replace(piece, unfit=error))
            except Unavailable as error:
                self.warn(error)
                self.aside[_kind(Job(piece.link, piece.todo))] = asyncio.get_running_loop().time() + ASIDE_SECONDS
                return []
        return out

    async def _beside(self, repeats: Coroutine[Any, Any, None], group: asyncio.TaskGroup) -> None:
        """One call without an answer holds up its own links only, until there are too many of them."""
        if len(self.repeats) >= REPEATED_AT_ONCE:
            await repeats
            return
        task = group.create_task(repeats, name=f"{self.connection.name} repeats to {self.side.value}")
        self.repeats.add(task)
        task.add_done_callback(self.repeats.discard)

    async def _idle(self) -> None:
        due = self.connection.ready.next_due()
        wait = IDLE_SECONDS
        if due is not None:
            wait = min(max((due - self.connection.clock()).total_seconds(), 0.01), IDLE_SECONDS)
        try:
            async with asyncio.timeout(wait):
                await self.ear.wait()
        except TimeoutError:
            return

    def warn(self, error: TwinledgerError) -> None:
        name = self.connection.name
        _log.warning("writing pauses", extra={"connection": name, "code": error.code, "reason": error.message})

    async def _back_off(self, error: TwinledgerError) -> None:
        self.warn(error)
        seconds = REPEAT_SECONDS[min(self.failures, len(REPEAT_SECONDS) - 1)]
        self.failures += 1
        await asyncio.sleep(max(seconds, error.retry_after) if isinstance(error, TryAgain) else seconds)


def _kind(job: Job) -> tuple[str, str, str, str]:
    """What goes in one call: documents of one record may be of several entities."""
    return job.link.id.mapping, job.link.entity, job.todo.act.value, job.todo.how


@dataclass(slots=True)
class _Attempt:
    """One call: announced, sent, repeated with the same bytes while that is safe, and reported."""

    loop: WriteLoop
    drafts: Sequence[Draft]
    call: str
    left: dict[str, Draft] = field(default_factory=dict)
    began: datetime | None = None

    def prepared(self) -> Request:
        """Raises DataError, before anything is announced, when a write among them cannot be spelled."""
        for piece in self.drafts:
            if piece.unfit is not None:
                raise piece.unfit
        return self.loop.party.prepare([piece.write for piece in self.drafts], self.call)

    async def first(self, request: Request) -> bool:
        """The first send. Whether the outcome of every write is known now."""
        self.left = {piece.write.id: piece for piece in self.drafts}
        self.began = self.loop.connection.clock()
        await self._once(request, repeated=False)
        return not self.left

    async def again(self, request: Request) -> None:
        """The repeats, with the same bytes under the same key; what is open after them is UNKNOWN."""
        connection = self.loop.connection
        for wait in REPEAT_SECONDS:
            await asyncio.sleep(wait)
            if self.began is None or connection.clock() - self.began > REPEAT_WITHIN - DEADLINE:
                break  # also when this process slept: the key that makes a repeat safe may be forgotten by now
            await self._once(request, repeated=True)
            if not self.left:
                return
        for piece in self.left.values():
            await self._report(piece, Unknown(self.call, "no outcome of the call is known", connection.clock()))

    async def _once(self, request: Request, *, repeated: bool) -> None:
        answer = await self._send(request)
        if answer is not None:
            writes = [piece.write for piece in self.drafts]
            await self._take(self.loop.party.outcomes(writes, answer), answer.status, repeated=repeated)

    async def alone(self) -> None:
        """The call of one write. One that cannot be spelled is announced, never sent, and refused for its reason."""
        try:
            request = self.prepared()
        except DataError as error:
            connection, (piece,) = self.loop.connection, self.drafts
            await self.loop.announce(connection, self._announcement(b"", connection.clock()))
            failure = Failure(error.code, Kind.FIX, error.message, error.remedy)
            await self._report(piece, Rejected(self.call, failure, connection.clock()))
        else:
            if not await self.first(request):
                await self.again(request)

    async def _send(self, request: Request) -> Answer | None:
        """Announce, prove ownership, check the deadline, send. None when nobody knows what became of it."""
        loop, connection = self.loop, self.loop.connection
        at = connection.clock()
        await loop.announce(connection, self._announcement(request.body, at))
        await loop.renew()
        seconds = int((at + DEADLINE - connection.clock()).total_seconds())
        if seconds <= 0:
            return None
        try:
            answer = await loop.party.send(request, seconds=seconds)
        except NoAnswer:
            connection.tally["calls", loop.side.value, "no answer"] += 1
            return None
        connection.tally["calls", loop.side.value, f"{answer.status // 100}xx"] += 1
        return answer

    def _announcement(self, body: bytes, at: datetime) -> Call:
        first = self.drafts[0]
        return Call(
            call=self.call,
            side=self.loop.side,
            organisation=self.loop.connection.organisation(self.loop.side, self.loop.tenant),
            entity=first.write.entity,
            operation=first.todo.act.value,
            members=tuple(Member(piece.write.id, dict(piece.sent)) for piece in self.drafts),
            epoch=self.loop.connection.numbers.epoch,
            body_sha256=hashlib.sha256(body).hexdigest(),
            at=at,
            deadline=at + DEADLINE,
        )

    async def _take(self, outcomes: Sequence[Outcome], status: int, *, repeated: bool) -> None:
        """Report every element whose fate is known; the others stay for a repeat. What a refusal of a whole repeat (a
        limit, a token) says is nothing about the send before it."""
        element, loop = status in ELEMENT_STATUSES, self.loop
        connection, reports = loop.connection, []
        for outcome in outcomes:
            piece = self.left.get(outcome.write)
            if piece is None or isinstance(outcome, Undecided):
                continue
            if isinstance(outcome, Refused):
                if repeated and not element:
                    continue
                event: LinkEvent = Rejected(self.call, outcome.failure, connection.clock(), element)
            else:
                try:
                    event = self._applied(piece, outcome)
                except DataError as error:
                    loop.warn(error)  # it was carried out, and we cannot read it: never sent again, but looked for
                    continue
            del self.left[outcome.write]
            did = "refused" if isinstance(outcome, Refused) else "applied"
            connection.tally["writes", loop.side.value, piece.link.id.mapping, did] += 1
            reports.append(self._report(piece, event))
        await asyncio.gather(*reports)

    def _applied(self, piece: Draft, outcome: Applied) -> LinkApplied:
        loop, connection = self.loop, self.loop.connection
        if outcome.warnings:  # carried out, and changed on the way: an account that Xero took from a line, a tax
            said = {"connection": connection.name, "mapping": piece.link.id.mapping, "object": outcome.target}
            _log.warning("carried out with a warning", extra={**said, "reason": " / ".join(outcome.warnings)[:1000]})
        record = loop.answer_record(
            connection, connection.organisation(loop.side, loop.tenant), piece.write.entity, outcome
        )
        mapping = connection.rule(piece.link)
        expected = loop.totals(piece, connection) if piece.todo.act is Act.CREATE and record is not None else {}
        return confirmed(piece, outcome, record, mapping, self.call, connection.numbers.next(), expected)

    async def _report(self, piece: Draft, event: LinkEvent) -> None:
        key = piece.link.id.key
        offset = await self.loop.report(self.loop.connection, key, event)
        self.loop.connection.ready.reported({key: offset})
