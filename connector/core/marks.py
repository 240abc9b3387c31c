"""The mark: our key carried inside a target object, by which it is found again after a call nobody answered for.

A natural key where the type has one that is unique (facts/xero.md §5.3), else a field that takes our own text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from connector.core.document import Flat
from connector.core.identity import document_key
from connector.core.mapping.model import Kind
from connector.core.mapping.model import Mapping as Rules
from connector.core.mapping.syntax import ExpressionError
from connector.core.records import Record, Side
from connector.core.values import Fields

# Xero type → where its mark can stand, the surest first.
MARKS: Mapping[str, tuple[str, ...]] = {
    "Contact": ("ContactNumber",),
    "Item": ("Code",),
    "Account": ("Code",),
    "TaxRate": ("Name",),
    "TrackingCategory": ("Name",),
    "Invoice": ("InvoiceNumber", "Url"),  # a bill's number is not unique: only Url
    "CreditNote": ("CreditNoteNumber", "Reference"),  # a supplier's has no number of ours
    "PurchaseOrder": ("PurchaseOrderNumber",),
    "Quote": ("QuoteNumber",),
    "Payment": ("Reference",),
    "BankTransaction": ("Url",),
    "BankTransfer": ("Reference",),
    "ManualJournal": ("Url",),
    "Attachment": ("FileName",),  # below one object there is one file of a name
    "HistoryRecord": ("Details",),  # it has no id: its words are what it is known by
}
NATURAL = frozenset(
    {"Code", "Name", "InvoiceNumber", "CreditNoteNumber", "PurchaseOrderNumber", "QuoteNumber", "FileName", "Details"}
)
WITHIN = frozenset({"Details"})  # a text that must name its record: our own mark follows where it does not
NUMBERED_ELSEWHERE = frozenset({"ACCPAY", "ACCPAYCREDIT"})  # the supplier's number, not ours


def mark_of(
    mapping: Rules, record: Record, flat: Flat, *, generation: int = 1, salesforce_url: str = "", part: str = ""
) -> tuple[str, str] | None:
    """(field, value) by which the object that is born of ``record`` is found again; None where there is none.

    ``flat`` is what the object is given, ``part`` which of several documents of the record it is. Raises
    ExpressionError where a mark cannot be made.
    """
    target = mapping.end(record.side.other) if mapping.kind is Kind.TWO_WAY else mapping.target
    if target.side is Side.SALESFORCE:
        if not mapping.mark:
            return None
        value = record.id if mapping.kind is Kind.TWO_WAY else flat.get(mapping.mark)
        return (mapping.mark, value) if isinstance(value, str) else None
    for field in MARKS.get(target.entity, ()):
        if field in NATURAL:
            value = None if flat.get("Type") in NUMBERED_ELSEWHERE and field != "Code" else flat.get(field)
            if field in WITHIN and isinstance(value, str) and record.id not in value:
                value = f"{value} ({_reference(mapping.name, record, generation, salesforce_url)})"
        else:
            value = _OURS[field](f"{mapping.name}/{part}" if part else mapping.name, record, generation, salesforce_url)
        if isinstance(value, str):
            return (field, value)
    return None


def carried(mapping: Rules, side: Side, entity: str, fields: Fields) -> tuple[tuple[str, str], ...]:
    """Every mark field of an object of that side that holds something: perhaps one of ours, perhaps a stranger's."""
    names = ((mapping.mark,) if mapping.mark else ()) if side is Side.SALESFORCE else MARKS.get(entity, ())
    values = ((name, fields.get(name)) for name in names)
    return tuple((name, value) for name, value in values if isinstance(value, str) and value)


def _contact_number(mapping: str, record: Record, generation: int, url: str) -> str:
    return record.id


def _reference(mapping: str, record: Record, generation: int, url: str) -> str:
    return f"tl-{_short(f'{mapping}/{document_key(record.side, record.id)}', 16)}-{generation}"


def _url(mapping: str, record: Record, generation: int, url: str) -> str:
    """Where the record is, with a query that names the mapping (hashed: Xero refuses "xero" in it) and generation."""
    if not url:
        raise ExpressionError("mapping.mark", "the mark of this object is a link to the record, and the address of the "
                              "Salesforce org is not known", remedy="Check that the org can be reached.")  # fmt: skip
    mark = f"{url.rstrip('/')}/{record.id}?tl={_short(mapping, 8)}.{generation}"
    if "xero" in mark.lower():
        raise ExpressionError("mapping.mark", f"Xero takes no link with the word xero in it: {mark}",
                              remedy="Use the org's other address as its url in the connection file.")  # fmt: skip
    return mark


def _short(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


_OURS: Mapping[str, Callable[[str, Record, int, str], str]] = {
    "ContactNumber": _contact_number,
    "Reference": _reference,
    "Url": _url,
}
