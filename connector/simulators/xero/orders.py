"""Purchase orders: outside the ledger. PUT refuses a taken number; POST with one edits the order that has it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.simulators.xero import lines
from connector.simulators.xero.arithmetic import discount, totals
from connector.simulators.xero.documents import (
    DOCUMENT,
    currency_problems,
    holder_of,
    known_contact,
    next_number,
    theme_problems,
    write_lines,
)
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, day, flag, guid, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

TABLE: Table = {
    **DOCUMENT, "PurchaseOrderID": guid, "PurchaseOrderNumber": text(255), "DeliveryDate": day,
    "ExpectedArrivalDate": day, "SentToContact": flag, "DeliveryAddress": text(500), "AttentionTo": text(255),
    "Telephone": text(50), "DeliveryInstructions": text(500),
    "Status": choice("PurchaseOrderStatus", "DRAFT", "SUBMITTED", "AUTHORISED", "BILLED", "DELETED"),
    **dict.fromkeys(("TotalDiscount", "DeliveryDateString", "ExpectedArrivalDateString", "Type", "IsDiscounted")),
}  # fmt: skip
NEXT: Mapping[str, frozenset[str]] = {
    "": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "BILLED"}),
    "DRAFT": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "BILLED", "DELETED"}),
    "SUBMITTED": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "BILLED", "DELETED"}),
    "AUTHORISED": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "BILLED", "DELETED"}),
    "BILLED": frozenset({"AUTHORISED", "BILLED", "DELETED"}),
    "DELETED": frozenset(),
}
SENT = "Only AUTHORISED and BILLED purchase orders may have SentToContact updated."


def match_order(tenant: Tenant, given: Mapping[str, Any]) -> Stored | None:
    """By id, else whoever has the number: a live order first, then a deleted one."""
    if given.get("PurchaseOrderID"):
        return tenant.get("PurchaseOrder", given["PurchaseOrderID"])
    if given.get("PurchaseOrderNumber"):
        named = given["PurchaseOrderNumber"]
        return order_by_number(tenant, named) or holder_of(tenant, "PurchaseOrder", "PurchaseOrderNumber", named)
    return None


def order_by_number(tenant: Tenant, order_number: str) -> Stored | None:
    return holder_of(tenant, "PurchaseOrder", "PurchaseOrderNumber", order_number, "DELETED")


def write_order(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """Create or change one order. Unit prices have four places."""
    old = known or {}
    _check_state(tenant, old, given)
    if known is not None and given.get("Status") == "DELETED":
        return tenant.save("PurchaseOrder", {**known, "Status": "DELETED"}, given)
    order = {**(old or _blank()), **given}
    order["Contact"] = known_contact(tenant, given, old)
    writer = lines.LineWriter(tenant, order["LineAmountTypes"], sells=False, approved=False, places=4, discounts=True)
    order["LineItems"] = write_lines(writer, given, old)
    order.setdefault("Date", tenant.now().date())
    writer.problems[:0] = _problems(tenant, order)
    lines.check_lines(writer, order["LineItems"])
    if given.get("SentToContact") and order["Status"] not in ("AUTHORISED", "BILLED"):
        writer.warnings.append(SENT)
        order["SentToContact"] = old.get("SentToContact", False)
    if not order["PurchaseOrderNumber"]:
        order["PurchaseOrderNumber"] = next_number(tenant, "PurchaseOrder", "PurchaseOrderNumber", "PO")
    order.update(totals(order["LineItems"], order["LineAmountTypes"]))
    order.setdefault("CurrencyRate", Decimal("1.0"))
    order["TotalDiscount"] = discount(order["LineItems"])
    order["IsDiscounted"] = bool(order["TotalDiscount"])
    return {**tenant.save("PurchaseOrder", order, given), "_warnings": writer.warnings}


def _blank() -> Stored:
    return {
        "PurchaseOrderID": new_id(), "Status": "DRAFT", "LineAmountTypes": "Exclusive", "SentToContact": False,
        "CurrencyCode": None, "PurchaseOrderNumber": "", "Type": "PURCHASEORDER",
    }  # fmt: skip


def _check_state(tenant: Tenant, old: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    state = old.get("Status", "")
    wanted = given.get("Status", state or "DRAFT")
    if state == "DELETED":
        raise Invalid("PurchaseOrder status change is invalid", "Deleted PurchaseOrders cannot be updated")
    if wanted not in NEXT[state] or (state, wanted, tenant.doubts.billed_order) == ("BILLED", "DELETED", "fixed"):
        raise Invalid("PurchaseOrder status change is invalid")


def _problems(tenant: Tenant, order: Stored) -> list[str]:
    wrong: list[str] = []
    if order["PurchaseOrderNumber"]:
        twin = order_by_number(tenant, order["PurchaseOrderNumber"])
        if twin is not None and twin["PurchaseOrderID"] != order["PurchaseOrderID"]:
            wrong.append("Order number must be unique")
    return [*wrong, *currency_problems(tenant, order), *theme_problems(tenant, order)]
