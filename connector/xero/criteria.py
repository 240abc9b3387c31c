"""Criteria of a look-up to Xero's query parameters, and the check of what comes back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import quote as percent_encoded

from connector.core.records import Record
from connector.core.values import Fields, Value, plain_number
from connector.errors import ConfigurationError

MOST = 10
IDS_PER_CALL = 40  # Xero advises at most 40 to 50 in one URL
WHERES_PER_CALL = 15  # a Guid comparison is long; the URL must stay short
CRITERIA_PER_CALL = 40
LONGEST_WHERE = 3000  # as it stands in the URL
# a field that names another object, and what names it there
REFERENCES: Mapping[str, str] = {
    "Contact": "ContactID", "Invoice": "InvoiceID", "Account": "AccountID", "BankAccount": "AccountID",
    "FromBankAccount": "AccountID", "ToBankAccount": "AccountID", "CreditNote": "CreditNoteID",
    "Prepayment": "PrepaymentID", "Overpayment": "OverpaymentID",
}  # fmt: skip
_ENDED = frozenset({"VOIDED", "DELETED"})
GONE: Mapping[str, tuple[str, frozenset[str]]] = dict.fromkeys(
    (
        "Invoice", "CreditNote", "Payment", "Prepayment", "Overpayment", "BankTransaction", "BankTransfer",
        "PurchaseOrder", "Quote", "ManualJournal", "Account", "TaxRate", "TrackingCategory",
    ),
    ("Status", _ENDED),
)  # fmt: skip
# lists that know no `where`: the one field that they can be asked for, as a parameter or as the object's address
ASKED_BY: Mapping[str, str] = {"Quote": "QuoteNumber", "PurchaseOrder": "PurchaseOrderNumber"}


def where(criteria: Fields) -> str:
    """``Name=="…" AND Contact.ContactID==Guid("…")``. Raises ConfigurationError for what cannot be asked."""
    return " AND ".join(f"{path}{_operand(path, value)}" for path, value in sorted(paths(criteria)))


def any_where(wanted: Sequence[Fields]) -> str:
    """What equals one of these. Raises as ``where``."""
    parts = [where(criteria) for criteria in wanted]
    return parts[0] if len(parts) == 1 else " OR ".join(f"({part})" if " AND " in part else part for part in parts)


def bundles(wanted: Sequence[Fields]) -> Iterator[list[int]]:
    """Places of the criteria that one ``where`` can ask for: of the same fields, not too many, not too long."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, criteria in enumerate(wanted):
        alike.setdefault(tuple(sorted(path for path, _ in paths(criteria))), []).append(place)
    for places in alike.values():
        bundle: list[int] = []
        for place in places:
            longer = len(percent_encoded(any_where([wanted[one] for one in (*bundle, place)])))
            if bundle and (len(bundle) == CRITERIA_PER_CALL or longer > LONGEST_WHERE):
                yield bundle
                bundle = []
            bundle.append(place)
        yield bundle


def paths(criteria: Fields) -> Iterator[tuple[str, Value]]:
    """Criteria by dotted path; an id where an object is named means its id."""
    for name, value in criteria.items():
        if isinstance(value, Mapping):
            for inner, part in paths(value):
                yield f"{name}.{inner}", part
        elif name in REFERENCES and isinstance(value, str):
            yield f"{name}.{REFERENCES[name]}", value
        else:
            yield name, value


def by_reference(name: str, value: Value) -> str:
    """The id in a reference, given as it is or inside its object; empty where there is none."""
    inner = value.get(REFERENCES.get(name, f"{name}ID")) if isinstance(value, Mapping) else value
    return inner if isinstance(inner, str) else ""


def _operand(path: str, value: Value) -> str:
    if value is None:
        return "==null"
    if isinstance(value, bool):
        return f"=={str(value).lower()}"
    if isinstance(value, Decimal):
        return f"=={plain_number(value)}"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'==Guid("{escaped}")' if is_id(path) else f'=="{escaped}"'
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"==DateTime({value.year},{value.month},{value.day})"
    raise ConfigurationError("xero.criteria", f"Xero cannot be asked for {path} by a {type(value).__name__}.")


def is_id(path: str) -> bool:
    return path.endswith("ID")


def any_of(id_field: str, ids: Iterable[str]) -> str:
    return " OR ".join(f'{id_field}==Guid("{record_id}")' for record_id in ids)


def chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for at in range(0, len(ids), size):
        yield ids[at : at + size]


def matching(records: Iterable[Record], criteria: Fields) -> tuple[Record, ...]:
    """The live ones that equal the criteria. Text compares without case, as in Xero's own filters."""
    wanted = list(paths(criteria))
    return tuple(record for record in records if _live(record) and all(_equal(record, *pair) for pair in wanted))[:MOST]


def _live(record: Record) -> bool:
    name, gone = GONE.get(record.entity, ("", frozenset[str]()))
    return record.fields.get(name) not in gone


def _equal(record: Record, path: str, wanted: Value) -> bool:
    value: Value = record.fields
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str) and isinstance(wanted, str):
        return value.strip().casefold() == wanted.strip().casefold()
    return value == wanted or (value is None and wanted == "")
