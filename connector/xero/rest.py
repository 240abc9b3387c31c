"""The Xero party (``core.party.Party``) of one organisation: the shell around writer, records and criteria."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.core.budget import Budget
from connector.core.party import Answer, NoAnswer, Operation, Organisation, Outcome, ReadResult, Request, Write
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.values import Fields
from connector.errors import AuthError, DataError, TryAgain, Unavailable
from connector.http import HttpClient
from connector.xero import writer
from connector.xero.auth import TokenSource
from connector.xero.below import BELOW, Below, address, own_id, parent_of, record_below, rows_below, where_below
from connector.xero.calls import APP_PER_MINUTE, PER_MINUTE, AppMinute, Calls
from connector.xero.criteria import MOST, matching
from connector.xero.entities import Entity, entity
from connector.xero.failures import DEFAULT_RETRY, limit_of, seconds_of
from connector.xero.novelties import Novelties
from connector.xero.queries import PAGE_SIZE, Query, all_of, look_up, places, reads, sized, together
from connector.xero.records import EPOCH, Row, elements, load, record, row

API = "https://api.xero.com/api.xro/2.0"
READ_SECONDS = 60
CONCURRENT = 5  # calls in flight per organisation
_log = logging.getLogger(__name__)
MOST_UNREADABLE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list as they came, and how many bytes the answer had."""

    rows: tuple[Row, ...]
    size: int


