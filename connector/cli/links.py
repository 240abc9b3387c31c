"""``twinledger links``: make the links anew from their events when their topic was lost."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from aiokafka.errors import KafkaError

from connector.cli.options import DEFAULT_CONFIG, Config, DryRun, Format, Output, Yes, settings_of
from connector.cli.printing import note, show, table
from connector.core.link_state import Link
from connector.errors import TryAgain
from connector.kafka.admin import admin_client
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.link_codec import read_link

if TYPE_CHECKING:
    from streams.rebuild import Rebuilt

app = typer.Typer(no_args_is_help=True, help="Links: what ties a record to the object that a mapping made of it.")


@app.command("rebuild")
def rebuild_links(
    config: Config = DEFAULT_CONFIG,
    dry_run: DryRun = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Although events are gone: what can be made anew.")
    ] = False,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Fold all kept link events again and write the links; mappings come back paused. No API is asked.

    No worker may run meanwhile. A resumed mapping looks for its own mark before it creates anything. Ends with 3 when
    --dry-run found that events are gone.
    """
    if not dry_run and not yes and not typer.confirm("Write all links again and pause every mapping?"):
        raise typer.Exit(0)
    done = asyncio.run(_rebuild(config, dry_run=dry_run, partial=partial))
    rows = [(name, str(value)) for name, value in asdict(done).items()]
    show(asdict(done) | {"whole": done.whole, "dry_run": dry_run}, output, table(("what", "number"), rows))
    if not done.whole:
        note("Events are gone: these are not all links that there were. What lacks is looked for by its mark.")
    if dry_run:
        raise typer.Exit(0 if done.whole else 3)
    note("Start the workers, look at `twinledger status`, then `twinledger mapping resume` each mapping.")


async def links_of(cluster: Cluster) -> tuple[Link, ...]:
    """Every link as ``links.v1`` holds it. Raises Unavailable."""
    codec = Codec()
    values = [codec.decode(message.value) for message in (await latest(cluster, "links.v1")).values()]
    return tuple(read_link(one.value).link for one in values if isinstance(one, Decoded))


async def _rebuild(config: Path, *, dry_run: bool, partial: bool) -> Rebuilt:
    from streams.clock import clock
    from streams.rebuild import rebuild

    settings = settings_of(config)
    cluster = cluster_of(settings.kafka)
    if not dry_run:
        await _refuse_workers(cluster, f"{cluster.prefix}{settings.group}")
    return await rebuild(settings, cluster, clock, dry_run=dry_run, partial=partial)


async def _refuse_workers(cluster: Cluster, group: str) -> None:
    """Raises TryAgain (``links.workers-running``) while the consumer group has members."""
    async with admin_client(cluster) as admin:
        try:
            answers = await admin.describe_consumer_groups([group])
        except KafkaError:
            return  # a cluster that has never seen the group
    for answer in answers:
        for described in answer.groups:
            members = described[5]
            if members:
                raise TryAgain(
                    "links.workers-running",
                    f"{len(members)} workers of group {group} are running.",
                    retry_after=20,
                    remedy="Stop them; a killed one leaves the group after 20 seconds.",
                )
