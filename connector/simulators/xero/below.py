"""What stands below an object: allocations, tracking options, attachments, history notes.

``/<Entities>/<id>/<Segment>`` and ``/<Segment>/<own id>``. None of it moves the UpdatedDateUTC of what it stands below,
allocations apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from connector.simulators.xero.allocations import TABLE as ALLOCATION
from connector.simulators.xero.allocations import allocate, allocations_of, take_back
from connector.simulators.xero.credit_notes import CREDITS
from connector.simulators.xero.errors import ZERO_ID, Invalid, bad_query, not_found, unreadable, unsupported
from connector.simulators.xero.shapes import Table, read, text
from connector.simulators.xero.shows import show_allocation
from connector.simulators.xero.store import ID_FIELDS, PLURALS, Stored, Tenant
from connector.simulators.xero.tracking import OPTION, show_option, write_option
from connector.simulators.xero.wire import envelope, json_answer, milliseconds, moment_string, new_id, spell

NOTE: Table = {"Details": text(2500), "Changes": None, "User": None, "DateUTC": None, "DateUTCString": None}
LARGEST_FILE = 10_000_000
MOST_FILES = 10
NOTED = frozenset(ID_FIELDS) - {
    "Organisation", "Account", "TaxRate", "TrackingCategory", "Currency", "BrandingTheme", "BatchPayment",
}  # fmt: skip
ATTACHED = NOTED - {"Item", "Payment", "Prepayment", "Overpayment"} | {"Account"}


@dataclass(frozen=True)
class Call:
    """One request below an object; ``own`` is empty for the list."""

    tenant: Tenant
    method: str
    entity: str
    record: Stored
    own: str
    body: bytes
    query: Mapping[str, str]
    media: str
    correlation: str

    def rows(self, plural: str, table: Table) -> list[dict[str, Any]]:
        """The objects of a body: a list under ``plural``, or one bare object."""
        try:
            raw = json.loads(self.body, parse_float=str)
        except (ValueError, RecursionError) as error:
            raise unreadable(f"Unexpected character encountered while parsing: {error}") from None
        found = raw.get(plural, [raw]) if isinstance(raw, dict) and raw else []
        if not isinstance(found, list) or not found:
            raise unreadable(f"The request must contain a list {plural}.")
        return [read(one, table, f"{plural}[{at}]") for at, one in enumerate(found)]

    def answer(self, name: str, rows: list[Any]) -> Response:
        return json_answer(envelope(name, rows, self.tenant.now(), self.correlation))


def refused(element: Mapping[str, Any], invalid: Invalid) -> dict[str, Any]:
    return {**element, "StatusAttributeString": "ERROR", "ValidationErrors": [{"Message": m} for m in invalid.messages]}


def _exception(elements: list[dict[str, Any]]) -> Response:
    body = {"ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred"}
    return json_answer({**body, "Elements": elements}, 400)


def _allocations(call: Call) -> Response:
    record_id = call.record[ID_FIELDS[call.entity]]
    if call.method == "DELETE":
        mine = allocations_of(call.tenant, call.entity, record_id)
        found = next((one for one in mine if one["AllocationID"] == call.own), None)
        if found is None:
            raise not_found()
        try:
            take_back(call.tenant, call.entity, call.record, found)
        except Invalid as invalid:
            return _exception([refused({"AllocationID": call.own}, invalid)])
        at = f"/Date({milliseconds(call.tenant.now())})/"
        return json_answer({"AllocationId": call.own, "Date": at, "Invoice": [found["Invoice"]], "IsDeleted": True})
    out, bad = [], []
    for given in call.rows("Allocations", ALLOCATION):
        try:
            credit = call.tenant.tables[call.entity][record_id]
            made = allocate(call.tenant, call.entity, credit, given)
            out.append({**show_allocation(call.tenant, made, call.entity), "ValidationErrors": []})
        except Invalid as invalid:
            bad.append(refused({**spell(given), "AllocationID": ZERO_ID}, invalid))
            out.append(bad[-1])
    if call.query.get("summarizeErrors", "true").lower() != "false" and bad:
        return _exception(bad)
    return call.answer("Allocations", out)


def _options(call: Call) -> Response:
    category = call.record
    known = next((one for one in category["Options"] if one["TrackingOptionID"] == call.own), None)
    if call.own and known is None:
        raise not_found()
    try:
        if call.method == "DELETE":
            done = write_option(call.tenant, category, {"Status": "DELETED"}, known)
        else:
            (given,) = call.rows("Options", OPTION)[:1]
            done = write_option(call.tenant, category, given, known)
    except Invalid as invalid:
        return _exception([refused({"TrackingOptionID": ZERO_ID}, invalid)])
    return call.answer("Options", [show_option(done)])


def _notes(call: Call) -> Response:
    record_id = call.record[ID_FIELDS[call.entity]]
    kept = call.tenant.notes.setdefault(record_id, [])
    if call.method == "GET":
        return call.answer("HistoryRecords", kept[::-1])
    out = []
    for given in call.rows("HistoryRecords", NOTE):
        now = call.tenant.now()
        at = {"DateUTCString": moment_string(now)[:-1], "DateUTC": f"/Date({milliseconds(now)}+0000)/"}
        kept.append({"Changes": "Note", **at, "User": "System Generated", "Details": given.get("Details", "")})
        call.tenant.committed("HistoryRecord", record_id, "create", given)
        out.append({**at, "Details": given.get("Details", ""), "ValidationErrors": []})
    return call.answer("HistoryRecords", out)


def _files(call: Call) -> Response:
    """PUT adds one file; POST puts it in the place of one with the same name."""
    record_id = call.record[ID_FIELDS[call.entity]]
    kept = call.tenant.files.setdefault(record_id, [])
    found = next((one for one in kept if call.own in (one["FileName"], one["AttachmentID"])), None)
    if call.method == "GET" and call.own:
        if found is None:
            raise not_found()
        return Response(found["_content"], 200, media_type=found["MimeType"])
    if call.method == "GET":
        return call.answer("Attachments", [_shown(one) for one in kept])
    if len(call.body) > LARGEST_FILE or not call.body:
        raise unreadable(f"An attachment has 1 to {LARGEST_FILE} bytes.")
    if len(kept) >= MOST_FILES and found is None:
        raise unreadable(f"A document has at most {MOST_FILES} attachments.")
    url = f"https://api.xero.com/api.xro/2.0/{PLURALS[call.entity]}/{record_id}/Attachments/{call.own}"
    made = {
        "AttachmentID": found["AttachmentID"] if found else new_id(), "FileName": call.own, "Url": url,
        "MimeType": call.media or "application/octet-stream", "ContentLength": len(call.body),
        "IncludeOnline": call.query.get("IncludeOnline", "").lower() == "true", "_content": call.body,
    }  # fmt: skip
    kept[:] = [one for one in kept if one is not found] + [made]
    call.tenant.committed("Attachment", str(made["AttachmentID"]), "create", {"FileName": call.own, "of": record_id})
    return call.answer("Attachments", [_shown(made)])


def _shown(file: Stored) -> dict[str, Any]:
    return {name: value for name, value in file.items() if not name.startswith("_")}


@dataclass(frozen=True)
class Segment:
    """``methods`` for the list and for one of it, and the entities that have it."""

    handle: Callable[[Call], Response]
    entities: frozenset[str]
    listed: frozenset[str]
    single: frozenset[str]
    parameters: frozenset[str] = frozenset()


SEGMENTS: Mapping[str, Segment] = {
    "Allocations": Segment(
        _allocations, frozenset(CREDITS), frozenset({"PUT"}), frozenset({"DELETE"}), frozenset({"summarizeErrors"})
    ),
    "Options": Segment(
        _options, frozenset({"TrackingCategory"}), frozenset({"PUT"}), frozenset({"POST", "DELETE"}),
    ),
    "History": Segment(_notes, NOTED, frozenset({"GET", "PUT"}), frozenset()),
    "Attachments": Segment(
        _files, ATTACHED, frozenset({"GET"}), frozenset({"GET", "PUT", "POST"}), frozenset({"IncludeOnline"})
    ),
}  # fmt: skip


def answer(name: str, call: Call) -> Response:
    """Raises Refusal for what the API does not have."""
    segment = SEGMENTS.get(name)
    allowed = frozenset[str]() if segment is None else segment.single if call.own else segment.listed
    if segment is None or call.entity not in segment.entities or call.method not in allowed:
        raise unsupported(f"{call.method} {name} of {PLURALS[call.entity]}")
    if unknown := set(call.query) - segment.parameters:
        raise bad_query(f"The Xero simulator knows no parameter {sorted(unknown)} here.")
    return segment.handle(call)
