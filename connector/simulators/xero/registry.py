"""The table of the API: what each entity takes, by which methods, who may call it, how its list can be asked.

Source: Xero's OpenAPI file (16.1.0) and the facts on change detection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.simulators.xero import (
    accounts,
    bank,
    batch_payments,
    contacts,
    credit_notes,
    currencies,
    invoices,
    items,
    journals,
    orders,
    payments,
    quotes,
    tracking,
    transfers,
)
from connector.simulators.xero.shapes import Table
from connector.simulators.xero.store import Stored, Tenant

Write = Callable[[Tenant, dict[str, Any], Stored | None, int], Stored]
Match = Callable[[Tenant, Mapping[str, Any]], Stored | None]
Named = Callable[[Tenant, str], Stored | None]


@dataclass(frozen=True)
class About:
    """``methods`` are ``GET``, ``GET/id``, ``PUT``, ``POST``, ``POST/id``, ``DELETE/id``.

    ``write`` takes (tenant, given, known, unitdp); ``match`` says whom a POST means, ``named`` whom an address means
    beside an id; ``flag`` marks a refused element; ``since`` is If-Modified-Since; ``dated`` the paging order.
    """

    methods: str
    scope: tuple[str, ...]
    parameters: str = ""
    table: Table | None = None
    write: Write | None = None
    match: Match | None = None
    named: Named | None = None
    flag: str = ""
    since: bool = False
    page_size: int | None = None  # a page of fixed size, without a pagination block
    one_at_a_time: bool = False


def _plain(write: Callable[[Tenant, dict[str, Any], Stored | None], Stored]) -> Write:
    """A writer that knows no unitdp."""
    return lambda tenant, given, known, _places: write(tenant, given, known)


def _placed(write: Callable[..., Stored]) -> Write:
    return lambda tenant, given, known, places: write(tenant, given, known, places=places)


def _contact_by_number(tenant: Tenant, number: str) -> Stored | None:
    return contacts.match_contact(tenant, {"ContactNumber": number})


def _item_of(tenant: Tenant, given: Mapping[str, Any]) -> Stored | None:
    return items.item_by_code(tenant, given["Code"]) if given.get("Code") else None


_ALL = "GET GET/id PUT POST POST/id"
_LIST = "where order page pageSize"
_INVOICING = ("accounting.invoices",)
_PAYING = ("accounting.payments",)
_SETTINGS = ("accounting.settings",)
_BANKING = ("accounting.banktransactions",)
ABOUT: Mapping[str, About] = {
    "Organisation": About("GET", _SETTINGS),
    "Account": About(
        "GET GET/id PUT POST/id DELETE/id", _SETTINGS, "where order", accounts.TABLE, _plain(accounts.write_account),
        since=True, one_at_a_time=True,
    ),
    "TaxRate": About("GET GET/id", _SETTINGS, "where order"),
    "Contact": About(
        _ALL, ("accounting.contacts",), f"{_LIST} IDs includeArchived summaryOnly searchTerm", contacts.TABLE,
        _plain(contacts.write_contact), contacts.match_contact, _contact_by_number, "HasValidationErrors", since=True,
    ),
    "Item": About(
        f"{_ALL} DELETE/id", ("accounting.invoices", "accounting.settings"), "where order unitdp", items.TABLE,
        _plain(items.write_item), _item_of, items.item_by_code, since=True,
    ),
    "Invoice": About(
        _ALL, _INVOICING,
        f"{_LIST} IDs InvoiceNumbers ContactIDs Statuses includeArchived createdByMyApp unitdp summaryOnly searchTerm",
        invoices.TABLE, _placed(invoices.write_invoice), invoices.match_invoice, invoices.sales_invoice, "HasErrors",
        since=True,
    ),
    "Payment": About(
        _ALL, _PAYING, _LIST, payments.TABLE, _plain(payments.write_payment), flag="HasValidationErrors", since=True
    ),
    "CreditNote": About(
        _ALL, _INVOICING, f"{_LIST} unitdp", credit_notes.TABLE, _placed(credit_notes.write_credit),
        credit_notes.match_credit, credit_notes.credit_by_number, "HasErrors", since=True,
    ),
    "Prepayment": About("GET GET/id", _PAYING, f"{_LIST} unitdp InvoiceNumbers", since=True),
    "Overpayment": About("GET GET/id", _PAYING, f"{_LIST} unitdp References", since=True),
    "BankTransaction": About(
        _ALL, _BANKING, f"{_LIST} unitdp", bank.TABLE, _placed(bank.write_transaction), flag="HasErrors", since=True
    ),
    "BankTransfer": About(
        _ALL, _BANKING, "where order includeDeleted", transfers.TABLE, _plain(transfers.write_transfer), since=True
    ),
    "PurchaseOrder": About(
        _ALL, _INVOICING, "Status DateFrom DateTo order page pageSize", orders.TABLE, _plain(orders.write_order),
        orders.match_order, orders.order_by_number, "HasErrors", since=True,
    ),
    "Quote": About(
        _ALL, _INVOICING, "DateFrom DateTo ExpiryDateFrom ExpiryDateTo ContactID Status page order QuoteNumber",
        quotes.TABLE, _plain(quotes.write_quote), quotes.match_quote, flag="HasErrors", since=True, page_size=100,
    ),
    "ManualJournal": About(
        _ALL, ("accounting.manualjournals",), _LIST, journals.TABLE, _plain(journals.write_journal), since=True
    ),
    "TrackingCategory": About(
        "GET GET/id PUT POST/id DELETE/id", _SETTINGS, "where order includeArchived", tracking.TABLE,
        _plain(tracking.write_category), one_at_a_time=True,
    ),
    "Currency": About(
        "GET PUT", _SETTINGS, "where order", currencies.TABLE, _plain(currencies.write_currency), one_at_a_time=True
    ),
    "BrandingTheme": About("GET GET/id", _SETTINGS, "", currencies.THEME, _plain(currencies.write_theme)),
    "BatchPayment": About(
        "GET GET/id", _PAYING, "where order", batch_payments.TABLE, _plain(batch_payments.write_batch_payment),
        since=True,
    ),
}  # fmt: skip
"""By entity. An entity without ``write`` is only shown; a branding theme and a batch payment are
written by hand alone."""


def methods(entity: str) -> frozenset[str]:
    return frozenset(ABOUT[entity].methods.split())


def parameters(entity: str) -> frozenset[str]:
    return frozenset(ABOUT[entity].parameters.split())
