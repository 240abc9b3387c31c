"""Topics, producers, leases and positions on the real broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from connector.errors import ConfigurationError, DataError, Unavailable
from connector.kafka import admin
from connector.kafka.admin import Kind, acl_lines, admin_client, check_topics
from connector.kafka.codec import Codec
from connector.kafka.compacted import end_offsets, latest, read_to_end
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.headers import read_headers
from connector.kafka.lease import Lease, LeaseLost
from connector.kafka.partition import partition_of
from connector.kafka.positions import Position, PositionKind, read_positions, write_position
from connector.kafka.producer import Producer
from connector.kafka.schema_topic import learn_schemas, publish_schemas
from connector.kafka.schemas import Schemas, parse_schema, shipped
from connector.kafka.topics import BY_NAME, TOPICS

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FEW = tuple(BY_NAME[name] for name in ("signals.v1", "links.v1", "leases.v1", "positions.v1", "schemas.v1"))


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def cluster(kafka: str, prefix: str) -> AsyncIterator[Cluster]:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, FEW)
    yield cluster
    async with admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(topic.name) for topic in FEW])


async def test_apply_makes_every_topic_once(kafka: str, prefix: str) -> None:
    cluster = embedded_cluster(kafka, prefix)
    missing = await admin.diff(cluster)
    assert {(each.topic, each.kind) for each in missing} == {(prefix + topic.name, Kind.MISSING) for topic in TOPICS}
    with pytest.raises(ConfigurationError, match="twinledger topics apply"):
        await check_topics(cluster)
    assert await admin.apply(cluster) == missing
    assert await admin.diff(cluster) == ()
    assert await admin.apply(cluster) == ()
    await check_topics(cluster)
    async with admin_client(cluster) as client:
        await client.delete_topics([cluster.topic(topic.name) for topic in TOPICS])


async def test_a_changed_setting_is_shown_and_mended_and_a_foreign_one_kept(cluster: Cluster) -> None:
    name = cluster.topic("signals.v1")
    changed = {"retention.ms": "1000", "cleanup.policy": "delete", "segment.ms": "600000"}
    async with admin_client(cluster) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
    async with asyncio.timeout(20):
        while not (differences := await admin.diff(cluster, FEW)):  # noqa: ASYNC110  only asking tells
            await asyncio.sleep(0.02)
    shown = {each.setting: (each.wanted, each.actual) for each in differences}
    assert shown["retention.ms"] == ("604800000", "1000")
    await admin.apply(cluster, FEW)
    assert await admin.diff(cluster, FEW) == ()
    async with admin_client(cluster) as client:
        answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    entries = answers[0].to_object()["resources"][0]["config_entries"]
    assert {entry["config_names"]: entry["config_value"] for entry in entries}["segment.ms"] == "600000"


async def test_another_number_of_partitions_is_never_mended(cluster: Cluster) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await admin.apply(replace(cluster, partitions=8), FEW)
    assert caught.value.code == "topics.shape"


async def test_no_broker_is_said_plainly() -> None:
    with pytest.raises(Unavailable) as caught:
        await admin.diff(embedded_cluster("127.0.0.1:1"))
    assert caught.value.code == "kafka.unavailable"


async def test_a_key_goes_where_partition_of_says_with_its_headers(cluster: Cluster) -> None:
    keys = [f"connection-{number}/tenant/invoice/{number}".encode() for number in range(40)]
    async with Producer(cluster) as producer:
        waiting = [await producer.send_soon("signals.v1", key, b"value", [("ce_time", b"now")]) for key in keys]
        await asyncio.gather(*waiting)
        assert await producer.send("signals.v1", keys[0], None) > 0
    placed = {message.key: message async for message in read_to_end(cluster, "signals.v1")}
    assert {key: message.partition for key, message in placed.items()} == {key: partition_of(key, 4) for key in keys}
    assert len({message.partition for message in placed.values()}) == 4
    assert read_headers(placed[keys[1]].headers)["ce_time"] == "now"
    assert keys[0] not in await latest(cluster, "signals.v1")
    assert sum((await end_offsets(cluster, "signals.v1")).values()) == 41


async def test_a_value_too_large_is_the_messages_fault(cluster: Cluster) -> None:
    async with Producer(cluster) as producer:
        with pytest.raises(DataError) as caught:
            await producer.send("signals.v1", b"acme", b"x" * (9 * 1024 * 1024))
        assert caught.value.code == "message.too-large"
        assert await producer.send("signals.v1", b"acme", b"x" * (8 * 1024 * 1024)) == 0


async def test_a_second_owner_fences_the_first(cluster: Cluster) -> None:
    codec = Codec()
    async with Lease(cluster, codec, 2, "one", _now) as first:
        assert (first.epoch, (await first.renew()).number) == (1, 2)
        async with Lease(cluster, codec, 2, "two", _now) as second:
            assert second.epoch == 2
            with pytest.raises(LeaseLost) as caught:
                await first.renew()
            assert caught.value.exit_code == 75
            assert (await second.renew()).epoch == 2
            async with Lease(cluster, codec, 3, "one", _now) as other:
                assert other.epoch == 1
    values = [codec.decode(message.value) async for message in read_to_end(cluster, "leases.v1", [2], committed=True)]
    assert [(value.value["epoch"], value.value["owner"]) for value in values if not hasattr(value, "code")] == [
        (1, "one"),
        (1, "one"),
        (2, "two"),
        (2, "two"),
    ]


async def test_a_wrong_clock_shows_in_the_renewal(cluster: Cluster) -> None:
    async with Lease(cluster, Codec(), 0, "late", lambda: _now() - timedelta(minutes=1)) as lease:
        renewal = await lease.renew()
    assert renewal.clock_is_off
    assert timedelta(seconds=-62) < renewal.skew < timedelta(seconds=-58)
    assert abs(renewal.broker_at - _now()) < timedelta(seconds=30)
    async with Lease(cluster, Codec(), 0, "right", _now) as lease:
        assert not (await lease.renew()).clock_is_off


async def test_positions_come_back_and_a_former_owners_late_write_does_not_count(cluster: Cluster) -> None:
    codec = Codec()
    old = Position("acme", "00D", "/data/ChangeEvents", PositionKind.REPLAY_ID, "41", epoch=1, at=NOW)
    new = replace(old, value="57", epoch=2)
    mark = Position("acme", "tenant", "invoices", PositionKind.WATERMARK, "2026-11-23T09:00:00Z", epoch=2, at=NOW)
    async with Producer(cluster) as producer:
        for position in (old, new, old, mark):
            await write_position(producer, codec, position)
    assert await read_positions(cluster, codec) == {new.key: new, mark.key: mark}


async def test_schemas_travel(cluster: Cluster) -> None:
    codec = Codec()
    async with Producer(cluster) as producer:
        new = await publish_schemas(cluster, codec, producer, NOW)
        assert {schema.name for schema in new} == {schema.name for schema in shipped()}
        assert await publish_schemas(cluster, codec, producer, NOW) == ()
    fresh = Codec(Schemas(schema for schema in shipped() if schema.name.startswith("io.twinledger.schemas.")))
    assert len(await learn_schemas(cluster, fresh)) == len(shipped())
    assert len(fresh.schemas.all()) == len(shipped())


async def test_a_version_that_could_not_be_read_by_the_running_one_does_not_start(cluster: Cluster) -> None:
    codec = Codec()
    text = next(schema.text for schema in shipped() if schema.name.endswith(".Signal"))
    running = parse_schema(text.replace('"name": "kind"', '"name": "sort"'))
    value = {"fingerprint": running.fingerprint.hex(), "name": running.name, "schema": running.text, "at": NOW}
    async with Producer(cluster) as producer:
        await producer.send("schemas.v1", b"schemas/running", codec.encode("schemas.v1", value))
        with pytest.raises(ConfigurationError) as caught:
            await publish_schemas(cluster, codec, producer, NOW)
    assert caught.value.code == "schema.incompatible"
    assert sum((await end_offsets(cluster, "schemas.v1")).values()) == 1


def test_acls_name_every_topic_and_give_readers_only_the_public_ones() -> None:
    lines = acl_lines(Cluster("kafka:9092", prefix="eu."), "twinledger", "analytics")
    assert sum("User:twinledger" in line and "--topic" in line for line in lines) == len(TOPICS)
    readers = [line for line in lines if "User:analytics" in line]
    assert all("accounting." in line or "salesforce.records" in line for line in readers)
    assert not any("Write" in line for line in readers)
