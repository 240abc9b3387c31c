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
from connector.simulators.xero.contacts import ARCHIVED, match_contact, write_contact
from connector.simulators.xero.contacts import TABLE as CONTACT
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, day, empty_only, flag, guid, number, record, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

ZERO = Decimal("0.00")
STATUSES = ("DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED")
TABLE: Table = {
    "InvoiceID": guid, "Type": choice("InvoiceType", "ACCREC", "ACCPAY"), "Contact": record(CONTACT),
    "LineItems": rows(lines.TABLE), "Date": day, "DueDate": day,
    "LineAmountTypes": choice("LineAmountType", "Exclusive", "Inclusive", "NoTax"), "InvoiceNumber": text(255),
    "Reference": text(255), "BrandingThemeID": guid, "Url": text(2000), "CurrencyCode": text(3), "CurrencyRate": number,
    "Status": choice("InvoiceStatus", *STATUSES), "SentToContact": flag, "ExpectedPaymentDate": day,
    "PlannedPaymentDate": day, "Attachments": empty_only, "Payments": None, "CreditNotes": None, "Prepayments": None,
    "Overpayments": None, "SubTotal": None, "TotalTax": None, "Total": None, "TotalDiscount": None,
    "HasAttachments": None,
    "IsDiscounted": None, "AmountDue": None, "AmountPaid": None, "AmountCredited": None, "FullyPaidOnDate": None,
    "UpdatedDateUTC": None, "UpdatedDateUTCString": None, "DateString": None, "DueDateString": None, "HasErrors": None,
    "StatusAttributeString": None, "ValidationErrors": None, "Warnings": None, "InvoicePaymentServices": None,
}  # fmt: skip
NEXT_STATES: Mapping[str, frozenset[str]] = {
    "": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED"}),
    "DRAFT": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "SUBMITTED": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "AUTHORISED": frozenset({"AUTHORISED", "VOIDED"}),
    "PAID": frozenset({"PAID"}),
    "VOIDED": frozenset(),
    "DELETED": frozenset(),
}
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
    contact = _find_contact(tenant, given, old)
    approved = invoice["Status"] in ("SUBMITTED", "AUTHORISED")
    if old.get("Status") == "AUTHORISED":
        check_locks(tenant, old["Date"], posted=True)
    writer = lines.LineWriter(tenant, invoice["Type"], invoice["LineAmountTypes"], approved=approved, places=places)
    invoice["LineItems"] = _write_lines(writer, given, old)
    writer.problems[:0] = _problems(tenant, invoice, approved=approved)
    lines.check_lines(writer, invoice["LineItems"])
    _settle(tenant, invoice)
    contact = _keep_contact(tenant, given, contact)
    invoice["Contact"] = {"ContactID": contact["ContactID"]}
    if invoice["Status"] == "AUTHORISED":
        contact["IsCustomer" if invoice["Type"] == "ACCREC" else "IsSupplier"] = True
    stored = tenant.save("Invoice", invoice, given)
    return {**stored, "_warnings": writer.warnings}


def _write_lines(writer: lines.LineWriter, given: Mapping[str, Any], old: Mapping[str, Any]) -> list[Stored]:
    """The sent lines, or the kept ones: those keep their four places, and their tax unless its mode has changed."""
    known = old.get("LineItems", ())
    if "LineItems" in given or not old:
        return writer.write(given.get("LineItems", ()), known)
    writer.places = 4
    dropped = {"TaxAmount"} if writer.mode != old["LineAmountTypes"] else set()
    return writer.write([{name: line[name] for name in line if name not in dropped} for line in known], known)


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
    return tenant.save("Invoice", invoice, given)


def _beside_payments(tenant: Tenant, old: Mapping[str, Any], given: Mapping[str, Any]) -> Stored:
    changed = {name for name, value in given.items() if name not in ("InvoiceID", "Type") and old.get(name) != value}
    free = PAID_BILL if old["Type"] == "ACCPAY" and old["Status"] == "PAID" else BESIDE_PAYMENTS
    if changed - free:
        raise Invalid("This document cannot be edited as it has a payment or credit note allocated to it.")
    invoice = {**old, **given}
    contact = _keep_contact(tenant, given, _find_contact(tenant, given, old))
    invoice["Contact"] = {"ContactID": contact["ContactID"]}
    return tenant.save("Invoice", invoice, given, bump=bool(changed - SILENT))


