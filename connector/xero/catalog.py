"""The catalog of the Xero side (``core.catalog.Catalog``), from the table of fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from connector.core.below import CONTENT, FILE, PARENTS
from connector.core.catalog import FieldInfo, FieldType
from connector.core.mapping.amounts import NET
from connector.xero.entities import ENTITIES
from connector.xero.field import BOOLEAN, NUMBER, REFERENCE, TEXT, WHOLE, Field, FieldKind
from connector.xero.fields import FIELDS

# lists whose entries are named by a type: Phones.DEFAULT, Addresses.POBOX, Tracking.Region
KEYED: Mapping[str, str] = {"Phones": "PhoneType", "Addresses": "AddressType", "Tracking": "Name"}
# lists of rows, by their name: lines, and what settled a document
ROWS: Mapping[str, str] = {
    "LineItems": "LineItem", "JournalLines": "ManualJournalLine", "Payments": "Payment", "CreditNotes": "CreditNote",
    "Prepayments": "Prepayment", "Overpayments": "Overpayment", "Allocations": "Allocation",
    "ContactPersons": "ContactPerson",
}  # fmt: skip
# what a line shows of an item is the item, cut short
SHORT: Mapping[str, str] = {"LineItemItem": "Item"}
# the API only shows them: prepayments and overpayments are born of bank transactions
READ_ONLY = frozenset({"Organisation", "BrandingTheme", "Prepayment", "Overpayment"})
_TYPES: Mapping[FieldKind, FieldType] = {
    FieldKind.TEXT: FieldType.TEXT,
    FieldKind.NUMBER: FieldType.NUMBER,
    FieldKind.WHOLE: FieldType.NUMBER,
    FieldKind.DATE: FieldType.DATE,
    FieldKind.TIME: FieldType.TIME,
    FieldKind.BOOLEAN: FieldType.BOOLEAN,
    FieldKind.OBJECT: FieldType.OBJECT,
    FieldKind.REFERENCE: FieldType.ID,
    FieldKind.LIST: FieldType.LIST,
}
REQUIRED: Mapping[str, frozenset[str]] = {
    "Contact": frozenset({"Name"}),
    "Item": frozenset({"Code"}),
    "Invoice": frozenset({"Type", "Contact", "LineItems"}),
    "Payment": frozenset({"Invoice", "Account", "Amount"}),
    "Account": frozenset({"Name", "Type"}),
    "CreditNote": frozenset({"Type", "Contact", "LineItems"}),
    "BankTransaction": frozenset({"Type", "Contact", "LineItems", "BankAccount"}),
    "BankTransfer": frozenset({"FromBankAccount", "ToBankAccount", "Amount"}),
    "PurchaseOrder": frozenset({"Contact", "LineItems"}),
    "Quote": frozenset({"Contact", "LineItems", "Date"}),
    "ManualJournal": frozenset({"Narration", "JournalLines"}),
    "TrackingCategory": frozenset({"Name"}),
    "Currency": frozenset({"Code"}),
    "Allocation": frozenset({"Invoice", "Amount", "Date"}),
    "Attachment": frozenset({"FileName"}),
    "HistoryRecord": frozenset({"Details"}),
}
# written once, refused later
CREATE_ONLY: Mapping[str, frozenset[str]] = {
    "Invoice": frozenset({"Type"}),
    "Payment": frozenset(FIELDS["Payment"]) - {"Status"},
    "CreditNote": frozenset({"Type"}),
    "BankTransaction": frozenset({"Type"}),
    "BankTransfer": frozenset(FIELDS["BankTransfer"]) - {"Status"},
    "Currency": frozenset(FIELDS["Currency"]),
}
# Xero gives them; they name the object
OWN_IDS = frozenset(entity.id_field for entity in ENTITIES.values() if entity.name not in ("TaxRate", "Currency"))


_OWN_FIELDS: Mapping[str, Mapping[str, Field]] = {
    "Allocation": FIELDS["Allocation"],
    "Attachment": {
        "AttachmentID": Field(TEXT, read_only=True), "FileName": Field(TEXT, max_length=255),
        "Url": Field(TEXT, read_only=True), "MimeType": Field(TEXT, max_length=255), "IncludeOnline": Field(BOOLEAN),
        "ContentLength": Field(WHOLE, read_only=True),
        FILE: Field(TEXT, max_length=18),  # a file version of Salesforce: its bytes are fetched when it is sent
        CONTENT: Field(TEXT, max_length=10_000),  # a text of our own, for a file that holds a link
    },
    "HistoryRecord": {"Details": Field(TEXT, max_length=2450)},  # 2,500 with room for our mark
}  # fmt: skip
# what stands below an object names it by its entity
BELOW_FIELDS: Mapping[str, Mapping[str, Field]] = {
    name: {**{parent: Field(REFERENCE, parent) for parent in sorted(PARENTS[name])}, **own}
    for name, own in _OWN_FIELDS.items()
}
_ALL: Mapping[str, Mapping[str, Field]] = {
    **FIELDS,
    **BELOW_FIELDS,
    "LineItem": {**FIELDS["LineItem"], NET: Field(NUMBER, scale=2)},
}


class XeroCatalog:
    """What Xero's objects look like: the same for every organisation."""

    def has(self, entity: str) -> bool:
        return entity in ENTITIES or entity in BELOW_FIELDS

    def children(self, entity: str, name: str) -> str | None:
        """The rows under a list; ``LineItem`` is an entity of the table of fields."""
        return ROWS.get(name) if name in FIELDS.get(entity, {}) else None

    def parent(self, entity: str, name: str) -> str | None:
        return None

    def field(self, entity: str, path: str) -> FieldInfo | None:
        """``Name``, ``Contact.ContactID``, ``Phones.DEFAULT``, ``Addresses.POBOX.City``, ``Tracking.Region``."""
        name, _, rest = path.partition(".")
        row = _ALL.get(entity, {}).get(name)
        if row is None or not rest:
            return None if row is None else _info(entity, name, row)
        if name in KEYED and row.kind is FieldKind.LIST:
            return _entry(row, rest)
        if row.kind not in (FieldKind.OBJECT, FieldKind.REFERENCE):
            return None
        inner = self.field(SHORT.get(row.of, row.of), rest)
        if inner is None:
            return None
        by_code = (
            row.of == "Account" and rest == "Code"
        )  # an account may be named by its code wherever one is asked for
        if (row.kind is FieldKind.REFERENCE and not by_code) or row.read_only:
            return _read_only(inner)
        return inner


