"""Xero's own Python client, unchanged, signed in to a simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import aiohttp
import xero_python.accounting as sdk
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token

from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT
from tests.integration.xero_plain import Client, contact_id

DAY = date(2026, 10, 5)
Body = dict[str, Any]


@dataclass(frozen=True)
class Official:
    """The client, called from a thread of its own as its users call it."""

    api: Any
    contact: str

    async def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(self.api, name), DEMO_TENANT, *arguments, **named)


@asynccontextmanager
async def signed_in() -> AsyncIterator[Official]:
    async with running(build()) as base, aiohttp.ClientSession() as http:
        plain = Client(base, http)
        assert (await plain.sign_in())[0] == 200
        token = {
            "access_token": plain.token,
            "token_type": "Bearer",
            "expires_in": 1800,
            "scope": ["accounting.invoices"],
        }
        pair = OAuth2Token(client_id="xero-demo", client_secret="xero-demo-secret")
        pair.update_token(**token, refresh_token="none", expires_at=4_000_000_000)
        client = ApiClient(Configuration(oauth2_token=pair), pool_threads=1)
        client.oauth2_token_getter(lambda: {**token, "expires_at": 4_000_000_000, "refresh_token": "none"})
        client.oauth2_token_saver(lambda _token: None)
        yield Official(sdk.AccountingApi(client, f"{base}/api.xro/2.0"), await contact_id(plain))
