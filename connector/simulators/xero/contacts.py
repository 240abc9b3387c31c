"""Contacts: uniqueness of names and numbers, fixed slots of phones and addresses, archiving."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.shapes import Table, choice, empty_only, flag, guid, number, record, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id, spell

PHONE_TYPES = ("DEFAULT", "DDI", "FAX", "MOBILE")
ADDRESS_TYPES = ("STREET", "POBOX")
PHONE: Table = {
    "PhoneType": choice("PhoneType", *PHONE_TYPES, "OFFICE"), "PhoneNumber": text(50), "PhoneAreaCode": text(10),
    "PhoneCountryCode": text(20), "ValidationErrors": None,
}  # fmt: skip
ADDRESS: Table = {
    "AddressType": choice("AddressType", *ADDRESS_TYPES, "DELIVERY"), "AddressLine1": text(500),
    "AddressLine2": text(500),
    "AddressLine3": text(500), "AddressLine4": text(500), "City": text(255), "Region": text(255),
    "PostalCode": text(50),
    "Country": text(50), "AttentionTo": text(255), "ValidationErrors": None,
}  # fmt: skip
PERSON: Table = {
    "FirstName": text(255), "LastName": text(255), "EmailAddress": text(255), "IncludeInEmails": flag,
    "ValidationErrors": None,
}  # fmt: skip
TERM: Table = {
    "Day": number,
    "Type": choice("PaymentTermType", "DAYSAFTERBILLDATE", "DAYSAFTERBILLMONTH", "OFCURRENTMONTH", "OFFOLLOWINGMONTH"),
    "ValidationErrors": None,
}
_AMOUNTS = choice("LineAmountType", "INCLUSIVE", "EXCLUSIVE", "NONE")
TABLE: Table = {
    "ContactID": guid, "ContactNumber": text(50), "AccountNumber": text(50),
    "ContactStatus": choice("ContactStatus", "ACTIVE", "ARCHIVED"), "Name": text(255), "FirstName": text(255),
    "LastName": text(255), "CompanyNumber": text(50), "EmailAddress": text(255), "BankAccountDetails": text(255),
    "TaxNumber": text(50), "AccountsReceivableTaxType": text(50), "AccountsPayableTaxType": text(50),
    "Addresses": rows(ADDRESS), "Phones": rows(PHONE), "ContactPersons": rows(PERSON), "DefaultCurrency": text(3),
    "SalesDefaultAccountCode": text(10), "PurchasesDefaultAccountCode": text(10),
    "SalesDefaultLineAmountType": _AMOUNTS,
    "PurchasesDefaultLineAmountType": _AMOUNTS, "XeroNetworkKey": text(100),
    "PaymentTerms": record({"Bills": record(TERM), "Sales": record(TERM)}),
    "SalesTrackingCategories": empty_only, "PurchasesTrackingCategories": empty_only, "ContactGroups": empty_only,
    "Attachments": empty_only, "IsSupplier": None, "IsCustomer": None, "UpdatedDateUTC": None, "Website": None,
    "Discount": None, "Balances": None, "HasAttachments": None, "HasValidationErrors": None, "ValidationErrors": None,
    "MergedToContactID": None, "StatusAttributeString": None, "Warnings": None,
}  # fmt: skip
_PERSON_WORDS, MOST_PERSONS = ("FirstName", "LastName", "EmailAddress"), 5
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+")
ARCHIVED = (
    "The specified contact details matched an archived contact. "
    "Archived contacts cannot currently be edited via the API."
)


def match_contact(tenant: Tenant, given: Mapping[str, Any], *, by_name: bool = True) -> Stored | None:
    """The contact that a body means: by id, then number, then name among the active."""
    if given.get("ContactID"):
        return tenant.get("Contact", given["ContactID"])
    if given.get("ContactNumber") and (found := _by(tenant, "ContactNumber", given["ContactNumber"])):
        return found
    if by_name and given.get("Name"):
        return _by(tenant, "Name", given["Name"], active_only=True)
    return None


def _by(tenant: Tenant, name: str, value: str, *, active_only: bool = False) -> Stored | None:
    wanted = value.strip().casefold()
    return tenant.first(
        "Contact",
        lambda contact: (
            str(contact.get(name) or "").casefold() == wanted
            and (not active_only or contact["ContactStatus"] == "ACTIVE")
        ),
    )


def write_contact(tenant: Tenant, given: dict[str, Any], known: Stored | None, *, by_hand: bool = False) -> Stored:
    """Create or change one contact. A person in the UI may bring an archived one back."""
    if known is not None and known["ContactStatus"] == "ARCHIVED" and not by_hand:
        raise Invalid(ARCHIVED)
    if known is None and not any(given.get(name) for name in ("Name", "ContactNumber", "ContactID")):
        raise Invalid(
            "The Contact must contain at least 1 of the following elements to identify the contact: "
            "Name, ContactID, ContactNumber"
        )
    contact = {**(known or _blank()), **given}
    contact["ContactPersons"] = _persons(known, given)
    contact["Phones"] = _slots(known, given, "Phones", "PhoneType", PHONE_TYPES)
    contact["Addresses"] = _slots(known, given, "Addresses", "AddressType", ADDRESS_TYPES)
    contact["Name"] = str(contact.get("Name") or "").strip()
    problems = list(_problems(tenant, contact, given))
    if problems:
        raise Invalid(*problems)
    return tenant.save("Contact", contact, given)


def _blank() -> Stored:
    return {
        "ContactID": new_id(), "ContactStatus": "ACTIVE", "EmailAddress": "", "BankAccountDetails": "",
        "IsSupplier": False, "IsCustomer": False, "ContactPersons": [],
    }  # fmt: skip


def _slots(
    known: Stored | None, given: Mapping[str, Any], name: str, kind: str, kinds: tuple[str, ...]
) -> list[Stored]:
    """The fixed slots, the given ones changed field by field; a further kind is added at the end."""
    blank = {"PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""}
    if kind == "AddressType":
        blank = {"City": "", "Region": "", "PostalCode": "", "Country": ""}
    slots = {row[kind]: dict(row) for row in known[name]} if known else {key: {kind: key, **blank} for key in kinds}
    for row in given.get(name, ()):
        if not row.get(kind):
            raise Invalid(f"{kind} is a required field")
        slots[row[kind]] = {**slots.get(row[kind], blank), **row}
    return list(slots.values())


def _persons(known: Stored | None, given: Mapping[str, Any]) -> list[Stored]:
    """A list takes the place of the other one. An empty one is ignored, as clients report of Xero (xero-node#560), and
    an entry without a word is none: so they empty it (xero-php#63)."""
    sent: list[Stored] = given.get("ContactPersons") or (known or {}).get("ContactPersons") or []
    return [{"IncludeInEmails": False, **row} for row in sent if any(row.get(name) for name in _PERSON_WORDS)]


def _problems(tenant: Tenant, contact: Stored, given: Mapping[str, Any]) -> list[str]:
    others = [other for other in tenant.all("Contact") if other["ContactID"] != contact["ContactID"]]
    name, number_ = contact["Name"], contact.get("ContactNumber")
    wrong: list[str] = []
    if not name:
        wrong.append("The contact name cannot be empty.")
    if "<" in name or ">" in name:
        wrong.append("The contact name cannot contain the characters < or >.")
    if contact["ContactStatus"] == "ACTIVE" and any(
        other["ContactStatus"] == "ACTIVE" and other["Name"].casefold() == name.casefold() for other in others
    ):
        wrong.append(
            f"The contact name {name} is already assigned to another contact. "
            "The contact name must be unique across all active contacts."
        )
    if number_ and any(str(other.get("ContactNumber") or "").casefold() == number_.casefold() for other in others):
        wrong.append(
            f"The contact number {number_} is already assigned to another contact. "
            "The contact number must be unique across all contacts."
        )
    if given.get("EmailAddress") and not _EMAIL.fullmatch(given["EmailAddress"]):
        wrong.append("Email address must be valid.")
    if given.get("DefaultCurrency") and given["DefaultCurrency"] not in tenant.currencies:
        wrong.append(f"Organisation is not subscribed to currency {given['DefaultCurrency']}")
    persons = contact["ContactPersons"]
    if len(persons) > MOST_PERSONS:  # the bound is documented, the words of the refusal are not
        wrong.append(f"A contact can have a maximum of {MOST_PERSONS} ContactPersons.")
    if any(row.get("EmailAddress") and not _EMAIL.fullmatch(row["EmailAddress"]) for row in persons):
        wrong.append("Email address must be valid.")
    wrong += [
        f"The TaxType code {given[side]} does not exist or cannot be used for this type of transaction."
        for side in ("AccountsReceivableTaxType", "AccountsPayableTaxType")
        if given.get(side) and tenant.get("TaxRate", given[side]) is None
    ]
    return wrong


def show_contact(tenant: Tenant, contact: Stored, *, summary: bool = False, balances: bool = True) -> dict[str, Any]:
    """The wire form. Balances are reckoned at reading and do not move UpdatedDateUTC."""
    body: dict[str, Any] = spell(
        {name: value for name, value in contact.items() if value != [] or name != "ContactPersons"}
    )
    if summary:
        return {name: value for name, value in body.items() if name not in ("Addresses", "Phones", "ContactPersons")}
    for name in ("ContactGroups", "ContactPersons", "SalesTrackingCategories", "PurchasesTrackingCategories"):
        body.setdefault(name, [])
    owed = {side: _owed(tenant, contact["ContactID"], kind) for side, kind in _SIDES.items()} if balances else {}
    if any(part["Outstanding"] or part["Overdue"] for part in owed.values()):
        body["Balances"] = spell(owed)
    return {**body, "HasAttachments": False, "HasValidationErrors": False}


_SIDES = {"AccountsReceivable": "ACCREC", "AccountsPayable": "ACCPAY"}


def _owed(tenant: Tenant, contact_id: str, kind: str) -> dict[str, Decimal]:
    today = tenant.now().date()
    open_ones = [
        invoice
        for invoice in tenant.invoices_of(contact_id)
        if invoice["Type"] == kind and invoice["Status"] == "AUTHORISED"
    ]
    zero = Decimal("0.00")
    return {
        "Outstanding": sum((invoice["AmountDue"] for invoice in open_ones), zero),
        "Overdue": sum((invoice["AmountDue"] for invoice in open_ones if invoice["DueDate"] < today), zero),
    }


def merge_contacts(tenant: Tenant, goes: Stored, stays: str) -> Stored:
    """Two contacts made one, as a person does in Xero's screens: the one that goes is archived and names the other,
    which has the documents of both. Raises Invalid."""
    kept = tenant.get("Contact", stays)
    if kept is None or kept["ContactStatus"] != "ACTIVE" or goes["ContactStatus"] != "ACTIVE" or kept is goes:
        raise Invalid("Only two active contacts can be merged")
    for name, table in tenant.tables.items():
        for document in list(table.values()) if name != "Contact" else ():
            if (document.get("Contact") or {}).get("ContactID") == goes["ContactID"]:
                tenant.save(name, {**document, "Contact": {**document["Contact"], "ContactID": stays}}, {})
    return tenant.save("Contact", {**goes, "ContactStatus": "ARCHIVED", "MergedToContactID": stays}, {})
