"""``twinledger mapping``: what is applied, and holding or letting go of one mapping."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.options import DEFAULT_CONFIG, Config, Connection, DryRun, Format, Output, settings_of
from connector.cli.printing import ago, note, show, table
from connector.cli.signals import Signal, send
from connector.errors import DataError, MappingError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster, cluster_of

TOPIC = "configuration.v1"

app = typer.Typer(no_args_is_help=True, help="Mappings: which are applied; pause one, resume it, release its brake.")

Name = Annotated[str, typer.Argument(metavar="MAPPING", help="Name of the mapping.")]
OfConnection = Annotated[
    str, typer.Option("--connection", metavar="NAME", help="Needed when several have it.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Row:
    """One mapping as it was applied."""

    connection: str
    mapping: str
    paused: bool
    by: str
    at: datetime
    digest: str


@app.command("list")
def list_mappings(config: Config = DEFAULT_CONFIG, connection: Connection = "", output: Output = Format.TABLE) -> None:
    """List the mappings that `twinledger apply` applied."""
    found = asyncio.run(applied(cluster_of(settings_of(config).kafka), connection))
    now = datetime.now(UTC)
    rows = [
        (
            each.connection,
            each.mapping,
            "paused" if each.paused else "running",
            each.digest[:12],
            each.by,
            ago(each.at, now),
        )
        for each in found
    ]
    if not rows and output is Format.TABLE:
        note("No mapping is applied. Run `twinledger apply`.")
        return
    show({"mappings": found}, output, table(("connection", "mapping", "state", "digest", "applied by", "ago"), rows))


@app.command("check")
def check(config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Check the mapping files for syntax, names and types. Applies nothing."""
    problems = asyncio.run(import_module("connector.cli.apply").check_file(config))
    rows = [(f"{each.file}:{each.line}", each.message, each.remedy, each.code) for each in problems]
    if rows or output is Format.JSON:
        show({"problems": problems}, output, table(("where", "what is wrong", "what to do", "code"), rows))
    if problems:
        raise typer.Exit(MappingError.exit_code)
    note("All mappings can be applied.")


@app.command("pause")
def pause(name: Name, config: Config = DEFAULT_CONFIG, connection: OfConnection = "", dry_run: DryRun = False) -> None:
    """Stop writing for one mapping. Changes are still taken in and wait."""
    _signal("mapping.pause", name, config, connection, dry_run)


@app.command("resume")
def resume(name: Name, config: Config = DEFAULT_CONFIG, connection: OfConnection = "", dry_run: DryRun = False) -> None:
    """Write again for a mapping that was paused."""
    _signal("mapping.resume", name, config, connection, dry_run)


@app.command("release")
def release(
    name: Name, config: Config = DEFAULT_CONFIG, connection: OfConnection = "", dry_run: DryRun = False
) -> None:
    """Let a braked mapping go on for the rest of the day (UTC): its volume is right."""
    _signal("mapping.release", name, config, connection, dry_run)


async def applied(cluster: Cluster, connection: str = "") -> tuple[Row, ...]:
    """The applied mappings of a connection (of all, when empty). Raises Unavailable, DataError."""
    codec, found = Codec(), []
    for message in (await latest(cluster, TOPIC)).values():
        decoded = codec.decode(message.value)
        if not isinstance(decoded, Decoded):
            raise DataError(
                "configuration.unreadable",
                f"{TOPIC} holds at offset {message.offset} what cannot be read: {decoded.message}",
                remedy="A newer version wrote it: use that version.",
            )
        value = decoded.value
        if value["kind"] == "mapping" and not value["removed"] and connection in ("", value["connection"]):
            found.append(
                Row(value["connection"], value["name"], value["paused"], value["by"], value["at"], value["digest"])
            )
    return tuple(sorted(found, key=lambda row: (row.connection, row.mapping)))


def chosen(rows: Sequence[Row], name: str) -> Row:
    """The one applied mapping of that name. Raises DataError (``mapping.not-applied``, ``mapping.several``)."""
    found = [row for row in rows if row.mapping == name]
    if not found:
        known = ", ".join(sorted({row.mapping for row in rows})) or "none"
        raise DataError("mapping.not-applied", f"No mapping {name} is applied.", remedy=f"Applied are: {known}.")
    if len(found) > 1:
        names = ", ".join(row.connection for row in found)
        raise DataError(
            "mapping.several",
            f"Several connections have a mapping {name}: {names}.",
            remedy="Name one with --connection.",
        )
    return found[0]


def _signal(kind: str, name: str, config: Path, connection: str, dry_run: bool) -> None:
    cluster = cluster_of(settings_of(config).kafka)
    row = chosen(asyncio.run(applied(cluster, connection)), name)
    if not dry_run:
        asyncio.run(send(cluster, [Signal(kind, row.connection, row.mapping)]))
    done = "Would ask" if dry_run else "Asked"
    note(f"{done} the worker of {row.connection} to {kind.removeprefix('mapping.')} {row.mapping}.")
