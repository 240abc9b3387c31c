"""The Salesforce party (``core.party.Party``) of one org: the shell around writer, soql, reader and describe."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from connector.core.failure import Failure, Kind
from connector.core.party import (
    Answer,
    NoAnswer,
    Operation,
    Organisation,
    Outcome,
    ReadResult,
    Rejected,
    Request,
    Write,
)
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.values import Fields
from connector.errors import AuthError, ConfigurationError, DataError, TryAgain, TwinledgerError, Unavailable
from connector.http import HttpClient
from connector.salesforce import bulk, graph, writer
from connector.salesforce.auth import Credentials
from connector.salesforce.bulk_jobs import BulkJobs
from connector.salesforce.cometd import API_VERSION
from connector.salesforce.condition import Filter
from connector.salesforce.day import FLIGHT_MS, RESERVE, Day, Purpose
from connector.salesforce.describe import ObjectShape, SalesforceCatalog, read_describe
from connector.salesforce.failures import DAILY_RETRY, failure, refusal
from connector.salesforce.lookup import told_apart, widened
from connector.salesforce.reader import Chunk, Page, Reading, read_page, records, unfinished
from connector.salesforce.soql import MAX_FOUND, by_any, by_criteria, by_ids, by_way, changed_since, rows_after
from connector.salesforce.spending import purpose_of, spending

READ_SECONDS = 60
MAX_PAGES = 10_000  # of one query: 20 million rows
CHUNK = 2000  # rows that one answer may hold
SELECTED = "SELECT SelectedEntity FROM PlatformEventChannelMember"
CORPORATE = "SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true"
ALL_CALLS = frozenset({"REQUEST_LIMIT_EXCEEDED", "API_CURRENTLY_DISABLED"})  # refusals that any call would meet
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[0-9A-Za-z]{18}")
_USAGE = re.compile(r"api-usage=(\d{1,12})/(\d{1,12})")
Query = tuple[tuple[str, str], ...]
T = TypeVar("T")


class SalesforceParty:
    """One org (``organisation_id`` is its 18-character id). ``now_ms`` is the clock, in milliseconds since 1970."""

    side = Side.SALESFORCE

    def __init__(
        self,
        http: HttpClient,
        credentials: Credentials,
        organisation_id: str,
        *,
        now_ms: Callable[[], int],
        api_version: str = API_VERSION,
        reserve: int = RESERVE,
        allow_duplicates: bool = False,
    ) -> None:
        self.organisation_id = organisation_id
        self._http, self._credentials, self._now_ms = http, credentials, now_ms
        self._version = api_version
        self.day = Day(reserve)
        self.calls_for: Counter[Purpose] = Counter()
        self._one_by_one: dict[tuple[str, Operation], int] = {}
        self._allow_duplicates = allow_duplicates
        self.waiting: Callable[[], int] = lambda: 0  # how many writes wait; many of them go as a bulk job
        self._bulk_takes: dict[tuple[str, Operation], bool] = {}  # whether such writes may be a job, as seen last
        self._jobs: dict[str, str] = {}  # digest of what was uploaded → its job, while its end is not known
        self.catalog = SalesforceCatalog({})
        self._describing = asyncio.Lock()

    # --- pure parts ---------------------------------------------------------------------------------------------------

    def batch_limit(self, entity: str, operation: Operation) -> int:
        """200; 1 while the rows of a call that was refused as a whole, or found rows locked, are sent alone; more
        where so many wait that a bulk job is cheaper."""
        kind = (entity, operation)
        if self._one_by_one.get(kind, 0) > 0:
            return 1
        many = self.waiting() >= bulk.FROM and self._bulk_takes.get(kind, False)
        return bulk.MOST if many else writer.BATCH

    def room(self, writes: Sequence[Write]) -> int:
        """Objects with rows go as graphs, whose nodes are counted."""
        return graph.room(writes) if graph.takes(writes) else len(writes)

    def prepare(self, writes: Sequence[Write], idempotency_key: str) -> Request:
        """Salesforce knows no idempotency keys; a create is safe by its mark, an update by its nature."""
        self._bulk_takes[writes[0].entity, writes[0].operation] = bulk.takes(writes)
        return writer.prepare(writes, self._version, allow_duplicates=self._allow_duplicates)

    def outcomes(self, writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
        out = writer.outcomes(writes, answer)
        kind = (writes[0].entity, writes[0].operation)
        if any(isinstance(one, Rejected) and one.failure.code == writer.CALL_REFUSED for one in out):
            self._one_by_one[kind] = len(writes)
        elif len(writes) > 1 and (locked := sum(isinstance(one, Rejected) and _locked(one.failure) for one in out)):
            self._one_by_one[kind] = locked  # with their neighbours they would find each other's locks again
        elif len(writes) == 1 and kind in self._one_by_one:
            self._one_by_one[kind] -= 1
        return out

    def path(self, resource: str) -> str:
        """Where a resource of the REST API is."""
        return f"/services/data/v{self._version}/{resource}"

    def pause(self, *, now_ms: int) -> int:
        """For what the caller's loop calls (``spending``); a loop that does not say writes."""
        return self.day.pause(now_ms, purpose_of(""))

    @property
    def calls(self) -> int:
        return self.calls_for.total()

    # --- calls --------------------------------------------------------------------------------------------------------

    async def send(self, request: Request, *, seconds: int) -> Answer:
        """Signed in; a refused token is renewed once and the same bytes sent again (a 401 has written nothing)."""
        if request.method == "POST" and request.path.endswith(f"/{bulk.RESOURCE}") and request.query:
            return await spending(purpose_of("POST"), BulkJobs(self.send, self._jobs).run(request, seconds))
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            token = await self._credentials.token()
            answer = await self._exchange(request, token.access, token.instance_url, deadline)
            if answer.status == 401:
                token = await self._credentials.renew(token)
                answer = await self._exchange(request, token.access, token.instance_url, deadline)
        except AuthError as error:
            said = [{"errorCode": "INVALID_SESSION_ID", "message": f"{error.message} {error.remedy}"}]
            return Answer(401, {}, json.dumps(said).encode())
        except Unavailable as error:
            raise NoAnswer(error.message, sent=False) from error
        return answer

    async def _exchange(self, request: Request, access: str, instance: str, deadline: float) -> Answer:
        """A call that the day has no room for is refused here, in Salesforce's words: it never earns a refusal."""
        purpose, loop = purpose_of(request.method), asyncio.get_running_loop()
        while (  # noqa: ASYNC110  of several calls on their way any may say what is left
            pause := self.day.pause(self._now_ms(), purpose)
        ) == FLIGHT_MS and loop.time() < deadline:
            await asyncio.sleep(FLIGHT_MS / 1000)
        if pause > 0:
            return held_back(self.day, pause)
        seconds = deadline - loop.time()
        if seconds <= 0:
            raise NoAnswer(f"{request.method} {request.path}: no time left to send", sent=False)
        headers = [("Authorization", f"Bearer {access}"), ("Accept", "application/json"), *request.headers]
        self.day = self.day.call(self._now_ms(), purpose)
        self.calls_for[purpose] += 1
        try:
            answer = await self._http.request(
                request.method, instance + request.path, headers=headers, query=request.query, body=request.body,
                seconds=seconds,
            )  # fmt: skip
        finally:
            self.day = self.day.end()
        self.day = heard(self.day, answer, self._now_ms())
        return answer

    def limits(self, left: int, limit: int) -> None:
        """What ``/limits`` says of the day."""
        self.day = self.day.heard(self._now_ms(), left, limit)

    async def get(self, path: str, query: Query = ()) -> Answer:
        """A GET that answers 200. Raises TryAgain, Unavailable, AuthError; ConfigurationError for what is not there."""
        request = Request("GET", path, query, (("Sforce-Call-Options", f"client={writer.CLIENT}"),))
        try:
            answer = await self.send(request, seconds=READ_SECONDS)
        except NoAnswer as error:
            raise Unavailable("salesforce.away", f"Salesforce gave no answer: {error.reason}") from error
        if answer.status != 200:
            raise refused_read(answer, path)
        return answer

    # --- reading ------------------------------------------------------------------------------------------------------

    async def organisation(self) -> Organisation:
        """Asked by query; a sandbox counts as a demo. A single-currency org names no currency."""
        soql = "SELECT Id, Name, OrganizationType, IsSandbox FROM Organization"
        page = await self._page(self.path("query"), (("q", soql),))
        if len(page.rows) != 1 or not isinstance(page.rows[0].get("Id"), str):
            raise Unavailable("salesforce.answer", "Salesforce names no organisation.")
        row = page.rows[0]
        sandbox = row.get("IsSandbox")
        return Organisation(
            id=row["Id"],
            name=str(row.get("Name") or ""),
            base_currency=None,
            is_demo=sandbox if isinstance(sandbox, bool) else None,
        )

    async def corporate_currency(self) -> str | None:
        """The corporate currency of an org with several currencies. None for an org with one, which names it nowhere
        in its APIs. Source: Object Reference, CurrencyType. Raises as ``read``."""
        try:
            page = await self._page(self.path("query"), (("q", CORPORATE),))
        except ConfigurationError:
            return None  # there is no such object
        code = page.rows[0].get("IsoCode") if len(page.rows) == 1 else None
        return code if isinstance(code, str) else None

    async def read(self, plan: ReadPlan, ids: Sequence[str], version: Version) -> ReadResult:
        """Records by id with their child rows; what is in the recycle bin comes as deleted.

        Raises also ConfigurationError: the plan names an object or field that the user does not see (any more).
        """
        wanted = [one for one in dict.fromkeys(ids) if _ID.fullmatch(one)]
        found: dict[str, Record] = {}
        for part in range(0, len(wanted), 200):
            chunk = wanted[part : part + 200]
            for soql in await self._planned((plan,), partial(by_ids, plan, ids=chunk)):
                rows = [row async for page in self.pages("queryAll", soql) for row in page]
                found |= {one.id: one for one in await self._readable(rows, plan, version)}
        missing = tuple(one for one in dict.fromkeys(ids) if one not in found)
        return ReadResult(tuple(found[one] for one in wanted if one in found), missing)

    async def _readable(self, rows: list[dict[str, Any]], plan: ReadPlan, version: Version) -> tuple[Record, ...]:
        """The records of rows. A type may have changed: describe anew. A row that stays unreadable is left out, and so
        is missing: one bad row must not hold the others for ever."""
        try:
            return records(rows, self._reading(plan, version))
        except DataError:
            await self.describe((plan,), fresh=True)
        out: list[Record] = []
        for row in rows:
            with suppress(DataError):
                out.extend(records([row], self._reading(plan, version)))
        return tuple(out)

    async def find(self, plan: ReadPlan, criteria: Fields, version: Version) -> tuple[Record, ...]:
        """Live records that equal all criteria, at most ten; texts compare without regard to case."""
        if not criteria:
            return ()
        plans = (plan, ReadPlan(plan.entity, tuple(criteria)))
        soql = await self._planned(plans, partial(by_criteria, plan, criteria=criteria))
        rows = [row async for page in self.pages("query", soql) for row in page]
        return records(rows, self._reading(plan, version))

    async def find_each(
        self, plan: ReadPlan, wanted: Sequence[Fields], version: Version
    ) -> tuple[tuple[Record, ...], ...]:
        """One query for all. What it finds that equals none of the criteria by our own comparison (Salesforce may take
        more for equal than we do), or too much, is asked for one by one."""
        if len(wanted) < 2 or not all(wanted):
            return tuple([await self.find(plan, criteria, version) for criteria in wanted])
        wide = widened(plan, wanted)
        soql = await self._planned((wide,), partial(by_any, wide, wanted=wanted))
        if not soql:
            half = len(wanted) // 2
            first = await self.find_each(plan, wanted[:half], version)
            return *first, *await self.find_each(plan, wanted[half:], version)
        rows = [row async for page in self.pages("query", soql) for row in page]
        found = told_apart(records(rows, self._reading(wide, version)), wanted)
        if found is None or len(rows) == MAX_FOUND * len(wanted):
            return tuple([await self.find(plan, criteria, version) for criteria in wanted])
        return found

    async def beside(self, plan: ReadPlan, way: str, ids: Sequence[str]) -> tuple[str, ...]:
        """Ids of the plan's live records that reach one of these by a relationship, or by one of their rows. Raises as
        ``read``."""
        found: dict[str, None] = {}
        for part in range(0, len(ids), 200):
            for soql in await self._planned((plan,), partial(by_way, plan, way=way, ids=ids[part : part + 200])):
                rows = [row async for page in self.pages("query", soql) for row in page]
                found |= {value: None for row in rows for value in row.values() if isinstance(value, str)}
        return tuple(found)

    async def rows_after(
        self, plan: ReadPlan, last: str, chosen: Filter | None, version: Version, size: int = CHUNK
    ) -> Chunk:
        """The next live rows behind an id. The version is that of the moment the query is sent."""
        wide = ReadPlan(plan.entity, (*plan.fields, *(chosen.fields if chosen else ())))
        soql = await self._planned((plan, wide), partial(rows_after, plan, last=last, size=size, chosen=chosen))
        pages = [page async for page in self.pages("query", soql)]
        return Chunk(plan, version, [row for page in pages for row in page], size, len(pages))

    async def typed(self, chunk: Chunk, first: int, number: int) -> ReadResult:
        """Some rows of a chunk as records; a row that cannot be read is missing."""
        rows = chunk.rows[first : first + number]
        found = await self._readable(rows, chunk.plan, chunk.version)
        ids = {one.id for one in found}
        return ReadResult(found, tuple(str(row["Id"]) for row in rows if row.get("Id") not in ids))

    async def changed(self, plan: ReadPlan, since: datetime, version: Version) -> AsyncIterator[ReadResult]:
        """Live records stamped at or after a time, oldest first, page by page. ``missing`` could not be read."""
        soql = await self._planned((plan,), partial(changed_since, plan, start=since))
        async for rows in self.pages("query", soql):
            found = await self._readable(rows, plan, version)
            ids = {one.id for one in found}
            yield ReadResult(found, tuple(str(row["Id"]) for row in rows if row.get("Id") not in ids))

    def _reading(self, plan: ReadPlan, version: Version) -> Reading:
        read_at = EPOCH + timedelta(milliseconds=self._now_ms())
        return Reading(plan, self.catalog, self.organisation_id, version, read_at)

    async def pages(self, resource: str, soql: str) -> AsyncIterator[list[dict[str, Any]]]:
        """The rows of a query (``query`` or ``queryAll``) page by page, each with its child rows complete."""
        path = self.path(resource)
        query: Query = (("q", soql),)
        for _ in range(MAX_PAGES):
            page = await self._page(path, query)
            for child in unfinished(page.rows):
                await self._complete(child)
            yield page.rows
            if page.more is None:
                return
            path, query = page.more, ()
        raise Unavailable("salesforce.answer", "a query of Salesforce does not end")

    async def _complete(self, child: dict[str, Any]) -> None:
        """Fetch the rest of child rows that came in part."""
        rows, more = child["records"], child.get("nextRecordsUrl")
        for _ in range(MAX_PAGES):
            if not isinstance(more, str):
                break
            page = await self._page(more, ())
            rows.extend(page.rows)
            more = page.more
        child["done"], child["nextRecordsUrl"] = True, None

    async def _page(self, path: str, query: Query) -> Page:
        answer = await self.get(path, query)
        try:
            return read_page(answer.body)
        except DataError as error:
            raise Unavailable(error.code, error.message, remedy=error.remedy) from error

    # --- describe -----------------------------------------------------------------------------------------------------

    async def describe(self, plans: Iterable[ReadPlan], *, fresh: bool = False) -> SalesforceCatalog:
        """The catalog with every object that the plans pass through; ``fresh`` asks again for all of them."""
        known = list(plans)
        async with self._describing:
            catalog = SalesforceCatalog({}) if fresh else self.catalog
            for _ in range(20):  # parents of parents: one more level each time
                wanted = sorted(catalog.undescribed(known))
                if not wanted:
                    break
                shapes = [await self._describe(name) for name in wanted]
                catalog = catalog.with_objects(shapes)
            self.catalog = self.catalog.with_objects(catalog.objects.values())
        return self.catalog

    async def seen(self, plans: Iterable[ReadPlan]) -> SalesforceCatalog:
        """As ``describe``, asked anew, without the objects that are not there for the integration user."""
        known, hidden, catalog = list(plans), set[str](), SalesforceCatalog({})
        for _ in range(20):
            wanted = sorted(catalog.undescribed(known) - hidden)
            if not wanted:
                break
            for name in wanted:
                try:
                    catalog = catalog.with_objects([await self._describe(name)])
                except ConfigurationError:
                    hidden.add(name)
        self.catalog = self.catalog.with_objects(catalog.objects.values())
        return catalog

    async def selected(self) -> frozenset[str] | None:
        """The events that are selected for change data capture, in whatever channel. None where the user may not ask:
        it takes View Setup and Configuration. Source: Tooling API, PlatformEventChannelMember."""
        try:
            page = await self._page(self.path("tooling/query"), (("q", SELECTED),))
        except ConfigurationError:
            return None
        return frozenset(str(row.get("SelectedEntity")) for row in page.rows)

    async def _describe(self, name: str) -> ObjectShape:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", name):
            raise ConfigurationError("salesforce.name", f"{name[:80]!r} is no name of an object")
        answer = await self.get(self.path(f"sobjects/{name}/describe"))
        try:
            return read_describe(answer.body)
        except DataError as error:
            raise Unavailable(error.code, error.message) from error

    async def _planned(self, plans: Sequence[ReadPlan], make: Callable[[SalesforceCatalog], T]) -> T:
        """What ``make`` makes of the catalog; a name that is missing from it is asked for once more."""
        catalog = await self.describe(plans)
        try:
            return make(catalog)
        except ConfigurationError as error:
            if error.code != "salesforce.field-missing":
                raise
        return make(await self.describe(plans, fresh=True))


