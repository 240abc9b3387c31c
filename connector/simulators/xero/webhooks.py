"""The sender of webhooks: signed posts to one address, intent to receive, retries, and switching off.

Facts (§4): categories without payments, items, orders, bank transactions and journals; the signature is over the raw
bytes; a receiver answers within five seconds, with nothing in the answer; a wrong signature must be answered 401.
What failed is tried again at once, then every quarter of an hour, ever more rarely, for 24 hours; then the
webhook is off until somebody turns it on again, and what was missed in 31 days comes then.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from connector.simulators.exchanges import Exchange, listener

CATEGORIES: Mapping[str, str] = {
    "Contact": "CONTACT", "Invoice": "INVOICE", "CreditNote": "CREDITNOTE", "Prepayment": "PREPAYMENT",
    "Overpayment": "OVERPAYMENT",
}  # fmt: skip
TYPED = frozenset({"CreditNote", "Prepayment", "Overpayment"})  # these say their type and status too
ANSWER_SECONDS = 5.0
RETRIES = (0, 900, 900, 1800, 3600, 3600, 7200)  # seconds; the last one again and again
GIVES_UP = timedelta(hours=24)
KEPT = timedelta(days=31)
INTENTS = (True, False, True, False)  # which of the first posts are signed rightly
LOOK_SECONDS = 0.05
PATH = "/webhooks"  # under which listeners hear what is posted, wherever that is


@dataclass
class Hooks:
    """One app's webhook. ``status`` is off, intent (not proved yet), on, or disabled (it failed for a day)."""

    now: Callable[[], datetime]
    url: str = ""
    key: str = ""
    status: str = "off"
    sequence: int = 0
    delivered: int = 0
    failed: int = 0
    tries: int = 0
    next_try: datetime | None = None
    failing_since: datetime | None = None
    waiting: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def configure(self, url: str, key: str) -> None:
        """Point it somewhere, or turn it on again: the receiver must prove itself first. Without an address it is off.

        Raises ValueError for what is no http address.
        """
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is no http address")
        self.url, self.key = url, key or secrets.token_urlsafe(32)
        self.status = "intent" if url else "off"
        self.tries, self.next_try, self.failing_since = 0, None, None
        self._moved.set()

    def tell(self, tenant: str, entity: str, record: Mapping[str, Any], record_id: str, operation: str) -> None:
        """An object was made or changed. While nobody is configured nothing is kept."""
        category = CATEGORIES.get(entity)
        if category is None or self.status == "off" or operation == "delete":
            return
        at = self.now()
        event: dict[str, Any] = {
            "resourceUrl": f"https://api.xero.com/api.xro/2.0/{entity}s/{record_id}", "resourceId": record_id,
            "tenantId": tenant, "tenantType": "ORGANISATION", "eventCategory": category,
            "eventType": operation.upper(), "eventDateUtc": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}",
        }  # fmt: skip
        if entity in TYPED:
            event["data"] = {"Type": record.get("Type"), "Status": record.get("Status")}
        self.waiting.append((at, event))
        self._moved.set()

    def state(self) -> Mapping[str, Any]:
        return {
            "url": self.url, "status": self.status, "waiting": len(self.waiting), "delivered": self.delivered,
            "failed": self.failed, "sequence": self.sequence,
        }  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sends while the block runs."""
        task = asyncio.create_task(self._run(), name="xero webhooks")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):  # the clock may be moved without a word to us
                    await self._moved.wait()
            self._moved.clear()
            if self.status == "intent":
                await self._prove()
            elif self.status == "on" and self.waiting and (self.next_try is None or self.next_try <= self.now()):
                await self._deliver()

    async def _prove(self) -> None:
        """Intent to receive: empty posts, some signed wrongly."""
        for right in INTENTS:
            body = _payload([], 0, 0)
            if await self._post(body, right=right) != (200 if right else 401):
                self.status, self.failed = "disabled", self.failed + 1
                return
        self.status = "on"

    async def _deliver(self) -> None:
        """All that waits, in one post."""
        oldest = self.now() - KEPT
        self.waiting[:] = [(at, event) for at, event in self.waiting if at >= oldest]
        events = [event for _, event in self.waiting]
        if not events:
            return
        body = _payload(events, self.sequence + 1, self.sequence + len(events))
        if await self._post(body, right=True) == 200:
            del self.waiting[: len(events)]
            self.sequence += len(events)
            self.delivered += len(events)
            self.tries, self.next_try, self.failing_since = 0, None, None
            return
        self.failed += 1
        self.failing_since = self.failing_since or self.now()
        self.next_try = self.now() + timedelta(seconds=RETRIES[min(self.tries, len(RETRIES) - 1)])
        self.tries += 1
        if self.now() - self.failing_since >= GIVES_UP:
            self.status = "disabled"

    async def _post(self, body: bytes, *, right: bool) -> int:
        """The status of the answer; 0 for none, for one that is late, and for one that says more than its status."""
        key = self.key if right else f"{self.key}-not"
        signature = base64.b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode("ascii")
        status = await asyncio.to_thread(_exchange, self.url, body, signature)
        if (hear := listener(PATH)) is not None:
            hear(Exchange("POST", PATH, "", "", body, 200))
        return status


def _payload(events: list[dict[str, Any]], first: int, last: int) -> bytes:
    entropy = secrets.token_hex(10).upper()
    return json.dumps(
        {"events": events, "firstEventSequence": first, "lastEventSequence": last, "entropy": entropy}
    ).encode()


def _exchange(url: str, body: bytes, signature: str) -> int:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    headers = {"Content-Type": "application/json; charset=utf-8", "x-xero-signature": signature}
    try:
        connection.request("POST", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", body, headers)
        answer = connection.getresponse()
        bare = not answer.read(1) and answer.getheader("set-cookie") is None
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return answer.status if bare else 0
