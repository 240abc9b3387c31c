"""What a merge of two contacts in Xero means for the link of the one that went."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from connector.core.failure import Failure
from connector.core.identity import LinkId
from connector.core.link import asks, new_link, step
from connector.core.link_events import Settled
from connector.core.link_state import Life, Link, Rules
from connector.core.merged import follow, winner_of
from connector.core.records import Record, Side, Version
from connector.core.values import Fields, Value

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OURS = LinkId("c", "account-contact", "salesforce:a1", "t")
OTHER = LinkId("c", "account-contact", "salesforce:a2", "t")


def contact(merged: Value = "c2") -> Record:
    fields: Fields = {"MergedToContactID": merged}
    return Record(Side.XERO, "t", "Contact", "c1", Version(1, 1), NOW, NOW, fields=fields)


def linked(link_id: LinkId = OURS, contact_id: str = "c1") -> Link:
    link = new_link(link_id)
    return replace(link, life=Life.LIVE, xero=replace(link.xero, id=contact_id))


def test_which_contact_stayed() -> None:
    assert winner_of(contact()) == "c2"
    nobody: tuple[Value, ...] = (None, "", True, "c1")
    assert [winner_of(contact(merged)) for merged in nobody] == ["", "", "", ""]
    assert winner_of(replace(contact(), entity="Invoice")) == ""
    assert winner_of(replace(contact(), side=Side.SALESFORCE)) == ""


def test_a_link_follows_to_a_contact_that_nobody_has() -> None:
    for link_id in (OURS, replace(OURS, document="xero:c1")):
        told = Settled("follow", "merged in Xero", NOW, "c2")
        assert list(follow(contact(), linked(link_id), "c2", None)) == [told]
        moved = step(linked(link_id), told, Rules(source=Side.SALESFORCE, two_way=True))
        assert (moved.xero.id, moved.id, asks(moved)) == ("c2", link_id, ((Side.XERO, "c2"),))
        assert step(new_link(link_id), told, Rules(source=Side.SALESFORCE, two_way=True)).xero.id == ""


def test_it_follows_once() -> None:
    assert list(follow(contact(), linked(contact_id="c2"), "c2", None)) == []
    assert list(follow(contact(), new_link(OURS), "c2", None)) == []
    assert list(follow(contact(), replace(linked(), left="deleted"), "c2", OTHER)) == []


def test_a_person_is_told_whose_the_other_is() -> None:
    for link in (linked(), linked(replace(OURS, document="xero:c1"))):
        (told,) = follow(contact(), link, "c2", OTHER)
        assert isinstance(told, Failure)
        assert told.code == "link.merged"
        assert "c2" in told.message
        assert "salesforce:a2" in told.message
