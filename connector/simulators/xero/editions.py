"""The editions of the demo company: tax rates, currency and lock date of the UK, Australia, New Zealand and the US.

Types and rates of the UK, AU and NZ are of recordings and Xero's documentation; those of the US are ours, since sales
tax differs from town to town there (one rate of two components). A rate that is no longer in use is kept as DELETED.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

_ALL = ("ASSET", "EQUITY", "EXPENSE", "LIABILITY", "REVENUE")
_BUY, _SELL = ("ASSET", "EQUITY", "EXPENSE", "LIABILITY"), ("ASSET", "EQUITY", "LIABILITY", "REVENUE")


@dataclass(frozen=True)
class Rate:
    """One tax rate; ``classes`` are the kinds of accounts that it can stand beside."""

    type: str
    name: str
    percent: str
    classes: tuple[str, ...]
    components: tuple[tuple[str, str], ...] = ()
    status: str = "ACTIVE"

    @property
    def parts(self) -> list[dict[str, object]]:
        rows = self.components or (("Tax", self.percent),)
        return [
            {"Name": name, "Rate": Decimal(percent), "IsCompound": False, "IsNonRecoverable": False}
            for name, percent in rows
        ]


@dataclass(frozen=True)
class Edition:
    """``tax`` says which type of this edition stands where the UK chart of accounts has another."""

    version: str
    country: str
    currency: str
    currencies: tuple[str, ...]
    timezone: str
    rates: tuple[Rate, ...]
    tax: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    locked: date = date(2008, 9, 30)
    year_end: tuple[int, int] = (31, 3)


UK = Edition(
    "UK", "GB", "GBP", ("GBP", "EUR", "USD"), "GMTSTANDARDTIME",
    (
        Rate("OUTPUT2", "20% (VAT on Income)", "20", _SELL),
        Rate("INPUT2", "20% (VAT on Expenses)", "20", _BUY),
        Rate("RROUTPUT", "5% (VAT on Income)", "5", _SELL),
        Rate("RRINPUT", "5% (VAT on Expenses)", "5", _BUY),
        Rate("ZERORATEDOUTPUT", "Zero Rated Income", "0", _SELL),
        Rate("ZERORATEDINPUT", "Zero Rated Expenses", "0", _BUY),
        Rate("EXEMPTOUTPUT", "Exempt Income", "0", _SELL),
        Rate("EXEMPTINPUT", "Exempt Expenses", "0", _BUY),
        Rate("NONE", "No VAT", "0", _ALL),
    ),
)  # fmt: skip
AU = Edition(
    "AU", "AU", "AUD", ("AUD", "NZD", "USD"), "AUSEASTERNSTANDARDTIME",
    (
        Rate("OUTPUT", "GST on Income", "10", _SELL),
        Rate("INPUT", "GST on Expenses", "10", _BUY),
        Rate("CAPEXINPUT", "GST on Capital", "10", ("ASSET",)),
        Rate("EXEMPTOUTPUT", "GST Free Income", "0", _SELL),
        Rate("EXEMPTEXPENSES", "GST Free Expenses", "0", _BUY),
        Rate("EXEMPTEXPORT", "GST Free Exports", "0", ("REVENUE",)),
        Rate("INPUTTAXED", "Input Taxed", "0", ("EXPENSE", "REVENUE")),
        Rate("GSTONIMPORTS", "GST on Imports", "0", _BUY),
        Rate("BASEXCLUDED", "BAS Excluded", "0", _ALL),
        Rate("NONE", "No GST", "0", _ALL),
    ),
    {"OUTPUT2": "OUTPUT", "INPUT2": "INPUT", "RRINPUT": "INPUT", "EXEMPTINPUT": "EXEMPTEXPENSES"},
    year_end=(30, 6),
)  # fmt: skip
NZ = Edition(
    "NZ", "NZ", "NZD", ("NZD", "AUD", "USD"), "NEWZEALANDSTANDARDTIME",
    (
        Rate("OUTPUT2", "15% GST on Income", "15", _SELL),
        Rate("INPUT2", "15% GST on Expenses", "15", _BUY),
        Rate("OUTPUT", "12.5% GST on Income", "12.5", _SELL, status="DELETED"),
        Rate("INPUT", "12.5% GST on Expenses", "12.5", _BUY, status="DELETED"),
        Rate("ZERORATED", "Zero Rated", "0", ("LIABILITY", "REVENUE")),
        Rate("GSTONIMPORTS", "GST on Imports", "0", _BUY),
        Rate("NONE", "No GST", "0", _ALL),
    ),
    {"RRINPUT": "INPUT2", "EXEMPTINPUT": "NONE"},
    locked=date(2009, 9, 30),
)  # fmt: skip
US = Edition(
    "US", "US", "USD", ("USD", "CAD", "EUR"), "PACIFICSTANDARDTIME",
    (
        Rate("OUTPUT", "Tax on Sales", "8.75", _SELL, (("State", "6.25"), ("City", "2.5"))),
        Rate("INPUT", "Tax on Purchases", "8.75", _BUY, (("State", "6.25"), ("City", "2.5"))),
        Rate("NONE", "Tax Exempt", "0", _ALL),
    ),
    {"OUTPUT2": "OUTPUT", "INPUT2": "INPUT", "RRINPUT": "INPUT", "EXEMPTINPUT": "NONE"},
    {"610": "1200", "800": "2000"},
    year_end=(31, 12),
)  # fmt: skip
EDITIONS: Mapping[str, Edition] = {edition.version: edition for edition in (UK, AU, NZ, US)}
