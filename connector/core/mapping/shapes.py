"""How the two sides lay out what a path names: keyed lists, references, compound addresses.

A path is dotted by the side's own names. `Phones.DEFAULT` names an entry of a list by its type, `Contact` a reference
by its id, `BillingAddress` the component fields that Salesforce reads and writes one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.core.below import UNSHOWN
from connector.core.document import NAMED
from connector.core.mapping.amounts import with_net
from connector.core.mapping.syntax import ExpressionError
from connector.core.records import Record, Side
from connector.core.values import Fields, Value


@dataclass(frozen=True, slots=True)
class Keyed:
    """A list whose entries are told apart by ``name``; an entry as a whole stands for its ``parts``."""

    name: str
    parts: tuple[str, ...]


KEYED: Mapping[str, Keyed] = {
    "Phones": Keyed("PhoneType", ("PhoneCountryCode", "PhoneAreaCode", "PhoneNumber")),
    "Addresses": Keyed("AddressType", ()),
    "Tracking": Keyed("Name", ("Option",)),
}

# Objects that a document names by id; only the id is sent (more would change the object, facts/xero.md §5.1).
REFERENCES: Mapping[str, str] = {
    "Contact": "ContactID",
    "Invoice": "InvoiceID",
    "CreditNote": "CreditNoteID",
    "Prepayment": "PrepaymentID",
    "Overpayment": "OverpaymentID",
    "PurchaseOrder": "PurchaseOrderID",
    "Account": "AccountID",
    "BankAccount": "AccountID",
    "BrandingTheme": "BrandingThemeID",
    "Item": "ItemID",
    "Quote": "QuoteID",
    "Payment": "PaymentID",
    "BankTransaction": "BankTransactionID",
    "BankTransfer": "BankTransferID",
    "ManualJournal": "ManualJournalID",
}

ADDRESS_PARTS = ("Street", "City", "State", "PostalCode", "Country")
COMPOUNDS: Mapping[str, str] = {  # compound field → prefix of its component fields
    "BillingAddress": "Billing",
    "ShippingAddress": "Shipping",
    "MailingAddress": "Mailing",
    "OtherAddress": "Other",
    "Address": "",
}

LINES: Mapping[str, tuple[str, str]] = {  # Xero document → where its lines stand, and the field of their own id
    "Invoice": ("LineItems", "LineItemID"),
    "CreditNote": ("LineItems", "LineItemID"),
    "PurchaseOrder": ("LineItems", "LineItemID"),
    "Quote": ("LineItems", "LineItemID"),
    "BankTransaction": ("LineItems", "LineItemID"),
    "ManualJournal": ("JournalLines", ""),  # its lines have no id: their place tells them apart
    **NAMED,
}


def id_field(side: Side, entity: str) -> str:
    """The field that carries the id of an object."""
    return "Id" if side is Side.SALESFORCE else f"{entity}ID"


def own_fields(record: Record) -> dict[str, Value]:
    """The record's fields with its id under the side's own name; lines of Xero with what they come to without tax."""
    fields = with_net(record.entity, record.fields) if record.side is Side.XERO else record.fields
    return {**fields, id_field(record.side, record.entity): record.id}


def components(path: str) -> tuple[str, ...]:
    """The Salesforce fields behind a path: the components of a compound address, else the path itself."""
    parent, _, name = path.rpartition(".")
    prefix = COMPOUNDS.get(name)
    if prefix is None:
        return (path,)
    dot = f"{parent}." if parent else ""
    return tuple(f"{dot}{prefix}{part}" for part in ADDRESS_PARTS)


def member(value: object, name: str, under: str) -> object:
    """What ``.name`` is of a value that stands under the name ``under``. Null has only nulls beneath it."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, Sequence) and not isinstance(value, str) and under in KEYED:
        key = KEYED[under].name
        found = (entry for entry in value if isinstance(entry, Mapping) and entry.get(key) == name)
        return next(found, None)
    raise ExpressionError("mapping.type", f"{under} is no object, so there is no {under}.{name}")


