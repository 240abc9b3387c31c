"""Bank transfers: money between two accounts of the organisation, as a pair of bank transactions. Made and deleted."""

from __future__ import annotations

from typing import Any

from connector.simulators.xero.bank import ACCOUNT, bank_account
from connector.simulators.xero.documents import check_locks
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, day, flag, guid, money, record, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.tracking import find_option
from connector.simulators.xero.wire import new_id

OPTION: Table = {"TrackingCategoryID": guid, "TrackingOptionID": guid, "Name": text(100), "Option": text(100)}
TABLE: Table = {
    "BankTransferID": guid, "FromBankAccount": record(ACCOUNT), "ToBankAccount": record(ACCOUNT), "Amount": money,
    "Date": day, "Reference": text(255), "FromIsReconciled": flag, "ToIsReconciled": flag,
    "Status": choice("BankTransferStatus", "AUTHORISED", "DELETED"), "FromTracking": rows(OPTION),
    "ToTracking": rows(OPTION), "CurrencyRate": None, "FromBankTransactionID": None, "ToBankTransactionID": None,
    "HasAttachments": None, "CreatedDateUTC": None, "CreatedDateUTCString": None, "DateString": None,
    "Attachments": None, "StatusAttributeString": None, "ValidationErrors": None,
}  # fmt: skip
SIDES = (("From", "SPEND-TRANSFER"), ("To", "RECEIVE-TRANSFER"))


def write_transfer(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Make a transfer, or delete a known one."""
    if known is not None:
        return _delete(tenant, known, given)
    if missing := [name for name in ("FromBankAccount", "ToBankAccount", "Amount") if not given.get(name)]:
        raise Invalid(*(f"{name} is a required field" for name in missing))
    made: Stored = {"BankTransferID": new_id(), "Status": "AUTHORISED", "FromIsReconciled": False,
                    "ToIsReconciled": False, "Reference": "", **given}  # fmt: skip
    made.setdefault("Date", tenant.now().date())
    accounts = {side: bank_account(tenant, given[f"{side}BankAccount"]) for side, _ in SIDES}
    if accounts["From"] is accounts["To"]:
        raise Invalid("A transfer goes between two bank accounts")
    if made["Amount"] <= 0:
        raise Invalid("The amount must be greater than zero")
    check_locks(tenant, made["Date"], posted=True)
    made["CreatedDateUTC"] = tenant.stamp()
    for side, kind in SIDES:
        made[f"{side}Tracking"] = [_tracked(tenant, option) for option in given.get(f"{side}Tracking", ())]
        made[f"{side}BankAccount"] = {"AccountID": accounts[side]["AccountID"]}
        made[f"{side}BankTransactionID"] = _half(tenant, made, kind, accounts[side])["BankTransactionID"]
    return tenant.save("BankTransfer", made, given)


def _tracked(tenant: Tenant, asked: dict[str, Any]) -> Stored:
    found = find_option(tenant, asked)
    if found is None:
        raise Invalid("The tracking option could not be found")
    return {name: found[name] for name in ("TrackingCategoryID", "TrackingOptionID", "Name", "Option")}


def _half(tenant: Tenant, transfer: Stored, kind: str, account: Stored) -> Stored:
    """One side as a bank transaction, without contact and lines."""
    half = {
        "BankTransactionID": new_id(), "Type": kind, "Status": "AUTHORISED", "IsReconciled": False, "LineItems": [],
        "LineAmountTypes": "NoTax", "Date": transfer["Date"], "Reference": transfer["Reference"],
        "BankAccount": {"AccountID": account["AccountID"]}, "CurrencyCode": account.get("CurrencyCode"),
        "SubTotal": transfer["Amount"], "TotalTax": transfer["Amount"] * 0, "Total": transfer["Amount"],
    }  # fmt: skip
    return tenant.save("BankTransaction", half, {"Type": kind})


def _delete(tenant: Tenant, known: Stored, given: dict[str, Any]) -> Stored:
    if given.get("Status") != "DELETED" or set(given) - {"BankTransferID", "Status"}:
        raise Invalid("Bank transfers cannot be modified, only created and deleted")
    if known["Status"] == "DELETED":
        raise Invalid("Bank transfer not of valid status for modification")
    if known["FromIsReconciled"] or known["ToIsReconciled"]:
        raise Invalid("This bank transfer has been reconciled and cannot be deleted")
    check_locks(tenant, known["Date"], posted=True)
    for side, _ in SIDES:
        half = tenant.tables["BankTransaction"][known[f"{side}BankTransactionID"]]
        tenant.save("BankTransaction", {**half, "Status": "DELETED"}, {"Status": "DELETED"})
    return tenant.save("BankTransfer", {**known, "Status": "DELETED"}, given)
