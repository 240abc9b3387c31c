"""A deleted item leaves no trace in Xero: it is believed gone by the rule of absence, and by nothing less."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from connector.core.records import Record
from connector.http import HttpClient
from connector.kafka.positions import Position
from connector.settings import ConnectionSettings, SalesforceSettings, XeroSettings
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT
from connector.xero.pace import WHOLE
from connector.xero.whole import Seen
from streams.connection import Connection
from streams.vanished import VanishedLoop
from tests.integration.xero_rig import Rig


@dataclass
class Told:
    """What the loop said."""

    gone: list[Record] = field(default_factory=list)
    said: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    async def emit(self, _connection: Connection, record: Record) -> None:
        self.gone.append(record)

    async def say(self, _connection: Connection, kind: str, subject: str, _text: str, data: dict[str, str]) -> None:
        self.said.append((kind, subject, data))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    async with running(app) as base, HttpClient() as http:
        yield Rig(base, app.state.world, http)


async def _forget(*_args: Any) -> None:
    return None


def compared(rig: Rig, told: Told, positions: dict[str, Position] | None = None) -> VanishedLoop:
    settings = ConnectionSettings(
        name="main", salesforce=SalesforceSettings(url="https://example.org", client_id="x"),
        xero=(XeroSettings(tenant=DEMO_TENANT, client_id="x"),),
    )  # fmt: skip
    party: Any = rig.party
    connection = Connection(settings, party, party, "00D", DEMO_TENANT, rig.world.clock.now, 0)

    async def sleep(seconds: float) -> None:
        rig.world.clock.advance(seconds)

    return VanishedLoop(
        connection, DEMO_TENANT, rig.party, lambda _partition: (), told.emit, told.say, _forget, _forget,
        {} if positions is None else positions, lambda: ("Item", "Contact"), 24, sleep,
    )  # fmt: skip


def items(rig: Rig) -> list[str]:
    return sorted(one["ItemID"] for one in rig.world.first.all("Item"))


async def test_a_deleted_item_is_gone_after_two_lists_and_two_looks(rig: Rig) -> None:
    told = Told()
    loop = compared(rig, told)
    assert not await loop.compare("Item")
    first = items(rig)[0]
    rig.world.delete("Item", first)
    before = rig.party.calls
    assert await loop.compare("Item")  # one list is a suspicion: another should follow soon
    assert (told.gone, rig.party.calls - before) == ([], 1)
    assert not await loop.compare("Item")
    assert [(one.id, one.deleted, one.entity) for one in told.gone] == [(first, True, "Item")]
    assert rig.party.calls - before == 6  # two lists; two looks, another item beside it
    assert told.said[-1] == ("compare.done", "Item", {"listed": str(len(items(rig))), "gone": "1", "missing": "0"})
    assert not await loop.compare("Item")
    assert len(told.gone) == 1


async def test_a_suspicion_survives_a_restart(rig: Rig) -> None:
    told, positions = Told(), dict[str, Position]()
    await compared(rig, told, positions).compare("Item")
    first = items(rig)[0]
    rig.world.delete("Item", first)
    await compared(rig, told, positions).compare("Item")
    await compared(rig, told, positions).compare("Item")
    assert [one.id for one in told.gone] == [first]
    kept = Seen.from_text(positions[WHOLE + "Item"].value)
    assert kept.ids == set(items(rig))


async def test_an_item_that_comes_back_or_still_answers_is_not_gone(rig: Rig) -> None:
    told, tenant = Told(), rig.world.first
    loop = compared(rig, told)
    await loop.compare("Item")
    first = items(rig)[0]
    kept = tenant.tables["Item"].pop(first)
    assert await loop.compare("Item")
    tenant.tables["Item"][first] = kept
    assert not await loop.compare("Item")
    tenant.tables["Item"].pop(first)
    assert await loop.compare("Item")  # two lists in a row it must be
    assert told.gone == []


async def test_a_list_that_lost_too_much_is_not_believed(rig: Rig) -> None:
    """A permission that went: short lists, and nobody answers."""
    told, tenant = Told(), rig.world.first
    for number in range(30):
        rig.world.edit("Item", None, {"Code": f"I{number}"})
    loop = compared(rig, told)
    await loop.compare("Item")
    all_items = dict(tenant.tables["Item"])
    tenant.tables["Item"].clear()
    for _ in range(3):
        await loop.compare("Item")
    assert told.gone == []
    assert told.said[0][:2] == ("compare.short", "Item")
    tenant.tables["Item"].update(all_items)
    assert not await loop.compare("Item")


async def test_where_nobody_else_answers_nothing_is_gone(rig: Rig) -> None:
    told, tenant = Told(), rig.world.first
    for one in items(rig)[1:]:
        tenant.tables["Item"].pop(one)
    loop = compared(rig, told)
    await loop.compare("Item")
    tenant.tables["Item"].clear()  # the only one: an empty list says nothing
    await loop.compare("Item")
    await loop.compare("Item")
    assert told.gone == []
    assert told.said[-1][2]["missing"] == "1"


async def test_lists_that_end_by_status_are_not_compared_and_others_when_they_are_due(rig: Rig) -> None:
    class Enough(Exception):
        pass

    told, positions = Told(), dict[str, Position]()
    loop, turns = compared(rig, told, positions), [0]
    began = rig.world.clock.now()

    async def sleep(_seconds: float) -> None:
        turns[0] += 1
        rig.world.clock.advance(3600)
        if turns[0] > 50:
            raise Enough

    loop.sleep = sleep
    with pytest.raises(Enough):
        await loop.run()
    assert set(positions) == {WHOLE + "Item"}
    assert rig.party.calls == 3  # at once, after a day, after two
    assert rig.world.clock.now() - began > timedelta(hours=50)
