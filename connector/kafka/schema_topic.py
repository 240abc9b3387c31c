"""``schemas.v1``: every schema that values were ever written with, so that any worker reads any value."""

from __future__ import annotations

import json
import time
from datetime import datetime

from connector.errors import ConfigurationError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.evolution import evolution_problems
from connector.kafka.producer import Producer
from connector.kafka.schemas import Schema, parse_schema, shipped

TOPIC = "schemas.v1"
AGAIN_SECONDS = 5.0  # between two looks for a schema that nobody has published: poison may come in floods


async def learn_schemas(cluster: Cluster, codec: Codec) -> tuple[Schema, ...]:
    """Teaches the codec all published schemas and gives them back. Values of other kinds are passed over."""
    learnt: list[Schema] = []
    async for message in read_to_end(cluster, TOPIC):
        decoded = codec.decode(message.value)
        if isinstance(decoded, Decoded):
            schema = parse_schema(decoded.value["schema"])
            codec.schemas.learn(schema)
            learnt.append(schema)
    return tuple(learnt)


class Learner:
    """Asked when a value has a schema that the codec does not know: whether new ones have been published since."""

    def __init__(self, cluster: Cluster, codec: Codec) -> None:
        self._cluster = cluster
        self._codec = codec
        self._looked = float("-inf")

    async def __call__(self) -> bool:
        """Raises Unavailable."""
        now = time.monotonic()
        if now - self._looked < AGAIN_SECONDS:
            return False
        self._looked = now
        before = len(self._codec.schemas.all())
        await learn_schemas(self._cluster, self._codec)
        return len(self._codec.schemas.all()) > before


async def publish_schemas(cluster: Cluster, codec: Codec, producer: Producer, now: datetime) -> tuple[Schema, ...]:
    """Learns what is published, then publishes what this version writes and nobody has published; gives the new ones.

    Done at a worker's start, before it writes. Raises ConfigurationError (``schema.incompatible``) when values of this
    version could not be read by the others, or theirs by it.
    """
    published = await learn_schemas(cluster, codec)
    known = {schema.text for schema in published}
    new = [schema for schema in shipped() if _canonical(schema) not in known]
    for schema in new:
        problems = evolution_problems(schema, [other for other in published if other.name == schema.name])
        if problems:
            raise ConfigurationError(
                "schema.incompatible",
                f"This version cannot share the topics with what wrote them: {problems[0]}.",
                remedy="Run the version before, or migrate to a new topic version.",
            )
    for schema in new:
        mark = schema.fingerprint.hex()
        value = {"fingerprint": mark, "name": schema.name, "schema": _canonical(schema), "at": now}
        await producer.send(TOPIC, f"schemas/{mark}/{schema.name}".encode(), codec.encode(TOPIC, value))
    return tuple(new)


def _canonical(schema: Schema) -> str:
    """One text per schema, whatever its file's layout: documents are compared by it."""
    return json.dumps(schema.document, separators=(",", ":"))
