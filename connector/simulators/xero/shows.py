"""The wire form of stored objects: which fields a list, a page and a single answer show (after recorded answers)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.simulators.xero.allocations import allocated_to, allocations_of
from connector.simulators.xero.contacts import show_contact
from connector.simulators.xero.credit_notes import CREDITS
from connector.simulators.xero.payments import paid_document
from connector.simulators.xero.shapes import cents
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.tracking import show_category
from connector.simulators.xero.wire import day_string, moment_string, spell, spell_bare

Body = dict[str, Any]
WRITTEN, FULL, PAGE, LIST, SUMMARY = "written", "full", "page", "list", "summary"
_EMPTY_INVOICE: Mapping[str, Any] = {
    "Payments": [], "CreditNotes": [], "Prepayments": [], "Overpayments": [], "HasErrors": False,
    "IsDiscounted": False, "LineItems": [],
}  # fmt: skip


def show(tenant: Tenant, entity: str, record: Stored, form: str, places: int) -> Body:
    """``form``: written (answers to writes), full (one object), page, list (without pages), summary."""
    if entity == "Contact":
        return show_contact(tenant, record, summary=form == SUMMARY)
    return _SHOWS.get(entity, _plain)(tenant, record, form, places)


def _plain(_tenant: Tenant, record: Stored, _form: str, _places: int) -> Body:
    return spell(record)  # type: ignore[no-any-return]


def _show_item(_tenant: Tenant, item: Stored, _form: str, places: int) -> Body:
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


def _document(tenant: Tenant, record: Stored, form: str, places: int, dates: tuple[str, ...], *, paged: bool) -> Body:
    """What all documents with a contact and lines show. ``paged``: pages of the list show its lines."""
    kept = {name: value for name, value in record.items() if name not in ("Contact", "LineItems", "BankAccount")}
    strings = {f"{name}String": day_string(record[name]) for name in dates if record.get(name)}
    whole = form in (FULL, WRITTEN)
    contact_id = (record.get("Contact") or {}).get("ContactID")
    contact: Body = {}
    if contact_id:
        full = show_contact(tenant, tenant.tables["Contact"][contact_id], balances=False) if whole else {}
        full.pop("HasAttachments", None)
        contact = {"Contact": full or _slim_contact(tenant, contact_id)}
    shown = whole or (paged and form == PAGE)
    lines = [_show_line(line, form, places) for line in record["LineItems"]] if shown else []
    return {**spell(kept), **strings, **contact, "LineItems": lines}


def show_invoice(tenant: Tenant, invoice: Stored, form: str, places: int = 2) -> Body:
    body: Body = {
        **_document(tenant, invoice, form, places, ("Date", "DueDate"), paged=True),
        "UpdatedDateUTCString": moment_string(invoice["UpdatedDateUTC"]),
        "HasAttachments": bool(tenant.files.get(invoice["InvoiceID"])),
        "HasErrors": False,
    }
    if form == SUMMARY:
        return {name: value for name, value in body.items() if name != "LineItems"}
    key = invoice["InvoiceID"]
    body |= {f"{entity}s": _credits_of(tenant, key, entity) for entity in ("Prepayment", "Overpayment")}
    if form == WRITTEN:
        return {name: value for name, value in body.items() if name != "AmountCredited"}
    payments = _payments_of(tenant, "Invoice", key)
    return {**body, "Payments": payments, "CreditNotes": _credits_of(tenant, key, "CreditNote")}


def _show_line(line: Stored, form: str, places: int) -> Body:
    shown = dict(line)
    if shown.get("UnitAmount") is not None:
        shown["UnitAmount"] = cents(shown["UnitAmount"], places)
    whole = form in (FULL, WRITTEN)
    if not whole:
        shown.pop("Item", None)
    body: Body = spell(shown)
    return {**body, "ValidationErrors": []} if whole else body


def _payments_of(tenant: Tenant, entity: str, record_id: str) -> list[Body]:
    names = ("PaymentID", "Date", "Amount", "Reference", "CurrencyRate")
    return [
        {**spell({name: payment[name] for name in names}), "HasAccount": False, "HasValidationErrors": False}
        for payment in tenant.all("Payment")
        if payment["Status"] == "AUTHORISED" and (payment.get(entity) or {}).get(f"{entity}ID") == record_id
    ]


def _credits_of(tenant: Tenant, invoice_id: str, entity: str) -> list[Body]:
    """The credits that stand against an invoice, one entry for each."""
    applied: dict[str, Any] = {}
    for part in allocated_to(tenant, invoice_id, entity):
        applied[part["_of"][1]] = applied.get(part["_of"][1], 0) + part["Amount"]
    out = []
    for record_id, amount in applied.items():
        credit = tenant.tables[entity][record_id]
        numbered = {"CreditNoteNumber": credit["CreditNoteNumber"]} if entity == "CreditNote" else {}
        dated = {"DateString": day_string(credit["Date"]), **spell({"Date": credit["Date"], "Total": credit["Total"]})}
        named = {f"{entity}ID": record_id, **numbered, "ID": record_id}
        if entity == "CreditNote":
            named["HasErrors"] = False
        out.append({**named, "AppliedAmount": float(amount), **dated, "LineItems": []})
    return out


def show_credit(tenant: Tenant, entity: str, credit: Stored, form: str, places: int) -> Body:
    """A credit note, prepayment or overpayment with what was done with it."""
    key = credit[f"{entity}ID"]
    return {
        **_document(tenant, credit, form, places, ("Date", "DueDate"), paged=True),
        "ID": key,
        "Payments": _payments_of(tenant, entity, key),
        "Allocations": [show_allocation(tenant, part) for part in allocations_of(tenant, entity, key)],
        "HasAttachments": bool(tenant.files.get(key)),
        "UpdatedDateUTCString": moment_string(credit["UpdatedDateUTC"]),
    }


def show_allocation(tenant: Tenant, allocation: Stored, entity: str = "") -> Body:
    """Below its credit; with ``entity``, as the answer to its making, which names the credit too."""
    invoice = tenant.tables["Invoice"][allocation["Invoice"]["InvoiceID"]]
    about = {"InvoiceID": invoice["InvoiceID"], "InvoiceNumber": invoice["InvoiceNumber"], **_EMPTY_INVOICE}
    body = {**spell({name: allocation[name] for name in ("AllocationID", "Amount", "Date")}), "Invoice": about}
    if not entity:
        return body
    key = allocation["_of"][1]
    del about["InvoiceNumber"]
    return {
        **body,
        "Invoice": {**about, "ValidationErrors": []},
        entity: {f"{entity}ID": key, "ID": key, "LineItems": []},
    }


def show_payment(tenant: Tenant, payment: Stored, form: str, _places: int = 2) -> Body:
    """What a refund is of stands under Invoice too, by the credit's own id and number (published example)."""
    account = tenant.tables["Account"][payment["Account"]["AccountID"]]
    entity, document = paid_document(tenant, payment)
    named = {"AccountID": account["AccountID"], "Code": account.get("Code")}
    if form in (FULL, WRITTEN):
        named["Name"] = account["Name"]
    if entity == "Invoice" and form in (FULL, WRITTEN):
        about = show_invoice(tenant, document, form)
        about["Contact"] = _slim_contact(tenant, document["Contact"]["ContactID"])
    else:
        about = _paid(tenant, entity, document)
    body = spell({name: value for name, value in payment.items() if name not in CREDITS})
    return {
        **body,
        "UpdatedDateUTCString": moment_string(payment["UpdatedDateUTC"]),
        "Account": spell(named),
        "Invoice": about,
        "HasValidationErrors": False,
    }


