"""The part of the control page that only Salesforce has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.simulators.control import Refused, answer_json
from connector.simulators.salesforce.cometd import Cometd, Staged
from connector.simulators.salesforce.events import NOWHERE
from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.wire import answer, loads

Body: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
_SETTABLE = frozenset(
    {
        "query_page", "child_page", "hold_seconds", "client_seconds", "advice_interval_ms", "event_batch",
        "max_clients", "api_limit", "event_limit", "collections_origin", "bulk_polls", "duplicate_rule",
    }
)  # fmt: skip


class Pages:
    """POST pages take a JSON object and give one; each says what stands in it."""

    def __init__(self, org: Org, cometd: Cometd) -> None:
        self.org = org
        self.cometd = cometd

    def gap(self, body: Body) -> object:
        """{"kind": "GAP_UPDATE", "entity", "ids"}; GAP_OVERFLOW needs no ids; ["001*"] is the wildcard."""
        entity = self._entity(body.get("entity"))
        return {"replayId": self.org.bus.gap(str(body["kind"]), entity, body.get("ids") or [NOWHERE])}

    def raw_event(self, body: Body) -> object:
        """{"entity", "header", "body"}: told as it is given, however malformed; ``entity`` chooses the channels."""
        entity = self._entity(body.get("entity"))
        return {"replayId": self.org.bus.raw(entity, body.get("header") or {}, body.get("body") or {})}

    def permissions(self, body: Body) -> object:
        """{"hide": ["Account.Phone", "Contact"], "fix": [...], "show": [...]}: not to be seen; to be read and not
        written; all rights back."""
        rights = self.org.permissions
        for name in body.get("hide", ()):
            self._right(name, rights.hidden_fields.add, rights.hidden_objects.add)
        for name in body.get("fix", ()):
            self._right(name, rights.fixed_fields.add, rights.fixed_objects.add)
        for name in body.get("show", ()):
            self._right(name, rights.hidden_fields.discard, rights.hidden_objects.discard)
            self._right(name, rights.fixed_fields.discard, rights.fixed_objects.discard)
        fields = [".".join(one) for one in sorted(rights.hidden_fields)]
        return {"objects": sorted(rights.hidden_objects), "fields": fields}

    def forget_sessions(self, _body: Body) -> object:
        """{}: every streaming session is unknown from now on."""
        self.org.forget_sessions()
        return {}

    def revoke_tokens(self, _body: Body) -> object:
        """{}: every token given out so far stops working."""
        self.org.revoke_tokens()
        return {}

    def stage_error(self, body: Body) -> object:
        """{"channel": "/meta/connect", "answer": {"error": ...}}, or "http": {"status", "body" or "html"}; "count"."""
        staged = Staged(str(body["channel"]), body.get("answer") or {}, body.get("http"), int(body.get("count", 1)))
        self.cometd.staged.append(staged)
        return {"staged": len(self.cometd.staged)}

    def channels(self, body: Body) -> object:
        """{"select": [objects], "deselect": [objects]} and {"channel": "X__chn", "members": {object: [enriched]}}"""
        org = self.org
        org.bus.selected.update(self._entity(name) for name in body.get("select", ()))
        org.bus.selected.difference_update(body.get("deselect", ()))
        if "channel" in body:
            members = {self._entity(name): tuple(fields) for name, fields in body["members"].items()}
            org.channels[str(body["channel"])] = members
            org.bus.selected.update(members)
        return {"selected": sorted(org.bus.selected), "channels": {name: dict(of) for name, of in org.channels.items()}}

    def settings(self, body: Body) -> object:
        """Any of the numbers in ``Settings`` that can be turned while running."""
        settings = self.org.settings
        for name, value in body.items():
            if name not in _SETTABLE:
                raise Refused(f"{name} cannot be set while running; these can: {', '.join(sorted(_SETTABLE))}")
            setattr(settings, name, type(getattr(settings, name))(value))
        return {name: getattr(settings, name) for name in sorted(_SETTABLE)}

    def organisation(self, body: Body) -> object:
        """{"id"}: become another org."""
        self.org.rename(str(body["id"]))
        return {"id": self.org.organisation}

    def undelete(self, body: Body) -> object:
        """{"entity", "id"}: out of the recycle bin."""
        self.org.undelete(self._entity(body.get("entity")), str(body["id"]))
        return {}

    def edit_many(self, body: Body) -> object:
        """{"entity", "ids", "fields"}: one transaction, one merged event."""
        self.org.edit_many(self._entity(body.get("entity")), body["ids"], body["fields"])
        return {}

    def fill(self, body: Body) -> object:
        """{"entity", "count", "fields", "days"}: so many records that were made days ago, of which no event tells."""
        count, days = int(body["count"]), int(body.get("days", 0))
        return {"last": self.org.fill(self._entity(body.get("entity")), count, body["fields"], days)}

    def merge(self, body: Body) -> object:
        """{"entity", "winner", "loser"}: a person merges two records."""
        self.org.merge(self._entity(body.get("entity")), str(body["winner"]), str(body["loser"]))
        return {}

    def lock(self, body: Body) -> object:
        """{"id", "count"}: somebody holds this record: its next ``count`` changes find the row locked."""
        self.org.dml.locks[str(body["id"])] = int(body.get("count", 1))
        return dict(self.org.dml.locks)

    def empty_recycle_bin(self, body: Body) -> object:
        """{}: hard delete, of which no event tells. {"entity", "id"}: this record is deleted first, in the same moment:
        nobody ever reads it in the bin."""
        if "id" in body:
            self.org.delete(self._entity(body.get("entity")), str(body["id"]))
        self.org.empty_recycle_bin()
        return {}

    async def events(self, request: Request) -> Response:
        """The event bus, behind ?since=<replay id>."""
        since = int(request.query_params.get("since", "0"))
        told = [one for one in self.org.bus.events if one.replay > since]
        return answer([{"replayId": e.replay, "payload": {"ChangeEventHeader": e.header, **e.body}} for e in told])

    async def sessions(self, _request: Request) -> Response:
        """The streaming clients and how far each subscription has read."""
        return answer_json(
            [
                {"clientId": one.id, "subscriptions": {name: sub.cursor for name, sub in one.subscriptions.items()}}
                for one in self.cometd.sessions.live.values()
            ]
        )

    def _entity(self, name: object) -> str:
        found = self.org.schema.find(str(name))
        if found is None:
            raise Refused(f"no object {name!r}")
        return found.name

    def _right(self, name: str, of_field: Callable[[tuple[str, str]], None], of_object: Callable[[str], None]) -> None:
        object_name, _, field = name.partition(".")
        entity = self.org.schema.entities[self._entity(object_name)]
        if field and field not in entity.fields:
            raise Refused(f"no field {name!r}")
        if field:
            of_field((entity.name, field))
        else:
            of_object(entity.name)


def pages(org: Org, cometd: Cometd) -> list[Route]:
    """The routes under /__sim."""
    page = Pages(org, cometd)
    posts: dict[str, Callable[[Body], object]] = {
        "/gap": page.gap, "/raw-event": page.raw_event, "/permissions": page.permissions,
        "/forget-sessions": page.forget_sessions, "/revoke-tokens": page.revoke_tokens,
        "/stage-error": page.stage_error, "/channels": page.channels, "/settings": page.settings,
        "/organisation": page.organisation, "/undelete": page.undelete, "/edit-many": page.edit_many,
        "/empty-recycle-bin": page.empty_recycle_bin, "/lock": page.lock, "/merge": page.merge,
        "/fill": page.fill,
    }  # fmt: skip
    routes = [Route(path, _posted(handler), methods=["POST"]) for path, handler in posts.items()]
    return [*routes, Route("/events", page.events), Route("/sessions", page.sessions)]


def _posted(page: Callable[[Body], object]) -> Handler:
    async def handler(request: Request) -> Response:
        try:
            body = loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                raise Refused("the control page takes a JSON object")
            return answer_json(page(body))
        except (Refused, ValueError, KeyError, TypeError) as wrong:
            return answer_json({"error": str(wrong) or type(wrong).__name__}, 400)

    return handler
