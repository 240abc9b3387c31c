"""A record that is planned again counts as seen now, unless somebody has seen or written since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.core.identity import LinkId
from connector.core.link import new_link
from connector.core.link_events import Wanted
from connector.core.link_state import Life, Link
from connector.core.records import Record, Side, Version
from tests.unit.settle_desk import NOW, Desk

READ = Version(1, 5)
LINK_ID = LinkId("demo", "account-contact", "salesforce:ann", "t")


def account() -> Record:
    fields = {"Name": "Firm", "Type": "Customer", "Phone": None, "Xero_Contact_Id__c": None}
    return Record(Side.SALESFORCE, "org", "Account", "ann", READ, NOW, NOW, fields=fields)


def known(version: Version, asked: Version | None = None) -> Link:
    link = replace(new_link(LINK_ID), life=Life.LIVE)
    return link.with_end(Side.SALESFORCE, replace(link.salesforce, id="ann", version=version, stamp=NOW, asked=asked))


async def replayed(link: Link | None = None, **applied: object) -> list[Version]:
    """Versions of the events that a replay of the record gives out."""
    desk = Desk(("account-contact",))
    rule = desk.home.applied["account-contact"]
    desk.home.applied["account-contact"] = replace(rule, **applied)  # type: ignore[arg-type]
    desk.home.numbers.epoch = 9
    if link is not None:
        desk.tables.links.put(link, 1, "")
        desk.settle._write(desk.home, link)
    await desk.plan.take(desk.home, account(), replayed=True)
    return [event.version for _, event in desk.sent if isinstance(event, Wanted)]


async def test_it_counts_as_seen_now() -> None:
    assert await replayed(known(READ)) == [Version(9, 1)]
    assert await replayed() == [Version(9, 1)]


@pytest.mark.parametrize("link", [known(Version(1, 6)), known(READ, asked=Version(1, 6))])
async def test_what_was_seen_or_written_since_is_known_better(link: Link) -> None:
    assert await replayed(link) == []


async def test_the_past_stays_closed() -> None:
    rule = replace(Desk(("account-contact",)).home.applied["account-contact"].mapping, begin="new")
    assert await replayed(mapping=rule, pinned=NOW + timedelta(hours=1)) == []
    assert await replayed(mapping=rule, pinned=NOW - timedelta(hours=1)) == [Version(9, 1)]
