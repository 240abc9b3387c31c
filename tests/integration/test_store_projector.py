"""The projector on the real broker: links and dead letters as they stand in Kafka, seen in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.core.identity import LinkId, join_key
from connector.core.link_state import End, Hold, Life, Link, Rules
from connector.core.records import Side
from connector.errors import Unavailable
from connector.kafka import admin
from connector.kafka.admin import admin_client
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.link_codec import link_value
from connector.kafka.producer import Producer
from connector.kafka.topics import BY_NAME
from connector.store.projection import Projection
from streams.project import Projector, keep_projecting

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FEW = tuple(BY_NAME[name] for name in ("links.v1", "deadletters.v1", "schemas.v1"))
RULES = Rules(source=Side.SALESFORCE, creates=frozenset({Side.XERO}))
GENESIS = "g-1"


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, FEW)
    yield cluster
    async with admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(topic.name) for topic in FEW])


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Projection]:
    async with await Projection.open(store_url) as projection:
        yield projection


def link(number: int, **parts: object) -> Link:
    fresh = Link(
        LinkId("acme", "invoices", f"salesforce:006{number}", "t-1"),
        salesforce=End(id=f"006{number}", drift={"Total": '{"#":"5"}'}),
    )
    return replace(fresh, **parts)  # type: ignore[arg-type]


def live(number: int) -> Link:
    return link(number, life=Life.LIVE, salesforce=End(id=f"006{number}"), xero=End(id=f"x-{number}"))


FAILED = {"hold": Hold.FAILED, "code": "link.taken", "message": "Taken.", "remedy": "Link to it."}


def letter(offset: int, closed: str | None = None) -> dict[str, object]:
    return {
        "connection": "acme", "topic": "salesforce.hints.v1", "partition": 3, "offset": offset, "key": b"acme/x",
        "value": b"\x00broken", "stage": "hydrate", "code": "codec.not-avro", "message": "Not Avro.", "remedy": "",
        "at": NOW, "closed": closed,
    }  # fmt: skip


class Writer:
    """Writes what settle and the guard would."""

    def __init__(self, producer: Producer) -> None:
        self.producer, self.codec, self.ordinal = producer, Codec(), 0

    async def link(self, one: Link, epoch: int = 1) -> None:
        self.ordinal += 1
        value = self.codec.encode("links.v1", link_value(one, epoch, self.ordinal, GENESIS))
        await self.producer.send("links.v1", one.id.key, value)

    async def letter(self, offset: int, closed: str | None = None) -> None:
        key = join_key("acme", "salesforce.hints.v1", "3", str(offset))
        await self.producer.send("deadletters.v1", key, self.codec.encode("deadletters.v1", letter(offset, closed)))


@pytest.fixture
async def writer(cluster: Cluster) -> AsyncIterator[Writer]:
    async with Producer(cluster) as producer:
        yield Writer(producer)


class Watched(Projection):
    """Says when something was taken in."""

    moved: asyncio.Event

    async def apply(self, *args: object, **kwargs: object) -> None:
        await super().apply(*args, **kwargs)  # type: ignore[arg-type]
        self.moved.set()


Until = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def projecting(cluster: Cluster, store: Projection) -> AsyncIterator[tuple[Projector, Until]]:
    """A projector at work, and a way to wait until it has taken in exactly so many messages of all."""
    watched = Watched(store._engine)
    watched.moved = asyncio.Event()
    projector = Projector(cluster, Codec(), watched, lambda *_: RULES, GENESIS)
    task = asyncio.create_task(projector.run())

    async def until(messages: int) -> None:
        async with asyncio.timeout(30):
            while sum((await store.progress()).values()) != messages:
                waiting = asyncio.create_task(watched.moved.wait())
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if task.done():
                    task.result()
                watched.moved.clear()

    yield projector, until
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_links_and_dead_letters_are_seen_and_a_restart_goes_on_where_it_was(
    cluster: Cluster, store: Projection, writer: Writer
) -> None:
    await writer.link(link(1, **FAILED))
    await writer.link(live(2))
    await writer.link(link(3))
    await writer.letter(5)
    async with projecting(cluster, store) as (projector, until):
        await until(4)
        assert projector.unreadable == 0
    counts = {(count.mapping, count.state): count.number for count in await store.counts()}
    assert counts == {("invoices", "failed"): 1, ("invoices", "clean"): 1, ("invoices", "dirty"): 1}
    reviews = await store.reviews()
    assert {(review.kind, review.code, review.about) for review in reviews} == {
        ("link", "link.taken", "salesforce:0061"),
        ("dead-letter", "codec.not-avro", "salesforce.hints.v1/3/5"),
    }
    await writer.link(live(1))
    await writer.letter(5, closed="dismissed by ann")
    async with projecting(cluster, store) as (_, until):
        await until(6)
    assert await store.reviews() == ()
    row = await store.link(link(1).id.key.decode())
    assert row is not None
    assert (row.state, row.xero_id, row.ordinal) == ("clean", "x-1", 4)


async def test_a_late_write_of_a_former_owner_and_a_tombstone(
    cluster: Cluster, store: Projection, writer: Writer
) -> None:
    await writer.link(link(1), epoch=2)
    await writer.link(link(1, **FAILED), epoch=1)
    await writer.link(link(2))
    await writer.producer.send("links.v1", link(2).id.key, None)
    async with projecting(cluster, store) as (_, until):
        await until(4)
    assert [(count.state, count.number) for count in await store.counts()] == [("dirty", 1)]


async def test_what_cannot_be_read_is_counted_and_stops_nothing(
    cluster: Cluster, store: Projection, writer: Writer
) -> None:
    await writer.producer.send("links.v1", b"acme/poison", b"\xff" * 1_000_000)
    await writer.link(link(1))
    async with projecting(cluster, store) as (projector, until):
        await until(2)
        assert projector.unreadable == 1
    assert [(count.state, count.number) for count in await store.counts()] == [("dirty", 1)]


@pytest.mark.parametrize("why", ["another genesis", "beyond the end", "too long ago"])
async def test_a_projection_that_cannot_be_trusted_is_filled_from_the_beginning(
    cluster: Cluster, store: Projection, writer: Writer, why: str
) -> None:
    await writer.link(link(1))
    await store.belongs("g-0" if why == "another genesis" else GENESIS)
    offset = 1_000_000 if why == "beyond the end" else 0
    at = datetime.now(UTC) - (timedelta(days=7) if why == "too long ago" else timedelta())
    await store.apply([], [], {("links.v1", number): offset for number in range(4)}, at=at)
    async with projecting(cluster, store) as (_, until):
        await until(1)
    assert [(count.state, count.number) for count in await store.counts()] == [("dirty", 1)]
    assert sum((await store.progress()).values()) == 1


async def test_a_store_that_is_away_is_waited_for(cluster: Cluster, writer: Writer, tmp_path: Path) -> None:
    await writer.link(link(1))
    file = tmp_path / "late.sqlite"
    file.mkdir()
    url = f"sqlite+aiosqlite:///{file}"
    task = asyncio.create_task(keep_projecting(cluster, Codec(), url, lambda *_: RULES, GENESIS, again_seconds=0.01))
    with pytest.raises(Unavailable):
        await Projection.open(url)
    file.rmdir()
    async with asyncio.timeout(30):
        async with await Projection.open(url) as store:
            while not await store.counts():  # noqa: ASYNC110  only looking tells
                await asyncio.sleep(0.02)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
