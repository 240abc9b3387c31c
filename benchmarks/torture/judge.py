"""What was lost: source, outputs and changelog against each other. Pure; knows nothing of any engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.torture.state import Output, State


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the source."""

    key: str
    seq: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A worker process was killed or frozen at ``at``."""

    pid: int
    at: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that stands in Kafka at the end. ``changelog`` in the order of its log, ``committed`` per partition."""

    events: Sequence[Event]
    outputs: Sequence[Output]
    changelog: Sequence[tuple[str, State]]
    committed: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts. Only ``duplicates`` are allowed."""

    events: int = 0
    outputs: int = 0
    lost: int = 0  # committed over, never processed
    unprocessed: int = 0  # neither processed nor committed over: the run did not end
    table_lost: int = 0  # numbers missing in the highest value of their key
    last_lost: int = 0  # numbers missing in the last value of their key: what compaction would leave
    regressions: int = 0  # changelog records that drop what an earlier one of their key had
    stale: int = 0  # outputs made from a table that lacked earlier numbers of the key
    holes: int = 0  # offsets left out in one owner's sequence
    duplicates: int = 0
    lost_examples: list[str] = field(default_factory=list)


def judge(evidence: Evidence, *, highest: bool = True) -> Verdict:
    """``highest``: recovery keeps the highest value of a key (ours); else it keeps the last (Faust's)."""
    seen = {(output.key, output.seq) for output in evidence.outputs}
    missing = [event for event in evidence.events if (event.key, event.seq) not in seen]
    lost = [event for event in missing if event.offset < evidence.committed.get(event.partition, 0)]
    last_lost = _missing(evidence, _last(evidence.changelog))
    return Verdict(
        events=len(evidence.events),
        outputs=len(evidence.outputs),
        lost=len(lost),
        unprocessed=len(missing) - len(lost),
        table_lost=_missing(evidence, _highest(evidence.changelog)) if highest else last_lost,
        last_lost=last_lost,
        regressions=_regressions(evidence.changelog),
        stale=_stale(evidence),
        holes=_holes(evidence.outputs),
        duplicates=len(evidence.outputs) - len(seen),
        lost_examples=[f"{event.partition}@{event.offset}" for event in lost[:10]],
    )


def _last(changelog: Iterable[tuple[str, State]]) -> dict[str, State]:
    return dict(changelog)


def _highest(changelog: Iterable[tuple[str, State]]) -> dict[str, State]:
    kept: dict[str, State] = {}
    for key, state in changelog:
        if key not in kept or state.rank >= kept[key].rank:
            kept[key] = state
    return kept


def _missing(evidence: Evidence, table: Mapping[str, State]) -> int:
    """Numbers that the table must hold (committed over) and does not."""
    wanted: dict[str, int] = defaultdict(int)
    for event in evidence.events:
        if event.offset < evidence.committed.get(event.partition, 0):
            wanted[event.key] |= 1 << event.seq
    return sum((bits & ~(table[key].bits if key in table else 0)).bit_count() for key, bits in wanted.items())


def _regressions(changelog: Iterable[tuple[str, State]]) -> int:
    last: dict[str, int] = {}
    count = 0
    for key, state in changelog:
        count += bool(last.get(key, 0) & ~state.bits)
        last[key] = state.bits
    return count


def _stale(evidence: Evidence) -> int:
    """Numbers of a key are written in order, so an event's table holds all lower ones."""
    return sum(1 for output in evidence.outputs if ((1 << output.seq) - 1) & ~output.before)


def _holes(outputs: Iterable[Output]) -> int:
    sequences: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for output in outputs:
        sequences[output.pid, output.generation, output.partition].append(output.offset)
    return sum(max(offsets) - min(offsets) + 1 - len(set(offsets)) for offsets in sequences.values())


def fail_overs(outputs: Iterable[Output], hits: Iterable[Hit]) -> list[float]:
    """Per partition of a process that was hit: seconds until another process said something of it."""
    by_partition: dict[int, list[Output]] = defaultdict(list)
    for output in sorted(outputs, key=lambda output: output.at):
        by_partition[output.partition].append(output)
    found: list[float] = []
    for hit in hits:
        for said in by_partition.values():
            before = [output for output in said if output.at <= hit.at]
            after = next((output for output in said if output.at > hit.at and output.pid != hit.pid), None)
            if before and before[-1].pid == hit.pid and after is not None:
                found.append(round(after.at - hit.at, 2))
    return found
