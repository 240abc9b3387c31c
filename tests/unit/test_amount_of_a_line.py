"""The amount of a line decides its price, with or without tax; one that no price comes to is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.core.mapping.amounts import net, priced, with_net
from connector.core.mapping.observe import rows
from connector.core.mapping.syntax import ExpressionError
from connector.core.money import line_amount
from connector.core.values import Value

D = Decimal


def price_of(row: dict[str, Value], known: dict[str, Value] | None = None, types: str = "Exclusive") -> Value:
    priced("Invoice", {"LineAmountTypes": types}, known, row)
    assert not {"LineAmount", "NetAmount"} & set(row)
    return row.get("UnitAmount")


def test_a_price_is_worked_out_of_the_amount() -> None:
    assert price_of({"LineAmount": D("79.96"), "Quantity": D(4)}) == D("19.99")
    assert price_of({"LineAmount": D("10"), "Quantity": D(3)}) == D("3.3333")
    assert price_of({"LineAmount": D("5")}) == D(5)


def test_a_discount_stays() -> None:
    row: dict[str, Value] = {"LineAmount": D("45"), "Quantity": D(5), "UnitAmount": D(7), "DiscountRate": D(10)}
    assert price_of(row) == D(10)
    assert line_amount(D(5), D(10), D(10)) == D(45)
    off: dict[str, Value] = {"LineAmount": D("18"), "Quantity": D(2), "DiscountAmount": D(2)}
    assert price_of(off) == D(10)


def test_a_line_that_comes_to_the_amount_keeps_its_price() -> None:
    known: dict[str, Value] = {"LineAmount": D("2.33"), "Quantity": D(7), "UnitAmount": D("0.3333")}
    row: dict[str, Value] = {"LineAmount": D("2.33"), "Quantity": D(7), "UnitAmount": D("0.3333")}
    assert price_of(row, known) == D("0.3333")


def test_no_price_comes_to_it() -> None:
    with pytest.raises(ExpressionError) as refused:
        price_of({"LineAmount": D("10.01"), "Quantity": D(100_000)})
    assert refused.value.code == "mapping.no-price"
    with pytest.raises(ExpressionError):
        price_of({"LineAmount": D(10), "Quantity": D(0)})


def test_tax_inside_the_price() -> None:
    inside = {"LineAmountTypes": "Inclusive"}
    known: dict[str, Value] = {
        "LineAmount": D("11.50"),
        "TaxAmount": D("1.50"),
        "Quantity": D(1),
        "UnitAmount": D("11.5"),
    }
    assert net("Invoice", inside, known) == D(10)
    same: dict[str, Value] = {"NetAmount": D(10), "Quantity": D(1), "UnitAmount": D("11.5")}
    assert price_of(same, known, "Inclusive") == D("11.5")
    with pytest.raises(ExpressionError) as refused:
        price_of({"NetAmount": D(20), "Quantity": D(2), "UnitAmount": D("11.5")}, known, "Inclusive")
    assert refused.value.code == "mapping.price-with-tax"
    (row,) = rows(with_net("Invoice", {**inside, "LineItems": [known]}), "LineItems")
    assert (row["NetAmount"], row["LineAmount"]) == (D(10), D("11.50"))


def test_an_amount_that_holds_the_tax_goes_back_as_it_is() -> None:
    known: dict[str, Value] = {
        "LineAmount": D("29.97"),
        "TaxAmount": D("5.00"),
        "Quantity": D(3),
        "UnitAmount": D("9.99"),
    }
    same: dict[str, Value] = {"LineAmount": D("29.97"), "Quantity": D(3), "UnitAmount": D("9.99")}
    assert price_of(same, known, "Inclusive") == D("9.99")
    assert price_of({"LineAmount": D("39.96"), "Quantity": D(4)}, known, "Inclusive") == D("9.99")
    assert price_of({"NetAmount": D("24.97"), "Quantity": D(3), "UnitAmount": D("9.99")}, known, "Inclusive") == D(
        "9.99"
    )


def test_quotes_spell_the_kind_in_capitals_and_bank_transactions_hold_the_tax_unsaid() -> None:
    known: dict[str, Value] = {"LineAmount": D("11.50"), "TaxAmount": D("1.50")}
    assert net("Quote", {"LineAmountTypes": "INCLUSIVE"}, known) == D(10)
    assert net("BankTransaction", {}, known) == D(10)
    assert net("Invoice", {}, known) == D("11.50")
    with pytest.raises(ExpressionError) as refused:
        priced("Quote", {"LineAmountTypes": "INCLUSIVE"}, None, {"NetAmount": D(20), "Quantity": D(2)})
    assert refused.value.code == "mapping.price-with-tax"