class XeroParty:
    """One organisation (``tenant`` is its id). ``now_ms`` is the clock, in milliseconds since 1970.

    ``app`` is the minute that it shares with the other organisations of its app; None: there are no others here.
    """

    side = Side.XERO

    def __init__(
        self,
        http: HttpClient,
        tokens: TokenSource,
        tenant: str,
        *,
        now_ms: Callable[[], int],
        api: str = API,
        per_minute: int = PER_MINUTE,
        app: AppMinute | None = None,
    ) -> None:
        self.tenant = tenant
        self._http, self._tokens, self._now_ms, self._api = http, tokens, now_ms, api.rstrip("/")
        self._flights = asyncio.Semaphore(CONCURRENT)
        shared = app or AppMinute.of(max(APP_PER_MINUTE, per_minute))
        self._allowed = Calls(Budget(per_minute=per_minute), shared)
        self.unreadable: list[tuple[str, bytes, DataError]] = []  # entity, JSON, why: for the caller to keep
        self._novelties = Novelties()
        self._sign_in_refused: AuthError | None = None  # why the last call went out unsigned, in the sign-in's words
        self.calls = 0
        self.received_bytes = 0

    @property
    def now(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self._now_ms())

    @property
    def day_left(self) -> int | None:
        """Calls of the organisation's day, as the last header said; None before the first."""
        return self._allowed.own.day_left

    def batch_limit(self, entity: str, operation: Operation) -> int:
        return writer.batch_limit(entity, operation)

    def room(self, writes: Sequence[Write]) -> int:
        return len(writes)

    def prepare(self, writes: Sequence[Write], idempotency_key: str) -> Request:
        return writer.prepare(writes, idempotency_key)

    def outcomes(self, writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
        return writer.outcomes(writes, answer)

    def pause(self, *, now_ms: int, spare: int = 0) -> int:
        """``spare`` calls of the minute are left to what matters more: polls leave some to writes."""
        return self._allowed.pause(now_ms, spare)

    async def send(self, request: Request, *, seconds: int) -> Answer:
        """Signed in; a refused token is renewed once and the same bytes sent again (a 401 has written nothing)."""
        started = False
        try:
            async with asyncio.timeout(seconds):
                async with self._flights:
                    started = True
                    return await self._signed(request, seconds)
        except TimeoutError as error:
            reason = f"{request.method} {request.path}: no answer in {seconds} s"
            raise NoAnswer(reason, sent=started) from error

    async def _signed(self, request: Request, seconds: float) -> Answer:
        """A sign-in that is refused is a 401 of ours; one that fails has sent nothing."""
        self._sign_in_refused = None
        try:
            token = await self._tokens.token()
            answer = await self._exchange(request, token, seconds)
            if answer.status == 401:
                token = await self._tokens.renew(token)
                answer = await self._exchange(request, token, seconds)
        except AuthError as error:
            self._sign_in_refused = error
            return Answer(401, {}, b"")
        except Unavailable as error:
            raise NoAnswer(error.message, sent=False) from error
        return answer

    async def _exchange(self, request: Request, token: str, seconds: float) -> Answer:
        """A call that the budget has no room for is refused here, as Xero would: it never earns a 429."""
        if lacking := self._allowed.lacks(self._now_ms()):
            problem, wait = lacking
            return Answer(429, {"x-rate-limit-problem": problem, "retry-after": str(wait)}, b"")
        headers = [
            ("Authorization", f"Bearer {token}"),
            ("Xero-Tenant-Id", self.tenant),
            ("Accept", "application/json"),
            *request.headers,
        ]
        numbers = self._allowed.begin(self._now_ms())
        self.calls += 1
        url = f"{self._api}/{request.path}"
        try:
            answer = await self._http.request(
                request.method, url, headers=headers, query=request.query, body=request.body, seconds=seconds
            )
        finally:
            self._allowed.end(self._now_ms(), numbers)
        self.received_bytes += len(answer.body)
        self._allowed.heard(answer, self._now_ms(), numbers)
        return answer

    async def get(self, path: str, query: Query = (), headers: Query = ()) -> Answer:
        """A GET whose refusals are raised. 200 and 404 come back. Raises TryAgain, Unavailable, AuthError."""
        try:
            answer = await self.send(Request("GET", path, query, headers), seconds=READ_SECONDS)
        except NoAnswer as error:
            raise Unavailable("xero.unavailable", f"Xero gave no answer: {error.reason}.") from error
        if answer.status not in (200, 304, 404):
            unsigned = self._sign_in_refused if answer.status == 401 else None
            raise unsigned or refusal(answer, path)
        return answer

    async def organisation(self) -> Organisation:
        found = self._records(await self.get("Organisation"), "Organisation", Version(0, 0))
        if len(found) != 1:
            raise Unavailable("xero.unavailable", "Xero's answer holds no organisation.")
        fields = found[0].fields
        demo = fields.get("IsDemoCompany")
        currency = fields.get("BaseCurrency")
        return Organisation(
            id=found[0].id,
            name=str(fields.get("Name") or ""),
            base_currency=currency if isinstance(currency, str) else None,
            is_demo=demo if isinstance(demo, bool) else None,
            short_code=str(fields.get("ShortCode") or ""),
        )

    async def read(self, plan: ReadPlan, ids: Sequence[str], version: Version) -> ReadResult:
        """Whole documents by id: Xero knows no other. Lists that take no ids are read whole."""
        if plan.entity in BELOW:
            return await self._read_below(BELOW[plan.entity], ids, version)
        about = entity(plan.entity)
        wanted = dict.fromkeys(ids)
        found: dict[str, Record] = {}
        for path, query in reads(about, list(wanted)):
            answer = await self.get(path, query)
            found |= {one.id: one for one in self._records(answer, about.name, version) if one.id in wanted}
        missing = tuple(record_id for record_id in wanted if record_id not in found)
        return ReadResult(tuple(found[record_id] for record_id in wanted if record_id in found), missing)

    async def find(self, plan: ReadPlan, criteria: Fields, version: Version) -> tuple[Record, ...]:
        """Live objects that equal the criteria. An archived contact counts only when asked for by its number."""
        (found,) = await self.find_each(plan, (criteria,), version)
        return found

    async def beside(self, plan: ReadPlan, way: str, ids: Sequence[str]) -> tuple[str, ...]:
        """None: Xero's documents are whole, and say nothing beside themselves."""
        return ()

    async def find_each(
        self, plan: ReadPlan, wanted: Sequence[Fields], version: Version
    ) -> tuple[tuple[Record, ...], ...]:
        if plan.entity in BELOW:
            return tuple([await self._find_below(BELOW[plan.entity], criteria, version) for criteria in wanted])
        about = entity(plan.entity)
        found: list[tuple[Record, ...]] = [()] * len(wanted)
        for bundle in together(about, wanted):
            records = await self._look(about, [wanted[place] for place in bundle], version)
            for place in bundle:
                found[place] = matching(records, wanted[place])
        return tuple(found)

    async def _look(self, about: Entity, wanted: Sequence[Fields], version: Version) -> list[Record]:
        path, query = look_up(about, wanted)
        records = self._records(await self.get(path, (*query, *places(about))), about.name, version)
        if len(wanted) == 1 or len(records) < PAGE_SIZE or "size" not in about.takes:
            return records
        return [one for criteria in wanted for one in await self._look(about, (criteria,), version)]  # more than a page

    async def _find_below(self, below: Below, criteria: Fields, version: Version) -> tuple[Record, ...]:
        found = await self._below(below, *parent_of(below, criteria), version) or []
        own = {name: value for name, value in criteria.items() if name not in below.parents}
        if below.id_field:
            return matching(found, own)
        return tuple(one for one in found if own_id(below, one.fields) == own_id(below, own))[:MOST]

    async def _below(self, below: Below, parent: Entity, parent_id: str, version: Version) -> list[Record] | None:
        """All of a kind below one object; None where the object is not there."""
        answer = await self.get(where_below(below, parent, parent_id))
        if answer.status == 404:
            return None
        read_at = self.now
        try:
            rows = rows_below(below, parent, load(answer.body))
            return [record_below(below, parent, parent_id, row, self.tenant, version, read_at) for row in rows]
        except DataError as error:
            raise Unavailable("xero.unreadable", f"Xero's answer cannot be read: {error.message}") from error

    async def _read_below(self, below: Below, ids: Sequence[str], version: Version) -> ReadResult:
        """What its parent's list, which is complete, no longer shows was taken away: that is told, not inferred."""
        found: dict[str, Record] = {}
        for parent, parent_id in dict.fromkeys(address(one)[:2] for one in ids):
            shown = await self._below(below, parent, parent_id, version)
            if shown is None:
                continue
            mine = [one for one in ids if address(one)[:2] == (parent, parent_id)]
            read_at = EPOCH + timedelta(milliseconds=self._now_ms())
            found |= {
                one: Record(Side.XERO, self.tenant, below.name, one, version, read_at, None, deleted=True)
                for one in mine
            }
            found |= {record.id: record for record in shown}
        missing = tuple(one for one in dict.fromkeys(ids) if one not in found)
        return ReadResult(tuple(found[one] for one in dict.fromkeys(ids) if one in found), missing)

    def _records(self, answer: Answer, name: str, version: Version) -> list[Record]:
        found = (self._record(one, name, version) for one in self._elements(answer, name))
        return [one for one in found if one is not None]

    def _elements(self, answer: Answer, name: str) -> list[Mapping[str, object]]:
        if answer.status in (304, 404):
            return []
        try:
            return elements(answer.body, name)
        except DataError as error:
            raise Unavailable("xero.unreadable", f"Xero's answer cannot be read: {error.message}") from error

    def _record(self, one: Mapping[str, object], name: str, version: Version) -> Record | None:
        """One object; one that cannot be read is laid aside (``unreadable``) and stops no other."""
        read_at = self.now
        if new := self._novelties.fresh(one, name):
            _log.info("Xero has new fields", extra={"tenant": self.tenant, "fields": ", ".join(new)})
        try:
            return record(one, name, self.tenant, version, read_at)
        except DataError as error:
            self._lay_aside(one, name, error)
            return None

    def _row(self, one: Mapping[str, object], name: str) -> Row | None:
        try:
            return row(one, name)
        except DataError as error:
            self._lay_aside(one, name, error)
            return None

    def _lay_aside(self, one: Mapping[str, object], name: str, error: DataError) -> None:
        self.unreadable.append((name, json.dumps(one, default=str).encode(), error))
        del self.unreadable[:-MOST_UNREADABLE]

    def read_rows(self, rows: Iterable[Row], name: str, version: Version) -> tuple[Record, ...]:
        """The records of rows that are new to us; what cannot be read is laid aside."""
        found = (self._record(one.raw, name, version) for one in rows)
        return tuple(one for one in found if one is not None)

    async def page(self, name: str, *, since: datetime | None = None, page: int = 0, size: int = PAGE_SIZE) -> Page:
        """One page of a list in the order of change (page 0: the whole list, where Xero knows no pages)."""
        about = entity(name)
        query: list[tuple[str, str]] = [*places(about)]
        if page and "page" in about.takes:
            query += [("page", str(page)), *sized(about, size)]
            query += [("order", "UpdatedDateUTC")] if "order" in about.takes else []
        query += all_of(about)
        headers = (("If-Modified-Since", f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"),) if since else ()
        answer = await self.get(about.path, tuple(query), headers)
        found = (self._row(one, name) for one in self._elements(answer, name))
        return Page(tuple(one for one in found if one is not None), len(answer.body))


def refusal(answer: Answer, path: str) -> AuthError | Unavailable:
    """The error of a refused read."""
    if answer.status == 429:
        seconds = seconds_of(answer.headers.get("retry-after", "")) or DEFAULT_RETRY
        problem = limit_of(answer)
        return TryAgain("xero.limit", f"Xero's {problem or 'call'} limit is reached.", retry_after=seconds)
    if answer.status in (401, 403):
        return AuthError(
            "xero.forbidden" if answer.status == 403 else "xero.unauthorised",
            f"Xero refuses GET {path}: HTTP {answer.status}.",
            remedy="Check the connection's scopes, and that the organisation is still connected.",
        )
    return Unavailable("xero.unavailable", f"Xero answered GET {path} with HTTP {answer.status}{_said(answer)}.")


def _said(answer: Answer) -> str:
    try:
        body = load(answer.body)
    except DataError:
        return ""
    return f": {str(body.get('Message', ''))[:300]}" if isinstance(body, Mapping) and body.get("Message") else ""
