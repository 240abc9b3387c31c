"""Invoices of both kinds: what may be sent, what may change in which state, and what comes of it.

States: facts of the Accounting API documentation and recorded answers. A voided sales invoice keeps its AmountDue
(recorded), a voided bill shows 0.00 (recorded).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from connector.simulators.xero import lines
from connector.simulators.xero.arithmetic import totals
from connector.simulators.xero.documents import (
    ALLOCATED,
    DOCUMENT,
    NEXT_STATES,
    ZERO,
    check_locks,
    currency_problems,
    find_contact,
    keep_contact,
    lock_problems,
    next_number,
    theme_problems,
    url_problems,
    write_lines,
)
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.inventory import move_stock
from connector.simulators.xero.shapes import Table, choice, day, empty_only, flag, guid, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

STATUSES = ("DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED")
TABLE: Table = {
    **DOCUMENT, "InvoiceID": guid, "Type": choice("InvoiceType", "ACCREC", "ACCPAY"), "InvoiceNumber": text(255),
    "DueDate": day, "Status": choice("InvoiceStatus", *STATUSES), "SentToContact": flag, "Url": text(2000),
    "ExpectedPaymentDate": day, "PlannedPaymentDate": day, "Attachments": empty_only,
    **dict.fromkeys((
        "Payments", "CreditNotes", "Prepayments", "Overpayments", "TotalDiscount", "IsDiscounted", "AmountDue",
        "AmountPaid", "AmountCredited", "FullyPaidOnDate", "UpdatedDateUTCString", "DueDateString",
        "InvoicePaymentServices",
    )),
}  # fmt: skip
SETTLES = ("Status", "AmountPaid", "AmountCredited", "AmountDue")  # what a payment or a credit moves
# what may change beside payments; the first two move no UpdatedDateUTC (the documentation says so)
SILENT = frozenset({"DueDate", "SentToContact"})
BESIDE_PAYMENTS = SILENT | {"Reference", "Url", "BrandingThemeID", "ExpectedPaymentDate", "PlannedPaymentDate"}
PAID_BILL = BESIDE_PAYMENTS | {"InvoiceNumber", "Contact"}


def match_invoice(tenant: Tenant, given: Mapping[str, Any]) -> Stored | None:
    """The invoice that a body means: by id, else a sales invoice by its number. Bills have no unique number."""
    if given.get("InvoiceID"):
        return tenant.get("Invoice", given["InvoiceID"])
    if given.get("InvoiceNumber") and given.get("Type") != "ACCPAY":
        return sales_invoice(tenant, given["InvoiceNumber"])
    return None


def sales_invoice(tenant: Tenant, invoice_number: str) -> Stored | None:
    """A number stays taken until its invoice is deleted."""
    wanted = invoice_number.casefold()
    return tenant.first(
        "Invoice",
        lambda invoice: (
            invoice["Type"] == "ACCREC"
            and invoice["Status"] != "DELETED"
            and invoice["InvoiceNumber"].casefold() == wanted
        ),
    )


def write_invoice(tenant: Tenant, given: dict[str, Any], known: Stored | None, *, places: int = 2) -> Stored:
    """Create or change one invoice. ``places`` is unitdp. Gives the stored invoice; warnings stand in ``_warnings``."""
    old = known or {}
    _check_state(old, given)
    if given.get("Status") in ("VOIDED", "DELETED") and known is not None:
        return _end(tenant, known, given)
    if old and (old["AmountPaid"] or old["AmountCredited"]):
        return _beside_payments(tenant, old, given)
    invoice = {**(old or _blank()), **given}
    if not invoice.get("Type"):
        raise Invalid("Type is a required field")
    contact = find_contact(tenant, given, old)
    approved = invoice["Status"] in ("SUBMITTED", "AUTHORISED")
    if old.get("Status") == "AUTHORISED":
        check_locks(tenant, old["Date"], posted=True)
    writer = lines.LineWriter(
        tenant, invoice["LineAmountTypes"], sells=invoice["Type"] == "ACCREC", approved=approved, places=places
    )
    invoice["LineItems"] = write_lines(writer, given, old)
    writer.problems[:0] = _problems(tenant, invoice, approved=approved)
    lines.check_lines(writer, invoice["LineItems"])
    _settle(tenant, invoice)
    contact = keep_contact(tenant, given, contact)
    invoice["Contact"] = {"ContactID": contact["ContactID"]}
    if invoice["Status"] == "AUTHORISED":
        contact["IsCustomer" if invoice["Type"] == "ACCREC" else "IsSupplier"] = True
    move_stock(tenant, old, invoice)
    stored = tenant.save("Invoice", invoice, given)
    return {**stored, "_warnings": writer.warnings}


def _blank() -> Stored:
    return {
        "InvoiceID": new_id(), "Status": "DRAFT", "LineAmountTypes": "Exclusive", "AmountPaid": ZERO,
        "AmountCredited": ZERO,
        "SentToContact": False, "CurrencyCode": None, "InvoiceNumber": "", "Reference": "",
    }  # fmt: skip


def _check_state(old: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    state = old.get("Status", "")
    wanted = given.get("Status", state or "DRAFT")
    if not state and wanted not in NEXT_STATES[""]:
        raise Invalid("Invoice not of valid status for creation")
    if wanted == "VOIDED" and state in ("AUTHORISED", "PAID") and (old["AmountPaid"] or old["AmountCredited"]):
        raise Invalid(
            "The status VOIDED cannot be applied to the invoice "
            "because it has payments or credit notes allocated to it."
        )
    if wanted not in NEXT_STATES[state]:
        raise Invalid("Invoice not of valid status for modification")


def _end(tenant: Tenant, known: Stored, given: Mapping[str, Any]) -> Stored:
    check_locks(tenant, known["Date"], posted=known["Status"] == "AUTHORISED")
    invoice = {**known, "Status": given["Status"]}
    if invoice["Type"] == "ACCPAY" and invoice["Status"] == "VOIDED":
        invoice["AmountDue"] = ZERO
    move_stock(tenant, known, invoice)
    return tenant.save("Invoice", invoice, given)


def _beside_payments(tenant: Tenant, old: Mapping[str, Any], given: Mapping[str, Any]) -> Stored:
    changed = {name for name, value in given.items() if name not in ("InvoiceID", "Type") and old.get(name) != value}
    free = PAID_BILL if old["Type"] == "ACCPAY" and old["Status"] == "PAID" else BESIDE_PAYMENTS
    if changed - free:
        raise Invalid(ALLOCATED)
    invoice = {**old, **given}
    contact = keep_contact(tenant, given, find_contact(tenant, given, old))
    invoice["Contact"] = {"ContactID": contact["ContactID"]}
    return tenant.save("Invoice", invoice, given, bump=bool(changed - SILENT))


def _problems(tenant: Tenant, invoice: Stored, *, approved: bool) -> list[str]:
    wrong: list[str] = []
    today = tenant.now().date()
    invoice.setdefault("Date", today)
    if not invoice.get("DueDate") and tenant.doubts.due_date == "required":
        # the exact words of Xero are not known to us
        wrong += ["The document due date must be specified"] if approved else []
    wrong += lock_problems(tenant, invoice["Date"]) if approved else []
    twin = (
        sales_invoice(tenant, invoice["InvoiceNumber"])
        if invoice["Type"] == "ACCREC" and invoice["InvoiceNumber"]
        else None
    )
    if twin is not None and twin["InvoiceID"] != invoice["InvoiceID"]:
        wrong.append("Invoice # must be unique.")
    return [*wrong, *currency_problems(tenant, invoice), *url_problems(invoice), *theme_problems(tenant, invoice)]


def _settle(tenant: Tenant, invoice: Stored) -> None:
    """Number, totals and what follows from them."""
    if invoice["Type"] == "ACCREC" and not invoice["InvoiceNumber"]:
        invoice["InvoiceNumber"] = next_number(tenant, "Invoice", "InvoiceNumber", "INV")
    invoice.update(totals(invoice["LineItems"], invoice["LineAmountTypes"]))
    if invoice["Status"] == "AUTHORISED" and invoice["Total"] < 0:
        raise Invalid("The total of the document cannot be negative")
    invoice.setdefault("CurrencyRate", Decimal("1.0"))
    invoice["AmountDue"] = invoice["Total"] - invoice["AmountPaid"] - invoice["AmountCredited"]
    invoice["IsDiscounted"] = any(
        line.get("DiscountRate") or line.get("DiscountAmount") for line in invoice["LineItems"]
    )
    invoice["DueDate"] = invoice.get("DueDate") or None


def take_payment(tenant: Tenant, invoice: Stored, amount: Decimal, on: date) -> Stored:
    """Move what is due by a payment (negative: a payment is gone). It moves UpdatedDateUTC."""
    return _take(tenant, {**invoice, "AmountPaid": invoice["AmountPaid"] + amount}, on)


def take_credit(tenant: Tenant, invoice: Stored, amount: Decimal, on: date) -> Stored:
    """The same by a credit note, a prepayment or an overpayment."""
    return _take(tenant, {**invoice, "AmountCredited": invoice["AmountCredited"] + amount}, on)


def _take(tenant: Tenant, invoice: Stored, on: date) -> Stored:
    invoice["AmountDue"] = invoice["Total"] - invoice["AmountPaid"] - invoice["AmountCredited"]
    invoice["Status"] = "AUTHORISED" if invoice["AmountDue"] else "PAID"
    invoice["FullyPaidOnDate"] = None if invoice["AmountDue"] else on
    return tenant.save("Invoice", invoice, {name: invoice[name] for name in SETTLES})
