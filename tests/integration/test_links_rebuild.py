"""Links that were lost: a worker refuses instead of making everything twice, and a rebuild brings them back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from connector.cli.stage import Stage, until
from connector.kafka import admin
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.link_codec import read_link
from connector.settings import load
from streams.clock import clock
from streams.rebuild import rebuild
from tests.integration.spine_stage import spine
from tests.integration.test_apply import account, copied_mappings, invoice_of, opportunity, ours

pytestmark = pytest.mark.timeout(240)


async def test_an_emptied_links_topic_is_refused_and_rebuilt(kafka: str, prefix: str, tmp_path: Path) -> None:
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await scene.opened()
        owner = await account(scene, "Rebuilt customer")
        deal = await opportunity(scene, owner, "1", "Closed Won", PO_Number__c="R1")
        await invoice_of(scene, "1")
        settings = load(scene.config)
        cluster = cluster_of(settings.kafka)
        await until("the links are settled", lambda: _settled(cluster))
        before = await _links(cluster)
        assert await scene.stop_connector() == 0

        await _empty(cluster, scene)
        assert await _refused(scene) == 78
        assert "links.missing" in scene.log.read_text("utf-8")

        done = await rebuild(settings, cluster, clock, dry_run=False)
        assert (done.unreadable, done.mappings) == (0, 2)
        assert await _links(cluster) == before
        await scene.start_connector()
        await scene.ready()
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "R2"}, deal)
        await until("the paused mapping holds its change", lambda: _dirty(cluster, deal))
        assert [row["Reference"] for row in await ours(scene)] == ["R1"]  # paused, and nothing a second time


async def _links(cluster: Cluster) -> dict[str, tuple[str, str, str]]:
    """Link key → life and both ends."""
    codec, out = Codec(), {}
    for key, message in (await latest(cluster, "links.v1")).items():
        decoded = codec.decode(message.value)
        assert isinstance(decoded, Decoded)
        link = read_link(decoded.value).link
        out[key.decode()] = (link.life.value, link.salesforce.id, link.xero.id)
    return out


async def _settled(cluster: Cluster) -> bool:
    codec = Codec()
    for message in (await latest(cluster, "links.v1")).values():
        decoded = codec.decode(message.value)
        if isinstance(decoded, Decoded) and read_link(decoded.value).link.attempt is not None:
            return False
    return True


async def _dirty(cluster: Cluster, deal: str) -> bool:
    codec = Codec()
    for message in (await latest(cluster, "links.v1")).values():
        decoded = codec.decode(message.value)
        assert isinstance(decoded, Decoded)
        link = read_link(decoded.value).link
        if link.id.document == f"salesforce:{deal}" and link.salesforce.drift.get("Reference") == '"R2"':
            return True
    return False


async def _empty(cluster: Cluster, scene: Stage) -> None:
    """Somebody deleted the topics, and the disk is lost. (Tombstones that name no rank would take nothing away.)"""
    names = ("links.v1", "targets.v1")
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(name) for name in names])
    await admin.apply(cluster)
    await asyncio.to_thread(shutil.rmtree, scene.config.parent / "data" / "tables")


async def _refused(scene: Stage) -> int:
    await scene.start_connector()
    assert scene.worker is not None
    return await scene.worker.wait()
