"""A look-up answers while other links are folded: what it found may be somebody's by then."""

from __future__ import annotations

from dataclasses import replace

from connector.core.identity import LinkId
from connector.core.link import Act, outputs
from connector.core.link_events import Applied, Found, Started, Wanted
from connector.core.link_state import Life, Link
from connector.core.records import Side, Version
from connector.core.values import canonical
from tests.unit.settle_desk import NOW, Desk

NAME = "account-contact"
SF, XERO = Side.SALESFORCE, Side.XERO
ANN, BEN = (LinkId("demo", NAME, f"salesforce:{name}", "t") for name in ("ann", "ben"))
CONTACT = LinkId("demo", NAME, "xero:x-1", "t")


def wanted(link_id: LinkId, number: int) -> Wanted:
    version = Version(1, number)
    return Wanted(
        link_id.side,
        link_id.source,
        version,
        None,
        "1",
        {"Name": canonical("Firm")},
        entity="Contact",
        find={"3": "{}"},
    )


def found(side: Side, hit: str) -> Found:
    flat = {"Name": canonical("Firm")}
    return Found(side, (hit,), NOW, "link", version=Version(1, 50), flat=flat)


def looks(desk: Desk, link: Link) -> bool:
    rules = desk.home.rules(NAME)
    assert rules is not None
    todo = outputs(link, rules).todo
    return todo is not None and todo.act is Act.LOOK


async def test_a_hit_that_became_another_links_end_is_looked_for_again() -> None:
    desk = Desk((NAME,))
    await desk.fold(ANN, wanted(ANN, 1))
    await desk.fold(BEN, wanted(BEN, 2))
    assert (await desk.fold(ANN, found(XERO, "x-1"))).life is Life.LIVE
    ben = await desk.fold(BEN, found(XERO, "x-1"))
    assert (ben.life, ben.xero.id, looks(desk, ben)) == (Life.NEW, "", True)
    assert [job.link.id for job in desk.home.ready.jobs(XERO) if job.todo.act is Act.LOOK] == [BEN]
    again = Wanted(SF, "ben", Version(1, 60), None, "1", {"Name": canonical("Firm")}, entity="Contact")
    assert (await desk.fold(BEN, again)).life is Life.NEW


async def test_a_hit_whose_own_link_is_being_born_is_looked_for_again() -> None:
    desk = Desk((NAME,))
    await desk.fold(CONTACT, wanted(CONTACT, 1))
    await desk.fold(ANN, wanted(ANN, 2))
    await desk.fold(CONTACT, Found(SF, (), NOW))
    await desk.fold(CONTACT, Started("call", SF, "create", {}, NOW, NOW))
    ann = await desk.fold(ANN, found(XERO, "x-1"))
    assert (ann.life, looks(desk, ann)) == (Life.NEW, True)
    born = await desk.fold(CONTACT, Applied("call", "ann-2", Version(1, 60)))
    assert (born.life, born.salesforce.id) == (Life.LIVE, "ann-2")
    ann = await desk.fold(ANN, found(XERO, "x-1"))
    assert (ann.life, looks(desk, ann)) == (Life.NEW, True)


async def test_a_hit_whose_link_is_this_very_pair_joins_it() -> None:
    desk = Desk((NAME,))
    await desk.fold(CONTACT, wanted(CONTACT, 1))
    await desk.fold(ANN, wanted(ANN, 2))
    await desk.fold(CONTACT, found(SF, "ann"))
    ann = await desk.fold(ANN, found(XERO, "x-1"))
    assert (ann.life, ann.reason) == (Life.ENDED, "merged")


async def test_one_of_several_hits_is_somebodys_by_now() -> None:
    desk = Desk((NAME,))
    await desk.fold(ANN, wanted(ANN, 1))
    await desk.fold(BEN, wanted(BEN, 2))
    await desk.fold(ANN, found(XERO, "x-1"))
    several = replace(found(XERO, "x-1"), hits=("x-1", "x-2"))
    assert looks(desk, await desk.fold(BEN, several))


async def test_a_hit_that_nobody_has_is_taken() -> None:
    desk = Desk((NAME,))
    await desk.fold(ANN, wanted(ANN, 1))
    ann = await desk.fold(ANN, found(XERO, "x-1"))
    assert (ann.life, ann.xero.id) == (Life.LIVE, "x-1")
