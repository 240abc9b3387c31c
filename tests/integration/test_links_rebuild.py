"""Links that were lost: a worker refuses instead of making everything twice, and a rebuild brings them back."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from typer.testing import CliRunner

from connector.cli.app import app
from connector.cli.signals import Signal, send
from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Life
from connector.errors import DataError
from connector.kafka import admin
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import end_offsets, latest
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.link_codec import read_link
from connector.settings import load
from streams.clock import clock
from streams.hops import EVENTS
from streams.rebuild import rebuild
from tests.integration.kafka_views import link_of, links
from tests.integration.spine_stage import spine
from tests.integration.test_apply import account, copied_mappings, invoice_of, opportunity, ours
from tests.scenarios.people import INVOICES

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

        asked = await _requests(scene)
        done = await rebuild(settings, cluster, clock, dry_run=False)
        assert await _requests(scene) == asked, "no API is asked, not even to sign in"
        assert (done.unreadable, done.mappings, done.whole) == (0, 2, True)
        assert await _links(cluster) == before
        await scene.start_connector()
        await scene.ready()
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "R2"}, deal)
        await until("the paused mapping holds its change", lambda: _dirty(cluster, deal))
        assert [row["Reference"] for row in await ours(scene)] == ["R1"]  # paused, and nothing a second time


async def test_events_that_are_gone_are_said_and_nothing_is_made_twice(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Kafka keeps events for 400 days. What was made before is found by its mark, or is a person's to say; what was
    there before the mapping makes nothing now."""
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    async with spine(kafka, prefix, tmp_path, mappings=mappings, start=False) as scene:
        owner = await account(scene, "Forgotten customer")
        past = await opportunity(scene, owner, "past", "Closed Won")
        await scene.prepare()
        await scene.start_connector()
        await scene.ready()
        await scene.opened()
        deal = await opportunity(scene, owner, "1", "Closed Won", PO_Number__c="R1")
        await invoice_of(scene, "1")
        ended = await opportunity(scene, owner, "2", "Closed Won")
        await invoice_of(scene, "2")
        settings = load(scene.config)
        cluster = cluster_of(settings.kafka)
        await until("the links are settled", lambda: _settled(cluster))
        assert await scene.stop_connector() == 0
        await scene.xero.edit("Invoice", {"Url": "https://example.com/"}, (await invoice_of(scene, "2"))["InvoiceID"])
        await scene.xero.edit("Invoice", {"InvoiceNumber": "Another"}, (await invoice_of(scene, "2"))["InvoiceID"])
        await _remove_events(cluster)
        await _empty(cluster, scene)

        code, found = await _command(scene, "--dry-run")
        assert (code, found["whole"], found["links"]) == (3, False, 0)
        assert found["gone"] > 0
        with pytest.raises(DataError, match="not whole") as refused:
            await rebuild(settings, cluster, clock, dry_run=False)
        assert refused.value.code == "events.gone"
        assert await _links(cluster) == {}, "nothing was written"
        assert (await rebuild(settings, cluster, clock, dry_run=False, partial=True)).mappings == 2

        await scene.start_connector()
        await scene.ready()
        resumed = [Signal("mapping.resume", "demo", name, {}) for name in ("opportunity-to-invoice", "account-contact")]
        await send(cluster, resumed)  # documents first: they wait for their customers
        await scene.opened()
        for one in (past, deal):
            await scene.salesforce.edit("Opportunity", {"PO_Number__c": "R2"}, one)
        await until("the old invoice follows its deal again", lambda: _reference(scene, "1", "R2"))
        codes = {link.id.source: (link.life.value, link.reason, link.code) for link in await links(scene, INVOICES)}
        assert codes[past] == ("ended", "before", "")
        assert codes[deal] == ("live", "", "")
        assert codes[ended][2] == "link.unclaimed", "nobody can say whether it ever had one"
        assert sorted(row["InvoiceNumber"] for row in await ours(scene)) == ["OPP-1"]


async def _live(scene: Stage, account_id: str) -> bool:
    link = await link_of(scene, "account-contact", account_id)
    return link is not None and link.life is Life.LIVE


async def _requests(scene: Stage) -> int:
    return len(await scene.salesforce.requests()) + len(await scene.xero.requests())


async def _command(scene: Stage, *arguments: str) -> tuple[int, Json]:
    words = ["links", "rebuild", *arguments, "--config", str(scene.config), "--output", "json"]
    result = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert result.stdout, result.exception
    return result.exit_code, json.loads(result.stdout)


async def _reference(scene: Stage, number: str, text: str) -> bool:
    return [row["Reference"] for row in await ours(scene) if row["InvoiceNumber"] == f"OPP-{number}"] == [text]


async def _remove_events(cluster: Cluster) -> None:
    """As retention does."""
    ends = await end_offsets(cluster, EVENTS)
    places = {
        TopicPartition(cluster.topic(EVENTS), number): RecordsToDelete(before_offset=end)
        for number, end in ends.items()
    }
    async with admin.admin_client(cluster) as client:
        await client.delete_records(places)


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
