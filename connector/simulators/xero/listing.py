"""GET of lists: which parameters each entity takes, filters, order, pages, If-Modified-Since."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connector.simulators.xero import accounts, contacts, invoices, items, payments
from connector.simulators.xero.errors import Refusal, bad_query, unsupported
from connector.simulators.xero.shows import LIST, PAGE, SUMMARY, searchable, show
from connector.simulators.xero.store import ID_FIELDS, Stored, Tenant
from connector.simulators.xero.where import parse_order, parse_where

_FILTERS = frozenset({"where", "order"})
_PAGES = frozenset({"page", "pageSize"})
PARAMETERS: Mapping[str, frozenset[str]] = {
    "Invoice": _FILTERS | _PAGES
    | {"IDs", "InvoiceNumbers", "ContactIDs", "Statuses", "includeArchived", "createdByMyApp", "unitdp",
    "summaryOnly", "searchTerm"},
    "Contact": _FILTERS | _PAGES | {"IDs", "includeArchived", "summaryOnly", "searchTerm"},
    "Item": _FILTERS | {"unitdp"},
    "Account": _FILTERS,
    "TaxRate": _FILTERS,
    "Payment": _FILTERS | _PAGES,
    "Organisation": frozenset(),
}  # fmt: skip
MODIFIED_SINCE = frozenset({"Invoice", "Contact", "Item", "Account", "Payment"})
_TABLES = {
    "Invoice": invoices.TABLE, "Contact": contacts.TABLE, "Item": items.TABLE, "Account": accounts.TABLE,
    "Payment": payments.TABLE,
}  # fmt: skip
_TAX_NAMES = frozenset(
    {"Name", "TaxType", "Status", "ReportTaxType", "EffectiveRate", "DisplayTaxRate", *accounts.CAN_APPLY.values()}
)
_SEARCHED = {
    "Invoice": ("InvoiceNumber", "Reference"),
    "Contact": ("Name", "FirstName", "LastName", "ContactNumber", "EmailAddress"),
}


def list_objects(
    tenant: Tenant, entity: str, query: Mapping[str, str], since: str | None
) -> tuple[list[Any], dict[str, Any] | None]:
    """The wire objects and, for a page, its pagination block."""
    _check(entity, query)
    summary = query.get("summaryOnly", "").lower() == "true"
    found = [record for record in tenant.all(entity) if _wanted(entity, record, query)]
    if since is not None and entity in MODIFIED_SINCE:
        moment = modified_since(since)
        found = [record for record in found if record["UpdatedDateUTC"] >= moment]
    found = _filtered(tenant, entity, found, query)
    paged = "page" in query or summary
    places = decimals(query)
    if not paged:
        return [show(tenant, entity, record, LIST, places) for record in found], None
    page, size = _whole(query, "page", 1, None), _whole(query, "pageSize", 100, 1000)
    form = SUMMARY if summary else PAGE
    shown = [show(tenant, entity, record, form, places) for record in found[(page - 1) * size : page * size]]
    count = -(-len(found) // size)
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


def _check(entity: str, query: Mapping[str, str]) -> None:
    unknown = set(query) - PARAMETERS[entity]
    if unknown:
        raise unsupported(f"the parameter {', '.join(sorted(unknown))} of GET /{entity}s (names are case-sensitive)")
    if "pageSize" in query and "page" not in query and "summaryOnly" not in query:
        raise unsupported("pageSize without page")


def _whole(query: Mapping[str, str], name: str, default: int, limit: int | None) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < 1 or (limit is not None and int(text) > limit):
        raise bad_query(f"{name} must be a whole number from 1{f' to {limit}' if limit else ''}, not '{text}'")
    return int(text)


def _wanted(entity: str, record: Stored, query: Mapping[str, str]) -> bool:
    if (
        entity == "Contact"
        and record["ContactStatus"] == "ARCHIVED"
        and query.get("includeArchived", "").lower() != "true"
    ):
        return "IDs" in query and record["ContactID"] in _words(query["IDs"])
    if query.get("createdByMyApp", "").lower() == "true" and record.get("_origin") != "api":
        return False
    return all(test(record, query[name]) for name, test in _TESTS.items() if name in query)


def _words(text: str) -> set[str]:
    return {word.strip().lower() for word in text.split(",")}


_TESTS: Mapping[str, Callable[[Stored, str], bool]] = {
    "IDs": lambda record, text: str(record.get("InvoiceID") or record.get("ContactID")) in _words(text),
    "InvoiceNumbers": lambda record, text: record["InvoiceNumber"].lower() in _words(text),
    "ContactIDs": lambda record, text: record["Contact"]["ContactID"] in _words(text),
    "Statuses": lambda record, text: record["Status"].lower() in _words(text),
}


def _filtered(tenant: Tenant, entity: str, found: list[Stored], query: Mapping[str, str]) -> list[Stored]:
    names = frozenset(_TABLES[entity]) if entity in _TABLES else _TAX_NAMES
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
    records = [record for _, record in pairs]
    if entity in ("Invoice", "Contact", "Payment"):
        records.sort(key=lambda record: (record["UpdatedDateUTC"], record[ID_FIELDS[entity]]))
    return records
