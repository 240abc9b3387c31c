"""What was fetched, delivered and processed, per partition: the one place that says what may be committed.

Pure. Offsets are compared with the sequence that was fetched, never with each other: compacted topics have real gaps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Partition(NamedTuple):
    """Equal to and hashed like Faust's and aiokafka's own pairs."""

    topic: str
    partition: int


class Hole(Exception):
    """The broker's records came in an order that would lose or repeat some in silence."""


@dataclass(slots=True)
class _Track:
    next: int  # the offset to fetch next
    done: int  # everything before it has been processed
    committed: int  # everything before it is committed, or was never ours to read
    open: deque[int] = field(default_factory=deque)  # delivered, in fetched order, the first not processed yet
    acked: set[int] = field(default_factory=set)


class Ledger:
    """One track per partition, from a ``begin`` (a seek) to a ``drop`` (a loss) or the next ``begin``."""

    def __init__(self) -> None:
        self._tracks: dict[Partition, _Track] = {}

    def begin(self, tp: Partition, offset: int) -> None:
        """Reading starts at this offset; what was delivered before no longer counts."""
        self._tracks[tp] = _Track(next=offset, done=offset, committed=offset)

    def drop(self, tps: Iterable[Partition]) -> None:
        for tp in list(tps):
            self._tracks.pop(tp, None)

    def clear(self) -> None:
        self._tracks.clear()

    def expected(self, tp: Partition) -> int | None:
        """Offset to fetch next; None: the partition has no beginning yet and must not be fetched."""
        track = self._tracks.get(tp)
        return None if track is None else track.next

    def delivered(self, tp: Partition, offset: int, *, tracked: bool, dense: bool) -> None:
        """A record goes to the agents. ``dense`` topics lose nothing to compaction: a gap in them is a loss.

        Raises Hole.
        """
        track = self._tracks.get(tp)
        if track is None:
            raise Hole(f"{tp.topic}[{tp.partition}] delivered offset {offset} without a beginning")
        if offset < track.next or (dense and offset != track.next):
            raise Hole(f"{tp.topic}[{tp.partition}] delivered offset {offset}, expected {track.next}")
        track.next = offset + 1
        if tracked:
            track.open.append(offset)

    def passed(self, tp: Partition, position: int, *, dense: bool) -> None:
        """All records before ``position`` were delivered; some offsets had none (compaction, never if ``dense``).

        Raises Hole.
        """
        track = self._tracks.get(tp)
        if track is not None and position > track.next:
            if dense:
                raise Hole(f"{tp.topic}[{tp.partition}] stands at {position}, delivered was up to {track.next}")
            track.next = position
            if not track.open:
                track.done = position

    def acked(self, tp: Partition, offset: int) -> bool:
        """An agent is done with a record. False for one that does not count any more."""
        track = self._tracks.get(tp)
        if track is None or offset < track.done or offset >= track.next:
            return False
        track.acked.add(offset)
        while track.open and track.open[0] in track.acked:
            first = track.open.popleft()
            track.acked.discard(first)
            track.done = first + 1
        if not track.open:
            track.done = track.next
        return True

    def done(self, tp: Partition) -> int | None:
        """Everything before it has been processed by our agents."""
        track = self._tracks.get(tp)
        return None if track is None else track.done

    def committable(self) -> dict[Partition, int]:
        """What may be committed and is not yet."""
        return {tp: track.done for tp, track in self._tracks.items() if track.done > track.committed}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has accepted these."""
        for tp, offset in offsets.items():
            track = self._tracks.get(tp)
            if track is not None:
                track.committed = max(track.committed, offset)

    def behind(self, ends: Mapping[Partition, int]) -> dict[Partition, int]:
        """Partitions with something left, and what is committed of them."""
        tracks = ((tp, self._tracks.get(tp), end) for tp, end in ends.items())
        return {tp: track.committed for tp, track, end in tracks if track is not None and track.committed < end}


class Stalls:
    """Finds partitions that have something left and commit nothing for too long. The clock is an argument."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: dict[Partition, tuple[int, float]] = {}

    def observe(self, now: float, behind: Mapping[Partition, int]) -> tuple[Partition, ...]:
        """``behind`` as the ledger gives it, ``now`` in seconds; the partitions that are stuck."""
        fresh: dict[Partition, tuple[int, float]] = {}
        for tp, committed in behind.items():
            known = self._since.get(tp)
            fresh[tp] = known if known is not None and known[0] == committed else (committed, now)
        self._since = fresh
        return tuple(tp for tp, (_, since) in fresh.items() if now - since > self._limit)

    def forget(self) -> None:
        self._since.clear()
