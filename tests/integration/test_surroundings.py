"""What happens around a worker: Kafka away, an old store put back, another prefix, a version that is newer.

Refused or healed, and nothing written twice.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from connector.cli.stage import Stage, until
from connector.kafka.codec import Codec
from connector.kafka.connection import cluster_of
from connector.kafka.embedded import EmbeddedKafka
from connector.kafka.producer import Producer
from connector.settings import load
from streams.clock import clock
from streams.protocol import KEY, PROTOCOL, protocol_value
from tests.integration.spine_stage import advance, spine
from tests.integration.test_apply import account, copied_mappings, invoice_of, opportunity, ours
from tests.integration.test_supervisor import running

pytestmark = pytest.mark.timeout(300)


async def test_kafka_is_away_for_an_hour_and_comes_back(prefix: str, tmp_path: Path) -> None:
    """Kafka itself for as long as two workers need to give up; for both orgs and the workers' clock an hour passes."""
    async with _broker(tmp_path) as broker:
        mappings = copied_mappings(tmp_path, "account-contact")
        async with spine(broker.bootstrap, prefix, tmp_path, mappings=mappings, start=False) as scene:
            await scene.prepare()
            async with running(scene, 1) as process:
                await scene.opened()
                first = await account(scene, "Before")
                await until("the first is linked", partial(_linked, scene, "Before"))
                await broker.kill()
                await until("readiness says so", partial(_unready, scene))
                await account(scene, "While it was away")
                await scene.salesforce.edit("Account", {"Name": "Before, renamed"}, first)
                await until("the worker gave up and is started again and again", partial(_lives, scene, 2), 150)
                assert process.returncode is None  # the supervisor did not give up
                await advance(scene, 3600)  # every token and the stream's session are over
                await broker.start()
                await until("what came meanwhile is linked", partial(_linked, scene, "While it was away"), 120)
                await until("what was changed is changed", partial(_renamed, scene, "Before, renamed"))
            names = await _names(scene)
            counts = names.count("While it was away"), names.count("Before, renamed"), names.count("Before")
            assert counts == (1, 1, 0)


async def test_an_old_store_that_is_put_back_is_filled_up_from_kafka(kafka: str, prefix: str, tmp_path: Path) -> None:
    mappings = copied_mappings(tmp_path, "account-contact")
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await scene.opened()
        first = await account(scene, "Old")
        await until("the first is linked", partial(_linked, scene, "Old"))
        assert await scene.stop_connector() == 0
        tables, copy = scene.config.parent / "data" / "tables", tmp_path / "copy"
        await asyncio.to_thread(shutil.copytree, tables, copy)

        await _start(scene)
        await account(scene, "Later")
        await until("the second is linked", partial(_linked, scene, "Later"))
        await scene.salesforce.edit("Account", {"Name": "Old, once changed"}, first)
        await until("the first is changed", partial(_renamed, scene, "Old, once changed"))
        assert await scene.stop_connector() == 0
        await asyncio.to_thread(shutil.rmtree, tables)
        await asyncio.to_thread(shutil.move, copy, tables)

        await _start(scene)
        await scene.salesforce.edit("Account", {"Name": "Old, changed again"}, first)
        await until("the link goes on", partial(_renamed, scene, "Old, changed again"))
        names = await _names(scene)
        assert (names.count("Later"), names.count("Old, changed again")) == (1, 1)
        assert not {"Old", "Old, once changed"} & set(names)


async def test_another_prefix_is_refused_and_without_the_store_finds_what_the_first_one_made(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await scene.opened()
        owner = await account(scene, "Known already")
        deal = await opportunity(scene, owner, "1", "Closed Won", PO_Number__c="P1")
        await invoice_of(scene, "1")
        await until("the account is linked", partial(_linked, scene, "Known already"))
        assert await scene.stop_connector() == 0

        settings = yaml.safe_load(scene.config.read_text("utf-8"))
        settings["kafka"]["prefix"] = f"other-{prefix}"
        scene.config.write_text(yaml.safe_dump(settings), "utf-8")
        await scene.prepare()
        await scene.start_connector()
        assert scene.worker is not None
        assert await asyncio.wait_for(scene.worker.wait(), 60) != 0  # its store is not of these topics
        assert "table.ahead" in scene.log.read_text("utf-8")
        await asyncio.to_thread(shutil.rmtree, scene.config.parent / "data" / "tables")
        await _start(scene)
        await scene.opened()
        await scene.salesforce.edit("Account", {"Name": "Known still"}, owner)
        await until("the new life goes on with the old contact", partial(_renamed, scene, "Known still"))
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "P2"}, deal)
        await account(scene, "After the deal")
        await until("what came after the deal is linked", partial(_linked, scene, "After the deal"))
        names = await _names(scene)
        assert (names.count("Known still"), "Known already" in names) == (1, False)
        assert len(await ours(scene)) == 1


async def test_a_newer_version_on_the_topics_ends_this_one(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path) as scene:
        where = cluster_of(load(scene.config).kafka)
        async with Producer(where) as producer:
            value = Codec().encode("configuration.v1", protocol_value(PROTOCOL + 1, clock()))
            await producer.send("configuration.v1", KEY, value)
        assert scene.worker is not None
        assert await asyncio.wait_for(scene.worker.wait(), 60) == 78  # it was at work
        await account(scene, "For the newer one")
        await scene.start_connector()
        assert await asyncio.wait_for(scene.worker.wait(), 60) == 78  # and it does not begin
        assert "protocol.newer" in scene.log.read_text("utf-8")
        assert "For the newer one" not in await _names(scene)


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[EmbeddedKafka]:
    """One that may be taken away from its workers alone."""
    broker = EmbeddedKafka(folder / "kafka")
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def _start(scene: Stage) -> None:
    (scene.config.parent / "data" / "web.port").unlink(missing_ok=True)
    await scene.start_connector()
    await scene.ready()


async def _unready(scene: Stage) -> bool:
    found = await scene.health()
    return any("Kafka" in reason or reason == "no answer" for reason in found["reasons"])


async def _lives(scene: Stage, wanted: int) -> bool:
    return scene.log.read_text("utf-8").count('"worker ended"') >= wanted


async def _linked(scene: Stage, name: str) -> bool:
    rows = await scene.salesforce.objects("Account")
    return any(row["Name"] == name and row["Xero_Contact_Id__c"] for row in rows)


async def _renamed(scene: Stage, name: str) -> bool:
    return name in await _names(scene)


async def _names(scene: Stage) -> list[str]:
    return [row["Name"] for row in await scene.xero.objects("Contact")]
