"""``life: changed: approved: credit``: an invoice that its record has outgrown is credited in full, and made anew.

The credit note's amounts are those that stood in the invoice, so its mapping names the fields and no values: they come
from the link of the invoice that ended. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from connector.core.document import Flat
from connector.core.link_events import CONTROL, GONE, TOTAL, Texts
from connector.core.mapping.expression import Expression
from connector.core.mapping.life import Action, Life
from connector.core.mapping.model import End, Mapping, Setting
from connector.core.records import Side
from connector.core.values import Value, from_canonical

MARK = "~"  # parts a document's own name from what follows from it
CREDIT = f"{MARK}credit-"  # then the generation that it credits
ALLOCATION = f"{MARK}allocation-"
NUMBER = "CreditNoteNumber"
_TAKEN_OVER = ("Contact", "CurrencyCode", "CurrencyRate", "LineAmountTypes", "BrandingThemeID")
_TYPES: Table[str, str] = {"ACCREC": "ACCRECCREDIT", "ACCPAY": "ACCPAYCREDIT"}
_LONGEST = 255


def credits_of(mapping: Mapping) -> Mapping | None:
    """The mapping of the credit notes of an invoice's mapping, None where it credits nothing."""
    if mapping.documents or Action.CREDIT not in mapping.life.changed.values():
        return None
    kept = [setting for setting in mapping.settings if setting.path in _TAKEN_OVER]
    nothing = Expression.constant(None)
    own = [Setting(path, nothing, 1, once=True) for path in ("Type", "Date", NUMBER)]
    return replace(
        mapping, target=End(Side.XERO, "CreditNote"), settings=(*kept, *own), find={}, expect={}, life=Life(),
        mark="", foreign_lines="keep", part=None,
    )  # fmt: skip


def allocations_of(notes: Mapping) -> Mapping:
    """The mapping of the allocations of those credit notes, each to the invoice that it credits."""
    nothing = Expression.constant(None)
    own = tuple(Setting(path, nothing, 1, once=True) for path in ("CreditNote", "Invoice", "Amount", "Date"))
    return replace(notes, target=End(Side.XERO, "Allocation"), settings=own, blocks=(), found="link")


def credit_part(part: str, generation: int) -> str:
    return f"{part}{CREDIT}{generation}"


def allocation_part(part: str, generation: int) -> str:
    return f"{part}{ALLOCATION}{generation}"


def credited(part: str) -> str | None:
    """The part that a credit note, or its allocation, is of; None for what is neither."""
    own, found, _ = part.partition(MARK)
    return own if found else None


def allocation(invoice: Texts, target: str, on: Value) -> Flat | None:
    """What an allocation says, but for its credit note; None where nobody has seen what the invoice comes to."""
    total = from_canonical(invoice.get(TOTAL) or "null")
    return {"Invoice": target, "Amount": total, "Date": on} if isinstance(total, Decimal) else None


def credit_note(invoice: Texts, stamp: datetime | None) -> Flat:
    """What a credit note says: all that stood in the invoice, on the day on which its record changed."""
    flat: dict[str, Value] = {
        path: from_canonical(text)
        for path, text in invoice.items()
        if text != GONE and (path in _TAKEN_OVER or "/" in path) and not path.startswith(CONTROL)
    }
    kind, date = _text(invoice, "Type"), from_canonical(invoice.get("Date", "null"))
    number = f"CR-{_text(invoice, 'InvoiceNumber')}"[:_LONGEST]
    return {**flat, "Type": _TYPES.get(kind, kind), "Date": stamp.date() if stamp is not None else date, NUMBER: number}


def _text(flat: Texts, path: str) -> str:
    value = from_canonical(flat.get(path) or "null")
    return value if isinstance(value, str) else ""
