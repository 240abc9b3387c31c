"""The judge of a row. Pure: changes that people made, what stands in Kafka, what readiness said; figures out.

A change is in Kafka when its event stands in ``salesforce.hints.v1``, or when a read of its record that shows it, or
something newer, stands in ``salesforce.records.v1``; what no schema takes, when it is a dead letter. Else it is lost.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LATE_SECONDS = 5.0  # a change may be on its way for so long before readiness owes us a word


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record at a time of the org's clock. ``number`` is the value it set, higher each time.

    ``replay`` is the id of the event that tells of it; None where the org told nobody.
    """

    record: str
    number: int
    at: float
    replay: int | None


@dataclass(frozen=True, slots=True)
class HintSeen:
    """One change event as it stands in Kafka."""

    at: float
    channel: str
    replay: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadSeen:
    """One record as it stands in Kafka."""

    at: float
    record: str
    number: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What readiness said at a time. ``ready`` is also False while nobody answers."""

    at: float
    ready: bool
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Tape:
    """What stands in Kafka, in order."""

    hints: list[HintSeen] = field(default_factory=list)
    reads: list[ReadSeen] = field(default_factory=list)
    letters: list[tuple[float, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """A row. Seconds are of the org's clock, which some faults turn forward."""

    sent: int
    told: int
    heard: int  # changes whose event stands in Kafka
    read: int  # changes that were read instead
    lost: int
    twice: int  # messages beyond the first of an event
    effects_twice: int  # writes to the other side that were made again
    unequal: int  # records that differ between the two sides at the end
    recovered: float | None
    unready: float
    silent: float  # the longest stretch in which it said ready while a change had been missing for too long

    def to_data(self) -> dict[str, Any]:
        return asdict(self)


def arrival(change: Change, tape: Tape) -> tuple[float, bool] | None:
    """(when it came to stand in Kafka, whether its own event does, be it later than a read of it)."""
    own = min(_told(change, tape), default=None)
    shown = (read.at for read in tape.reads if read.record == change.record and read.number >= change.number)
    first = min((at for at in (own, min(shown, default=None)) if at is not None), default=None)
    return None if first is None else (first, own is not None)


def _told(change: Change, tape: Tape) -> Iterator[float]:
    """When messages with its event came."""
    if change.replay is None:
        return
    for hint in tape.hints:
        if hint.replay == change.replay and change.record in hint.ids:
            yield hint.at
    for at, text in tape.letters:
        if f'"replayId":{change.replay}}}' in text.replace(" ", ""):
            yield at


def missing(changes: Iterable[Change], tape: Tape) -> list[Change]:
    return [change for change in changes if arrival(change, tape) is None]


def repeated(hints: Iterable[HintSeen]) -> int:
    """How many messages there are beyond the first of each event."""
    seen = Counter((hint.channel, hint.replay, hint.ids) for hint in hints if hint.replay >= 0)
    return sum(number - 1 for number in seen.values())


def silence(samples: Sequence[Sample], changes: Sequence[Change], tape: Tape) -> float:
    """The longest time in which it said ready while a change had been missing for more than LATE_SECONDS."""
    spans = [(change.at + LATE_SECONDS, _came(change, tape)) for change in changes]
    longest = since = 0.0
    for sample in samples:
        behind = any(begin < sample.at < end for begin, end in spans)
        if not (sample.ready and behind):
            since = 0.0
            continue
        since = since or sample.at
        longest = max(longest, sample.at - since)
    return longest


def _came(change: Change, tape: Tape) -> float:
    found = arrival(change, tape)
    return float("inf") if found is None else found[0]


def unready(samples: Sequence[Sample]) -> float:
    """Seconds in which it did not say ready."""
    pairs = itertools.pairwise(samples)
    return sum(after.at - before.at for before, after in pairs if not before.ready)


def figures(
    changes: Sequence[Change], tape: Tape, samples: Sequence[Sample], over: float, effects_twice: int, unequal: int
) -> Figures:
    """``over`` is when the fault had ended."""
    found = [arrival(change, tape) for change in changes]
    came = [one for one in found if one is not None]
    last = max((at for at, _ in came), default=over)
    ready = next((one.at for one in samples if one.at >= max(last, over) and one.ready), None)
    return Figures(
        sent=len(changes), told=sum(one.replay is not None for one in changes), heard=sum(own for _, own in came),
        read=sum(not own for _, own in came), lost=len(changes) - len(came), twice=repeated(tape.hints),
        effects_twice=effects_twice, unequal=unequal,
        recovered=None if ready is None else max(0.0, ready - over),
        unready=unready(samples), silent=silence(samples, changes, tape),
    )  # fmt: skip
