"""Line items: defaults from items and accounts, Xero's checks, amounts and tax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector.simulators.xero.accounts import account_by_code, line_account_problem, tax_problem
from connector.simulators.xero.arithmetic import line_total, tax_of
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.items import item_by_code
from connector.simulators.xero.shapes import Table, cents, guid, money, number, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.tracking import find_option
from connector.simulators.xero.wire import new_id

TRACKING: Table = {
    "Name": text(100),
    "Option": text(100),
    "TrackingCategoryID": guid,
    "TrackingOptionID": guid,
    "Options": None,
}
TABLE: Table = {
    "LineItemID": guid, "Description": text(4000), "Quantity": number, "UnitAmount": number, "ItemCode": text(30),
    "AccountCode": text(10), "AccountID": guid, "TaxType": text(50), "TaxAmount": money, "LineAmount": money,
    "DiscountRate": number, "DiscountAmount": money, "Tracking": rows(TRACKING), "Item": None, "ValidationErrors": None,
    "TaxBreakdown": None,
}  # fmt: skip
LARGEST = Decimal("9999999999.99")


class LineWriter:
    """Prices the lines of one document. Problems are gathered in ``problems``, losses in ``warnings``.

    ``sells`` takes the sales side of items; ``discounts`` may be given on sales documents and orders; ``system`` is the
    one system account that lines may be coded to (overpayments: receivables or payables).
    """

    def __init__(
        self, tenant: Tenant, mode: str, *, sells: bool, approved: bool, places: int, discounts: bool | None = None,
        system: str = "",
    ) -> None:  # fmt: skip
        self.tenant, self.mode, self.approved, self.places = tenant, mode, approved, places
        self.sells, self.discounts, self.system = sells, sells if discounts is None else discounts, system
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def write(self, given: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> list[Stored]:
        """All lines anew: what carries a LineItemID of the document keeps it, what is not sent is gone."""
        ids = {line["LineItemID"] for line in known}
        return [self._line(dict(line), ids) for line in given]

    def _line(self, line: Stored, ids: set[str]) -> Stored:
        if line.get("LineItemID") and line["LineItemID"] not in ids:
            self.problems.append(f"The LineItemID {line['LineItemID']} does not belong to this document.")
        line.setdefault("LineItemID", new_id())
        self._item_defaults(line)
        if not any(name in line for name in ("Quantity", "UnitAmount", "LineAmount")):
            return self._description_only(line)
        self._account(line)
        self._price(line)
        self._tax(line)
        line["Tracking"] = [self._tracked(option) for option in line.get("Tracking", ())]
        if self.approved and not line.get("Description"):
            self.problems.append("Description must be specified")
        return line

    def _description_only(self, line: Stored) -> Stored:
        if not line.get("Description"):
            self.problems.append("Description must be specified")
        elif self.approved and (line.get("AccountCode") or line.get("ItemCode")):
            self.problems.append("Quantity and UnitAmount must be specified")
        return {"Description": line.get("Description"), "Tracking": [], "LineItemID": line["LineItemID"]}

    def _item_defaults(self, line: Stored) -> None:
        code = line.get("ItemCode")
        if not code:
            return
        item = item_by_code(self.tenant, code)
        if item is None:
            self.problems.append(f"Item code '{code}' is not valid")
            return
        details = dict(item.get("SalesDetails" if self.sells else "PurchaseDetails") or {})
        if item.get("IsTrackedAsInventory") and not self.sells:
            details["AccountCode"] = item["InventoryAssetAccountCode"]
        for name, source in (("AccountCode", "AccountCode"), ("TaxType", "TaxType"), ("UnitAmount", "UnitPrice")):
            if (
                name not in line
                and details.get(source) is not None
                and not (name == "UnitAmount" and "LineAmount" in line)
            ):
                line[name] = details[source]
        text_ = item.get("Description" if self.sells else "PurchaseDescription")
        if not line.get("Description") and text_:
            line["Description"] = text_
        line["Item"] = {name: item[name] for name in ("ItemID", "Name", "Code") if item.get(name)}

    def _account(self, line: Stored) -> None:
        if line.get("AccountID") and not line.get("AccountCode"):
            found = self.tenant.get("Account", line["AccountID"])
            line["AccountCode"] = (found or {}).get("Code")
        code = line.get("AccountCode")
        account = account_by_code(self.tenant, code) if code else None
        if code and account is None and not self.approved:
            self.warnings.append(f"Account code '{code}' has been removed as it does not match a recognised account.")
            line.pop("AccountCode")
            line.pop("AccountID", None)
        elif code and account is None:
            self.problems.append(f"Account code '{code}' is not a valid code for this document.")
        elif account is not None:
            problem = line_account_problem(account, str(code), self.system)
            self.problems += [problem] if problem else []
            line["AccountID"] = account["AccountID"]
        elif self.approved:
            self.problems.append("Account code must be specified")

    def _price(self, line: Stored) -> None:
        if not self.discounts and (line.get("DiscountRate") or line.get("DiscountAmount")):
            self.problems.append("Discounts can only be applied to sales invoices and quotes")
        quantity = line.setdefault("Quantity", Decimal("1.0000"))
        if "UnitAmount" not in line:
            line["UnitAmount"] = cents(line["LineAmount"] / quantity, self.places) if quantity else Decimal("0.00")
        line["UnitAmount"] = cents(line["UnitAmount"], self.places)
        expected = line_total(quantity, line["UnitAmount"], line.get("DiscountRate"), line.get("DiscountAmount"))
        sent = line.setdefault("LineAmount", expected)
        if sent != expected:
            self.problems.append(f"The line total {sent} does not match the expected line total {expected}")
        if abs(expected) > LARGEST:
            self.problems.append(f"The line total {expected} is larger than {LARGEST}")

    def _tax(self, line: Stored) -> None:
        if self.mode == "NoTax":
            line["TaxType"], line["TaxAmount"] = "NONE", Decimal("0.00")
            return
        account = account_by_code(self.tenant, line["AccountCode"]) if line.get("AccountCode") else None
        if not line.get("TaxType") and account is not None:
            line["TaxType"] = account["TaxType"]
        if not line.get("TaxType"):
            self.problems += ["The TaxType field is mandatory"] if self.approved and not line.get("AccountCode") else []
            line["TaxAmount"] = Decimal("0.00")
            return
        problem = tax_problem(self.tenant, line["TaxType"], account)
        if problem:
            self.problems.append(problem)
            return
        rate = self.tenant.get("TaxRate", line["TaxType"]) or {}
        line.setdefault("TaxAmount", tax_of(line["LineAmount"], rate["EffectiveRate"], self.mode))

    def _tracked(self, option: Mapping[str, Any]) -> Stored:
        found = find_option(self.tenant, option)
        if found is None:
            name, chosen = option.get("Name"), option.get("Option")
            self.problems.append(f"The tracking option '{chosen}' of the category '{name}' could not be found")
            return dict(option)
        return found


def check_lines(writer: LineWriter, lines: Sequence[Any]) -> None:
    """Raises Invalid with everything that was found wrong."""
    if not lines:
        raise Invalid("One or more line items must be specified", *writer.problems)
    if writer.problems:
        raise Invalid(*writer.problems)
