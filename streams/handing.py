"""Handing records to the workers again: each as it stood last in its topic, with a mark that says so.

What the topic holds last of a key stays what the source said last, whoever writes meanwhile: a record that came after
the comparison is left out, and one that came while its older copy was on its way is put behind that copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connector.errors import TryAgain
from connector.kafka.admin import committed
from connector.kafka.compacted import Message, end_offsets, read_to_end
from connector.kafka.connection import Cluster
from connector.kafka.headers import REPLAYED, Headers
from connector.kafka.producer import Producer

AHEAD = 500  # records handed over before the workers have taken them
LOOK_SECONDS, PATIENCE_SECONDS = 0.2, 60.0

Places = frozenset[tuple[int, int]]
"""Partition and offset of each message that is to be handed over."""


class Soon(Protocol):
    """A producer: what takes a message and gives its offset later."""

    async def send_soon(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> Awaitable[int]: ...


@dataclass(slots=True)
class Hand:
    """Hands messages of one topic over, at most AHEAD before the workers of ``group`` have taken them."""

    cluster: Cluster
    group: str
    topic: str
    producer: Soon
    told: Callable[[int], None]
    sent: int = 0
    ends: dict[int, int] = field(default_factory=dict)  # up to where the topic has been looked at
    later: dict[bytes, Message] = field(default_factory=dict)  # the last of each key that came since the beginning

    async def over(self, places: Places) -> int:
        """Gives how many. Raises TryAgain (``replay.no-worker``), Unavailable, EngineStop."""
        self.ends = await end_offsets(self.cluster, self.topic)
        async for batch in self._batches(places):
            await self._look()
            still = [message for message in batch if message.key not in self.later]
            offsets = [await sent for sent in [await self._send(message) for message in still]]
            self.sent += len(still)
            await self._behind(dict(zip((one.key for one in still), offsets, strict=True)))
            if still and len(batch) == AHEAD:
                await self._taken(batch[0].partition, offsets[-1])
            self.told(self.sent)
        return self.sent

    async def _batches(self, places: Places) -> AsyncIterator[list[Message]]:
        """What is to be handed over, AHEAD at a time, each of one partition. A later message of a key that stood there
        at the beginning takes its turn out."""
        for partition in sorted({number for number, _ in places}):
            mine = {offset for number, offset in places if number == partition}
            newest = {one.key: one.offset async for one in self._read(partition, min(mine))}
            batch: list[Message] = []
            async for message in self._read(partition, min(mine)):
                if message.offset in mine and newest.get(message.key) == message.offset:
                    batch.append(message)
                if len(batch) == AHEAD:
                    yield batch
                    batch = []
            if batch:
                yield batch

    async def _read(self, partition: int, start: int) -> AsyncIterator[Message]:
        async for message in read_to_end(self.cluster, self.topic, [partition], start={partition: start}):
            if message.offset < self.ends[partition]:
                yield message

    async def _look(self) -> None:
        """What others wrote since the last look."""
        async for message in read_to_end(self.cluster, self.topic, start=self.ends):
            self.ends[message.partition] = message.offset + 1
            if REPLAYED not in dict(message.headers):
                self.later[message.key] = message

    async def _behind(self, offsets: Mapping[bytes, int]) -> None:
        """Compaction keeps the last: what came between our look and our copy is written once more, behind it."""
        await self._look()
        for key, offset in offsets.items():
            newer = self.later.get(key)
            if newer is not None and newer.offset < offset:
                await (await self._send(newer))

    async def _send(self, message: Message) -> Awaitable[int]:
        headers = [*(one for one in message.headers if one[0] != REPLAYED), (REPLAYED, b"1")]
        return await self.producer.send_soon(self.topic, message.key, message.value, headers)

    async def _taken(self, partition: int, offset: int) -> None:
        """Until the workers have committed what was handed over. They may be slow; they may not stand still."""
        loop, before = asyncio.get_running_loop(), -1
        end = loop.time() + PATIENCE_SECONDS
        while (now := await committed(self.cluster, self.group, self.topic, partition)) <= offset:
            if now > before:
                before, end = now, loop.time() + PATIENCE_SECONDS
            if loop.time() > end:
                raise TryAgain(
                    "replay.no-worker", f"No worker has taken records of {self.topic} for {PATIENCE_SECONDS:.0f} s.",
                    retry_after=60, remedy="Start the workers and replay again: it goes on with what still differs.",
                )  # fmt: skip
            await asyncio.sleep(LOOK_SECONDS)


async def hand_over(cluster: Cluster, group: str, topic: str, places: Places, told: Callable[[int], None]) -> int:
    """Give these messages to the workers again; gives how many.

    Done twice it changes nothing more, and what was not handed over differs again in the next replay.
    Raises TryAgain (``replay.no-worker``), Unavailable, EngineStop.
    """
    async with Producer(cluster) as producer:
        return await Hand(cluster, group, topic, producer, told).over(places)
