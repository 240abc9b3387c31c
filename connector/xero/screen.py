"""Where a person finds an object in Xero's own pages. Pure.

Source: Xero's deep links; the short code names the organisation, so that a person who has several lands in the right
one. Without it the address opens in the organisation that was open last.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

HOST = "https://go.xero.com"
#  Pages of the newer kind: /app/<short code>/…
_APP: Mapping[str, str] = {
    "Contact": "contacts/contact/{id}",
    "Invoice": "invoicing/view/{id}",
    "Quote": "quotes/view/{id}",
}
#  Pages of the older kind, behind a redirect that opens the organisation.
_PAGE: Mapping[str, str] = {
    "Contact": "/Contacts/View/{id}",
    "Invoice": "/AccountsReceivable/View.aspx?InvoiceID={id}",
    "Bill": "/AccountsPayable/View.aspx?InvoiceID={id}",
    "CreditNote": "/AccountsReceivable/ViewCreditNote.aspx?creditNoteID={id}",
    "SupplierCredit": "/AccountsPayable/ViewCreditNote.aspx?creditNoteID={id}",
    "BankTransaction": "/Bank/ViewTransaction.aspx?bankTransactionID={id}",
    "ManualJournal": "/Journal/View.aspx?invoiceID={id}",
}
_OF_SUPPLIERS: Mapping[tuple[str, str], str] = {
    ("Invoice", "ACCPAY"): "Bill",
    ("CreditNote", "ACCPAYCREDIT"): "SupplierCredit",
}


def address(entity: str, object_id: str, kind: str = "", short_code: str = "") -> str:
    """The address of an object's page, empty where Xero has none that can be known. ``kind`` is its Type."""
    name, known = _OF_SUPPLIERS.get((entity, kind), entity), quote(object_id, safe="")
    if not known:
        return ""
    if short_code and name in _APP:
        return f"{HOST}/app/{quote(short_code, safe='!')}/{_APP[name].format(id=known)}"
    page = _PAGE.get(name, "").format(id=known)
    if not page or not short_code:
        return f"{HOST}{page}" if page else ""
    return f"{HOST}/organisationlogin/default.aspx?shortcode={quote(short_code, safe='!')}&redirecturl={page}"
