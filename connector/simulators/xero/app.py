"""The simulated Accounting API: routes, and the gate that every call passes.

The order of the gate is the party's: Accept, token, tenant, scope, limits, Idempotency-Key. So a replay costs a
call, and a
429 proves that nothing was written.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.simulators.control import Refused, answer_json, control_routes, guarded
from connector.simulators.faults import HALF_BATCH, FaultMiddleware
from connector.simulators.xero import below
from connector.simulators.xero.batches import Batch, per_element, read_body, refused, validation_exception, write_batch
from connector.simulators.xero.errors import (
    Invalid,
    Refusal,
    bad_query,
    forbidden,
    not_found,
    unauthorised,
    unreadable,
    unsupported,
)
from connector.simulators.xero.items import remove_item
from connector.simulators.xero.limits import limit_headers
from connector.simulators.xero.listing import decimals, list_objects
from connector.simulators.xero.registry import ABOUT, methods, parameters
from connector.simulators.xero.shows import FULL, show
from connector.simulators.xero.store import ID_FIELDS, PLURALS, Stored, Tenant
from connector.simulators.xero.tokens import Token
from connector.simulators.xero.wire import envelope, json_answer
from connector.simulators.xero.world import Settings, World, fingerprint

BASE = "/api.xro/2.0"
SINGLES = {plural: single for single, plural in PLURALS.items()} | {"Organisation": "Organisation"}
LONGEST_URL = 8000


def build(settings: Settings | None = None) -> Starlette:
    """A simulator with its own world. ``app.state.world`` is it, ``app.state.control`` its control page."""
    world = World(settings or Settings())
    api = _Api(world)

    async def limits(request: Request) -> Response:
        world.limits.change(await request.json())
        return answer_json(world.state())

    async def doubts(request: Request) -> Response:
        world.doubts.change(await request.json())
        return answer_json(asdict(world.doubts))

    async def withdraw(_request: Request) -> Response:
        """A person disconnects every app."""
        world.tokens.withdraw()
        return answer_json(world.state())

    async def webhooks(request: Request) -> Response:
        """Where to post to and with which key; without an address no more."""
        if request.method == "POST":
            given = await request.json()
            try:
                world.hooks.configure(str(given.get("url") or ""), str(given.get("key") or ""))
            except ValueError as error:
                raise Refused(str(error)) from None
        return answer_json(world.hooks.state())

    @asynccontextmanager
    async def sending(_app: Starlette) -> AsyncIterator[None]:
        async with world.hooks.running():
            yield

    more = [
        Route("/webhooks", guarded(webhooks), methods=["GET", "POST"]),
        Route("/withdraw", guarded(withdraw), methods=["POST"]),
        Route("/limits", guarded(limits), methods=["POST"]),
        Route("/doubts", guarded(doubts), methods=["POST"]),
    ]
    routes = [
        control_routes(world.control, more),
        Route("/identity/connect/authorize", api.authorize),
        Route("/connect/token", api.token, methods=["POST"]),
        Route("/connections", api.connections),
        Route(f"{BASE}/{{entity}}", api.call, methods=["GET", "PUT", "POST", "DELETE"]),
        Route(f"{BASE}/{{entity}}/{{id}}/{{segment}}", api.call, methods=["GET", "PUT", "POST", "DELETE"]),
        Route(f"{BASE}/{{entity}}/{{id}}/{{segment}}/{{own}}", api.call, methods=["GET", "PUT", "POST", "DELETE"]),
        Route(f"{BASE}/{{entity}}/{{id:path}}", api.call, methods=["GET", "PUT", "POST", "DELETE"]),
        Route("/{rest:path}", api.nowhere, methods=["GET", "PUT", "POST", "DELETE"]),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(FaultMiddleware, control=world.control)], lifespan=sending)
    app.state.world, app.state.control = world, world.control
    return app


def ready(settings: Settings | None = None) -> Callable[[int], Mapping[str, Any]]:
    """The ready line of a simulator on a port (``serving.serve``)."""
    known = settings or Settings()

    def line(port: int) -> Mapping[str, Any]:
        base = f"http://127.0.0.1:{port}"
        return {
            "simulator": "xero",
            "base_url": base,
            "token_url": f"{base}/connect/token",
            "credentials": {"client_id": known.client_id, "client_secret": known.client_secret},
            "tenants": [{"id": tenant, "name": name} for tenant, name in known.tenants],
            "edition": known.edition,
        }

    return line


class _Api:
    """The handlers."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def token(self, request: Request) -> Response:
        return await self.world.tokens.grant(request, self.world.clock.now())

    async def authorize(self, request: Request) -> Response:
        return self.world.tokens.authorize(dict(request.query_params), self.world.clock.now())

    async def nowhere(self, request: Request) -> Response:
        return json_answer(unsupported(f"{request.method} {request.url.path}").body, 501)

    async def connections(self, request: Request) -> Response:
        """The tenants of a token; no tenant header, no tenant limits."""
        token = self.world.tokens.bearer(request.headers.get("authorization", ""), self.world.clock.now())
        if isinstance(token, str):
            return json_answer(unauthorised(token, str(uuid.uuid4())).body, 401)
        at = self.world.connected_at.strftime("%Y-%m-%dT%H:%M:%S.%f0")
        body = [
            {
                "id": str(uuid.uuid5(uuid.UUID(tid), token.client.id)),
                "tenantId": tid,
                "tenantType": "ORGANISATION",
                "tenantName": self.world.tenants[tid].name,
                "createdDateUtc": at,
                "updatedDateUtc": at,
            }
            for tid in token.client.tenants
        ]
        return json_answer(body)

    async def call(self, request: Request) -> Response:
        """Any call to the Accounting API."""
        correlation = str(uuid.uuid4())
        headers = {"Xero-Correlation-Id": correlation, "Cache-Control": "max-age=0, no-cache, no-store"}
        try:
            answer = await self._gate(request, correlation, headers)
        except Refusal as refusal:
            answer = _render(refusal)
        fresh = Response(answer.body, answer.status_code, media_type=None)
        fresh.raw_headers[:] = list(answer.raw_headers)
        for name, value in headers.items():
            fresh.headers.setdefault(name, value)
        return fresh

    async def _gate(self, request: Request, correlation: str, headers: dict[str, str]) -> Response:
        now = self.world.clock.now()
        if "application/json" not in request.headers.get("accept", ""):
            raise Refusal(406, "The Xero simulator does not speak XML: send Accept: application/json.")
        token = self.world.tokens.bearer(request.headers.get("authorization", ""), now)
        if isinstance(token, str):
            raise unauthorised(token, correlation)
        tenant = self._tenant(request, token, correlation)
        entity = _entity(request)
        attached = request.path_params.get("segment") == "Attachments"
        scope = ("accounting.attachments",) if attached else ABOUT[entity].scope
        if not token.allows(scope, write=request.method != "GET"):
            refusal = unauthorised("AuthorizationUnsuccessful", correlation)
            refusal.headers["WWW-Authenticate"] = "insufficient_scope"
            raise refusal
        usage, app = self.world.usage[tenant.id], self.world.app_window(token.client.id)
        problem = usage.problem(self.world.limits, now, app)
        if problem is not None:
            headers.update(limit_headers(usage.left(self.world.limits, now, app)))
            raise _too_many(*problem, self.world.doubts.app_limit_word)
        usage.take(now, app)
        headers.update(limit_headers(usage.left(self.world.limits, now, app)))
        usage.in_flight += 1
        try:
            await asyncio.sleep(self.world.limits.latency_ms / 1000)
            answer = await self._once(request, tenant, entity, correlation)
        finally:
            usage.in_flight -= 1
        usage.egress += len(answer.body)
        return answer

    def _tenant(self, request: Request, token: Token, correlation: str) -> Tenant:
        asked = request.headers.get("xero-tenant-id")
        if asked is None and len(token.client.tenants) == 1:
            asked = token.client.tenants[0]
        if asked not in token.client.tenants:
            raise forbidden(correlation)
        return self.world.tenants[asked]

    async def _once(self, request: Request, tenant: Tenant, entity: str, correlation: str) -> Response:
        key = request.headers.get("idempotency-key")
        body = await request.body()

        async def handle() -> Response:
            try:
                return self._handle(request, tenant, entity, body, correlation)
            except Refusal as refusal:
                return _render(refusal)

        if key is None or request.method not in ("PUT", "POST"):
            return await handle()
        digest = hashlib.sha256(body).hexdigest() if body else ""
        print_ = fingerprint(request.method, request.url.path, request.scope["query_string"].decode("latin-1"), digest)
        return await self.world.keys.once(key, print_, handle)

    def _handle(self, request: Request, tenant: Tenant, entity: str, body: bytes, correlation: str) -> Response:
        now = self.world.clock.now()
        record_id = request.path_params.get("id")
        query = dict(request.query_params)
        if len(query) != len(request.query_params.multi_items()):
            raise bad_query("A parameter is given twice.")
        if "segment" in request.path_params:
            return self._below(request, tenant, entity, body, correlation)
        if request.method == "GET" and record_id is None:
            since = request.headers.get("if-modified-since")
            shown, page = list_objects(tenant, entity, query, since)
            more = {"pagination": page} if page is not None else {}
            return json_answer(envelope(PLURALS[entity], shown, now, correlation, **more))
        if request.method == "GET":
            found = _find(tenant, entity, str(record_id))
            _only(query, *(parameters(entity) & {"unitdp"}))
            return json_answer(
                envelope(PLURALS[entity], [show(tenant, entity, found, FULL, decimals(query))], now, correlation)
            )
        if request.method == "DELETE":
            return self._delete(tenant, entity, str(record_id), correlation)
        return self._write(request, tenant, entity, body, correlation)

    def _below(self, request: Request, tenant: Tenant, entity: str, body: bytes, correlation: str) -> Response:
        """Allocations, options, attachments and notes."""
        path = request.path_params
        found = _find(tenant, entity, path["id"])
        media = request.headers.get("content-type", "").partition(";")[0]
        call = below.Call(
            tenant, request.method, entity, found, path.get("own", ""), body, dict(request.query_params), media,
            correlation,
        )  # fmt: skip
        return below.answer(path["segment"], call)

    def _delete(self, tenant: Tenant, entity: str, record_id: str, correlation: str) -> Response:
        found = _find(tenant, entity, record_id)
        id_field = ID_FIELDS[entity]
        if entity == "Item":
            try:
                remove_item(tenant, found)
            except Invalid as invalid:
                return json_answer(validation_exception([refused(found, invalid)]), 400)
            return Response(b"", 204)
        element = {id_field: found[id_field], "Status": "DELETED"}
        done = write_batch(tenant, Batch(entity, create_only=False, elements=[element], places=2, half=False))
        if not done[0].ok:
            return json_answer(validation_exception(done), 400)
        return json_answer(envelope(PLURALS[entity], [done[0].body], self.world.clock.now(), correlation))

    def _write(self, request: Request, tenant: Tenant, entity: str, body: bytes, correlation: str) -> Response:
        query = dict(request.query_params)
        _only(
            query, "summarizeErrors", *(parameters(entity) & {"unitdp"}), *(["allowBackorders"] * (entity == "Invoice"))
        )
        summarize = query.get("summarizeErrors", "true").lower()
        if summarize not in ("true", "false"):
            raise bad_query("summarizeErrors is true or false")
        if "application/json" not in request.headers.get("content-type", ""):
            raise Refusal(415, "The Xero simulator reads JSON only: send Content-Type: application/json.")
        elements = read_body(entity, body)
        if (record_id := request.path_params.get("id")) is not None:
            elements = [_named(elements, tenant, entity, record_id)]
        half = bool(request.scope.get(HALF_BATCH))
        batch = Batch(entity, request.method == "PUT", elements, decimals(query), half, summarize != "false")
        tenant.backorders = query.get("allowBackorders", "").lower() == "true"
        try:
            done = write_batch(tenant, batch)
        finally:
            tenant.backorders = False
        if tenant.doubts.answer_order == "reversed":
            done.reverse()
        now = self.world.clock.now()
        if summarize == "false":
            return json_answer(envelope(PLURALS[entity], per_element(done), now, correlation))
        if any(not one.ok for one in done):
            return json_answer(validation_exception(done), 400)
        return json_answer(envelope(PLURALS[entity], [one.body for one in done], now, correlation))


