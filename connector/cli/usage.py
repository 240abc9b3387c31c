"""``twinledger usage``: how many documents were made, by connection, month and type."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from connector.cli.links import links_of
from connector.cli.options import DEFAULT_CONFIG, Config, Connection, Format, Output, settings_of
from connector.cli.printing import note, show, table
from connector.core.link_state import Link
from connector.core.records import Side
from connector.core.values import from_canonical
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
            made[link.id.connection, f"{link.born:%Y-%m}", type_of(link), link.id.mapping] += 1
    return tuple(Row(*place, number) for place, number in sorted(made.items()))


#  What people call a document of Xero, by its object and its Type; another is called by both.
_NAMES: Mapping[tuple[str, str], str] = {
    ("Invoice", "ACCREC"): "sales invoice",
    ("Invoice", "ACCPAY"): "bill",
    ("CreditNote", "ACCRECCREDIT"): "credit note",
    ("CreditNote", "ACCPAYCREDIT"): "supplier credit",
    ("BankTransaction", "SPEND"): "spend money",
    ("BankTransaction", "RECEIVE"): "receive money",
    ("BankTransaction", "SPEND-PREPAYMENT"): "prepayment to supplier",
    ("BankTransaction", "RECEIVE-PREPAYMENT"): "prepayment of customer",
    ("BankTransaction", "SPEND-OVERPAYMENT"): "overpayment to supplier",
    ("BankTransaction", "RECEIVE-OVERPAYMENT"): "overpayment of customer",
}
_TYPED = frozenset(entity for entity, _ in _NAMES)


def type_of(link: Link) -> str:
    """Which side it was made on and what it is. The Type is what the link says of the document: a mapping sets it."""
    side, kind = link.id.side.other, ""
    if side is Side.XERO and link.entity in _TYPED and (said := link.seen(side).get("Type")):
        kind = str(from_canonical(said) or "")
    name = _NAMES.get((link.entity, kind), f"{link.entity} {kind}".strip())
    return f"{side.value} {name}"
