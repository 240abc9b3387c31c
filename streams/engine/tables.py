"""Tables of raw bytes whose shard is the partition of the event, whose disk never claims more than it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import faust
from faust import current_event
from faust.tables.manager import TableManager as FaustTableManager

from connector.errors import DataError, EngineStop
from connector.kafka.partition import partition_of
from streams.engine.recovery import Recovery

Rank = Callable[[bytes], tuple[int, int]]
"""(owner epoch, that writer's own counter) of a value: of two values for a key the higher one holds."""


class RawTable(faust.Table):  # type: ignore[misc]
    """Bytes to bytes. One agent writes it, at once: ``read`` and ``write`` have no await between them.

    ``read``, ``write`` and ``remove`` work inside an agent, on the partition of its event. ``peek`` and ``scan`` read
    from anywhere, of partitions that this worker owns.
    """

    def __init__(self, app: Any, *, rank: Rank | None = None, **kwargs: Any) -> None:
        super().__init__(app, key_type=bytes, value_type=bytes, **kwargs)
        self._rank = rank

    def read(self, key: bytes) -> bytes | None:
        """The value of a key of the event's partition."""
        self._check(key)
        value: bytes | None = self.get(key)
        return value

    def write(self, key: bytes, value: bytes) -> None:
        """Sets a value; its changelog is acknowledged before the event's offset is committed."""
        self._check(key)
        self[key] = value

    def remove(self, key: bytes) -> None:
        """Writes a tombstone: only for what has been ``gone`` for 30 days."""
        self._check(key)
        if self.get(key) is not None:
            del self[key]

    def peek(self, key: bytes) -> bytes | None:
        """The value of a key outside an agent. Raises EngineStop (``table.not-owned``)."""
        value: bytes | None = self._open_shard(partition_of(key, self.app.engine.cluster.partitions)).get(key)
        return value

    def scan(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values of an owned partition, in key order. Raises EngineStop (``table.not-owned``)."""
        for key, value in self._open_shard(partition).items():
            if key != self.data.offset_key:
                yield key, value

    def _open_shard(self, partition: int) -> Any:
        shard = self.data._dbs.get(partition)
        if shard is None:
            raise EngineStop("table.not-owned", f"Partition {partition} of table {self.name} is not ours.")
        return shard

    def _check(self, key: bytes) -> None:
        """Faust would write to the event's shard whatever the key is, and never find it again."""
        self.app.fence.check()
        event = current_event()
        if event is None:
            raise RuntimeError(f"table {self.name} is written and read by its agent only; use peek or scan elsewhere")
        wanted = partition_of(key, self.app.engine.cluster.partitions)
        if event.message.partition != wanted:
            raise DataError(
                "key.foreign",
                f"Key {key!r} belongs to partition {wanted}, the message stood on {event.message.partition}.",
                remedy="Its sender must place messages by connection, as Twinledger's partitioner does.",
            )

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Recovery. Faust logs an error here and goes on with a table that lacks records: this stops the worker."""
        applied = False
        try:
            super().apply_changelog_batch(batch if self._rank is None else self._highest(batch, self._rank))
            applied = True
        finally:
            if not applied:
                self.app.stop_signal(EngineStop("recovery.failed", f"Table {self.name} could not be recovered."))

    def _highest(self, batch: Iterable[Any], rank: Rank) -> list[Any]:
        """Leaves out what is lower than what stands there or in this batch: the late write of a former owner."""
        kept: dict[tuple[int, bytes], Any] = {}
        for event in batch:
            message = event.message
            place = (message.partition, message.key)
            standing = (
                kept[place].message.value if place in kept else self.data._db_for_partition(place[0]).get(place[1])
            )
            if message.value is None or standing is None or rank(message.value) >= rank(standing):
                kept[place] = event
        return sorted(kept.values(), key=lambda event: (event.message.partition, event.message.offset))

    def _on_changelog_sent(self, fut: Any) -> None:
        """Moves the disk's offset only over our own, unbroken writes: a zombie's late one must not hide others'."""
        sent = fut.result()
        tp = sent.topic_partition
        if tp.partition not in self.data._dbs or tp not in self.app.assignor.assigned_actives():
            return
        known = self.data.persisted_offset(tp)
        if sent.offset == (-1 if known is None else known) + 1:
            self.data.set_persisted_offset(tp, sent.offset)


class TableManager(FaustTableManager):  # type: ignore[misc]
    """Makes our recovery; Faust names its own in a property."""

    _recovery: Recovery | None

    async def on_start(self) -> None:
        """Faust sleeps a second first, for agents that declare tables while they start; ours declare none."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
