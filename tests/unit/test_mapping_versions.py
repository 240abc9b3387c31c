"""A link keeps the text of the mapping that made it, until `apply` moves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connector.cli.apply import Change, _change
from connector.cli.options import Old
from connector.core.applied import Applied, Gate
from connector.core.identity import LinkId
from connector.core.link_events import Observed, Wanted
from connector.core.link_state import End, Life, Link
from connector.core.mapping.bind import bind
from connector.core.mapping.parse import parse
from connector.core.records import Record, Side, Version
from connector.core.values import canonical
from connector.errors import MappingError
from streams.configuration import Entry, parsed
from tests.unit.mapping_catalogs import CATALOGS
from tests.unit.settle_desk import NOW, Desk

NAME = "deals"
OLD = """
mapping: deals
from: salesforce.Opportunity
to: xero.Invoice
fields:
  Type: ACCREC
  Reference: =record.Name
life: { changed: { approved: tell } }
"""
NEW = OLD.replace("=record.Name", "='Deal ' + record.Name").replace("tell", "update")
THEN = datetime(2026, 1, 1, tzinfo=UTC)
DEAL, INVOICE = LinkId("demo", NAME, "salesforce:d", "t"), "i-1"


def version(text: str) -> str:
    return parse(text, "deals.yaml").version


def entry(text: str, *kept: str) -> Entry:
    """As it was applied, with the texts that were kept before, one after the other."""
    one = Entry("demo", NAME, "deals.yaml", text, Gate.OPEN, None, paused=False, by="ann", at=THEN)
    for earlier in kept:
        before = replace(one, text=earlier)
        keep = _change(before, one, Old.KEEP).keep
        assert keep is not None
        one = replace(one, kept=(*one.kept, keep))
    return one


def desk(current: str, *kept: str, link: Link | None = None) -> Desk:
    """A connection with a mapping, the texts kept of it, and perhaps a link of it."""
    made = Desk(())
    applied = parsed(entry(current, *kept))
    rules = {name: bind(rule, CATALOGS) for name, rule in applied.kept.items()}
    made.home.applied[NAME] = replace(applied, mapping=bind(applied.mapping, CATALOGS), kept=rules)
    if link is not None:
        made.tables.links.put(link, 1, "")
        made.settle._write(made.home, link)
    return made


def live(text: str) -> Link:
    end = End("d", Version(1, 1))
    return Link(DEAL, Life.LIVE, mapping_version=version(text), salesforce=end, xero=End(INVOICE), entity="Invoice")


def deal(name: str) -> Record:
    return Record(Side.SALESFORCE, "org", "Opportunity", "d", Version(1, 9), NOW, NOW, fields={"Name": name})


async def planned(home: Desk) -> Wanted:
    ((link_id, event),) = await home.take(deal("Big"))
    assert (link_id, isinstance(event, Wanted)) == (DEAL, True)
    assert isinstance(event, Wanted)
    return event


async def test_a_live_link_is_planned_by_the_text_that_made_it() -> None:
    event = await planned(desk(NEW, OLD, link=live(OLD)))
    assert event.flat is not None
    assert (event.flat["Reference"], event.mapping_version) == (canonical("Big"), version(OLD))


@pytest.mark.parametrize("link", [None, live(NEW), replace(live(OLD), life=Life.NEW, xero=End())])
async def test_what_begins_now_or_was_never_born_follows_the_new_text(link: Link | None) -> None:
    event = await planned(desk(NEW, OLD, link=link))
    assert event.flat is not None
    assert (event.flat["Reference"], event.mapping_version) == (canonical("Deal Big"), version(NEW))


async def test_once_no_text_is_kept_old_links_follow_the_new_one() -> None:
    event = await planned(desk(NEW, link=live(OLD)))
    assert event.mapping_version == version(NEW)


async def test_a_link_is_folded_by_the_rules_that_it_keeps() -> None:
    """The old text leaves a change of an approved document to a person, the new one writes it."""
    agreed = {"Reference": (canonical("Small"), canonical("Small"))}
    for text, code in ((OLD, "link.changed-approved"), (NEW, "")):
        home = desk(NEW, OLD, link=replace(live(text), agreed=agreed, status="approved"))
        link = await home.fold(DEAL, await planned(home))
        assert (link.code, link.mapping_version) == (code, version(text))
        assert bool(list(home.home.ready.jobs(Side.XERO))) == (text == NEW)
        assert home.home.rule(link).version == version(text)


async def test_the_target_is_seen_by_the_text_that_the_link_keeps() -> None:
    older = OLD.replace("  Reference: =record.Name\n", "")
    home = desk(NEW, older, link=live(older))
    fields = {"InvoiceID": INVOICE, "Reference": "of a person", "Status": "DRAFT"}
    invoice = Record(Side.XERO, "t", "Invoice", INVOICE, Version(1, 9), NOW, NOW, fields=fields)
    ((_, event),) = await home.take(invoice)
    assert isinstance(event, Observed)
    assert "Reference" not in event.flat


def test_what_the_kept_texts_read_is_read_too() -> None:
    home = desk(NEW, OLD.replace("record.Name", "record.PO_Number__c"))
    assert {"Name", "PO_Number__c"} <= set(home.home.read_plan(Side.SALESFORCE, "Opportunity").fields)


# --- what apply writes -------------------------------------------------------------------------------------------


def change(before: Entry, text: str, old: Old = Old.KEEP) -> Change:
    return _change(before, replace(before, text=text), old)


def test_a_changed_text_is_kept_and_one_that_comes_back_is_today_s() -> None:
    first = change(entry(OLD), NEW)
    assert (first.what, first.drop, first.versions) == ("changed", (), 1)
    assert first.keep is not None
    assert (first.keep.version, first.keep.text) == (version(OLD), OLD)
    back = change(entry(NEW, OLD), OLD)
    assert [one.version for one in back.drop] == [version(OLD)]
    assert back.keep is not None
    assert (back.keep.version, back.versions) == (version(NEW), 1)


def test_a_comment_makes_no_version() -> None:
    only_a_comment = change(entry(OLD), OLD + "# said\n")
    assert (only_a_comment.what, only_a_comment.keep, only_a_comment.versions) == ("changed", None, 0)


@pytest.mark.parametrize(("text", "what"), [(OLD + "begin: all\n", "changed"), (NEW, "moved")])
def test_moved_links_leave_no_text_behind(text: str, what: str) -> None:
    moved = change(entry(NEW, OLD), text, Old.MOVE)
    assert (moved.what, moved.keep, [one.text for one in moved.drop], moved.versions) == (what, None, [OLD], 0)
    assert change(entry(NEW), NEW, Old.MOVE).what == "same"


def test_other_ends_are_another_mapping() -> None:
    with pytest.raises(MappingError) as refused:
        change(entry(OLD), OLD.replace("xero.Invoice", "xero.Contact").replace("  Type: ACCREC\n", ""))
    assert refused.value.code == "mapping.other-ends"


def test_a_gate_and_a_pin_come_along() -> None:
    applied = parsed(replace(entry(NEW, OLD), gate=Gate.SNAPSHOT, pinned=THEN))
    assert isinstance(applied, Applied)
    assert (applied.gate, applied.pinned, set(applied.kept)) == (Gate.SNAPSHOT, THEN, {version(OLD)})
