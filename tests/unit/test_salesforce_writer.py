"""Writes to Salesforce and what its answers mean, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.failure import Kind
from connector.core.party import Answer, Applied, Operation, Rejected, Undecided, Write
from connector.core.values import Ref
from connector.errors import DataError
from connector.salesforce.failures import RULES, Said, failure
from connector.salesforce.writer import CALL_REFUSED, outcomes, prepare

MARK = ("Xero_Id__c", "k-1")


def create(number: int = 1, mark: tuple[str, str] | None = MARK, **fields: Any) -> Write:
    return Write(f"w{number}", "Xero_Account__c", Operation.CREATE, None, fields or {"Name": "Sales"}, mark)


def update(number: int = 1, **fields: Any) -> Write:
    return Write(f"w{number}", "Account", Operation.UPDATE, f"0018d000000000{number}AAA", fields or {"Phone": None})


def answer(body: object, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


def test_salesforce_a_marked_create_is_an_upsert() -> None:
    request = prepare([create(Name="Größe", Rate__c=Decimal("20.50"), Payments__c=False)], "62.0")
    assert (request.method, request.path) == (
        "PATCH",
        "/services/data/v62.0/composite/sobjects/Xero_Account__c/Xero_Id__c",
    )
    assert request.body.decode() == (
        '{"allOrNone":false,"records":[{"attributes":{"type":"Xero_Account__c"},"Name":"Größe","Payments__c":false,'
        '"Rate__c":20.5,"Xero_Id__c":"k-1"}]}'
    )
    assert ("Sforce-Call-Options", "client=Twinledger") in request.headers


def test_salesforce_an_unmarked_create_is_an_insert_and_an_update_goes_by_id() -> None:
    made = prepare([create(mark=None)], "62.0")
    assert (made.method, made.path.rsplit("/", 1)[1]) == ("POST", "sobjects")
    assert prepare([create(mark=("AccountNumber", "x"))], "62.0").method == "POST"
    changed = prepare(
        [update(Phone=None, Paid_On__c=date(2026, 11, 30), At__c=datetime(2026, 11, 30, 1, tzinfo=UTC))], "62.0"
    )
    assert (changed.method, changed.path) == ("PATCH", "/services/data/v62.0/composite/sobjects")
    record = json.loads(changed.body)["records"][0]
    assert record == {
        "attributes": {"type": "Account"}, "id": "0018d0000000001AAA", "Phone": None, "Paid_On__c": "2026-11-30",
        "At__c": "2026-11-30T01:00:00.000Z",
    }  # fmt: skip


def test_salesforce_equal_writes_give_equal_bytes() -> None:
    one, other = create(Name="A", Code__c="1"), create(Code__c="1", Name="A")
    assert prepare([one], "62.0").body == prepare([other], "62.0").body


def test_salesforce_what_does_not_belong_together_is_no_call() -> None:
    for writes in (
        [create(), update()],
        [create(1), create(2, mark=None)],
        [create(n, mark=None) for n in range(201)],  # a job of them, sent again, would make them twice
        [create(n) for n in range(5001)],
    ):
        with pytest.raises(ValueError, match=r"call|up to"):
            prepare(writes, "62.0")
    for value in (Ref("m", "d"), {"a": "b"}, ["a"]):
        with pytest.raises(DataError):
            prepare([create(Name=value)], "62.0")


def test_salesforce_each_row_has_its_outcome() -> None:
    rows = [
        {"id": "a028d0000000001AAA", "success": True, "errors": [], "created": True},
        {"id": "a028d0000000002AAA", "success": True, "errors": [], "created": False},
        {
            "success": False,
            "errors": [{"statusCode": "STRING_TOO_LONG", "message": "Name: too long", "fields": ["Name"]}],
        },
        {"success": True, "errors": []},
        {"success": "yes"},
    ]
    got = outcomes([create(n) for n in range(5)], answer(rows))
    assert got[0] == Applied("w0", "a028d0000000001AAA")
    assert isinstance(got[1], Applied)
    assert got[1].warnings
    assert isinstance(got[2], Rejected)
    assert (got[2].failure.code, got[2].failure.kind) == ("salesforce.string-too-long", Kind.FIX)
    assert "Name" in got[2].failure.message
    assert isinstance(got[3], Undecided)
    assert isinstance(got[4], Undecided)


def test_salesforce_a_server_error_decides_nothing() -> None:
    for status in (500, 502, 503, 504):
        got = outcomes([update(1), update(2)], Answer(status, {}, b"<html>"))
        assert all(isinstance(one, Undecided) for one in got)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, "INVALID_SESSION_ID", Kind.RENEW), (403, "REQUEST_LIMIT_EXCEEDED", Kind.STOP), (404, "NOT_FOUND", Kind.FIX),
     (429, "WHATEVER", Kind.RETRY), (400, "JSON_PARSER_ERROR", Kind.FIX)],
)  # fmt: skip
def test_salesforce_a_refused_call_has_written_nothing(status: int, code: str, kind: Kind) -> None:
    (got,) = outcomes([update()], answer([{"errorCode": code, "message": "words"}], status))
    assert isinstance(got, Rejected)
    assert got.failure.kind is kind


def test_salesforce_a_call_refused_for_one_row_is_to_be_split() -> None:
    got = outcomes([update(1), update(2)], answer([{"errorCode": "JSON_PARSER_ERROR", "message": "words"}], 400))
    assert [one.failure.code for one in got if isinstance(one, Rejected)] == [CALL_REFUSED, CALL_REFUSED]


KEYS = st.sampled_from(["success", "errors", "id", "statusCode", "fields"])
LEAVES = st.none() | st.booleans() | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))
BODIES = st.binary() | JSON.map(lambda raw: json.dumps(raw).encode())


@given(BODIES, st.sampled_from([200, 201, 300, 400, 401, 403, 404, 500, 503]))
def test_salesforce_no_answer_breaks_the_outcomes(body: bytes, status: int) -> None:
    writes = [create(1), create(2)]
    assert [one.write for one in outcomes(writes, Answer(status, {}, body))] == ["w1", "w2"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Said("UNABLE_TO_LOCK_ROW", "x"), Kind.RETRY),
        (Said("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: UNABLE_TO_LOCK_ROW, x"), Kind.RETRY),
        (Said("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: no"), Kind.FIX),
        (Said("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), Kind.RETRY),
        (Said("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Kind.STOP),
        (Said("INVALID_CROSS_REFERENCE_KEY", "x", ("AccountId",)), Kind.WAIT),
        (Said("INVALID_CROSS_REFERENCE_KEY", "x"), Kind.FIX),
        (Said("DUPLICATE_VALUE", "x"), Kind.RESOLVE),
        (Said("SOMETHING_NEW", "x"), Kind.FIX),
    ],
)
def test_salesforce_error_codes_have_a_meaning(said: Said, kind: Kind) -> None:
    assert failure(said).kind is kind


def test_salesforce_every_rule_for_people_says_what_to_do() -> None:
    assert [
        code for code, rule in RULES.items() if rule.kind in (Kind.FIX, Kind.STOP, Kind.WAIT) and not rule.remedy
    ] == []
