"""Each kind of write, interrupted at each point, tried again a second or days later: one document, as it was asked.
In simulated time.

What the engine does with an unknown outcome, done by hand: the same bytes under the same key while Xero keeps the key,
after that a look by the mark, and a new call only where nothing is found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from connector.core.failure import Kind
from connector.core.party import Applied, NoAnswer, Operation, Outcome, Rejected, Undecided, Write
from connector.core.records import ReadPlan, Version
from connector.http import HttpClient
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.xero.writer import batch_limit
from tests.integration.xero_rig import Rig
from tests.integration.xero_targets import TARGETS, Target

V = Version(1, 1)
SAME_KEY_SECONDS, KEY_GONE_SECONDS = 240, 421
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("cut-before-commit", {}),
    ("cut-after-commit", {}),
    ("status", {"status": 500}),
    ("status-after-commit", {"status": 500}),
    ("status", {"status": 503}),
    ("status-after-commit", {"status": 502}),
    ("status", {"status": 429}),
    ("token-revoked", {}),
)
DELAYS = (1, 300, 600, 259_200)
BATCHED = tuple(one for one in TARGETS if not one.alone)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    app.state.world.limits.change({"minute": 100_000, "day": 1_000_000})
    async with running(app) as base, HttpClient() as http:
        made = Rig(base, app.state.world, http)
        made.party = made.new_party(per_minute=100_000)
        yield made


async def attempt(rig: Rig, writes: list[Write], key: str) -> tuple[Outcome, ...]:
    """One call; a lost answer is an unknown outcome of each."""
    try:
        answer = await rig.party.send(rig.party.prepare(writes, key), seconds=20)
    except NoAnswer as lost:
        return tuple(Undecided(write.id, lost.reason) for write in writes)
    return rig.party.outcomes(writes, answer)


def settled(outcome: Outcome) -> bool:
    """Nothing more to find out: it is there, or refused for good."""
    waits = isinstance(outcome, Rejected) and outcome.failure.kind is Kind.RETRY
    return not isinstance(outcome, Undecided) and not waits


async def carry_out(rig: Rig, target: Target, mark: str, delay: int) -> str:
    """The id of the document, whatever happened to the first call."""
    write = Write(mark, target.entity, Operation.CREATE, None, target.fields(rig, mark))
    (first,) = await attempt(rig, [write], f"{mark}-1")
    outcome, waited = first, 0
    for number in range(1, 6):
        if settled(outcome):
            break
        told = outcome.failure.retry_after or 0 if isinstance(outcome, Rejected) else 0  # Retry-After is obeyed
        waited += max(delay, told)
        rig.world.clock.advance(max(delay, told))
        unknown = isinstance(first, Undecided)
        if unknown and waited < SAME_KEY_SECONDS and number == 1:
            (outcome,) = await attempt(rig, [write], f"{mark}-1")
            continue
        if unknown:
            rig.world.clock.advance(max(0, KEY_GONE_SECONDS - waited))  # nothing may be on its way any more
            found = await rig.party.find(ReadPlan(target.entity), target.look(rig, mark), V)
            if found:
                return found[0].id
        (outcome,) = await attempt(rig, [write], f"{mark}-{number + 1}")
    assert isinstance(outcome, Applied), outcome
    return outcome.target


def name(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("target", TARGETS, ids=name)
async def test_one_document_wherever_its_call_was_interrupted(rig: Rig, target: Target) -> None:
    number = 100
    for kind, options in FAULTS:
        for delay in DELAYS:
            number += 1
            mark = target.mark(number)
            target.fields(rig, mark)  # what it stands on is made before the fault is armed
            rig.world.control.arm({
                "kind": kind, "options": options, "count": 1,
                "match": {"path": "/api.xro", **({} if kind == "token-revoked" else {"method": "PUT"})},
            })  # fmt: skip
            document = await carry_out(rig, target, mark, delay)
            assert [fault.hits for fault in rig.world.control.faults.values()] == [1], (kind, options, delay)
            rig.world.control.faults.clear()
            await judge(rig, target, mark, document)


async def judge(rig: Rig, target: Target, mark: str, document: str) -> None:
    """One document, found by its mark, equal to what was asked in every field."""
    (stands,) = target.standing(rig.world.first, mark)
    assert target.wrong(rig, mark, stands) == [], mark
    (found,) = await rig.party.find(ReadPlan(target.entity), target.look(rig, mark), V)
    assert found.id == document, mark


@pytest.mark.parametrize("target", BATCHED, ids=name)
@pytest.mark.parametrize("delay", DELAYS)
async def test_half_a_batch_is_made_whole_and_no_more(rig: Rig, target: Target, delay: int) -> None:
    marks = [target.mark(200 + number) for number in range(5)]
    writes = [Write(mark, target.entity, Operation.CREATE, None, target.fields(rig, mark)) for mark in marks]
    rig.world.control.arm({"kind": "half-batch", "count": 1, "match": {"path": "/api.xro", "method": "PUT"}})
    outcomes = await attempt(rig, writes, "half")
    assert all(isinstance(one, Undecided) for one in outcomes)
    assert sum(bool(target.standing(rig.world.first, mark)) for mark in marks) == 2
    rig.world.clock.advance(delay)
    if delay < SAME_KEY_SECONDS:  # Xero answers with what it kept, which is not what was asked
        outcomes = await attempt(rig, writes, "half")
        assert all(isinstance(one, Undecided) for one in outcomes)
    rig.world.clock.advance(max(0, KEY_GONE_SECONDS - delay))
    looked = [await rig.party.find(ReadPlan(target.entity), target.look(rig, mark), V) for mark in marks]
    documents = [found[0].id if found else "" for found in looked]
    missing = [write for write, document in zip(writes, documents, strict=True) if not document]
    assert len(missing) == 3
    made = {one.write: one.target for one in await attempt(rig, missing, "rest") if isinstance(one, Applied)}
    for mark, document in zip(marks, documents, strict=True):
        await judge(rig, target, mark, document or made[mark])


def test_each_type_that_goes_in_batches_has_half_a_batch() -> None:
    for target in TARGETS:
        most = batch_limit(target.entity, Operation.CREATE)
        assert (most == 1) == bool(target.alone), target.name


async def test_the_judge_of_content_sees_each_field_that_is_wrong(rig: Rig) -> None:
    for target in TARGETS:
        mark = target.mark(300)
        await carry_out(rig, target, mark, 1)
        (stands,) = target.standing(rig.world.first, mark)
        for field in {**target.fields(rig, mark), **target.reckoned}:
            spoilt = {**stands, field: Decimal("-1")}
            assert target.wrong(rig, mark, spoilt) != [], (target.name, field)
            fewer = {key: value for key, value in stands.items() if key != field}
            assert target.wrong(rig, mark, fewer) != [], (target.name, field)
