"""The REST API: describe, query, single objects. Collections stand in collections.py."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from connector.simulators.salesforce.content import VERSION, content_of
from connector.simulators.salesforce.describe import describe, describe_global
from connector.simulators.salesforce.filters import QueryError
from connector.simulators.salesforce.ids import full_id
from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.query import Queries, Render, value_of
from connector.simulators.salesforce.schema import Entity, Field
from connector.simulators.salesforce.soql import Malformed, parse
from connector.simulators.salesforce.store import Caller, Row, Transaction
from connector.simulators.salesforce.values import Refusal
from connector.simulators.salesforce.wire import answer, loads, refusal, rest_time

MAX_URI = 16_384  # bytes of URI and headers together
OLDEST_UPDATED = timedelta(days=30)
OLDEST_DELETED = timedelta(days=15)
_STATUS = {"NOT_FOUND": 404, "ENTITY_IS_DELETED": 404, "INVALID_TYPE": 404, "REQUEST_LIMIT_EXCEEDED": 403}
Handler = Callable[[Request], Awaitable[Response]]
Statement = Callable[[Transaction], Response]


class Rest:
    """Handlers over one org. Every answer carries Sforce-Limit-Info."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._cursors: OrderedDict[str, tuple[list[Row], Render]] = OrderedDict()

    def guarded(self, handler: Handler) -> Handler:
        """Sign-in, size of the URI, the daily limit, errors in the platform's form."""

        async def guarded(request: Request) -> Response:
            size = len(request.url.path) + len(request.url.query) + sum(len(k) + len(v) for k, v in request.headers.raw)
            if size > MAX_URI:
                return HTMLResponse("<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>", 414)
            if not self.org.signed_in(request.headers.get("authorization")):
                return refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
            now = self.org.clock.now()
            if self.org.calls.total(now) >= self.org.settings.api_limit:
                response = refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            else:
                self.org.calls.add(now)
                response = await self._answered(handler, request)
            usage = f"api-usage={self.org.calls.total(now)}/{self.org.settings.api_limit}"
            response.headers["Sforce-Limit-Info"] = usage
            return response

        return guarded

    async def _answered(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except QueryError as wrong:
            return refusal(400, wrong.code, wrong.message)
        except Malformed as wrong:
            return refusal(400, "MALFORMED_QUERY", str(wrong))
        except Refusal as wrong:
            return refusal(_STATUS.get(wrong.code, 400), wrong.code, wrong.message, wrong.fields)

    # --- describe and limits -----------------------------------------------------------------------------------------

    async def sobjects(self, request: Request) -> Response:
        return answer(describe_global(self.org.schema, self.org.permissions, version(request)))

    async def describe(self, request: Request) -> Response:
        entity = self.entity(request)
        return answer(describe(self.org.schema, entity, self.org.permissions, version(request)))

    async def limits(self, _request: Request) -> Response:
        now, org = self.org.clock.now(), self.org
        used = {
            "DailyApiRequests": (org.settings.api_limit, org.calls.total(now)),
            "DailyDeliveredPlatformEvents": (org.settings.event_limit, org.delivered.total(now)),
            "DailyBulkV2QueryJobs": (10_000, 0),
            "DataStorageMB": (1024, 1),
        }
        return answer({name: {"Max": most, "Remaining": max(0, most - gone)} for name, (most, gone) in used.items()})

    async def record_count(self, request: Request) -> Response:
        names = [name for name in request.query_params.get("sObjects", "").split(",") if name]
        rows = [{"count": sum(1 for _ in self.org.store.rows(name)), "name": name}
                for name in names or self.org.schema.entities if name in self.org.schema.entities]  # fmt: skip
        return answer({"sObjects": rows})

    # --- query -------------------------------------------------------------------------------------------------------

    async def query(self, request: Request) -> Response:
        return self._query(request, deleted=False)

    async def query_all(self, request: Request) -> Response:
        return self._query(request, deleted=True)

    def _query(self, request: Request, *, deleted: bool) -> Response:
        text = request.query_params.get("q")
        if text is None:
            raise Malformed("A query string has to be specified")
        org = self.org
        child_page = self._child_page(version(request))
        queries = Queries(org.store, org.permissions, org.clock.now, version(request), child_page)
        found = queries.run(parse(text), deleted=deleted)
        if found.ready or not found.rows:
            return answer({"totalSize": found.total, "done": True, "records": list(found.ready)})
        return answer(self._page(found.rows, found.render, 0, self._batch(request), version(request)))

    async def tooling(self, request: Request) -> Response:
        """Of the Tooling API the members of channels alone: which events are selected (PlatformEventChannelMember)."""
        wanted = parse(request.query_params.get("q") or "")
        if wanted.source.casefold() != "platformeventchannelmember":
            raise Refusal("INVALID_TYPE", f"sObject type '{wanted.source}' is not supported.")
        entities = self.org.schema.entities
        names = sorted(entities[name].channel for name in self.org.bus.selected)
        where = f"/services/data/v{version(request)}/tooling/sobjects/PlatformEventChannelMember"
        rows = [
            {"attributes": {"type": "PlatformEventChannelMember", "url": where}, "SelectedEntity": n} for n in names
        ]
        return answer({"size": len(rows), "totalSize": len(rows), "done": True, "queryLocator": None, "records": rows,
                       "entityTypeName": "PlatformEventChannelMember"})  # fmt: skip

    def _batch(self, request: Request) -> int:
        """``Sforce-Query-Options: batchSize=500``, between 200 and 2000."""
        wanted = request.headers.get("sforce-query-options", "").removeprefix("batchSize=")
        page = self.org.settings.query_page
        return min(page, max(200, int(wanted))) if wanted.isdigit() else page

    def _page(self, rows: list[Row], render: Render, at: int, size: int, spoken: str) -> dict[str, Any]:
        page = [render(row) for row in rows[at : at + size]]
        out: dict[str, Any] = {"totalSize": len(rows), "done": at + size >= len(rows), "records": page}
        if not out["done"]:
            locator = f"01g8d0000{secrets.token_hex(5)[:9]}AAA"
            self._cursors[locator] = (rows, render)
            while len(self._cursors) > 500:
                self._cursors.popitem(last=False)
            out["nextRecordsUrl"] = f"/services/data/v{spoken}/query/{locator}-{at + size}"
        return out

    def _child_page(self, spoken: str) -> Callable[[list[Row], Render], Mapping[str, Any]]:
        size = self.org.settings.child_page
        return lambda rows, render: self._page(rows, render, 0, size, spoken)

    async def query_more(self, request: Request) -> Response:
        locator, _, at = request.path_params["locator"].rpartition("-")
        if locator not in self._cursors or not at.isdigit():
            return refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        rows, render = self._cursors[locator]
        return answer(self._page(rows, render, int(at), self._batch(request), version(request)))

    # --- one object --------------------------------------------------------------------------------------------------

    async def create(self, request: Request) -> Response:
        entity, raw = self.entity(request), await body_of(request)

        def insert(tx: Transaction) -> Response:
            record_id = self.org.dml.insert(tx, entity, raw)
            return answer({"id": record_id, "success": True, "errors": []}, 201)

        return self.transact(request, insert)

    async def retrieve(self, request: Request) -> Response:
        entity = self.entity(request)
        return self._shown(request, entity, self._row(entity, request.path_params["id"]))

    async def version_data(self, request: Request) -> Response:
        """The bytes of a file, as they were uploaded."""
        entity = self.entity(request)
        if entity.name != VERSION:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        row = self._row(entity, request.path_params["id"])
        return Response(content_of(row), media_type="application/octetstream")

    async def update(self, request: Request) -> Response:
        entity, raw = self.entity(request), await body_of(request)
        record_id = self._id(request.path_params["id"])
        since = request.headers.get("if-unmodified-since")
        if since and self._modified(entity, record_id, since):
            return Response(status_code=412)

        def update(tx: Transaction) -> Response:
            self.org.dml.update(tx, entity, record_id, raw)
            return Response(status_code=204)

        return self.transact(request, update)

    async def delete(self, request: Request) -> Response:
        entity, record_id = self.entity(request), self._id(request.path_params["id"])

        def delete(tx: Transaction) -> Response:
            self.org.dml.delete(tx, entity, record_id)
            return Response(status_code=204)

        return self.transact(request, delete)

    async def upsert(self, request: Request) -> Response:
        entity, raw = self.entity(request), await body_of(request)
        key, value = self.external_key(entity, request.path_params["key"]), request.path_params["value"]
        found = self.org.dml.matches(entity, key, value)
        if len(found) > 1:
            urls = [f"/services/data/v{version(request)}/sobjects/{entity.name}/{one}" for one in found]
            return answer(urls, 300)
        if not found and request.query_params.get("updateOnly", "").lower() == "true":
            return refusal(404, "NOT_FOUND", "The requested resource does not exist")

        def upsert(tx: Transaction) -> Response:
            record_id, created = self.org.dml.upsert(tx, entity, key, value, raw)
            told = {"id": record_id, "success": True, "errors": [], "created": created}
            return answer(told, 201 if created else 200)

        return self.transact(request, upsert)

    async def retrieve_by_key(self, request: Request) -> Response:
        entity = self.entity(request)
        key = self.external_key(entity, request.path_params["key"])
        found = self.org.dml.matches(entity, key, request.path_params["value"])
        if len(found) > 1:
            return answer([f"/services/data/v{version(request)}/sobjects/{entity.name}/{one}" for one in found], 300)
        if not found:
            return refusal(404, "NOT_FOUND", "The requested resource does not exist")
        return self._shown(request, entity, self._row(entity, found[0]))

    # --- replication -------------------------------------------------------------------------------------------------

    async def updated(self, request: Request) -> Response:
        entity = self._replicated(request)
        start, end = self._span(request, OLDEST_UPDATED)
        rows = self.org.store.since(entity.name, start)
        ids = [row["Id"] for row in rows if start <= _time(row["LastModifiedDate"]) < end]
        return answer({"ids": ids, "latestDateCovered": rest_time(min(end, self.org.clock.now()))})

    async def deleted(self, request: Request) -> Response:
        entity = self._replicated(request)
        start, end = self._span(request, OLDEST_DELETED)
        gone = [
            {"id": row["Id"], "deletedDate": rest_time(_time(row["SystemModstamp"]))}
            for row in self.org.store.since(entity.name, start, deleted=True)
            if row["IsDeleted"] and start <= _time(row["SystemModstamp"]) < end
        ]
        now = self.org.clock.now()
        earliest = rest_time(now - OLDEST_DELETED)
        covered = rest_time(min(end, now))
        return answer({"deletedRecords": gone, "earliestDateAvailable": earliest, "latestDateCovered": covered})

    def _replicated(self, request: Request) -> Entity:
        entity = self.entity(request)
        if not entity.replicated:  # the platform's exact words are not known to us
            raise Refusal("INVALID_TYPE", f"sObject type '{entity.name}' is not supported for replication.")
        return entity

    def _span(self, request: Request, oldest: timedelta) -> tuple[datetime, datetime]:
        """start and end of a replication call; seconds are ignored, as documented."""
        try:
            texts = [request.query_params[name].replace(" ", "+") for name in ("start", "end")]
            start, end = (
                datetime.fromisoformat(text).astimezone(UTC).replace(second=0, microsecond=0) for text in texts
            )
        except (KeyError, ValueError):
            raise Refusal(
                "INVALID_REPLICATION_DATE", "start and end are times like 2024-01-31T10:00:00+00:00"
            ) from None
        if start < self.org.clock.now() - oldest:
            raise Refusal("INVALID_REPLICATION_DATE", f"start is more than {oldest.days} days ago")
        if end <= start:
            raise Refusal("INVALID_REPLICATION_DATE", "end must be more than a minute after start")
        return start, end

    # --- shared by the handlers --------------------------------------------------------------------------------------

    def entity(self, request: Request) -> Entity:
        name = request.path_params["entity"]
        found = self.org.schema.find(name)
        if found is None or not self.org.permissions.sees_object(found.name):
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return found

    def external_key(self, entity: Entity, name: str) -> Field:
        key = entity.find(name)
        if key is None or not self.org.permissions.sees(entity.name, key.name) or not (key.external_id or name == "Id"):
            message = f"Provided external ID field does not exist or is not accessible: {name}"
            raise Refusal("NOT_FOUND", message)
        return key

    def caller(self, request: Request, *, collection: bool = False) -> Caller:
        caller = self.org.caller(version(request), request.headers.get("sforce-call-options"), collection=collection)
        allowed = "allowsave=true" in request.headers.get("sforce-duplicate-rule-header", "").lower()
        return replace(caller, allow_duplicates=allowed)

    def transact(self, request: Request, statement: Statement) -> Response:
        tx = self.org.store.transaction(self.caller(request))
        try:
            response = statement(tx)
        except Refusal:
            tx.rollback()
            raise
        tx.commit()
        return response

    def _id(self, raw: str) -> str:
        try:
            return full_id(raw)
        except ValueError:
            message = f"Provided external ID field does not exist or is not accessible: {raw}"
            raise Refusal("NOT_FOUND", message) from None

    def _row(self, entity: Entity, raw: str) -> Row:
        row = self.org.store.live(entity.name, self._id(raw))
        if row is None:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return row

    def _modified(self, entity: Entity, record_id: str, since: str) -> bool:
        row = self.org.store.live(entity.name, record_id)
        try:
            limit = datetime.strptime(since, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        except ValueError:
            return False
        return row is not None and _time(row["LastModifiedDate"]) > limit

    def _shown(self, request: Request, entity: Entity, row: Row) -> Response:
        asked = request.query_params.get("fields")
        names = asked.split(",") if asked else list(entity.fields)
        url = f"/services/data/v{version(request)}/sobjects/{entity.name}/{row['Id']}"
        out: dict[str, Any] = {"attributes": {"type": entity.name, "url": url}}
        for name in names:
            field = entity.find(name)
            if field is None or not self.org.permissions.sees(entity.name, field.name):
                if asked:
                    raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
                continue
            out[field.name] = value_of(entity, field, row, self.org.clock.now().date())
        return answer(out)


def version(request: Request) -> str:
    return str(request.path_params["version"])


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises Refusal as the platform's parser does."""
    try:
        raw = loads(await request.body())
    except ValueError as wrong:
        raise Refusal("JSON_PARSER_ERROR", f"Unexpected character: {wrong}") from None
    if not isinstance(raw, dict):
        raise Refusal("JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object")
    return raw


def _time(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError("a row without its stamps")
    return value
