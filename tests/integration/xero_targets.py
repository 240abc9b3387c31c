"""The kinds of writes of the fault matrix: what is asked, how it is found again, and all that must stand in Xero then.

Amounts are written out, not reckoned: 3 × 33.335 is 100.01 and its 20 % 20.00; 10.45 at 5 % is 0.52, and 0.50 of it
where it holds its tax already (rounded a line, half up: facts §5.5).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from connector.core.values import Fields, Value
from connector.simulators.xero.store import Stored, Tenant
from tests.integration.xero_rig import Rig

DAY, DUE = date(2026, 10, 5), date(2026, 11, 4)
CONTENT: str = base64.b64encode(b"hello").decode()
PARENT_ALONE = "its address names the object that it stands below: one call each"
Found = Callable[[Tenant, str], list[Stored]]


@dataclass(frozen=True)
class Target:
    """One kind of write. ``fields`` are those for a mark, ``look`` the criteria that find it, ``standing`` what the
    books hold of it, ``reckoned`` what Xero must have added. ``alone``: why no call holds several of them."""

    name: str
    entity: str
    fields: Callable[[Rig, str], Fields]
    look: Callable[[Rig, str], Fields]
    standing: Found
    reckoned: Fields
    alone: str = ""

    def mark(self, number: int) -> str:
        by_url = self.name.endswith("by url")
        return f"https://example.org/{number}?tl=ab-{number}" if by_url else f"M-{number}"

    def wrong(self, rig: Rig, mark: str, found: Stored) -> list[str]:
        """Where the object that stands is not what was asked."""
        wanted = {**self.fields(rig, mark), **self.reckoned}
        return list(unlike(rig.world.first, self.entity, wanted, found))


REFERENCES = {
    "Contact": "ContactID", "Invoice": "InvoiceID", "CreditNote": "CreditNoteID", "PurchaseOrder": "PurchaseOrderID",
}  # fmt: skip
ACCOUNTS = ("Account", "BankAccount", "FromBankAccount", "ToBankAccount")


def unlike(tenant: Tenant, where: str, wanted: Any, found: Any) -> Iterator[str]:
    """Every value that was asked and does not stand: references by id, accounts by code, lists place by place."""
    name = where.rpartition(".")[2]
    if name in REFERENCES and isinstance(wanted, str):
        wanted = {REFERENCES[name]: wanted}
    if name in ACCOUNTS and isinstance(wanted, Mapping):
        account = tenant.first("Account", lambda one: one["Code"] == wanted["Code"])
        wanted = {"AccountID": account["AccountID"] if account is not None else None}
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for part, value in wanted.items():
            yield from unlike(tenant, f"{where}.{part}", value, found.get(part))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for place, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from unlike(tenant, f"{where}.{place}", one, other)
    elif wanted != found:
        yield f"{where}: {found!r}, not {wanted!r}"


def _of(entity: str, name: str) -> Found:
    return lambda tenant, mark: [one for one in tenant.all(entity) if one.get(name) == mark]


def _simple(
    name: str, mark_field: str, more: Fields, reckoned: Fields, *, contact: bool = True, alone: str = ""
) -> Target:
    """``name`` begins with the entity."""
    entity = name.partition(" ")[0]

    def fields(rig: Rig, mark: str) -> Fields:
        return {**more, mark_field: mark, **({"Contact": rig.contact()} if contact else {})}

    def look(_rig: Rig, mark: str) -> Fields:
        return {mark_field: mark}

    return Target(name, entity, fields, look, _of(entity, mark_field), reckoned, alone)


def _owed(rig: Rig) -> str:
    """An approved invoice with plenty due, made by hand once."""
    found = rig.world.first.first("Invoice", lambda one: one["InvoiceNumber"] == "OWED")
    if found is None:
        line = {"Description": "x", "Quantity": 1, "UnitAmount": 1_000_000, "AccountCode": "200", "TaxType": "NONE"}
        made = rig.world.edit("Invoice", None, {
            "Type": "ACCREC", "InvoiceNumber": "OWED", "Contact": {"ContactID": rig.contact()}, "LineItems": [line],
            "Date": "2026-10-01", "DueDate": "2026-10-31", "Status": "AUTHORISED"})  # fmt: skip
        return str(made["InvoiceID"])
    return str(found["InvoiceID"])


def _credit(rig: Rig) -> str:
    found = rig.world.first.first("CreditNote", lambda one: one["CreditNoteNumber"] == "CREDIT")
    if found is None:
        line = {"Description": "x", "Quantity": 1, "UnitAmount": 1_000_000, "AccountCode": "200", "TaxType": "NONE"}
        found = dict(rig.world.edit("CreditNote", None, {
            "Type": "ACCRECCREDIT", "CreditNoteNumber": "CREDIT", "Contact": {"ContactID": rig.contact()},
            "LineItems": [line], "Date": "2026-10-01", "Status": "AUTHORISED"}))  # fmt: skip
    return str(found["CreditNoteID"])


def _amount(mark: str) -> Decimal:
    """An amount of its own for each mark: allocations carry nothing else."""
    return Decimal(int(mark.rpartition("-")[2])) / 100


def _order(rig: Rig, mark: str) -> str:
    """A document of its own for each file: a document takes ten."""
    number = f"FOR {mark}"
    found = rig.world.first.first("PurchaseOrder", lambda one: one["PurchaseOrderNumber"] == number)
    if found is None:
        line = {"Description": "x", "UnitAmount": 1, "AccountCode": "400"}
        found = dict(rig.world.edit("PurchaseOrder", None, {
            "PurchaseOrderNumber": number, "Contact": {"ContactID": rig.contact()}, "LineItems": [line]}))  # fmt: skip
    return str(found["PurchaseOrderID"])


def _allocations(tenant: Tenant, mark: str) -> list[Stored]:
    found = [one for one in tenant.allocations.values() if one["Amount"] == _amount(mark)]
    return [{**one, one["_of"][0]: {f"{one['_of'][0]}ID": one["_of"][1]}} for one in found]


def _notes(tenant: Tenant, mark: str) -> list[Stored]:
    return [
        {**note, "Invoice": {"InvoiceID": owner}}
        for owner, notes in tenant.notes.items() for note in notes if note["Details"] == mark
    ]  # fmt: skip


def _files(tenant: Tenant, mark: str) -> list[Stored]:
    order = tenant.first("PurchaseOrder", lambda one: one["PurchaseOrderNumber"] == f"FOR {mark}")
    owner = str(order["PurchaseOrderID"]) if order is not None else ""
    return [
        {**one, "Content": base64.b64encode(one["_content"]).decode(), "PurchaseOrder": {"PurchaseOrderID": owner}}
        for one in tenant.files.get(owner, ())
    ]


def _lines(account: str, reduced: str) -> list[Value]:
    """One whose tax is its account's, one that names its tax."""
    return [
        {"Description": "Work", "Quantity": Decimal(3), "UnitAmount": Decimal("33.335"), "AccountCode": account},
        {"Description": "Books", "Quantity": Decimal(1), "UnitAmount": Decimal("10.45"), "AccountCode": account,
         "TaxType": reduced},
    ]  # fmt: skip


