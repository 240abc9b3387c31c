"""Tables of raw bytes whose shard is the partition of the event, whose disk never claims more than it holds.

A value of a ranked table says who wrote it as its which write: (owner epoch, that writer's own counter). Three places
keep the highest: recovery (``fill``), the owner who watches its changelog (``heed``), and the owner's own writes
(``write`` refuses what is lower than what stands).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import faust
from faust import current_event
from faust.tables.manager import TableManager as FaustTableManager
from rocksdict import WriteBatch

from connector.errors import DataError, EngineStop
from connector.kafka.partition import partition_of
from streams.engine.recovery import Recovery
from streams.engine.store import Store, unlogged

RankOf = tuple[int, int]
Rank = Callable[[bytes], RankOf]
"""(owner epoch, that writer's own counter) of a value: of two values for a key the higher one holds."""
RANK_HEADER = "rank"  # of a tombstone: the rank of the value that it takes away
_LOWEST = (-1, -1)


class RawTable(faust.Table):  # type: ignore[misc]
    """Bytes to bytes. One agent writes it, at once: ``read`` and ``write`` have no await between them.

    ``read``, ``write`` and ``remove`` work inside an agent, on the partition of its event. ``peek``, ``scan`` and
    ``after`` read from anywhere, of partitions that this worker owns.
    """

    def __init__(self, app: Any, *, rank: Rank | None = None, **kwargs: Any) -> None:
        super().__init__(app, key_type=bytes, value_type=bytes, **kwargs)
        self._rank = rank
        self._epochs: dict[int, int] = {}  # partition to the epoch under which this process writes
        self._unflushed: set[int] = set()  # partitions with something that a crash would take back
        # Partition to keys that must be written again: what landed last of them, at this offset, is not what stands.
        self._owed: dict[int, dict[bytes, int]] = {}

    def _new_store_by_url(self, url: Any) -> Store:
        return Store(
            url, self.app, self, table_name=self.name, key_type=bytes, value_type=bytes, key_serializer="raw",
            value_serializer="raw", loop=self.loop,
        )  # fmt: skip

    # -- what agents and loops use

    def read(self, key: bytes) -> bytes | None:
        """The value of a key of the event's partition."""
        self._check(key)
        with self._disk():
            value: bytes | None = self.get(key)
        return value

    def write(self, key: bytes, value: bytes) -> None:
        """Sets a value; its changelog is acknowledged before the event's offset is committed.

        A value of a lower rank than the standing one ends the process (``table.outranked``): recovery would drop it.
        """
        self._check(key)
        if self._rank is not None:
            self._check_rank(key, value, self._rank)
        with self._disk():
            self[key] = value

    def remove(self, key: bytes) -> None:
        """Writes a tombstone of the standing value's rank: only for what has been ``gone`` for 30 days."""
        self._check(key)
        partition = partition_of(key, self.app.engine.cluster.partitions)
        shard = self._open_shard(partition)
        standing = shard.get(key)
        if standing is None:
            return
        with self._disk():
            shard.delete(key)
        headers = [] if self._rank is None else [(RANK_HEADER, b"%d %d" % self._rank(standing))]
        self._send(partition, key, None, headers)

    def peek(self, key: bytes) -> bytes | None:
        """The value of a key outside an agent. Raises EngineStop (``table.not-owned``)."""
        value: bytes | None = self._open_shard(partition_of(key, self.app.engine.cluster.partitions)).get(key)
        return value

    def scan(self, partition: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys with a prefix and their values, of an owned partition, in key order, as they stand at the first step.

        Raises EngineStop (``table.not-owned``).
        """
        for key, value in self._open_shard(partition).items(from_key=prefix or None):
            if not key.startswith(prefix):
                return
            if key != self.data.offset_key:
                yield key, value

    def after(self, key: bytes, count: int) -> list[tuple[bytes, bytes]]:
        """Up to ``count`` rows that follow a key in its partition, in key order."""
        shard = self._open_shard(partition_of(key, self.app.engine.cluster.partitions))
        rows = islice(shard.items(from_key=key + b"\0"), count)
        return [(each, value) for each, value in rows if each != self.data.offset_key]

    def _open_shard(self, partition: int) -> Any:
        shard = self.data._dbs.get(partition)
        if shard is None:
            raise EngineStop("table.not-owned", f"Partition {partition} of table {self.name} is not ours.")
        return shard

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """A disk that is full or broken ends the worker. RocksDB says so with a bare ``Exception``: the guard would
        take it for a bad message and bury one event after the other."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                reason = f"Table {self.name} cannot use its disk: {sys.exc_info()[1]}."
                self.app.stop_signal(EngineStop("table.disk", reason, remedy="Look at the disk of `data_dir`."))

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

    def _check_rank(self, key: bytes, value: bytes, rank: Rank) -> None:
        partition = partition_of(key, self.app.engine.cluster.partitions)
        mine, shard = rank(value), self._open_shard(partition)
        with self._disk():
            standing = shard.get(key)
        if standing is not None and mine < rank(standing):
            self.app.stop_signal(
                EngineStop(
                    "table.outranked",
                    f"{self.name} holds at {key!r} a value of rank {rank(standing)}; ours would be {mine}: another"
                    " worker owns the partition, or leases.v1 was lost.",
                    remedy="If every worker ends so, leases.v1 was emptied: restore it.",
                )
            )
        self._epochs[partition] = max(mine[0], self._epochs.get(partition, 0))

    def _send(self, partition: int, key: bytes, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        self.changelog_topic.send_soon(
            key=key, value=value, partition=partition, key_serializer="raw", value_serializer="raw",
            headers=[*headers], callback=self._on_changelog_sent, eager_partitioning=True,
        )  # fmt: skip

    # -- recovery

    def begin(self, partition: int) -> None:
        """A partition is ours, perhaps again: under which epoch, and what is owed, is seen anew."""
        self._epochs.pop(partition, None)
        self._owed.pop(partition, None)

    def fill(self, partition: int, records: Sequence[Any], *, logged: bool) -> None:
        """Takes in a piece of the changelog. Not ``logged``: a crash before ``filled`` takes it back."""
        if not records:
            return
        if not logged:
            self._unflushed.add(partition)
        shard = self._open_shard(partition)
        batch = WriteBatch(raw_mode=True)
        for key, value in self._winners(partition, shard, records).items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.data.offset_key, self._claims(partition, records[-1].offset))
        shard.write(batch, unlogged() if partition in self._unflushed else None)

    def filled(self, partition: int, end: int) -> None:
        """All before ``end`` has been taken in: some of the last offsets may have had no record (compaction)."""
        shard, offset = self._open_shard(partition), self._claims(partition, end - 1)
        if partition in self._unflushed:
            shard.put(self.data.offset_key, offset, unlogged())
            shard.flush()
            self._unflushed.discard(partition)
        else:
            shard.put(self.data.offset_key, offset)

    def _claims(self, partition: int, offset: int) -> bytes:
        """The offset that the disk may claim: nothing that is owed may be passed before it is seen in the changelog."""
        owed = self._owed.get(partition)
        return b"%d" % (min(offset, min(owed.values()) - 1) if owed else offset)

    def _winners(self, partition: int, shard: Any, records: Sequence[Any]) -> Mapping[bytes, bytes | None]:
        """The values that must stand after these records: the highest of each key, the last of an unranked table."""
        if self._rank is None:
            return {record.key: record.value for record in records if record.key is not None}
        ranks: dict[bytes, RankOf] = {}
        winners: dict[bytes, bytes | None] = {}
        for record in records:
            key, landed = record.key, self._landed(record)
            if key is None:
                continue
            standing = ranks.get(key)
            if standing is None:
                value = shard.get(key)
                standing = ranks[key] = _LOWEST if value is None else self._rank(value)
            if landed < standing:
                self._owed.setdefault(partition, {}).setdefault(key, record.offset)
                continue
            winners[key], ranks[key] = record.value, landed
            if partition in self._owed:
                self._owed[partition].pop(key, None)
        return winners

    def _landed(self, record: Any) -> RankOf:
        """The rank of a record. A tombstone that does not say whose value it takes away is lower than any."""
        if record.value is not None and self._rank is not None:
            return self._rank(record.value)
        said = dict(record.headers).get(RANK_HEADER, b"").split()
        known = len(said) == 2 and said[0].isdigit() and said[1].isdigit()
        return (int(said[0]), int(said[1])) if known else _LOWEST

    # -- what lands after recovery

    def heed(self, partition: int, records: Sequence[Any]) -> None:
        """What landed in the changelog while we own it; none at the beginning. Our own writes stand already. A former
        owner's late write is taken in if it is higher than what stands (it landed a moment too late for recovery); if
        it is lower, the standing value is written again, because compaction keeps the last."""
        if partition not in self.data._dbs or self._rank is None:
            return
        shard = self._open_shard(partition)
        if not records:
            for key in self._owed.get(partition, {}):
                self._pay(partition, shard, key)
            return
        for record in records:
            if record.key is not None:
                self._judge(partition, shard, record, self._rank)
        with self._disk():
            shard.put(self.data.offset_key, self._claims(partition, records[-1].offset))

    def _judge(self, partition: int, shard: Any, record: Any, rank: Rank) -> None:
        key, landed, standing = record.key, self._landed(record), shard.get(record.key)
        known = _LOWEST if standing is None else rank(standing)
        owed = self._owed.setdefault(partition, {})
        if landed >= known:
            owed.pop(key, None)
            if record.value is None:
                shard.delete(key)
            elif landed > known:
                shard.put(key, record.value)
        elif landed[0] != self._epochs.get(partition):  # of ours, a later one follows
            owed.setdefault(key, record.offset)
            self._pay(partition, shard, key)

    def _pay(self, partition: int, shard: Any, key: bytes) -> None:
        """Write what stands once more."""
        standing = shard.get(key)
        if standing is not None:
            self.app.fence.check()
            self._send(partition, key, standing)

    def _on_changelog_sent(self, fut: Any) -> None:
        """Moves an unranked table's offset on disk only over our own, unbroken writes: a zombie's late one must not
        hide others'. A ranked table's follows what ``heed`` has seen."""
        sent = fut.result()
        tp = sent.topic_partition
        if self._rank is not None or tp.partition not in self.data._dbs:
            return
        if tp not in self.app.assignor.assigned_actives():
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
