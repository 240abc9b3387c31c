"""``twinledger snapshot``: read an object or a list again, whole or by a filter, beside the live changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from connector.cli.options import DEFAULT_CONFIG, Config, Connection, DryRun, Format, Output, settings_of
from connector.cli.printing import ago, note, show, table
from connector.cli.signals import Signal, send
from connector.core.records import Side
from connector.core.snapshots import MOST_AHEAD, OPEN, Collection, Snapshot, Verb
from connector.errors import ConfigurationError, DataError
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.positions import Position, read_positions
from connector.salesforce.condition import read_filter

SOURCE = "snapshot "

app = typer.Typer(
    no_args_is_help=True, help="Snapshots: read an object of Salesforce or a list of Xero again, beside the stream."
)

Object = Annotated[str, typer.Argument(metavar="OBJECT", help="Such as salesforce.Account or xero.Contact.")]
Filter = Annotated[
    str,
    typer.Option("--filter", metavar="SOQL", help="Only records that match, such as \"Type = 'Customer'\"."),
]
Ahead = Annotated[
    int, typer.Option("--ahead", min=0, max=MOST_AHEAD, help="Depth of the slow lane; 0 is as configured.")
]
OfConnection = Annotated[
    str, typer.Option("--connection", metavar="NAME", help="Needed when several map it.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Row:
    """One snapshot as ``positions.v1`` holds it."""

    connection: str
    collection: str
    phase: str
    filter: str
    read: int
    passed: int
    unread: int
    calls: int
    by: str
    begun: datetime
    at: datetime
    reason: str
    id: str


@app.command("start")
def start(
    name: Object,
    config: Config = DEFAULT_CONFIG,
    chosen: Filter = "",
    ahead: Ahead = 0,
    connection: OfConnection = "",
    dry_run: DryRun = False,
) -> None:
    """Read all records of an object again, or those that a filter takes."""
    arguments = {"type": "incremental"}
    if chosen:
        if Collection.of(name).side is Side.XERO:
            raise ConfigurationError(
                "snapshot.bad-filter", f"A filter is SOQL, and {name} is a list of Xero.", remedy="Read it whole."
            )
        arguments["filter"] = read_filter(chosen).text
    _signal(Verb.START, name, config, connection, {**arguments, **_depth(ahead)}, dry_run=dry_run)


@app.command("pause")
def pause(name: Object, config: Config = DEFAULT_CONFIG, connection: OfConnection = "") -> None:
    """Rest until it is resumed; what is read stays read."""
    _signal(Verb.PAUSE, name, config, connection, {"type": "incremental"})


@app.command("resume")
def resume(name: Object, config: Config = DEFAULT_CONFIG, ahead: Ahead = 0, connection: OfConnection = "") -> None:
    """Go on where it was paused."""
    _signal(Verb.RESUME, name, config, connection, {"type": "incremental", **_depth(ahead)})


@app.command("stop")
def stop(name: Object, config: Config = DEFAULT_CONFIG, connection: OfConnection = "") -> None:
    """End it before it is whole; it cannot be resumed."""
    _signal(Verb.STOP, name, config, connection, {"type": "incremental"})


@app.command("list")
def list_snapshots(config: Config = DEFAULT_CONFIG, connection: Connection = "", output: Output = Format.TABLE) -> None:
    """List the last snapshot of each object, and how far it is."""
    found = asyncio.run(snapshots(cluster_of(settings_of(config).kafka), connection))
    if not found and output is Format.TABLE:
        note("No snapshot was ever asked for. `twinledger snapshot start OBJECT` asks for one.")
        return
    show({"snapshots": found}, output, listed(found, datetime.now(UTC)))


async def snapshots(cluster: Cluster, connection: str = "") -> tuple[Row, ...]:
    """The last snapshot of each object."""
    return rows_of([*(await read_positions(cluster, Codec())).values()], connection)


def rows_of(positions: Sequence[Position], connection: str = "") -> tuple[Row, ...]:
    """Those among all positions."""
    mine = [each for each in positions if connection in ("", each.connection)]
    found = [_row(each) for each in mine if is_snapshot(each) and "." in each.source]
    return tuple(sorted(found, key=lambda row: (row.connection, row.collection)))


def is_snapshot(position: Position) -> bool:
    """Whether a position is of a snapshot, or of the signals about them."""
    return position.source.startswith(SOURCE)


def _row(position: Position) -> Row:
    one = Snapshot.from_text(position.source.removeprefix(SOURCE), position.value)
    return Row(
        position.connection, str(one.collection), one.phase.value, one.filter, one.read, one.passed, one.unread,
        one.calls, one.by, one.begun, position.at, one.reason, one.id,
    )  # fmt: skip


def listed(found: Sequence[Row], now: datetime, title: str = "") -> Table:
    """The table for people."""
    columns = ("connection", "object", "state", "read", "passed", "calls", "filter or reason", "moved")
    rows = [
        (row.connection, row.collection, row.phase, row.read, row.passed, row.calls, row.reason or row.filter or "·",
         ago(row.at, now)) for row in found
    ]  # fmt: skip
    return table(columns, rows, title=title, right="read passed calls moved")


def _depth(ahead: int) -> dict[str, str]:
    return {"ahead": str(ahead)} if ahead else {}


def _signal(
    verb: Verb, name: str, config: Path, connection: str, arguments: Mapping[str, str], *, dry_run: bool = False
) -> None:
    collection, cluster = Collection.of(name), cluster_of(settings_of(config).kafka)
    owner = asyncio.run(_owner(cluster, collection, connection, verb))
    if not dry_run:
        asyncio.run(send(cluster, [Signal(verb.value, owner, str(collection), dict(arguments))]))
    done = "Would ask" if dry_run else "Asked"
    note(f"{done} the worker of {owner} for {verb.value} of {collection}. `twinledger snapshot list` shows it.")


async def _owner(cluster: Cluster, collection: Collection, connection: str, verb: Verb) -> str:
    """The connection that maps the object. Raises ConfigurationError, DataError in words for people."""
    found = sorted(name for name, mapped in (await _mapped(cluster, connection)).items() if collection in mapped)
    if not found:
        raise ConfigurationError(
            "snapshot.not-mapped", f"No applied mapping reads or writes {collection}.",
            remedy="See `twinledger mapping list`; apply a mapping that takes it first.",
        )  # fmt: skip
    if len(found) > 1:
        raise DataError(
            "snapshot.several", f"Several connections map {collection}: {', '.join(found)}.",
            remedy="Name one with --connection.",
        )  # fmt: skip
    known = [row for row in await snapshots(cluster, found[0]) if row.collection == str(collection)]
    under_way = any(row.phase in OPEN for row in known)
    if verb is Verb.START and under_way:
        raise DataError(
            "snapshot.running", f"A snapshot of {collection} is {known[0].phase} already.",
            remedy="Wait for it, or stop it first.",
        )  # fmt: skip
    return found[0]


async def _mapped(cluster: Cluster, connection: str) -> dict[str, set[Collection]]:
    """Connection → what its applied mappings read or write."""
    from streams.configuration import parsed, read_entries

    found: dict[str, set[Collection]] = {}
    for entry in (await read_entries(cluster, Codec(), connection)).values():
        mapping = parsed(entry).mapping
        ends = {Collection(end.side, end.entity) for end in (mapping.source, mapping.target)}
        found.setdefault(entry.connection, set()).update(ends)
    return found
