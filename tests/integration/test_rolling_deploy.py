"""Rebalances: loops wait for their partition to come back, streams stay open, nothing is written meanwhile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from connector.cli.stage import Json, until
from tests.integration.fleet_stage import Fleet, fleet, opened

pytestmark = pytest.mark.timeout(400)
NAMES = ("acme", "two", "north", "demo")  # one on each of four partitions


async def test_a_rolling_deploy_keeps_the_streams_of_those_that_stay(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with fleet(kafka, prefix, tmp_path, NAMES) as there:
        workers = ("one", "two", "three")
        for name in workers:
            await there.start(name)
        before = await there.owners()
        await opened(there)
        assert set(before.values()) == set(workers)
        kept = 0
        for name in workers:
            sessions = await there.sessions()
            assert all(len(ids) == 1 for ids in sessions.values()), sessions
            assert await there.hands[name].end() == 0
            between = await there.owners()
            await there.start(name)
            after = await there.owners()
            for connection in NAMES:
                if before[connection] == between[connection] == after[connection]:
                    assert (await there.sessions())[connection] >= sessions[connection], f"{connection} shook hands"
                    kept += 1
            await until("only one client is left of each stream", lambda: _single(there))
            before = after
        assert kept >= len(workers)  # a deploy of three leaves somebody alone each time
        for name in NAMES:
            await there.orgs[name].edit("Account", {"Name": f"After the deploy of {name}"})
        for name in NAMES:
            await until(f"{name} is written once", partial(_contacts, there, name))
        for name in workers:
            assert '"code"' not in there.hands[name].log.read_text("utf-8"), "a worker ended for a reason"


async def _single(there: Fleet) -> bool:
    return all(len(ids) == 1 for ids in (await there.sessions()).values())


async def _contacts(there: Fleet, name: str) -> list[Json]:
    wanted = f"After the deploy of {name}"
    return [row for row in await there.companies[name].objects("Contact") if row["Name"] == wanted]
