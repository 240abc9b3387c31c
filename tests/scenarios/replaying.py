"""After the scenarios: what was kept in Kafka says nothing that was not done."""

from __future__ import annotations

from connector.cli.stage import Stage, until
from connector.errors import Unavailable
from connector.settings import load
from connector.xero.avro import TOPICS as ACCOUNTING
from streams.hops import RECORDS
from streams.replay import Range, Replayed, compare
from tests.integration.kafka_views import cluster


async def replayed(scene: Stage, topic: str, key: str = "") -> Replayed:
    return await compare(load(scene.config), cluster(scene), Range(topic, key=key))


async def says_nothing_new(scene: Stage, topics: tuple[str, ...] = (RECORDS, *ACCOUNTING), key: str = "") -> None:
    """Every record of every topic, planned again, asks for no write, no look-up and no review; ``key`` chooses some.
    The worker goes on meanwhile: what it is just about to do differs for a moment."""
    for topic in topics:
        last: list[Replayed] = []

        async def nothing(topic: str = topic, last: list[Replayed] = last) -> bool:
            last[:] = [await replayed(scene, topic, key)]
            return last[0].differences == ()

        try:
            await until(f"{topic} says nothing new", nothing)
        except Unavailable as error:
            raise AssertionError("\n".join(map(str, last[0].differences))) from error
        assert last[0].unreadable == 0, topic
