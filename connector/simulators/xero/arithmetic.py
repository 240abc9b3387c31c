"""The tax arithmetic of documents: per line, half up to the cent, then summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector.simulators.xero.shapes import cents

ZERO = Decimal(0)
HUNDRED = Decimal(100)


def line_total(quantity: Decimal, unit: Decimal, rate: Decimal | None, amount: Decimal | None) -> Decimal:
    """Quantity times unit, less a discount in percent or in money."""
    gross = quantity * unit
    if rate is not None:
        return cents(gross * (HUNDRED - rate) / HUNDRED)
    return cents(gross - amount) if amount is not None else cents(gross)


def tax_of(line_amount: Decimal, percent: Decimal, mode: str) -> Decimal:
    """Tax of one line; for Inclusive it is contained in the amount."""
    if mode == "NoTax" or not percent:
        return Decimal("0.00")
    if mode == "Inclusive":
        return cents(line_amount * percent / (HUNDRED + percent))
    return cents(line_amount * percent / HUNDRED)


def totals(lines: Sequence[Mapping[str, Any]], mode: str) -> dict[str, Decimal]:
    """SubTotal, TotalTax and Total of priced lines."""
    amount = sum((line.get("LineAmount") or ZERO for line in lines), ZERO)
    tax = sum((line.get("TaxAmount") or ZERO for line in lines), ZERO)
    net = amount - tax if mode == "Inclusive" else amount
    return {"SubTotal": cents(net), "TotalTax": cents(tax), "Total": cents(net + tax)}


def discount(lines: Sequence[Mapping[str, Any]]) -> Decimal:
    """What the lines' discounts take off, in money."""
    off = ZERO
    for line in lines:
        if line.get("DiscountRate") or line.get("DiscountAmount"):
            off += cents(line["Quantity"] * line["UnitAmount"]) - line["LineAmount"]
    return cents(off)
