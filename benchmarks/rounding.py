"""Totals of generated documents against an arithmetic written another way: integer fractions.

    python -m benchmarks.rounding --documents 100000

From the words of Xero's rounding guide: "tax is calculated on each line and rounded to two decimal places, then
summed"; a half goes away from zero. Exit 3 when any document differs.
"""

from __future__ import annotations

import argparse
import random
import sys
from decimal import Decimal
from fractions import Fraction

from connector.core.values import Value
from connector.xero.money import Chart, totals

MODES = ("Exclusive", "Inclusive", "NoTax", "EXCLUSIVE")  # quotes spell theirs in capitals
RATES = ("0", "5", "8.25", "8.75", "9.5", "10", "12.5", "15", "20", "17.5", "3.333")
CHART = Chart({f"R{rate}": Decimal(rate) for rate in RATES})


def cents(amount: Fraction) -> int:
    """Whole cents, half away from zero, with integers alone."""
    sign = -1 if amount < 0 else 1
    numerator, denominator = abs(amount.numerator) * 100, amount.denominator
    whole, rest = divmod(numerator, denominator)
    return sign * (whole + (1 if 2 * rest >= denominator else 0))


def expected(lines: list[dict[str, str]], mode: str) -> tuple[int, int, int]:
    """SubTotal, TotalTax, Total in cents."""
    amounts = taxes = 0
    for line in lines:
        price = Fraction(line["Quantity"]) * Fraction(line["UnitAmount"])
        if line.get("DiscountRate"):
            price = price * (100 - Fraction(line["DiscountRate"])) / 100
        amount, rate = cents(price), Fraction(line["TaxType"][1:])
        if mode == "Exclusive":
            taxes += cents(Fraction(amount, 100) * rate / 100)
        elif mode == "Inclusive":
            taxes += cents(Fraction(amount, 100) * rate / (100 + rate))
        amounts += amount
    net = amounts - taxes if mode == "Inclusive" else amounts
    return net, taxes, net + taxes


def document(dice: random.Random) -> list[dict[str, str]]:
    lines = []
    for _ in range(dice.randint(1, 8)):
        line = {
            "Quantity": dice.choice((str(dice.randint(1, 40)), f"{dice.randint(0, 99)}.{dice.randint(0, 9999):04d}")),
            "UnitAmount": f"{dice.choice(('', '', '-'))}{dice.randint(0, 5000)}.{dice.randint(0, 9999):04d}",
            "TaxType": f"R{dice.choice(RATES)}",
        }
        if dice.random() < 0.2:
            line["DiscountRate"] = dice.choice(("5", "10", "33.33", "2.5"))
        lines.append(line)
    return lines


def differing(mode: str, count: int) -> list[str]:
    """Generates so many documents; gives those whose totals are not the expected ones."""
    dice = random.Random(f"twinledger {mode}")
    known = "Exclusive" if mode == "EXCLUSIVE" else mode
    out = []
    for _ in range(count):
        lines = document(dice)
        typed: list[Value] = [
            {name: value if name == "TaxType" else Decimal(value) for name, value in line.items()} for line in lines
        ]
        ours = totals({"LineAmountTypes": mode, "LineItems": typed}, CHART)
        found = tuple(int(amount * 100) for amount in (ours.sub_total, ours.total_tax, ours.total))
        if found != expected(lines, known):
            out.append(f"{mode} {lines}: {found}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    count = parser.parse_args().documents
    wrong = [one for mode in MODES for one in differing(mode, count // len(MODES))]
    print(f"{count - len(wrong)} of {count} documents to the cent")
    for one in wrong[:10]:
        print(one)
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
