"""Tables over Kafka: whoever wrote last, the value of the newest owner holds. A zombie here is a plain producer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.core.records import Side, Version
from connector.errors import EngineStop
from connector.kafka import admin
from connector.kafka.codec import Codec
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.link_codec import Target
from connector.kafka.partition import partition_of
from connector.kafka.producer import Producer
from connector.kafka.topics import BY_NAME
from streams.engine.app import Engine, EngineSettings, make_app, running
from streams.engine.changelog import LARGE
from streams.guard import Incoming, consume
from streams.rebuild import Memory
from streams.tables import LinkTable, Parent, ParentTable, Raw, Read, ReadTable, Tables, TargetTable, rank_by

DAY = date(2026, 11, 23)
AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
NAMES = ("links.v1", "targets.v1", "reads.v1", "parents.v1", "signals.v1", "deadletters.v1")
TOPICS = tuple(BY_NAME[name] for name in NAMES)
COMMAND = b"c/command"
LINK = new_link(LinkId("c", "m", "salesforce:1", "t"))
READ = Read("c", Side.SALESFORCE, "org", "Account", "1", Version(1, 1), AT)
PARENT = Parent("c", "org", "Line", "1", "Opportunity", "")


@dataclass(frozen=True, slots=True)
class Kind:
    """One table: its counter's name, its key in these tests, and how a text is put into it and found again."""

    counter: str
    key: bytes
    put: Callable[[Tables, str, int], None]
    text: Callable[[dict[str, Any]], str]

    def value(self, text: str, epoch: int, before: int = 0) -> bytes:
        """What an owner of this epoch writes as its write number ``before`` + 1."""
        tables = tables_of(lambda name: Memory())
        for _ in range(before):
            self.put(tables, "", epoch)
        self.put(tables, text, epoch)
        rows = [tables.links.raw, tables.targets.raw, tables.reads.raw, tables.parents.raw]
        return next(found for raw in rows if (found := raw.peek(self.key)) is not None)


KINDS = {
    "links": Kind(
        "ordinal", LINK.id.key,
        lambda tables, text, epoch: tables.links.put(replace(LINK, message=text), epoch, "g"),
        lambda value: str(value["link"]["message"]),
    ),
    "targets": Kind(
        "ordinal", b"c/m/salesforce%3A1",
        lambda tables, text, epoch: tables.targets.put("c", "m", "salesforce:1", Target("link", text), epoch),
        lambda value: str(value["other"]),
    ),
    "reads": Kind(
        "counter", READ.key,
        lambda tables, text, epoch: tables.reads.put(replace(READ, reasons=(text,), gone=text == "gone"), epoch, DAY),
        lambda value: str(value["reasons"][0]),
    ),
    "parents": Kind(
        "counter", PARENT.key,
        lambda tables, text, epoch: tables.parents.put(replace(PARENT, parent_id=text), epoch),
        lambda value: str(value["parent_id"]),
    ),
}  # fmt: skip
EVERY_TABLE = pytest.mark.parametrize("name", KINDS)


def tables_of(raw: Callable[[str], Raw]) -> Tables:
    codec = Codec()
    links, targets = LinkTable(raw("links"), codec), TargetTable(raw("targets"), codec)
    return Tables(links, targets, ReadTable(raw("reads"), codec), ParentTable(raw("parents"), codec))


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, TOPICS)
    yield cluster
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(name) for name in NAMES])


