"""The simulator put together: ``build()`` gives a Starlette app, ready to be served."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.simulators.control import Clock, Control, control_routes
from connector.simulators.faults import FaultMiddleware
from connector.simulators.salesforce.bayeux import Sessions
from connector.simulators.salesforce.bulk import Bulk
from connector.simulators.salesforce.collections import Collections
from connector.simulators.salesforce.cometd import Cometd
from connector.simulators.salesforce.composite import Composite
from connector.simulators.salesforce.oauth import Oauth
from connector.simulators.salesforce.org import Org, Settings, writes_of
from connector.simulators.salesforce.pages import pages
from connector.simulators.salesforce.rest import Rest
from connector.simulators.salesforce.sales_org import CHANNEL
from connector.simulators.salesforce.store import Caller, Changed
from connector.simulators.salesforce.wire import answer, refusal

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  a path


def build(settings: Settings | None = None, clock: Clock | None = None) -> Starlette:
    """A fresh org. ``app.state.org``, ``.control`` and ``.cometd`` are its inside, for tests in the same process."""
    clock = clock or Clock()
    org = Org(settings or Settings(), clock)
    control = Control(org, clock)
    cometd, oauth = Cometd(Sessions(org)), Oauth(org)

    def log(_caller: Caller, _at: datetime, changes: tuple[Changed, ...]) -> None:
        for change in changes:
            operation, fields = writes_of(change)
            control.committed(change.entity, change.id, operation, fields)

    org.store.listeners.append(log)
    routes = [
        *_rest_routes(Rest(org)),
        Route(TOKEN_PATH, oauth.token, methods=["POST"]),
        Route("/services/oauth2/authorize", oauth.authorize),
        Route("/cometd", cometd.handle, methods=["POST"]),
        Route("/cometd/{version}", cometd.handle, methods=["POST"]),
        Route("/cometd/{version}/{rest:path}", cometd.handle, methods=["POST"]),
        Route("/services/data", _versions),
    ]
    middleware = [Middleware(FaultMiddleware, control=control)]
    app = Starlette(routes=[control_routes(control, pages(org, cometd)), *routes, _unknown()], middleware=middleware)
    app.state.org = org
    app.state.control = control
    app.state.cometd = cometd
    return app


def ready(settings: Settings, port: int) -> Mapping[str, Any]:
    """What ``twinledger simulate salesforce`` prints when it listens."""
    base = f"http://127.0.0.1:{port}"
    return {
        "simulator": "salesforce", "base_url": base, "token_url": base + TOKEN_PATH, "api_version": settings.version,
        "client_id": settings.client_id, "client_secret": settings.client_secret,
        "channel": f"/data/{CHANNEL}", "control_url": base + "/__sim",
    }  # fmt: skip


def _rest_routes(rest: Rest) -> list[Route]:
    many, bulk, several = Collections(rest), Bulk(rest), Composite(rest)
    rest.org.bulk = bulk
    data = "/services/data/v{version}"
    table = [
        ("GET", "/sobjects", rest.sobjects),
        ("GET", "/limits", rest.limits),
        ("GET", "/limits/", rest.limits),
        ("GET", "/limits/recordCount", rest.record_count),
        ("GET", "/query", rest.query),
        ("GET", "/query/", rest.query),
        ("GET", "/queryAll", rest.query_all),
        ("GET", "/queryAll/", rest.query_all),
        ("GET", "/query/{locator}", rest.query_more),
        ("GET", "/queryAll/{locator}", rest.query_more),
        ("GET", "/tooling/query", rest.tooling),
        ("GET", "/tooling/query/", rest.tooling),
        ("POST", "/composite", several.composite),
        ("POST", "/composite/", several.composite),
        ("POST", "/composite/graph", several.graph),
        ("POST", "/composite/graph/", several.graph),
        ("POST", "/composite/sobjects", many.insert),
        ("PATCH", "/composite/sobjects", many.update),
        ("DELETE", "/composite/sobjects", many.delete),
        ("PATCH", "/composite/sobjects/{entity}/{key}", many.upsert),
        ("POST", "/jobs/ingest", bulk.create),
        ("PUT", "/jobs/ingest/{job}/batches", bulk.upload),
        ("PATCH", "/jobs/ingest/{job}", bulk.close),
        ("GET", "/jobs/ingest/{job}", bulk.show),
        ("GET", "/jobs/ingest/{job}/{kind}", bulk.results),
        ("GET", "/sobjects/{entity}/describe", rest.describe),
        ("GET", "/sobjects/{entity}/updated", rest.updated),
        ("GET", "/sobjects/{entity}/updated/", rest.updated),
        ("GET", "/sobjects/{entity}/deleted", rest.deleted),
        ("GET", "/sobjects/{entity}/deleted/", rest.deleted),
        ("POST", "/sobjects/{entity}", rest.create),
        ("POST", "/sobjects/{entity}/", rest.create),
        ("GET", "/sobjects/{entity}/{id}", rest.retrieve),
        ("PATCH", "/sobjects/{entity}/{id}", rest.update),
        ("DELETE", "/sobjects/{entity}/{id}", rest.delete),
        ("GET", "/sobjects/{entity}/{id}/VersionData", rest.version_data),
        ("GET", "/sobjects/{entity}/{key}/{value:path}", rest.retrieve_by_key),
        ("PATCH", "/sobjects/{entity}/{key}/{value:path}", rest.upsert),
    ]
    return [Route(data + path, rest.guarded(handler), methods=[method]) for method, path, handler in table]


async def _versions(_request: Request) -> Response:
    numbers = [f"{number}.0" for number in range(37, 68)]
    return answer([{"label": f"v{one}", "url": f"/services/data/v{one}", "version": one} for one in numbers])


def _unknown() -> Route:
    async def handler(request: Request) -> Response:
        message = f"{request.method} {request.url.path} is not supported by this simulator"
        return refusal(501, "NOT_SUPPORTED_BY_SIMULATOR", message)

    return Route("/{path:path}", handler, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
