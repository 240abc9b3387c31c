"""How Xero spells things in JSON: dates as ``/Date(ms+0000)/``, amounts as floats, no nulls, an envelope around
lists."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from starlette.responses import Response

PROVIDER = "Twinledger simulator"


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def spell(value: Any) -> Any:
    """The wire form of a stored value; nulls are left out of objects."""
    if isinstance(value, Mapping):
        return {name: spell(part) for name, part in value.items() if part is not None and not name.startswith("_")}
    if isinstance(value, list | tuple):
        return [spell(part) for part in value]
    if isinstance(value, Decimal):
        return float(value)  # Xero's own JSON has floats: 24.15, 0.0
    if isinstance(value, datetime):
        return f"/Date({milliseconds(value)}+0000)/"
    if isinstance(value, date):
        return f"/Date({milliseconds(midnight(value))}+0000)/"
    return value


def spell_bare(value: Any) -> Any:
    """The same with dates and times that carry no zone: quotes are spelled so."""
    if isinstance(value, Mapping):
        kept = {name: part for name, part in value.items() if part is not None and not name.startswith("_")}
        return {name: spell_bare(part) for name, part in kept.items()}
    if isinstance(value, list | tuple):
        return [spell_bare(part) for part in value]
    spelled = spell(value)
    return spelled.replace("+0000", "") if isinstance(value, date) else spelled


def day_string(day: date) -> str:
    return f"{day.isoformat()}T00:00:00"


def moment_string(moment: datetime) -> str:
    """To the second, truncated."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(name: str, elements: list[Any], now: datetime, correlation: str, **more: Any) -> dict[str, Any]:
    head = {"Id": correlation, "Status": "OK", "ProviderName": PROVIDER, "DateTimeUTC": f"/Date({milliseconds(now)})/"}
    return {**head, **more, name: elements}


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Pretty-printed with CRLF, as Xero sends it: egress is counted on such bytes."""
    content = json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\r\n")
    return Response(content, status, dict(headers or {}), media_type="application/json; charset=utf-8")


def new_id() -> str:
    return str(uuid.uuid4())
