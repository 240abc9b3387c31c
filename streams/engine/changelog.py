"""Changelogs, read by consumers of our own: tables are filled in batches, late writes of former owners answered.

``restore`` fills what is behind and ends at the topics' end; from there ``follow`` watches what lands. Faust hands
recovery one event object at a time through the consumer that the group watches (4,500 keys a second, measured); a
plain consumer gives whole batches, and the group's consumer never fetches a changelog.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from connector.errors import EngineStop

_BATCH = 2_000  # records: about 15 ms of this loop
_TOGETHER = 16  # partitions that are fetched at once: each may hold a fetch in memory
_FETCH_BYTES = 2**20  # of a partition; a larger single message comes all the same
_POLL_MS = 500
_GATHER_BYTES = 64 * 2**10  # while following: a fetch for each of our own writes would cost more than the writes
_SECONDS_WITHOUT_PROGRESS = 60
LARGE = 20_000  # records behind: from here on they are written without a log of their own, and flushed at the end
_log = logging.getLogger(__name__)


class Filled(Protocol):
    """A table as this module sees it (``tables.RawTable``)."""

    def persisted_offset(self, tp: Any) -> int | None: ...
    def begin(self, partition: int) -> None: ...
    def fill(self, partition: int, records: Sequence[Any], *, logged: bool) -> None: ...
    def filled(self, partition: int, end: int) -> None: ...
    def heed(self, partition: int, records: Sequence[Any]) -> None: ...


Tables = Mapping[TopicPartition, Filled]


class Changelogs:
    """The changelogs of the partitions that a worker owns."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._following: asyncio.Task[None] | None = None

    async def restore(self, tables: Tables) -> dict[TopicPartition, int]:
        """Fills tables up to the present end; gives the offset from which each must be followed.

        Raises EngineStop (``recovery.failed``, ``recovery.timeout``, ``table.ahead``).
        """
        began, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
        async with self._reader(least=1) as consumer:
            places = list(tables)
            for place in places:
                tables[place].begin(place.partition)
            first, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            starts = {place: max(first[place], _next(tables[place], place)) for place in places}
            _refuse_ahead(starts, ends)
            behind = [place for place in places if starts[place] < ends[place]]
            records = sum(ends[place] - starts[place] for place in behind)
            with _quiet_memory(records):
                for group in _groups(behind):
                    await _fill(consumer, {place: tables[place] for place in group}, starts, ends)
        _log.info("tables restored", extra={"records": records, "seconds": round(loop.time() - began, 2)})
        return {place: max(starts[place], ends[place]) for place in places}

    def follow(self, tables: Tables, starts: Mapping[TopicPartition, int]) -> None:
        """Watches what lands in the changelogs from now on, until ``rest``."""
        self.rest()
        if tables:
            self._following = asyncio.create_task(self._follow(tables, starts), name="changelogs")
            self._following.add_done_callback(self._ended)

    def rest(self) -> None:
        """Stops watching: the partitions may be somebody else's."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()

    async def _follow(self, tables: Tables, starts: Mapping[TopicPartition, int]) -> None:
        async with self._reader(least=_GATHER_BYTES) as consumer:
            consumer.assign(list(tables))
            for place in tables:
                consumer.seek(place, starts[place])
                tables[place].heed(place.partition, ())
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
                for place, records in batches.items():
                    tables[place].heed(place.partition, records)
                await asyncio.sleep(0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            reason = failure if isinstance(failure, EngineStop) else _failed(failure)
            with contextlib.suppress(EngineStop):  # a callback has nobody to raise to
                self._app.stop_signal(reason)

    @asynccontextmanager
    async def _reader(self, *, least: int) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self._app.engine.cluster.client_options(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_min_bytes=least,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=_TOGETHER * _FETCH_BYTES,
        )
        try:
            await consumer.start()
            yield consumer
        except (KafkaError, OSError) as error:
            raise _failed(error) from error
        finally:
            await consumer.stop()


@contextlib.contextmanager
def _quiet_memory(records: int) -> Iterator[None]:
    """While many records pass, the collector need not walk again and again through all that the process has made."""
    if records < LARGE:
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _failed(error: BaseException) -> EngineStop:
    return EngineStop("recovery.failed", f"The changelogs could not be read or applied: {error!r}.")


def _next(table: Filled, place: TopicPartition) -> int:
    known = table.persisted_offset(place)
    return 0 if known is None else known + 1


def _refuse_ahead(starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> None:
    for place, start in starts.items():
        if start > ends[place]:
            raise EngineStop(
                "table.ahead",
                f"The store of this worker has read {place.topic}[{place.partition}] up to {start}, but it ends at"
                f" {ends[place]}: the topic was emptied, or the store belongs to another one.",
                remedy="Point to the topic that this store was filled from; if that is lost, delete the folder"
                " `tables` below data_dir, then run `twinledger links rebuild`.",
            )


def _groups(places: Sequence[TopicPartition]) -> Iterator[Sequence[TopicPartition]]:
    for number in range(0, len(places), _TOGETHER):
        yield places[number : number + _TOGETHER]


async def _fill(
    consumer: AIOKafkaConsumer,
    tables: Tables,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> None:
    """A few partitions from their start to their end."""
    consumer.assign(list(tables))
    for place in tables:
        consumer.seek(place, starts[place])
    logged = {place: ends[place] - starts[place] < LARGE for place in tables}
    left, loop = set(tables), asyncio.get_running_loop()
    moved = loop.time()
    while left:
        batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
        for place, records in batches.items():
            if records[-1].offset >= ends[place]:
                records = [record for record in records if record.offset < ends[place]]
            tables[place].fill(place.partition, records, logged=logged[place])
        done = {place for place in left if await consumer.position(place) >= ends[place]}
        for place in done:
            tables[place].filled(place.partition, ends[place])
        left -= done
        moved = loop.time() if batches or done else moved
        if loop.time() - moved > _SECONDS_WITHOUT_PROGRESS:
            raise EngineStop(
                "recovery.timeout", f"Kafka gave nothing of {len(left)} changelogs for {_SECONDS_WITHOUT_PROGRESS} s."
            )
        await asyncio.sleep(0)