def _paid(tenant: Tenant, entity: str, document: Stored) -> Body:
    slim = _slim_contact(tenant, document["Contact"]["ContactID"])
    return {
        "Type": document["Type"],
        "InvoiceID": document[f"{entity}ID"],
        "InvoiceNumber": document.get(f"{entity}Number", ""),
        **_EMPTY_INVOICE,
        "Contact": {name: slim[name] for name in ("ContactID", "Name")},
        "CurrencyCode": document["CurrencyCode"],
    }


def _show_transaction(tenant: Tenant, record: Stored, form: str, places: int) -> Body:
    body = _document(tenant, record, form, places, ("Date",), paged=True)
    attached = bool(tenant.files.get(record["BankTransactionID"]))
    return {**body, "BankAccount": _bank(tenant, record["BankAccount"]), "HasAttachments": attached}


def _bank(tenant: Tenant, named: Mapping[str, Any]) -> Body:
    account = tenant.tables["Account"][named["AccountID"]]
    return spell({name: account.get(name) for name in ("AccountID", "Code", "Name")})  # type: ignore[no-any-return]


def _show_transfer(tenant: Tenant, record: Stored, form: str, _places: int) -> Body:
    accounts = {name: _bank(tenant, record[name]) for name in ("FromBankAccount", "ToBankAccount")}
    made = record["CreatedDateUTC"]
    more: Body = {"CreatedDateUTCString": moment_string(made)[:-1], "DateString": day_string(record["Date"])}
    if form == WRITTEN:
        more["ValidationErrors"] = []
    return {**spell(record), **accounts, **more, "HasAttachments": bool(tenant.files.get(record["BankTransferID"]))}


