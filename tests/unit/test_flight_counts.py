"""Plan may call a record old only when nothing of its link is on the way to settle."""

from __future__ import annotations

from dataclasses import replace

from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.core.link_state import NEVER, End, Life, Link
from connector.core.records import Record, Side, Version
from connector.core.values import Ref
from streams.connection import Flight
from tests.unit.settle_desk import NOW, Desk

BACK = "invoice-status-to-opportunity"


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
    home, link = Desk(()).home, new_link(LinkId("c", "invoice", "salesforce:1", "t"))
    home.note(replace(link, refs={"Contact": Ref("account-contact", "salesforce:2")}))
    assert home.waiting.on("account-contact", "salesforce:2") == (link.id.key,)
    home.note(link)
    assert home.waiting.on("account-contact", "salesforce:2") == ()


async def test_a_read_is_told_to_every_link_that_asked_for_it() -> None:
    """Two invoices of one opportunity: their back-writes share an end, and `targets` names the last of them alone."""
    desk = Desk((BACK,))
    first, second = (back_write(desk, invoice, asked=True) for invoice in ("i1", "i2"))
    seen = Record(Side.SALESFORCE, "org", "Opportunity", "o1", Version(1, 9), NOW, NOW, fields={})
    assert {link_id for link_id, _ in await desk.take(seen)} == {first.id, second.id}
    back_write(desk, "i1", asked=False)
    desk.settle._write(desk.home, second)
    assert {link_id for link_id, _ in await desk.take(seen)} == {second.id}


def back_write(desk: Desk, invoice: str, *, asked: bool) -> Link:
    """A living link of a back-write to the opportunity, as settle keeps it."""
    fresh = new_link(LinkId("demo", BACK, f"xero:{invoice}", "t"))
    end = End("o1", asked=NEVER if asked else None)
    link = replace(fresh, life=Life.LIVE, salesforce=end, xero=End(invoice))
    desk.settle._write(desk.home, link)
    desk.home.note(link)
    return link
