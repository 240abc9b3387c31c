"""``twinledger topics``: the topics of the registry and what the cluster has."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from connector.cli.options import DEFAULT_CONFIG, Config, DryRun, Format, Output, settings_of
from connector.cli.printing import coloured, note, show, table
from connector.kafka import admin
from connector.kafka.admin import Difference, Kind, acl_lines
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.topics import TOPICS, Kept, Topic

DIFFERENT = 3  # exit code: something is not as it should be

app = typer.Typer(no_args_is_help=True, help="Kafka topics: what there must be, and what there is.")

Acls = Annotated[bool, typer.Option("--acls", help="Print the commands that give the rights, and do nothing else.")]
Principal = Annotated[str, typer.Option("--principal", metavar="USER", help="Who the workers sign in as (--acls).")]
Reader = Annotated[
    str, typer.Option("--reader", metavar="USER", help="Who may read the public topics (--acls).", show_default=False)
]


@app.command("diff")
def diff_topics(config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Show where the cluster differs from the registry. Exit code 3 if it does."""
    cluster = cluster_of(settings_of(config).kafka)
    differences = asyncio.run(admin.diff(cluster))
    _show(differences, cluster, output)
    if differences:
        note("Run `twinledger topics apply` to mend them.")
        raise typer.Exit(DIFFERENT)
    note(f"All {len(TOPICS)} topics on {cluster.bootstrap} are as they should be.")


@app.command("apply")
def apply_topics(
    config: Config = DEFAULT_CONFIG,
    output: Output = Format.TABLE,
    dry_run: DryRun = False,
    acls: Acls = False,
    principal: Principal = "twinledger",
    reader: Reader = "",
) -> None:
    """Create the topics that are missing and mend their settings. Nothing is ever deleted."""
    cluster = cluster_of(settings_of(config).kafka)
    if acls:
        sys.stdout.write("\n".join(acl_lines(cluster, principal, reader or None)) + "\n")
        return
    differences = asyncio.run(admin.diff(cluster) if dry_run else admin.apply(cluster))
    _show(differences, cluster, output)
    made = sum(each.kind is Kind.MISSING for each in differences)
    mended = len({each.topic for each in differences if each.kind is not Kind.MISSING})
    if dry_run:
        note(f"Would make {made} and change {mended} of {len(TOPICS)} topics on {cluster.bootstrap}.")
    else:
        note(f"Made {made} and changed {mended} of {len(TOPICS)} topics on {cluster.bootstrap}.")


def _show(differences: Sequence[Difference], cluster: Cluster, output: Format) -> None:
    """The data: nothing for a table without rows."""
    if not differences and output is Format.TABLE:
        return
    show(
        {"differences": differences},
        output,
        table(("topic", "what", "is", "should be"), map(_row(cluster), differences)),
    )


def _row(cluster: Cluster) -> Callable[[Difference], tuple[object, ...]]:
    kept = {cluster.topic(topic.name): _kept(topic) for topic in TOPICS}

    def row(each: Difference) -> tuple[object, ...]:
        if each.kind is Kind.MISSING:
            shape = f"{cluster.partitions} partitions × {cluster.replication}, {kept[each.topic]}"
            return each.topic, coloured("missing"), "-", shape
        return each.topic, each.setting, each.actual or "not set", each.wanted

    return row


def _kept(topic: Topic) -> str:
    return topic.kept.value if topic.kept in (Kept.WEEK, Kept.AUDIT) else "compacted"
