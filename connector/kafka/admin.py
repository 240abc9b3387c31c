"""What the cluster has against what the registry says: ``diff``, ``apply`` and the ACLs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import TopicPartition

from connector.errors import ConfigurationError, Unavailable
from connector.kafka.connection import Cluster
from connector.kafka.topics import TOPICS, Topic

_TOPIC_SOURCE = 1  # DescribeConfigs: set on the topic itself
_UNKNOWN_TOPIC = 3
_ALREADY_EXISTS = 36
_SHOWN_SECONDS = 30
_SHOWN_POLL_SECONDS = 0.05


class Kind(StrEnum):
    MISSING = "missing"
    PARTITIONS = "partitions"
    REPLICATION = "replication"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Actual:
    """One topic as the cluster has it. ``own`` are the settings made on the topic itself."""

    partitions: int
    replication: int
    configuration: Mapping[str, str]
    own: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the cluster is not as the registry says. ``setting`` is Kafka's name for what differs."""

    topic: str
    kind: Kind
    setting: str = ""
    wanted: str = ""
    actual: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.MISSING:
            return f"{self.topic} is missing"
        return f"{self.topic}: {self.setting} is {self.actual or 'not set'}, should be {self.wanted}"


def compare(wanted: Iterable[Topic], cluster: Cluster, actual: Mapping[str, Actual]) -> tuple[Difference, ...]:
    """Pure: the differences of the cluster's topics from the registry's, by the names on the cluster."""
    found: list[Difference] = []
    for topic in wanted:
        name = cluster.topic(topic.name)
        there = actual.get(name)
        if there is None:
            found.append(Difference(name, Kind.MISSING))
            continue
        counts = (
            (Kind.PARTITIONS, cluster.partitions, there.partitions),
            (Kind.REPLICATION, cluster.replication, there.replication),
        )
        found += [Difference(name, kind, kind.value, str(want), str(has)) for kind, want, has in counts if want != has]
        for setting, value in topic.configuration(cluster).items():
            has = there.configuration.get(setting, "")
            if has != value:
                found.append(Difference(name, Kind.CONFIGURATION, setting, value, has))
    return tuple(found)


