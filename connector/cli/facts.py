"""What a worker knows of itself at this moment: what ``/livez`` and ``/readyz`` judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from connector.core.applied import Gate
from connector.observe.health import Facts, Source, Stop
from streams.engine.app import Engine
from streams.owned import Owned
from streams.worker import Worker

STREAM_SILENCE = timedelta(seconds=150)  # Salesforce answers a poll after 110 s at the latest


def facts(worker: Worker, now: datetime) -> Facts:
    """All of it. Quick, and waits for nothing."""
    app = worker.app
    owned = app.ownership.partitions() if app is not None else frozenset()
    mine = [o for o in worker.owned.values() if o.connection.partition in owned]
    notices = worker.notices.troubles if worker.notices is not None else {}
    return Facts(
        started=app is not None and app.started,
        heartbeat=None if app is None or app.fence.age is None else timedelta(seconds=app.fence.age),
        assigned=bool(owned),
        draining=worker.draining,
        paused=tuple(sorted(worker.owning.paused)) if worker.owning is not None else (),
        catching_up=tuple(sorted({o.connection.partition for o in mine if not o.connection.caught_up})),
        missing=_missing(app) if app is not None and owned else (),
        sources=tuple(source for o in mine for source in sources(o, now)),
        wrong=tuple(stop for o in mine for stop in _wrong(o, now, red=True)),
        unreadable=tuple(Stop(name.split(" ")[0], text) for name, text in notices.items() if " read " in name),
        notes=(*_lost(app), *(note for o in mine for note in _notes(o, now))),
    )


def _missing(app: Engine) -> tuple[str, ...]:
    """Partitions that we own of some topics and not of all: their hops would wait for each other for ever."""
    sources = app.consumer.sources()
    there = Counter(tp.partition for tp in sources)
    topics = {tp.topic for tp in sources}
    short = [number for number, count in there.items() if count < len(topics)]
    have = {(tp.topic, tp.partition) for tp in sources}
    cut = len(app.engine.cluster.prefix)
    return tuple(f"{name[cut:]}/{number}" for number in short for name in topics if (name, number) not in have)


def _lost(app: Engine | None) -> Iterator[str]:
    """Nothing ever stands here, or something was lost."""
    for tp, figures, _ in app.consumer.accounts.all() if app is not None and app.started else ():
        if figures.unaccounted:
            name = tp.topic.removeprefix(app.engine.cluster.prefix) if app is not None else tp.topic
            yield f"{figures.unaccounted} messages of {name}/{tp.partition} were taken and have no outcome"


def sources(owned: Owned, now: datetime) -> Iterator[Source]:
    """The stream must answer its polls, each polled object and list must have answered within three rounds."""
    name, listening = owned.connection.name, owned.listening
    if listening is not None and listening.watch.streams() and not listening.watch.resting:
        stream = owned.source.now
        silent = stream.silent_for if stream is not None else None
        heard = None if silent is None else timedelta(seconds=silent)
        yield Source(name, "salesforce", "stream", heard, STREAM_SILENCE)
    for one in listening.watch.followed() if listening is not None else ():
        if listening is not None and listening.polls is not None and listening.watch.polls(one):
            at = owned.heard.at.get(f"salesforce poll {one.entity}")
            most = timedelta(seconds=listening.polls.pace.silence(one.entity))
            yield Source(name, "salesforce", f"poll {one.entity}", None if at is None else now - at, most)
    for polls in owned.polls.values():
        for listed, at, silence in polls.heard_of():
            yield Source(name, "xero", listed, now - at, timedelta(seconds=silence))


def _wrong(owned: Owned, now: datetime, *, red: bool) -> Iterator[Stop]:
    """What the watch over Salesforce's stream has found."""
    listening = owned.listening
    if listening is not None and owned.connection.caught_up:
        for code, what, unready in listening.wrong(now):
            if unready is red:
                yield Stop(owned.connection.name, what, code)


def _notes(owned: Owned, now: datetime) -> Iterator[str]:
    for stop in _wrong(owned, now, red=False):
        yield f"{stop.connection}: {stop.what} [{stop.code}]"
    if owned.sync_state is not None and owned.sync_state.trouble:
        yield owned.sync_state.trouble
    for mapping, limit in owned.brake.braked.items():
        yield f"{owned.connection.name}: mapping {mapping} waits for a person: over {limit}"
    for name, applied in owned.connection.applied.items():
        if applied.gate is Gate.SNAPSHOT:
            yield f"{owned.connection.name}: mapping {name} takes its snapshot"
        elif applied.held:
            yield f"{owned.connection.name}: mapping {name} is held: it does not fit the objects as they are now"
