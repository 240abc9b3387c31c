"""Quotes: outside the ledger. Draft, sent, accepted or declined, invoiced; any of them can be deleted."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.simulators.xero import lines
from connector.simulators.xero.arithmetic import discount, totals
from connector.simulators.xero.contacts import TABLE as CONTACT
from connector.simulators.xero.documents import (
    currency_problems,
    holder_of,
    known_contact,
    next_number,
    theme_problems,
    write_lines,
)
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, day, guid, number, record, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

STATUSES = ("DRAFT", "SENT", "DECLINED", "ACCEPTED", "INVOICED", "DELETED")
MODES = {"EXCLUSIVE": "Exclusive", "INCLUSIVE": "Inclusive", "NOTAX": "NoTax"}
TABLE: Table = {
    "QuoteID": guid, "QuoteNumber": text(255), "Reference": text(4000), "Terms": text(4000),
    "Contact": record(CONTACT), "LineItems": rows(lines.TABLE), "Date": day, "ExpiryDate": day,
    "Status": choice("QuoteStatusCodes", *STATUSES), "CurrencyCode": text(3), "CurrencyRate": number,
    "Title": text(100), "Summary": text(3000), "BrandingThemeID": guid,
    "LineAmountTypes": choice("QuoteLineAmountTypes", *MODES), "SubTotal": None, "TotalTax": None, "Total": None,
    "TotalDiscount": None, "UpdatedDateUTC": None, "DateString": None, "ExpiryDateString": None,
    "StatusAttributeString": None, "ValidationErrors": None, "Warnings": None, "HasErrors": None,
}  # fmt: skip
NEXT: Mapping[str, frozenset[str]] = {
    "": frozenset({"DRAFT"}),
    "DRAFT": frozenset({"DRAFT", "SENT", "DELETED"}),
    "SENT": frozenset({"DRAFT", "SENT", "ACCEPTED", "DECLINED", "DELETED"}),
    "ACCEPTED": frozenset({"DRAFT", "SENT", "ACCEPTED", "INVOICED", "DELETED"}),
    "DECLINED": frozenset({"DRAFT", "SENT", "DECLINED", "ACCEPTED", "DELETED"}),
    "INVOICED": frozenset({"INVOICED", "SENT", "DELETED"}),
    "DELETED": frozenset(),
}


def match_quote(tenant: Tenant, given: Mapping[str, Any]) -> Stored | None:
    if given.get("QuoteID"):
        return tenant.get("Quote", given["QuoteID"])
    return quote_by_number(tenant, given["QuoteNumber"]) if given.get("QuoteNumber") else None


def quote_by_number(tenant: Tenant, quote_number: str) -> Stored | None:
    return holder_of(tenant, "Quote", "QuoteNumber", quote_number, "DELETED")


def write_quote(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one quote."""
    old = known or {}
    state = old.get("Status", "")
    if given.get("Status", state or "DRAFT") not in NEXT[state]:
        raise Invalid("Quote status change is invalid: not of valid status for modification")
    if known is not None and given.get("Status") == "DELETED":
        return tenant.save("Quote", {**known, "Status": "DELETED"}, given)
    quote = {**(old or _blank()), **given}
    quote["Contact"] = known_contact(tenant, given, old)
    if not quote.get("Date"):
        raise Invalid("The quote date must be specified")  # the exact words of Xero are not known to us
    writer = lines.LineWriter(tenant, MODES[quote["LineAmountTypes"]], sells=True, approved=False, places=4)
    spelled = {**old, "LineAmountTypes": MODES[old["LineAmountTypes"]]} if old else {}
    quote["LineItems"] = write_lines(writer, given, spelled)
    writer.problems[:0] = _problems(tenant, quote)
    lines.check_lines(writer, quote["LineItems"])
    if not quote["QuoteNumber"]:
        quote["QuoteNumber"] = next_number(tenant, "Quote", "QuoteNumber", "QU")
    quote.update(totals(quote["LineItems"], MODES[quote["LineAmountTypes"]]))
    quote.setdefault("CurrencyRate", Decimal("1.0"))
    quote["TotalDiscount"] = discount(quote["LineItems"])
    return {**tenant.save("Quote", quote, given), "_warnings": writer.warnings}


def _blank() -> Stored:
    return {
        "QuoteID": new_id(), "Status": "DRAFT", "LineAmountTypes": "EXCLUSIVE", "CurrencyCode": None, "QuoteNumber": "",
        "Terms": "",
    }  # fmt: skip


def _problems(tenant: Tenant, quote: Stored) -> list[str]:
    wrong: list[str] = []
    twin = quote_by_number(tenant, quote["QuoteNumber"]) if quote["QuoteNumber"] else None
    if twin is not None and twin["QuoteID"] != quote["QuoteID"]:
        wrong.append("Quote number must be unique")  # the exact words of Xero are not known to us
    return [*wrong, *currency_problems(tenant, quote), *theme_problems(tenant, quote)]
