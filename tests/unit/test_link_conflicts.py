"""Conflicts, decisions, life and order, told by hand (`link_story`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.core.link import Act, outputs, step
from connector.core.link_events import (
    Applied,
    Asked,
    Due,
    Observed,
    Rejected,
    Settled,
    Unknown,
)
from connector.core.link_state import Hold, Life, State
from connector.core.records import Version
from tests.unit.link_story import (
    BLUE,
    BUSY,
    CONTACT,
    GREEN,
    INVOICE,
    NOON,
    RED,
    SF,
    XERO,
    Story,
)

# --- conflict and decision -----------------------------------------------------------------------------------------


def conflict() -> Story:
    return Story().born(Name=RED, Due=RED).shows(Name=GREEN, Due=RED).wants(Name=BLUE, Due=RED)


def test_what_a_person_changed_in_a_document_stays() -> None:
    story = Story().born(Name=RED, Due=RED).shows(Name=GREEN, Due=RED).wants(Name=RED, Due=BLUE)
    assert story.todo is not None
    assert story.todo.changed == {"Due": BLUE}
    story.writes()
    assert story.link.seen(XERO) == {"Name": GREEN, "Due": BLUE}
    assert story.todo is None


def test_both_sides_changed_one_field_is_a_conflict_and_nothing_is_written() -> None:
    story = conflict()
    assert story.state is State.CONFLICT
    assert outputs(story.link, INVOICE).review is not None
    assert story.todo is None


def test_a_decision_for_the_source_writes_it() -> None:
    story = conflict().tell(Settled("salesforce", "ann", NOON))
    assert story.todo is not None
    assert story.todo.changed == {"Name": BLUE}


def test_a_decision_for_the_target_keeps_it_until_the_source_changes_again() -> None:
    story = conflict().tell(Settled("xero", "ann", NOON))
    assert story.state is State.CLEAN
    assert story.link.seen(XERO)["Name"] == GREEN
    assert story.wants(Name=RED, Due=RED).state is State.CONFLICT


def test_whatever_a_winner_says_after_a_decision_is_written_too() -> None:
    story = Story(CONTACT).born(Name=RED, Phone=RED).wants(Name=RED, Phone=BLUE)
    story.wants(XERO, Name=RED, Phone=GREEN)
    assert story.tell(Settled("xero", "ann", NOON)).todo
    story.wants(XERO, Name=RED, Phone=RED)
    assert story.todo is not None
    assert (story.todo.side, story.todo.changed) == (SF, {"Phone": RED})


def test_a_conflict_ends_when_both_say_the_same() -> None:
    assert conflict().shows(Name=BLUE, Due=RED).state is State.CLEAN


def test_a_decision_for_a_side_decides_nothing_but_conflicts() -> None:
    story = Story().born(Name=RED).tell(Observed(XERO, "i2", Version(9, 9), None, {"Name": RED}))
    assert story.code == "link.copied-mark"
    assert story.tell(Settled("xero", "ann", NOON)).code == "link.copied-mark"


# --- life ----------------------------------------------------------------------------------------------------------


def test_an_approved_document_is_reissued_under_the_next_generation() -> None:
    story = Story().born(Name=RED).shows("approved", Name=RED).wants(Name=BLUE)
    assert story.todo is not None
    assert (story.todo.act, story.todo.how) == (Act.REMOVE, "void")
    story.writes(status="gone")
    assert (story.link.life, story.link.reason) == (Life.ENDED, "reissued")
    assert outputs(story.link, INVOICE).asks == ((SF, "o1"),), "its source is read for the next generation"


def test_a_paid_document_is_left_to_a_person_as_long_as_it_differs() -> None:
    story = Story().born(Name=RED).shows("paid", Name=RED).wants(Name=BLUE)
    assert story.code == "link.changed-paid"
    assert story.wants(Name=RED).state is State.CLEAN


def test_what_left_is_taken_back() -> None:
    story = Story().born(Name=RED)
    story.tell(story.record(SF, None, left="left"))
    story.writes(status="gone")
    assert (story.link.life, story.link.reason) == (Life.ENDED, "left")
    assert story.wants(Name=RED).link.life is Life.ENDED
    assert outputs(story.link, INVOICE).asks == ((SF, "o1"),), "it is back: planned as the next generation"


def test_what_left_and_is_paid_is_told_until_it_is_back() -> None:
    story = Story().born(Name=RED).shows("paid", Name=RED)
    story.tell(story.record(SF, None, left="deleted"))
    assert story.code == "link.deleted-paid"
    assert story.wants(Name=RED).state is State.CLEAN


def test_a_record_that_leaves_while_its_birth_is_under_way_is_taken_back_after_it() -> None:
    story = Story().wants(Name=RED)
    sent = story.starts()
    assert not story.tell(story.record(SF, None, left="left")).todo
    story.tell(Applied(sent.call, "i1", story.version(), None, dict(sent.sent), "draft"))
    assert story.todo is not None
    assert story.todo.act is Act.REMOVE


def test_a_birth_that_failed_after_its_record_left_is_no_birth() -> None:
    story = Story().wants(Name=RED)
    sent = story.starts()
    story.tell(story.record(SF, None, left="left"))
    story.tell(Rejected(sent.call, BUSY, NOON))
    assert story.tell(Due(NOON + timedelta(hours=1))).todo is None


def test_a_target_that_somebody_voided_is_told_or_made_again() -> None:
    assert Story().born(Name=RED).shows("gone").code == "link.target-gone"
    again = Story(replace(INVOICE, target_gone="recreate")).born(Name=RED).shows("gone")
    assert (again.link.life, again.link.reason) == (Life.ENDED, "target-gone")


def test_again_may_be_a_question() -> None:
    story = Story(replace(INVOICE, again="tell")).born(Name=RED)
    story.tell(story.record(SF, None, left="left"))
    story.writes(status="gone")
    assert story.wants(Name=RED).code == "link.again"
    story.tell(Settled("create", "ann", NOON))
    assert story.link.reason == "reissued"


def test_a_draft_is_approved_when_it_is_as_meant_and_only_then() -> None:
    story = Story(replace(INVOICE, approve="checked")).wants(Name=RED)
    sent = story.starts()
    story.tell(Applied(sent.call, "i1", story.version(), None, {"Name": RED}, "draft", money_differs="Total 1 not 2"))
    assert story.code == "link.money-differs"
    story.wants(Name=BLUE)
    story.writes()
    assert story.todo is not None
    assert story.todo.act is Act.APPROVE


# --- order ---------------------------------------------------------------------------------------------------------


def test_what_is_older_changes_nothing_and_answers_no_question() -> None:
    story = Story().born(Name=RED)
    old = story.record(SF, {"Name": BLUE})
    story.wants(Name=RED)
    link = story.link
    assert story.tell(replace(old, stamp=NOON)).link.salesforce.drift == link.salesforce.drift


def test_a_later_stamp_wins_over_a_lower_number() -> None:
    story = Story().born(Name=RED)
    late = replace(story.record(SF, {"Name": BLUE}), stamp=NOON + timedelta(seconds=1))
    story.tell(replace(story.record(SF, {"Name": RED}), stamp=NOON))
    assert story.tell(late).link.seen(SF) == {"Name": BLUE}


def test_a_redelivered_event_moves_nothing() -> None:
    story = Story().wants(Name=RED)
    sent = story.starts()
    before = story.link
    assert step(before, sent, INVOICE, before.offset) == before
    assert step(before, Unknown(sent.call, "", NOON), INVOICE, before.offset - 1) == before


def test_a_call_that_is_over_is_not_started_by_an_announcement_delivered_again() -> None:
    story = Story().wants(Name=RED)
    sent = story.writes()
    assert story.tell(sent).link.attempt is None


def test_an_end_that_somebody_doubts_is_read_before_anything_is_written() -> None:
    story = Story().born(Name=RED).wants(Name=BLUE).tell(Asked(XERO))
    assert story.todo is None
    assert story.shows(Name=RED).todo is not None


def test_a_side_that_left_a_pair_rests_until_it_is_back() -> None:
    story = Story(CONTACT).born(Name=RED, Phone=RED)
    story.tell(story.record(SF, None, left="left"))
    assert story.wants(XERO, Name=RED, Phone=BLUE).todo is None
    story.wants(SF, Name=RED, Phone=RED)
    assert story.todo is not None
    assert story.todo.changed == {"Phone": BLUE}
    assert story.link.hold is Hold.NONE
