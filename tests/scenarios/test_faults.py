"""The connector as two worker processes, killed, ended and frozen while people edit: nothing doubled, nothing lost.

The long run is ``make faults``; this is a handful of its faults, among them a freeze between a call's announcement and
its send.
"""

from __future__ import annotations

import random
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.faults.campaign import Campaign, Plan
from benchmarks.faults.theatre import theatre

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
FEW = Plan(changes=16, kills=2, ends=1, freezes=0, placed=1, brokers=0, session=6.0, seconds=120)


async def test_two_workers_double_nothing_and_lose_nothing(kafka: str, tmp_path: Path) -> None:
    seed = 7
    folder = tmp_path / f"t{uuid4().hex[:10]}"
    async with theatre(folder, seed, ("acme", "west"), kafka) as scene, scene.crew(FEW.session) as crew:
        await scene.opened()
        run = Campaign(scene, crew, FEW, random.Random(seed))
        verdict = await run.run()
        assert (verdict.doubled, verdict.lost, verdict.wrong) == ([], [], [])
        assert verdict.edits >= FEW.changes
        assert crew.ends["SIGKILL"] >= FEW.kills - 1  # a worker that ends by itself meanwhile is not killed
        assert run.done["place"] == FEW.placed
