"""Two organisations of one app over HTTP, and few calls a minute for both: no call is refused, and writes go first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from connector.core.party import Applied, Operation, Outcome, Write
from connector.http import HttpClient
from connector.settings import XeroSettings
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT, OTHER_TENANT
from connector.xero.calls import Apps
from connector.xero.rest import XeroParty
from streams.lists import LEFT_TO_WRITES
from streams.parties import xero
from tests.integration.xero_rig import Rig

APP_MINUTE = 40  # less than one organisation may alone


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    app.state.world.limits.change({"day": 100_000, "app_minute": APP_MINUTE})
    async with running(app) as base, HttpClient() as http:
        yield Rig(base, app.state.world, http)


def parties(rig: Rig, app_calls: int = APP_MINUTE) -> tuple[XeroParty, XeroParty]:
    """As a worker makes them."""
    apps = Apps()
    one, two = (
        XeroSettings.model_validate({
            "tenant": tenant, "client_id": "xero-demo-all", "client_secret": "xero-demo-secret",
            "token_url": f"{rig.base}/connect/token", "api_url": f"{rig.base}/api.xro/2.0",
            "app_calls_per_minute": app_calls,
        })
        for tenant in (DEMO_TENANT, OTHER_TENANT)
    )  # fmt: skip
    needs = lambda: ("Contact",)  # noqa: E731
    return (
        xero(rig.http, one, rig.now_ms, None, "main", needs, apps),
        xero(rig.http, two, rig.now_ms, None, "main", needs, apps),
    )


async def write(rig: Rig, party: XeroParty, name: str) -> Outcome | None:
    """One contact, as soon as there is room; None where another took the last of it meanwhile."""
    if party.pause(now_ms=rig.now_ms()) > 0:
        return None
    contact = Write(name, "Contact", Operation.CREATE, None, {"Name": name})
    answer = await party.send(party.prepare([contact], f"key-{name}"), seconds=10)
    return None if answer.status == 429 else party.outcomes([contact], answer)[0]


def statuses(rig: Rig) -> list[int]:
    return [entry.status or 0 for entry in rig.world.control.requests if entry.path.startswith("/api.xro")]


@pytest.mark.parametrize("window", ["fixed", "rolling"])
async def test_two_organisations_share_the_minute_of_their_app(rig: Rig, window: str) -> None:
    rig.world.limits.change({"window": window})
    both = parties(rig)
    begun, made = rig.now_ms(), 0
    while rig.now_ms() - begun < 6 * 60_000:
        names = [f"{number} {made}" for number in range(2)]
        outcomes = await asyncio.gather(*(write(rig, party, name) for party, name in zip(both, names, strict=True)))
        done = [one for one in outcomes if one is not None]
        assert all(isinstance(one, Applied) for one in done)
        made += len(done)
        if not done:
            wait = min(party.pause(now_ms=rig.now_ms()) for party in both)
            rig.world.clock.advance(max(wait, 50) / 1000)
    assert set(statuses(rig)) == {200}
    assert len(statuses(rig)) == made
    minutes = (rig.now_ms() - begun) / 60_000
    assert made >= 0.95 * APP_MINUTE * minutes


async def test_polls_of_one_leave_the_apps_minute_to_writes_of_the_other(rig: Rig) -> None:
    polling, writing = parties(rig)
    polls = 0
    while polling.pause(now_ms=rig.now_ms(), spare=LEFT_TO_WRITES) == 0:
        await polling.page("Contact", page=1)
        polls += 1
    left = [await write(rig, writing, f"late {number}") for number in range(APP_MINUTE - polls)]
    assert all(isinstance(one, Applied) for one in left)
    assert len(left) >= APP_MINUTE * LEFT_TO_WRITES // 60
    assert await write(rig, writing, "too late") is None
    assert set(statuses(rig)) == {200}


async def test_another_app_has_a_minute_of_its_own(rig: Rig) -> None:
    rig.world.limits.change({"app_minute": 1})
    one, _ = parties(rig, 1)
    assert isinstance(await write(rig, one, "first"), Applied)
    assert await write(rig, one, "second") is None
    await rig.party.organisation()
    assert rig.world.control.requests[-1].status == 200
