"""Payments: created and deleted, never changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.simulators.xero.accounts import account_by_code
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.invoices import check_locks, sales_invoice, take_payment
from connector.simulators.xero.shapes import Table, choice, day, empty_only, flag, guid, money, number, record, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

TABLE: Table = {
    "PaymentID": guid,
    "Invoice": record({"InvoiceID": guid, "InvoiceNumber": text(255), "LineItems": empty_only, "Type": text(20)}),
    "Account": record({"AccountID": guid, "Code": text(10)}), "Date": day, "Amount": money, "Reference": text(255),
    "CurrencyRate": number, "BankAmount": money, "IsReconciled": flag,
    "Status": choice("PaymentStatus", "AUTHORISED", "DELETED"), "PaymentType": None, "UpdatedDateUTC": None,
    "UpdatedDateUTCString": None, "HasAccount": None, "HasValidationErrors": None, "ValidationErrors": None,
    "StatusAttributeString": None, "Warnings": None, "InvoiceNumber": text(255), "Code": text(10),
}  # fmt: skip


def write_payment(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create a payment, or delete a known one."""
    if known is not None:
        return _delete(tenant, known, given)
    invoice, account = _invoice(tenant, given), _account(tenant, given)
    amount = given.get("Amount", Decimal(0))
    on = given.get("Date") or tenant.now().date()
    if invoice["Status"] != "AUTHORISED":
        raise Invalid("Payments can only be made against Authorised documents")
    if amount <= 0:
        raise Invalid("The payment amount must be greater than zero")
    if amount > invoice["AmountDue"]:
        raise Invalid("Payment amount exceeds the amount outstanding on this document")
    if account["Status"] != "ACTIVE" or not (account["Type"] == "BANK" or account["EnablePaymentsToAccount"]):
        raise Invalid("Account type is invalid for making a payment to/from")
    check_locks(tenant, on, posted=True)
    rate = given.get("CurrencyRate") or invoice.get("CurrencyRate") or Decimal("1.0")
    payment = {
        "PaymentID": new_id(), "Date": on, "BankAmount": given.get("BankAmount", amount), "Amount": amount,
        "Reference": given.get("Reference", ""), "CurrencyRate": rate, "PaymentType": f"{invoice['Type']}PAYMENT",
        "Status": "AUTHORISED", "HasAccount": True, "IsReconciled": given.get("IsReconciled", False),
        "Account": {"AccountID": account["AccountID"]}, "Invoice": {"InvoiceID": invoice["InvoiceID"]},
    }  # fmt: skip
    stored = tenant.save("Payment", payment, given)
    take_payment(tenant, invoice, amount, on)
    return stored


def _delete(tenant: Tenant, known: Stored, given: dict[str, Any]) -> Stored:
    if given.get("Status") != "DELETED" or set(given) - {"PaymentID", "Status"}:
        raise Invalid("Payments cannot be modified, only created and deleted")
    if known["Status"] == "DELETED":
        raise Invalid("Payment not of valid status for modification")
    if known["IsReconciled"]:
        raise Invalid("This payment has been reconciled and cannot be deleted")
    check_locks(tenant, known["Date"], posted=True)
    invoice = tenant.tables["Invoice"][known["Invoice"]["InvoiceID"]]
    stored = tenant.save("Payment", {**known, "Status": "DELETED"}, given)
    take_payment(tenant, invoice, -known["Amount"], known["Date"])
    return stored


def _invoice(tenant: Tenant, given: dict[str, Any]) -> Stored:
    asked = given.get("Invoice") or {"InvoiceNumber": given.get("InvoiceNumber")}
    if asked.get("InvoiceID"):
        found = tenant.get("Invoice", asked["InvoiceID"])
    else:
        found = sales_invoice(tenant, asked["InvoiceNumber"]) if asked.get("InvoiceNumber") else None
    if found is None:
        raise Invalid("The document with the supplied id was not found for this endpoint.")
    return found


def _account(tenant: Tenant, given: dict[str, Any]) -> Stored:
    asked = given.get("Account") or {"Code": given.get("Code")}
    if asked.get("AccountID"):
        found = tenant.get("Account", asked["AccountID"])
    else:
        found = account_by_code(tenant, asked["Code"]) if asked.get("Code") else None
    if found is None:
        raise Invalid("Account could not be found")
    return found
