"""An older read that comes late gives no birth to a record that no longer matches."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.core.identity import LinkId
from connector.core.link_events import Wanted
from connector.core.records import Record, Side, Version
from connector.core.unborn import MOST, Unborn
from connector.core.values import Fields
from tests.unit.settle_desk import NOW, Desk


def account(number: int, kind: str, minutes: int = 0, *, deleted: bool = False) -> Record:
    fields = {"Name": "Firm", "Type": kind, "Phone": None, "Xero_Contact_Id__c": None}
    stamp = NOW + timedelta(minutes=minutes)
    return Record(Side.SALESFORCE, "org", "Account", "ann", Version(1, number), NOW, stamp, deleted, fields)


@pytest.mark.parametrize("later", [account(9, "Former"), account(9, "Customer", deleted=True)])
async def test_an_older_matching_read_after_a_newer_that_left_makes_nothing(later: Record) -> None:
    desk = Desk(("account-contact",))
    assert await desk.take(later) == []
    assert await desk.take(account(8, "Customer")) == []
    assert await desk.take(account(20, "Customer", -1)) == []
    ((_, event),) = await desk.take(account(10, "Customer"))
    assert isinstance(event, Wanted)


async def test_documents_too() -> None:
    desk = Desk(("opportunity-to-invoice",))

    def deal(number: int, *, won: bool) -> Record:
        fields: Fields = {"IsWon": won, "Name": "Deal", "OpportunityLineItems": []}
        return Record(Side.SALESFORCE, "org", "Opportunity", "o", Version(1, number), NOW, NOW, fields=fields)

    assert await desk.take(deal(5, won=False)) == []
    assert await desk.take(deal(4, won=True)) == []
    assert len(await desk.take(deal(6, won=True))) == 1


def test_only_so_many_are_remembered() -> None:
    unborn, old = Unborn(), account(8, "Customer")
    for number in range(MOST + 1):
        unborn.passed(LinkId("demo", "m", f"salesforce:{number}", "t"), account(9, "Former"))
    assert not unborn.outdated(LinkId("demo", "m", "salesforce:0", "t"), old)
    assert unborn.outdated(LinkId("demo", "m", f"salesforce:{MOST}", "t"), old)
