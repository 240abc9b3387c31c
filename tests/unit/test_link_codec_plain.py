"""Links and their events come back from Avro exactly as they went in; what is not one is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import new_link, step
from connector.core.link_events import Applied, Asked, Due, Found, Observed, Rejected, Settled, Started, Unknown, Wanted
from connector.core.link_state import Observation, Rules
from connector.core.records import Side, Version
from connector.core.values import Ref
from connector.kafka.codec import Codec, Decoded
from connector.kafka.link_codec import Call, Member, Target, event_value, link_value, read_event, read_link
from connector.kafka.plain import from_plain, to_plain

AT = datetime(2026, 11, 23, 9, 30, 0, 123000, UTC)
FLAT = {"Name": '"Acme"', "LineItems/a%2Fb/Quantity": '{"#":"2"}'}
REFUSAL = Failure("xero.duplicate", Kind.RESOLVE, "m", "r", 30)
CONTACT = Ref("a", "salesforce:2", optional=True)
WANTED = Wanted(Side.SALESFORCE, "1", Version(1, 2), AT, "v1", FLAT, {"Contact": CONTACT}, ("Date",),
                ("a/b",), "Invoice", {"": "{}"}, '["Url","u"]', '{"#":"1"}', refusal=REFUSAL)  # fmt: skip
EVENTS = [
    WANTED,
    replace(WANTED, flat=None, left="deleted", stamp=None, refusal=None),
    Observed(Side.XERO, "x", Version(1, 3), None, FLAT, "draft", gone=True),
    Found(Side.XERO, ("x", "y"), AT, "link", "c", ours=True, version=Version(1, 4), stamp=AT, flat=FLAT, status="paid"),
    Call("c", Side.XERO, "t", "Invoice", "create", (Member("k", FLAT), Member("l", {})), 3, "00", AT, AT),
    Applied("c", "x", Version(1, 5), AT, FLAT, "draft", {"a": "b"}, "Total 1 instead of 2"),
    Rejected("c", REFUSAL, AT, element=False),
    Unknown("c", "why", AT),
    Settled("link", "ann", AT, "x"),
    Due(AT, {"Contact": '"x"'}, "other"),
    Asked(Side.XERO, "why"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_went_in(event: Any) -> None:
    codec = Codec()
    decoded = codec.decode(codec.encode("link-events.v1", event_value(b"c/m/salesforce%3A1/t/1", event, AT)))
    assert isinstance(decoded, Decoded)
    found = read_event(decoded.value)
    assert (found.body, found.at, found.link) == (event, AT, "c/m/salesforce%3A1/t/1")


def test_a_link_comes_back_as_it_went_in() -> None:
    rules = Rules(Side.SALESFORCE, creates=frozenset({Side.XERO}))
    link = step(new_link(LinkId("c", "m", "salesforce:1/é", "t")), replace(WANTED, refusal=None), rules, 1)
    link = step(link, Started("k", Side.XERO, "create", FLAT, AT, AT), rules, 2)
    held = Observation("x", Version(1, 9), AT, FLAT, "draft")
    link = link.with_end(Side.XERO, replace(link.xero, held=held))
    link = replace(link, agreed={"Name": ('"Acme "', '"Acme"')}, not_before=AT)
    codec = Codec()
    decoded = codec.decode(codec.encode("links.v1", link_value(link, 4, 7, "genesis")))
    assert isinstance(decoded, Decoded)
    stored = read_link(decoded.value)
    assert (stored.link, stored.epoch, stored.ordinal, stored.genesis) == (link, 4, 7, "genesis")


@pytest.mark.parametrize(
    "raw",
    [None, [], {"link": 5, "other": "", "gone": False, "meta": {}}, {"other": ""}, {"link": "a", "gone": "no"}],
)
def test_what_is_not_a_target_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"Target|not"):
        from_plain(Target, raw)


def test_plain_is_plain() -> None:
    expected = {"epoch": 3, "ordinal": 7, "link": "a", "other": "", "gone": False, "meta": {"x": "y"}}
    assert to_plain(Target("a", meta={"x": "y"}, epoch=3, ordinal=7)) == expected
