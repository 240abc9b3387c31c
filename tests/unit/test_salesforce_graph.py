"""Composite graphs: an object with its rows as one transaction, and whose fault a refusal is."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from connector.core.failure import Kind
from connector.core.party import Answer, Applied, Operation, Rejected, Row, Undecided, Write
from connector.salesforce import bulk, graph
from connector.salesforce.writer import outcomes, prepare

INVOICE, LINE = "Xero_Invoice__c", "Xero_Invoice_Line__c"
MADE = Row(LINE, "Invoice__c", ("Xero_Id__c", "l/1"), None, {"Quantity__c": Decimal("1.50")})
CHANGED = Row(LINE, "Invoice__c", ("Xero_Id__c", "l2"), "a05000000000002AAA", {"Quantity__c": None})
GONE = Row(LINE, "Invoice__c", ("Xero_Id__c", "l3"), "a05000000000003AAA", None)
HALTED = [{"errorCode": "PROCESSING_HALTED", "message": "The transaction was rolled back since another operation …"}]


def create(number: int = 1, *rows: Row) -> Write:
    fields = {"Name": f"INV-{number}", "Xero_Id__c": f"i{number}"}
    return Write(f"w{number}", INVOICE, Operation.CREATE, None, fields, ("Xero_Id__c", f"i{number}"), rows)


def update(*rows: Row, **fields: str) -> Write:
    return Write("w1", INVOICE, Operation.UPDATE, "a01000000000001AAA", fields, None, rows)


def nodes(*writes: Write) -> list[list[dict[str, Any]]]:
    request = prepare(list(writes), "62.0")
    assert (request.method, request.path) == ("POST", "/services/data/v62.0/composite/graph")
    return [one["compositeRequest"] for one in json.loads(request.body, parse_float=Decimal)["graphs"]]


def node(reference: str, status: int, body: Any) -> dict[str, Any]:
    return {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": reference}


def answered(*graphs: tuple[bool, list[dict[str, Any]]]) -> Answer:
    told = [
        {"graphId": f"g{number}", "graphResponse": {"compositeResponse": rows}, "isSuccessful": good}
        for number, (good, rows) in enumerate(graphs)
    ]
    return Answer(200, {}, json.dumps({"graphs": told}).encode())


def test_an_object_is_upserted_first_and_its_rows_name_it() -> None:
    ((parent, child),) = nodes(create(1, MADE))
    assert parent == {
        "method": "PATCH", "url": f"/services/data/v62.0/sobjects/{INVOICE}/Xero_Id__c/i1",
        "referenceId": "object", "body": {"Name": "INV-1"},
    }  # fmt: skip
    assert child["url"] == f"/services/data/v62.0/sobjects/{LINE}/Xero_Id__c/l%2F1"
    assert child["body"] == {"Quantity__c": Decimal("1.5"), "Invoice__c": "@{object.id}"}
    assert prepare([create(1, MADE)], "62.0") == prepare([create(1, MADE)], "62.0")


def test_an_update_takes_rows_away_first_and_leaves_an_unchanged_object_alone() -> None:
    ((first, second, third),) = nodes(update(MADE, CHANGED, GONE))
    assert (first["method"], first["url"].rpartition("/")[2]) == ("DELETE", GONE.target)
    assert (second["method"], second["body"]["Invoice__c"]) == ("PATCH", "a01000000000001AAA")
    assert (third["url"].rpartition("/")[2], third["body"]) == (CHANGED.target, {"Quantity__c": None})
    ((parent, _),) = nodes(update(GONE, Name="New"))
    assert parent["body"] == {"Name": "New"}


def test_writes_with_and_without_rows_share_a_call() -> None:
    assert [len(one) for one in nodes(create(1, MADE, GONE), create(2))] == [3, 1]
    assert prepare([create(2)], "62.0").path.endswith("/composite/sobjects/Xero_Invoice__c/Xero_Id__c")
    assert not bulk.takes([create(1, MADE)])


def test_a_call_has_room_for_75_graphs_of_500_nodes() -> None:
    assert graph.room([create(number) for number in range(100)]) == 75
    assert graph.room([create(number, *[MADE] * 99) for number in range(9)]) == 5
    assert graph.room([create(1, *[MADE] * 499)] * 2) == 1


def test_each_object_has_its_own_fate() -> None:
    writes = [create(1, MADE), create(2, MADE), create(3, MADE)]
    missing = [{"errorCode": "REQUIRED_FIELD_MISSING", "message": "Required fields are missing", "fields": ["X__c"]}]
    good, bad, odd = outcomes(writes, answered(
        (True, [node("object", 201, {"id": "a01000000000001AAA", "success": True}), node("row1", 201, {"id": "x"})]),
        (False, [node("object", 400, HALTED), node("row1", 400, missing)]),
        (False, [node("object", 400, HALTED), node("row1", 400, HALTED)]),
    ))  # fmt: skip
    assert good == Applied("w1", "a01000000000001AAA")
    assert isinstance(bad, Rejected)
    assert bad.failure.code == "salesforce.required-field-missing"
    assert "Xero_Invoice_Line__c l/1" in bad.failure.message, "the row at fault is named"
    assert isinstance(odd, Rejected)
    assert (odd.failure.code, odd.failure.kind) == ("salesforce.processing-halted", Kind.RETRY)


def test_a_locked_row_is_tried_again_and_a_broken_answer_decides_nothing() -> None:
    locked = [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}]
    (one,) = outcomes([update(CHANGED)], answered((False, [node("row1", 400, locked)])))
    assert isinstance(one, Rejected)
    assert one.failure.kind is Kind.RETRY
    (done,) = outcomes([update(CHANGED)], answered((True, [node("row1", 204, None)])))
    assert done == Applied("w1", "a01000000000001AAA")
    for body in (b"", b"[]", b'{"graphs":[]}', b'{"graphs":[{"graphId":"g0","isSuccessful":true}]}'):
        (unknown,) = outcomes([create(1, MADE)], Answer(200, {}, body))
        assert isinstance(unknown, Undecided)
    (away,) = outcomes([create(1, MADE)], Answer(503, {}, b""))
    assert isinstance(away, Undecided)
    (refused,) = outcomes([create(1, MADE)], Answer(400, {}, json.dumps(HALTED).encode()))
    assert isinstance(refused, Rejected)
