"""Project: follows ``links.v1`` and ``deadletters.v1`` into the SQL projection, for the page and the CLI.

A plain consumer without a group. How far it came stands in the projection itself, in the same transaction as what it
took in, so a crash repeats nothing and loses nothing; a store without progress is filled from the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from connector.core.identity import LinkId
from connector.core.link import outputs, state
from connector.core.link_state import Rules
from connector.core.records import Side
from connector.errors import Unavailable
from connector.kafka.codec import Codec, Poison
from connector.kafka.compacted import reader
from connector.kafka.connection import Cluster
from connector.kafka.link_codec import StoredLink, read_link
from connector.kafka.schema_topic import learn_schemas
from connector.store.projection import Projection
from connector.store.rows import DeadLetterRow, LinkRow

LINKS, DEAD_LETTERS = "links.v1", "deadletters.v1"
TOPICS = (LINKS, DEAD_LETTERS)
BATCH = 2000
POLL_MS = 500
GATHER_SECONDS = 1.0  # after what came first: a busy link is stored once, not at each of its steps
#  Kafka keeps a tombstone for seven days: who slept longer may have missed one and begins anew.
TOO_LONG = timedelta(days=6)

AGAIN_SECONDS = 5.0

RulesOf = Callable[[LinkId, str], Rules | None]  # of a link and the version of its mapping that it keeps
log = structlog.get_logger("twinledger.project")


@dataclass(frozen=True, slots=True)
class Said:
    """The newest of a batch's values of one link, decoded and no more: only what stands last becomes a row."""

    value: Mapping[str, Any]
    at: datetime
    offset: int

    @property
    def rank(self) -> tuple[int, int]:
        return self.value["epoch"], self.value["ordinal"]


@dataclass(slots=True)
class Batch:
    """What some messages say, the last of each key."""

    links: dict[str, Said] = field(default_factory=dict)
    dead_letters: dict[str, DeadLetterRow] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def forget(self, key: str) -> None:
        self.links.pop(key, None)
        self.dead_letters.pop(key, None)
        self.gone[key] = None

    def put_link(self, key: str, said: Said) -> None:
        there = self.links.get(key)
        if there is None or there.rank <= said.rank:
            self.links[key] = said
            self.gone.pop(key, None)

    def put_dead_letter(self, row: DeadLetterRow) -> None:
        self.dead_letters[row.key] = row
        self.gone.pop(row.key, None)