def _made(way: str, tax: str, reduced: str) -> Fields:
    """The amounts of such lines, ``way`` being Exclusive or Inclusive."""
    inclusive = way == "Inclusive"
    taxes = (Decimal("16.67"), Decimal("0.50")) if inclusive else (Decimal("20.00"), Decimal("0.52"))
    totals = ("93.29", "17.17", "110.46") if inclusive else ("110.46", "20.52", "130.98")
    lines: list[Value] = [
        {"LineAmount": Decimal("100.01"), "TaxType": tax, "TaxAmount": taxes[0]},
        {"LineAmount": Decimal("10.45"), "TaxType": reduced, "TaxAmount": taxes[1]},
    ]
    sums = dict(zip(("SubTotal", "TotalTax", "Total"), map(Decimal, totals), strict=True))
    return {"LineAmountTypes": way, "CurrencyCode": "GBP", "LineItems": lines, **sums}


SOLD, BOUGHT = _lines("200", "RROUTPUT"), _lines("400", "RRINPUT")
SALE, COST = _made("Exclusive", "OUTPUT2", "RROUTPUT"), _made("Exclusive", "INPUT2", "RRINPUT")
SPENT = _made("Inclusive", "INPUT2", "RRINPUT")
BILL: Fields = {"Type": "ACCPAY", "LineItems": BOUGHT, "Date": DAY, "DueDate": DUE, "Status": "SUBMITTED"}
JOURNAL: Fields = {"Narration": "Accrual", "Date": DAY, "Status": "POSTED", "JournalLines": [
    {"LineAmount": Decimal("5.37"), "AccountCode": "400", "Description": "up"},
    {"LineAmount": Decimal("-5.37"), "AccountCode": "404", "Description": "down"}]}  # fmt: skip
