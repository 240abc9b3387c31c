"""Three-way merge: what was agreed, where each side stands, whose field it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.core.identity import LinkId
from connector.core.link_events import GONE, Texts
from connector.core.link_explain import explained
from connector.core.link_state import End, Life, Link, Rules
from connector.core.merge import Merge, merge
from connector.core.records import Side
from connector.core.values import canonical, sought

SF, XERO = Side.SALESFORCE, Side.XERO
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE_WAY, TWO_WAY = Rules(SF), Rules(SF, two_way=True)
A, B, C = '"a"', '"b"', '"c"'


def link(salesforce: Texts, xero: Texts, agreed: dict[str, tuple[str, str]] | None = None) -> Link:
    """A live link that was born of us. ``salesforce`` and ``xero`` are where the ends have moved."""
    found = LinkId("c", "m", "salesforce:o1", "t")
    pairs = {"P": (A, A)} if agreed is None else agreed
    ends = End("o1", drift=salesforce, stamp=NOON), End("i1", drift=xero, stamp=NOON)
    return Link(found, Life.LIVE, agreed=pairs, salesforce=ends[0], xero=ends[1], born=NOON)


def verdict(result: Merge) -> str:
    """One word for a merge of one path."""
    if result.conflicts:
        return "conflict"
    if result.quiet:
        return "quiet"
    sides = [side.value for side in Side if result.to[side]]
    return "to " + " and ".join(sides) if sides else "keep"


@pytest.mark.parametrize(
    ("rules", "salesforce", "xero", "expected"),
    [
        (ONE_WAY, {"P": B}, {}, "to xero"),
        (ONE_WAY, {}, {"P": B}, "keep"),
        (ONE_WAY, {"P": B}, {"P": C}, "conflict"),
        (ONE_WAY, {"P": B}, {"P": B}, "quiet"),
        (replace(ONE_WAY, conflict="salesforce"), {"P": B}, {"P": C}, "to xero"),
        (replace(ONE_WAY, conflict="xero"), {"P": B}, {"P": C}, "keep"),
        (TWO_WAY, {"P": B}, {}, "to xero"),
        (TWO_WAY, {}, {"P": B}, "to salesforce"),
        (TWO_WAY, {"P": B}, {"P": C}, "conflict"),
        (replace(TWO_WAY, conflict="xero"), {"P": B}, {"P": C}, "to salesforce"),
        (replace(TWO_WAY, owners={"P": "salesforce"}), {}, {"P": B}, "to xero"),
        (replace(TWO_WAY, owners={"P": "salesforce"}), {"P": B}, {"P": C}, "to xero"),
        (replace(TWO_WAY, owners={"P": "xero"}), {"P": B}, {}, "to salesforce"),
        (replace(TWO_WAY, conflict="latest"), {"P": B}, {"P": C}, "conflict"),
    ],
)
def test_who_moved_and_whose_field_it_is(rules: Rules, salesforce: Texts, xero: Texts, expected: str) -> None:
    assert verdict(merge(link(salesforce, xero), rules)) == expected


def test_the_later_side_wins_where_the_policy_says_so() -> None:
    both = link({"P": B}, {"P": C})
    later = both.with_end(XERO, replace(both.xero, stamp=NOON + timedelta(seconds=1)))
    assert verdict(merge(later, replace(TWO_WAY, conflict="latest"))) == "to salesforce"
    silent = both.with_end(XERO, replace(both.xero, stamp=None))
    assert verdict(merge(silent, replace(TWO_WAY, conflict="latest"))) == "conflict", "nobody knows who was later"


def test_a_value_that_the_other_side_spells_differently_is_no_edit() -> None:
    rounded = link({}, {}, {"P": ('{"#":"1.234"}', '{"#":"1.23"}')})
    assert verdict(merge(rounded, TWO_WAY)) == "keep"
    moved = replace(rounded, salesforce=replace(rounded.salesforce, drift={"P": '{"#":"1.23"}'}))
    assert verdict(merge(moved, TWO_WAY)) == "quiet", "the one came to hold what the other holds"


def test_two_records_that_were_just_joined_take_from_the_one_that_says_something() -> None:
    assert merge(link({"P": A}, {"P": '""'}, {}), TWO_WAY).to[XERO] == {"P": A}
    assert merge(link({"P": "null"}, {"P": B}, {}), TWO_WAY).to[SF] == {"P": B}
    assert verdict(merge(link({"P": A}, {"P": B}, {}), TWO_WAY)) == "conflict"


def test_a_document_that_was_there_before_follows_its_source() -> None:
    joined = replace(link({"P": A}, {"P": B}, {}), born=None)
    assert verdict(merge(joined, ONE_WAY)) == "to xero"


def test_a_field_that_we_left_empty_is_nobodys_edit() -> None:
    """A mirror is made before its opportunity is known, and read back; then the opportunity is known."""
    assert verdict(merge(link({"P": A}, {"P": "null"}, {}), ONE_WAY)) == "to xero"
    assert verdict(merge(link({"P": A}, {"P": B}, {}), ONE_WAY)) == "conflict", "somebody filled it in"
    assert verdict(merge(link({"P": B}, {"P": "null"}), ONE_WAY)) == "conflict", "somebody emptied what we wrote"


def test_an_owner_that_never_said_anything_sets_nothing() -> None:
    rules = replace(TWO_WAY, owners={"P": "xero"})
    assert verdict(merge(link({"P": A}, {}, {}), rules)) == "keep"


def test_what_is_written_once_is_not_written_again() -> None:
    once = replace(link({"P": B}, {}), once=("P",))
    assert verdict(merge(once, ONE_WAY)) == "quiet"
    joined = replace(link({"P": B}, {"P": C}, {}), once=("P",))
    assert verdict(merge(joined, ONE_WAY)) == "quiet", "nor into a document that was there"
    line = replace(link({"Lines/2/P": B}, {}), once=("Lines/2/P",))
    assert verdict(merge(line, ONE_WAY)) == "to xero", "but into a line that is new"


def test_an_owner_may_be_named_for_all_lines() -> None:
    rules = replace(TWO_WAY, owners={"Lines/P": "xero"})
    agreed = {"Lines/1/P": (A, A)}
    assert verdict(merge(link({"Lines/1/P": B}, {}, agreed), rules)) == "to salesforce"


LINE = {"Lines/1/P": (A, A), "Lines/1/Q": (A, A)}
OUT = {"Lines/1/P": GONE, "Lines/1/Q": GONE}


@pytest.mark.parametrize(
    ("salesforce", "xero", "expected"),
    [
        (OUT, {}, "to xero"),
        ({}, OUT, "keep"),
        (OUT, OUT, "quiet"),
        (OUT, {"Lines/1/Q": B}, "conflict"),
        ({"Lines/1/Q": B}, OUT, "conflict"),
        ({"Lines/1/New": B}, OUT, "conflict"),
        ({}, {"Lines/9/P": B}, "keep"),
    ],
)
def test_a_line_is_one_thing(salesforce: Texts, xero: Texts, expected: str) -> None:
    assert verdict(merge(link(salesforce, xero, LINE), ONE_WAY)) == expected


@pytest.mark.parametrize(
    ("sent", "shown", "same"),
    [
        ('"a  b "', '"a b"', True),
        ('"a"', '"b"', False),
        ('"a"', '"A"', False),
        ('{"#":"1.235"}', '{"#":"1.24"}', True),
        ('{"#":"1.235"}', '{"#":"1.23"}', True),
        ('{"#":"1.236"}', '{"#":"1.23"}', False),
        ('{"#":"1.2"}', '{"#":"1.25"}', False),
        ('{"#":"12.4"}', '{"#":"12"}', True),
        ('{"#":"100"}', '{"#":"200"}', False),
        ('""', "null", True),
        ("null", "false", True),
        ("false", "null", False),
        ('""', GONE, True),
        ('"a"', GONE, False),
        ('{"@":"2026-03-01T12:00:00.700+00:00"}', '{"@":"2026-03-01T12:00:00.000+00:00"}', True),
        ('{"@":"2026-03-01"}', '{"@":"2026-03-02"}', False),
        ('{"#":"1"}', '"1"', False),
    ],
)
def test_what_a_type_explains(sent: str, shown: str, same: bool) -> None:
    assert explained(sent, shown) is same


def test_what_both_show_when_they_first_meet_is_agreed() -> None:
    rules = Rules(Side.SALESFORCE, never_creates=True, as_found=True)
    ours = {"Date": '"2"', "LineItems/r1/Quantity": "2", "LineItems/r2/Quantity": "1"}
    theirs = {"Date": '"1"', "LineItems/r1/Quantity": "3", "LineItems/r1/Description": '"x"'}
    link = Link(LinkId("c", "m", "salesforce:1", "t"), salesforce=End("1", drift=ours), xero=End("9", drift=theirs))
    verdict = merge(link, rules)
    assert verdict.to[Side.XERO] == {"LineItems/r2/Quantity": "1"}, "a line that only one side has is new"
    assert set(verdict.quiet) == {"Date", "LineItems/r1/Quantity", "LineItems/r1/Description"}


def test_a_field_says_itself_who_wins() -> None:
    rules = Rules(Side.XERO, policies={"Rows/Text": "xero", "Rows/Count": "latest", "Other": "salesforce"})
    paths = ("Rows/a/Text", "Rows/a/Count", "Rows/a/Price", "Other")
    base = dict.fromkeys(paths, ('"a"', '"a"'))
    link = Link(
        LinkId("c", "m", "xero:1", "t"),
        agreed=base,
        salesforce=End("1", stamp=datetime(2026, 1, 2, tzinfo=UTC), drift=dict.fromkeys(paths, '"sf"')),
        xero=End("9", stamp=datetime(2026, 1, 1, tzinfo=UTC), drift=dict.fromkeys(paths, '"x"')),
    )
    verdict = merge(link, rules)
    assert verdict.to[Side.SALESFORCE] == {"Rows/a/Text": '"x"'}
    assert verdict.conflicts == ("Rows/a/Price",), "the later one, and the other's own, stay"


def test_a_question_is_answered_by_what_the_target_names() -> None:
    """A birth whose answer was lost is found with an id, where the source still asks."""
    asked = canonical(sought("PricebookEntry", {"ProductCode": "A"}))
    one = Link(
        LinkId("c", "m", "xero:1", "t"), Life.LIVE, once=("Rows/a/Entry",), born=NOON,
        salesforce=End("1", drift={"Rows/a/Entry": '"01u"'}), xero=End("9", drift={"Rows/a/Entry": asked}),
    )  # fmt: skip
    assert merge(one, Rules(Side.XERO)).quiet == {"Rows/a/Entry": ('"01u"', asked)}
    assert merge(replace(one, once=()), Rules(Side.XERO)).conflicts == ("Rows/a/Entry",)
