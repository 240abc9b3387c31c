"""Several Xero organisations behind one org: whose document it is, and what happens when a record moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.applied import Applied, Scene
from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.core.link_events import LinkEvent, Wanted
from connector.core.link_state import Life, Link
from connector.core.mapping.bind import bind
from connector.core.mapping.parse import parse
from connector.core.planning import plan
from connector.core.records import Record, Side, Version
from connector.core.unborn import Unborn
from connector.errors import MappingError
from tests.unit.mapping_catalogs import CATALOGS
from tests.unit.settle_desk import NOW

RULE = """\
mapping: bills
from: salesforce.Expense__c
to: xero.Invoice
organisation: =record.Name
fields: { Type: ACCPAY, Contact: "=record.Description__c", Date: =record.Date__c }
lines: [ { key: one, fields: { Description: A, Quantity: 1, UnitAmount: =record.Amount__c } } ]
life: { left: { draft: delete, approved: void }, again: new }
"""
SCENE = Scene("demo", "t-uk", tenants={"uk": "t-uk", "t-uk": "t-uk", "us": "t-us", "t-us": "t-us"})


class Known:
    """The tables, with the links that a test puts there."""

    def __init__(self, *links: Link) -> None:
        self.links = {link.id: link for link in links}
        self.unborn = Unborn()

    def link(self, link_id: LinkId) -> Link | None:
        return self.links.get(link_id)

    def owner(self, connection: str, mapping: str, side: Side, object_id: str) -> LinkId | None:
        return None

    former = owner

    def readers(self, mapping: str, side: Side, object_id: str) -> tuple[LinkId, ...]:
        return ()

    def parts(self, link_id: LinkId) -> tuple[str, ...]:
        return ()

    def documents(self, link_id: LinkId) -> tuple[Link, ...]:
        return ()

    def pending(self, link_id: LinkId) -> bool:
        return False


def record(name: str) -> Record:
    fields = {"Id": "e1", "Name": name, "Description__c": "c1", "Amount__c": None, "Date__c": None}
    return Record(Side.SALESFORCE, "org", "Expense__c", "e1", Version(1, 5), NOW, NOW, fields=fields)


def planned(name: str, *links: Link) -> dict[str, LinkEvent]:
    """By tenant and generation."""
    rule = bind(parse(RULE, "bills.yaml"), CATALOGS)
    found = plan(record(name), Applied(rule), Known(*links), SCENE)
    return {f"{link_id.tenant} {link_id.generation}": event for link_id, event in found}


def link(tenant: str, life: Life, reason: str = "") -> Link:
    fresh = new_link(LinkId("demo", "bills", "salesforce:e1", tenant))
    return replace(fresh, life=life, reason=reason)


@pytest.mark.parametrize(("name", "tenant"), [("uk", "t-uk"), ("us", "t-us"), ("t-us", "t-us")])
def test_the_rule_names_the_organisation_by_name_or_id(name: str, tenant: str) -> None:
    assert list(planned(name)) == [f"{tenant} 1"]


def test_an_unknown_organisation_is_a_review_and_no_birth() -> None:
    found = planned("mars")
    codes = {event.refusal.code for event in found.values() if isinstance(event, Wanted) and event.refusal}
    assert codes == {"mapping.organisation"}
    assert list(found) == ["t-uk 1"], "one review, not one for each organisation"


def test_what_moves_leaves_first() -> None:
    there = link("t-uk", Life.LIVE)
    (event,) = planned("us", there).values()
    assert isinstance(event, Wanted)
    assert event.left == "left"
    gone = replace(there, life=Life.ENDED, reason="left")
    assert "t-us 1" in planned("us", gone), "only then it is made in the other one"


def test_it_comes_back_as_a_new_generation() -> None:
    back = planned("uk", link("t-uk", Life.ENDED, "left"), link("t-us", Life.ENDED, "left"))
    assert "t-uk 2" in back
    assert all(isinstance(event, Wanted) and event.left for key, event in back.items() if key.startswith("t-us"))


def test_a_two_way_mapping_is_for_one_organisation() -> None:
    rule = "mapping: m\nbetween: { sf: salesforce.Account, xero: xero.Contact }\norganisation: =sf.Name\nfields: []\n"
    with pytest.raises(MappingError, match="for one organisation"):
        parse(rule, "m.yaml")
