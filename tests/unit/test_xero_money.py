"""Totals as Xero computes them, against another arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.values import Value
from connector.errors import DataError
from connector.xero.money import Chart, ItemDefaults, totals

CHART = Chart(
    rates={"OUTPUT2": Decimal(20), "GST": Decimal(15), "AU": Decimal(10), "ODD": Decimal("12.5"), "NONE": Decimal(0)},
    account_tax={"200": "OUTPUT2"},
    sales={"DevD": ItemDefaults(Decimal(650), "200", "GST")},
)


def line(unit: str, tax: str | None = None, **more: Any) -> dict[str, Any]:
    return {"Quantity": Decimal(1), "UnitAmount": Decimal(unit), **({"TaxType": tax} if tax else {}), **more}


def test_tax_is_rounded_per_line_then_summed() -> None:
    found = totals({"LineItems": [line(unit, "GST") for unit in ("25.06", "25.61", "25.63")]}, CHART)
    assert (found.sub_total, found.total_tax, found.total) == (Decimal("76.30"), Decimal("11.44"), Decimal("87.74"))


def test_a_tie_goes_away_from_zero() -> None:
    assert totals({"LineItems": [line("10.45", "AU")]}, CHART).total_tax == Decimal("1.05")
    assert totals({"LineItems": [line("-10.45", "AU")]}, CHART).total_tax == Decimal("-1.05")


@pytest.mark.parametrize(
    ("fields", "sub", "tax", "total"),
    [
        ({"LineAmountTypes": "Inclusive", "LineItems": [line("89", "GST")]}, "77.39", "11.61", "89.00"),
        ({"LineAmountTypes": "NoTax", "LineItems": [line("89", "GST")]}, "89.00", "0.00", "89.00"),
        ({"LineItems": [line("100", DiscountRate=Decimal("12.5"), AccountCode="200")]}, "87.50", "17.50", "105.00"),
        ({"LineItems": [line("100", "AU", DiscountAmount=Decimal("0.05"))]}, "99.95", "10.00", "109.95"),
        ({"LineItems": [line("0.12345", "NONE", Quantity=Decimal(1000))]}, "123.50", "0.00", "123.50"),
        ({"LineItems": [{"ItemCode": "DevD", "Quantity": Decimal(2)}]}, "1300.00", "195.00", "1495.00"),
        ({"LineItems": [line("10", "AU", TaxAmount=Decimal("0.99"))]}, "10.00", "0.99", "10.99"),
        ({"LineItems": [{"Description": "only words"}, line("1")]}, "1.00", "0.00", "1.00"),
        ({"LineItems": [{"LineAmount": Decimal("9.99"), "TaxType": "AU"}]}, "9.99", "1.00", "10.99"),
        ({}, "0.00", "0.00", "0.00"),
    ],
)
def test_modes_discounts_defaults_and_overrides(fields: dict[str, Any], sub: str, tax: str, total: str) -> None:
    found = totals(fields, CHART)
    assert (found.sub_total, found.total_tax, found.total) == (Decimal(sub), Decimal(tax), Decimal(total))


@pytest.mark.parametrize(
    ("row", "code"), [(line("1", "NOPE"), "xero.tax-unknown"), ({"Quantity": Decimal(1)}, "xero.line-unpriced")]
)
def test_what_cannot_be_reckoned_is_refused(row: dict[str, Any], code: str) -> None:
    with pytest.raises(DataError) as caught:
        totals({"LineItems": [row]}, CHART)
    assert caught.value.code == code


def cents(exact: Fraction) -> int:
    """Half away from zero, in whole cents, by integers alone."""
    scaled = abs(exact) * 100
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return whole if exact >= 0 else -whole


ROWS = st.lists(
    st.tuples(
        st.decimals(-1000, 1000, places=4), st.decimals(-1000, 1000, places=4), st.sampled_from(sorted(CHART.rates)),
        st.decimals(0, 100, places=2),
    ),
    max_size=6,
)  # fmt: skip


@given(ROWS, st.sampled_from(["Exclusive", "Inclusive", "NoTax"]))
def test_it_agrees_with_fractions(rows: list[tuple[Decimal, Decimal, str, Decimal]], mode: str) -> None:
    lines: list[Value] = [
        {"Quantity": quantity, "UnitAmount": unit, "TaxType": tax, "DiscountRate": discount}
        for quantity, unit, tax, discount in rows
    ]
    found = totals({"LineAmountTypes": mode, "LineItems": lines}, CHART)
    amounts = [cents(Fraction(q) * Fraction(u) * (100 - Fraction(d)) / 100) for q, u, _, d in rows]
    taxes = []
    for amount, (_, _, tax, _) in zip(amounts, rows, strict=True):
        rate = Fraction(CHART.rates[tax])
        exact = Fraction(amount, 100) * rate / (100 + (rate if mode == "Inclusive" else 0))
        taxes.append(0 if mode == "NoTax" else cents(exact))
    net = sum(amounts) - (sum(taxes) if mode == "Inclusive" else 0)
    assert [int(part * 100) for part in (found.sub_total, found.total_tax, found.total)] == [
        net,
        sum(taxes),
        net + sum(taxes),
    ]
