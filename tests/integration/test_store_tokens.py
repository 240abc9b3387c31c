"""Grants in both stores: processes of their own refresh one at a time, and one that dies in between loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector.core.grant import Grant
from connector.errors import Unavailable
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.tokens import Refresh
from connector.simulators.xero.world import World
from connector.store.tokens import TokenStore, new_key
from connector.xero.sign_in import fingerprint
from tests.integration.refreshing_process import KEY, NAME

ROOT = Path(__file__).parents[2]
SECONDS = 60


@dataclass
class Deployment:
    """A grant whose access token is over, the Xero that renews it, and the processes that want it."""

    world: World
    base: str
    url: str
    key: str
    store: TokenStore

    @asynccontextmanager
    async def process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Ready, and waiting for a line."""
        ahead = int((self.world.clock.now().timestamp() - time.time()) * 1000)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.refreshing_process", self.url, self.base, str(ahead),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
            env={**os.environ, KEY: self.key},
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async with asyncio.timeout(SECONDS):
                assert await process.stdout.readline() == b"ready\n"
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def kept(self) -> Grant:
        grant = await self.store.read(NAME)
        assert grant is not None
        return grant

    @property
    def asked(self) -> int:
        return [entry.path for entry in self.world.control.requests].count("/connect/token")


@pytest.fixture
async def deployment(store_url: str) -> AsyncIterator[Deployment]:
    app, key = build(), new_key()
    world: World = app.state.world
    client, now = world.tokens.clients["xero-demo-pkce"], world.clock.now()
    scopes = frozenset({"offline_access", "accounting.settings"})
    world.tokens.refreshes["first"] = Refresh(client, scopes, now)
    store = TokenStore(store_url, key)
    async with store.held(NAME) as row:
        await row.save(Grant("first", "over", ends_ms=int(now.timestamp() * 1000) - 1))
    async with running(app) as base:
        yield Deployment(world, base, store_url, key, store)
    await store.close()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        return (await process.stdout.readline()).decode().strip()


def begin(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def test_processes_that_refresh_at_once_use_the_grant_once(deployment: Deployment) -> None:
    deployment.world.control.arm(
        {"kind": "delay", "match": {"path": "/connect/token"}, "options": {"ms": 300, "when": "after"}}
    )
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(deployment.process()) for _ in range(3)]
        for process in processes:
            begin(process)
        tokens = {await said(process) for process in processes}
    kept = await deployment.kept()
    assert tokens == {fingerprint(kept.access)}
    assert deployment.asked == 1
    assert (kept.previous, kept.refresh in deployment.world.tokens.refreshes) == ("first", True)


async def test_a_process_that_dies_with_the_answer_on_its_way_loses_nothing(deployment: Deployment) -> None:
    """Xero has rotated, the new pair was never kept: the lock goes with the process, the old token counts again."""
    deployment.world.control.arm(
        {"kind": "delay", "match": {"path": "/connect/token"}, "options": {"ms": 60_000, "when": "after"}}
    )
    async with deployment.process() as first, deployment.process() as second:
        begin(first)
        async with asyncio.timeout(SECONDS):
            while len(deployment.world.tokens.refreshes) == 1:  # noqa: ASYNC110  (the simulator rotates in this loop)
                await asyncio.sleep(0.01)
        begin(second)
        first.send_signal(signal.SIGKILL)
        token = await said(second)
    kept = await deployment.kept()
    assert (token, kept.previous) == (fingerprint(kept.access), "first")
    assert deployment.asked == 2


async def test_a_lost_answer_is_asked_for_again(deployment: Deployment) -> None:
    deployment.world.control.arm({"kind": "cut-after-commit", "match": {"path": "/connect/token"}})
    async with deployment.process() as first:
        begin(first)
        assert await said(first) == ""  # it ended with what it could not get
    assert (await deployment.kept()).refresh == "first"
    async with deployment.process() as second:
        begin(second)
        token = await said(second)
    kept = await deployment.kept()
    assert (token, kept.previous) == (fingerprint(kept.access), "first")


async def test_what_was_saved_is_kept_whatever_comes_after(deployment: Deployment) -> None:
    async def saved_and_failed() -> None:
        async with deployment.store.held(NAME) as row:
            await row.save(Grant("second", "access"))
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        await saved_and_failed()
    assert (await deployment.kept()).refresh == "second"


async def test_a_store_that_is_away_is_said_without_its_password() -> None:
    store = TokenStore("postgresql+asyncpg://ann:hunter2@127.0.0.1:1/ledger", new_key())
    with pytest.raises(Unavailable) as away:
        await store.read(NAME)
    assert (away.value.code, "hunter2" in str(away.value)) == ("store.unavailable", False)
    await store.close()