def _entity(request: Request) -> str:
    entity = SINGLES.get(request.path_params["entity"])
    record_id = request.path_params.get("id")
    if entity is None or len(str(request.url)) > LONGEST_URL:
        raise unsupported(f"{request.method} {request.url.path}")
    if "segment" not in request.path_params:
        method = request.method if record_id is None else f"{request.method}/id"
        if method not in methods(entity) or "/" in (record_id or ""):
            raise unsupported(f"{request.method} {request.url.path}")
    return entity


def _find(tenant: Tenant, entity: str, record_id: str) -> Stored:
    """By id, or by the number or code that the entity has."""
    named = ABOUT[entity].named
    found = tenant.get(entity, record_id if entity == "TaxRate" else record_id.lower())
    if found is None and named is not None:
        found = named(tenant, record_id)
    if found is None:
        raise not_found()
    return found


def _named(elements: list[Any], tenant: Tenant, entity: str, record_id: str) -> Any:
    """The one element of a POST to an id."""
    if len(elements) != 1 or not isinstance(elements[0], dict):
        raise unreadable("A request to one object contains one object.")
    return {**elements[0], ID_FIELDS[entity]: _find(tenant, entity, record_id)[ID_FIELDS[entity]]}


def _only(query: Mapping[str, str], *known: str) -> None:
    if unknown := set(query) - set(known):
        raise unsupported(f"the parameter {', '.join(sorted(unknown))} here")


def _too_many(problem: str, seconds: int | None, app_word: str) -> Refusal:
    said = app_word if problem == "appminute" else problem
    headers = {"X-Rate-Limit-Problem": said} | ({"Retry-After": str(seconds)} if seconds is not None else {})
    return Refusal(429, None, headers)


def _render(refusal: Refusal) -> Response:
    if isinstance(refusal.body, Mapping):
        return json_answer(refusal.body, refusal.status, refusal.headers)
    if refusal.body is None:
        return Response(b"", refusal.status, refusal.headers)
    return Response(refusal.body, refusal.status, refusal.headers, media_type="text/html")