def reach(fields: Fields, path: str) -> Value:
    """What lies at a path, as it is."""
    names = path.split(".")
    value: object = fields
    for under, name in zip(["", *names], names, strict=False):
        value = member(value, name, under)
    return value  # type: ignore[return-value]


def pick(side: Side, fields: Fields, path: str) -> Value:
    """The value at a path of a record, as one field: a reference is its id, a phone one text."""
    names = path.split(".")
    if side is Side.SALESFORCE and names[-1] in COMPOUNDS:
        return _compound(fields, path)
    value = reach(fields, path)
    return _leaf(value, names) if side is Side.XERO else value


def has(side: Side, fields: Fields, path: str, entity: str = "") -> bool:
    """Whether the record says anything about the path. Salesforce answers what was asked; Xero leaves nulls out."""
    if side is Side.XERO:
        return path not in UNSHOWN.get(entity, ())
    return any(name.split(".")[0] in fields for name in (*components(path), path))


def _leaf(value: Value, names: list[str]) -> Value:
    if isinstance(value, Mapping):
        reference = REFERENCES.get(names[-1])
        if reference is not None and reference in value:
            return value[reference]
        keyed = KEYED.get(names[-2]) if len(names) > 1 else None
        if keyed is not None and keyed.parts:
            parts = [str(value[part]).strip() for part in keyed.parts if value.get(part)]
            return " ".join(part for part in parts if part) or None
    return value


def _compound(fields: Fields, path: str) -> Value:
    parent, _, name = path.rpartition(".")
    holder: object = pick(Side.SALESFORCE, fields, parent) if parent else fields
    if not isinstance(holder, Mapping):
        return None
    prefix = COMPOUNDS[name]
    flat = {part: holder.get(f"{prefix}{part}") for part in ADDRESS_PARTS}
    whole = holder.get(name)
    if isinstance(whole, Mapping) and not any(flat.values()):
        by_name = {key.lower(): value for key, value in whole.items()}
        flat = {part: by_name.get(part.lower()) for part in ADDRESS_PARTS}
    return flat


def place(side: Side, out: dict[str, Value], path: str, value: Value) -> None:
    """Put a value where the side wants it, within the fields that are going to be sent."""
    names = path.split(".")
    if side is Side.SALESFORCE and names[-1] in COMPOUNDS and (value is None or isinstance(value, Mapping)):
        for part, component in zip(ADDRESS_PARTS, components(path), strict=True):
            place(side, out, component, None if value is None else value.get(part))
        return
    holder = out
    for name in names[:-1]:
        if name in KEYED and side is Side.XERO:
            break
        inner = holder.get(name)
        if not isinstance(inner, dict):
            inner = holder[name] = {}
        holder = inner
        names = names[1:]
    if len(names) == 1:
        holder[names[0]] = _reference(side, names[0], value)
    else:
        _entry(holder, names, value)


def _reference(side: Side, name: str, value: Value) -> Value:
    if side is Side.XERO and name in REFERENCES and isinstance(value, str):
        return {REFERENCES[name]: value}
    return value


def _entry(holder: dict[str, Value], names: list[str], value: Value) -> None:
    """Write into one entry of a keyed list: the whole entry, or one field of it."""
    keyed = KEYED[names[0]]
    before = holder.get(names[0])
    entries: list[Value] = before if isinstance(before, list) else []
    holder[names[0]] = entries
    entry: dict[str, Value] = {keyed.name: names[1]}
    for one in entries:
        if isinstance(one, dict) and one.get(keyed.name) == names[1]:
            entry = one
            break
    else:
        entries.append(entry)
    if len(names) > 2:
        entry[names[2]] = value
    elif isinstance(value, Mapping):
        entry.update(value)
    elif keyed.parts:
        # The whole number stands in the last part; the others are emptied, else it would be read with them again.
        entry.update(dict.fromkeys(keyed.parts[:-1], ""))
        entry[keyed.parts[-1]] = value
