"""The part of the control page that only Salesforce has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.simulators.control import Refused, answer_json
from connector.simulators.salesforce.cometd import Cometd, Staged
from connector.simulators.salesforce.events import NOWHERE
from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.wire import answer, loads

Page = Callable[[dict[str, Any]], object]
_NUMBERS = frozenset(
    {"query_page", "child_page", "hold_seconds", "client_seconds", "advice_interval_ms", "event_batch", "max_clients",
     "api_limit", "event_limit", "collections_origin"}
)  # fmt: skip


def pages(org: Org, cometd: Cometd) -> list[Route]:
    """POST pages take a JSON object; GET /__sim/events shows the bus."""

    def gap(body: dict[str, Any]) -> object:
        """{"kind": "GAP_UPDATE", "entity", "ids"}; GAP_OVERFLOW needs no ids; ["001*"] is the wildcard."""
        entity = _entity(org, body)
        return {"replayId": org.bus.gap(str(body["kind"]), entity, body.get("ids") or [NOWHERE])}

    def permissions(body: dict[str, Any]) -> object:
        """{"hide": ["Account.Phone", "Contact"], "show": [...]}"""
        for name in body.get("hide", ()):
            _hide(org, name, hidden=True)
        for name in body.get("show", ()):
            _hide(org, name, hidden=False)
        rights = org.permissions
        return {
            "objects": sorted(rights.hidden_objects),
            "fields": [".".join(one) for one in sorted(rights.hidden_fields)],
        }

    def forget_sessions(_body: dict[str, Any]) -> object:
        org.forget_sessions()
        return {}

    def revoke_tokens(_body: dict[str, Any]) -> object:
        org.revoke_tokens()
        return {}

    def stage_error(body: dict[str, Any]) -> object:
        """{"channel": "/meta/connect", "answer": {"error": ...}}, or "http": {"status", "body"} for it; "count"."""
        staged = Staged(str(body["channel"]), body.get("answer") or {}, body.get("http"), int(body.get("count", 1)))
        cometd.staged.append(staged)
        org.bus.listeners[0]()  # a client that waits asks again and meets it
        return {"staged": len(cometd.staged)}

    def channels(body: dict[str, Any]) -> object:
        """{"select": [objects]} and {"channel": "X__chn", "members": {object: [enriched fields]}}"""
        for name in body.get("select", ()):
            org.bus.selected.add(_entity(org, {"entity": name}))
        for name in body.get("deselect", ()):
            org.bus.selected.discard(name)
        if "channel" in body:
            members = {_entity(org, {"entity": one}): tuple(fields) for one, fields in body["members"].items()}
            org.channels[str(body["channel"])] = members
            org.bus.selected.update(members)
        return {"selected": sorted(org.bus.selected), "channels": {name: dict(of) for name, of in org.channels.items()}}

    def settings(body: dict[str, Any]) -> object:
        """Any of the numbers in ``Settings``."""
        for name, value in body.items():
            if name not in _NUMBERS:
                raise Refused(f"{name} cannot be set while running; these can: {', '.join(sorted(_NUMBERS))}")
            setattr(org.settings, name, type(getattr(org.settings, name))(value))
        return {name: getattr(org.settings, name) for name in sorted(_NUMBERS)}

    def organisation(body: dict[str, Any]) -> object:
        org.rename(str(body["id"]))
        return {"id": org.organisation}

    def undelete(body: dict[str, Any]) -> object:
        org.undelete(_entity(org, body), str(body["id"]))
        return {}

    def edit_many(body: dict[str, Any]) -> object:
        """{"entity", "ids", "fields"}: one transaction, one merged event."""
        org.edit_many(_entity(org, body), body["ids"], body["fields"])
        return {}

    def empty_recycle_bin(_body: dict[str, Any]) -> object:
        org.empty_recycle_bin()
        return {}

    async def events(request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        told = [e for e in org.bus.events if e.replay > since]
        return answer([{"replayId": e.replay, "payload": {"ChangeEventHeader": e.header, **e.body}} for e in told])

    async def sessions(_request: Request) -> Response:
        live = cometd.sessions.live.values()
        told = [
            {"clientId": s.id, "subscriptions": {c: sub.cursor for c, sub in s.subscriptions.items()}} for s in live
        ]
        return answer_json(told)

    posts: dict[str, Page] = {
        "/gap": gap, "/permissions": permissions, "/forget-sessions": forget_sessions, "/revoke-tokens": revoke_tokens,
        "/stage-error": stage_error, "/channels": channels, "/settings": settings, "/organisation": organisation,
        "/undelete": undelete, "/edit-many": edit_many, "/empty-recycle-bin": empty_recycle_bin,
    }  # fmt: skip
    routes = [Route(path, _posted(page), methods=["POST"]) for path, page in posts.items()]
    return [*routes, Route("/events", events), Route("/sessions", sessions)]


def _posted(page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def handler(request: Request) -> Response:
        try:
            body = loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                raise Refused("the control page takes a JSON object")
            return answer_json(page(body))
        except (Refused, ValueError, KeyError, TypeError) as wrong:
            return answer_json({"error": str(wrong) or type(wrong).__name__}, 400)

    return handler


def _entity(org: Org, body: dict[str, Any]) -> str:
    found = org.schema.find(str(body.get("entity")))
    if found is None:
        raise Refused(f"no object {body.get('entity')!r}")
    return found.name


def _hide(org: Org, name: str, *, hidden: bool) -> None:
    entity_name, _, field = name.partition(".")
    entity = org.schema.find(entity_name)
    if entity is None or (field and field not in entity.fields):
        raise Refused(f"no object or field {name!r}")
    if field:
        (org.permissions.hidden_fields.add if hidden else org.permissions.hidden_fields.discard)((entity.name, field))
    else:
        (org.permissions.hidden_objects.add if hidden else org.permissions.hidden_objects.discard)(entity.name)
