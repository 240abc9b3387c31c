"""Money arithmetic, Decimal only, half up as Xero rounds.

Xero rounds each line to two places and sums the rounded lines (its rounding guide; a recorded 1.045 became 1.05).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

# Wide enough for a product of two 18-digit amounts; half up wherever a quotient has no end.
ARITHMETIC = Context(
    prec=50,
    rounding=ROUND_HALF_UP,
    Emax=min(9999, MAX_EMAX),
    Emin=max(-9999, MIN_EMIN),
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
PLACES = 2
_HUNDRED = Decimal(100)
EXCLUSIVE, INCLUSIVE, NO_TAX = "Exclusive", "Inclusive", "NoTax"  # whether prices of a document of Xero hold their tax
_SPELT = {kind.upper(): kind for kind in (EXCLUSIVE, INCLUSIVE, NO_TAX)}  # quotes spell them in capitals
_UNSAID = {"BankTransaction": INCLUSIVE, "ManualJournal": NO_TAX}  # what a document that says nothing means


def prices_of(entity: str, said: object) -> str:
    """The kind of prices of a document of Xero whose ``LineAmountTypes`` is ``said``: one of the three above."""
    return _SPELT.get(str(said).upper(), _UNSAID.get(entity, EXCLUSIVE))


def half_up(amount: Decimal, places: int = PLACES) -> Decimal:
    """``amount`` at ``places`` decimal places, ties away from zero. Raises ArithmeticError beyond 50 digits."""
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=ARITHMETIC)


def line_amount(
    quantity: Decimal,
    unit_amount: Decimal,
    discount_rate: Decimal | None = None,
    discount_amount: Decimal | None = None,
    places: int = PLACES,
) -> Decimal:
    """Quantity × unit amount × (100 − discount rate) / 100, or less the discount amount; rounded once, at the end."""
    gross = ARITHMETIC.multiply(quantity, unit_amount)
    if discount_rate:
        kept = ARITHMETIC.subtract(_HUNDRED, discount_rate)
        gross = ARITHMETIC.divide(ARITHMETIC.multiply(gross, kept), _HUNDRED)
    elif discount_amount:
        gross = ARITHMETIC.subtract(gross, discount_amount)
    return half_up(gross, places)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    out = Decimal(0)
    for amount in amounts:
        out = ARITHMETIC.add(out, amount)
    return out


def tax_on(amount: Decimal, rate: Decimal, *, inclusive: bool, places: int = PLACES) -> Decimal:
    """The tax of one line at ``rate`` per cent: on top of ``amount``, or contained in it."""
    base = ARITHMETIC.add(_HUNDRED, rate) if inclusive else _HUNDRED
    return half_up(ARITHMETIC.divide(ARITHMETIC.multiply(amount, rate), base), places)
