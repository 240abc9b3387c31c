"""JSON as Salesforce writes and reads it: numbers keep their decimal spelling, never pass through a float."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from starlette.responses import Response

MEDIA = "application/json;charset=UTF-8"
_WORDS = {None: "null", True: "true", False: "false"}


def dumps(value: object) -> str:
    """JSON text. Decimals become number literals (``50000.0``), times the REST spelling."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, Mapping):
        return "{" + ",".join([f"{encode_basestring(str(name))}:{dumps(part)}" for name, part in value.items()]) + "}"
    if isinstance(value, Decimal):
        return double(value)
    if isinstance(value, datetime):
        return f'"{rest_time(value)}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    if isinstance(value, Sequence):
        return "[" + ",".join([dumps(part) for part in value]) + "]"
    return json.dumps(value, ensure_ascii=False)


def loads(text: str | bytes) -> Any:
    """JSON with fractions as Decimal."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def double(value: Decimal) -> str:
    """A double as the API prints it: at least one digit after the point."""
    text = format(value, "f")
    if "." not in text:
        return text + ".0"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def rest_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def event_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(dumps(value), status, headers=dict(headers or {}), media_type=MEDIA)


def refusal(status: int, code: str, message: str, fields: Sequence[str] | None = None) -> Response:
    """The error array of the REST API."""
    error: dict[str, object] = {"message": message, "errorCode": code}
    if fields is not None:
        error["fields"] = list(fields)
    return answer([error], status)
