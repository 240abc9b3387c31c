"""A simulator's control page, as somebody outside sees it. Imports nothing of the product."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

TIMEOUT_SECONDS = 30
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """``base`` is the simulator's address, without ``/__sim``."""

    base: str

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        """The decoded answer. Raises OSError, also for a refusal, with its words."""
        data = json.dumps(body, default=_number).encode() if body is not None else None
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        request = urllib.request.Request(self.base + path, data, sent, method=method)  # noqa: S310  a loopback address
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as refused:
            words = refused.read()[:300].decode("utf-8", "replace")
            raise OSError(f"{method} {path}: {refused.code} {words}") from None
        return json.loads(text, parse_float=Decimal) if text else None

    def rows(self, entity: str) -> list[Row]:
        found: list[Row] = self.call("GET", f"/__sim/objects/{entity}")
        return found

    def edit(self, entity: str, fields: Row, object_id: str | None = None) -> str:
        """A person's edit; gives the object's id."""
        body = {"entity": entity, "fields": fields, **({"id": object_id} if object_id else {})}
        row = self.call("POST", "/__sim/edit", body)
        return str(row.get("Id") or row[f"{entity}ID"])


@dataclass(frozen=True, slots=True)
class Pair:
    """Both systems of one connection."""

    name: str
    salesforce: Page
    xero: Page
    tenant: str
    client_id: str
    client_secret: str

    @staticmethod
    def of(raw: dict[str, str]) -> Pair:
        """From what the simulators' process prints."""
        return Pair(
            raw["name"], Page(raw["salesforce"]), Page(raw["xero"]), raw["tenant"], raw["client_id"],
            raw["client_secret"],
        )  # fmt: skip


def _number(value: object) -> object:
    """Simulators keep what a person types; two places after the point survive a float."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
