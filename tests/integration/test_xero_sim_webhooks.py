"""The Xero simulator's webhooks, judged by the product's own eyes: signatures, intent, retries, switching off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.cli.stage import Actor, until
from connector.http import HttpClient
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT
from connector.xero.webhooks import SIGNATURE, Poke, pokes, signers

KEY = "a-key-of-ours"
pytestmark = pytest.mark.timeout(60)


@dataclass
class Receiver:
    """Somebody's endpoint. ``answers`` are given first; then it answers as Xero wants it."""

    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    wrong: int = 0
    chatty: bool = False

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if not signers(body, request.headers.get(SIGNATURE, ""), [KEY]):
            self.wrong += 1
            return Response(status_code=401)
        self.bodies.append(body)
        status = self.answers.pop(0) if self.answers else 200
        return Response(b"thank you" if self.chatty else b"", status)

    @property
    def pokes(self) -> list[Poke]:
        return [poke for body in self.bodies for poke in pokes(body)]

    @property
    def events(self) -> list[Any]:
        return [event for body in self.bodies for event in json.loads(body)["events"]]


@dataclass
class Rig:
    xero: Actor
    receiver: Receiver
    url: str

    async def configure(self) -> None:
        await self.xero.call("POST", "/__sim/webhooks", {"url": self.url, "key": KEY})

    async def state(self) -> Any:
        return await self.xero.call("GET", "/__sim/webhooks")

    async def becomes(self, **wanted: Any) -> None:
        async def is_so() -> bool:
            now = await self.state()
            return all(now[name] == value for name, value in wanted.items())

        await until(f"the webhook is {wanted}", is_so, 20)

    async def advance(self, seconds: int) -> None:
        await self.xero.call("POST", "/__sim/clock", {"advance_seconds": Decimal(seconds)})

    async def contact(self, name: str) -> str:
        return await self.xero.edit("Contact", {"Name": name})


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    receiver = Receiver()
    endpoint = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with running(build()) as base, running(endpoint) as there, HttpClient() as http:
        yield Rig(Actor(base, http), receiver, f"{there}/hook")


@asynccontextmanager
async def proven(rig: Rig) -> AsyncIterator[Rig]:
    await rig.configure()
    await rig.becomes(status="on")
    yield rig


async def test_intent_to_receive_is_asked_with_right_and_wrong_signatures(rig: Rig) -> None:
    async with proven(rig):
        assert rig.receiver.wrong == 2
        assert [json.loads(body)["events"] for body in rig.receiver.bodies] == [[], []]


async def test_one_who_answers_wrongly_is_not_proven(rig: Rig) -> None:
    rig.receiver.chatty = True
    await rig.configure()
    await rig.becomes(status="disabled")
    rig.receiver.chatty = False
    await rig.configure()
    await rig.becomes(status="on")


async def test_a_change_is_told_signed_and_numbered(rig: Rig) -> None:
    async with proven(rig):
        contact = await rig.contact("Told Ltd")
        await rig.becomes(delivered=1)
        (event,) = rig.receiver.events
        assert (event["eventCategory"], event["eventType"], event["resourceId"]) == ("CONTACT", "CREATE", contact)
        assert event["tenantId"] == DEMO_TENANT
        assert not event["eventDateUtc"].endswith("Z")
        await rig.xero.edit("Contact", {"FirstName": "Ann"}, contact)
        await rig.becomes(delivered=2)
        assert rig.receiver.events[-1]["eventType"] == "UPDATE"
        last = json.loads(rig.receiver.bodies[-1])
        assert (last["firstEventSequence"], last["lastEventSequence"]) == (2, 2)
        assert rig.receiver.pokes == [Poke(DEMO_TENANT, "Contact", (contact,))] * 2


async def test_what_xero_has_no_webhooks_for_is_not_told(rig: Rig) -> None:
    async with proven(rig):
        await rig.xero.edit("Item", {"Code": "SILENT", "Name": "Silent"})
        await rig.contact("Told Ltd")
        await rig.becomes(delivered=1)
        assert [event["eventCategory"] for event in rig.receiver.events] == ["CONTACT"]


@pytest.mark.parametrize(("doubt", "told"), [("fires", ["INVOICE", "INVOICE"]), ("silent", ["INVOICE"])])
async def test_whether_a_payment_is_told_is_a_doubt(rig: Rig, doubt: str, told: list[str]) -> None:
    await rig.xero.call("POST", "/__sim/doubts", {"payment_webhook": doubt})
    (contact, *_) = await rig.xero.objects("Contact")
    async with proven(rig):
        line = {"Description": "x", "Quantity": 1, "UnitAmount": 10, "AccountCode": "200", "TaxType": "NONE"}
        fields: Any = {
            "Type": "ACCREC", "Contact": {"ContactID": contact["ContactID"]}, "Date": "2026-10-01", "LineItems": [line],
            "DueDate": "2026-10-31", "Status": "AUTHORISED", "InvoiceNumber": "HOOK-1",
        }  # fmt: skip
        made = await rig.xero.edit("Invoice", _plain(fields))
        await rig.becomes(delivered=1)
        paid: Any = {"Invoice": {"InvoiceID": made}, "Account": {"Code": "090"}, "Amount": 10, "Date": "2026-10-02"}
        await rig.xero.edit("Payment", _plain(paid))
        await rig.contact("Afterwards Ltd")
        await rig.becomes(waiting=0, delivered=len(told) + 1)
        assert [event["eventCategory"] for event in rig.receiver.events] == [*told, "CONTACT"]


def _plain(value: Any) -> Any:
    """Numbers as the stage's JSON takes them."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return Decimal(value) if isinstance(value, int) else value


async def test_what_failed_comes_again_at_once_and_then_ever_more_rarely(rig: Rig) -> None:
    async with proven(rig):
        rig.receiver.answers = [500, 500, 500]
        await rig.contact("Stubborn Ltd")
        await rig.becomes(failed=2, delivered=0)
        await rig.advance(899)
        await rig.becomes(failed=2)
        await rig.advance(1)
        await rig.becomes(failed=3)
        await rig.advance(900)
        await rig.becomes(delivered=1, waiting=0)


async def test_after_a_day_it_is_off_and_what_was_missed_comes_when_it_is_on_again(rig: Rig) -> None:
    async with proven(rig):
        rig.receiver.answers = [500] * 1000
        contact = await rig.contact("Missed Ltd")
        await rig.becomes(failed=2)
        await _fails_until(rig, lambda: _is(rig, "disabled"))
        rig.receiver.answers = []
        await rig.configure()
        await rig.becomes(status="on", delivered=1)
        assert rig.receiver.events[-1]["resourceId"] == contact


async def _is(rig: Rig, status: str) -> bool:
    return bool((await rig.state())["status"] == status)


async def _fails_until(rig: Rig, done: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(30):
        failed = (await rig.state())["failed"]
        await rig.advance(7200)
        await rig.becomes(failed=failed + 1)
        if await done():
            return
    raise AssertionError("it never gave up")
