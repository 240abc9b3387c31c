"""Faust's consumer, made strict: what was not delivered is fetched again, and only what was processed is committed.

What Faust does instead stands in the package's docstring. Replaced here: the drain loop, acknowledgement and commit
bookkeeping, seeking, and the hand-over between the consumer's thread and the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.utils.futures import notify

from connector.errors import EngineStop
from streams.engine.accounts import Accounts
from streams.engine.fetching import ConsumerThread
from streams.engine.ledger import Hole, Ledger, Partition, Stalls

_IDLE_SECONDS = 0.05
_YIELD_EVERY = 100
_WATCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Batch:
    session: int
    records: Mapping[Any, Sequence[Any]]
    positions: Mapping[Any, int]  # where each partition stands after these records


class Consumer(driver.Consumer):  # type: ignore[misc]
    """One session reaches from a seek to the next seek or stop of the flow; a batch of an earlier session is void."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ledger = Ledger()
        self.accounts = Accounts()
        self.ready_generation: int | None = None  # set while our partitions are caught up and flow
        self._session = 0
        super().__init__(*args, **kwargs)
        self._stalls = Stalls(self.app.engine.stall_seconds)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- the flow

    def stop_flow(self) -> None:
        self._session += 1
        self.ready_generation = None
        super().stop_flow()

    def on_buffer_drop(self, tp: TP) -> None:
        if tp not in self._paused_partitions:
            super().on_buffer_drop(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commits what is processed first: Faust forgets it before it commits."""
        self.ready_generation = None
        await self._on_partitions_revoked(revoked)
        self._session += 1
        self.ledger.drop(revoked)
        self.accounts.drop(revoked)
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        for known in (self._committed_offset, self._read_offset):
            for tp in revoked:
                known.pop(tp, None)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Nothing is fetched of any partition before it is sought."""
        self._session += 1
        self.ready_generation = None
        self.ledger.clear()
        self._buffered_partitions.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    # -- fetching and delivering

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                batch = await self._next_batch()
                if batch is not None:
                    await self._hand_out(batch)
        except Hole as hole:
            self.app.stop_signal(EngineStop("hole", f"{hole}."))
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _next_batch(self) -> _Batch | None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return None
        session = self._session
        # A copy: the fetching thread must not see this set change, and an empty one would mean every partition.
        wanted = {
            tp: offset for tp in tuple(self._active_partitions) if (offset := self.ledger.expected(tp)) is not None
        }
        if not wanted:
            await self.sleep(_IDLE_SECONDS)
            return None
        records, positions = await self._thread.fetch(wanted)
        return _Batch(session, records, positions) if session == self._session else None

    async def _hand_out(self, batch: _Batch) -> None:
        for number, (tp, record) in enumerate(self.scheduler.iterate(batch.records), 1):
            if self._session != batch.session:
                return
            await self._deliver(tp, record)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if self._session == batch.session:
            for tp, position in batch.positions.items():
                self.ledger.passed(tp, position, dense=tp.topic in self.app.dense_topics)
        await asyncio.sleep(0)

    async def _deliver(self, tp: TP, record: Any) -> None:
        self.ledger.delivered(
            tp,
            record.offset,
            tracked=self.app.topics.acks_enabled_for(tp.topic),
            dense=tp.topic in self.app.dense_topics,
        )
        self.accounts.delivered(tp, record.offset)
        self._read_offset[tp] = record.offset
        delivery = self.callback(self._to_message(tp, record))
        if self._may_block(tp):
            await self.wait_first(delivery, self.suspend_flow.wait())
        else:
            await delivery

    def _may_block(self, tp: TP) -> bool:
        """Whether the delivery could wait: then it must end when the flow is stopped, or it would land later."""
        buffer = self.app.producer.buffer
        return (
            not self.app.flow_control.is_active()
            or buffer.size > buffer.max_messages
            or self.app.topics._tp_to_callback_lock.locked()
            or any(channel.queue.full() for channel in self.app.topics._tp_index[tp])
        )

    # -- seeking

    def sources(self) -> list[TP]:
        """Assigned partitions that agents read; the others are changelogs."""
        return [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]

    async def perform_seek(self) -> None:
        """To what is committed, to the earliest where nothing is."""
        sources = self.sources()
        committed, earliest = await self._thread.committed_and_earliest(sources)
        self._session += 1
        for tp in sources:
            (kept, said), first = committed[tp], earliest[tp]
            start = first if kept is None else max(kept, first)
            if kept is not None and first > kept:
                self.log.error("retention removed unread messages of %s[%s]: %s to %s", *tp, kept, first)
            self.ledger.begin(tp, start)
            dense = tp.topic in self.app.dense_topics
            missed = start - kept if dense and kept is not None else 0
            self.accounts.begin(tp, start, said, dense=dense, missed=missed)
            self._committed_offset[tp] = kept
            self._read_offset[tp] = start

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Recovery's seek of changelogs."""
        self._session += 1
        for tp, offset in partitions.items():
            self.ledger.begin(tp, max(offset or 0, 0))

    async def seek(self, partition: TP, offset: int) -> None:
        await self.seek_wait({partition: offset})

    # -- acknowledging and committing

    def ack(self, message: Any) -> bool:
        """Called when the last agent is done with a message."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        current = message.generation_id == self.app.consumer_generation_id
        counted = current and self.ledger.acked(message.tp, message.offset)
        notify(self._waiting_for_ack)
        return counted

    async def wait_empty(self) -> None:
        """Until the agents are done with what they have begun; not when the worker has a reason to stop."""
        if self.app.stop_signal.reason is None:
            await super().wait_empty()

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Outputs and changelog are acknowledged first, then the offsets are committed, all contiguous as fetched."""
        generation = self.app.consumer_generation_id
        offsets = self.ledger.committable()
        if not offsets or self.app.stop_signal.reason is not None:
            return False
        self.app.fence.check()
        await self.app.producer.flush()
        said = {tp: (offset, self.accounts.upto(tp, offset)) for tp, offset in offsets.items()}
        if self.app.stop_signal.reason is not None or not await self._thread.commit_as(generation, said):
            return False
        self.ledger.committed(offsets)
        self._committed_offset.update({TP(*tp): offset for tp, offset in offsets.items()})
        self.app.tables.on_commit(offsets)
        self.app.monitor.on_tp_commit(offsets)
        return True

    # -- watching

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch_commits(self) -> None:
        """Something left and nothing committed for too long: a hole that nobody saw, or a silent partition."""
        while not self.should_stop:
            await self.sleep(_WATCH_SECONDS)
            generation = self.ready_generation
            sources = self.sources() if generation is not None else []
            if not sources:
                self._stalls.forget()
                continue
            ends = {Partition(*tp): end for tp, end in (await self.highwaters(*sources)).items()}
            if generation != self.ready_generation:
                continue
            stuck = self._stalls.observe(self.app.fence.now(), self.ledger.behind(ends))
            if stuck:
                names = ", ".join(f"{tp.topic}[{tp.partition}] at {self.ledger.done(tp)}" for tp in stuck[:5])
                self.app.stop_signal(
                    EngineStop("commit.stalled", f"Nothing was committed though more is there: {names}.")
                )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own detector only logs; ``_watch_commits`` acts."""