@asynccontextmanager
async def admin_client(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client. Raises Unavailable (``kafka.unavailable``) when no broker answers."""
    admin = AIOKafkaAdminClient(**cluster.client_options())
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError) as error:
        raise Unavailable(
            "kafka.unavailable",
            f"Kafka at {cluster.bootstrap} does not answer: {error!r}.",
            remedy="Check kafka.bootstrap_servers, its TLS and its credentials.",
        ) from error
    finally:
        await admin.close()


async def diff(cluster: Cluster, wanted: Iterable[Topic] = TOPICS) -> tuple[Difference, ...]:
    """The differences of the cluster from the registry. Empty: a worker may start."""
    wanted = tuple(wanted)
    async with admin_client(cluster) as admin:
        return compare(wanted, cluster, await _describe(admin, [cluster.topic(topic.name) for topic in wanted]))


async def apply(cluster: Cluster, wanted: Iterable[Topic] = TOPICS) -> tuple[Difference, ...]:
    """Creates what is missing and mends settings; gives back what it mended.

    Raises ConfigurationError (``topics.shape``) when a topic has other numbers of partitions or replicas: the partition
    count decides where every key lives and can never change, replicas are moved with Kafka's own tools.
    """
    wanted = tuple(wanted)
    async with admin_client(cluster) as admin:
        actual = await _describe(admin, [cluster.topic(topic.name) for topic in wanted])
        differences = compare(wanted, cluster, actual)
        _refuse_shapes(differences)
        await _create(admin, cluster, wanted, {each.topic for each in differences if each.kind is Kind.MISSING})
        changed = {each.topic for each in differences if each.kind is Kind.CONFIGURATION}
        await _configure(admin, cluster, [topic for topic in wanted if cluster.topic(topic.name) in changed], actual)
        if differences:
            await _shown(admin, cluster, wanted)
    return differences


async def committed(cluster: Cluster, group: str, topic: str, partition: int) -> int:
    """The offset that a consumer group goes on from; 0 where it has committed nothing. Raises Unavailable."""
    place = TopicPartition(cluster.topic(topic), partition)
    async with admin_client(cluster) as admin:
        found = await admin.list_consumer_group_offsets(group, partitions=[place])
    return max(found[place].offset, 0) if place in found else 0


async def check_topics(cluster: Cluster, wanted: Iterable[Topic] = TOPICS) -> None:
    """Refuses to go on with missing or different topics. Raises ConfigurationError (``topics.differ``)."""
    if differences := await diff(cluster, wanted):
        shown = "; ".join(str(each) for each in differences[:5])
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise ConfigurationError(
            "topics.differ",
            f"The topics on {cluster.bootstrap} are not as the registry says: {shown}{more}.",
            remedy="Run `twinledger topics diff` to see all, `twinledger topics apply` to mend them.",
        )


def acl_lines(cluster: Cluster, worker: str, reader: str | None = None) -> tuple[str, ...]:
    """Commands that give a worker's principal what it needs, and a reader's the public topics."""
    tool = f"kafka-acls.sh --bootstrap-server {cluster.bootstrap} --add --allow-principal"
    lines = [
        f"{tool} User:{worker} --operation Read --operation Write --operation Describe --operation DescribeConfigs"
        f" --topic {cluster.topic(topic.name)}"
        for topic in TOPICS
    ]
    lines += [
        f"{tool} User:{worker} --operation Read --operation Describe"
        f" --resource-pattern-type prefixed --group {cluster.prefix}twinledger",
        f"{tool} User:{worker} --operation Write --operation Describe"
        f" --resource-pattern-type prefixed --transactional-id {cluster.prefix}twinledger",
        f"{tool} User:{worker} --operation IdempotentWrite --cluster",
    ]
    if reader:
        public = (cluster.topic(topic.name) for topic in TOPICS if topic.public)
        lines += [f"{tool} User:{reader} --operation Read --operation Describe --topic {name}" for name in public]
    return tuple(lines)


def _refuse_shapes(differences: Iterable[Difference]) -> None:
    for each in differences:
        if each.kind in (Kind.PARTITIONS, Kind.REPLICATION):
            raise ConfigurationError(
                "topics.shape",
                f"{each}.",
                remedy="Partitions never change: set kafka.partitions to what the topics have, or use another prefix. "
                "Replicas are moved with kafka-reassign-partitions.sh.",
            )


async def _describe(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, Actual]:
    topics = [each for each in await admin.describe_topics(names) if each["error_code"] != _UNKNOWN_TOPIC]
    for each in topics:
        _raise_for(each["error_code"], each["topic"])
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, each["topic"]) for each in topics]
    settings: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for answer in await admin.describe_configs(resources):
        for resource in answer.to_object()["resources"]:
            _raise_for(resource["error_code"], resource["resource_name"])
            entries = resource["config_entries"]
            everything = {entry["config_names"]: entry["config_value"] for entry in entries}
            own = {e["config_names"]: e["config_value"] for e in entries if e.get("config_source") == _TOPIC_SOURCE}
            settings[resource["resource_name"]] = (everything, own)
    return {
        each["topic"]: Actual(
            len(each["partitions"]), min(len(part["replicas"]) for part in each["partitions"]), *settings[each["topic"]]
        )
        for each in topics
    }


async def _shown(admin: AIOKafkaAdminClient, cluster: Cluster, wanted: tuple[Topic, ...]) -> None:
    """Waits until the brokers show what the controller has accepted. Raises Unavailable (``topics.not-shown``)."""
    try:
        async with asyncio.timeout(_SHOWN_SECONDS):
            names = [cluster.topic(topic.name) for topic in wanted]
            while compare(wanted, cluster, await _describe(admin, names)):  # noqa: ASYNC110  only asking tells
                await asyncio.sleep(_SHOWN_POLL_SECONDS)
    except TimeoutError as error:
        raise Unavailable(
            "topics.not-shown", f"The brokers do not show the topics {_SHOWN_SECONDS} s after they were made."
        ) from error


async def _create(
    admin: AIOKafkaAdminClient, cluster: Cluster, wanted: Iterable[Topic], missing: Iterable[str]
) -> None:
    names = set(missing)
    new = [
        NewTopic(
            cluster.topic(topic.name),
            cluster.partitions,
            cluster.replication,
            topic_configs=topic.configuration(cluster),
        )
        for topic in wanted
        if cluster.topic(topic.name) in names
    ]
    if new:
        answer = (await admin.create_topics(new)).to_object()
        for each in answer["topic_errors"]:
            if each["error_code"] != _ALREADY_EXISTS:  # another `apply` was quicker
                _raise_for(each["error_code"], each["topic"])


async def _configure(
    admin: AIOKafkaAdminClient, cluster: Cluster, changed: Iterable[Topic], actual: Mapping[str, Actual]
) -> None:
    """AlterConfigs replaces all settings of a topic: what an operator set beside ours is sent again."""
    resources = []
    for topic in changed:
        name = cluster.topic(topic.name)
        merged = {**actual[name].own, **topic.configuration(cluster)}
        resources.append(ConfigResource(ConfigResourceType.TOPIC, name, merged))
    if resources:
        for answer in await admin.alter_configs(resources):
            for each in answer.to_object()["resources"]:
                _raise_for(each["error_code"], each["resource_name"])


def _raise_for(code: int, name: str) -> None:
    if code:
        error = for_code(code)
        raise Unavailable("kafka.refused", f"Kafka refused the request about topic {name}: {error.__name__}.")
