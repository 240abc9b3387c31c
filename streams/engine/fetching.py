"""The consumer's own thread: fetches exactly what the ledger expects, commits only for the generation that asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NoError,
    RebalanceInProgressError,
)
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver

from connector.errors import EngineStop

_PROOFS = (HeartbeatRequest, SyncGroupRequest)  # accepted, they show that we were a member when they were sent
_ACCEPTED = (NoError.errno, RebalanceInProgressError.errno)  # during a rebalance nobody else owns what is ours yet
_FETCH_SECONDS = 0.5
_WAIT_MS = 250  # Faust says 1500: a broker answers a connection in turn, so every look-up waits for an idle fetch


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """aiokafka's position moves when records are taken, delivered or not: each fetch begins where the ledger says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._one_fetch: asyncio.Lock | None = None
        self._positions: dict[Any, int] = {}
        self._positions_of: Any = None

    async def on_start(self) -> None:
        await super().on_start()
        self._one_fetch = asyncio.Lock()
        self._hear_heartbeats()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _WAIT_MS
        return consumer

    def _hear_heartbeats(self) -> None:
        """aiokafka keeps the time of its last good heartbeat to itself. A join counts from when its sync was *sent*: a
        process may sleep between the answer and its callback."""
        coordinator = self._ensure_consumer()._coordinator
        send = getattr(coordinator, "_send_req", None)
        if send is None:
            return
        fence = self.app.fence

        async def heard(request: Any) -> Any:
            sent = fence.now()
            answer = await send(request)
            if isinstance(request, _PROOFS) and answer.error_code in _ACCEPTED:
                fence.beat(sent)
            return answer

        coordinator._send_req = heard

    async def fetch(self, wanted: Mapping[Any, int]) -> tuple[Mapping[Any, Sequence[Any]], Mapping[Any, int]]:
        """Records of the wanted partitions from the wanted offsets, and where each partition stands after them."""
        result: tuple[Mapping[Any, Sequence[Any]], Mapping[Any, int]] = await self.call_thread(self._fetch, wanted)
        return result

    async def _fetch(self, wanted: Mapping[Any, int]) -> tuple[Mapping[Any, Sequence[Any]], Mapping[Any, int]]:
        # Two can overlap for a moment when the fetcher service restarts.
        async with self._one_fetch or asyncio.Lock():
            consumer = self._ensure_consumer()
            if consumer._closed or consumer._fetcher._closed:
                raise ConsumerStoppedError
            assignment = self._assignment_now()
            if assignment is None or not self.consumer.flow_active:
                return {}, {}
            here = {tp: offset for tp, offset in wanted.items() if tp in assignment.tps}
            if not here:
                return {}, {}
            self._seek_where_needed(consumer, assignment, here)
            with consumer._fetcher._subscriptions.fetch_context():
                records = await consumer._fetcher.fetched_records(
                    frozenset(here), timeout=_FETCH_SECONDS, max_records=consumer._max_poll_records
                )
            if self._assignment_now() is not assignment:
                return {}, {}
            states = {tp: assignment.state_value(tp) for tp in here}
            moved = {tp: state.position for tp, state in states.items() if state.has_valid_position}
            self._positions.update(moved)
            return records, moved

    def _assignment_now(self) -> Any:
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        return assignment if assignment is not None and assignment.active else None

    def _seek_where_needed(self, consumer: Any, assignment: Any, wanted: Mapping[Any, int]) -> None:
        if self._positions_of is not assignment:
            self._positions_of, self._positions = assignment, {}
        for tp, offset in wanted.items():
            if self._positions.get(tp) != offset:
                consumer.seek(TopicPartition(*tp), offset)
                self._positions[tp] = offset

    async def committed_and_earliest(
        self, tps: Sequence[Any]
    ) -> tuple[Mapping[Any, tuple[int | None, str]], Mapping[Any, int]]:
        """Of each partition the group's committed offset (None where there is none) with the text that was committed
        beside it, and the first offset that is kept."""
        result: tuple[Mapping[Any, tuple[int | None, str]], Mapping[Any, int]]
        result = await self.call_thread(self._committed_and_earliest, tps)
        return result

    async def _committed_and_earliest(
        self, tps: Sequence[Any]
    ) -> tuple[Mapping[Any, tuple[int | None, str]], Mapping[Any, int]]:
        if not tps:
            return {}, {}
        consumer = self._ensure_consumer()
        wanted = [TopicPartition(*tp) for tp in tps]
        earliest, found = await asyncio.gather(
            consumer.beginning_offsets(wanted), consumer._coordinator.fetch_committed_offsets(wanted)
        )
        committed = {tp: (kept.offset, kept.metadata or "") for tp, kept in found.items() if kept.offset >= 0}
        return {tp: committed.get(TopicPartition(*tp), (None, "")) for tp in tps}, earliest

    async def commit_as(self, generation: int, offsets: Mapping[Any, tuple[int, str]]) -> bool:
        """Commits offsets, each with its text, if the group is still in this generation; False: it is not, and the next
        owner replays."""
        return bool(await self.call_thread(self._commit_as, generation, offsets))

    async def _commit_as(self, generation: int, offsets: Mapping[Any, tuple[int, str]]) -> bool:
        consumer = self._ensure_consumer()
        if consumer._coordinator.generation != generation:
            return False
        mine = self.assignment()
        wanted = {
            TopicPartition(*tp): OffsetAndMetadata(offset, said) for tp, (offset, said) in offsets.items() if tp in mine
        }
        if len(wanted) != len(offsets):
            return False
        try:
            await consumer.commit(wanted)
        except (CommitFailedError, IllegalStateError):
            return False
        except KafkaError as error:
            self.app.stop_signal(EngineStop("commit.failed", f"The offsets could not be committed: {error!r}."))
        return True
