"""GET of lists: which parameters each entity takes, filters, order, pages, If-Modified-Since."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connector.simulators.xero import accounts
from connector.simulators.xero.errors import Refusal, bad_query, unsupported
from connector.simulators.xero.registry import ABOUT, parameters
from connector.simulators.xero.shapes import day
from connector.simulators.xero.shows import LIST, PAGE, SUMMARY, searchable, show
from connector.simulators.xero.store import ID_FIELDS, PLURALS, Stored, Tenant
from connector.simulators.xero.where import parse_order, parse_where

_NAMES = {  # of entities that cannot be written, and what where may name beside the fields of the others
    "TaxRate": frozenset(
        {"Name", "TaxType", "Status", "ReportTaxType", "EffectiveRate", "DisplayTaxRate", *accounts.CAN_APPLY.values()}
    ),
    "Prepayment": frozenset(ABOUT["CreditNote"].table or ()) | {"PrepaymentID", "InvoiceNumber"},
    "Overpayment": frozenset(ABOUT["CreditNote"].table or ()) | {"OverpaymentID"},
}
_SEARCHED = {
    "Invoice": ("InvoiceNumber", "Reference"),
    "Contact": ("Name", "FirstName", "LastName", "ContactNumber", "EmailAddress"),
}
_BY_CHANGE = frozenset({"", "updateddateutc", "updateddateutc asc"})  # the order that these lists have anyway
_FILTERS = frozenset({"where", "IDs", "page", "summaryOnly", "searchTerm", "Statuses", "ContactIDs", "InvoiceNumbers"})


def list_objects(
    tenant: Tenant, entity: str, query: Mapping[str, str], since: str | None
) -> tuple[list[Any], dict[str, Any] | None]:
    """The wire objects and, for a page, its pagination block."""
    _check(tenant, entity, query, since)
    summary = query.get("summaryOnly", "").lower() == "true"
    moment = modified_since(since) if since is not None and ABOUT[entity].since else None
    found = tenant.changed(entity, moment)
    if entity in _HIDING or _NARROWING & set(query):
        found = [record for record in found if _wanted(entity, record, query)]
    if moment is not None and not found and tenant.doubts.not_modified == "304":
        raise Refusal(304, None)
    found = _filtered(tenant, entity, found, query)
    paged = "page" in query or summary
    places = decimals(query)
    if not paged:
        return [show(tenant, entity, record, LIST, places) for record in found], None
    fixed = ABOUT[entity].page_size
    page, size = _whole(query, "page", 1, None), fixed or _whole(query, "pageSize", 100, 1000)
    form = SUMMARY if summary else PAGE
    shown = [show(tenant, entity, record, form, places) for record in found[(page - 1) * size : page * size]]
    count = -(-len(found) // size)
    if fixed:
        return shown, None
    return shown, {"page": page, "pageSize": size, "pageCount": count, "itemCount": len(found)}


def decimals(query: Mapping[str, str]) -> int:
    """unitdp: 2, or 4 on request."""
    if query.get("unitdp", "2") not in ("2", "4"):
        raise bad_query("unitdp is 2 or 4")
    return int(query.get("unitdp", "2"))


def modified_since(text: str) -> datetime:
    """To the second, UTC where no zone is named. Also the form of RFC 1123."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            raise Refusal(412, f"If-Modified-Since is not a time: {text}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=0)


def _check(tenant: Tenant, entity: str, query: Mapping[str, str], since: str | None) -> None:
    unknown = set(query) - parameters(entity)
    if unknown:
        told = ", ".join(sorted(unknown))
        raise unsupported(f"the parameter {told} of GET /{PLURALS[entity]} (names are case-sensitive)")
    if "pageSize" in query and "page" not in query and "summaryOnly" not in query:
        raise unsupported("pageSize without page")
    wide = not (_FILTERS & set(query)) and since is None
    if wide and len(tenant.tables[entity]) > tenant.doubts.high_volume:
        raise bad_query(
            f"Your request is not filtering {PLURALS[entity]} efficiently, given the extremely high volume "
            "for this organisation."
        )