def _show_order(tenant: Tenant, record: Stored, form: str, places: int) -> Body:
    """Lists show the lines with or without pages."""
    dates = ("Date", "DeliveryDate", "ExpectedArrivalDate")
    form = PAGE if form == LIST else form
    body = _document(tenant, record, form, max(places, 4), dates, paged=True)
    for line in body["LineItems"]:
        line.pop("ValidationErrors", None)
    return {**body, "HasErrors": False, "HasAttachments": bool(tenant.files.get(record["PurchaseOrderID"]))}


def _show_quote(tenant: Tenant, record: Stored, _form: str, _places: int) -> Body:
    """Its times have no zone beside them, its contact is short (published examples)."""
    contact = tenant.tables["Contact"][record["Contact"]["ContactID"]]
    names = ("ContactID", "Name", "EmailAddress", "FirstName", "LastName")
    strings = {f"{name}String": day_string(record[name]) for name in ("Date", "ExpiryDate") if record.get(name)}
    lines = [{name: part for name, part in line.items() if name != "Item"} for line in record["LineItems"]]
    kept = {**record, "Contact": {name: contact.get(name) for name in names}, "LineItems": lines}
    return {**spell_bare(kept), **strings}


def _show_journal(tenant: Tenant, record: Stored, form: str, _places: int) -> Body:
    body: Body = spell(record)
    shown = body["JournalLines"] if form != LIST else []
    return {**body, "JournalLines": shown, "HasAttachments": bool(tenant.files.get(record["ManualJournalID"]))}


def _show_batch(tenant: Tenant, record: Stored, form: str, _places: int) -> Body:
    """Its payments in short (published example)."""
    payments = []
    for payment_id in record["_payments"]:
        payment = tenant.tables["Payment"][payment_id]
        _, document = paid_document(tenant, payment)
        about = {"InvoiceID": document["InvoiceID"], "CurrencyCode": document["CurrencyCode"], **_EMPTY_INVOICE}
        part = {name: payment[name] for name in ("PaymentID", "Amount", "BankAmount")}
        payments.append({"Invoice": about, **spell(part)})
    return {
        **spell(record), "Account": _bank(tenant, record["Account"]), "DateString": day_string(record["Date"]),
        "Payments": payments,
    }  # fmt: skip


_SHOWS: Mapping[str, Callable[[Tenant, Stored, str, int], Body]] = {
    "Invoice": show_invoice,
    "Payment": show_payment,
    "Item": _show_item,
    "CreditNote": lambda tenant, record, form, places: show_credit(tenant, "CreditNote", record, form, places),
    "Prepayment": lambda tenant, record, form, places: show_credit(tenant, "Prepayment", record, form, places),
    "Overpayment": lambda tenant, record, form, places: show_credit(tenant, "Overpayment", record, form, places),
    "BankTransaction": _show_transaction,
    "BankTransfer": _show_transfer,
    "BatchPayment": _show_batch,
    "PurchaseOrder": _show_order,
    "Quote": _show_quote,
    "ManualJournal": _show_journal,
    "TrackingCategory": lambda _tenant, record, _form, _places: show_category(record),
}


def searchable(tenant: Tenant, entity: str, record: Stored) -> Mapping[str, Any]:
    """What where and order see: references with their names, numbers as Decimal, dates as dates."""
    if entity == "Payment":
        kind, document = paid_document(tenant, record)
        account = tenant.tables["Account"][record["Account"]["AccountID"]]
        about = searchable(tenant, kind, document)
        return {**record, kind: about, "Invoice": {**about, "InvoiceID": document[f"{kind}ID"]}, "Account": account}
    view: dict[str, Any] = {**record, "HasAttachments": False}
    if record.get("Contact"):
        contact = tenant.tables["Contact"][record["Contact"]["ContactID"]]
        view["Contact"] = {name: contact.get(name) for name in ("ContactID", "Name", "ContactNumber")}
    for name in ("BankAccount", "FromBankAccount", "ToBankAccount"):
        if record.get(name):
            view[name] = tenant.tables["Account"][record[name]["AccountID"]]
    return view
