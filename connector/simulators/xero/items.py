"""Items: products and services with their sales and purchase sides. Tracked inventory is not simulated."""

from __future__ import annotations

from typing import Any

from connector.simulators.xero.accounts import account_by_code, line_account_problem, tax_problem
from connector.simulators.xero.errors import Invalid, unsupported
from connector.simulators.xero.shapes import Table, flag, guid, number, record, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

DETAILS: Table = {"UnitPrice": number, "AccountCode": text(10), "COGSAccountCode": text(10), "TaxType": text(50)}
TABLE: Table = {
    "ItemID": guid, "Code": text(30), "Name": text(50), "Description": text(4000), "PurchaseDescription": text(4000),
    "IsSold": flag, "IsPurchased": flag, "SalesDetails": record(DETAILS), "PurchaseDetails": record(DETAILS),
    "InventoryAssetAccountCode": text(10), "IsTrackedAsInventory": None, "TotalCostPool": None, "QuantityOnHand": None,
    "UpdatedDateUTC": None, "ValidationErrors": None, "StatusAttributeString": None, "HasErrors": None,
    "Warnings": None,
}  # fmt: skip


def item_by_code(tenant: Tenant, code: str) -> Stored | None:
    return tenant.first("Item", lambda item: item["Code"].casefold() == code.casefold())


def write_item(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one item."""
    if given.get("InventoryAssetAccountCode") or given.get("PurchaseDetails", {}).get("COGSAccountCode"):
        raise unsupported("tracked inventory (InventoryAssetAccountCode, COGSAccountCode)")
    if known is None and not given.get("Code"):
        raise Invalid("Code is a required field")
    item = {**(known or _blank()), **given}
    for side in ("SalesDetails", "PurchaseDetails"):
        item[side] = {**((known or {}).get(side) or {}), **given.get(side, {})}
    twin = item_by_code(tenant, item["Code"])
    if twin is not None and twin["ItemID"] != item["ItemID"]:
        raise Invalid(f"Price List Item with Code '{item['Code']}' already exists")
    problems = [problem for side in ("SalesDetails", "PurchaseDetails") for problem in _problems(tenant, item[side])]
    if problems:
        raise Invalid(*problems)
    return tenant.save("Item", item, given)


def _blank() -> Stored:
    return {"ItemID": new_id(), "IsTrackedAsInventory": False, "IsSold": True, "IsPurchased": True}


def _problems(tenant: Tenant, details: dict[str, Any]) -> list[str]:
    wrong = []
    account = None
    if code := details.get("AccountCode"):
        account = account_by_code(tenant, code)
        problem = f"Account code '{code}' is not a valid code for this document."
        if account is None or (problem := line_account_problem(account, code) or ""):
            wrong.append(problem)
    if tax := details.get("TaxType"):
        problem = tax_problem(tenant, tax, account) or ""
        wrong += [problem] if problem else []
    return wrong
