"""``twinledger run`` over real Kafka: workers that die come back, what is on its way is finished, final is final."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from connector.cli.stage import Stage, until
from tests.integration.spine_stage import arm, hits, spine
from tests.integration.test_apply import account, copied_mappings

pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def running(scene: Stage, workers: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The supervisor with its log where the stage's worker has it."""
    with scene.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connector.cli.main", "run", "--config", str(scene.config),
            "--workers", str(workers), stdout=log, stderr=log, env={**os.environ, **scene.environment},
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 60)


def children(process: asyncio.subprocess.Process) -> dict[str, int]:
    """Instance name → process id of each worker."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            words = (stat.parent / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue
        if parent == process.pid and b"--instance" in words:
            found[words[words.index(b"--instance") + 1].decode()] = int(stat.parent.name)
    return found


async def test_a_killed_worker_comes_back_and_sigterm_finishes_what_is_on_its_way(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    mappings = copied_mappings(tmp_path, "account-contact")
    async with spine(kafka, prefix, tmp_path, mappings=mappings, start=False) as scene:
        await scene.prepare()
        data = scene.config.parent / "data"
        async with running(scene, 2) as process:
            await scene.opened()
            first = children(process)
            assert len(first) == 2
            assert (data / "worker-1" / "tables").is_dir()  # a folder of its own
            victim = sorted(first)[0]
            os.kill(first[victim], signal.SIGKILL)
            await until("it was started again", partial(_again, process, victim, first[victim]))
            assert children(process)[sorted(first)[1]] == first[sorted(first)[1]]  # the other was left alone
            assert '"worker ended"' in scene.log.read_text("utf-8")

            fault = await arm(scene.xero, "delay", "PUT", "/api.xro/2.0/Contacts", {"ms": 3000, "when": "after"})
            await account(scene, "On its way")
            await until("the call is on its way", partial(_struck, scene, fault), 120)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0
        async with running(scene, 1):
            await until("its answer was kept: nobody had to look for it", partial(_linked, scene, "On its way"))
        names = [row["Name"] for row in await scene.xero.objects("Contact")]
        assert names.count("On its way") == 1


async def test_what_a_restart_cannot_mend_ends_the_run(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path, start=False) as scene:
        await scene.prepare()
        scene.environment["TWINLEDGER_CONNECTIONS__0__SALESFORCE__ORGANISATION"] = "00D000000000000EAA"
        async with running(scene, 1) as process:
            assert await asyncio.wait_for(process.wait(), 60) == 78
        log = scene.log.read_text("utf-8")
        assert "organisation.other" in log
        assert '"worker ended for good"' in log


async def _again(process: asyncio.subprocess.Process, name: str, before: int) -> bool:
    return children(process).get(name, before) != before


async def _struck(scene: Stage, fault: int) -> bool:
    return await hits(scene.xero, fault) > 0


async def _linked(scene: Stage, name: str) -> bool:
    rows = await scene.salesforce.objects("Account")
    return any(row["Name"] == name and row["Xero_Contact_Id__c"] for row in rows)
