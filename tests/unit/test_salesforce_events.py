"""Change events and Bayeux messages: decoded, or refused with a reason."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import DataError
from connector.salesforce.bayeux import RAW, messages
from connector.salesforce.events import Scope, decode, decode_data, full_id

HEADER: dict[str, Any] = {
    "entityName": "OpportunityLineItem", "recordIds": ["00k8d0000000001AAA"], "changeType": "UPDATE",
    "changedFields": ["Quantity", "LastModifiedDate"], "transactionKey": "0001-2", "sequenceNumber": 2,
    "changeOrigin": "com/salesforce/api/rest/62.0;client=Twinledger", "commitTimestamp": 1652286060123,
    "commitNumber": 1745500706683617281, "commitUser": "005RM0000026DG5YAM",
}  # fmt: skip


def event(**header: Any) -> bytes:
    whole = {name: value for name, value in {**HEADER, **header}.items() if value is not ...}
    body = {"OpportunityId": "0068d0000000001AAA", "Quantity": 2.50, "OwnerId": "005RM0000026DG5YAM"}
    payload = {"ChangeEventHeader": whole, **body}
    return json.dumps({"schema": "x", "payload": payload, "event": {"replayId": 12}}).encode()


def test_salesforce_an_event_becomes_a_change() -> None:
    change = decode(event())
    assert (change.entity, change.kind, change.scope) == ("OpportunityLineItem", "UPDATE", Scope.IDS)
    assert change.record_ids == ("00k8d0000000001AAA",)
    assert change.changed == ("Quantity", "LastModifiedDate")
    assert change.committed == datetime(2022, 5, 11, 16, 21, 0, 123000, UTC)
    assert (change.transaction, change.sequence, change.replay_id) == ("0001-2", 2, 12)
    assert (change.client, change.parents) == ("Twinledger", {"OpportunityId": "0068d0000000001AAA"})
    assert not change.gap
    assert not change.deleted


@pytest.mark.parametrize("origin", ["", "com/salesforce/api/rest/62.0", None])
def test_salesforce_an_origin_may_name_no_client(origin: str | None) -> None:
    assert decode(event(changeOrigin=origin)).client is None


@pytest.mark.parametrize(
    ("kind", "ids", "scope", "gap", "deleted"),
    [
        ("GAP_UPDATE", ["0068d0000000001AAA"], Scope.IDS, True, False),
        ("GAP_DELETE", ["0068d0000000001AAA"], Scope.IDS, True, True),
        ("GAP_OVERFLOW", ["000000000000000AAA"], Scope.WHOLE, True, False),
        ("UPDATE", ["001*"], Scope.WHOLE, False, False),
        ("SNAPSHOT_OF_TOMORROW", ["0068d0000000001AAA"], Scope.IDS, False, False),
    ],
)
def test_salesforce_gaps_overflows_and_wildcards(
    kind: str, ids: list[str], scope: Scope, gap: bool, deleted: bool
) -> None:
    change = decode(event(changeType=kind, recordIds=ids))
    assert (change.scope, change.gap, change.deleted) == (scope, gap, deleted)
    assert change.record_ids == (tuple(ids) if scope is Scope.IDS else ())


def test_salesforce_merged_ids_are_told_once_and_whole() -> None:
    change = decode(event(recordIds=["001RM000005a9tG", "001RM000005a9tGYAQ", "0015f00002JUZPDAA5"]))
    assert change.record_ids == ("001RM000005a9tGYAQ", "0015f00002JUZPDAA5")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "salesforce.event-not-json"),
        (b'{"payload": NaN}', "salesforce.event-not-json"),
        (b"[" * 100_000, "salesforce.event-not-json"),
        (b" " * (2 * 1024 * 1024 + 1), "salesforce.event-too-large"),
        (b"[]", "salesforce.not-a-change-event"),
        (b'{"payload": "Hello world", "event": {"replayId": 1}}', "salesforce.not-a-change-event"),
        (event(entityName=...), "salesforce.event-header"),
        (event(recordIds=[]), "salesforce.event-header"),
        (event(recordIds=["<script>"]), "salesforce.event-header"),
        (event(recordIds=["001*", 7]), "salesforce.event-header"),
        (event(sequenceNumber="1"), "salesforce.event-header"),
        (event(commitTimestamp=10**40), "salesforce.event-header"),
        (event(commitTimestamp=True), "salesforce.event-header"),
        (event(changedFields=["0x400800"]), "salesforce.event-pubsub"),
        (event(changedFields="Name"), "salesforce.event-header"),
    ],
)
def test_salesforce_bad_events_are_refused_with_a_code(data: bytes, code: str) -> None:
    with pytest.raises(DataError) as refused:
        decode(data)
    assert refused.value.code == code


NAMES = st.sampled_from(["payload", "event", "ChangeEventHeader", *HEADER])
LEAVES = st.none() | st.booleans() | st.integers() | st.text()
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)


@given(ANYTHING)
def test_salesforce_whatever_comes_is_decoded_or_refused(raw: object) -> None:
    with contextlib.suppress(DataError):
        decode_data(raw)


def test_salesforce_the_text_of_an_event_is_kept_to_the_byte() -> None:
    data = '{ "payload" : {"Amount": 1.50, "Big": 1745500706683617281,"Text":"a\\u00e9\\/b"} ,"event":{"replayId":1}}'
    text = f' [ {{"channel":"/data/X","data": {data} , "id":7}},\n {{"channel":"/meta/connect","successful":true}} ] '
    first, second = messages(text)
    assert first[RAW] == data
    assert first["data"]["event"] == {"replayId": 1}
    assert RAW not in second


@pytest.mark.parametrize(
    "text",
    ["", "[", "[{]", "[1]", '[{"a":1 "b":2}]', "null", "<html>", '[{"message":"x","errorCode":"INVALID_SESSION_ID"}]',
     '[{"channel":"/data/X","data":{}', '[{1:2}]', '[{"x":1}]'],
)  # fmt: skip
def test_salesforce_what_is_no_bayeux_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        messages(text)


@given(st.text())
def test_salesforce_any_text_is_messages_or_refused(text: str) -> None:
    with contextlib.suppress(DataError):
        messages(text)


def test_salesforce_ids_get_their_checksum() -> None:
    assert full_id("0015f00002J9YYE") == "0015f00002J9YYEAA3"
