"""The Xero party (``core.party.Party``) of one organisation: the shell around writer, records and criteria."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from connector.core.budget import Budget
from connector.core.party import Answer, NoAnswer, Operation, Organisation, Outcome, ReadResult, Request, Write
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.values import Fields
from connector.errors import AuthError, DataError, TryAgain, Unavailable
from connector.http import HttpClient
from connector.xero import writer
from connector.xero.auth import Tokens
from connector.xero.criteria import IDS_PER_CALL, MOST, WHERES_PER_CALL, any_of, chunks, matching, where
from connector.xero.entities import Entity, entity
from connector.xero.failures import CONCURRENT_RETRY, DEFAULT_RETRY, seconds_of
from connector.xero.records import EPOCH, elements, load, record

API = "https://api.xero.com/api.xro/2.0"
READ_SECONDS = 60
CONCURRENT = 5  # calls in flight per organisation
PER_MINUTE = 55  # of Xero's 60: people and other apps of the organisation must get through too
PAGE_SIZE = 1000
MOST_UNREADABLE = 1000
Query = tuple[tuple[str, str], ...]


class XeroParty:
    """One organisation (``tenant`` is its id). ``now_ms`` is the clock, in milliseconds since 1970."""

    side = Side.XERO

    def __init__(
        self,
        http: HttpClient,
        tokens: Tokens,
        tenant: str,
        *,
        now_ms: Callable[[], int],
        api: str = API,
        per_minute: int = PER_MINUTE,
    ) -> None:
        self.tenant = tenant
        self._http, self._tokens, self._now_ms, self._api = http, tokens, now_ms, api.rstrip("/")
        self._flights = asyncio.Semaphore(CONCURRENT)
        self.budget = Budget(per_minute=per_minute)
        self.unreadable: list[tuple[str, bytes, DataError]] = []  # entity, JSON, why: for the caller to keep
        self.calls = 0
        self.received_bytes = 0

    def batch_limit(self, entity: str, operation: Operation) -> int:
        return writer.batch_limit(entity, operation)

    def prepare(self, writes: Sequence[Write], idempotency_key: str) -> Request:
        return writer.prepare(writes, idempotency_key)

    def outcomes(self, writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
        return writer.outcomes(writes, answer)

    def pause(self, *, now_ms: int) -> int:
        return self.budget.pause(now_ms)

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
        try:
            token = await self._tokens.token()
            answer = await self._exchange(request, token, seconds)
            if answer.status == 401:
                token = await self._tokens.renew(token)
                answer = await self._exchange(request, token, seconds)
        except AuthError:
            return Answer(401, {}, b"")
        except Unavailable as error:
            raise NoAnswer(error.message, sent=False) from error
        return answer

    async def _exchange(self, request: Request, token: str, seconds: float) -> Answer:
        headers = [
            ("Authorization", f"Bearer {token}"),
            ("Xero-Tenant-Id", self.tenant),
            ("Accept", "application/json"),
            *request.headers,
        ]
        self.budget = self.budget.call(self._now_ms())
        self.calls += 1
        url = f"{self._api}/{request.path}"
        answer = await self._http.request(
            request.method, url, headers=headers, query=request.query, body=request.body, seconds=seconds
        )
        self.received_bytes += len(answer.body)
        self.budget = heard(self.budget, answer, self._now_ms())
        return answer

    async def get(self, path: str, query: Query = (), headers: Query = ()) -> Answer:
        """A GET whose refusals are raised. 200 and 404 come back. Raises TryAgain, Unavailable, AuthError."""
        try:
            answer = await self.send(Request("GET", path, query, headers), seconds=READ_SECONDS)
        except NoAnswer as error:
            raise Unavailable("xero.unavailable", f"Xero gave no answer: {error.reason}.") from error
        if answer.status not in (200, 304, 404):
            raise refusal(answer, path)
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
        )

    async def read(self, plan: ReadPlan, ids: Sequence[str], version: Version) -> ReadResult:
        """Whole documents by id: Xero knows no other. Lists that take no ids are read whole."""
        about = entity(plan.entity)
        wanted = dict.fromkeys(ids)
        found: dict[str, Record] = {}
        for query in _read_queries(about, list(wanted)):
            answer = await self.get(about.path, query)
            found |= {one.id: one for one in self._records(answer, about.name, version) if one.id in wanted}
        missing = tuple(record_id for record_id in wanted if record_id not in found)
        return ReadResult(tuple(found[record_id] for record_id in wanted if record_id in found), missing)

    async def find(self, plan: ReadPlan, criteria: Fields, version: Version) -> tuple[Record, ...]:
        """Live objects that equal the criteria. An archived contact counts only when asked for by its number."""
        about = entity(plan.entity)
        if not criteria:
            return ()
        query = [("where", where(criteria))]
        if "page" in about.takes:
            query += [("page", "1"), ("pageSize", str(MOST))]
        if "archived" in about.takes and "ContactNumber" in criteria:
            query.append(("includeArchived", "true"))
        answer = await self.get(about.path, (*query, *_places(about)))
        return matching(self._records(answer, about.name, version), criteria)

    def _records(self, answer: Answer, name: str, version: Version) -> list[Record]:
        if answer.status == 404:
            return []
        read_at = EPOCH + timedelta(milliseconds=self._now_ms())
        try:
            found = elements(answer.body, name)
        except DataError as error:
            raise Unavailable("xero.unreadable", f"Xero's answer cannot be read: {error.message}") from error
        return [each for one in found if (each := self._record(one, name, version, read_at)) is not None]

    def _record(self, one: Mapping[str, object], name: str, version: Version, read_at: datetime) -> Record | None:
        """One object; one that cannot be read is laid aside (``unreadable``) and stops no other."""
        try:
            return record(one, name, self.tenant, version, read_at)
        except DataError as error:
            self.unreadable.append((name, json.dumps(one, default=str).encode(), error))
            del self.unreadable[:-MOST_UNREADABLE]
            return None

    async def page(
        self, name: str, version: Version, *, since: datetime | None = None, page: int = 0, size: int = PAGE_SIZE
    ) -> tuple[Record, ...]:
        """One page of a list in the order of change (page 0: the whole list, where Xero knows no pages)."""
        about = entity(name)
        query: list[tuple[str, str]] = [*_places(about)]
        if page and "page" in about.takes:
            query += [("page", str(page)), ("pageSize", str(size)), ("order", "UpdatedDateUTC")]
        if "archived" in about.takes:
            query.append(("includeArchived", "true"))
        headers = (("If-Modified-Since", f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"),) if since else ()
        answer = await self.get(about.path, tuple(query), headers)
        return () if answer.status == 304 else tuple(self._records(answer, name, version))


def heard(budget: Budget, answer: Answer, now_ms: int) -> Budget:
    """The budget after an answer's headers."""
    left = {name: seconds_of(answer.headers.get(f"x-{name}limit-remaining", "")) for name in ("min", "day")}
    budget = budget.answered(now_ms, minute_left=left["min"], day_left=left["day"])
    if answer.status == 429:
        concurrent = answer.headers.get("x-rate-limit-problem", "").strip("[] ") == "concurrent"
        seconds = seconds_of(answer.headers.get("retry-after", ""))
        budget = budget.refused(now_ms, seconds=seconds or (CONCURRENT_RETRY if concurrent else DEFAULT_RETRY))
    return budget


def _places(about: Entity) -> Query:
    return (("unitdp", "4"),) if "unitdp" in about.takes else ()


def _read_queries(about: Entity, ids: list[str]) -> list[Query]:
    """The lists that hold these ids."""
    if not ids:
        return []
    page: Query = (("page", "1"), ("pageSize", str(PAGE_SIZE)))
    if "ids" in about.takes:
        more: Query = (("includeArchived", "true"),)
        return [(("IDs", ",".join(part)), *page, *more, *_places(about)) for part in chunks(ids, IDS_PER_CALL)]
    if "page" in about.takes:
        return [(("where", any_of(about.id_field, part)), *page) for part in chunks(ids, WHERES_PER_CALL)]
    return [_places(about)]


def refusal(answer: Answer, path: str) -> AuthError | Unavailable:
    """The error of a refused read."""
    if answer.status == 429:
        seconds = seconds_of(answer.headers.get("retry-after", "")) or DEFAULT_RETRY
        problem = answer.headers.get("x-rate-limit-problem", "").strip("[] ")
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
