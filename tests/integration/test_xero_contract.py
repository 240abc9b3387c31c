"""Requests of the party and answers of the simulator against Xero's published API file."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from connector.core.party import Operation, Write
from connector.core.records import ReadPlan, Version
from connector.core.values import Value
from connector.http import HttpClient
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.xero.entities import ENTITIES
from connector.xero.poller import poll
from connector.xero.position import Watermark
from tests.integration.test_xero_party_documents import CASES, DAY, create, deposit, update
from tests.integration.xero_contract import Judged, Listening
from tests.integration.xero_rig import Rig, versions

V = Version(1, 1)
# what the file says and the wire does not, or the other way round; each with its reason
TAKEN_BACK = "DELETE /Prepayments/{PrepaymentID}/Allocations/{AllocationID}: got Allocation."
EXPECTED = {
    f"{TAKEN_BACK}AllocationId is not in the file": "the file's own example spells it so",
    f"{TAKEN_BACK}Invoice is list, not object": "the file's own example shows a list",
}


@pytest.fixture
async def judged() -> AsyncIterator[tuple[Rig, Judged]]:
    app, found = build(), Judged()
    app.add_middleware(Listening, judged=found)
    app.state.world.limits.minute = 10_000
    async with running(app) as base, HttpClient() as http:
        rig = Rig(base, app.state.world, http)
        rig.party = rig.new_party(per_minute=10_000)
        yield rig, found


async def test_what_the_party_sends_and_what_the_simulator_answers(judged: tuple[Rig, Judged]) -> None:
    rig, found = judged
    for number, case in enumerate(CASES):
        fields = {**case.fields, **({"Contact": rig.contact()} if case.contact else {})}
        made = await create(rig, case.entity, fields, f"make {number}")
        await rig.party.find(ReadPlan(case.entity), {case.mark[0]: case.mark[1]}, V)
        await rig.party.read(ReadPlan(case.entity), [made.target], V)
        await update(rig, case.entity, made.target, case.change, f"change {number}")
        if case.end is not None:
            await update(rig, case.entity, made.target, case.end, f"end {number}")
    await _credits(rig)
    for name in ENTITIES:
        async for _ in poll(rig.party, name, Watermark(), versions()):
            pass
    assert "\n".join(one for one in found.differences() if one not in EXPECTED) == ""
    assert len(found.operations()) >= 40, sorted(found.operations())


async def _credits(rig: Rig) -> None:
    """Deposits, allocations, refunds, transfers, and what stands below a document."""
    made = (await rig.write([rig.invoice("C-9", Status="AUTHORISED")], "owed"))[0]
    owed: Any = getattr(made, "target", None)
    paid = await deposit(rig)
    assert paid.fields is not None
    part: dict[str, Value] = {
        "Prepayment": paid.fields["PrepaymentID"], "Invoice": owed, "Amount": Decimal(10), "Date": DAY,
    }  # fmt: skip
    allocated = await create(rig, "Allocation", part, "allocate")
    await rig.party.find(ReadPlan("Allocation"), part, V)
    await update(rig, "Allocation", allocated.target, {"IsDeleted": True}, "back")
    money: dict[str, Value] = {"Invoice": owed, "Account": {"Code": "090"}, "Amount": Decimal(5), "Date": DAY}
    payment = await create(rig, "Payment", money, "pay")
    await update(rig, "Payment", payment.target, {"Status": "DELETED"}, "unpay")
    banks: dict[str, Value] = {"FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}}
    moved = await create(rig, "BankTransfer", {**banks, "Amount": Decimal(7), "Date": DAY}, "move")
    await update(rig, "BankTransfer", moved.target, {"Status": "DELETED"}, "unmove")
    await create(rig, "HistoryRecord", {"Invoice": owed, "Details": "Hello"}, "note")
    await rig.party.find(ReadPlan("HistoryRecord"), {"Invoice": owed, "Details": "Hello"}, V)
    content = base64.b64encode(b"hello").decode()
    await create(rig, "Attachment", {"Invoice": owed, "FileName": "a.txt", "Content": content}, "file")
    await rig.party.find(ReadPlan("Attachment"), {"Invoice": owed, "FileName": "a.txt"}, V)
    await rig.write([Write("c", "Currency", Operation.CREATE, None, {"Code": "NZD"})], "currency")


async def test_the_judge_sees_what_is_wrong(judged: tuple[Rig, Judged]) -> None:
    rig, found = judged
    await rig.party.organisation()
    good = found.exchanges[-1]
    bad = json.loads(good.got)
    bad["Organisations"][0] |= {"PaysTax": "yes", "Colour": "red", "Version": "MARS", "PeriodLockDate": "soon"}
    good.got = json.dumps(bad).encode()
    good.query = "colour=red"
    said = "\n".join(found.differences())
    for words in ("PaysTax is str", "Colour is not in the file", "'MARS'", "no date", "no parameter colour"):
        assert words in said


async def test_a_call_that_the_file_does_not_know_is_seen(judged: tuple[Rig, Judged]) -> None:
    rig, found = judged
    async with aiohttp.ClientSession() as http, asyncio.timeout(10):
        await http.get(f"{rig.base}/api.xro/2.0/Nonsense")
    assert found.differences() == ["GET /api.xro/2.0/Nonsense: no such operation"]
