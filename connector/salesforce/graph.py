"""Composite graphs: an object with its child rows, all or none; several of them in one call. Pure.

Source: REST API Developer Guide, "Composite Graph" and "Composite Graph Limits". Each write is a graph. What the
platform says of the nodes that did nothing wrong (PROCESSING_HALTED) is not a word about them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from connector.core.failure import Failure, Kind
from connector.core.party import Answer, Applied, Operation, Outcome, Rejected, Request, Row, Undecided, Write
from connector.salesforce.failures import Said, errors_of, failure
from connector.salesforce.spelling import json_of, text_of

RESOURCE = "composite/graph"
MOST_GRAPHS = 75
MOST_NODES = 500  # of a call
OBJECT = "object"  # the reference id of the object; rows are row1, row2 …
HALTED = "PROCESSING_HALTED"
_WAITED = Failure("salesforce.processing-halted", Kind.RETRY, "The call ended before it came to this object.",
                  "Nothing: it is sent again.")  # fmt: skip


def takes(writes: Sequence[Write]) -> bool:
    """Whether these writes need graphs: any of them has rows."""
    return any(write.rows for write in writes)


def room(writes: Sequence[Write]) -> int:
    """How many of the first writes one call takes."""
    nodes = 0
    for number, write in enumerate(writes[:MOST_GRAPHS]):
        nodes += 1 + len(write.rows)
        if nodes > MOST_NODES:
            return max(number, 1)
    return min(len(writes), MOST_GRAPHS)


def prepare(writes: Sequence[Write], data: str, headers: tuple[tuple[str, str], ...]) -> Request:
    """One call; ``data`` is ``/services/data/v62.0``. Raises DataError for a value that Salesforce cannot take."""
    if sum(1 + len(write.rows) for write in writes) > MOST_NODES or len(writes) > MOST_GRAPHS:
        raise ValueError(f"a call takes up to {MOST_GRAPHS} graphs of together {MOST_NODES} nodes")
    graphs = ",".join(
        f'{{"graphId":"{_name(number)}","compositeRequest":[{",".join(_nodes(write, data))}]}}'
        for number, write in enumerate(writes)
    )
    return Request("POST", f"{data}/{RESOURCE}", (), headers, f'{{"graphs":[{graphs}]}}'.encode())


def _name(number: int) -> str:
    return f"g{number}"


def _nodes(write: Write, data: str) -> Iterator[str]:
    """The object first: rows name it. Rows that go make room for those that come."""
    if write.operation is Operation.CREATE:
        if write.mark is None:
            raise ValueError(f"a {write.entity} with rows needs a mark")
        url = f"{data}/sobjects/{write.entity}/{write.mark[0]}/{quote(write.mark[1], safe='')}"
        skip, parent = write.mark[0], f"@{{{OBJECT}.id}}"
    else:
        if not write.target:
            raise ValueError(f"an update of {write.entity} without a target")
        url, skip, parent = f"{data}/sobjects/{write.entity}/{write.target}", "", write.target
    fields = {name: value for name, value in write.fields.items() if name not in ("Id", "attributes", skip)}
    if fields or write.operation is Operation.CREATE or not write.rows:
        yield _node("PATCH", url, OBJECT, _object(fields, write.entity))
    numbered = [(f"row{number}", row) for number, row in enumerate(write.rows, 1)]
    for reference, row in sorted(numbered, key=lambda one: one[1].fields is not None):
        yield _row(row, reference, parent, data)


def _row(row: Row, reference: str, parent: str, data: str) -> str:
    base = f"{data}/sobjects/{row.entity}"
    if row.fields is None:
        return _node("DELETE", f"{base}/{row.target}", reference)
    if row.target:
        return _node("PATCH", f"{base}/{row.target}", reference, _object(row.fields, row.entity))
    key = quote(row.mark[1], safe="")
    body = _object({**row.fields, row.parent: parent}, row.entity)
    return _node("PATCH", f"{base}/{row.mark[0]}/{key}", reference, body)


def _object(fields: Mapping[str, Any], entity: str) -> str:
    parts = (f"{text_of(name)}:{json_of(value, entity, name)}" for name, value in sorted(fields.items()))
    return "{" + ",".join(parts) + "}"


def _node(method: str, url: str, reference: str, body: str = "") -> str:
    told = f'"method":"{method}","url":{text_of(url)},"referenceId":"{reference}"'
    return "{" + (f'{told},"body":{body}' if body else told) + "}"


# --- answers ---------------------------------------------------------------------------------------------------------


def outcomes(writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
    """One outcome a write, of an answer with status 200. What cannot be read leaves its write undecided."""
    found = _graphs(answer.body)
    return tuple(_outcome(write, found.get(_name(number))) for number, write in enumerate(writes))


def _graphs(body: bytes) -> Mapping[str, Mapping[str, Any]]:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    rows = raw.get("graphs") if isinstance(raw, dict) else None
    known = [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    return {str(one.get("graphId")): one for one in known}


def _outcome(write: Write, graph: Mapping[str, Any] | None) -> Outcome:
    response = graph.get("graphResponse") if graph is not None else None
    found = response.get("compositeResponse") if isinstance(response, dict) else None
    rows = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    if graph is None or not rows or not isinstance(graph.get("isSuccessful"), bool):
        return Undecided(write.id, "an answer that does not speak of this object")
    if not graph["isSuccessful"]:
        return Rejected(write.id, _blamed(write, rows))
    target = write.target or _made(rows)
    return Applied(write.id, target) if target else Undecided(write.id, "a success without an id")


def _made(rows: Sequence[Mapping[str, Any]]) -> str | None:
    body = next((one.get("body") for one in rows if one.get("referenceId") == OBJECT), None)
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


def _blamed(write: Write, rows: Sequence[Mapping[str, Any]]) -> Failure:
    """The failure of the node that failed. If none did, the call was ended early: later."""
    for one in rows:
        said = errors_of(one.get("body"))
        if said and said[0].code != HALTED:
            return failure(Said(said[0].code, _where(write, str(one.get("referenceId"))) + said[0].message,
                                said[0].fields))  # fmt: skip
        if one.get("httpStatusCode") == 300:
            code = "DUPLICATE_EXTERNAL_ID"
            return failure(Said(code, _where(write, str(one.get("referenceId"))) + "several records with this key"))
    return _WAITED


def _where(write: Write, reference: str) -> str:
    number = reference.removeprefix("row")
    if not number.isdigit() or not 0 < int(number) <= len(write.rows):
        return ""
    row = write.rows[int(number) - 1]
    return f"{row.entity} {row.mark[1]}: "