def owner(cluster: Cluster, datadir: Path, stopped: list[EngineStop] | None = None) -> tuple[Engine, Tables]:
    """A worker whose agent writes what it is told: ``table epoch text``, or sweeps: ``sweep 0 -``."""
    app = make_app(
        EngineSettings(
            cluster, datadir, commit_seconds=0.2, topics=TOPICS,
            on_stop=(stopped if stopped is not None else []).append,
        )
    )  # fmt: skip
    codec = Codec()

    def raw(name: str) -> Raw:
        table: Raw = app.raw_table(name, f"{name}.v1", rank_by(codec, name, KINDS[name].counter))
        return table

    tables = tables_of(raw)

    async def obey(incoming: Incoming) -> None:
        name, epoch, text = (incoming.value or b"").decode().split()
        if name == "sweep":
            tables.reads._sweep(b"c/", DAY.toordinal())
        else:
            KINDS[name].put(tables, text, int(epoch))

    consume(app, codec, "signals.v1", "obey", obey)
    return app, tables


def text_of(name: str, data: bytes | None) -> str | None:
    if data is None:
        return None
    value = Codec().decode(data)
    return KINDS[name].text(value.value)  # type: ignore[union-attr]


async def landed(cluster: Cluster, name: str) -> list[str | None]:
    """What stands in a changelog for the key, in order; None for a tombstone."""
    rows = [message async for message in read_to_end(cluster, f"{name}.v1")]
    return [text_of(name, row.value) for row in rows if row.key == KINDS[name].key]


