"""Tracked inventory: stock and its average cost move through approved documents, never by an edit of the item.

Source: Xero's guide to tracked inventory. A bill brings stock in at its cost; a sale takes it out at the average cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import cents
from connector.simulators.xero.store import Stored, Tenant

POSTED = frozenset({"AUTHORISED", "PAID"})
ZERO = Decimal(0)


def move_stock(tenant: Tenant, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """From what a document's old state has moved to what its new state moves. Raises Invalid; moves nothing then."""
    changes = _moves(tenant, old, Decimal(-1)) + _moves(tenant, new, Decimal(1))
    stock: dict[str, Stored] = {}
    for item_id, quantity, cost in changes:
        known = tenant.tables["Item"][item_id]
        item = stock.setdefault(item_id, {**known, "QuantityOnHand": _balance(known)})
        _apply(item, quantity, cost)
    for item in stock.values():
        before = _balance(tenant.tables["Item"][item["ItemID"]])
        if item["QuantityOnHand"] < min(ZERO, before) and not tenant.backorders:
            raise Invalid(f"The quantity on hand of item {item['Code']} is not enough for this document")
    for item in stock.values():
        _backordered(item)
        tenant.save("Item", item, {name: item[name] for name in ("QuantityOnHand", "TotalCostPool")})


def _moves(tenant: Tenant, document: Mapping[str, Any], sign: Decimal) -> list[tuple[str, Decimal, Decimal | None]]:
    """(item, quantity in, its cost; None: the average) of each tracked line of a posted document."""
    if document.get("Status") not in POSTED:
        return []
    out: list[tuple[str, Decimal, Decimal | None]] = []
    for line in document["LineItems"]:
        item = tenant.get("Item", (line.get("Item") or {}).get("ItemID", ""))
        if item is None or not item.get("IsTrackedAsInventory"):
            continue
        quantity = line.get("Quantity") or ZERO
        if document["Type"] in ("ACCPAY", "ACCPAYCREDIT"):
            way = sign if document["Type"] == "ACCPAY" else -sign
            net = line["LineAmount"] - (line["TaxAmount"] if document["LineAmountTypes"] == "Inclusive" else ZERO)
            out.append((item["ItemID"], quantity * way, net * way))
        else:
            out.append((item["ItemID"], quantity * (-sign if document["Type"] == "ACCREC" else sign), None))
    return out


def _balance(item: Mapping[str, Any]) -> Decimal:
    """On hand, less what was sold and was not there."""
    return Decimal(item.get("QuantityOnHand") or ZERO) - Decimal(item.get("QuantityOnBackOrder") or ZERO)


def _backordered(item: Stored) -> None:
    """What is sold and not there (allowBackorders, since Aug 2026) stands beside what is on hand."""
    short = max(ZERO, -item["QuantityOnHand"])
    if short or item.get("QuantityOnBackOrder"):
        item["QuantityOnHand"] += short
        item["QuantityOnBackOrder"], item["QuantityAvailable"] = short, item["QuantityOnHand"]


def _apply(item: Stored, quantity: Decimal, cost: Decimal | None) -> None:
    on_hand, pool = item["QuantityOnHand"], item.get("TotalCostPool") or ZERO
    moved = cost if cost is not None else (pool / on_hand if on_hand else ZERO) * quantity
    item["QuantityOnHand"] = on_hand + quantity
    item["TotalCostPool"] = cents(pool + moved) if item["QuantityOnHand"] else Decimal("0.00")
