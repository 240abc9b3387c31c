"""Writes become one call, and its answer outcomes. Pure; the same writes give the same bytes.

A create that carries a mark goes as an upsert by that external id, so that sending it twice makes one record. Source:
REST API Developer Guide, "sObject Collections".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from connector.core.failure import Failure, Kind
from connector.core.party import Answer, Applied, Operation, Outcome, Rejected, Request, Undecided, Write
from connector.salesforce import bulk, graph
from connector.salesforce.failures import Said, errors_of, failure, refusal
from connector.salesforce.spelling import json_of, text_of

BATCH = 200
CALL_REFUSED = "salesforce.call-refused"
CLIENT = "Twinledger"
HEADERS = (("Content-Type", "application/json; charset=UTF-8"), ("Sforce-Call-Options", f"client={CLIENT}"))
ALLOW_DUPLICATES = ("Sforce-Duplicate-Rule-Header", "allowSave=true")  # an alert is passed, a block is not
_TWO_MINDS = frozenset({500, 502, 503, 504})  # the server or something before it broke: it may have been carried out


def prepare(writes: Sequence[Write], api_version: str, *, allow_duplicates: bool = False) -> Request:
    """One collections call, one bulk job for more writes than a call takes, or graphs where objects have rows.

    Raises ValueError for writes that do not belong together, DataError for a value that Salesforce cannot take.
    """
    first = writes[0]
    headers = (*HEADERS, *((ALLOW_DUPLICATES,) if allow_duplicates else ()))
    if any((w.entity, w.operation) != (first.entity, first.operation) for w in writes):
        raise ValueError("a call takes writes of one entity and one operation")
    if graph.takes(writes):
        return graph.prepare(writes, f"/services/data/v{api_version}", headers)
    if BATCH < len(writes) <= bulk.MOST and bulk.takes(writes):
        return bulk.prepare(writes, f"/services/data/v{api_version}/{bulk.RESOURCE}", headers)
    if len(writes) > BATCH:
        raise ValueError(f"a call takes up to {BATCH} writes")
    keys = {write.mark[0] if write.mark else None for write in writes}
    base = f"/services/data/v{api_version}/composite/sobjects"
    records = ",".join(_record(write) for write in writes)
    body = f'{{"allOrNone":false,"records":[{records}]}}'.encode()
    if first.operation is Operation.UPDATE:
        return Request("PATCH", base, (), headers, body)
    if len(keys) > 1:
        raise ValueError("creates with and without a mark do not go into one call")
    key = keys.pop()
    if key is None or not key.endswith("__c"):  # a standard field is no external id: a plain insert
        return Request("POST", base, (), headers, body)
    return Request("PATCH", f"{base}/{first.entity}/{key}", (), headers, body)


def _record(write: Write) -> str:
    parts = [f'"attributes":{{"type":{text_of(write.entity)}}}']
    if write.operation is Operation.UPDATE:
        if not write.target:
            raise ValueError(f"an update of {write.entity} without a target")
        parts.append(f'"id":{text_of(write.target)}')
    fields = {name: value for name, value in write.fields.items() if name not in ("Id", "attributes")}
    if write.operation is Operation.CREATE and write.mark:
        fields[write.mark[0]] = write.mark[1]
    parts += [f"{text_of(name)}:{json_of(value, write.entity, name)}" for name, value in sorted(fields.items())]
    return "{" + ",".join(parts) + "}"


def outcomes(writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
    """One outcome a write, in order. A server error leaves all undecided; what cannot be read too."""
    if answer.status in _TWO_MINDS:
        said = refusal(answer)
        return tuple(Undecided(write.id, f"{said.code}: {said.message}"[:300]) for write in writes)
    if answer.status != 200:
        return _refused(writes, answer)
    if graph.takes(writes):
        return graph.outcomes(writes, answer)
    rows = _rows(answer.body)
    if rows is None or len(rows) != len(writes):
        told = "no list" if rows is None else f"{len(rows)} results"
        return tuple(Undecided(write.id, f"{told} for {len(writes)} writes") for write in writes)
    return tuple(_outcome(write, row) for write, row in zip(writes, rows, strict=True))


def _rows(body: bytes) -> list[object] | None:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, list) else None


def _outcome(write: Write, row: object) -> Outcome:
    if not isinstance(row, Mapping) or not isinstance(row.get("success"), bool):
        return Undecided(write.id, "a result that cannot be read")
    if row["success"]:
        target = row.get("id") or write.target
        if not isinstance(target, str):
            return Undecided(write.id, "a success without an id")
        existed = write.operation is Operation.CREATE and row.get("created") is False
        return Applied(write.id, target, None, ("A record with this key was there already.",) if existed else ())
    found = errors_of(row.get("errors"))
    return Rejected(write.id, failure(found[0] if found else Said("UNKNOWN", "refused without a word")))


def _refused(writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
    """The whole call was refused: nothing was written.

    Salesforce reads a call as a whole: one value of a wrong type refuses 200 rows. The rows of such a call are told
    apart by sending them one by one (CALL_REFUSED; the party's ``batch_limit`` is 1 until then).
    """
    told = failure(refusal(answer))
    if answer.status == 400 and len(writes) > 1 and told.kind is Kind.FIX:
        split = Failure(CALL_REFUSED, Kind.RETRY, told.message, "Send the writes of this call one by one.")
        return tuple(Rejected(write.id, split) for write in writes)
    if answer.status in (420, 429) or answer.status == 408:
        told = Failure(told.code, Kind.RETRY, told.message, told.remedy, 30)
    return tuple(Rejected(write.id, told) for write in writes)
