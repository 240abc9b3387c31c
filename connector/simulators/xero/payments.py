"""Payments of invoices and bills, and refunds of credits: created and deleted, never changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.simulators.xero.accounts import TABLE as ACCOUNT
from connector.simulators.xero.accounts import account_by_code
from connector.simulators.xero.credit_notes import CREDITS, credit_by_number, settle_credit
from connector.simulators.xero.credit_notes import TABLE as CREDIT
from connector.simulators.xero.documents import check_locks
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.invoices import TABLE as INVOICE
from connector.simulators.xero.invoices import sales_invoice, take_payment
from connector.simulators.xero.shapes import Table, choice, day, flag, guid, money, named, number, record, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

TABLE: Table = {
    "PaymentID": guid,
    "Invoice": record(named(INVOICE, "Invoice")), "CreditNote": record(named(CREDIT, "CreditNote")),
    "Prepayment": record(named(CREDIT, "Prepayment")), "Overpayment": record(named(CREDIT, "Overpayment")),
    "Account": record({**dict.fromkeys(ACCOUNT), "AccountID": guid, "Code": text(10)}),
    "Date": day, "Amount": money, "Reference": text(255),
    "CurrencyRate": number, "BankAmount": money, "IsReconciled": flag,
    "Status": choice("PaymentStatus", "AUTHORISED", "DELETED"), "PaymentType": None, "UpdatedDateUTC": None,
    "UpdatedDateUTCString": None, "HasAccount": None, "HasValidationErrors": None, "ValidationErrors": None,
    "StatusAttributeString": None, "Warnings": None, "InvoiceNumber": text(255), "CreditNoteNumber": text(255),
    "Code": text(10), "BatchPayment": None, "BatchPaymentID": None, "BankAccountNumber": text(50),
    "Particulars": text(50), "Details": text(50),
}  # fmt: skip
# what is paid, by the type of the document
TYPES = {
    "ACCREC": "ACCRECPAYMENT", "ACCPAY": "ACCPAYPAYMENT", "ACCRECCREDIT": "ARCREDITPAYMENT",
    "ACCPAYCREDIT": "APCREDITPAYMENT", "RECEIVE-PREPAYMENT": "ARPREPAYMENTPAYMENT",
    "SPEND-PREPAYMENT": "APPREPAYMENTPAYMENT", "RECEIVE-OVERPAYMENT": "AROVERPAYMENTPAYMENT",
    "SPEND-OVERPAYMENT": "APOVERPAYMENTPAYMENT",
}  # fmt: skip


def write_payment(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create a payment, or delete a known one."""
    if known is not None:
        return _delete(tenant, known, given)
    entity, document = _document(tenant, given)
    account = _account(tenant, given)
    amount, on = given.get("Amount", Decimal(0)), given.get("Date") or tenant.now().date()
    due = document["AmountDue"] if entity == "Invoice" else document["RemainingCredit"]
    if document["Status"] != "AUTHORISED":
        raise Invalid("Payments can only be made against Authorised documents")
    if amount <= 0:
        raise Invalid("The payment amount must be greater than zero")
    if amount > due:
        raise Invalid("Payment amount exceeds the amount outstanding on this document")
    if account["Status"] != "ACTIVE" or not (account["Type"] == "BANK" or account["EnablePaymentsToAccount"]):
        raise Invalid("Account type is invalid for making a payment to/from")
    check_locks(tenant, on, posted=True)
    rate = given.get("CurrencyRate") or document.get("CurrencyRate") or Decimal("1.0")
    payment = {
        "PaymentID": new_id(), "Date": on, "BankAmount": given.get("BankAmount", amount), "Amount": amount,
        "Reference": given.get("Reference", ""), "CurrencyRate": rate, "PaymentType": TYPES[document["Type"]],
        "Status": "AUTHORISED", "HasAccount": True, "IsReconciled": given.get("IsReconciled", False),
        "Account": {"AccountID": account["AccountID"]}, entity: {f"{entity}ID": document[f"{entity}ID"]},
    }  # fmt: skip
    stored = tenant.save("Payment", payment, given)
    _settle(tenant, stored, amount)
    return stored


def _settle(tenant: Tenant, payment: Stored, amount: Decimal) -> None:
    """The document after a payment of ``amount`` (negative: it is gone)."""
    entity, document = paid_document(tenant, payment)
    if entity == "Invoice":
        take_payment(tenant, document, amount, payment["Date"])
    else:
        settle_credit(tenant, entity, document, payment["Date"])


def paid_document(tenant: Tenant, payment: Stored) -> tuple[str, Stored]:
    """The invoice or the credit that a payment is of."""
    entity = next(name for name in ("Invoice", *CREDITS) if payment.get(name))
    return entity, tenant.tables[entity][payment[entity][f"{entity}ID"]]


def _delete(tenant: Tenant, known: Stored, given: dict[str, Any]) -> Stored:
    if given.get("Status") != "DELETED" or set(given) - {"PaymentID", "Status"}:
        raise Invalid("Payments cannot be modified, only created and deleted")
    if known.get("BatchPayment"):
        raise Invalid("This payment is part of a batch payment and cannot be deleted by itself")
    if known["Status"] == "DELETED":
        raise Invalid("Payment not of valid status for modification")
    if known["IsReconciled"]:
        raise Invalid("This payment has been reconciled and cannot be deleted")
    check_locks(tenant, known["Date"], posted=True)
    stored = tenant.save("Payment", {**known, "Status": "DELETED"}, given)
    _settle(tenant, stored, -known["Amount"])
    return stored


def _document(tenant: Tenant, given: dict[str, Any]) -> tuple[str, Stored]:
    named = [name for name in ("Invoice", *CREDITS) if given.get(name)]
    if len(named) > 1:
        raise Invalid("A payment is of one document")
    entity = named[0] if named else "CreditNote" if given.get("CreditNoteNumber") else "Invoice"
    asked = given.get(entity) or {f"{entity}Number": given.get(f"{entity}Number")}
    by_number = {"Invoice": sales_invoice, "CreditNote": credit_by_number}
    record_id, its_number = asked.get(f"{entity}ID"), asked.get(f"{entity}Number")
    found = None
    if record_id:
        found = tenant.get(entity, record_id)
    elif its_number:
        found = by_number[entity](tenant, its_number)
    if found is None:
        raise Invalid("The document with the supplied id was not found for this endpoint.")
    return entity, found


def _account(tenant: Tenant, given: dict[str, Any]) -> Stored:
    asked = given.get("Account") or {"Code": given.get("Code")}
    if asked.get("AccountID"):
        found = tenant.get("Account", asked["AccountID"])
    else:
        found = account_by_code(tenant, asked["Code"]) if asked.get("Code") else None
    if found is None:
        raise Invalid("Account could not be found")
    return found
