"""What all documents with lines share: their contact, their numbers, the lock dates, the currency, the states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from connector.simulators.xero.contacts import ARCHIVED, match_contact, write_contact
from connector.simulators.xero.contacts import TABLE as CONTACT
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.lines import TABLE as LINE
from connector.simulators.xero.lines import LineWriter
from connector.simulators.xero.shapes import Table, choice, day, guid, number, record, rows, text
from connector.simulators.xero.store import Stored, Tenant

ZERO = Decimal("0.00")
# what every document with a contact and lines takes; each kind adds its own id, number, status and dates
DOCUMENT: Table = {
    "Contact": record(CONTACT), "LineItems": rows(LINE), "Date": day, "Reference": text(255), "BrandingThemeID": guid,
    "LineAmountTypes": choice("LineAmountType", "Exclusive", "Inclusive", "NoTax"), "CurrencyCode": text(3),
    "CurrencyRate": number,
    **dict.fromkeys((
        "SubTotal", "TotalTax", "Total", "UpdatedDateUTC", "DateString", "HasAttachments", "Attachments", "HasErrors",
        "StatusAttributeString", "ValidationErrors", "Warnings",
    )),
}  # fmt: skip
ALLOCATED = "This document cannot be edited as it has a payment or credit note allocated to it."
# of invoices and credit notes
NEXT_STATES: Mapping[str, frozenset[str]] = {
    "": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED"}),
    "DRAFT": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "SUBMITTED": frozenset({"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"}),
    "AUTHORISED": frozenset({"AUTHORISED", "VOIDED"}),
    "PAID": frozenset({"PAID"}),
    "VOIDED": frozenset(),
    "DELETED": frozenset(),
}


def find_contact(tenant: Tenant, given: Mapping[str, Any], old: Mapping[str, Any]) -> Stored | None:
    """The contact of the document; None when its name is new."""
    asked = given.get("Contact") or old.get("Contact")
    if not asked:
        raise Invalid("A Contact must be specified for this type of transaction")
    found = match_contact(tenant, asked)
    if found is None and asked.get("ContactID"):
        raise Invalid("The Contact could not be found")
    if found is not None and found["ContactStatus"] == "ARCHIVED":
        raise Invalid(ARCHIVED)
    return found


def keep_contact(tenant: Tenant, given: Mapping[str, Any], found: Stored | None) -> Stored:
    """More than an id in a document's contact changes that contact, or makes one: Xero does so."""
    asked = given.get("Contact") or {}
    if found is None or any(found.get(name) != value for name, value in asked.items()):
        return write_contact(tenant, dict(asked), found)
    return found


def known_contact(tenant: Tenant, given: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, str]:
    """The reference to a contact that must exist: orders and quotes make none."""
    found = find_contact(tenant, given, old)
    if found is None:
        raise Invalid("The Contact could not be found")
    return {"ContactID": found["ContactID"]}


def check_locks(tenant: Tenant, day_: date, *, posted: bool) -> None:
    organisation = tenant.organisation
    for name, words in (("EndOfYearLockDate", "end of year lock date"), ("PeriodLockDate", "period lock date")):
        locked = organisation.get(name)
        if posted and locked is not None and day_ <= locked:
            raise Invalid(f"The document date cannot be before the {words}, currently set to {locked.isoformat()}")


def lock_problems(tenant: Tenant, day_: date) -> list[str]:
    try:
        check_locks(tenant, day_, posted=True)
    except Invalid as locked:
        return list(locked.messages)
    return []


def currency_problems(tenant: Tenant, document: Stored) -> list[str]:
    """Fills the organisation's currency in where none is named."""
    document["CurrencyCode"] = document.get("CurrencyCode") or tenant.organisation["BaseCurrency"]
    if document["CurrencyCode"] not in tenant.currencies:
        return [f"Organisation is not subscribed to currency {document['CurrencyCode']}"]
    return []


def url_problems(document: Mapping[str, Any]) -> list[str]:
    return ["The Url must not contain the word xero"] if "xero" in str(document.get("Url") or "").lower() else []


def theme_problems(tenant: Tenant, given: Mapping[str, Any]) -> list[str]:
    theme = given.get("BrandingThemeID")
    return ["The BrandingTheme could not be found"] if theme and tenant.get("BrandingTheme", theme) is None else []


def write_lines(writer: LineWriter, given: Mapping[str, Any], old: Mapping[str, Any]) -> list[Stored]:
    """The sent lines, or the kept ones: those keep their four places, and their tax unless its mode has changed."""
    known = old.get("LineItems", ())
    if "LineItems" in given or not old:
        return writer.write(given.get("LineItems", ()), known)
    writer.places = 4
    dropped = {"TaxAmount"} if writer.mode != old["LineAmountTypes"] else set()
    return writer.write([{name: line[name] for name in line if name not in dropped} for line in known], known)


def holder_of(tenant: Tenant, entity: str, name: str, number: str, *free: str) -> Stored | None:
    """Who has this number; those in a ``free`` state have given theirs up."""
    wanted = number.casefold()
    return tenant.first(
        entity,
        lambda record: record["Status"] not in free and str(record.get(name) or "").casefold() == wanted,
    )


def next_number(tenant: Tenant, entity: str, name: str, prefix: str) -> str:
    """The first number of the organisation's own row that is free."""
    taken = {record.get(name) for record in tenant.all(entity)}
    return next(text for at in range(1, len(taken) + 2) if (text := f"{prefix}-{at:04d}") not in taken)