async def until(done: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not (await done()):  # noqa: ASYNC110  another client of Kafka
            await asyncio.sleep(0.05)


async def stands(cluster: Cluster, name: str, *texts: str | None) -> None:
    """Waits until the changelog holds just these for the key."""

    async def done() -> bool:
        return await landed(cluster, name) == list(texts)

    await until(done)


@EVERY_TABLE
async def test_recovery_keeps_the_newest_owners_value(name: str, cluster: Cluster, tmp_path: Path) -> None:
    kind = KINDS[name]
    async with Producer(cluster) as producer:
        for value in (kind.value("older", 1), kind.value("newest", 2, before=3), kind.value("late", 1, before=9)):
            await producer.send(f"{name}.v1", kind.key, value)
    app, _ = owner(cluster, tmp_path)
    async with running(app):
        await app.ownership.caught_up(["signals.v1"], range(4))
        assert text_of(name, app.tables[name].peek(kind.key)) == "newest"

        async def mended() -> bool:  # compaction would keep the zombie's, written when nobody was there to answer
            return await landed(cluster, name) == ["older", "newest", "late", "newest"]

        await until(mended)


@EVERY_TABLE
async def test_the_owner_writes_again_what_a_zombie_wrote_over(name: str, cluster: Cluster, tmp_path: Path) -> None:
    kind = KINDS[name]
    app, _ = owner(cluster, tmp_path / "kept")
    async with running(app), Producer(cluster) as producer:
        await producer.send("signals.v1", COMMAND, b"%s 7 ours" % name.encode())
        await stands(cluster, name, "ours")  # processed is not yet sent: the zombie would be first
        await producer.send(f"{name}.v1", kind.key, kind.value("zombie", 6, before=50))
        await stands(cluster, name, "ours", "zombie", "ours")  # once: our own echo is no reason
        assert text_of(name, app.tables[name].peek(kind.key)) == "ours"
        await producer.send("signals.v1", COMMAND, b"%s 7 ours-2" % name.encode())
        await app.ownership.caught_up(["signals.v1"], range(4))
    for store in ("kept", "wiped"):
        app, _ = owner(cluster, tmp_path / store)
        async with running(app):
            await app.ownership.caught_up(["signals.v1"], range(4))
            assert text_of(name, app.tables[name].peek(kind.key)) == "ours-2"


async def test_what_lands_a_moment_after_recovery_is_taken_in(cluster: Cluster, tmp_path: Path) -> None:
    """A former owner's last writes, acknowledged after we had read the end: nothing of ours is newer."""
    kind = KINDS["targets"]
    app, _ = owner(cluster, tmp_path)
    async with running(app), Producer(cluster) as producer:
        await app.ownership.caught_up(["signals.v1"], range(4))
        await producer.send("targets.v1", kind.key, kind.value("his-last", 6))

        async def taken() -> bool:
            return text_of("targets", app.tables["targets"].peek(kind.key)) == "his-last"

        await until(taken)
    assert await landed(cluster, "targets") == ["his-last"]


async def test_an_answered_question_goes_and_a_late_tombstone_takes_nothing_newer(
    cluster: Cluster, tmp_path: Path
) -> None:
    kind = KINDS["reads"]
    app, _ = owner(cluster, tmp_path / "kept")
    async with running(app), Producer(cluster) as producer:
        for command in (b"reads 7 gone", b"sweep 0 -"):
            await producer.send("signals.v1", COMMAND, command)
        await app.ownership.caught_up(["signals.v1"], range(4))
        assert app.tables["reads"].peek(kind.key) is None
        await stands(cluster, "reads", "gone", None)
        await producer.send("signals.v1", COMMAND, b"reads 7 asked-again")
        wanted = ["gone", None, "asked-again"]
        await stands(cluster, "reads", *wanted)
        for headers in ([("rank", b"6 90")], []):  # a zombie's, and one that says nothing
            await producer.send("reads.v1", kind.key, None, headers)
            wanted += [None, "asked-again"]
            await stands(cluster, "reads", *wanted)
        assert text_of("reads", app.tables["reads"].peek(kind.key)) == "asked-again"
        await producer.send("reads.v1", kind.key, None, [("rank", b"7 1")])
    app, _ = owner(cluster, tmp_path / "wiped")
    async with running(app):
        await app.ownership.caught_up(["signals.v1"], range(4))
        assert text_of("reads", app.tables["reads"].peek(kind.key)) == "asked-again"


async def test_a_worker_that_would_write_less_than_stands_ends(cluster: Cluster, tmp_path: Path) -> None:
    kind, stopped = KINDS["links"], list[EngineStop]()
    async with Producer(cluster) as producer:
        await producer.send("links.v1", kind.key, kind.value("newest", 9))
        await producer.send("signals.v1", COMMAND, b"links 8 lower")
    app, _ = owner(cluster, tmp_path, stopped)
    with pytest.raises(EngineStop, match="another worker owns"):
        async with running(app):
            await asyncio.sleep(60)
    assert [error.code for error in stopped] == ["table.outranked"]
    assert await landed(cluster, "links") == ["newest"]


async def test_many_records_are_recovered_once_and_kept(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind, count = KINDS["parents"], LARGE + 1_000
    value = kind.value("there", 1)
    async with Producer(cluster) as producer:
        sent = [await producer.send_soon("parents.v1", b"c/%d" % n, value) for n in range(count)]
        await asyncio.gather(*sent)
    with caplog.at_level(logging.INFO, logger="streams.engine.changelog"):
        for _ in range(2):
            app, tables = owner(cluster, tmp_path)
            async with running(app):
                await app.ownership.caught_up(["signals.v1"], range(4))
                rows = tables.parents.raw.scan(partition_of(b"c/", 4), b"c/")
                assert sum(1 for _ in rows) == count
    restored = [record.__dict__["records"] for record in caplog.records if record.message == "tables restored"]
    assert restored == [count, 0]


async def test_a_store_that_is_ahead_of_its_topic_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    kind, stopped = KINDS["links"], list[EngineStop]()
    async with Producer(cluster) as producer:
        for number in range(5):
            await producer.send("links.v1", kind.key, kind.value(f"n{number}", 1, before=number))
    app, _ = owner(cluster, tmp_path)
    async with running(app):
        await app.ownership.caught_up(["signals.v1"], range(4))
    async with admin.admin_client(cluster) as client:
        await client.delete_topics([cluster.topic("links.v1")])
    await admin.apply(cluster, TOPICS)
    app, _ = owner(cluster, tmp_path, stopped)
    with pytest.raises(EngineStop, match="the topic was emptied"):
        async with running(app):
            await asyncio.sleep(60)
    assert [error.code for error in stopped] == ["table.ahead"]
