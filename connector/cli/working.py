"""The commands that run the connector itself, as the terminal sees them. What they do is loaded when called."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated

import structlog
import typer

from connector.cli.connection import Client, Tenant, Url, XeroClient
from connector.cli.group import Later
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, DryRun, Format, Old, Output, Yes, settings_of
from connector.cli.printing import coloured, note, show, table
from connector.errors import TwinledgerError

Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Worker processes to keep alive.")]
Instance = Annotated[
    str, typer.Option("--instance", metavar="NAME", help="Name of this worker within its group.", show_default=False)
]
OldLinks = Annotated[
    Old, typer.Option("--old", help="Links that an earlier text made: keep that text, or move to the new one.")
]
Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="salesforce.records.v1, or one of accounting.*.v1.")]
Key = Annotated[
    str, typer.Option("--key", metavar="TEXT", help="Only keys that hold this: an object, an id.", show_default=False)
]
Since = Annotated[str, typer.Option("--from", metavar="TIME", help="Not older than this.", show_default=False)]
Until = Annotated[str, typer.Option("--to", metavar="TIME", help="Older than this.", show_default=False)]
Also = Annotated[
    list[str] | None,
    typer.Option(
        "--with", metavar="FOLDER", help="Mappings beside: metadata, persons, products, shop. May be repeated."
    ),
]
Keep = Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until Ctrl-C.")]

log = structlog.get_logger("twinledger.cli")


def demo(output: Output = Format.TABLE, keep: Keep = False) -> None:
    """Play the whole story on this machine: Kafka, both parties simulated, the connector."""
    raise typer.Exit(asyncio.run(import_module("connector.cli.demo").demo(output=output.value, keep=keep)))


def run(config: Config = DEFAULT_CONFIG, workers: Workers = 1) -> None:
    """Run the connector: start workers and start them again when they end. SIGTERM drains and ends."""
    serve(lambda: import_module("connector.cli.run").main(config, workers=workers))


def worker(config: Config = DEFAULT_CONFIG, instance: Instance = "") -> None:
    """Run one worker process, without a supervisor."""
    serve(lambda: import_module("connector.cli.worker").main(config, instance=instance))


def apply(
    config: Config = DEFAULT_CONFIG, old: OldLinks = Old.KEEP, dry_run: DryRun = False, output: Output = Format.TABLE
) -> None:
    """Check the mapping files and make them what the workers run. Nothing changes before it."""
    changes = asyncio.run(import_module("connector.cli.apply").apply_file(config, dry_run=dry_run, old=old))
    rows = [
        (each.connection, each.mapping, coloured(each.what), each.entry.gate.value, str(each.versions))
        for each in changes
    ]
    data = [
        {"connection": row[0], "mapping": row[1], "what": str(row[2]), "gate": row[3], "earlier_texts": int(row[4])}
        for row in rows
    ]
    heads = ("connection", "mapping", "what", "gate", "earlier texts")
    show({"mappings": data, "applied": not dry_run}, output, table(heads, rows))
    moving = sum(each.what != "same" for each in changes)
    note(f"{'Would apply' if dry_run else 'Applied'} {moving} of {len(changes)} mappings.")


def check(config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Check mappings, permissions, scopes and selections against both sides: what lacks, in words. Changes nothing."""
    import_module("connector.cli.check").main(config, output)


def init(
    url: Url,
    client: Client,
    tenant: Tenant,
    xero_client: XeroClient,
    name: Annotated[str, typer.Option("--name", help="Name of the connection.")] = "main",
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where the files go.")] = Path(),
    also: Also = None,
    output: Output = Format.TABLE,
) -> None:
    """Write the starting files: asks both sides who they are, and which ready-made mappings fit.

    The client secrets are taken from TWINLEDGER_SALESFORCE_SECRET and TWINLEDGER_XERO_SECRET, and written nowhere.
    """
    room = import_module("connector.cli.init")
    room.main(room.Wanted(name, url, client, tenant, xero_client, also=tuple(also or ())), folder, output)


def replay(
    topic: Topic,
    config: Config = DEFAULT_CONFIG,
    connection: Connection = "",
    key: Key = "",
    since: Since = "",
    until: Until = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Plan the kept records of a topic again: show what would change, then hand the workers what differs.

    Ends with 3 when --dry-run found differences. Done twice, it changes nothing more.
    """
    room, streams = import_module("connector.cli.replay"), import_module("streams.replay")
    chosen = streams.Range(topic, connection, key, room.moment(since), room.moment(until))
    raise typer.Exit(room.main(settings_of(config), chosen, output, dry_run=dry_run, yes=yes))


def serve(main: Callable[[], int | None]) -> None:
    """A process that lives long. A person at its terminal reads words at its end, a log collector one JSON line."""
    try:
        code = main()
    except TwinledgerError as error:
        if sys.stderr.isatty():
            raise
        log.error("ended with an error", code=error.code, reason=error.message, remedy=error.remedy)
        raise typer.Exit(error.exit_code) from error
    raise typer.Exit(code or 0)


LATER = (
    Later("demo", "connector.cli.demo", demo),
    Later("apply", "connector.cli.apply", apply),
    Later("check", "connector.cli.check", check),
    Later("init", "connector.cli.init", init),
    Later("replay", "connector.cli.replay", replay),
    Later("run", "connector.cli.run", run),
    Later("worker", "connector.cli.worker", worker),
)