@dataclass(slots=True)
class Projector:
    """``await Projector(…).run()`` until it is cancelled. ``rules`` gives the rules of an applied mapping, or None.

    ``behind`` is how many messages were left at the last look, which is told each time; ``unreadable`` how many it
    could not read.
    """

    cluster: Cluster
    codec: Codec
    projection: Projection
    rules: RulesOf
    genesis: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    told: Callable[[float], None] = lambda _: None
    behind: int = -1
    unreadable: int = 0

    async def run(self) -> None:
        """Raises Unavailable (``kafka.unavailable``, ``store.unavailable``)."""
        async with reader(self.cluster) as consumer:
            assigned = [
                TopicPartition(self.cluster.topic(topic), number)
                for topic in TOPICS
                for number in range(self.cluster.partitions)
            ]
            consumer.assign(assigned)
            await self._seek(consumer, assigned)
            await self._tell(consumer, assigned)
            while True:
                records = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)
                if records:
                    await self._take(records)
                    await self._tell(consumer, assigned)
                    await asyncio.sleep(GATHER_SECONDS)

    async def _tell(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        self.behind = await _behind(consumer, assigned)
        self.told(self.behind)

    async def _seek(self, consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> None:
        """To where the projection is; to the beginning where it cannot be what Kafka says."""
        if await self.projection.belongs(self.genesis):
            log.warning("emptied the projection", reason="it belonged to other topics")
        known = await self._trusted(await consumer.end_offsets(assigned))
        beginnings = await consumer.beginning_offsets(assigned)
        for each in assigned:
            consumer.seek(each, max(beginnings[each], known.get((self._name(each), each.partition), 0)))

    async def _trusted(self, ends: Mapping[TopicPartition, int]) -> Mapping[tuple[str, int], int]:
        known, updated = await self.projection.progress(), await self.projection.updated()
        beyond = any(known.get((self._name(each), each.partition), 0) > end for each, end in ends.items())
        if beyond or (updated is not None and self.clock() - updated > TOO_LONG):
            log.warning("emptied the projection", reason="beyond the topics' end" if beyond else "too long unread")
            await self.projection.reset()
            return {}
        return known

    async def _take(self, records: Mapping[TopicPartition, Iterable[Any]]) -> None:
        batch = Batch()
        for each, messages in records.items():
            topic = self._name(each)
            for message in messages:
                await self._add(batch, topic, message)
                batch.offsets[topic, each.partition] = message.offset + 1
        rows = [row for key, said in batch.links.items() if (row := self._row(key, said)) is not None]
        await self.projection.apply(
            rows, [*batch.dead_letters.values()], batch.offsets, at=self.clock(), gone=[*batch.gone]
        )

    async def _add(self, batch: Batch, topic: str, message: Any) -> None:
        key = key_text(message.key)
        if message.value is None:
            batch.forget(key)
            return
        decoded = self.codec.decode(message.value)
        if isinstance(decoded, Poison) and decoded.code == "codec.unknown-schema":
            await learn_schemas(self.cluster, self.codec)  # a newer worker has begun to write
            decoded = self.codec.decode(message.value)
        at = datetime.fromtimestamp(message.timestamp / 1000, UTC)
        if isinstance(decoded, Poison):
            self._skip(topic, key, message.offset, decoded.message)
        elif topic == DEAD_LETTERS:
            batch.put_dead_letter(dead_letter_row(key, decoded.value))
        else:
            batch.put_link(key, Said(decoded.value, at, message.offset))

    def _row(self, key: str, said: Said) -> LinkRow | None:
        try:
            stored = read_link(said.value)
        except ValueError as error:
            self._skip(LINKS, key, said.offset, str(error))
            return None
        link_id = stored.link.id
        return link_row(stored, self.rules(link_id, stored.link.mapping_version), said.at)

    def _skip(self, topic: str, key: str, offset: int, reason: str) -> None:
        self.unreadable += 1
        log.error("skipped an unreadable value", topic=topic, key=key, offset=offset, reason=reason)

    def _name(self, each: TopicPartition) -> str:
        return str(each.topic)[len(self.cluster.prefix) :]


async def keep_projecting(
    cluster: Cluster, codec: Codec, url: str, rules: RulesOf, genesis: str, *, again_seconds: float = AGAIN_SECONDS,
    behind: Callable[[float], None] = lambda _: None,
) -> None:  # fmt: skip
    """Projects into the store at ``url`` until cancelled. A store or a Kafka that is away is waited for: what people
    see may be late, and must never stop the work. Raises ConfigurationError (``store.url``, ``store.folder``).
    """
    while True:
        try:
            async with await Projection.open(url) as projection:
                await Projector(cluster, codec, projection, rules, genesis, told=behind).run()
        except Unavailable as error:
            log.warning("waits for the projection", code=error.code, reason=error.message, seconds=again_seconds)
            await asyncio.sleep(again_seconds)


async def _behind(consumer: AIOKafkaConsumer, assigned: list[TopicPartition]) -> int:
    ends = await consumer.end_offsets(assigned)
    return sum([max(ends[each] - await consumer.position(each), 0) for each in assigned])


def key_text(key: bytes | None) -> str:
    """A message's key as text. Our own are ASCII; a foreign one is shown, never refused."""
    return (key or b"").decode("ascii", "backslashreplace")


def link_row(stored: StoredLink, rules: Rules | None, at: datetime) -> LinkRow:
    """A link as people see it. Without rules (its mapping is not applied) the state is what it last was."""
    link = stored.link
    known = rules or Rules(source=link.id.side)
    review = outputs(link, known).review
    return LinkRow(
        key=link.id.key.decode(),
        connection=link.id.connection,
        mapping=link.id.mapping,
        document=link.id.document,
        generation=link.id.generation,
        tenant=link.id.tenant,
        state=state(link, known).value,
        review=review is not None,
        code=review.code if review else link.code,
        message=review.message if review else link.message,
        remedy=review.remedy if review else link.remedy,
        paths=review.paths if review else link.hold_paths,
        salesforce_id=link.end(Side.SALESFORCE).id,
        xero_id=link.end(Side.XERO).id,
        status=link.status,
        updated_at=at,
        link_offset=link.offset,
        epoch=stored.epoch,
        ordinal=stored.ordinal,
    )


def dead_letter_row(key: str, value: Mapping[str, Any]) -> DeadLetterRow:
    """One value of ``deadletters.v1`` without its bytes."""
    return DeadLetterRow(
        key=key,
        connection=value["connection"],
        topic=value["topic"],
        partition=value["partition"],
        offset=value["offset"],
        size=len(value["value"] or b""),
        stage=value["stage"],
        code=value["code"],
        message=value["message"],
        remedy=value["remedy"],
        at=value["at"],
        closed=value["closed"],
    )
