"""Money: half up, per line, to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.mapping.expect import subtotal
from connector.core.money import half_up, line_amount, tax_on, total
from connector.core.values import Value

_amounts = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4)


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [("1.045", "1.05"), ("-1.045", "-1.05"), ("1.0449999", "1.04"), ("2.5", "2.50"), ("0.005", "0.01"), ("0", "0.00")],
)
def test_ties_go_away_from_zero(amount: str, rounded: str) -> None:
    assert half_up(Decimal(amount)) == Decimal(rounded)
    assert half_up(Decimal(amount)).as_tuple().exponent == -2


def test_a_line_is_rounded_once() -> None:
    assert line_amount(Decimal(3), Decimal("20.10"), Decimal(10)) == Decimal("54.27")
    assert line_amount(Decimal("0.333"), Decimal("0.015")) == Decimal("0.00")
    assert line_amount(Decimal(2), Decimal("5.00"), discount_amount=Decimal("0.50")) == Decimal("9.50")
    assert line_amount(Decimal(1), Decimal(100), Decimal(100)) == 0


def test_tax_is_per_line_as_xero_works_it_out() -> None:
    lines = [Decimal("25.06"), Decimal("25.61"), Decimal("25.63")]
    taxes = [tax_on(line, Decimal(15), inclusive=False) for line in lines]
    assert taxes == [Decimal("3.76"), Decimal("3.84"), Decimal("3.84")]
    assert total(taxes) == Decimal("11.44")
    assert tax_on(Decimal("10.45"), Decimal(10), inclusive=False) == Decimal("1.05")
    assert tax_on(Decimal("89.00"), Decimal(15), inclusive=True) == Decimal("11.61")


@given(_amounts)
def test_rounding_moves_at_most_half_a_cent(amount: Decimal) -> None:
    assert abs(half_up(amount) - amount) <= Decimal("0.005")
    assert half_up(-amount) == -half_up(amount)


@given(st.lists(_amounts, max_size=30))
def test_a_total_is_exact_in_any_order(amounts: list[Decimal]) -> None:
    assert total(amounts) == total(sorted(amounts)) == sum(amounts, Decimal(0))


def test_the_subtotal_of_a_document() -> None:
    flat: dict[str, Value] = {
        "LineAmountTypes": "Exclusive",
        "LineItems/a/Quantity": Decimal(3),
        "LineItems/a/UnitAmount": Decimal("20.10"),
        "LineItems/a/DiscountRate": Decimal(10),
        "LineItems/b/UnitAmount": Decimal("7.505"),
        "LineItems/c/Description": "a text costs nothing",
    }
    assert subtotal(flat, "LineItems") == Decimal("61.78")
    assert subtotal({**flat, "LineAmountTypes": "Inclusive"}, "LineItems") is None
    assert subtotal({**flat, "LineItems/c/ItemCode": "ANVIL"}, "LineItems") is None
    for name in ("LineAmount", "NetAmount"):
        assert subtotal({**flat, f"LineItems/c/{name}": Decimal(1)}, "LineItems") == Decimal("62.78")
    assert subtotal(flat, "") is None
