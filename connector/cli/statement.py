"""``twinledger statement``: a month in money, on both sides: sums by type, status and currency, and their difference.

Both sides are taken from the record topics as they stand; neither API is asked. What Salesforce holds of a document
that was made of its record is what the record's lines come to; of a mirror of Xero's documents, the field that takes
the total, else what the rows come to that take its lines. A document that is wanted and was not made (it waits, or a
person is asked) counts with nothing on its other side.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Annotated

import typer
from rich.table import Table

from connector.cli.links import links_of
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import money, note, show, table
from connector.core.applied import Applied
from connector.core.link_state import Life, Link
from connector.core.mapping.amounts import AMOUNT, NET
from connector.core.mapping.model import Kind
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Record, Side
from connector.core.values import Fields, Value, from_canonical
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster, cluster_of
from connector.xero.avro import TOPICS

RECORDS, TOTAL, AS_SHOWN = "salesforce.records.v1", "record.Total", f"line.{AMOUNT}"
OF_A_LINE = re.compile(rf"\bline\.({AMOUNT}|{NET})\b")
HEADING = ("Date", "Type", "CurrencyCode")
MONEY = ("Invoice", "CreditNote", "PurchaseOrder", "Quote", "BankTransaction")
DIFFERENT = 3
Month = Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="By the documents' dates.", show_default=False)]
Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """Documents of one mapping, type, status and currency. Amounts in that currency."""

    connection: str
    month: str
    mapping: str
    type: str
    status: str
    currency: str
    documents: int
    salesforce: Decimal
    xero: Decimal
    difference: Decimal


@dataclass(slots=True)
class Sum:
    documents: int = 0
    salesforce: Decimal = Decimal(0)
    xero: Decimal = Decimal(0)
    apart: Decimal = Decimal(0)  # of each document by itself: what is over in one does not make up for another


def statement(
    config: Config = DEFAULT_CONFIG, connection: Connection = "", month: Month = "", output: Output = Format.TABLE
) -> None:
    """Add up the documents of a month on both sides, and show where they differ. Ends with 3 where they do."""
    if month and not _is_month(month):
        raise typer.BadParameter(f"{month!r} is no month: write 2026-11.")
    found = asyncio.run(lines(cluster_of(settings_of(config).kafka), connection, month))
    apart = sum((each.difference for each in found), Decimal(0))
    show({"lines": found, "difference": apart}, output, page(found))
    note(f"{sum(each.documents for each in found)} documents, difference {money(apart)}.")
    if apart:
        raise typer.Exit(DIFFERENT)


def page(found: Sequence[Line]) -> Table:
    """For a person."""
    rows = [
        (each.month, each.mapping, each.type, each.status, each.currency, str(each.documents), money(each.salesforce),
         money(each.xero), money(each.difference))
        for each in found
    ]  # fmt: skip
    heads = ("month", "mapping", "type", "status", "currency", "documents", "salesforce", "xero", "difference")
    return table(heads, rows, right="documents salesforce xero difference")


def _is_month(text: str) -> bool:
    try:
        return len(text) == len("2026-11") and bool(date.fromisoformat(f"{text}-01"))
    except ValueError:
        return False


async def lines(cluster: Cluster, connection: str = "", month: str = "") -> tuple[Line, ...]:
    """From the topics. Raises Unavailable."""
    codec = Codec()
    rules = await _rules(cluster, codec)
    records = await _records(cluster, codec)
    sums: dict[Key, Sum] = defaultdict(Sum)
    for link in await links_of(cluster):
        rule = rules.get((link.id.connection, link.id.mapping)) if link.life is not Life.ENDED else None
        if rule is None or connection not in ("", link.id.connection):
            continue
        own = rule.of(link)
        if own.kind is not Kind.DOCUMENT or own.end(Side.XERO).entity not in MONEY:
            continue
        document = records.get((link.id.connection, own.end(Side.XERO).entity, link.xero.id))
        amounts = _amounts(own, link, document, records)
        key = _key(link, document)
        if amounts is not None and month in ("", key[1]):
            _add(sums[key], *amounts)
    return tuple(
        Line(*key, each.documents, each.salesforce, each.xero, each.apart) for key, each in sorted(sums.items())
    )


def _amounts(
    rule: Rule, link: Link, document: Record | None, records: Mapping[tuple[str, str, str], Record]
) -> tuple[Decimal, Decimal] | None:
    """(what Salesforce holds, what Xero holds); None for what has no money on both sides."""
    if rule.target.side is Side.XERO:
        here = from_canonical(link.money) if link.money and not link.left else None
        missing = Decimal(0) if link.life is Life.NEW else None
        there = missing if document is None else _booked(rule, document.fields)
    else:
        here, there = (None, None) if document is None else _mirrored(rule, link, document, records)
    return (here, there) if isinstance(here, Decimal) and isinstance(there, Decimal) else None


def _booked(rule: Rule, fields: Fields) -> Value:
    """What the lines that a rule writes come to: with tax where prices hold it, unless they say what is net."""
    net = any(setting.path == NET for block in rule.blocks for setting in block.settings)
    return _lines_of(fields, as_they_are=not net)


def _mirrored(
    rule: Rule, link: Link, document: Record, records: Mapping[tuple[str, str, str], Record]
) -> tuple[Value, Value]:
    """By the field that takes the total, else by the rows that take the lines' amounts, as they are or without tax."""
    path = next((setting.path for setting in rule.settings if setting.value.text == TOTAL), "")
    row, text = next(
        (((b.rows, s.path), s.value.text) for b in rule.blocks for s in b.settings if OF_A_LINE.search(s.value.text)),
        (None, ""),
    )
    there = document.fields.get("Total") if path else _lines_of(document.fields, as_they_are=text.strip() == AS_SHOWN)
    if not path and row is None:
        return None, None
    if link.life is Life.NEW:
        return Decimal(0), there
    if path:
        mirror = records.get((link.id.connection, rule.target.entity, link.salesforce.id))
        return (mirror.fields.get(path) if mirror is not None else None), there
    shown = ((path.split("/"), text) for path, text in link.seen(Side.SALESFORCE).items() if "/" in path)
    amounts = [from_canonical(text) for parts, text in shown if (parts[0], parts[-1]) == row]
    return sum((amount for amount in amounts if isinstance(amount, Decimal)), Decimal(0)), there