def _locked(failure: Failure) -> bool:
    return failure.kind is Kind.RETRY and "lock" in f"{failure.code} {failure.message}".lower()


def heard(day: Day, answer: Answer, now_ms: int) -> Day:
    """The day after an answer: Sforce-Limit-Info counts the whole org's calls of 24 hours."""
    usage = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
    if usage is not None:
        day = day.heard(now_ms, int(usage[2]) - int(usage[1]), int(usage[2]))
    if answer.status == 403 and (said := refusal(answer)).code in ALL_CALLS:
        day = day.refused(now_ms, failure(said).retry_after or DAILY_RETRY)
    return day


def held_back(day: Day, pause_ms: int) -> Answer:
    """What we answer ourselves where the day has no room."""
    words = f"{day.left} of {day.limit} API calls of 24 hours are left: this one is held back."
    body = json.dumps([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": words}]).encode()
    return Answer(403, {"retry-after": str(-(-pause_ms // 1000))}, body)


def refused_read(answer: Answer, path: str) -> TwinledgerError:
    """The error of a refused read."""
    said = refusal(answer)
    told = failure(said)
    words = f"Salesforce refuses GET {path}: {said.message} ({said.code})"
    if told.kind is Kind.RENEW or answer.status == 401:
        return AuthError("salesforce.unauthorised", words, remedy="Check the app and the integration user.")
    if told.kind is Kind.STOP:
        ours = answer.headers.get("retry-after", "")
        seconds = int(ours) if ours.isdecimal() and len(ours) < 6 else told.retry_after or DAILY_RETRY
        return TryAgain(told.code, words, retry_after=seconds, remedy=told.remedy)
    if told.kind is Kind.RETRY or answer.status >= 500 or answer.status in (408, 420, 429):
        if told.retry_after is not None:
            return TryAgain(told.code, words, retry_after=told.retry_after)
        return Unavailable(told.code, words)
    return ConfigurationError(told.code, words, remedy=told.remedy)
