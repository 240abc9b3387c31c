"""Writes: building one call and reading what its answer says of each element. Pure; deterministic to the byte.

Rules that stand behind it (facts, §5): PUT creates and never edits by accident; a batch is always sent with
``summarizeErrors=false``, because the other form hides which elements were written; a document's Contact is its id
alone, because anything more changes that contact; 500s say nothing about the write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connector.core.failure import Failure, Kind
from connector.core.party import Answer, Applied, Operation, Outcome, Rejected, Request, Undecided, Write
from connector.core.values import Fields, Value
from connector.errors import DataError
from connector.xero import below
from connector.xero.below import BELOW
from connector.xero.criteria import REFERENCES
from connector.xero.entities import ZERO_ID, Entity, entity
from connector.xero.failures import STATUSES, failure, too_many
from connector.xero.records import json_bytes, load, read_fields

LARGEST = 3_500_000  # bytes of one body
# what an answer echoes of a created element, to be sure that we read the right one
ECHOES = (
    "ContactNumber", "InvoiceNumber", "CreditNoteNumber", "PurchaseOrderNumber", "QuoteNumber", "Code", "Url",
    "Reference", "Narration", "Name",
)  # fmt: skip


def batch_limit(name: str, operation: Operation) -> int:
    """The most writes of one call."""
    if name in BELOW:
        return 1
    about = entity(name)
    return 1 if operation is Operation.UPDATE and "alone" in about.takes else max(1, about.batch)


def prepare(writes: Sequence[Write], idempotency_key: str) -> Request:
    """One call for writes of one entity and operation. Raises DataError (``xero.call-mixed``, ``-too-large``)."""
    if writes[0].entity in BELOW and len(writes) == 1:
        return below.prepare(writes[0], idempotency_key)
    about, operation = entity(writes[0].entity), writes[0].operation
    if any(write.entity != about.name or write.operation is not operation for write in writes):
        raise DataError("xero.call-mixed", "One call to Xero takes writes of one entity and one operation.")
    if len(writes) > batch_limit(about.name, operation):
        raise DataError(
            "xero.call-too-large", f"One call takes {batch_limit(about.name, operation)} of {about.plural}."
        )
    if not about.batch:
        raise DataError("xero.read-only", f"Xero's API shows {about.plural} and takes none.")
    elements: list[Value] = [_element(write, about) for write in writes]
    alone = "alone" in about.takes and operation is Operation.UPDATE
    path = f"{about.path}/{writes[0].target}" if alone else about.path
    query = [("summarizeErrors", "false")] if "each" in about.takes and not alone else []
    if "unitdp" in about.takes:
        query.append(("unitdp", "4"))
    body = json_bytes(_body(about, elements, writes[0].fields, alone=alone))
    if len(body) > LARGEST:
        raise DataError("xero.call-too-large", f"A call of {len(body)} bytes is over Xero's {LARGEST}.")
    return Request(
        method="PUT" if operation is Operation.CREATE else "POST",
        path=path,
        query=tuple(query),
        headers=(("Content-Type", "application/json"), ("Idempotency-Key", idempotency_key)),
        body=body,
    )


def _body(about: Entity, elements: Sequence[Value], fields: Fields, *, alone: bool) -> Value:
    """A list under its plural name, or one object as it is."""
    if alone and "status" in about.takes:
        return dict(fields)
    return elements[0] if "bare" in about.takes else {about.plural: elements}


def _element(write: Write, about: Entity) -> dict[str, Value]:
    out: dict[str, Value] = {name: _reference(name, value, write) for name, value in write.fields.items()}
    if write.operation is Operation.CREATE and about.id_field.endswith("ID"):
        out.pop(about.id_field, None)  # an id of another object, or of one that is gone: Xero gives ids itself
    if write.operation is Operation.UPDATE:
        if not write.target:
            raise DataError("xero.no-target", f"The update {write.id} names no {about.id_field}.")
        out[about.id_field] = write.target
    return out


def _reference(name: str, value: Value, write: Write) -> Value:
    id_field = REFERENCES.get(name)
    if id_field is None:
        return value
    if isinstance(value, str):
        return {id_field: value}
    if isinstance(value, Mapping) and value.get(id_field):
        return {id_field: value[id_field]}
    if id_field == "AccountID" and isinstance(value, Mapping) and value.get("Code"):
        return {"Code": value["Code"]}
    raise DataError("xero.reference", f"{name} of the {write.entity} {write.id} names no {id_field}.")


def outcomes(writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
    """One outcome per write, in their order. Never raises."""
    if answer.status == 429:
        return _all_rejected(writes, too_many(answer))
    if answer.status in (401, 403):
        return _all_rejected(writes, STATUSES[answer.status])
    if answer.status == 404 and writes[0].entity in BELOW and writes[0].operation is Operation.UPDATE:
        return (below.outcome(writes[0], ()),)  # somebody has taken it away already
    if answer.status == 404 and len(writes) == 1:
        return _all_rejected(writes, STATUSES[404])
    try:
        body = load(answer.body) if answer.status != 204 else {}
    except DataError as error:
        return _all_undecided(writes, f"HTTP {answer.status}, {error.message}")
    if writes[0].entity in BELOW and answer.status in (200, 204):
        return (_below(writes[0], body),)
    if answer.status == 200:
        return _elements(writes, body)
    if 400 <= answer.status < 500:
        return _refused(writes, answer.status, body)
    return _all_undecided(writes, f"HTTP {answer.status}")


def _all_rejected(writes: Sequence[Write], why: Failure) -> tuple[Outcome, ...]:
    return tuple(Rejected(write.id, why) for write in writes)


def _all_undecided(writes: Sequence[Write], reason: str) -> tuple[Outcome, ...]:
    return tuple(Undecided(write.id, reason) for write in writes)


def _refused(writes: Sequence[Write], status: int, body: Any) -> tuple[Outcome, ...]:
    """A request that was refused as a whole. Of a batch with element errors nobody knows what was written."""
    message = str(body.get("Message") or body.get("Detail") or "") if isinstance(body, Mapping) else ""
    if "is used with a different request" in message:
        return _all_undecided(writes, f"The idempotency key was used before: {message}")
    bad = body.get("Elements") if isinstance(body, Mapping) else None
    if isinstance(bad, list) and bad:
        if len(writes) == 1:
            return (Rejected(writes[0].id, failure(tuple(messages(bad[0])) or (message,))),)
        return _all_undecided(writes, f"HTTP {status} for a batch: {message}")
    if status == 404:
        return _all_undecided(writes, "HTTP 404 for a batch")
    remedy = "Correct the mapping: Xero could not read the request."
    return _all_rejected(writes, Failure("xero.request-refused", Kind.FIX, f"HTTP {status}: {message}"[:1000], remedy))


def _below(write: Write, body: Any) -> Outcome:
    """What stands below an object is answered as a list of one, or as itself."""
    errors = tuple(messages(body))
    if errors:
        return Rejected(write.id, _too_early(write, failure(errors)))
    found = body.get(BELOW[write.entity].plural) if isinstance(body, Mapping) else None
    rows = [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
    try:
        return below.outcome(write, rows)
    except DataError as error:
        return Undecided(write.id, error.message)


def _too_early(write: Write, why: Failure) -> Failure:
    """What is to be allocated may be a draft of ours that is approved in a moment: that is waited for."""
    early = write.entity == "Allocation" and write.operation is Operation.CREATE
    if not early or why.code not in ("xero.status", "xero.not-approved"):
        return why
    return replace(why, code="xero.not-approved", kind=Kind.WAIT, remedy="Approve the credit and the invoice in Xero.")


def _elements(writes: Sequence[Write], body: Any) -> tuple[Outcome, ...]:
    about = entity(writes[0].entity)
    found = body.get(about.plural) if isinstance(body, Mapping) else None
    if not isinstance(found, list) or len(found) != len(writes) or not all(isinstance(one, Mapping) for one in found):
        return _all_undecided(writes, f"The answer does not hold {len(writes)} of {about.plural}.")
    if all(_answers(write, one, about) for write, one in zip(writes, found, strict=True)):
        return tuple(_outcome(write, one, about) for write, one in zip(writes, found, strict=True))
    return tuple(_search(write, found, about) for write in writes)


def _search(write: Write, found: Sequence[Mapping[str, Any]], about: Entity) -> Outcome:
    """The answer is not in our order: only one that names the write unmistakably is its own."""
    own = [one for one in found if _answers(write, one, about, strictly=True)]
    return _outcome(write, own[0], about) if len(own) == 1 else Undecided(write.id, "The answer is in another order.")


def _answers(write: Write, one: Mapping[str, Any], about: Entity, *, strictly: bool = False) -> bool:
    """Whether an element of the answer is this write's: by id, or by what it echoes."""
    if write.operation is Operation.UPDATE and one.get(about.id_field) not in (None, ZERO_ID):
        return _same(one.get(about.id_field), write.target)
    shared = [name for name in ECHOES if write.fields.get(name) and one.get(name) is not None]
    agree = all(_same(one[name], write.fields[name]) for name in shared)
    return agree and (bool(shared) or not strictly)


