"""After the scenarios: what was kept in Kafka says nothing that was not done."""

from __future__ import annotations

from connector.cli.stage import Stage
from connector.settings import load
from connector.xero.avro import TOPICS as ACCOUNTING
from streams.hops import RECORDS
from streams.replay import Range, Replayed, compare
from tests.integration.kafka_views import cluster


async def replayed(scene: Stage, topic: str, key: str = "") -> Replayed:
    return await compare(load(scene.config), cluster(scene), Range(topic, key=key))


async def says_nothing_new(scene: Stage) -> None:
    """Every record of every topic, planned again, asks for no write, no look-up and no review."""
    for topic in (RECORDS, *ACCOUNTING):
        found = await replayed(scene, topic)
        told = "\n".join(map(str, found.differences))
        assert not told, f"{topic}:\n{told}"
        assert found.unreadable == 0, topic
