"""Is this worker alive, and may it be relied on? A set of facts in, two answers with their reasons out. Pure.

*Live* asks for a restart when it fails: this process cannot heal itself. *Ready* asks for a person's eye: something
that this worker should be doing is not being done, however healthy its sockets look. What concerns single records or
mappings (a brake, a pause, a missing record, reviews) is a note: it never takes a worker out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

HEARTBEAT = timedelta(seconds=60)  # the engine beats every second; a minute without is a wedged event loop
KAFKA_SILENCE = timedelta(seconds=10)  # a few beats that Kafka did not accept: it is away, or we are cut off


@dataclass(frozen=True, slots=True)
class Source:
    """One source of changes. ``heard`` is the age of the last proof of life, None before the first; a change stream
    proves itself by its heartbeats, a poll by each answer, whether or not anything changed."""

    connection: str
    side: str
    name: str
    heard: timedelta | None
    limit: timedelta


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that a connection cannot do at all: sign in, read an object, find its own organisation."""

    connection: str
    what: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker knows about itself.

    ``heartbeat`` is the age of the engine's last beat, None before the first. ``missing`` are partitions that are
    owned for one topic and not for another, ``catching_up`` those not yet caught up. ``paused`` are connections whose
    loops are held back because their partition is elsewhere, perhaps for a moment. ``stopped`` are connections that
    stand still, ``unreadable`` whole objects that answer nobody, ``wrong`` what a watch over a source has found;
    ``notes`` never make a worker unready.
    """

    started: bool = False
    heartbeat: timedelta | None = None
    stalled: str = ""
    assigned: bool = False
    draining: bool = False
    paused: tuple[str, ...] = ()
    catching_up: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    stopped: tuple[Stop, ...] = ()
    unreadable: tuple[Stop, ...] = ()
    wrong: tuple[Stop, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """``live`` and ``ready``, each with the reasons why not; ``notes`` are worth knowing and change neither."""

    live: bool
    ready: bool
    reasons: tuple[str, ...] = field(default_factory=tuple)
    notes: tuple[str, ...] = field(default_factory=tuple)


def judge(facts: Facts) -> Health:
    """What the facts mean."""
    dead = _dead(facts)
    reasons = dead + _unready(facts)
    return Health(live=not dead, ready=not reasons, reasons=reasons, notes=facts.notes)


def _dead(facts: Facts) -> tuple[str, ...]:
    reasons = []
    if facts.heartbeat is not None and facts.heartbeat > HEARTBEAT:
        reasons.append(f"no heartbeat of the engine for {_seconds(facts.heartbeat)}")
    if facts.stalled:
        reasons.append(f"commits stand still: {facts.stalled}")
    return tuple(reasons)


def _unready(facts: Facts) -> tuple[str, ...]:
    if not facts.started:
        return ("starting",)
    if facts.draining:
        return ("draining: it finishes what is on its way and ends",)
    reasons = [] if facts.assigned else ["no partitions are assigned yet"]
    if facts.heartbeat is not None and KAFKA_SILENCE < facts.heartbeat <= HEARTBEAT:
        reasons.append(f"Kafka has not answered for {_seconds(facts.heartbeat)}")
    reasons += [f"{name}: loops are held back until its partition comes back" for name in facts.paused]
    if facts.catching_up:
        reasons.append(f"catching up on partition{_s(facts.catching_up)} {_list(facts.catching_up)}")
    reasons += [f"partition missing: {name}" for name in facts.missing]
    reasons += [_stopped("stands still", stop) for stop in facts.stopped]
    reasons += [_stopped("cannot read", stop) for stop in facts.unreadable]
    reasons += [_stopped("is not as it should be", stop) for stop in facts.wrong]
    reasons += [text for source in facts.sources if (text := _stale(source))]
    return tuple(reasons)


def _stopped(does: str, stop: Stop) -> str:
    code = f" [{stop.code}]" if stop.code else ""
    return f"{stop.connection} {does}: {stop.what}{code}"


def _stale(source: Source) -> str:
    name = f"{source.connection}: {source.side} {source.name}"
    if source.heard is None:
        return f"{name} has not been heard yet"
    if source.heard > source.limit:
        return f"{name} has not been heard for {_seconds(source.heard)} (at most {_seconds(source.limit)})"
    return ""


def _seconds(span: timedelta) -> str:
    return f"{int(span.total_seconds())} s"


def _s(things: tuple[int, ...]) -> str:
    return "" if len(things) == 1 else "s"


def _list(numbers: tuple[int, ...]) -> str:
    names = [str(number) for number in numbers]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
