"""``twinledger usage``: how many documents were made, by connection, month and type."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from connector.cli.links import links_of
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import note, show, table
from connector.core.link_state import Link
from connector.kafka.connection import Cluster, cluster_of


@dataclass(frozen=True, slots=True)
class Row:
    """Documents of one type that were made in a month (UTC), ``2026-11``."""

    connection: str
    month: str
    type: str
    mapping: str
    documents: int


def usage(config: Config = DEFAULT_CONFIG, connection: Connection = "", output: Output = Format.TABLE) -> None:
    """Count the documents that were made, by connection, month and type."""
    found = asyncio.run(counted(cluster_of(settings_of(config).kafka), connection))
    rows = [(row.connection, row.month, row.type, row.mapping, str(row.documents)) for row in found]
    if not rows and output is Format.TABLE:
        note("Nothing was made so far.")
        return
    heads = ("connection", "month", "type", "mapping", "documents")
    show({"usage": found}, output, table(heads, rows, right="documents"))


async def counted(cluster: Cluster, connection: str = "") -> tuple[Row, ...]:
    """From the links, which stay for ever. Raises Unavailable."""
    made = Counter[tuple[str, str, str, str]]()
    for link in await links_of(cluster):
        if link.born is not None and connection in ("", link.id.connection):
            made[link.id.connection, f"{link.born:%Y-%m}", _type(link), link.id.mapping] += 1
    return tuple(Row(*place, number) for place, number in sorted(made.items()))


def _type(link: Link) -> str:
    return f"{link.id.side.other.value} {link.entity}"
