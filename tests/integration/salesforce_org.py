"""A simulated org for tests: served on the loopback, with a plain signed-in client of its REST API."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from connector.core.party import Answer
from connector.http import HttpClient
from connector.simulators.control import Control
from connector.simulators.salesforce import Settings, build
from connector.simulators.salesforce.org import Org
from connector.simulators.serving import running

DATA = "/services/data/v62.0"


@dataclass
class Client:
    """Talks to one org. ``origin`` goes into Sforce-Call-Options."""

    base: str
    org: Org
    control: Control
    http: HttpClient
    token: str = ""
    origin: str | None = None

    async def sign_in(self) -> None:
        form = urlencode({"grant_type": "client_credentials", "client_id": self.org.settings.client_id,
                          "client_secret": self.org.settings.client_secret})  # fmt: skip
        answer = await self.http.request("POST", f"{self.base}/services/oauth2/token", body=form.encode())
        self.token = json.loads(answer.body)["access_token"]

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        headers = [("Authorization", f"Bearer {self.token}"), ("Content-Type", "application/json")]
        if self.origin is not None:
            headers.append(("Sforce-Call-Options", f"client={self.origin}"))
        raw = json.dumps(body).encode() if body is not None else b""
        return await self.http.request(method, self.base + path, headers=headers, query=query.items(), body=raw)

    async def data(self, method: str, path: str, body: object = None, **query: str) -> Any:
        return told(await self.call(method, DATA + path, body, **query))

    async def rows(self, soql: str, resource: str = "/query") -> list[dict[str, Any]]:
        answer = await self.data("GET", resource, q=soql)
        assert isinstance(answer, dict), answer
        records: list[dict[str, Any]] = answer["records"]
        return records

    async def create(self, entity: str, **fields: object) -> str:
        answer = await self.data("POST", f"/sobjects/{entity}", fields)
        assert isinstance(answer, dict), answer
        return str(answer["id"])

    async def sim(self, page: str, body: object = None) -> Any:
        """A page of the control page; with a body it is a POST."""
        method = "GET" if body is None else "POST"
        return told(await self.call(method, f"/__sim{page}", body))

    def events(self) -> list[dict[str, Any]]:
        """Payloads on the bus, header and body."""
        return [{"header": dict(e.header), "body": dict(e.body)} for e in self.org.bus.events]


def told(answer: Answer) -> Any:
    return json.loads(answer.body, parse_float=Decimal) if answer.body else None


@contextlib.asynccontextmanager
async def an_org(settings: Settings | None = None) -> AsyncIterator[Client]:
    app = build(settings)
    async with running(app) as base, HttpClient() as http:
        client = Client(base, app.state.org, app.state.control, http)
        await client.sign_in()
        yield client
