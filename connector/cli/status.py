"""``twinledger status``: how a deployment stands, on one page."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import typer
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.structs import TopicPartition
from rich.table import Table

from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import ago, coloured, report, show, table
from connector.cli.snapshot import is_snapshot, listed, rows_of
from connector.errors import DataError, TwinledgerError, Unavailable
from connector.kafka.admin import admin_client
from connector.kafka.codec import Codec
from connector.kafka.compacted import reader
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.positions import Position, PositionKind, read_positions
from connector.salesforce.day import Day, Purpose
from connector.salesforce.pace import CALLS, with_text
from connector.salesforce.pace import Pace as SalesforcePace
from connector.settings import Settings
from connector.store.projection import Projection
from connector.store.rows import Count, Review
from connector.xero.pace import PACE, WHOLE, Pace, Spent
from streams.engine.accounts import Figures, summed
from streams.engine.ledger import Partition

STATES = ("clean", "dirty", "in-flight", "unknown", "blocked", "failed", "conflict", "ended")
HOPS = ("hydrate", "plan", "settle", "signals")
TOPIC_HOPS = {"salesforce.hints.v1": "hydrate", "link-events.v1": "settle", "signals.v1": "signals"}
_LONGEST = 40  # characters of a position


@dataclass(frozen=True, slots=True)
class Hop:
    """What the workers have made of one topic, all its partitions together. ``taken`` and what became of it are counted
    since the workers first read the topic; ``waiting`` is what they have not processed yet."""

    hop: str
    topic: str
    taken: int
    done: int
    waiting: int
    dead_letters: int
    unaccounted: int


@dataclass(slots=True)
class Status:
    """All that is shown. ``away`` says what could not be asked."""

    at: datetime
    links: tuple[Count, ...] = ()
    reviews: tuple[Review, ...] = ()
    projected: datetime | None = None
    positions: tuple[Position, ...] = ()
    hops: tuple[Hop, ...] = ()
    away: list[TwinledgerError] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """The same for programs."""
        codes = Counter(review.code for review in self.reviews)
        return {
            "at": self.at,
            "links": self.links,
            "reviews": {"open": len(self.reviews), "by_code": dict(codes)},
            "dead_letters": sum(review.kind == "dead-letter" for review in self.reviews),
            "projected_at": self.projected,
            "positions": self.positions,
            "snapshots": rows_of(self.positions),
            "hops": self.hops,
            "away": [{"code": each.code, "message": each.message} for each in self.away],
        }


def status(config: Config = DEFAULT_CONFIG, connection: Connection = "", output: Output = Format.TABLE) -> None:
    """Show links by state, what needs a person, where each source is, and how far the workers are behind."""
    found = asyncio.run(_ask(settings_of(config), connection))
    show(found.data(), output, _page(found))
    for error in found.away:
        report(error, output)
    if found.away:
        raise typer.Exit(found.away[0].exit_code)


async def _ask(settings: Settings, connection: str) -> Status:
    """Asks the store and Kafka; one that does not answer does not hide the other."""
    found = Status(datetime.now(UTC))
    cluster = cluster_of(settings.kafka)
    for part in (
        _ask_store(found, settings.store_url, connection),
        _ask_kafka(found, cluster, settings.group, connection),
    ):
        try:
            await part
        except Unavailable as error:
            found.away.append(error)
    return found


async def _ask_store(found: Status, url: str, connection: str) -> None:
    async with await Projection.open(url, create=False) as projection:
        found.links = await projection.counts(connection)
        found.reviews = await projection.reviews(connection, limit=10_000)
        found.projected = await projection.updated()


async def _ask_kafka(found: Status, cluster: Cluster, group: str, connection: str) -> None:
    positions = (await read_positions(cluster, Codec())).values()
    found.positions = tuple(
        sorted(
            (each for each in positions if connection in ("", each.connection)),
            key=lambda each: (each.connection, each.organisation, each.source),
        )
    )
    found.hops = await hops_of(cluster, f"{cluster.prefix}{group}")


async def hops_of(cluster: Cluster, group: str) -> tuple[Hop, ...]:
    """What a consumer group has made of the topics that it ever committed, by topic."""
    async with admin_client(cluster) as admin:
        try:
            committed: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # a cluster that has never seen a group
            return ()
    if not committed:
        return ()
    async with reader(cluster) as consumer:
        ends = await consumer.end_offsets([*committed])
        begins = await consumer.beginning_offsets([*committed])
    waiting: Counter[str] = Counter()
    for each, kept in committed.items():
        waiting[each.topic] += max(ends[each] - max(kept.offset, begins[each]), 0)
    figures = summed({Partition(*each): Figures.of(kept.metadata or "") for each, kept in committed.items()})
    hops = (_hop(topic.removeprefix(cluster.prefix), figures[topic], waiting[topic]) for topic in figures)
    return tuple(sorted(hops, key=lambda hop: (HOPS.index(hop.hop), hop.topic)))


def _hop(topic: str, figures: Figures, waiting: int) -> Hop:
    hop = TOPIC_HOPS.get(topic, "plan")
    done = figures.done - figures.buried
    return Hop(hop, topic, figures.taken, done, waiting, figures.buried, figures.unaccounted)


def _by_hop(hops: Sequence[Hop]) -> list[tuple[object, ...]]:
    """One row a hop."""
    rows: list[tuple[object, ...]] = []
    for name in dict.fromkeys(hop.hop for hop in hops):
        mine = [hop for hop in hops if hop.hop == name]
        sums = [
            sum(getattr(hop, field) for hop in mine)
            for field in ("taken", "done", "waiting", "dead_letters", "unaccounted")
        ]
        rows.append((name, *sums))
    return rows


def _page(found: Status) -> list[Table | str]:
    parts: list[Table | str] = []
    if found.links:
        parts += [_links(found.links), ""]
    if found.reviews:
        parts += [_reviews(found.reviews), ""]
    sources = [each for each in found.positions if each.kind is not PositionKind.GENESIS and not _beside(each)]
    if polls := [row for each in found.positions if each.source == PACE for row in paces(each)]:
        columns = ("connection", "list", "asked every", "changes/h", "calls/change", "bytes/change")
        parts += [table(columns, polls, title="Polls of Xero", right=" ".join(columns[2:])), ""]
    if days := [row for each in found.positions if each.source == CALLS for row in day_of(each, found.at)]:
        titles = ("connection", *(one.value for one in Purpose), "others", "left", "of")
        parts += [table(titles, days, title="Salesforce's API calls in 24 hours", right=" ".join(titles[1:])), ""]
    if sources:
        parts += [_positions(sources, found.at), ""]
    if snapshots := rows_of(found.positions):
        parts += [listed(snapshots, found.at, "Snapshots"), ""]
    if found.hops:
        columns = ("hop", "taken", "done", "waiting", "dead-letters", "unaccounted")
        parts += [table(columns, _by_hop(found.hops), title="Workers", right=" ".join(columns[1:])), ""]
    return [*parts, _summary(found)]


def _beside(position: Position) -> bool:
    """What is kept like a position and is none."""
    return position.source in (PACE, CALLS) or position.source.startswith(WHOLE) or is_snapshot(position)


def paces(position: Position) -> Iterator[tuple[object, ...]]:
    """What the polls of each list cost and brought, first scans left out."""
    try:
        pace = Pace(0).with_text(position.value)
    except DataError:
        return
    for name in sorted(pace.every):
        spent, listed = pace.spent.get(name, Spent()), pace.listed(name)
        calls = f"{spent.calls / spent.changes:,.2f}" if spent.changes else "·"
        size = f"{spent.size / spent.changes:,.0f}" if spent.changes else "·"
        every = f"{pace.interval(name):,.0f} s" + (" or told" if listed.pushed else "")
        yield position.connection, name, every, f"{listed.changes_per_hour:,.1f}", calls, size


def day_of(position: Position, now: datetime) -> Iterator[tuple[object, ...]]:
    """What an org's calls went to."""
    try:
        _, day = with_text(SalesforcePace(0), Day(), position.value)
    except DataError:
        return
    if day.limit is not None:
        yield position.connection, *day.table(int(now.timestamp() * 1000)).values(), day.left, day.limit


