"""``twinledger statement``: a month in money, on both sides: sums by type, status and currency, and their difference.

Both sides are taken from the record topics as they stand; neither API is asked. What Salesforce holds of a document
that was made of its record is what the record's lines come to; of a mirror of Xero's documents, the field that takes
the total.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Annotated

import typer

from connector.cli.links import links_of
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import note, show, table
from connector.core.applied import Applied
from connector.core.link_state import Life, Link
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Record, Side
from connector.core.values import from_canonical
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster, cluster_of
from connector.xero.avro import TOPICS

RECORDS, TOTAL = "salesforce.records.v1", "record.Total"
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
    rows = [
        (each.month, each.mapping, each.type, each.status, each.currency, str(each.documents), _money(each.salesforce),
         _money(each.xero), _money(each.difference))
        for each in found
    ]  # fmt: skip
    heads = ("month", "mapping", "type", "status", "currency", "documents", "salesforce", "xero", "difference")
    apart = sum((each.difference for each in found), Decimal(0))
    page = table(heads, rows, right="documents salesforce xero difference")
    show({"lines": found, "difference": apart}, output, page)
    note(f"{sum(each.documents for each in found)} documents, difference {apart:,.2f}.")
    if apart:
        raise typer.Exit(DIFFERENT)


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


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
        rule = rules.get((link.id.connection, link.id.mapping)) if link.life is Life.LIVE else None
        if rule is None or connection not in ("", link.id.connection):
            continue
        own = rule.of(link)
        document = records.get((link.id.connection, own.end(Side.XERO).entity, link.xero.id))
        pair = None if document is None else _pair(own, link, document, records)
        if document is None or pair is None:
            continue
        key = _key(link, document)
        if month in ("", key[1]):
            _add(sums[key], *pair)
    return tuple(
        Line(*key, each.documents, each.salesforce, each.xero, each.apart) for key, each in sorted(sums.items())
    )


def _pair(
    rule: Rule, link: Link, document: Record, records: Mapping[tuple[str, str, str], Record]
) -> tuple[Decimal, Decimal] | None:
    """(what Salesforce holds, what Xero holds); None for what has no money on both sides."""
    fields = document.fields
    if rule.target.side is Side.XERO:
        wanted = from_canonical(link.money) if link.money else None
        there = fields.get("Total" if fields.get("LineAmountTypes") == "Inclusive" else "SubTotal")
    else:
        path = next((setting.path for setting in rule.settings if setting.value.text == TOTAL), "")
        mirror = records.get((link.id.connection, rule.target.entity, link.salesforce.id))
        wanted, there = (mirror.fields.get(path) if mirror is not None and path else None), fields.get("Total")
    return (wanted, there) if isinstance(wanted, Decimal) and isinstance(there, Decimal) else None


def _key(link: Link, document: Record) -> Key:
    on = document.fields.get("Date")
    kind, status, currency = (str(document.fields.get(n) or "") for n in ("Type", "Status", "CurrencyCode"))
    month = f"{on:%Y-%m}" if isinstance(on, date) else ""
    return link.id.connection, month, link.id.mapping, kind or document.entity, status, currency


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
