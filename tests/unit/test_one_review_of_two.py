"""Two mappings join the same two objects, one for each way. What both sides changed is one question, not two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link import outputs, state
from connector.core.link_events import Observed, Settled, Started, Wanted
from connector.core.link_state import End, Hold, Life, Link, Rules, State
from connector.core.records import Side, Version
from connector.core.sync_state import Shown, shown
from connector.core.values import canonical
from connector.kafka.link_codec import Target
from streams.settle import ends
from tests.unit.mapping_catalogs import mapping
from tests.unit.settle_desk import NOW, Desk

SF, XERO = Side.SALESFORCE, Side.XERO
OLD, HERE, THERE = canonical("old"), canonical("here"), canonical("there")
MAKES = """
mapping: makes
from: xero.Contact
to: salesforce.Account
mark: Xero_Contact_Id__c
fields: { Xero_Contact_Id__c: =record.ContactID, Name: =record.Name }
conflict: ask
"""
BACK = """
mapping: goes-back
from: salesforce.Account
writes: update
to: xero.Contact
target: =source('makes', record)
fields: { Name: =record.Name }
conflict: ask
"""
MADE = LinkId("demo", "makes", "xero:x-1", "t")
WENT = LinkId("demo", "goes-back", "salesforce:a-1", "t")


class Pair(Desk):
    """The two links of an account and its contact, agreed on a name."""

    def __init__(self) -> None:
        super().__init__(())
        for text in (MAKES, BACK):
            rule = mapping(text)
            self.home.applied[rule.name] = Applied(rule)
        for link_id in (MADE, WENT):
            link = Link(link_id, Life.LIVE, agreed={"Name": (OLD, OLD)}, salesforce=End("a-1"), xero=End("x-1"))
            self.put(replace(link, mapping_version=self.home.applied[link_id.mapping].mapping.version))

    def put(self, link: Link) -> None:
        self.tables.links.put(link, 1, "")
        for document, target in ends(link):
            self.tables.targets.put("demo", link.id.mapping, document, Target(target.link, target.other), 1)

    def link(self, link_id: LinkId) -> Link:
        link = self.tables.links.get(link_id)
        assert link is not None
        return link

    async def both_changed(self, link_id: LinkId, number: int = 1) -> None:
        """The link hears of an edit on either side."""
        ours, theirs = (HERE, THERE) if link_id.side is SF else (THERE, HERE)
        version = self.home.applied[link_id.mapping].mapping.version
        source, target = (link_id.source, "x-1" if link_id.side is SF else "a-1")
        event = Wanted(link_id.side, source, Version(1, number), None, version, {"Name": ours})
        await self.fold(link_id, Observed(link_id.side.other, target, Version(1, number), None, {"Name": theirs}))
        await self.fold(link_id, event)
        await self.settled()

    async def says(self, link_id: LinkId, decision: str) -> None:
        await self.fold(link_id, Settled(decision, "ann", NOW))
        await self.settled()

    async def settled(self) -> None:
        """What settle says to itself, until it says no more."""
        for _ in range(20):
            if not self.sent:
                return
            await self.fold(*self.sent.pop(0))
        raise AssertionError(f"it never ends: {self.sent}")

    def reviews(self) -> list[LinkId]:
        found = [(link_id, self.link(link_id)) for link_id in (MADE, WENT)]
        return [link_id for link_id, link in found if outputs(link, self.rules(link_id)).review is not None]

    def rules(self, link_id: LinkId) -> Rules:
        rules = self.home.rules(link_id.mapping, self.link(link_id).mapping_version)
        assert rules is not None
        return rules


@pytest.mark.parametrize("order", [(MADE, WENT), (WENT, MADE)])
async def test_one_asks_and_the_other_waits_for_it(order: tuple[LinkId, LinkId]) -> None:
    desk = Pair()
    for link_id in order:
        await desk.both_changed(link_id)
    assert desk.reviews() == [MADE], "the mapping that makes objects asks"
    asks, waits = desk.link(MADE), desk.link(WENT)
    assert asks.message == "Both sides changed the same field. In goes-back: Name."
    assert (waits.code, waits.hold) == ("link.conflict-elsewhere", Hold.CONFLICT)
    assert waits.message.endswith("See makes.")
    assert state(waits, desk.rules(WENT)) is State.BLOCKED
    names = {SF: "Account", XERO: "Contact"}
    rows = [shown(link, desk.rules(link.id), names) for link in (asks, waits)]
    assert [row.state for row in rows if row is not None] == [Shown.CONFLICT, Shown.WAITING]
    await desk.both_changed(WENT, 2)
    assert desk.reviews() == [MADE]


@pytest.mark.parametrize("answered", [MADE, WENT])
@pytest.mark.parametrize(("winner", "to"), [("salesforce", XERO), ("xero", SF)])
async def test_one_answer_decides_both(answered: LinkId, winner: str, to: Side) -> None:
    """Whichever is answered: the value of the winner goes to the other side, by the link that writes there."""
    desk = Pair()
    await desk.both_changed(MADE)
    await desk.both_changed(WENT)
    await desk.says(answered, winner)
    assert desk.reviews() == []
    tasks = [outputs(desk.link(each), desk.rules(each)).todo for each in (MADE, WENT)]
    assert [(task.side, dict(task.changed)) for task in tasks if task is not None] == [
        (to, {"Name": HERE if winner == "salesforce" else THERE})
    ]


async def test_an_answer_that_comes_again_decides_no_later_question() -> None:
    desk = Pair()
    await desk.both_changed(MADE)
    await desk.both_changed(WENT)
    await desk.fold(MADE, Settled("xero", "ann", NOW))
    desk.sent.clear()  # a crash: nobody heard of it
    asked = desk.link(WENT)
    desk.put(replace(asked, offset=desk.offset + 1))  # what came since
    desk.offset -= 1
    await desk.says(MADE, "xero")
    assert desk.reviews() == [WENT], "nobody answered this one: it asks for itself"


async def test_who_waits_asks_itself_once_the_other_has_no_question() -> None:
    desk = Pair()
    await desk.both_changed(MADE)
    await desk.both_changed(WENT)
    await desk.says(MADE, "end")
    assert desk.reviews() == [WENT]
    assert desk.link(WENT).message == "Both sides changed the same field."
    lone = Pair()
    await lone.both_changed(WENT)
    assert lone.reviews() == [WENT]


async def test_a_link_with_a_call_under_way_is_not_spoken_to() -> None:
    """It would not hear, and be told for ever."""
    desk = Pair()
    await desk.both_changed(WENT)
    await desk.fold(WENT, Started("call", XERO, "update", {"Name": HERE}, NOW, NOW))
    await desk.both_changed(MADE)
    assert desk.reviews() == [MADE, WENT]
