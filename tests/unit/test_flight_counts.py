"""Plan may call a record old only when nothing of its link is on the way to settle."""

from __future__ import annotations

from dataclasses import replace

from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.core.values import Ref
from streams.connection import Flight, Waiting


def test_a_link_is_in_flight_until_each_of_its_events_is_folded() -> None:
    flight = Flight()
    flight.sent("a")
    flight.sent("a")
    flight.folded("a")
    assert "a" in flight
    flight.folded("a")
    assert "a" not in flight


def test_events_of_a_former_owner_do_not_count_below_nothing() -> None:
    flight = Flight()
    flight.folded("a")
    flight.sent("a")
    assert "a" in flight


def test_a_link_waits_for_what_it_still_refers_to() -> None:
    waiting, link = Waiting(), new_link(LinkId("c", "invoice", "salesforce:1", "t"))
    waiting.note(replace(link, refs={"Contact": Ref("account-contact", "salesforce:2")}))
    assert waiting.on("account-contact", "salesforce:2") == (link.id.key,)
    waiting.note(link)
    assert waiting.on("account-contact", "salesforce:2") == ()