SPEND: Fields = {"Type": "SPEND", "LineItems": BOUGHT, "Date": DAY, "BankAccount": {"Code": "090"}, "Reference": "Till"}
BANKS: Fields = {
    "FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}, "Amount": Decimal("7.25"), "Date": DAY,
}  # fmt: skip
PERSON: Fields = {
    "FirstName": "Ada", "LastName": "Byron", "EmailAddress": "ada@example.org", "AccountNumber": "A-1",
    "TaxNumber": "GB123",
}  # fmt: skip
PRICES: Fields = {
    "Name": "Chair", "Description": "Of wood",
    "SalesDetails": {"UnitPrice": Decimal("33.335"), "AccountCode": "200", "TaxType": "OUTPUT2"},
    "PurchaseDetails": {"UnitPrice": Decimal("20.1"), "AccountCode": "400", "TaxType": "INPUT2"},
}  # fmt: skip
TARGETS = (
    Target("Contact", "Contact", lambda _rig, mark: {**PERSON, "Name": mark, "ContactNumber": mark},
           lambda _rig, mark: {"ContactNumber": mark}, _of("Contact", "ContactNumber"), {"ContactStatus": "ACTIVE"}),
    _simple("Item", "Code", PRICES, {"IsSold": True, "IsPurchased": True}, contact=False),
    _simple("Invoice", "InvoiceNumber",
            {"Type": "ACCREC", "LineItems": SOLD, "Date": DAY, "DueDate": DUE, "Status": "AUTHORISED",
             "Reference": "PO 7"}, {**SALE, "AmountDue": Decimal("130.98")}),
    _simple("Invoice bill by url", "Url", BILL, {**COST, "AmountDue": Decimal("130.98")}),
    _simple("CreditNote", "CreditNoteNumber",
            {"Type": "ACCRECCREDIT", "LineItems": SOLD, "Date": DAY, "Status": "AUTHORISED"},
            {**SALE, "RemainingCredit": Decimal("130.98")}),
    _simple("CreditNote of a bill", "Reference", {"Type": "ACCPAYCREDIT", "LineItems": BOUGHT, "Date": DAY},
            {**COST, "Status": "DRAFT", "RemainingCredit": Decimal("130.98")}),
    _simple("BankTransaction by url", "Url", SPEND, {**SPENT, "Status": "AUTHORISED"}),
    _simple("BankTransaction prepaid, by url", "Url", {**SPEND, "Type": "SPEND-PREPAYMENT"},
            {**SPENT, "Status": "AUTHORISED"}),
    _simple("BankTransfer", "Reference", BANKS, {"Status": "AUTHORISED"}, contact=False,
            alone="the API file's transfers come one by one: a batch's answer names no errors of its elements"),
    _simple("PurchaseOrder", "PurchaseOrderNumber",
            {"LineItems": BOUGHT, "Date": DAY, "DeliveryDate": DUE, "Status": "AUTHORISED"}, COST),
    _simple("Quote", "QuoteNumber", {"LineItems": SOLD, "Date": DAY, "ExpiryDate": DUE, "Title": "Chairs"},
            {**SALE, "LineAmountTypes": "EXCLUSIVE", "Status": "DRAFT"}),
    _simple("ManualJournal by url", "Url", JOURNAL, {"LineAmountTypes": "NoTax"}, contact=False),
    Target("Payment", "Payment",
           lambda rig, mark: {"Invoice": _owed(rig), "Account": {"Code": "090"}, "Amount": Decimal("1.5"), "Date": DAY,
                              "Reference": mark},
           lambda _rig, mark: {"Reference": mark}, _of("Payment", "Reference"),
           {"Status": "AUTHORISED", "BankAmount": Decimal("1.50"), "PaymentType": "ACCRECPAYMENT"}),
    Target("Allocation", "Allocation",
           lambda rig, mark: {"CreditNote": _credit(rig), "Invoice": _owed(rig), "Amount": _amount(mark), "Date": DAY},
           lambda rig, mark: {"CreditNote": _credit(rig), "Invoice": _owed(rig), "Amount": _amount(mark)},
           _allocations, {}, PARENT_ALONE),
    Target("HistoryRecord", "HistoryRecord", lambda rig, mark: {"Invoice": _owed(rig), "Details": mark},
           lambda rig, mark: {"Invoice": _owed(rig), "Details": mark}, _notes, {"Changes": "Note"}, PARENT_ALONE),
    Target("Attachment", "Attachment",
           lambda rig, mark: {"PurchaseOrder": _order(rig, mark), "FileName": "a.txt", "Content": CONTENT},
           lambda rig, mark: {"PurchaseOrder": _order(rig, mark), "FileName": "a.txt"}, _files,
           {"MimeType": "text/plain", "ContentLength": Decimal(5)}, PARENT_ALONE),
)  # fmt: skip
