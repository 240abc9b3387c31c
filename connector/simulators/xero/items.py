"""Items: products and services with their sales and purchase sides, untracked or tracked as inventory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.simulators.xero.accounts import account_by_code, line_account_problem, tax_problem
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, flag, guid, number, record, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

DETAILS: Table = {"UnitPrice": number, "AccountCode": text(10), "COGSAccountCode": text(10), "TaxType": text(50)}
TABLE: Table = {
    "ItemID": guid, "Code": text(30), "Name": text(50), "Description": text(4000), "PurchaseDescription": text(4000),
    "IsSold": flag, "IsPurchased": flag, "SalesDetails": record(DETAILS), "PurchaseDetails": record(DETAILS),
    "InventoryAssetAccountCode": text(10), "IsTrackedAsInventory": None, "TotalCostPool": None, "QuantityOnHand": None,
    "QuantityAvailable": None, "QuantityOnBackOrder": None,
    "UpdatedDateUTC": None, "ValidationErrors": None, "StatusAttributeString": None, "HasErrors": None,
    "Warnings": None,
}  # fmt: skip


def item_by_code(tenant: Tenant, code: str) -> Stored | None:
    return tenant.first("Item", lambda item: item["Code"].casefold() == code.casefold())


def write_item(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one item."""
    if known is None and not given.get("Code"):
        raise Invalid("Code is a required field")
    item = {**(known or _blank()), **given}
    for side in ("SalesDetails", "PurchaseDetails"):
        item[side] = {**((known or {}).get(side) or {}), **given.get(side, {})}
    twin = item_by_code(tenant, item["Code"])
    if twin is not None and twin["ItemID"] != item["ItemID"]:
        raise Invalid(f"Price List Item with Code '{item['Code']}' already exists")
    problems = [problem for side in ("SalesDetails", "PurchaseDetails") for problem in _problems(tenant, item[side])]
    problems += _track(tenant, item, known)
    if problems:
        raise Invalid(*problems)
    return tenant.save("Item", item, given)


def _blank() -> Stored:
    return {"ItemID": new_id(), "IsTrackedAsInventory": False, "IsSold": True, "IsPurchased": True}


def _track(tenant: Tenant, item: Stored, known: Stored | None) -> list[str]:
    """Tracked is what has an inventory asset account and an account for the cost of goods sold; for ever, once used."""
    asset, cogs = item.get("InventoryAssetAccountCode"), item["PurchaseDetails"].get("COGSAccountCode")
    if not asset and not cogs:
        return []
    account = account_by_code(tenant, asset) if asset else None
    if account is None or account["Type"] != "INVENTORY" or not cogs:
        return ["Tracked inventory needs an InventoryAssetAccountCode of an inventory account and a COGSAccountCode"]
    if known is not None and not known["IsTrackedAsInventory"] and _used(tenant, known):
        return ["Tracked inventory cannot be switched on for an item that has been used in a transaction"]
    item["IsTrackedAsInventory"] = True
    item.setdefault("QuantityOnHand", Decimal("0.0000"))
    item.setdefault("TotalCostPool", Decimal("0.00"))
    return []


def _used(tenant: Tenant, item: Stored) -> bool:
    kinds = ("Invoice", "CreditNote", "BankTransaction")
    return any(
        (line.get("Item") or {}).get("ItemID") == item["ItemID"]
        for kind in kinds
        for document in tenant.all(kind)
        for line in document["LineItems"]
    )


def remove_item(tenant: Tenant, item: Stored) -> None:
    """A hard delete. Raises Invalid for a tracked item that was used."""
    if item["IsTrackedAsInventory"] and _used(tenant, item):
        raise Invalid("A tracked inventory item that has been used in a transaction cannot be deleted")
    tenant.remove("Item", item["ItemID"])


def _problems(tenant: Tenant, details: dict[str, Any]) -> list[str]:
    wrong = []
    account = None
    if (code := details.get("COGSAccountCode")) and account_by_code(tenant, code) is None:
        wrong.append(f"Account code '{code}' is not a valid code for this document.")
    if code := details.get("AccountCode"):
        account = account_by_code(tenant, code)
        problem = f"Account code '{code}' is not a valid code for this document."
        if account is None or (problem := line_account_problem(account, code) or ""):
            wrong.append(problem)
    if tax := details.get("TaxType"):
        problem = tax_problem(tenant, tax, account) or ""
        wrong += [problem] if problem else []
    return wrong
