"""Accounts and tax rates: the chart that documents must agree with."""

from __future__ import annotations

from typing import Any

from connector.simulators.xero.errors import Invalid, unsupported
from connector.simulators.xero.shapes import Table, choice, flag, guid, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

CLASSES = {
    "BANK": "ASSET", "CURRENT": "ASSET", "FIXED": "ASSET", "INVENTORY": "ASSET", "NONCURRENT": "ASSET",
    "PREPAYMENT": "ASSET", "EQUITY": "EQUITY", "DEPRECIATN": "EXPENSE", "DIRECTCOSTS": "EXPENSE", "EXPENSE": "EXPENSE",
    "OVERHEADS": "EXPENSE", "CURRLIAB": "LIABILITY", "LIABILITY": "LIABILITY", "TERMLIAB": "LIABILITY",
    "OTHERINCOME": "REVENUE", "REVENUE": "REVENUE", "SALES": "REVENUE",
}  # fmt: skip
CAN_APPLY = {
    "ASSET": "CanApplyToAssets",
    "EQUITY": "CanApplyToEquity",
    "EXPENSE": "CanApplyToExpenses",
    "LIABILITY": "CanApplyToLiabilities",
    "REVENUE": "CanApplyToRevenue",
}
TABLE: Table = {
    "AccountID": guid, "Code": text(10), "Name": text(150), "Type": choice("AccountType", *CLASSES),
    "BankAccountNumber": text(20), "BankAccountType": choice("BankAccountType", "BANK", "CREDITCARD", "PAYPAL",
    "NONE", ""),
    "Status": choice("AccountStatus", "ACTIVE", "ARCHIVED", "DELETED"), "Description": text(4000),
    "CurrencyCode": text(3), "TaxType": text(50), "EnablePaymentsToAccount": flag, "ShowInExpenseClaims": flag,
    "AddToWatchlist": flag, "ReportingCode": text(20), "Class": None, "SystemAccount": None, "ReportingCodeName": None,
    "HasAttachments": None, "UpdatedDateUTC": None, "ValidationErrors": None,
}  # fmt: skip
NOT_ON_LINES = frozenset({"DEBTORS", "CREDITORS", "RETAINEDEARNINGS", "UNPAIDEXPCLM"})


def write_account(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one account."""
    if known is None and (missing := [name for name in ("Name", "Type") if not given.get(name)]):
        raise Invalid(*(f"{name} is a required field" for name in missing))
    account = {**(known or _blank()), **given}
    if known is None and account["Type"] != "BANK" and not account.get("Code"):
        raise Invalid("Code is a required field")
    if account["Type"] == "BANK" and not account.get("BankAccountNumber"):
        raise Invalid("BankAccountNumber is a required field")
    _check_unique(tenant, account)
    if known is not None:
        _check_change(known, given)
    account["Class"] = CLASSES[account["Type"]]
    account.setdefault("TaxType", "NONE")
    if tenant.get("TaxRate", account["TaxType"]) is None:
        raise Invalid(
            f"The TaxType code {account['TaxType']} does not exist or cannot be used for this type of transaction."
        )
    return tenant.save("Account", account, given)


def _blank() -> Stored:
    return {
        "AccountID": new_id(), "Status": "ACTIVE", "EnablePaymentsToAccount": False, "ShowInExpenseClaims": False,
        "HasAttachments": False, "AddToWatchlist": False,
    }  # fmt: skip


def _check_unique(tenant: Tenant, account: Stored) -> None:
    for name in ("Code", "Name"):
        value = str(account.get(name) or "").casefold()
        if value and tenant.first(
            "Account",
            lambda other, name=name, value=value: (  # type: ignore[misc]
                other["AccountID"] != account["AccountID"]
                and other["Status"] != "DELETED"
                and str(other.get(name) or "").casefold() == value
            ),
        ):
            raise Invalid(f"Please enter a unique {name}.")


def _check_change(known: Stored, given: dict[str, Any]) -> None:
    status = given.get("Status", known["Status"])
    if status != known["Status"] and set(given) - {"AccountID", "Status"}:
        raise Invalid("You can only update the status of an account on its own: send AccountID and Status only")
    if known.get("SystemAccount") and status != "ACTIVE":
        raise Invalid("System accounts cannot be archived or deleted")
    if given.get("Type", known["Type"]) != known["Type"] and "BANK" in (given["Type"], known["Type"]):
        raise unsupported("a change of an account's Type from or to BANK")


def account_by_code(tenant: Tenant, code: str) -> Stored | None:
    """The account with this code that is not deleted; an active one goes first."""
    found = [
        account for account in tenant.all("Account") if account.get("Code") == code and account["Status"] != "DELETED"
    ]
    return next((account for account in found if account["Status"] == "ACTIVE"), found[0] if found else None)


def line_account_problem(account: Stored, code: str, system: str = "") -> str | None:
    """Why lines cannot be coded to this account; None when they can. They may be coded to ``system``."""
    if account["Status"] != "ACTIVE":
        return f"Account code '{code}' has been archived, or has been deleted."
    if account["Type"] == "BANK" or account.get("SystemAccount") in NOT_ON_LINES - {system}:
        return f"Account code '{code}' is not a valid code for this document."
    return None


def tax_problem(tenant: Tenant, tax_type: str, account: Stored | None) -> str | None:
    """Why this tax type cannot stand beside this account; None when it can."""
    rate = tenant.get("TaxRate", tax_type)
    if rate is None or rate["Status"] != "ACTIVE":
        return f"The TaxType code {tax_type} does not exist or cannot be used for this type of transaction."
    if account is not None and not rate[CAN_APPLY[account["Class"]]]:
        return f"The TaxType code '{tax_type}' cannot be used with account code '{account.get('Code')}'."
    return None
