"""PUT and POST of one or more elements: the body, the match, the partial success, the two forms of answer.

``summarizeErrors=false``: 200 and a status per element. Otherwise a batch with a bad element is a 400 that lists the
bad
ones only, and yet the good ones are in the books (said by a Xero developer; most fakes get this wrong).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.simulators.xero.contacts import write_contact
from connector.simulators.xero.errors import ZERO_ID, Invalid, not_found, unreadable, unsupported
from connector.simulators.xero.registry import ABOUT
from connector.simulators.xero.shapes import Table, read
from connector.simulators.xero.shows import WRITTEN, show
from connector.simulators.xero.store import ID_FIELDS, PLURALS, Stored, Tenant
from connector.simulators.xero.wire import spell

LARGEST_BODY = 3_500_000


@dataclass(frozen=True)
class Batch:
    """One write request, read."""

    entity: str
    create_only: bool
    elements: list[Any]
    places: int
    half: bool
    summarize: bool = False


@dataclass(frozen=True)
class Done:
    """One element, written or refused."""

    body: dict[str, Any]
    ok: bool


def read_body(entity: str, body: bytes) -> list[Any]:
    """The elements: under the plural name, or one bare object."""
    if len(body) > LARGEST_BODY:
        raise unreadable(f"The request is larger than {LARGEST_BODY} bytes.")
    try:
        parsed = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise unreadable(f"Unexpected character encountered while parsing: {error}") from None
    if not isinstance(parsed, dict) or not parsed:
        raise unreadable("The request contains no object.")
    elements = parsed.get(PLURALS[entity], [parsed])
    if not isinstance(elements, list) or not elements or (PLURALS[entity] in parsed and len(parsed) > 1):
        raise unreadable(f"The request must contain a list {PLURALS[entity]} and nothing else.")
    if ABOUT[entity].one_at_a_time and len(elements) > 1:
        raise unreadable(f"Only one of {PLURALS[entity]} can be sent in a request.")
    return elements


def write_batch(tenant: Tenant, batch: Batch) -> list[Done]:
    """Every element on its own, in order. Raises Refusal when the request as a whole cannot be taken."""
    for element in batch.elements:
        _check_known(tenant, batch, element)
    elements = batch.elements[: len(batch.elements) // 2] if batch.half else batch.elements
    before = _everything(tenant) if batch.summarize and tenant.doubts.summarised_batch == "undone" else None
    done = [_write(tenant, batch, element, at) for at, element in enumerate(elements)]
    if before is not None and not all(one.ok for one in done):
        tenant.put_back(*before)
    return done


def _everything(tenant: Tenant) -> tuple[dict[str, dict[str, Stored]], dict[str, Stored]]:
    """All objects as they stand: changed ones are put in their place anew."""
    return {name: dict(table) for name, table in tenant.tables.items()}, dict(tenant.allocations)


def _check_known(tenant: Tenant, batch: Batch, element: Any) -> None:
    record_id = element.get(ID_FIELDS[batch.entity]) if isinstance(element, Mapping) else None
    if record_id and record_id != ZERO_ID and batch.entity != "Currency":  # a currency is named by whoever adds it
        if batch.create_only:
            raise unsupported(f"a PUT that names {ID_FIELDS[batch.entity]}: PUT creates")
        if tenant.get(batch.entity, str(record_id).lower()) is None:
            raise not_found()


def _write(tenant: Tenant, batch: Batch, element: Any, at: int) -> Done:
    known: Stored | None = None
    try:
        given = read(element, table_of(batch.entity), f"{PLURALS[batch.entity]}[{at}]")
        if given.get(ID_FIELDS[batch.entity]) == ZERO_ID:
            del given[ID_FIELDS[batch.entity]]
        known = None if batch.create_only else match(tenant, batch.entity, given)
        stored = write_one(tenant, batch.entity, given, known, places=batch.places)
    except Invalid as invalid:
        return Done(_refused(tenant, batch, element, known, invalid), ok=False)
    body = show(tenant, batch.entity, stored, WRITTEN, batch.places)
    if stored.get("_warnings"):
        body["Warnings"] = [{"Message": message} for message in stored["_warnings"]]
    return Done(body, ok=True)


def table_of(entity: str) -> Table:
    table = ABOUT[entity].table
    if table is None:
        raise unsupported(f"writing {PLURALS[entity]}")
    return table


def match(tenant: Tenant, entity: str, given: Mapping[str, Any]) -> Stored | None:
    """What a POST means: by id, else by the natural key of the entity."""
    record_id = given.get(ID_FIELDS[entity])
    if record_id:
        return tenant.get(entity, record_id)
    matches = ABOUT[entity].match
    return matches(tenant, given) if matches is not None else None


def write_one(
    tenant: Tenant, entity: str, given: dict[str, Any], known: Stored | None, *, places: int = 2, by_hand: bool = False
) -> Stored:
    """One object by its entity's rules. Raises Invalid."""
    if known is None:
        given = {**given, "_origin": "ui" if by_hand else "api"}
    if entity == "Contact":
        return write_contact(tenant, given, known, by_hand=by_hand)
    write = ABOUT[entity].write
    if write is None:
        raise unsupported(f"writing {PLURALS[entity]}")
    return write(tenant, given, known, places)


def refused(found: Stored, invalid: Invalid) -> Done:
    """One object that a rule protects."""
    return Done({**spell(found), "ValidationErrors": [{"Message": message} for message in invalid.messages]}, ok=False)


def _refused(tenant: Tenant, batch: Batch, element: Any, known: Stored | None, invalid: Invalid) -> dict[str, Any]:
    """The echo of what was asked, with a zero id when it was to be created."""
    echo: dict[str, Any] = show(tenant, batch.entity, known, WRITTEN, batch.places) if known else {}
    asked = spell(element) if isinstance(element, Mapping) else {}
    id_field = ID_FIELDS[batch.entity]
    body = {**echo, **asked, id_field: known[id_field] if known else ZERO_ID}
    if ABOUT[batch.entity].flag:
        body[ABOUT[batch.entity].flag] = True
    return {**body, "ValidationErrors": [{"Message": message} for message in invalid.messages]}


def per_element(done: list[Done]) -> list[dict[str, Any]]:
    """The answer to summarizeErrors=false."""
    return [{**one.body, "StatusAttributeString": _status(one)} for one in done]


def _status(one: Done) -> str:
    if not one.ok:
        return "ERROR"
    return "WARNING" if one.body.get("Warnings") else "OK"


def validation_exception(done: list[Done]) -> dict[str, Any]:
    """The 400 that lists the refused elements only."""
    bad = [one.body for one in done if not one.ok]
    return {
        "ErrorNumber": 10,
        "Type": "ValidationException",
        "Message": "A validation exception occurred",
        "Elements": bad,
    }
