"""What stands in Kafka, for tests: links, announced calls, dead letters. Each look reads a topic to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from connector.core.applied import rules_of
from connector.core.link import state
from connector.core.link_state import Life, Link, Rules, State
from connector.core.mapping.parse import parse
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import Message, read_to_end
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.link_codec import Call, LinkEventEnvelope, read_event, read_link
from connector.settings import load
from streams.configuration import read_entries

CODEC = Codec()


class Configured(Protocol):
    """A stage, or a fleet of workers: what has a configuration file."""

    config: Path


def cluster(scene: Configured) -> Cluster:
    return cluster_of(load(scene.config).kafka)


def decoded(data: bytes | None) -> Mapping[str, Any]:
    found = CODEC.decode(data)
    assert isinstance(found, Decoded), found
    return found.value


_read: dict[str, tuple[dict[bytes, Message], dict[int, int]]] = {}  # what was read before, by topic; where to go on


async def latest(scene: Configured, topic: str) -> dict[bytes, Message]:
    """The latest message of each key. Reads only what came since the last look."""
    where = cluster(scene)
    known, offsets = _read.setdefault(where.topic(topic), ({}, {}))
    async for message in read_to_end(where, topic, start=dict(offsets)):
        known[message.key] = message
        offsets[message.partition] = message.offset + 1
    return known


async def links(scene: Configured, mapping: str = "") -> list[Link]:
    """Every link as ``links.v1`` holds it, of one mapping or of all."""
    found = [message.value for message in (await latest(scene, "links.v1")).values()]
    read = [read_link(decoded(value)).link for value in found if value is not None]
    return [link for link in read if mapping in ("", link.id.mapping)]


async def link_of(scene: Configured, mapping: str, object_id: str) -> Link | None:
    """The newest link one of whose ends, or whose source, is that object: one that lives before one that ended."""
    mine = [
        link for link in await links(scene, mapping) if object_id in (link.id.source, link.salesforce.id, link.xero.id)
    ]
    return max(mine, key=lambda link: (link.life is not Life.ENDED, link.id.generation), default=None)


async def rules(scene: Configured, mapping: str) -> Rules:
    entries = await read_entries(cluster(scene), CODEC)
    entry = next(entry for entry in entries.values() if entry.mapping == mapping)
    return rules_of(parse(entry.text, entry.file))


async def state_of(scene: Configured, mapping: str, object_id: str) -> State | None:
    """The state that people see of an object's link."""
    link = await link_of(scene, mapping, object_id)
    return None if link is None else state(link, await rules(scene, mapping))


async def events(scene: Configured) -> list[LinkEventEnvelope]:
    """The whole of ``link-events.v1``, each partition in its order; what is no event is left out."""
    found = [CODEC.decode(message.value) async for message in read_to_end(cluster(scene), "link-events.v1")]
    return [read_event(one.value) for one in found if isinstance(one, Decoded) and "body" in one.value]


async def announced(scene: Configured) -> list[Call]:
    """Every call that was announced, as often as it was."""
    return [event.body for event in await events(scene) if isinstance(event.body, Call)]


async def letters(scene: Configured) -> list[Mapping[str, Any]]:
    """The open dead letters."""
    values = [decoded(message.value) for message in (await latest(scene, "deadletters.v1")).values()]
    return [value for value in values if value["closed"] is None]
