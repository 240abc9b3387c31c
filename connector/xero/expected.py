"""The amounts that Xero's answer to a create must show, reckoned before it is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from connector.core.money import half_up
from connector.core.values import Fields
from connector.xero.money import Chart, totals

Amounts = dict[str, Decimal]


def expected(fields: Fields, entity: str, chart: Chart) -> Amounts:
    """Name (dotted into lists by number) → amount; empty where there is nothing to reckon. Raises as ``totals``."""
    reckon = _BY_ENTITY.get(entity)
    if reckon is not None:
        return reckon(fields)
    if "LineItems" not in fields:
        return {}
    found = totals(fields, chart, entity)
    return {"SubTotal": found.sub_total, "TotalTax": found.total_tax, "Total": found.total}


def _amount(fields: Fields) -> Amounts:
    value = fields.get("Amount")
    return {"Amount": half_up(value)} if isinstance(value, Decimal) else {}


def _journal(fields: Fields) -> Amounts:
    """A journal shows no totals: each line must be as it was sent."""
    rows = fields.get("JournalLines")
    found = rows if isinstance(rows, Sequence) and not isinstance(rows, str) else ()
    amounts = ((place, row.get("LineAmount")) for place, row in enumerate(found) if isinstance(row, Mapping))
    return {
        f"JournalLines.{place}.LineAmount": half_up(value) for place, value in amounts if isinstance(value, Decimal)
    }


_BY_ENTITY: Mapping[str, Callable[[Fields], Amounts]] = {
    "Payment": _amount, "BankTransfer": _amount, "Allocation": _amount, "ManualJournal": _journal,
}  # fmt: skip
