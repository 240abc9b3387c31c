"""Everything that listens to one Salesforce org: the stream and its watch, polls, incidents, comparisons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.core.link_state import Link
from connector.core.records import Record
from connector.kafka.positions import Position
from connector.salesforce.day import Purpose
from connector.salesforce.describe import SalesforceCatalog
from connector.salesforce.drift import Policy
from connector.salesforce.pace import Pace
from connector.salesforce.position import StreamPosition
from connector.salesforce.replication import Replication
from connector.salesforce.spending import spending
from connector.salesforce.watch import calls_left
from streams.capture import Heard, Post, Store, StreamCapture
from streams.compare import CompareLoop
from streams.connection import Connection
from streams.drift import DriftLoop
from streams.hops import Outbox
from streams.hydrate import Reads
from streams.incident import Incidents, RefillLoop
from streams.notices import Notices
from streams.parties import SalesforceSource
from streams.poll import ObjectPoll
from streams.watch import Watch, WatchLoop


@dataclass(slots=True)
class Listening:
    """The loops of one org. Make it once the connection's positions are loaded."""

    connection: Connection
    source: SalesforceSource
    outbox: Outbox
    reads: Reads
    positions: dict[str, Position]
    heard: Heard
    store: Store
    emit: Callable[[Connection, Record], Awaitable[None]]
    notices: Notices
    links: Callable[[int], Iterable[Link]]
    post: Post
    reached: Callable[[str, int, int], Awaitable[bool]]
    pause: Callable[[str], Awaitable[None]]
    walk: Callable[[str, datetime], Awaitable[int]]
    watch: Watch = field(init=False)
    incidents: Incidents = field(init=False)
    stream: StreamCapture = field(init=False)
    polls: ObjectPoll | None = None

    def __post_init__(self) -> None:
        self.watch = Watch(self.connection, lambda: self.source.now, self._known, self._catalog)
        self.source.party.waiting = lambda: len(self.connection.ready)
        self.incidents = Incidents(self.connection, self.store, self.notices.say)
        self.incidents.load(self.positions.values())
        self.stream = StreamCapture(
            self.connection, self.outbox, self.store, self.notices.bury, self.notices.tell, self.source.stream,
            self.positions, self.heard, self.source.parents, self.post, self.watch, self.incidents,
        )  # fmt: skip

    def _known(self) -> dict[str, StreamPosition]:
        return self.stream.known()

    def _catalog(self) -> SalesforceCatalog:
        return self.source.party.catalog

    def loops(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs until the connection is lost, by name."""
        connection, settings, party = self.connection, self.connection.settings.salesforce, self.source.party
        replication, tell = Replication(party), self.notices.tell
        compare = CompareLoop(
            connection, party, replication, self.links, self.emit, self.notices.say, tell, settings.compare_hours
        )
        refill = RefillLoop(
            self.incidents, replication, self._catalog, self.watch.followed, self.outbox, self.reads, self.reached,
            compare.want, tell, self.walk,
        )  # fmt: skip
        polls = self.polls = ObjectPoll(
            connection, party, replication, self.outbox, self.store, tell, self.watch, self.positions, self._heard,
            compare.want, Pace(settings.poll_seconds),
        )  # fmt: skip
        drift = DriftLoop(
            connection, party, self.notices.say, tell, self.pause, Policy(settings.drift), settings.drift_hours
        )
        yield "stream", self.stream.run()
        watch = WatchLoop(self.watch, replication, self.outbox, tell, settings.watch_seconds)
        yield "salesforce drift", spending(Purpose.AUDIT, drift.run())
        yield "salesforce watch", spending(Purpose.WATCH, watch.run())
        yield "salesforce poll", spending(Purpose.POLL, polls.run())
        yield "salesforce refill", spending(Purpose.WATCH, refill.run())
        yield "salesforce compare", spending(Purpose.AUDIT, compare.run())

    def _heard(self, name: str) -> None:
        self.heard.at[f"salesforce {name}"] = self.connection.clock()

    def wrong(self, now: datetime) -> Iterator[tuple[str, str, bool]]:
        """(code, what, whether it makes the worker unready) of everything that is not as it should be."""
        for alarm in self.watch.alarms(now):
            yield alarm.code, alarm.message, alarm.red
        for incident in self.incidents.open.values():
            since = incident.since.isoformat(timespec="seconds")
            yield "salesforce.incident", f"{incident.id}: what was not told since {since} is being read", True
        for alarm in calls_left(self.source.party.day, now):
            yield alarm.code, alarm.message, alarm.red
        for entity in sorted(self.watch.polled):
            yield "salesforce.watch-polled", f"{entity} is polled: the stream does not bring it", False