def _lines_of(fields: Fields, *, as_they_are: bool) -> Value:
    return fields.get("Total" if as_they_are and fields.get("LineAmountTypes") == "Inclusive" else "SubTotal")


def _key(link: Link, document: Record | None) -> Key:
    """Of a document that is not there: by what it is to be."""
    flat = {name: from_canonical(text) for name, text in link.seen(link.id.side).items() if name in HEADING and text}
    fields = document.fields if document is not None else flat
    on, status = fields.get("Date"), str(fields.get("Status") or "")
    kind, currency = (str(fields.get(name) or "") for name in ("Type", "CurrencyCode"))
    month = f"{on:%Y-%m}" if isinstance(on, date) else ""
    status = f"{status} (not made)".strip() if link.life is Life.NEW else status
    return link.id.connection, month, link.id.mapping, kind or link.entity, status, currency


def _add(into: Sum, wanted: Decimal, there: Decimal) -> None:
    into.documents += 1
    into.salesforce += wanted
    into.xero += there
    into.apart += abs(wanted - there)


async def _rules(cluster: Cluster, codec: Codec) -> dict[tuple[str, str], Applied]:
    configuration = import_module("streams.configuration")
    entries = (await configuration.read_entries(cluster, codec)).values()
    return {(entry.connection, entry.mapping): configuration.parsed(entry) for entry in entries}


async def _records(cluster: Cluster, codec: Codec) -> dict[tuple[str, str, str], Record]:
    """Every record that money may stand in, by connection, entity and id."""
    record_of = import_module("streams.hops").record_of
    out: dict[tuple[str, str, str], Record] = {}
    for topic in (RECORDS, *(name for name, entity in TOPICS.items() if entity in MONEY)):
        for key, message in (await latest(cluster, topic)).items():
            decoded = codec.decode(message.value)
            if isinstance(decoded, Decoded):
                record = record_of(topic, decoded.value)
                out[key.split(b"/", 1)[0].decode(), record.entity, record.id] = record
    return out