def _find_contact(tenant: Tenant, given: Mapping[str, Any], old: Mapping[str, Any]) -> Stored | None:
    """The contact of the document; None when its name is new."""
    asked = given.get("Contact") or old.get("Contact")
    if not asked:
        raise Invalid("A Contact must be specified for this type of transaction")
    found = match_contact(tenant, asked)
    if found is None and asked.get("ContactID"):
        raise Invalid("The Contact could not be found")
    if found is not None and found["ContactStatus"] == "ARCHIVED":
        raise Invalid(ARCHIVED)
    return found


def _keep_contact(tenant: Tenant, given: Mapping[str, Any], found: Stored | None) -> Stored:
    """More than an id in a document's contact changes that contact, or makes one: Xero does so."""
    asked = given.get("Contact") or {}
    if found is None or any(found.get(name) != value for name, value in asked.items()):
        return write_contact(tenant, dict(asked), found)
    return found


def _problems(tenant: Tenant, invoice: Stored, *, approved: bool) -> list[str]:
    wrong: list[str] = []
    today = tenant.now().date()
    invoice.setdefault("Date", today)
    if not invoice.get("DueDate"):
        # the exact words of Xero are not known to us
        wrong += ["The document due date must be specified"] if approved else []
    if approved:
        try:
            check_locks(tenant, invoice["Date"], posted=True)
        except Invalid as locked:
            wrong += locked.messages
    twin = (
        sales_invoice(tenant, invoice["InvoiceNumber"])
        if invoice["Type"] == "ACCREC" and invoice["InvoiceNumber"]
        else None
    )
    if twin is not None and twin["InvoiceID"] != invoice["InvoiceID"]:
        wrong.append("Invoice # must be unique.")
    invoice["CurrencyCode"] = invoice.get("CurrencyCode") or tenant.organisation["BaseCurrency"]
    if invoice["CurrencyCode"] not in tenant.currencies:
        wrong.append(f"Organisation is not subscribed to currency {invoice['CurrencyCode']}")
    if "xero" in str(invoice.get("Url") or "").lower():
        wrong.append("The Url must not contain the word xero")
    return wrong


def check_locks(tenant: Tenant, day_: date, *, posted: bool) -> None:
    organisation = tenant.organisation
    for name, words in (("EndOfYearLockDate", "end of year lock date"), ("PeriodLockDate", "period lock date")):
        locked = organisation.get(name)
        if posted and locked is not None and day_ <= locked:
            raise Invalid(f"The document date cannot be before the {words}, currently set to {locked.isoformat()}")


def _settle(tenant: Tenant, invoice: Stored) -> None:
    """Number, totals and what follows from them."""
    if invoice["Type"] == "ACCREC" and not invoice["InvoiceNumber"]:
        invoice["InvoiceNumber"] = _next_number(tenant)
    invoice.update(totals(invoice["LineItems"], invoice["LineAmountTypes"]))
    if invoice["Status"] == "AUTHORISED" and invoice["Total"] < 0:
        raise Invalid("The total of the document cannot be negative")
    invoice.setdefault("CurrencyRate", Decimal("1.0"))
    invoice["AmountDue"] = invoice["Total"] - invoice["AmountPaid"] - invoice["AmountCredited"]
    invoice["IsDiscounted"] = any(
        line.get("DiscountRate") or line.get("DiscountAmount") for line in invoice["LineItems"]
    )
    invoice["DueDate"] = invoice.get("DueDate") or None


def _next_number(tenant: Tenant) -> str:
    taken = {invoice["InvoiceNumber"] for invoice in tenant.all("Invoice")}
    return next(name for at in range(1, len(taken) + 2) if (name := f"INV-{at:04d}") not in taken)


def take_payment(tenant: Tenant, invoice: Stored, amount: Decimal, on: date) -> Stored:
    """Move what is due by a payment (negative: a payment is gone). It moves UpdatedDateUTC."""
    changed = dict(invoice)
    changed["AmountPaid"] = invoice["AmountPaid"] + amount
    changed["AmountDue"] = invoice["Total"] - changed["AmountPaid"] - invoice["AmountCredited"]
    changed["Status"] = "AUTHORISED" if changed["AmountDue"] else "PAID"
    changed["FullyPaidOnDate"] = None if changed["AmountDue"] else on
    said = {name: changed[name] for name in ("Status", "AmountPaid", "AmountDue")}
    return tenant.save("Invoice", changed, said)
