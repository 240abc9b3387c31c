"""Xero's published API file as a judge: of the requests that we send and of the answers that the simulator gives.

The file says little of what must be there, so it is asked for the rest: paths, methods, parameters, names of fields,
their types, the values of enumerations, the spelling of dates. What the real wire is known to add stands in ``KNOWN``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FILE = Path(__file__).parents[1] / "fixtures/xero-openapi/accounting.yaml"
BASE = "/api.xro/2.0"
# on the wire and not in the file (recorded, or newer than it): field names, wherever they stand
KNOWN = frozenset(
    {"DateString", "DueDateString", "DeliveryDateString", "CreatedDateUTCString", "DateUTCString", "ID", "HasErrors",
     "StatusAttributeString", "Warnings", "ValidationErrors", "Options", "IsDiscounted", "Type", "IsActive",
     "IsArchived", "IsDeleted", "HasValidationErrors", "HasAttachments", "Attachments", "Payments", "CreditNotes",
     "AppliedAmount",
     "Details", "Changes", "SummarizeErrors", "Id", "Status", "ProviderName", "DateTimeUTC", "UpdatedDateUTCString",
     "TrackingOptionID"}
)  # fmt: skip
# values that the wire has and the enumeration lacks
VALUES = {("BankTransfer.Status"): {"DELETED"}}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,),
}  # fmt: skip
_DATE = re.compile(r"/Date\(-?\d+(\+0000)?\)/|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z?)?")


@cache
def published() -> Mapping[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Mapping[str, Any] = yaml.load(FILE.read_text("utf-8"), Loader=loader)  # noqa: S506  (a safe loader)
    return found


@dataclass
class Exchange:
    method: str
    path: str
    query: str
    sent: bytes
    status: int = 0
    got: bytes = b""


@dataclass
class Judged:
    """What passed, and what was found wrong with it."""

    exchanges: list[Exchange] = field(default_factory=list)

    def differences(self) -> list[str]:
        return sorted(
            {f"{each.method} {template}: {said}" for each in self.exchanges for template, said in _judge(each)}
        )

    def operations(self) -> set[str]:
        out = set()
        for each in self.exchanges:
            found = _operation(each.method, each.path)
            if found is not None:
                out.add(f"{each.method} {found[0]}")
        return out


class Listening:
    """Middleware that keeps every exchange with the API."""

    def __init__(self, app: ASGIApp, judged: Judged) -> None:
        self.app, self.judged = app, judged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(BASE):
            await self.app(scope, receive, send)
            return
        seen = Exchange(scope["method"], scope["path"], scope["query_string"].decode(), b"")

        async def heard() -> Message:
            message = await receive()
            seen.sent += message.get("body", b"")
            return message

        async def told(message: Message) -> None:
            seen.status = message.get("status", seen.status)
            seen.got += message.get("body", b"")
            await send(message)

        await self.app(scope, heard, told)
        self.judged.exchanges.append(seen)


def _operation(method: str, path: str) -> tuple[str, Mapping[str, Any]] | None:
    wanted = path.removeprefix(BASE).split("/")
    for template, item in published()["paths"].items():
        parts = template.split("/")
        fits = len(parts) == len(wanted) and all(
            part == name or part.startswith("{") for part, name in zip(parts, wanted, strict=True)
        )
        if fits and method.lower() in item:
            return template, item[method.lower()]
    return None


def _judge(one: Exchange) -> Iterator[tuple[str, str]]:
    found = _operation(one.method, one.path)
    if found is None:
        yield one.path, "no such operation"
        return
    template, operation = found
    known = {_resolved(each)["name"] for each in operation.get("parameters", ())}
    for name in (pair.partition("=")[0] for pair in one.query.split("&") if pair):
        if name not in known:
            yield template, f"no parameter {name}"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body and one.sent:
        yield from ((template, f"sent {said}") for said in _problems(json.loads(one.sent), _resolved(body), ""))
    answer = operation["responses"].get("200", operation["responses"].get("204", {}))
    schema = _resolved(answer).get("content", {}).get("application/json", {}).get("schema")
    if schema and one.status == 200 and one.got:
        yield from ((template, f"got {said}") for said in _problems(json.loads(one.got), _resolved(schema), ""))


def _resolved(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in raw:
        return raw
    at: Any = published()
    for part in raw["$ref"].removeprefix("#/").split("/"):
        at = at[part]
    return {"title": raw["$ref"].rpartition("/")[2], **at}


def _problems(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    kind = schema.get("type", "object" if "properties" in schema else "")
    if kind in _TYPES and not (isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)):
        yield f"{where} is {type(value).__name__}, not {kind}"
        return
    if isinstance(value, dict) and "properties" in schema:
        named = schema.get("title", where)
        for name, part in value.items():
            row = schema["properties"].get(name)
            if row is not None:
                yield from _problems(part, _resolved(row), f"{named}.{name}")
            elif name not in KNOWN:
                yield f"{named}.{name} is not in the file"
    elif isinstance(value, list) and "items" in schema:
        for part in value:
            yield from _problems(part, _resolved(schema["items"]), f"{where}[]")
    elif isinstance(value, str):
        if value and "enum" in schema and value not in {*map(str, schema["enum"]), *VALUES.get(where, ())}:
            yield f"{where} is {value!r}, which the file does not list"
        dated = schema.get("x-is-msdate") or schema.get("x-is-msdate-time")
        if dated and not _DATE.fullmatch(value):
            yield f"{where} is {value!r}, no date"
