"""A client of the Xero simulator that knows nothing of the product, and the bodies that its tests send."""

from __future__ import annotations

from typing import Any

import aiohttp

API = "/api.xro/2.0"


class Client:
    """Signed in with the demo company's custom connection."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self.base, self.http, self.token, self.last = base, http, "", None

    async def sign_in(self, client_id: str = "xero-demo", **form: str) -> tuple[int, Any]:
        headers = {"Authorization": aiohttp.encode_basic_auth(client_id, "xero-demo-secret")}
        data = {"grant_type": "client_credentials", **form}
        async with self.http.post(f"{self.base}/connect/token", data=data, headers=headers) as answer:
            body = await answer.json(content_type=None)
        self.token = body.get("access_token", "")
        return answer.status, body

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: Any = None, **query: str
    ) -> tuple[int, Any]:
        named = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **(headers or {})}
        url = self.base + (path if path.startswith("/") else f"{API}/{path}")
        async with self.http.request(method, url, json=body, params=query, headers=named) as answer:
            self.headers = answer.headers
            raw = await answer.text()
            is_json = answer.content_type == "application/json" and raw
            return answer.status, await answer.json() if is_json else raw

    async def got(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The elements of an answer that must be a 200."""
        status, answer = await self.ask(method, path, body, **query)
        assert status == 200, answer
        return answer[path.partition("/")[0]]


async def contact_id(xero: Client, name: str = "Boom FM") -> str:
    found = await xero.got("GET", "Contacts", where=f'Name=="{name}"')
    return str(found[0]["ContactID"])


def invoice(contact: str, **more: Any) -> dict[str, Any]:
    line = {"Description": "Widgets", "Quantity": 3, "UnitAmount": 25.06, "AccountCode": "200"}
    known = {"Type": "ACCREC", "Contact": {"ContactID": contact}, "LineItems": [line], "Date": "2026-10-01"}
    return {**known, "DueDate": "2026-10-31", **more}