def _same(left: object, right: object) -> bool:
    return str(left).strip().casefold() == str(right).strip().casefold()


def _outcome(write: Write, one: Mapping[str, Any], about: Entity) -> Outcome:
    record_id = one.get(about.id_field)
    status = one.get("StatusAttributeString")
    errors = tuple(messages(one))
    bad = status == "ERROR" or _true(one.get("HasErrors")) or _true(one.get("HasValidationErrors"))
    if bad or (errors and status not in ("OK", "WARNING")) or record_id == ZERO_ID:
        return Rejected(write.id, failure(errors))
    if any(messages({"ValidationErrors": one.get("ValidationErrors")})):
        return Undecided(write.id, f"The answer says {status} and, beside it, {' / '.join(errors)[:300]}")
    if not isinstance(record_id, str) or not record_id:
        return Undecided(write.id, f"The answer has no {about.id_field}.")
    try:
        fields: Fields = read_fields(one, about.name)
    except DataError as error:
        return Undecided(write.id, error.message)
    return Applied(write.id, record_id, fields, tuple(messages(one, "Warnings")))


def _true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def messages(raw: Any, name: str = "ValidationErrors", depth: int = 0) -> Iterator[str]:
    """Every message under ``name``, at any depth: lines and contacts carry their own."""
    if depth > 20:
        return
    if isinstance(raw, Mapping):
        for entry in raw.get(name) or () if isinstance(raw.get(name), list) else ():
            if isinstance(entry, Mapping) and entry.get("Message"):
                yield str(entry["Message"])
        for key, value in raw.items():
            if key not in ("ValidationErrors", "Warnings"):
                yield from messages(value, name, depth + 1)
    elif isinstance(raw, list):
        for part in raw:
            yield from messages(part, name, depth + 1)
