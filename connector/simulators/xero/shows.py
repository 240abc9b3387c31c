"""The wire form of stored objects: which fields a list, a page and a single answer show (after recorded answers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.simulators.xero.contacts import show_contact
from connector.simulators.xero.shapes import cents
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import day_string, moment_string, spell

Body = dict[str, Any]
WRITTEN, FULL, PAGE, LIST, SUMMARY = "written", "full", "page", "list", "summary"


def show(tenant: Tenant, entity: str, record: Stored, form: str, places: int) -> Body:
    """``form``: written (answers to writes), full (one object), page, list (without pages), summary."""
    if entity == "Invoice":
        return show_invoice(tenant, record, form, places)
    if entity == "Payment":
        return show_payment(tenant, record, form)
    if entity == "Contact":
        return show_contact(tenant, record, summary=form == SUMMARY)
    if entity == "Item":
        return _show_item(record, places)
    return spell(record)  # type: ignore[no-any-return]


def _show_item(item: Stored, places: int) -> Body:
    body = dict(item)
    for side in ("SalesDetails", "PurchaseDetails"):
        details = dict(body.get(side) or {})
        if details.get("UnitPrice") is not None:
            details["UnitPrice"] = cents(details["UnitPrice"], places)
        body[side] = details
    return spell(body)  # type: ignore[no-any-return]


def _slim_contact(tenant: Tenant, contact_id: str) -> Body:
    empty: Body = {name: [] for name in ("Addresses", "Phones", "ContactGroups", "ContactPersons")}
    name = tenant.tables["Contact"][contact_id]["Name"]
    return {"ContactID": contact_id, "Name": name, **empty, "HasValidationErrors": False}


def show_invoice(tenant: Tenant, invoice: Stored, form: str, places: int = 2) -> Body:
    contact_id = invoice["Contact"]["ContactID"]
    dates = {f"{name}String": day_string(invoice[name]) for name in ("Date", "DueDate") if invoice.get(name)}
    kept = {name: value for name, value in invoice.items() if name not in ("Contact", "LineItems")}
    whole = form in (FULL, WRITTEN)
    full_contact = whole and show_contact(tenant, tenant.tables["Contact"][contact_id], balances=False)
    body: Body = {
        **spell(kept),
        **dates,
        "UpdatedDateUTCString": moment_string(invoice["UpdatedDateUTC"]),
        "Contact": full_contact or _slim_contact(tenant, contact_id),
        "LineItems": []
        if form in (LIST, SUMMARY)
        else [_show_line(line, form, places) for line in invoice["LineItems"]],
        "HasAttachments": False,
        "HasErrors": False,
        "Prepayments": [],
        "Overpayments": [],
    }
    if form == SUMMARY:
        return {name: value for name, value in body.items() if name not in ("LineItems", "Prepayments", "Overpayments")}
    if form == WRITTEN:
        return {name: value for name, value in body.items() if name != "AmountCredited"}
    return {**body, "Payments": _payments_of(tenant, invoice["InvoiceID"]), "CreditNotes": []}


def _show_line(line: Stored, form: str, places: int) -> Body:
    shown = dict(line)
    if shown.get("UnitAmount") is not None:
        shown["UnitAmount"] = cents(shown["UnitAmount"], places)
    whole = form in (FULL, WRITTEN)
    if not whole:
        shown.pop("Item", None)
    body: Body = spell(shown)
    return {**body, "ValidationErrors": []} if whole else body


def _payments_of(tenant: Tenant, invoice_id: str) -> list[Body]:
    names = ("PaymentID", "Date", "Amount", "Reference", "CurrencyRate")
    return [
        {**spell({name: payment[name] for name in names}), "HasAccount": False, "HasValidationErrors": False}
        for payment in tenant.all("Payment")
        if payment["Invoice"]["InvoiceID"] == invoice_id and payment["Status"] == "AUTHORISED"
    ]


def show_payment(tenant: Tenant, payment: Stored, form: str) -> Body:
    account = tenant.tables["Account"][payment["Account"]["AccountID"]]
    invoice = tenant.tables["Invoice"][payment["Invoice"]["InvoiceID"]]
    named = {"AccountID": account["AccountID"], "Code": account.get("Code")}
    about = show_invoice(tenant, invoice, form) if form in (FULL, WRITTEN) else _payment_invoice(tenant, invoice)
    if form in (FULL, WRITTEN):
        about["Contact"] = _slim_contact(tenant, invoice["Contact"]["ContactID"])
        named["Name"] = account["Name"]
    return {
        **spell(payment),
        "UpdatedDateUTCString": moment_string(payment["UpdatedDateUTC"]),
        "Account": spell(named),
        "Invoice": about,
        "HasValidationErrors": False,
    }


def _payment_invoice(tenant: Tenant, invoice: Stored) -> Body:
    slim = _slim_contact(tenant, invoice["Contact"]["ContactID"])
    empty: Body = {name: [] for name in ("Payments", "CreditNotes", "Prepayments", "Overpayments", "LineItems")}
    return {
        "Type": invoice["Type"],
        "InvoiceID": invoice["InvoiceID"],
        "InvoiceNumber": invoice["InvoiceNumber"],
        **empty,
        "IsDiscounted": False,
        "HasErrors": False,
        "Contact": {name: slim[name] for name in ("ContactID", "Name")},
        "CurrencyCode": invoice["CurrencyCode"],
    }


def searchable(tenant: Tenant, entity: str, record: Stored) -> Mapping[str, Any]:
    """What where and order see: references with their names, numbers as Decimal, dates as dates."""
    if entity == "Invoice":
        contact = tenant.tables["Contact"][record["Contact"]["ContactID"]]
        known = {name: contact.get(name) for name in ("ContactID", "Name", "ContactNumber")}
        return {**record, "Contact": known, "HasAttachments": False}
    if entity == "Payment":
        invoice = tenant.tables["Invoice"][record["Invoice"]["InvoiceID"]]
        account = tenant.tables["Account"][record["Account"]["AccountID"]]
        return {**record, "Invoice": searchable(tenant, "Invoice", invoice), "Account": account}
    return record
