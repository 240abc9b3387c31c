"""What a mapping's policies do to one link, told by hand: lines of others, back-writes to nothing, credits."""

from __future__ import annotations

from dataclasses import replace

from connector.core.identity import LinkId
from connector.core.link import Act, new_link
from connector.core.link_events import FOREIGN, TARGET, Due, Settled
from connector.core.link_state import Hold, Life, Rules, State
from connector.core.values import Ref
from tests.unit.link_story import BLUE, GREEN, INVOICE, NOON, RED, SF, XERO, Story

NONE, THEIRS = "null", '["their-line"]'
BACK = Rules(XERO, never_creates=True, tells_unlinked=True)
AIM = Ref("deals", "xero:i9")


def wants(story: Story, **more: str) -> Story:
    """Our line says something; ``more`` are fields of the head."""
    line = more.pop("line")
    return story.tell(story.record(SF, {"Lines/1/Text": line, **more}))


def beside(theirs: str = THEIRS) -> Story:
    """An invoice of ours with one line, and what a person added."""
    story = Story().born(Lines_1_Text=RED)
    for foreign in (NONE, theirs):
        story.shows(**{"Lines_1_Text": RED, FOREIGN: foreign})
    return story


# --- foreign_lines: conflict -------------------------------------------------------------------------------------


def test_lines_of_others_are_nothing_until_ours_change() -> None:
    assert beside().state is State.CLEAN


def test_a_change_of_our_lines_beside_lines_of_others_is_a_question() -> None:
    story = wants(beside(), line=BLUE)
    assert (story.state, story.todo) == (State.CONFLICT, None)


def test_the_decision_for_the_record_takes_their_lines_out() -> None:
    story = wants(beside(), line=BLUE).tell(Settled("salesforce", "ann", NOON))
    assert story.todo is not None
    assert story.todo.changed == {"Lines/1/Text": BLUE, FOREIGN: ""}
    story.writes(**{FOREIGN: NONE})
    assert story.state is State.CLEAN
    assert wants(story, line=GREEN).todo is not None, "and nobody is asked again"


def test_the_decision_for_the_document_leaves_all_as_it_is() -> None:
    story = wants(beside(), line=BLUE).tell(Settled("xero", "ann", NOON))
    assert (story.state, story.todo) == (State.CLEAN, None)


def test_a_field_of_the_head_changes_beside_lines_of_others() -> None:
    story = wants(beside(), line=RED, Due=BLUE)
    assert story.todo is not None
    assert story.todo.changed == {"Due": BLUE}


def test_where_nobody_added_a_line_nobody_is_asked() -> None:
    story = wants(beside(NONE), line=BLUE)
    assert story.todo is not None
    assert story.todo.act is Act.UPDATE


# --- unlinked: tell ----------------------------------------------------------------------------------------------


def back_write(rules: Rules) -> Story:
    story = Story(rules, new_link(LinkId("c", "m", "xero:i1", "t")))
    return story.tell(story.record(XERO, {"Paid": BLUE}, refs={TARGET: AIM}))


def test_a_back_write_to_nothing_is_a_review_until_its_object_is_linked() -> None:
    story = back_write(BACK)
    assert (story.code, story.state) == ("link.unlinked", State.FAILED)
    story.tell(Due(NOON, {TARGET: "o9"}))
    assert (story.code, story.link.life, story.link.salesforce.id) == ("", Life.LIVE, "o9")


def test_to_wait_is_no_review() -> None:
    story = back_write(replace(BACK, tells_unlinked=False))
    assert (story.code, story.link.hold) == ("", Hold.WAITS)


# --- changed: credit ---------------------------------------------------------------------------------------------

CREDIT = replace(INVOICE, changed={"approved": "credit", "paid": "tell"})


def approved(rules: Rules = CREDIT) -> Story:
    return Story(rules).born(Name=RED).shows("approved", Name=RED)


def test_an_approved_document_ends_credited_when_its_record_changes() -> None:
    story = approved().wants(Name=BLUE)
    assert (story.link.life, story.link.reason) == (Life.ENDED, "credited")
    assert story.link.seen(XERO) == {"Name": RED}, "what is to be credited"
    assert story.link.end(SF).asked is not None, "the record is planned again, as the next generation"


def test_a_draft_is_updated_and_a_paid_one_asks() -> None:
    draft = Story(CREDIT).born(Name=RED).wants(Name=BLUE)
    assert draft.todo is not None
    assert draft.todo.act is Act.UPDATE
    assert approved().shows("paid", Name=RED).wants(Name=BLUE).code == "link.changed-paid"


def test_what_an_adopted_document_spells_otherwise_is_no_change_of_the_record() -> None:
    story = Story(CREDIT).wants(Name=BLUE).shows("approved", Name=RED)
    assert story.link.life is Life.LIVE
    assert story.todo is not None
    assert story.todo.act is Act.UPDATE
