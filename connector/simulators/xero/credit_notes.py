"""Credit notes of both kinds, and what all credits share: how much of them is left.

States as invoices'. A credit that is used up is PAID by itself; one that is allocated or paid out cannot be edited.
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
    check_locks,
    currency_problems,
    find_contact,
    holder_of,
    keep_contact,
    lock_problems,
    next_number,
    theme_problems,
    write_lines,
)
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.inventory import move_stock
from connector.simulators.xero.shapes import Table, choice, day, flag, guid, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

STATUSES = ("DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED")
TABLE: Table = {
    **DOCUMENT, "CreditNoteID": guid, "Type": choice("CreditNoteType", "ACCRECCREDIT", "ACCPAYCREDIT"),
    "CreditNoteNumber": text(255), "DueDate": day, "Status": choice("CreditNoteStatus", *STATUSES),
    "SentToContact": flag,
    **dict.fromkeys((
        "RemainingCredit", "Allocations", "AppliedAmount", "Payments", "FullyPaidOnDate", "UpdatedDateUTCString",
        "DueDateString", "ID", "CISDeduction", "CISRate", "InvoiceAddresses",
    )),
}  # fmt: skip
CREDITS = ("CreditNote", "Prepayment", "Overpayment")
BESIDE_ALLOCATIONS = frozenset({"Reference", "SentToContact", "BrandingThemeID"})


def match_credit(tenant: Tenant, given: Mapping[str, Any]) -> Stored | None:
    """By id, else a customer's credit note by its number. A supplier's has no number of ours."""
    if given.get("CreditNoteID"):
        return tenant.get("CreditNote", given["CreditNoteID"])
    if given.get("CreditNoteNumber") and given.get("Type") != "ACCPAYCREDIT":
        return credit_by_number(tenant, given["CreditNoteNumber"])
    return None


def credit_by_number(tenant: Tenant, credit_number: str) -> Stored | None:
    found = holder_of(tenant, "CreditNote", "CreditNoteNumber", credit_number, "DELETED")
    return found if found is not None and found["Type"] == "ACCRECCREDIT" else None


def write_credit(tenant: Tenant, given: dict[str, Any], known: Stored | None, *, places: int = 2) -> Stored:
    """Create or change one credit note. ``places`` is unitdp."""
    old = known or {}
    _check_state(tenant, old, given)
    if given.get("Status") in ("VOIDED", "DELETED") and known is not None:
        check_locks(tenant, known["Date"], posted=known["Status"] == "AUTHORISED")
        ended = {**known, "Status": given["Status"]}
        move_stock(tenant, known, ended)
        return tenant.save("CreditNote", ended, given)
    if old and used(tenant, "CreditNote", old):
        return _beside_allocations(tenant, old, given)
    credit = {**(old or _blank()), **given}
    if not credit.get("Type"):
        raise Invalid("Type is a required field")
    contact = find_contact(tenant, given, old)
    approved = credit["Status"] in ("SUBMITTED", "AUTHORISED")
    if old.get("Status") == "AUTHORISED":
        check_locks(tenant, old["Date"], posted=True)
    sells = credit["Type"] == "ACCRECCREDIT"
    writer = lines.LineWriter(tenant, credit["LineAmountTypes"], sells=sells, approved=approved, places=places)
    credit["LineItems"] = write_lines(writer, given, old)
    writer.problems[:0] = _problems(tenant, credit, approved=approved)
    lines.check_lines(writer, credit["LineItems"])
    if sells and not credit["CreditNoteNumber"]:
        credit["CreditNoteNumber"] = next_number(tenant, "CreditNote", "CreditNoteNumber", "CN")
    credit.update(totals(credit["LineItems"], credit["LineAmountTypes"]))
    credit.setdefault("CurrencyRate", Decimal("1.0"))
    credit["RemainingCredit"] = credit["Total"]
    credit["Contact"] = {"ContactID": keep_contact(tenant, given, contact)["ContactID"]}
    move_stock(tenant, old, credit)
    return {**tenant.save("CreditNote", credit, given), "_warnings": writer.warnings}


def _blank() -> Stored:
    return {
        "CreditNoteID": new_id(), "Status": "DRAFT", "LineAmountTypes": "Exclusive", "SentToContact": False,
        "CurrencyCode": None, "CreditNoteNumber": "", "Reference": "",
    }  # fmt: skip


def _check_state(tenant: Tenant, old: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    state = old.get("Status", "")
    wanted = given.get("Status", state or "DRAFT")
    if not state and wanted not in NEXT_STATES[""]:
        raise Invalid("Credit note not of valid status for creation")
    if wanted == "VOIDED" and state and used(tenant, "CreditNote", old):
        raise Invalid("The status VOIDED cannot be applied to the credit note because it has been allocated or paid.")
    if wanted not in NEXT_STATES[state]:
        raise Invalid("Credit note not of valid status for modification")


def _beside_allocations(tenant: Tenant, old: Mapping[str, Any], given: Mapping[str, Any]) -> Stored:
    changed = {name for name, value in given.items() if name not in ("CreditNoteID", "Type") and old.get(name) != value}
    if changed - BESIDE_ALLOCATIONS:
        raise Invalid(ALLOCATED)
    return tenant.save("CreditNote", {**old, **given}, given)


def _problems(tenant: Tenant, credit: Stored, *, approved: bool) -> list[str]:
    credit.setdefault("Date", tenant.now().date())
    wrong = lock_problems(tenant, credit["Date"]) if approved else []
    if credit["Type"] == "ACCRECCREDIT" and credit["CreditNoteNumber"]:
        twin = credit_by_number(tenant, credit["CreditNoteNumber"])
        if twin is not None and twin["CreditNoteID"] != credit["CreditNoteID"]:
            wrong.append("Credit note number must be unique.")  # the exact words of Xero are not known to us
    return [*wrong, *currency_problems(tenant, credit), *theme_problems(tenant, credit)]


def used(tenant: Tenant, entity: str, credit: Mapping[str, Any]) -> Decimal:
    """How much of a credit is allocated or paid out."""
    return sum((part["Amount"] for part in uses(tenant, entity, credit)), Decimal("0.00"))


def uses(tenant: Tenant, entity: str, credit: Mapping[str, Any]) -> list[Stored]:
    """Its allocations and the live payments of it."""
    record_id = credit[f"{entity}ID"]
    allocated = [part for part in tenant.allocations.values() if part["_of"] == (entity, record_id)]
    paid = [
        payment
        for payment in tenant.all("Payment")
        if payment["Status"] == "AUTHORISED" and (payment.get(entity) or {}).get(f"{entity}ID") == record_id
    ]
    return [*allocated, *paid]


def settle_credit(tenant: Tenant, entity: str, credit: Stored, on: date, *, bump: bool = True) -> Stored:
    """Reckon what is left after an allocation or a payment came or went."""
    left = credit["Total"] - used(tenant, entity, credit)
    changed = {**credit, "RemainingCredit": left, "Status": "AUTHORISED" if left else "PAID"}
    if entity == "CreditNote":
        changed["FullyPaidOnDate"] = None if left else on
    return tenant.save(entity, changed, {name: changed[name] for name in ("Status", "RemainingCredit")}, bump=bump)
