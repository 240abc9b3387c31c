"""Whether a document is coded by what its organisation has: accounts, tax types, tracking options, currencies, themes.

Xero refuses a wrong choice when the document is approved, and takes an unknown account out of a draft without an error
(facts: xero.md, accounts and tax rates). So choices are judged before Xero sees them. A list that is not known is not
judged: Xero has the last word. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.core.values import Fields
from connector.errors import DataError

ACCOUNT, RATE, TRACKING, CURRENCY, THEME = "Account", "TaxRate", "TrackingCategory", "Currency", "BrandingTheme"
LISTS = (ACCOUNT, RATE, TRACKING, CURRENCY, THEME)
ACTIVE = "ACTIVE"
Settings = Mapping[str, Sequence[Fields]]  # what an organisation has of each list that is known

_LINES: Mapping[str, str] = {
    "Invoice": "LineItems", "CreditNote": "LineItems", "Quote": "LineItems", "PurchaseOrder": "LineItems",
    "BankTransaction": "LineItems", "ManualJournal": "JournalLines",
}  # fmt: skip
_BANKS: Mapping[str, tuple[str, ...]] = {
    "BankTransaction": ("BankAccount",), "BankTransfer": ("FromBankAccount", "ToBankAccount"),
}  # fmt: skip
_APPLIES: Mapping[str, str] = {
    "ASSET": "CanApplyToAssets", "EQUITY": "CanApplyToEquity", "EXPENSE": "CanApplyToExpenses",
    "LIABILITY": "CanApplyToLiabilities", "REVENUE": "CanApplyToRevenue",
}  # fmt: skip
_KEPT_BY_XERO = frozenset({"DEBTORS", "CREDITORS", "RETAINEDEARNINGS", "UNPAIDEXPCLM"})  # no line is coded to them
_NO_TAX, _SOLD = "NONE", "COGSAccountCode"


@dataclass(frozen=True, slots=True)
class Wrong:
    """A choice that cannot stand. ``of`` is the list that it was judged by: it may be older than the choice."""

    of: str
    error: DataError


def wrong(entity: str, fields: Fields, settings: Settings) -> Wrong | None:
    """The first choice of a write that its organisation does not have or cannot use there."""
    return next(_judged(entity, fields, settings), None)


def _judged(entity: str, fields: Fields, settings: Settings) -> Iterator[Wrong]:
    books = _Books(settings)
    if not str(fields.get("Type", "")).endswith("OVERPAYMENT"):  # coded to what is owed, as no other line is
        untaxed = str(fields.get("LineAmountTypes")).upper() == "NOTAX"
        for number, line in enumerate(_rows(fields.get(_LINES.get(entity, ""))), 1):
            yield from books.line(f"Line {number}", line, journal=entity == "ManualJournal", untaxed=untaxed)
            yield from books.tracking(f"Line {number}", line)
    if entity == "Item":
        for name, where in (("SalesDetails", "Sales"), ("PurchaseDetails", "Purchases")):
            yield from books.line(where, _object(fields.get(name)))
        yield from books.tracked(fields)
    if entity == "Payment":
        yield from books.paying(_object(fields.get("Account")))
    for name in _BANKS.get(entity, ()):
        yield from books.bank(name, _object(fields.get(name)))
    if entity in _LINES:
        yield from books.heading(fields)


class _Books:
    """The settings of one organisation, found by what documents name them by."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def line(self, where: str, line: Fields, *, journal: bool = False, untaxed: bool = False) -> Iterator[Wrong]:
        code = _text(line.get("AccountCode"))
        account = self._account(code) if code else None
        if code and ACCOUNT in self.settings:
            yield from _account_of_line(where, code, account, journal=journal)
        tax = _text(line.get("TaxType"))
        if tax and tax != _NO_TAX and not untaxed and RATE in self.settings:
            yield from self._tax(where, tax, account)

    def _tax(self, where: str, tax: str, account: Fields | None) -> Iterator[Wrong]:
        rate = next((one for one in self.settings[RATE] if one.get("TaxType") == tax), None)
        if rate is None or rate.get("Status", ACTIVE) != ACTIVE:
            there = "is not in use in Xero" if rate is not None else "is none of Xero's"
            yield _bad(
                RATE, "tax-type", f"{where}: tax type {tax} {there}", "Use a tax rate that Xero has, and is active."
            )
        elif account is not None and rate.get(_APPLIES.get(str(account.get("Class")), "")) is False:
            what = (
                f"tax type {tax} is not for {_told(account)}, which is {_a(str(account.get('Class')).lower())} account"
            )
            yield _bad(RATE, "tax-type", f"{where}: {what}", "Use a tax rate or an account that go together.")

    def tracking(self, where: str, line: Fields) -> Iterator[Wrong]:
        for one in _rows(line.get("Tracking")) if TRACKING in self.settings else ():
            name, option = _text(one.get("Name")), _text(one.get("Option"))
            if name and option and not self._has_option(name, option):
                told = f"{where}: the tracking category {name} has no active option {option}"
                yield _bad(TRACKING, "tracking", told, "Use an option that Xero has, and is active.")

    def _has_option(self, name: str, option: str) -> bool:
        categories = [one for one in self.settings[TRACKING] if _same(one.get("Name"), name) and _lives(one)]
        return any(_same(one.get("Name"), option) and _lives(one)
                   for category in categories for one in _rows(category.get("Options")))  # fmt: skip

    def tracked(self, item: Fields) -> Iterator[Wrong]:
        """The two accounts that make an item one that is in stock."""
        sold = _text(_object(item.get("PurchaseDetails")).get(_SOLD))
        asset = _text(item.get("InventoryAssetAccountCode"))
        if ACCOUNT not in self.settings:
            return
        if sold:
            yield from _account_of_line("Cost of goods sold", sold, self._account(sold), journal=True)
        account = self._account(asset) if asset else None
        if asset and (account is None or account.get("Type") != "INVENTORY"):
            why = f"Stock: {asset} is no inventory account of Xero"
            yield _bad(ACCOUNT, "account-code", why, "Use an account of the type Inventory.")
        elif account is not None and not _lives(account):
            yield _archived("Stock", account)

    def paying(self, named: Fields) -> Iterator[Wrong]:
        account, told = self._named(named)
        if not told or ACCOUNT not in self.settings:
            return
        if account is None:
            yield _bad(ACCOUNT, "payment-account", f"Xero has no account {told}", "Use a bank account.")
        elif not _lives(account):
            yield _archived("The payment", account)
        elif account.get("Type") != "BANK" and account.get("EnablePaymentsToAccount") is not True:
            why = f"{_told(account)} is no bank account, and payments to it are not enabled"
            yield _bad(
                ACCOUNT, "payment-account", why, "Use a bank account, or enable payments to the account in Xero."
            )

    def bank(self, name: str, named: Fields) -> Iterator[Wrong]:
        account, told = self._named(named)
        if not told or ACCOUNT not in self.settings:
            return
        if account is None or account.get("Type") != "BANK":
            yield _bad(ACCOUNT, "account-code", f"{name}: {told} is no bank account of Xero", "Use a bank account.")
        elif not _lives(account):
            yield _archived(name, account)

    def heading(self, fields: Fields) -> Iterator[Wrong]:
        currency, theme = _text(fields.get("CurrencyCode")), _text(fields.get("BrandingThemeID"))
        currencies = [one.get("Code") for one in self.settings.get(CURRENCY, ())]
        if currency and currencies and currency not in currencies:
            yield _bad(
                CURRENCY, "currency", f"The organisation has no currency {currency}", "Add it in Xero's settings."
            )
        themes = [one.get("BrandingThemeID") for one in self.settings.get(THEME, ())]
        if theme and themes and theme not in themes:
            yield _bad(THEME, "branding-theme", f"Xero has no branding theme {theme}", "Pick one of Xero's.")

    def _account(self, code: str) -> Fields | None:
        """The account of a code; an active one goes first."""
        found = [one for one in self.settings.get(ACCOUNT, ()) if _same(one.get("Code"), code)]
        return next((one for one in found if _lives(one)), found[0] if found else None)

    def _named(self, named: Fields) -> tuple[Fields | None, str]:
        code, key = _text(named.get("Code")), _text(named.get("AccountID"))
        by_key = next((one for one in self.settings.get(ACCOUNT, ()) if key and one.get("AccountID") == key), None)
        return (by_key, key) if key else (self._account(code), code)


