"""``twinledger replay``: what the kept records mean now, against what the links hold. Shown first, then handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import typer

from connector.cli.options import Format
from connector.cli.printing import ask, note, show, table
from connector.core.values import from_canonical
from connector.errors import DataError
from connector.kafka.connection import cluster_of
from connector.settings import Settings
from connector.xero.avro import TOPICS as ACCOUNTING
from streams.handing import hand_over
from streams.hops import RECORDS
from streams.replay import Difference, Range, Replayed, compare

if TYPE_CHECKING:
    from rich.table import Table

DIFFERENT = 3
SHOWN_ROWS, SHOWN_FIELDS = 200, 4
HEADS = ("record", "mapping", "would", "on", "field", "is", "becomes", "money")


def main(settings: Settings, chosen: Range, output: Format, *, dry_run: bool, yes: bool) -> int:
    """Compare, show, and hand over what differs. Gives the exit code. Raises TwinledgerError."""
    if chosen.topic != RECORDS and chosen.topic not in ACCOUNTING:
        known = ", ".join(sorted([RECORDS, *ACCOUNTING]))
        raise DataError("replay.topic", f"{chosen.topic} holds no records.", remedy=f"Topics with records: {known}.")
    cluster = cluster_of(settings.kafka)
    found = asyncio.run(compare(settings, cluster, chosen))
    told = output is Format.TABLE
    if told or dry_run or not found.places:
        show(_data(found, 0), output, _tables(found))
    if not found.places:
        note(f"{found.records - found.unreadable} records of {chosen.topic} say nothing new{_unread(found)}.")
        return 0
    note(_summary(found))
    if dry_run:
        return DIFFERENT
    if not yes:
        ask(f"Hand {len(found.places)} records to the workers again?")
    group = f"{cluster.prefix}{settings.group}"
    sent = asyncio.run(hand_over(cluster, group, chosen.topic, found.places, _progress(len(found.places))))
    if not told:
        show(_data(found, sent), output, ())
    note(f"Handed over {sent} records. The workers write within their allowance; `twinledger status` shows how far.")
    return 0


def moment(text: str) -> datetime | None:
    """A day or a time, by UTC unless it says otherwise. Raises typer.BadParameter."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-11-23 or 2026-11-23T14:00:00.") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _progress(total: int) -> Callable[[int], None]:
    return lambda sent: note(f"{sent} of {total}")


def _summary(found: Replayed) -> str:
    money = sum((_money(one) for one in found.differences), Decimal(0))
    return (
        f"{len(found.places)} of {found.records} records of {found.topic} differ: {len(found.differences)} links, "
        f"{money} of money, at least {found.calls} calls{_unread(found)}."
    )


def _unread(found: Replayed) -> str:
    return f", {found.unreadable} cannot be read" if found.unreadable else ""


def _money(one: Difference) -> Decimal:
    try:
        value = from_canonical(one.money) if one.money and one.act == "create" else None
    except (InvalidOperation, ValueError):
        value = None
    return abs(value) if isinstance(value, Decimal) else Decimal(0)


def _data(found: Replayed, sent: int) -> Mapping[str, Any]:
    return {
        "topic": found.topic, "records": found.records, "unreadable": found.unreadable, "calls": found.calls,
        "differences": [asdict(one) for one in found.differences], "handed_over": sent,
    }  # fmt: skip


def _tables(found: Replayed) -> tuple[Table | str, ...]:
    rows = [row for one in found.differences[:SHOWN_ROWS] for row in _rows(one)]
    more = len(found.differences) - SHOWN_ROWS
    shown = (table(HEADS, rows),) if rows else ()
    return (*shown, f"… and {more} more: --output json has them all") if more > 0 else shown


def _rows(one: Difference) -> list[tuple[str, ...]]:
    """A line for each field, the first with what it is about."""
    head = f"{one.entity}/{one.record}", one.mapping, one.act, one.side
    fields = [(path, _plain(was), _plain(text)) for path, (was, text) in sorted(one.changed.items())]
    if len(fields) > SHOWN_FIELDS:
        fields = [*fields[:SHOWN_FIELDS], (f"… {len(fields) - SHOWN_FIELDS} more", "", "")]
    fields = fields or [("", "", one.reason)]
    first, *rest = fields
    money = str(_money(one) or "")
    return [(*head, *first, money), *(("", "", "", "", *line, "") for line in rest)]


def _plain(text: str) -> str:
    """A canonical text as a person reads it."""
    value = from_canonical(text) if text else ""
    return str("" if value is None else value)[:80]
