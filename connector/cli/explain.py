"""``twinledger links explain``: what a record's links want of each field, and which part of the mapping gave it.

Told from ``link-events.v1``, the audit trail, as it was written when the record last said something new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from connector.cli.options import DEFAULT_CONFIG, Config, Format, Output, settings_of
from connector.cli.printing import note, show, table
from connector.core.document import split_line_path
from connector.core.link_events import Wanted, content
from connector.core.values import from_canonical
from connector.errors import DataError
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.link_codec import read_event
from connector.kafka.partition import partition_of
from connector.kafka.schema_topic import learn_schemas
from connector.store.projection import Projection
from connector.store.rows import LinkRow

EVENTS = "link-events.v1"
CUT = 80  # characters of a value in a table

Name = Annotated[
    str, typer.Argument(metavar="ID", help="A record's id on either side, or the short name or key of a link.")
]


@dataclass(frozen=True, slots=True)
class Field:
    """``given``: the part of a choice that gave the value, empty where the mapping has no choice for the field."""

    line: str
    name: str
    value: str
    given: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One link, and what its record wanted when it last said something new (``at``)."""

    mapping: str
    document: str
    salesforce_id: str
    xero_id: str
    state: str
    mapping_version: str
    at: datetime
    fields: tuple[Field, ...]


def explain(name: Name, config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Say why a record's documents hold what they hold: each field, and which part of the mapping gave it."""
    found = asyncio.run(_explained(config, name))
    show({"links": [asdict(one) for one in found]}, output, _tables(found))
    if output is Format.TABLE:
        note("GIVEN BY is empty where the mapping has one rule for the field.")


async def _explained(config: Path, name: str) -> tuple[Explained, ...]:
    """Raises DataError (``links.unknown``, ``links.untold``), Unavailable."""
    settings = settings_of(config)
    async with await Projection.open(settings.store_url, create=False) as projection:
        links = await projection.links(name)
    if not links:
        raise DataError("links.unknown", f"No link has {name} at an end.",
                        remedy="Give an id of Salesforce or Xero; the projection may be a second behind.")  # fmt: skip
    last = await _last_wanted(cluster_of(settings.kafka), {link.key: link for link in links})
    if not last:
        raise DataError(
            "links.untold",
            f"{EVENTS} tells nothing of what {name} wants.",
            remedy="The trail is kept for 400 days; what never matched its mapping is not in it.",
        )
    return tuple(_one(link, *last[link.key]) for link in links if link.key in last)


async def _last_wanted(cluster: Cluster, links: Mapping[str, LinkRow]) -> dict[str, tuple[datetime, Wanted]]:
    """Of each link the last event in which its record said what it wants."""
    codec, found = Codec(), dict[str, tuple[datetime, Wanted]]()
    await learn_schemas(cluster, codec)
    partitions = sorted({partition_of(key.encode(), cluster.partitions) for key in links})
    async for message in read_to_end(cluster, EVENTS, partitions):
        key = message.key.decode("ascii", "replace")
        decoded = codec.decode(message.value) if key in links else None
        if isinstance(decoded, Decoded):
            event = read_event(decoded.value)
            if isinstance(event.body, Wanted) and event.body.flat is not None:
                found[key] = event.at, event.body
    return found


def _one(link: LinkRow, at: datetime, wanted: Wanted) -> Explained:
    fields = (_field(path, text, wanted) for path, text in content(wanted.flat or {}).items())
    ends = link.document, link.salesforce_id, link.xero_id
    return Explained(link.mapping, *ends, link.state, wanted.mapping_version, at, tuple(fields))


def _field(path: str, text: str, wanted: Wanted) -> Field:
    _, line, name = split_line_path(path) or ("", "", path)
    value = from_canonical(text) if text else None
    return Field(line, name, "" if value is None else str(value), wanted.given.get(path, ""))


def _tables(found: Sequence[Explained]) -> list[Table | str]:
    out: list[Table | str] = []
    for one in found:
        rows = [(each.line, each.name, each.value[:CUT], each.given) for each in one.fields]
        title = f"{one.mapping}  {one.salesforce_id or '-'} / {one.xero_id or '-'}  {one.state}"
        out += [table(("line", "field", "value", "given by"), rows, title=title)]
        out += [f"As of {one.at:%Y-%m-%d %H:%M:%S} UTC.", ""]
    return out
