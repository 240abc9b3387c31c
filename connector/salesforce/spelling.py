"""Values as Salesforce's JSON takes them: decimals as plain numbers, times in UTC with milliseconds."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

from connector.core.values import Value, plain_number
from connector.errors import DataError


def json_of(value: Value, entity: str, name: str) -> str:
    """The JSON text of a field's value. Raises DataError for what no field of Salesforce takes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return text_of(moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z")
    if isinstance(value, date):
        return text_of(value.isoformat())
    raise DataError(
        "salesforce.value",
        f"{entity}.{name} cannot take a {type(value).__name__}",
        remedy="Salesforce takes texts, numbers, dates, times and booleans: map the parts one by one.",
    )


def text_of(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
