"""Rules of the engine that a benchmark's worker can take out, one or several: the product has no such switch.

Each rule has the short run that should notice. ``docs/torture.md`` says which did, and why the others stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.torture.plan import SHORT, Kind, Run


@dataclass(frozen=True, slots=True)
class Rule:
    """``out`` takes it out of this process; ``run`` is what its absence should show in."""

    holds: str
    out: Callable[[], None]
    run: Run


def _seek_order() -> None:
    """Queues are cleared after the sources flow, as Faust does it."""
    from streams.engine.recovery import Recovery

    opens = Recovery._open

    async def clears_late(self: Any, generation_id: int) -> None:
        await opens(self, generation_id)
        await asyncio.sleep(0.1)  # Faust waits for a seek and for its fetcher here
        if self.app.consumer_generation_id == generation_id:
            self.app.flow_control.clear()
            self.app.flow_control.resume()

    Recovery._open = clears_late  # type: ignore[method-assign]


def _contiguous_commit() -> None:
    """The highest acknowledged offset counts, whatever stands open before it."""
    from streams.engine.ledger import Ledger

    acked = Ledger.acked

    def jumps(self: Ledger, tp: Any, offset: int) -> bool:
        counted = acked(self, tp, offset)
        if counted:
            track = self._tracks[tp]
            track.done = max(track.done, offset + 1)
        return counted

    Ledger.acked = jumps  # type: ignore[method-assign]


def _real_flush() -> None:
    """Faust's flush: given up after 0.1 s without progress."""
    from faust.transport.drivers import aiokafka as driver
    from faust.transport.producer import ProducerBuffer

    from streams.engine.producer import Buffer, Producer

    Buffer.flush = ProducerBuffer.flush  # type: ignore[method-assign]
    Producer.flush = driver.Producer.flush  # type: ignore[method-assign]


def _explicit_ack() -> None:
    """An event counts as processed when the agent takes it."""
    from streams import guard

    def consume(app: Any, codec: Any, topic: str, stage: str, handler: guard.Handler) -> None:
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                await stream.ack(event)
                await guard._guarded(app, codec, stage, guard._incoming(event, topic), handler)

        app.agent(app.raw_topic(topic), name=f"{stage}-{topic}", concurrency=1)(agent)

    guard.consume = consume


def _commit_generation() -> None:
    """A commit counts whatever has happened to the group since."""
    from streams.engine.fetching import ConsumerThread

    commits = ConsumerThread._commit_as

    async def any_generation(self: Any, generation: int, offsets: Mapping[Any, Any]) -> bool:
        del generation
        mine = self.assignment()
        kept = {tp: offset for tp, offset in offsets.items() if tp in mine}
        return await commits(self, self._ensure_consumer()._coordinator.generation, kept)

    ConsumerThread._commit_as = any_generation  # type: ignore[method-assign]


def _set_snapshot() -> None:
    """Asked for no partition, the fetcher gives records of all."""
    from streams.engine.consumer import Consumer, _Batch
    from streams.engine.fetching import ConsumerThread

    async def next_batch(self: Any) -> _Batch | None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return None
        session = self._session
        wanted = {tp: offset for tp in self._active_partitions if (offset := self.ledger.expected(tp)) is not None}
        records, positions = await self._thread.fetch(wanted)
        return _Batch(session, records, positions) if session == self._session else None

    async def fetch(self: Any, wanted: Mapping[Any, int]) -> tuple[Any, Any]:
        consumer = self._ensure_consumer()
        assignment = self._assignment_now()
        if assignment is None or not self.consumer.flow_active:
            return {}, {}
        here = {tp: offset for tp, offset in wanted.items() if tp in assignment.tps}
        self._seek_where_needed(consumer, assignment, here)
        with consumer._fetcher._subscriptions.fetch_context():
            records = await consumer._fetcher.fetched_records(frozenset(here), timeout=0.5, max_records=500)
        states = {tp: assignment.state_value(tp) for tp in here}
        moved = {tp: state.position for tp, state in states.items() if state is not None and state.has_valid_position}
        self._positions.update(moved)
        return records, moved

    Consumer._next_batch = next_batch  # type: ignore[method-assign]
    ConsumerThread._fetch = fetch  # type: ignore[method-assign]


def _fence() -> None:
    """A worker that slept goes on until the group tells it."""
    from streams.engine.stop import Fence

    Fence.check = lambda self: self._stop.check()  # type: ignore[method-assign]
    Fence.fresh = property(lambda self: True)  # type: ignore[assignment,method-assign]


_STARTS = Run("ours", Kind.STARTS, 90, SHORT, events=3_000, live=0, faults=0, tries=2)
_DYNAMIC = Run("ours", Kind.WIPE, 90, SHORT, events=6_000, live=500, faults=4)
_FREEZES = Run(
    "ours", Kind.FLUSH, 90, SHORT, events=8_000, live=500, faults=7, work=(0, 0.5), commit=0.2, padding=3_000
)
_SLOW = Run("ours", Kind.KEEP, 90, events=60, live=4, keys=20, faults=7, work=(600, 1_200), commit=0.1)
_PAUSES = Run("ours", Kind.PAUSE, 90, SHORT, events=6_000, live=500, faults=4, pause=9, work=(2, 8))

RULES: Mapping[str, Rule] = {
    "seek-order": Rule("queues are cleared before the sources flow", _seek_order, _DYNAMIC),
    "contiguous-commit": Rule("no commit passes an event that is not processed", _contiguous_commit, _DYNAMIC),
    "real-flush": Rule("outputs and changelog are acknowledged before the commit", _real_flush, _FREEZES),
    "explicit-ack": Rule("an event is acknowledged as the agent's last act", _explicit_ack, _SLOW),
    "commit-generation": Rule("a commit of an older generation changes nothing", _commit_generation, _DYNAMIC),
    "set-snapshot": Rule("only what is asked for is fetched; nothing asked is nothing fetched", _set_snapshot, _STARTS),
    "fence": Rule("a worker with a stale heartbeat ends itself", _fence, _PAUSES),
}


def take_out(rules: Iterable[str]) -> None:
    """Before the engine is made."""
    for rule in rules:
        RULES[rule].out()


def pair(rules: tuple[str, ...]) -> tuple[Run, Run]:
    """The same short run with all rules and without these. Raises KeyError for a rule that there is not."""
    run = RULES[rules[0]].run
    return run, replace(run, without=rules)
