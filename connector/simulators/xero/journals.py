"""Manual journals: two lines or more that sum to zero, debit positive; not to bank, debtors, creditors or stock."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.simulators.xero import lines
from connector.simulators.xero.accounts import account_by_code, line_account_problem, tax_problem
from connector.simulators.xero.arithmetic import tax_of
from connector.simulators.xero.documents import check_locks, lock_problems, url_problems
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, day, flag, guid, money, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.tracking import find_option
from connector.simulators.xero.wire import new_id

LINE: Table = {
    "LineAmount": money, "AccountCode": text(10), "AccountID": guid, "Description": text(4000), "TaxType": text(50),
    "Tracking": rows(lines.TRACKING), "TaxAmount": money, "IsBlank": None, "ValidationErrors": None,
}  # fmt: skip
TABLE: Table = {
    "ManualJournalID": guid, "Narration": text(4000), "JournalLines": rows(LINE), "Date": day,
    "LineAmountTypes": choice("LineAmountType", "Exclusive", "Inclusive", "NoTax"),
    "Status": choice("ManualJournalStatus", "DRAFT", "POSTED", "DELETED", "VOIDED", "ARCHIVED"), "Url": text(2000),
    "ShowOnCashBasisReports": flag, "HasAttachments": None, "UpdatedDateUTC": None, "Attachments": None,
    "StatusAttributeString": None, "ValidationErrors": None, "Warnings": None, "HasErrors": None,
}  # fmt: skip
NEXT: Mapping[str, frozenset[str]] = {
    "": frozenset({"DRAFT", "POSTED"}),
    "DRAFT": frozenset({"DRAFT", "POSTED", "DELETED"}),
    "POSTED": frozenset({"POSTED", "VOIDED"}),
    "DELETED": frozenset(),
    "VOIDED": frozenset(),
    "ARCHIVED": frozenset(),
}


def write_journal(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one journal."""
    old = known or {}
    state = old.get("Status", "")
    if given.get("Status", state or "DRAFT") not in NEXT[state]:
        raise Invalid("Manual journal not of valid status for modification")
    if state == "POSTED":
        check_locks(tenant, old["Date"], posted=True)
    if known is not None and given.get("Status") in ("DELETED", "VOIDED"):
        return tenant.save("ManualJournal", {**known, "Status": given["Status"]}, given)
    journal = {**(old or _blank()), **given}
    journal.setdefault("Date", tenant.now().date())
    wrong = [] if journal.get("Narration") else ["Narration is a required field"]
    wrong += url_problems(journal)
    wrong += lock_problems(tenant, journal["Date"]) if journal["Status"] == "POSTED" else []
    warnings: list[str] = []
    if "JournalLines" in given or not old:
        journal["JournalLines"] = _lines(tenant, journal, given.get("JournalLines", ()), wrong, warnings)
    wrong += _balance(journal["JournalLines"])
    if wrong:
        raise Invalid(*wrong)
    return {**tenant.save("ManualJournal", journal, given), "_warnings": warnings}


def _blank() -> Stored:
    return {
        "ManualJournalID": new_id(), "Status": "DRAFT", "LineAmountTypes": "NoTax", "ShowOnCashBasisReports": True,
    }  # fmt: skip


def _lines(tenant: Tenant, journal: Stored, given: Any, wrong: list[str], warnings: list[str]) -> list[Stored]:
    return [_line(tenant, journal, dict(line), wrong, warnings) for line in given]


def _line(tenant: Tenant, journal: Stored, line: Stored, wrong: list[str], warnings: list[str]) -> Stored:
    code = line.get("AccountCode")
    account = account_by_code(tenant, code) if code else None
    if code and account is None:
        warnings.append(f"Account code '{code}' has been removed as it does not match a recognised account.")
        line.pop("AccountCode")
    problem = line_account_problem(account, str(code)) if account is not None else None
    if account is not None and account["Type"] == "INVENTORY":
        problem = f"Account code '{code}' is not a valid code for this document."
    wrong += [problem] if problem else []
    line["AccountID"] = None if account is None else account["AccountID"]
    line["IsBlank"] = False
    _tax(tenant, journal, line, account, wrong)
    found = [find_option(tenant, option) for option in line.get("Tracking", ())]
    if None in found:
        wrong.append("The tracking option of a journal line could not be found")
    line["Tracking"] = [option for option in found if option is not None]
    return line


def _tax(tenant: Tenant, journal: Stored, line: Stored, account: Stored | None, wrong: list[str]) -> None:
    if journal["LineAmountTypes"] == "NoTax":
        line["TaxType"], line["TaxAmount"] = "NONE", Decimal("0.00")
        return
    line["TaxType"] = line.get("TaxType") or (account or {}).get("TaxType") or "NONE"
    problem = tax_problem(tenant, line["TaxType"], account)
    wrong += [problem] if problem else []
    rate = tenant.get("TaxRate", line["TaxType"]) or {"EffectiveRate": Decimal(0)}
    amount = line.get("LineAmount", Decimal(0))
    line.setdefault("TaxAmount", tax_of(amount, rate["EffectiveRate"], journal["LineAmountTypes"]))


def _balance(found: list[Stored]) -> list[str]:
    amounts = [line.get("LineAmount", Decimal("0.00")) for line in found]
    debits = sum((amount for amount in amounts if amount > 0), Decimal("0.00"))
    owed = sum((amount for amount in amounts if amount < 0), Decimal("0.00"))
    if len(found) < 2:
        return ["A manual journal must contain at least two lines"]
    if debits + owed != 0:
        return [f"The total debits ({debits:.2f}) must equal total credits ({owed:.2f})"]
    return []
