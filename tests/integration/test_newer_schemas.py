"""A worker beside a newer one: what was written with a schema that it does not know is learnt, not buried."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.kafka import admin
from connector.kafka.codec import Codec
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import embedded_cluster
from connector.kafka.producer import Producer
from connector.kafka.schema_topic import Learner
from connector.kafka.schemas import Schema, Schemas, parse_schema, shipped
from connector.kafka.topics import BY_NAME
from streams.engine.app import make_app, running
from streams.guard import Incoming, consume
from streams.hops import value_of
from tests.integration import engine_worker as worker

NOW = datetime(2026, 11, 20, tzinfo=UTC)
VALUE: dict[str, Any] = {
    "id": "1", "kind": "mapping.pause", "connection": "connection-1", "subject": "", "arguments": {}, "by": "t",
    "at": NOW,
}  # fmt: skip


def _newer() -> Schema:
    """What the signals' schema may look like in the next version."""
    schema = next(each for each in shipped() if each.name == BY_NAME["signals.v1"].schema)
    document = json.loads(json.dumps(schema.document))
    document["fields"].append({"name": "ticket", "type": "string", "default": "", "doc": "Where it was asked for."})
    return parse_schema(json.dumps(document))


async def test_a_published_schema_is_learnt_and_an_unpublished_one_is_a_dead_letter(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    cluster = embedded_cluster(kafka, prefix)
    await admin.apply(cluster, (*worker.TOPICS, BY_NAME["schemas.v1"]))
    newer, codec, seen = _newer(), Codec(), list[str]()
    others = [each for each in shipped() if each.name != newer.name]
    there = Codec(Schemas([*others, newer]))
    async with Producer(cluster) as producer:
        mark = newer.fingerprint.hex()
        value = {"fingerprint": mark, "name": newer.name, "schema": json.dumps(newer.document), "at": NOW}
        await producer.send("schemas.v1", f"schemas/{mark}/{newer.name}".encode(), codec.encode("schemas.v1", value))
        written = there.encode("signals.v1", {**VALUE, "ticket": "T-1"})
        await producer.send("signals.v1", b"connection-1/x", written)
        await producer.send("signals.v1", b"connection-1/x", written[:2] + b"unheard!" + written[10:])

    app = make_app(worker.settings(kafka, prefix, tmp_path))
    app.learn = Learner(cluster, codec)

    async def take(incoming: Incoming) -> None:
        seen.append(value_of(codec, incoming)["kind"])

    consume(app, codec, "signals.v1", "take", take)
    async with running(app):
        assert await app.ownership.caught_up(["signals.v1"], range(4))
    assert seen == ["mapping.pause"]
    letters = [message async for message in read_to_end(cluster, "deadletters.v1")]
    assert [dict(letter.headers)["__connect.errors.exception.class.name"] for letter in letters] == [
        b"codec.unknown-schema"
    ]
