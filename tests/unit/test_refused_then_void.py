"""A record of Xero that the mapping refuses is a review, until it is voided or deleted: nothing is to be made of it
then. Of one that something was made of, it stays a review."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link import new_link, outputs
from connector.core.link_events import Wanted
from connector.core.link_state import End, Life
from connector.core.records import Record, Side, Version
from connector.core.values import Fields
from tests.unit.mapping_catalogs import mapping
from tests.unit.settle_desk import NOW, Desk

TEXT = """
mapping: orders
from: xero.Invoice
when: =record.Status != 'DRAFT'
to: salesforce.Opportunity
mark: Xero_Order_Id__c
let: { ours: "=record.CurrencyCode == 'GBP' or refuse('an order in ' + record.CurrencyCode)" }
fields: { Xero_Order_Id__c: =record.InvoiceID, Name: Order, CloseDate: =record.Date, StageName: =record.Status }
"""
ID = LinkId("demo", "orders", "xero:i", "t")


def order(number: int, status: str, currency: str = "USD", *, deleted: bool = False) -> Record:
    fields: Fields = {
        "InvoiceID": "i",
        "Status": status,
        "CurrencyCode": currency,
        "Date": NOW.date(),
        "Type": "ACCREC",
    }
    return Record(Side.XERO, "t", "Invoice", "i", Version(1, number), NOW, NOW, deleted, fields)


def a_desk() -> Desk:
    desk = Desk(())
    desk.home.applied["orders"] = Applied(mapping(TEXT))
    return desk


async def review(desk: Desk, record: Record) -> str:
    """The code of the review that the record leaves, if any."""
    for link_id, event in await desk.take(record):
        await desk.fold(link_id, event)
    link, rules = desk.tables.links.get(ID), desk.home.rules("orders")
    assert rules is not None
    asked = outputs(link, rules).review if link is not None else None
    return asked.code if asked is not None else ""


@pytest.mark.parametrize("status", ["VOIDED", "DELETED"])
async def test_what_is_voided_or_deleted_is_no_question_any_more(status: str) -> None:
    desk = a_desk()
    assert await review(desk, order(1, "AUTHORISED")) == "mapping.refused"
    assert await review(desk, order(2, status)) == ""
    link = desk.tables.links.get(ID)
    assert link is not None
    assert (link.life, link.left, link.code) == (Life.NEW, "left", "")
    assert await review(desk, order(3, "AUTHORISED")) == "mapping.refused", "and one that is back is a question again"


async def test_one_that_was_void_from_the_start_is_nothing() -> None:
    desk = a_desk()
    assert await desk.take(order(1, "VOIDED")) == []


async def test_of_one_that_something_was_made_of_it_stays_a_question() -> None:
    desk = a_desk()
    made = replace(new_link(ID), life=Life.LIVE, salesforce=End("006"), xero=End("i"))
    desk.tables.links.put(made, 1, "")
    desk.settle._write(desk.home, made)
    assert await review(desk, order(2, "VOIDED")) == "mapping.refused"


async def test_a_void_order_of_ours_is_told() -> None:
    """Nothing is wrong with it: it is what its mapping says."""
    ((_, event),) = await a_desk().take(order(1, "VOIDED", "GBP"))
    assert isinstance(event, Wanted)
    assert event.flat is not None
