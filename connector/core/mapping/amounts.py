"""What a line of a document comes to after discounts: `LineAmount` as Xero shows it, `NetAmount` without tax.

They differ where prices hold the tax (`LineAmountTypes: Inclusive`). Xero works the first out of quantity and price, so
neither is sent: the price is chosen so that the line comes to it. `NetAmount` is ours, for both directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from connector.core.mapping.syntax import ExpressionError
from connector.core.money import ARITHMETIC, INCLUSIVE, half_up, line_amount, prices_of
from connector.core.values import Fields, Value

AMOUNT, NET = "LineAmount", "NetAmount"
LINES = "LineItems"
PRICE_PLACES = 4  # of a price in Xero (`unitdp=4`)
_HUNDRED = Decimal(100)


def net(entity: str, document: Fields, row: Fields) -> Value:
    """What a line of a document of Xero comes to without tax."""
    amount, tax = row.get(AMOUNT), row.get("TaxAmount")
    return (
        amount - tax
        if _inclusive(entity, document) and isinstance(amount, Decimal) and isinstance(tax, Decimal)
        else amount
    )


def with_net(entity: str, fields: Fields) -> Fields:
    """A document of Xero whose lines also tell what they come to without tax."""
    rows = fields.get(LINES)
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return fields
    return {
        **fields,
        LINES: [{**row, NET: net(entity, fields, row)} if isinstance(row, Mapping) else row for row in rows],
    }


def priced(entity: str, document: Fields, known: Fields | None, row: dict[str, Value]) -> None:
    """Put a price into a ``row`` that says its amount, in the place of the amount. ``known`` is the line as it stands
    there: as long as it comes to that amount, its price stays. Raises ExpressionError where no price does."""
    shown, without_tax = row.pop(AMOUNT, None), row.pop(NET, None)
    wanted = shown if without_tax is None else without_tax
    if not isinstance(wanted, Decimal):
        return
    quantity = _number(row.get("Quantity"), Decimal(1))
    there = None if known is None else known.get(AMOUNT) if without_tax is None else net(entity, document, known)
    if known is not None and wanted == there and known.get("Quantity") == quantity:
        return
    if without_tax is not None and _inclusive(entity, document):
        raise ExpressionError("mapping.price-with-tax", "the prices of this document hold the tax, and the amount of a "
                              "line was changed without it", remedy="Change the line in Xero, or map LineAmount, "
                              "which holds the tax too (docs/mappings.md).")  # fmt: skip
    rate, off = _number(row.get("DiscountRate"), Decimal(0)), _number(row.get("DiscountAmount"), Decimal(0))
    kept = ARITHMETIC.subtract(_HUNDRED, rate)
    if quantity and kept:
        gross = ARITHMETIC.divide(ARITHMETIC.multiply(wanted, _HUNDRED), kept) if rate else wanted + off
        row["UnitAmount"] = price = half_up(ARITHMETIC.divide(gross, quantity), PRICE_PLACES)
        if line_amount(quantity, price, rate, off) == wanted:
            return
    raise ExpressionError("mapping.no-price", f"no price of {PRICE_PLACES} places makes a line of {quantity} come to "
                          f"{wanted}", remedy="Change the amount or the quantity of the line.")  # fmt: skip


def _inclusive(entity: str, document: Fields) -> bool:
    return prices_of(entity, document.get("LineAmountTypes")) == INCLUSIVE


def _number(value: Value, otherwise: Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else otherwise
