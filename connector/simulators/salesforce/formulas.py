"""Formula fields of the package: worked out at each look, never stored, and no event tells that one has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from connector.simulators.salesforce.schema import Field
from connector.simulators.salesforce.store import Row
from connector.simulators.salesforce.values import Stored

OPEN = ("Awaiting payment", "Part paid")


def _overdue(due: str, amount: str, status: str) -> Callable[[Row, date], Stored]:
    def formula(row: Row, today: date) -> Stored:
        day, left = row.get(due), row.get(amount)
        late = isinstance(day, date) and day < today
        return late and isinstance(left, Decimal | int) and left > 0 and row.get(status) in OPEN

    return formula


def _record(row: Row, _today: date) -> Stored:
    one = row.get("Record_Id__c")
    return f'<a href="/{one}" target="_self">{row.get("Object__c") or ""}</a>' if one else None


def _average_cost(row: Row, _today: date) -> Stored:
    quantity, cost = row.get("Xero_Quantity__c"), row.get("Xero_Stock_Cost__c")
    if not isinstance(quantity, Decimal | int) or not isinstance(cost, Decimal | int) or quantity <= 0:
        return None
    return (Decimal(cost) / quantity).quantize(Decimal("0.0001"), ROUND_HALF_UP)


FORMULAS: Mapping[str, Callable[[Row, date], Stored]] = {
    "Overdue__c": _overdue("Due_Date__c", "Amount_Due__c", "Payment_Status__c"),
    "Invoice_Overdue__c": _overdue("Invoice_Due_Date__c", "Amount_Due__c", "Invoice_Payment__c"),
    "Record__c": _record,
    "Xero_Average_Cost__c": _average_cost,
}


def stored_or_formula(field: Field, row: Row, today: date) -> Stored:
    """What a field holds, or what its formula gives on a day."""
    formula = FORMULAS.get(field.name) if field.calculated else None
    return row.get(field.name) if formula is None else formula(row, today)
