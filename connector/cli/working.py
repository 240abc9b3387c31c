"""The commands that run the connector itself, as the terminal sees them. What they do is loaded when called."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated

import structlog
import typer

from connector.cli.group import Later
from connector.cli.options import DEFAULT_CONFIG, Config, DryRun, Format, Old, Output
from connector.cli.printing import coloured, note, show, table
from connector.errors import TwinledgerError

Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Worker processes to keep alive.")]
Instance = Annotated[
    str, typer.Option("--instance", metavar="NAME", help="Name of this worker within its group.", show_default=False)
]
OldLinks = Annotated[
    Old, typer.Option("--old", help="Links that an earlier text made: keep that text, or move to the new one.")
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
    Later("run", "connector.cli.run", run),
    Later("worker", "connector.cli.worker", worker),
)