def _links(counts: Sequence[Count]) -> Table:
    states = [state for state in STATES if any(count.state == state for count in counts)]
    rows = []
    for connection, mapping in dict.fromkeys((count.connection, count.mapping) for count in counts):
        numbers = {
            each.state: each.number for each in counts if (each.connection, each.mapping) == (connection, mapping)
        }
        rows.append([connection, mapping, *(numbers.get(state, "·") for state in states), sum(numbers.values())])
    return table(("connection", "mapping", *states, "all"), rows, title="Links", right=" ".join((*states, "all")))


def _reviews(reviews: Sequence[Review]) -> Table:
    kinds = Counter((each.connection, each.mapping or "-", each.state, each.code) for each in reviews)
    rows = [(*key[:2], coloured(key[2]), key[3], number) for key, number in sorted(kinds.items())]
    return table(("connection", "mapping", "state", "code", "open"), rows, title="Reviews", right="open")


def _positions(positions: Sequence[Position], now: datetime) -> Table:
    rows = [(each.connection, each.source, each.kind.value, brief(each.value), ago(each.at, now)) for each in positions]
    return table(("connection", "source", "kind", "position", "moved"), rows, title="Sources", right="moved")


def brief(position: str) -> str:
    """A position as a person can use it: the time of a watermark, the beginning of anything else."""
    try:
        parts = json.loads(position)
    except ValueError:
        parts = None
    if isinstance(parts, dict) and "at" in parts:
        return str(parts["at"] or "by content").removesuffix("000+00:00").replace("T", " ")
    return position if len(position) <= _LONGEST else position[: _LONGEST - 1] + "…"


def _summary(found: Status) -> str:
    links, letters = sum(count.number for count in found.links), sum(r.kind == "dead-letter" for r in found.reviews)
    projected = (
        f"last change taken in {ago(found.projected, found.at)} ago" if found.projected else "nothing taken in yet"
    )
    return f"{links} links, {len(found.reviews)} open reviews ({letters} of them dead letters); {projected}."
