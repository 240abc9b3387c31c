"""Allocations: a part of a credit note, prepayment or overpayment, taken off what an invoice or bill still owes.

Made and taken away, never changed. They have no time of their own: they are seen in both documents.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.simulators.xero.credit_notes import settle_credit
from connector.simulators.xero.documents import check_locks
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.invoices import TABLE as INVOICE
from connector.simulators.xero.invoices import sales_invoice, take_credit
from connector.simulators.xero.shapes import Table, day, money, named, record
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

TABLE: Table = {
    "AllocationID": None, "Amount": money, "Date": day,
    "Invoice": record(named(INVOICE, "Invoice")),
    "CreditNote": None, "Prepayment": None, "Overpayment": None, "IsDeleted": None, "StatusAttributeString": None,
    "ValidationErrors": None,
}  # fmt: skip
# which documents a credit can be set against
AGAINST = {
    "ACCRECCREDIT": "ACCREC", "ACCPAYCREDIT": "ACCPAY", "RECEIVE-PREPAYMENT": "ACCREC", "SPEND-PREPAYMENT": "ACCPAY",
    "RECEIVE-OVERPAYMENT": "ACCREC", "SPEND-OVERPAYMENT": "ACCPAY",
}  # fmt: skip


def allocate(tenant: Tenant, entity: str, credit: Stored, given: dict[str, Any]) -> Stored:
    """Raises Invalid. Where the facts have no words of Xero's, these are ours."""
    if missing := [name for name in ("Amount", "Invoice", "Date") if not given.get(name)]:
        raise Invalid(*(f"{name} is a required field" for name in missing))
    if credit["Status"] != "AUTHORISED":
        raise Invalid("Only AUTHORISED credits can be allocated: not of valid status for modification")
    invoice = _invoice(tenant, given["Invoice"])
    amount, on = given["Amount"], given["Date"]
    if invoice["Status"] != "AUTHORISED":
        raise Invalid("Credits can only be made against Authorised documents")
    if invoice["Type"] != AGAINST[credit["Type"]]:
        raise Invalid(f"A {credit['Type']} cannot be allocated to a document of type {invoice['Type']}")
    if tenant.doubts.contact_of_allocation == "same" and invoice["Contact"] != credit["Contact"]:
        raise Invalid("The contact of the credit and of the document must be the same")
    if amount <= 0:
        raise Invalid("The amount must be greater than zero")
    if amount > credit["RemainingCredit"]:
        raise Invalid("The amount to allocate exceeds the remaining credit")
    if amount > invoice["AmountDue"]:
        raise Invalid("The amount to allocate exceeds the outstanding amount of the document")
    check_locks(tenant, on, posted=True)
    made = {
        "AllocationID": new_id(), "Amount": amount, "Date": on, "Invoice": {"InvoiceID": invoice["InvoiceID"]},
        "_of": (entity, credit[f"{entity}ID"]),
    }  # fmt: skip
    tenant.allocations[made["AllocationID"]] = made
    tenant.committed("Allocation", made["AllocationID"], "create", dict(given))
    settle_credit(tenant, entity, credit, on)
    take_credit(tenant, invoice, amount, on)
    return made


def take_back(tenant: Tenant, entity: str, credit: Stored, allocation: Stored) -> None:
    """Undo one allocation."""
    check_locks(tenant, allocation["Date"], posted=True)
    del tenant.allocations[allocation["AllocationID"]]
    tenant.committed("Allocation", allocation["AllocationID"], "delete", {})
    on: Any = allocation["Date"]
    settle_credit(tenant, entity, credit, on, bump=tenant.doubts.allocation_deleted == "bumps")
    invoice = tenant.tables["Invoice"][allocation["Invoice"]["InvoiceID"]]
    take_credit(tenant, invoice, Decimal(0) - allocation["Amount"], on)


def allocations_of(tenant: Tenant, entity: str, record_id: str) -> list[Stored]:
    return [part for part in tenant.allocations.values() if part["_of"] == (entity, record_id)]


def allocated_to(tenant: Tenant, invoice_id: str, entity: str) -> list[Stored]:
    """The allocations of one kind of credit to an invoice."""
    return [
        part
        for part in tenant.allocations.values()
        if part["_of"][0] == entity and part["Invoice"]["InvoiceID"] == invoice_id
    ]


def _invoice(tenant: Tenant, asked: dict[str, Any]) -> Stored:
    if asked.get("InvoiceID"):
        found = tenant.get("Invoice", asked["InvoiceID"])
    else:
        found = sales_invoice(tenant, asked["InvoiceNumber"]) if asked.get("InvoiceNumber") else None
    if found is None:
        raise Invalid("The document with the supplied id was not found for this endpoint.")
    return found
