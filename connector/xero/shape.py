"""The shape of an accounting document in Avro: which fields are typed how, where recursion is cut. Pure.

One shape serves the generator of the schemas and the conversion of records, so that they cannot differ. What a shape
does not type (unknown fields, values of another type than told, an explicit null) goes to ``other`` as canonical text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from connector.xero.field import Field, FieldKind
from connector.xero.fields import FIELDS

NAMESPACE = "io.twinledger.accounting.v1"
OTHER = "other"
# what is shown of an object that a document only names; the rest of it goes to its ``other``
REFERENCES: Mapping[str, Mapping[str, Field]] = {
    "Contact": {"ContactID": Field(FieldKind.TEXT), "Name": Field(FieldKind.TEXT)},
    "Account": {"AccountID": Field(FieldKind.TEXT), "Code": Field(FieldKind.TEXT), "Name": Field(FieldKind.TEXT)},
    "Invoice": {
        "InvoiceID": Field(FieldKind.TEXT),
        "InvoiceNumber": Field(FieldKind.TEXT),
        "Type": Field(FieldKind.TEXT),
        "CurrencyCode": Field(FieldKind.TEXT),
    },
    "Payment": {
        "PaymentID": Field(FieldKind.TEXT),
        "Date": Field(FieldKind.DATE),
        "Amount": Field(FieldKind.NUMBER, scale=2),
        "Reference": Field(FieldKind.TEXT),
        "CurrencyRate": Field(FieldKind.NUMBER, scale=10),
    },
    "CreditNote": {
        "CreditNoteID": Field(FieldKind.TEXT),
        "CreditNoteNumber": Field(FieldKind.TEXT),
        "Date": Field(FieldKind.DATE),
        "AppliedAmount": Field(FieldKind.NUMBER, scale=2),
        "Total": Field(FieldKind.NUMBER, scale=2),
    },
    "Prepayment": {"PrepaymentID": Field(FieldKind.TEXT), "AppliedAmount": Field(FieldKind.NUMBER, scale=2)},
    "Overpayment": {"OverpaymentID": Field(FieldKind.TEXT), "AppliedAmount": Field(FieldKind.NUMBER, scale=2)},
    "BatchPayment": {"BatchPaymentID": Field(FieldKind.TEXT), "Date": Field(FieldKind.DATE)},
    "BrandingTheme": {"BrandingThemeID": Field(FieldKind.TEXT), "Name": Field(FieldKind.TEXT)},
    "LineItemItem": {"ItemID": Field(FieldKind.TEXT), "Code": Field(FieldKind.TEXT), "Name": Field(FieldKind.TEXT)},
    "ContactGroup": {"ContactGroupID": Field(FieldKind.TEXT), "Name": Field(FieldKind.TEXT)},
    "Attachment": {
        "AttachmentID": Field(FieldKind.TEXT),
        "FileName": Field(FieldKind.TEXT),
        "Url": Field(FieldKind.TEXT),
    },
}


@dataclass(frozen=True, slots=True)
class Part:
    """One typed field. ``inner`` is the shape of what it holds (an object, or each row of a list)."""

    kind: FieldKind
    precision: int = 18
    scale: int = 4
    inner: Shape | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A record: its Avro name and its parts in order; ``other`` follows them."""

    name: str
    parts: Mapping[str, Part]


@cache
def document(entity: str) -> Shape:
    """The shape of an entity's document."""
    return Shape(f"{entity}Document", {name: _part(row) for name, row in FIELDS[entity].items()})


@cache
def _inner(entity: str) -> Shape:
    if entity in REFERENCES:
        return Shape(f"{entity}Ref", {name: _part(row) for name, row in REFERENCES[entity].items()})
    return Shape(entity + "Part", {name: _part(row) for name, row in FIELDS[entity].items()})


def _part(row: Field) -> Part:
    precision, scale = (28, 10) if row.scale == 10 or (row.kind is FieldKind.NUMBER and row.scale is None) else (18, 4)
    inner = _inner(row.of) if row.of else None
    return Part(row.kind, precision, scale, inner)
