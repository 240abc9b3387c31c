"""The pages of a worker over the loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from starlette.applications import Starlette

from connector.errors import ConfigurationError
from connector.http import HttpClient
from connector.observe.health import Facts
from connector.observe.metrics import Metrics
from connector.web.app import build, serve

WELL = Facts(started=True, heartbeat=timedelta(seconds=1), assigned=True)


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, listening=told.set_result))
    yield await told
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def get(url: str) -> tuple[int, bytes]:
    async with HttpClient() as client:
        answer = await client.request("GET", url, seconds=10)
        return answer.status, answer.body


class Worker:
    facts: Facts = WELL

    def __call__(self) -> Facts:
        return self.facts


async def test_the_pages_say_what_the_facts_say_at_that_moment() -> None:
    worker = Worker()
    async with serving(build(worker, Metrics())) as base:
        assert base.startswith("http://127.0.0.1:")
        assert await get(f"{base}/livez") == (200, b'{"live":true,"reasons":[]}')
        status, body = await get(f"{base}/readyz")
        assert (status, json.loads(body)) == (200, {"live": True, "ready": True, "reasons": [], "notes": []})
        worker.facts = replace(WELL, catching_up=(2,), notes=("mapping bills is paused",))
        status, body = await get(f"{base}/readyz")
        assert (status, json.loads(body)["reasons"]) == (503, ["catching up on partition 2"])
        assert json.loads(body)["notes"] == ["mapping bills is paused"]
        assert (await get(f"{base}/livez"))[0] == 200
        worker.facts = replace(WELL, heartbeat=timedelta(minutes=2))
        assert (await get(f"{base}/livez"))[0] == 503


async def test_metrics_are_in_prometheus_text() -> None:
    metrics = Metrics()
    metrics.links_busy.labels(connection="acme").set(3)
    async with serving(build(Worker(), metrics)) as base:
        status, body = await get(f"{base}/metrics")
    assert status == 200
    assert b'twinledger_write_links_busy{connection="acme"} 3.0' in body


async def test_nothing_else_is_there() -> None:
    async with serving(build(Worker(), Metrics())) as base:
        assert (await get(f"{base}/table"))[0] == 404


async def test_a_taken_port_is_a_configuration_error() -> None:
    async with serving(build(Worker(), Metrics())) as base:
        with pytest.raises(ConfigurationError) as caught:
            await serve(build(Worker(), Metrics()), port=int(base.rsplit(":", 1)[1]))
    assert caught.value.code == "web.address"
