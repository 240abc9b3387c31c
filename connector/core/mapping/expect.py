"""The money that a document's lines come to, and what a mapping says it must come to, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping as Table
from decimal import Decimal

from connector.core.document import Flat, split_line_path
from connector.core.mapping.amounts import AMOUNT, NET
from connector.core.mapping.functions import spoken
from connector.core.mapping.model import Mapping
from connector.core.mapping.scope import Scope
from connector.core.mapping.syntax import ExpressionError
from connector.core.money import EXCLUSIVE, INCLUSIVE, NO_TAX, half_up, line_amount, prices_of, total
from connector.core.values import Value, plain_number

#  What expect: can name → the kinds of prices that come to it without a tax rate of Xero.
EXPECTED: Table[str, tuple[str, ...]] = {"SubTotal": (EXCLUSIVE, NO_TAX), "Total": (INCLUSIVE, NO_TAX)}
_INSTEAD = {
    EXCLUSIVE: "Prices without tax: say `expect: { SubTotal: … }`.",
    INCLUSIVE: "Prices with their tax (LineAmountTypes Inclusive): say `expect: { Total: … }`.",
}


def subtotal(flat: Flat, lines: str) -> Decimal | None:
    """Net total of the lines, each rounded to cents; None where only Xero knows it (tax inside, prices of items)."""
    return None if prices_of("", flat.get("LineAmountTypes")) == INCLUSIVE else _amounts(flat, lines)


def _amounts(flat: Flat, lines: str) -> Decimal | None:
    if not lines:
        return None
    rows: dict[str, dict[str, Value]] = {}
    for path, value in flat.items():
        parts = split_line_path(path)
        if parts is not None and parts[0] == lines:
            rows.setdefault(parts[1], {})[parts[2]] = value
    amounts = [_amount(row) for row in rows.values()]
    known = [amount for amount in amounts if amount is not None]
    return total(known) if len(known) == len(amounts) else None


def _amount(row: Table[str, Value]) -> Decimal | None:
    given = row.get(NET, row.get(AMOUNT))
    if isinstance(given, Decimal):
        return half_up(given)
    price = row.get("UnitAmount")
    if not isinstance(price, Decimal):
        return None if row.get("ItemCode") else Decimal(0)  # Xero fills in an item's price; a bare text costs nothing
    quantity = row.get("Quantity")
    return line_amount(
        quantity if isinstance(quantity, Decimal) else Decimal(1),
        price,
        _decimal(row.get("DiscountRate")),
        _decimal(row.get("DiscountAmount")),
    )


def _decimal(value: Value) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def unknowable(name: str, mapping: Mapping, prices: Value) -> str:
    """What to say instead where ``name`` takes Xero's tax to reckon; ``prices`` is what LineAmountTypes says, if so."""
    kind = prices_of(mapping.target.entity, prices)
    return "" if kind in EXPECTED.get(name, ()) else _INSTEAD.get(kind, "")


def expectation(mapping: Mapping, flat: Flat, scope: Scope) -> None:
    """Raises ExpressionError, code ``mapping.expectation``, when a document does not come to what `expect` says."""
    for name, expression in mapping.expect.items():
        wanted = expression.evaluate(scope)
        if not isinstance(wanted, Decimal):
            raise ExpressionError("mapping.expectation", f"expect {name}: {expression.text} is {spoken(wanted)}",
                                  remedy="Fill in the fields that it reads.")  # fmt: skip
        instead = unknowable(name, mapping, flat.get("LineAmountTypes"))
        has = None if instead else _amounts(flat, mapping.lines)
        if has is None:
            raise ExpressionError(
                "mapping.expectation",
                f"expect {name}: only Xero knows what the lines come to",
                remedy=instead or "Give every line a UnitAmount.",
            )
        if half_up(wanted) != has:
            raise ExpressionError(
                "mapping.expectation",
                f"the lines come to {plain_number(has)}, but {expression.text} is {plain_number(half_up(wanted))}",
                remedy="Correct the record: nothing is written until both are equal to the cent.",
            )