def _account_of_line(where: str, code: str, account: Fields | None, *, journal: bool) -> Iterator[Wrong]:
    if account is None or account.get("Status") == "DELETED":
        yield _bad(ACCOUNT, "account-code", f"{where}: Xero has no account {code}", "Use an account of Xero's chart.")
    elif not _lives(account):
        yield _archived(where, account)
    elif account.get("Type") == "BANK":
        why = f"{where}: {_told(account)} is a bank account, which no line is coded to"
        yield _bad(ACCOUNT, "account-code", why, "Use an account of Xero's chart that is none.")
    elif account.get("SystemAccount") in _KEPT_BY_XERO or (journal and account.get("Type") == "INVENTORY"):
        why = f"{where}: {_told(account)} is kept by Xero itself, and no line is coded to it"
        yield _bad(ACCOUNT, "account-code", why, "Use another account of Xero's chart.")


def _archived(where: str, account: Fields) -> Wrong:
    return _bad(ACCOUNT, "account-archived", f"{where}: {_told(account)} is archived", "Restore it or use another.")


def _bad(of: str, code: str, what: str, remedy: str) -> Wrong:
    return Wrong(of, DataError(f"xero.{code}", f"{what}.", remedy=remedy))


def _told(account: Fields) -> str:
    return f"account {account.get('Code')} ({account.get('Name')})"


def _a(word: str) -> str:
    return f"an {word}" if word[:1] in "aeiou" else f"a {word}"


def _lives(one: Fields) -> bool:
    return one.get("Status", ACTIVE) == ACTIVE


def _same(one: object, other: str) -> bool:
    return isinstance(one, str) and one.casefold() == other.casefold()


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)


def _object(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Fields]:
    return (
        [one for one in value if isinstance(one, Mapping)]
        if isinstance(value, Sequence) and not isinstance(value, str)
        else []
    )
