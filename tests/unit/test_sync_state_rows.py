"""What people in Salesforce see of a link: each state, bounded texts, and when a row is written at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.allowance import Allowance
from connector.core.identity import LinkId
from connector.core.link_state import Attempt, End, Hold, Life, Link, Rules
from connector.core.party import Operation
from connector.core.records import Side
from connector.core.sync_state import REASON_MOST, STATES, Shown, shown, shown_letter
from connector.core.values import Ref
from connector.salesforce.sync_object import Asked, asked_of, cleared, row_of
from connector.xero.screen import address
from streams.connection import Moved

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
RULES = Rules(Side.SALESFORCE)
ENTITIES = {Side.SALESFORCE: "Opportunity", Side.XERO: "Invoice"}
LINK = Link(
    LinkId("main", "opportunity-to-invoice", "salesforce:006000000000001AAA", "t-1"), Life.LIVE,
    agreed={"Type": ('"ACCREC"', '"ACCREC"'), "Date": ('"a"', '"a"')},
    salesforce=End("006000000000001AAA"), xero=End("i-1"),
)  # fmt: skip
LOST = Attempt("c", Side.XERO, "update", {}, NOW, NOW, NOW, unknown=True)


def row(link: Link = LINK, *, paused: bool = False) -> tuple[str, str, str]:
    found = shown(link, RULES, ENTITIES, paused=paused)
    assert found is not None
    return found.state.value, found.code, found.reason


@pytest.mark.parametrize(
    ("link", "state", "code"),
    [
        (LINK, "Clean", ""),
        (replace(LINK, hold=Hold.FAILED, code="xero.validation", message="No"), "Failed", "xero.validation"),
        (replace(LINK, hold=Hold.CONFLICT, code="link.conflict", message="Both"), "Conflict", "link.conflict"),
        (replace(LINK, hold=Hold.LATER, code="xero.away", message="Away"), "Waiting", "xero.away"),
        (replace(LINK, attempt=LOST), "Unknown", "link.unknown"),
        (replace(LINK, attempt=replace(LOST, unknown=False)), "Waiting", ""),
        (replace(LINK, life=Life.ENDED, reason="person"), "Ended", ""),
        (replace(LINK, life=Life.ENDED, hold=Hold.FAILED, code="link.again", message="m"), "Failed", "link.again"),
    ],
)
def test_sync_state_of_a_link(link: Link, state: str, code: str) -> None:
    assert row(link)[:2] == (state, code)


def test_sync_state_every_state_has_a_word() -> None:
    assert set(STATES.values()) | {Shown.PAUSED} == set(Shown)


def test_sync_state_of_a_link_that_waits_names_what_it_waits_for() -> None:
    waits = replace(LINK, hold=Hold.WAITS, refs={"Contact": Ref("account-contact", "salesforce:001")})
    assert row(waits)[2] == "Waits for account-contact of salesforce:001"


def test_sync_state_of_a_paused_mapping_says_so_only_where_something_waits() -> None:
    waits = replace(LINK, hold=Hold.LATER, code="x", message="y")
    assert row(waits, paused=True)[:2] == ("Paused", "mapping.paused")
    assert row(LINK, paused=True)[0] == "Clean"


def test_sync_state_is_not_shown_of_the_closed_past_nor_under_a_key_that_no_field_takes() -> None:
    assert shown(replace(LINK, life=Life.ENDED, reason="before"), RULES, ENTITIES) is None
    long = replace(LINK, id=replace(LINK.id, document=f"xero:{'x' * 250}"))
    assert shown(long, RULES, ENTITIES) is None


def test_sync_state_digest_moves_with_a_write_and_not_with_an_observation() -> None:
    def digest(link: Link) -> bytes:
        found = shown(link, RULES, ENTITIES)
        assert found is not None
        return found.digest

    assert digest(LINK) == digest(replace(LINK, offset=99, xero=replace(LINK.xero, stamp=NOW)))
    assert digest(LINK) != digest(replace(LINK, agreed={**LINK.agreed, "Date": ('"b"', '"b"')}))
    assert digest(LINK) != digest(replace(LINK, status="paid"))


@given(st.text(), st.text())
def test_sync_state_texts_fit_their_fields(message: str, remedy: str) -> None:
    link = replace(LINK, hold=Hold.FAILED, code="c" * 200, message=message * 900, remedy=remedy * 900)
    found = shown(link, RULES, ENTITIES)
    assert found is not None
    assert (len(found.code), len(found.reason) <= REASON_MOST, len(found.remedy) <= 1000) == (80, True, True)


def test_sync_state_of_a_dead_letter_names_its_record() -> None:
    letter = {
        "key": b"main/00D/Account/001000000000001AAA", "stage": "plan", "code": "codec.poison", "message": "Not Avro",
        "remedy": "Find who wrote it", "closed": None,
    }  # fmt: skip
    found = shown_letter("main/salesforce.records.v1/0/7", letter)
    assert found is not None
    assert (found.entity, found.record, found.state) == ("Account", "001000000000001AAA", Shown.FAILED)
    over = shown_letter("main/salesforce.records.v1/0/7", {**letter, "closed": "retry by me"})
    assert over is not None
    assert (over.state, over.code) == (Shown.ENDED, "")
    strange = shown_letter("main/x/0/8", {**letter, "key": b"\xff/\xfe/\xff/\xfe"})
    assert strange is not None
    assert (strange.entity, strange.record) == ("", "")


def test_sync_row_is_an_upsert_by_our_key_that_never_touches_the_box() -> None:
    found = shown(LINK, RULES, ENTITIES)
    assert found is not None
    write = row_of(found, "https://go.xero.com/x", None)
    assert (write.operation, write.mark) == (Operation.CREATE, ("Key__c", LINK.id.key.decode()))
    assert {"Retry__c", "Last_Success__c"}.isdisjoint(write.fields)
    assert row_of(found, "", NOW).fields["Last_Success__c"] == NOW


def test_sync_boxes_of_rows_that_cannot_be_read_are_left_out() -> None:
    good = {"Id": "a05000000000001AAA", "Key__c": None, "LastModifiedById": "005000000000001AAA"}
    assert asked_of([good, {**good, "Id": "x' OR"}, {**good, "LastModifiedById": 7}, {}]) == (
        Asked("a05000000000001AAA", "", "005000000000001AAA"),
    )
    (write,) = cleared(asked_of([good]))
    assert (write.operation, write.target, write.fields) == (Operation.UPDATE, good["Id"], {"Retry__c": False})


@pytest.mark.parametrize(
    ("entity", "kind", "code", "found"),
    [
        ("Invoice", "ACCREC", "!x1", "https://go.xero.com/app/!x1/invoicing/view/i%2F1"),
        ("Invoice", "ACCPAY", "!x1", "https://go.xero.com/organisationlogin/default.aspx?shortcode=!x1&redirecturl="
                                     "/AccountsPayable/View.aspx?InvoiceID=i%2F1"),
        ("Invoice", "", "", "https://go.xero.com/AccountsReceivable/View.aspx?InvoiceID=i%2F1"),
        ("TaxRate", "", "!x1", ""),
    ],
)  # fmt: skip
def test_xero_address_of_an_object(entity: str, kind: str, code: str, found: str) -> None:
    assert address(entity, "i/1", kind, code) == found
    assert address(entity, "", kind, code) == ""


def test_allowance_spaces_calls_and_spreads_the_second_half_over_the_day() -> None:
    mine = Allowance(10, 5)
    assert mine.wait(NOW) == timedelta(0)
    mine = mine.spent(NOW)
    assert mine.wait(NOW + timedelta(seconds=2)) == timedelta(seconds=3)
    mine = mine.spent(NOW, 4)
    assert mine.wait(NOW) == timedelta(hours=24) / 10
    mine = mine.spent(NOW, 5)
    assert mine.wait(NOW + timedelta(hours=1)) == timedelta(hours=23)
    assert mine.wait(NOW + timedelta(hours=24)) == timedelta(0)


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(1, 9)), max_size=60))
def test_allowance_is_never_exceeded_by_more_than_one_call(steps: list[tuple[int, int]]) -> None:
    mine, now, made = Allowance(20, 1), NOW, list[datetime]()
    for seconds, calls in steps:
        now += timedelta(seconds=seconds) + mine.wait(now + timedelta(seconds=seconds))
        mine = mine.spent(now, calls)
        made += [now] * calls
        assert sum(1 for at in made if at > now - timedelta(hours=24)) < 20 + 9


def test_moved_keeps_the_floor_below_whatever_was_not_shown() -> None:
    moved = Moved()
    assert moved.floor == 0
    moved.note(b"a", 5)
    moved.note(b"b", 7)
    moved.note(b"a", 9)
    assert moved.floor == 5
    del moved.keys[b"a"]
    assert moved.floor == 7
    moved.again(b"a", 5)
    moved.keys.clear()
    assert moved.floor == 10
