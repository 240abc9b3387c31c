"""A worker's pages over real Kafka: every metric that can be set is set, and goes with the connection."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from connector.cli.stage import Stage, until
from connector.core.identity import join_key
from connector.kafka.connection import cluster_of
from connector.kafka.producer import Producer
from connector.settings import load
from tests.integration.fleet_stage import Fleet, fleet, opened
from tests.integration.spine_stage import spine
from tests.integration.test_apply import account, copied_mappings

pytestmark = pytest.mark.timeout(200)
SHARED = ("acme", "alpha")  # both on partition 0 of four


async def test_every_metric_is_set(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path, mappings=copied_mappings(tmp_path, "account-contact")) as scene:
        await scene.opened()
        await account(scene, "Measured")
        async with Producer(cluster_of(load(scene.config).kafka)) as producer:
            await producer.send("salesforce.hints.v1", join_key("demo", "x"), b"poison")
            await producer.send("salesforce.hints.v1", join_key("stranger", "x"), b"poison")
        await scene.salesforce.call("POST", "/__sim/stage-error", {
            "channel": "/meta/connect", "answer": {"error": "500::Internal error", "advice": {"reconnect": "none"}},
        })  # fmt: skip
        await account(scene, "Measured once more")
        for pattern in (
            r'write_call_seconds_count\{connection="demo",side="xero"\} [1-9]',
            r'write_call_seconds_count\{connection="demo",side="salesforce"\} [1-9]',
            r'lease_renewals_total\{outcome="claimed"\} 1',
            r'lease_renewals_total\{outcome="renewed"\} [1-9]',
            r'guard_deadletters_total\{connection="demo",stage="hydrate"\} 1',
            r"review_reviews_open\{[^}]+\} [1-9]",
            r"project_messages_behind 0",
            r'account_messages_total\{outcome="folded",topic="link-events.v1"\} [1-9]',
            r'account_messages_total\{outcome="dead letter",topic="salesforce.hints.v1"\} [12]',
            r'account_messages_unaccounted\{partition="3",topic="link-events.v1"\} 0',
            r'capture_reconnects_total\{connection="demo",side="salesforce"\} [1-9]',
        ):
            await until(f"{pattern} is shown", partial(_shows, scene, f"^twinledger_{pattern}"))
        assert not re.search(r"unaccounted\{[^}]*\} [1-9]", await _metrics(scene))


async def test_two_connections_of_one_partition_share_its_lease(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with fleet(kafka, prefix, tmp_path, SHARED) as there:
        await there.start("one")
        assert await there.owners() == dict.fromkeys(SHARED, "one")
        await opened(there)
        for name in SHARED:
            await there.orgs[name].edit("Account", {"Name": f"Of {name}", "Type": "Customer"})
        for name in SHARED:
            await until(f"{name} is written", partial(_written, there, name))
        assert await there.hands["one"].end() == 0


async def _written(there: Fleet, name: str) -> bool:
    return f"Of {name}" in [row["Name"] for row in await there.companies[name].objects("Contact")]


async def _metrics(scene: Stage) -> str:
    port = (scene.config.parent / "data" / "web.port").read_text("ascii")
    return (await scene.xero.http.request("GET", f"http://127.0.0.1:{port}/metrics", seconds=5)).body.decode()


async def _shows(scene: Stage, pattern: str) -> bool:
    return re.search(pattern, await _metrics(scene), re.M) is not None