def _whole(query: Mapping[str, str], name: str, default: int, limit: int | None) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < 1 or (limit is not None and int(text) > limit):
        raise bad_query(f"{name} must be a whole number from 1{f' to {limit}' if limit else ''}, not '{text}'")
    return int(text)


def _wanted(entity: str, record: Stored, query: Mapping[str, str]) -> bool:
    if _hidden(entity, record, query):
        return "IDs" in query and record[ID_FIELDS[entity]] in _words(query["IDs"])
    if query.get("createdByMyApp", "").lower() == "true" and record.get("_origin") != "api":
        return False
    return all(test(record, query[name]) for name, test in _TESTS.items() if name in query)


def _hidden(entity: str, record: Stored, query: Mapping[str, str]) -> bool:
    """What a list leaves out unless it is asked for."""
    archived = query.get("includeArchived", "").lower() == "true"
    if entity == "Contact":
        return bool(record["ContactStatus"] == "ARCHIVED") and not archived
    if entity == "TrackingCategory":
        return bool(record["Status"] == "DELETED") or (record["Status"] == "ARCHIVED" and not archived)
    deleted = query.get("includeDeleted", "").lower() == "true"
    return entity == "BankTransfer" and record["Status"] == "DELETED" and not deleted


def _words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",")}


_TESTS: Mapping[str, Callable[[Stored, str], bool]] = {
    "IDs": lambda record, text: str(record.get("InvoiceID") or record.get("ContactID")) in _words(text),
    "InvoiceNumbers": lambda record, text: str(record.get("InvoiceNumber", "")).lower() in _words(text),
    "ContactIDs": lambda record, text: record["Contact"]["ContactID"] in _words(text),
    "Statuses": lambda record, text: record["Status"].lower() in _words(text),
    "Status": lambda record, text: record["Status"].lower() == text.lower(),
    "References": lambda record, text: str(record.get("Reference", "")).lower() in _words(text),
    "ContactID": lambda record, text: record["Contact"]["ContactID"] == text.lower(),
    "QuoteNumber": lambda record, text: text.casefold() in record["QuoteNumber"].casefold(),
    "DateFrom": lambda record, text: record["Date"] >= day(text, "DateFrom"),
    "DateTo": lambda record, text: record["Date"] <= day(text, "DateTo"),
    "ExpiryDateFrom": lambda record, text: bool(record.get("ExpiryDate") and record["ExpiryDate"] >= day(text, "")),
    "ExpiryDateTo": lambda record, text: bool(record.get("ExpiryDate") and record["ExpiryDate"] <= day(text, "")),
}


_NARROWING = frozenset(_TESTS) | {"createdByMyApp"}
_HIDING = frozenset({"Contact", "TrackingCategory", "BankTransfer"})


def _filtered(tenant: Tenant, entity: str, found: list[Stored], query: Mapping[str, str]) -> list[Stored]:
    plain = "where" not in query and "searchTerm" not in query
    if plain and entity in tenant.changes and " ".join(query.get("order", "").lower().split()) in _BY_CHANGE:
        return found
    names = _NAMES.get(entity) or frozenset(ABOUT[entity].table or ())
    pairs = [(searchable(tenant, entity, record), record) for record in found]
    if "where" in query:
        matches = parse_where(query["where"], names)
        pairs = [pair for pair in pairs if matches(pair[0])]
    if "searchTerm" in query:
        term = query["searchTerm"].casefold()
        pairs = [p for p in pairs if any(term in str(p[0].get(name) or "").casefold() for name in _SEARCHED[entity])]
    if "order" in query:
        seen = {id(view): record for view, record in pairs}
        return [seen[id(view)] for view in parse_order(query["order"], names)([view for view, _ in pairs])]
    return [record for _, record in pairs]
