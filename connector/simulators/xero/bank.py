"""Bank transactions: money spent and received, prepayments and overpayments among them.

A prepayment or an overpayment is born of one and has no other way into the books; its credit is then allocated.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.simulators.xero import lines
from connector.simulators.xero.accounts import account_by_code
from connector.simulators.xero.arithmetic import totals
from connector.simulators.xero.credit_notes import used
from connector.simulators.xero.documents import (
    ALLOCATED,
    DOCUMENT,
    check_locks,
    currency_problems,
    find_contact,
    keep_contact,
    lock_problems,
    url_problems,
    write_lines,
)
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, flag, guid, record, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

TYPES = tuple(f"{way}{kind}" for way in ("RECEIVE", "SPEND") for kind in ("", "-PREPAYMENT", "-OVERPAYMENT"))
ACCOUNT: Table = {
    "AccountID": guid, "Code": text(10), "Name": None, "Type": None, "BankAccountNumber": None, "Status": None,
    "BankAccountType": None, "CurrencyCode": None, "TaxType": None, "EnablePaymentsToAccount": None,
    "ShowInExpenseClaims": None, "Class": None, "ReportingCode": None, "ReportingCodeName": None,
    "HasAttachments": None, "UpdatedDateUTC": None,
}  # fmt: skip
TABLE: Table = {
    **{name: parser for name, parser in DOCUMENT.items() if name != "BrandingThemeID"}, "BankTransactionID": guid,
    "Type": choice("BankTransactionType", *TYPES, "RECEIVE-TRANSFER", "SPEND-TRANSFER"),
    "BankAccount": record(ACCOUNT), "IsReconciled": flag, "Url": text(2000),
    "Status": choice("BankTransactionStatus", "AUTHORISED", "DELETED", "VOIDED"),
    **dict.fromkeys(("PrepaymentID", "OverpaymentID", "BatchPayment")),
}  # fmt: skip
SYSTEM = {"RECEIVE-OVERPAYMENT": "DEBTORS", "SPEND-OVERPAYMENT": "CREDITORS"}


def bank_account(tenant: Tenant, asked: Mapping[str, Any] | None) -> Stored:
    """The active bank account that is meant. Raises Invalid."""
    named = asked or {}
    found = tenant.get("Account", named["AccountID"]) if named.get("AccountID") else None
    if found is None and named.get("Code"):
        found = account_by_code(tenant, named["Code"])
    if found is None or found["Type"] != "BANK" or found["Status"] != "ACTIVE":
        raise Invalid("Bank account could not be found")  # the exact words of Xero are not known to us
    return found


def write_transaction(tenant: Tenant, given: dict[str, Any], known: Stored | None, *, places: int = 2) -> Stored:
    """Create, change or delete one bank transaction. ``places`` is unitdp."""
    old = known or {}
    if known is not None:
        _check_change(tenant, known, given)
    if known is not None and given.get("Status") in ("DELETED", "VOIDED"):
        return _delete(tenant, known, given)
    made = {**(old or _blank()), **given}
    kind = made.get("Type")
    if kind not in TYPES:
        raise Invalid("Type is a required field" if kind is None else f"A {kind} can only come of a bank transfer")
    account = bank_account(tenant, made.get("BankAccount"))
    contact = find_contact(tenant, given, old)
    receives = kind.startswith("RECEIVE")
    writer = lines.LineWriter(
        tenant, made["LineAmountTypes"], sells=receives, approved=True, places=places, discounts=False,
        system=SYSTEM.get(kind, ""),
    )  # fmt: skip
    made["LineItems"] = write_lines(writer, given, old)
    writer.problems[:0] = _problems(tenant, made)
    lines.check_lines(writer, made["LineItems"])
    made.update(totals(made["LineItems"], made["LineAmountTypes"]))
    if made["Total"] <= 0:
        raise Invalid("The total of the document must be greater than zero")
    made.setdefault("CurrencyRate", Decimal("1.0"))
    made["BankAccount"] = {"AccountID": account["AccountID"]}
    made["Contact"] = {"ContactID": keep_contact(tenant, given, contact)["ContactID"]}
    _keep_credit(tenant, made)
    return {**tenant.save("BankTransaction", made, given), "_warnings": writer.warnings}


def _blank() -> Stored:
    return {
        "BankTransactionID": new_id(), "Status": "AUTHORISED", "LineAmountTypes": "Inclusive", "IsReconciled": False,
        "CurrencyCode": None, "Reference": "",
    }  # fmt: skip


def _problems(tenant: Tenant, made: Stored) -> list[str]:
    made.setdefault("Date", tenant.now().date())
    kind, wrong = made["Type"], []
    if kind in SYSTEM:
        codes = {line.get("AccountCode") for line in made["LineItems"]}
        owed = tenant.first("Account", lambda account: account.get("SystemAccount") == SYSTEM[kind])
        if owed is None or codes != {owed["Code"]}:
            wrong.append("An overpayment must be coded to the accounts receivable or payable account")
    return [*wrong, *lock_problems(tenant, made["Date"]), *currency_problems(tenant, made), *url_problems(made)]


def _check_change(tenant: Tenant, known: Stored, given: Mapping[str, Any]) -> None:
    if known["Status"] != "AUTHORISED":
        raise Invalid("Bank transaction not of valid status for modification")
    if known["Type"].endswith("-TRANSFER"):
        raise Invalid("A bank transaction of a transfer cannot be edited")
    if given.get("Type", known["Type"]) != known["Type"]:
        raise Invalid("The Type of a bank transaction cannot be changed")
    if known["IsReconciled"]:
        raise Invalid("This bank transaction has been reconciled and cannot be deleted or edited")
    check_locks(tenant, known["Date"], posted=True)
    credit = credit_of(tenant, known)
    if credit is not None and used(tenant, *credit):
        raise Invalid(ALLOCATED)


def _delete(tenant: Tenant, known: Stored, given: Mapping[str, Any]) -> Stored:
    credit = credit_of(tenant, known)
    if credit is not None:
        tenant.save(credit[0], {**credit[1], "Status": "VOIDED"}, {"Status": "VOIDED"})
    return tenant.save("BankTransaction", {**known, "Status": "DELETED"}, given)


def credit_of(tenant: Tenant, transaction: Mapping[str, Any]) -> tuple[str, Stored] | None:
    """The prepayment or overpayment that a bank transaction made."""
    for entity in ("Prepayment", "Overpayment"):
        if transaction.get(f"{entity}ID"):
            return entity, tenant.tables[entity][transaction[f"{entity}ID"]]
    return None


def _keep_credit(tenant: Tenant, made: Stored) -> None:
    """A prepayment's or overpayment's own document follows its bank transaction."""
    kind = made["Type"].partition("-")[2]
    if not kind:
        return
    entity = kind.capitalize()
    made.setdefault(f"{entity}ID", new_id())
    names = ("Type", "Contact", "Date", "LineAmountTypes", "LineItems", "SubTotal", "TotalTax", "Total",
             "CurrencyCode", "CurrencyRate", "Reference")  # fmt: skip
    credit = {name: made[name] for name in names}
    credit |= {f"{entity}ID": made[f"{entity}ID"], "Status": "AUTHORISED", "RemainingCredit": made["Total"]}
    if entity == "Prepayment":
        credit["InvoiceNumber"] = made["Reference"]
    tenant.save(entity, credit, {"Total": made["Total"]})
