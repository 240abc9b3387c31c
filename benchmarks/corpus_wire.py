"""The simulators' wire format beside recorded bodies: the same names, the same spelling of dates, times and numbers.

Both simulators are served on the loopback and asked as the product asks; each object of theirs is laid beside all
recorded and published objects of its kind. A difference needs a row in ``EXPECTED``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.corpus_lines import Line
from benchmarks.corpus_sims import refusal_frame, salesforce_bodies, xero_bodies
from benchmarks.corpus_spelling import Shape, differences, note, shape_of
from benchmarks.corpus_verdict import rows_of
from connector.xero.entities import ENTITIES

ENOUGH = 5  # so many recorded objects show what an object always has
# (subject, path, reason): the path may end in * for all below it
EXPECTED: tuple[tuple[str, str, str], ...] = (
    *(
        ("*", f"{where}LineItems[].{name}", "newer than the recordings; listed in Xero's published specification")
        for where in ("", "Invoice.")
        for name in ("AccountID", "LineItemID")
    ),
    *(
        ("*", f"Contact.{name}", "the examples of this kind are of 2019; recorded invoices show their contact so")
        for name in ("IsSupplier", "IsCustomer", "SalesTrackingCategories", "PurchasesTrackingCategories")
    ),
    ("*", "AllocationID", "listed in Xero's published specification; its examples are older"),
    ("CreditNote", "Allocations[].*", "no published credit note is allocated; as published below prepayments"),
    (
        "Payment",
        "Invoice.HasAttachments",
        "a written payment shows its invoice whole; recorded invoices have the field",
    ),
    ("Item", "PurchaseDescription", "optional: the demo company's items have none"),
    ("Account", "ReportingCode*", "optional: the demo company sets none, and no mapping reads it"),
    ("Organisation", "CreatedDateUTC", "recorded without +0000, ours with it; one rule of the reader takes both"),
    ("token", "scope", "client credentials give it; the recorded tokens are of the older web flows"),
    ("token", "token_type", "client credentials give it; the recorded tokens are of the older web flows"),
    ("token", "api_instance_url", "client credentials give it; the recorded tokens are of the older web flows"),
    ("row Account", "BillingAddress.*", "the parts of every compound address, as on the recorded Leads"),
    ("event", "payload.AnnualRevenue", "a field of Account, a number as in the recorded rows"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One path of one kind of object. ``reason`` is empty when none is known."""

    entity: str
    path: str
    said: str
    reason: str


async def compare(lines: list[Line]) -> list[Difference]:
    """All differences between what the simulators send and what was recorded."""
    theirs, counts = recorded(lines)
    ours = {**await xero_bodies(), **await salesforce_bodies()}
    out = []
    for subject, objects in ours.items():
        always = counts.get(subject, 0) if counts.get(subject, 0) >= ENOUGH else 0
        for path, said in differences(theirs.get(subject, {}), shape_of(objects), always):
            out.append(Difference(subject, path, said, _reason(subject, path)))
    return out


def _reason(subject: str, path: str) -> str:
    for about, pattern, reason in EXPECTED:
        if about in (subject, "*") and (path == pattern or (pattern[-1] == "*" and path.startswith(pattern[:-1]))):
            return reason
    return ""


def recorded(lines: Iterable[Line]) -> tuple[dict[str, Shape], dict[str, int]]:
    """The shape of each kind of object, and how many of it came from a real wire."""
    shapes: dict[str, Shape] = {}
    counts: dict[str, int] = {}
    for line in lines:
        real = line.kind.startswith("recorded") or line.file.startswith("salesforce/")
        for subject, one in _objects(line):
            note(shapes.setdefault(subject, {}), one, recorded=real)
            counts[subject] = counts.get(subject, 0) + real
    return shapes, counts


def _objects(line: Line) -> list[tuple[str, Mapping[str, Any]]]:
    if line.file.startswith("xero/"):
        return _xero_objects(line)
    raw = line.message
    if line.file.startswith("salesforce/cdc"):
        data = raw.get("data", raw) if isinstance(raw, Mapping) else {}
        payload = data.get("payload") if line.form in ("cometd-full", "cometd-data") else None
        return [("event", data)] if isinstance(payload, Mapping) and "ChangeEventHeader" in payload else []
    return _rest_objects(line, raw)


def _rest_objects(line: Line, raw: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(raw, list):
        rows = [one for one in raw if isinstance(one, Mapping)]
        kinds = (("errorCode", "error"), ("success", "result"))
        return [(kind, one) for one in rows for name, kind in kinds if name in one]
    if not isinstance(raw, Mapping):
        return []
    if line.kind == "describe":
        return [("describe", raw), *((f"row {raw['name']}", {one["name"]: None}) for one in raw["fields"])]
    if line.kind == "oauth-token":
        return [("token", raw)]
    if "totalSize" in raw and isinstance(raw.get("records"), list):
        page = {name: value for name, value in raw.items() if name != "records"}
        rows = [row for row in rows_of(raw) if isinstance(row.get("attributes"), Mapping)]
        return [("page", page), *((f"row {row['attributes']['type']}", row) for row in rows)]
    return []


def _xero_objects(line: Line) -> list[tuple[str, Mapping[str, Any]]]:
    raw = line.message
    if line.status != 200 or not isinstance(raw, Mapping):
        refused = line.status == 400 and isinstance(raw, Mapping) and "Elements" in raw
        return [("Refusal", refusal_frame(raw))] if refused else []
    out: list[tuple[str, Mapping[str, Any]]] = []
    if line.operation.endswith("/connect/token"):
        return [("Token", raw)]
    if any(name in raw for name in ("Status", "ProviderName")):
        plurals = {about.plural for about in ENTITIES.values()}
        out.append(("Envelope", {name: value for name, value in raw.items() if name not in plurals}))
    if "/Allocations" in line.operation and isinstance(raw.get("Allocations"), list):
        out += [("Allocation", one) for one in raw["Allocations"]]
    for about in ENTITIES.values():
        rows = raw.get(about.plural)
        if isinstance(rows, list) and not line.kind.startswith("sdk"):
            out += [(about.name, one) for one in rows if isinstance(one, Mapping)]
    return out