def _entry(row: Field, rest: str) -> FieldInfo | None:
    """An entry of a keyed list as a whole, or one field of it."""
    key, _, name = rest.partition(".")
    known = FIELDS[row.of]
    kinds = known[KEYED_BY[row.of]].choices
    if not key or (kinds is not None and key not in kinds):
        return None
    if name:
        return _info(row.of, name, known[name]) if name in known else None
    whole = WHOLE_ENTRY.get(row.of)
    return _info(row.of, whole, known[whole]) if whole else FieldInfo(FieldType.OBJECT)


KEYED_BY: Mapping[str, str] = {
    "Phone": "PhoneType",
    "Address": "AddressType",
    "AddressForOrganisation": "AddressType",
    "LineItemTracking": "Name",
    "TrackingCategory": "Name",
}
# what an entry holds when it is named without a field: the number of a phone, the option of a tracking category
WHOLE_ENTRY: Mapping[str, str] = {"Phone": "PhoneNumber", "LineItemTracking": "Option", "TrackingCategory": "Option"}


def _info(entity: str, name: str, row: Field) -> FieldInfo:
    writable = entity not in READ_ONLY and not (
        row.read_only or (entity in ENTITIES and name in OWN_IDS and ENTITIES[entity].id_field == name)
    )
    return FieldInfo(
        type=_TYPES[row.kind],
        max_length=row.max_length,
        creatable=writable,
        updatable=writable and name not in CREATE_ONLY.get(entity, ()),
        required=name in REQUIRED.get(entity, ()),
        scale=0 if row.kind is FieldKind.WHOLE else row.scale,
        values=row.choices,
        references=(SHORT.get(row.of, row.of),) if row.kind is FieldKind.REFERENCE else (),
    )


def _read_only(info: FieldInfo) -> FieldInfo:
    return replace(info, creatable=False, updatable=False, required=False)
