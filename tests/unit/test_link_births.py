"""Births, echoes and owners of fields, told by hand (`link_story`)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.core.link import Act, outputs
from connector.core.link_events import (
    MEANWHILE,
    PAST,
    TARGET,
    UNCLAIMED,
    Applied,
    Due,
    Observed,
    Settled,
)
from connector.core.link_state import Life, State
from connector.core.values import Ref
from tests.unit.link_story import (
    BLUE,
    CONTACT,
    GREEN,
    INVOICE,
    NOON,
    RED,
    REFUSED,
    SF,
    XERO,
    Story,
)

# --- birth ---------------------------------------------------------------------------------------------------------


def test_a_birth_sends_the_whole_document_and_comes_to_rest() -> None:
    story = Story().wants(Name=RED, Due=BLUE)
    assert story.todo is not None
    assert story.todo.act is Act.CREATE
    assert story.todo.changed == {"Name": RED, "Due": BLUE}
    story.writes()
    assert story.state is State.CLEAN
    assert outputs(story.link, INVOICE).targets == {SF: "o1", XERO: "i1"}


def test_a_first_look_comes_before_a_birth_where_the_mapping_asks_for_one() -> None:
    story = Story().tell(Story().record(SF, {"Name": RED}, find={"": "x"}))
    assert story.todo is not None
    assert story.todo.act is Act.LOOK
    assert story.finds().todo is not None
    story.finds("i9", policy="stop")
    assert story.code == "link.taken"
    assert story.todo is None


def test_what_was_there_before_makes_nothing_now_or_later() -> None:
    story = Story().tell(Story().record(SF, {"Name": RED}, before="before"))
    assert story.state is State.ENDED
    assert story.wants(Name=BLUE).state is State.ENDED
    assert story.todo is None
    assert outputs(story.link, INVOICE).asks == ()


@pytest.mark.parametrize(
    ("unfound", "state", "code"),
    [
        (PAST, State.ENDED, ""),
        (MEANWHILE, State.FAILED, "mapping.changed-during-apply"),
        (UNCLAIMED, State.FAILED, "link.unclaimed"),
    ],
)
def test_what_was_first_seen_by_a_mapping_that_only_looked_keeps_that_while_it_waits(
    unfound: str, state: State, code: str
) -> None:
    """Its customer may be tied long after the mapping began, and its record be edited meanwhile."""
    waits = {"Contact": Ref("account-contact", "salesforce:c1")}
    story = Story().tell(Story().record(SF, {"Name": RED}, find={"": "x"}, refs=waits, unfound=unfound))
    story.tell(story.record(SF, {"Name": BLUE}, find={"": "x"}, refs=waits))
    assert story.state is State.BLOCKED
    story.tell(Due(NOON, {"Contact": GREEN}))
    assert story.todo is not None
    assert (story.todo.act, story.link.unfound) == (Act.LOOK, unfound)
    story.finds(policy=unfound)
    assert (story.state, story.code) == (state, code)
    story.tell(Settled("retry", "ann", NOON))
    assert story.link.unfound == (PAST if unfound == PAST else ""), "what a person has answered is not asked again"


def test_a_record_that_cannot_be_written_is_a_review_until_it_says_something_else() -> None:
    story = Story().tell(Story().record(SF, None, refusal=REFUSED))
    assert story.code == "xero.bad-code"
    story.tell(Settled("retry", "ann", NOON))
    assert story.todo is None, "nothing is born of a record that cannot be written"
    assert story.wants(Name=RED).todo is not None


def test_a_record_that_leaves_before_its_birth_rests_and_may_come_back() -> None:
    story = Story().wants(Name=RED)
    story.tell(story.record(SF, None, left="left"))
    assert story.todo is None
    assert story.state is State.CLEAN
    assert story.wants(Name=RED).todo is not None


# --- echo, normalisation, owners -----------------------------------------------------------------------------------


def test_our_own_echo_is_no_change() -> None:
    assert Story().born(Name=RED).shows(Name=RED).todo is None


def test_what_xero_rounds_is_agreed_as_it_gives_it() -> None:
    story = Story().wants(Amount='{"#":"1.234"}')
    story.writes(Amount='{"#":"1.23"}')
    assert story.link.agreed["Amount"] == ('{"#":"1.234"}', '{"#":"1.23"}')
    assert story.shows(Amount='{"#":"1.23"}').todo is None


def test_what_xero_fills_in_is_nobodys_edit_until_somebody_edits_it() -> None:
    story = Story().wants(Name=RED)
    story.writes(Due=GREEN)
    assert story.wants(Name=RED, Due=BLUE).code == ""
    story = Story().wants(Name=RED)
    story.writes(Due=GREEN)
    story.shows(Name=RED, Due=RED)
    assert story.wants(Name=RED, Due=BLUE).code == "link.conflict"


def test_salesforce_answers_without_fields_and_is_read_before_anything_else_is_written() -> None:
    story = Story(CONTACT).born(Name=RED, Limit='{"#":"1"}')
    story.wants(XERO, Name=RED, Limit='{"#":"2.25"}')
    story.writes()
    assert outputs(story.link, CONTACT).asks == ((SF, "o1"),)
    story.wants(SF, Name=RED, Limit='{"#":"2.3"}')
    assert story.state is State.CLEAN, "a number that was rounded is the answer to our write"
    assert story.link.agreed["Limit"] == ('{"#":"2.3"}', '{"#":"2.25"}')


def test_a_number_that_was_sent_with_the_places_of_its_field_is_never_taken_for_rounded() -> None:
    """7.75 was written, and a person makes 8 of it before anybody has read it back."""
    story = Story(replace(CONTACT, exact=frozenset({"Limit"}))).born(Name=RED, Limit='{"#":"1"}')
    story.wants(XERO, Name=RED, Limit='{"#":"7.75"}')
    story.writes()
    story.wants(SF, Name=RED, Limit='{"#":"8"}')
    assert story.todo is not None, "an edit, which the owner of the field takes back"
    assert (story.todo.side, story.todo.changed) == (SF, {"Limit": '{"#":"7.75"}'})


def test_an_owner_takes_its_field_back() -> None:
    story = Story(CONTACT).born(Name=RED)
    story.wants(XERO, Name=BLUE)
    assert story.todo is not None
    assert (story.todo.side, story.todo.changed) == (XERO, {"Name": RED})


def test_a_field_that_is_set_back_for_ever_stops() -> None:
    story = Story(CONTACT).born(Name=RED)
    for _ in range(4):
        story.wants(XERO, Name=BLUE)
        story.writes()
    assert story.code == "link.oscillates"
    assert not story.wants(XERO, Name=BLUE).todo
    story.tell(Settled("salesforce", "ann", NOON))
    assert story.todo is not None, "who wins is written"
    assert story.todo.changed == {"Name": RED}


def test_a_person_who_changes_a_field_often_is_no_oscillation() -> None:
    story = Story().born(Name=RED)
    for text in (BLUE, RED) * 5:
        story.wants(Name=text)
        story.writes()
    assert story.state is State.CLEAN


# --- references, twins, marks --------------------------------------------------------------------------------------


def test_a_document_waits_for_what_it_names() -> None:
    story = Story()
    refs = {"Contact": Ref("pair", "salesforce:a1")}
    story.tell(story.record(SF, {"Name": RED}, refs=refs))
    assert (story.state, story.todo) == (State.BLOCKED, None)
    story.tell(Due(NOON, resolved={"Contact": BLUE}))
    assert story.todo is not None
    assert story.todo.changed == {"Name": RED, "Contact": BLUE}


def test_an_optional_reference_holds_nothing_back() -> None:
    story = Story()
    story.tell(story.record(SF, {"Name": RED}, refs={"Contact": Ref("pair", "salesforce:a1", optional=True)}))
    story.writes()
    story.tell(Due(NOON, resolved={"Contact": BLUE}))
    assert story.todo is not None
    assert story.todo.changed == {"Contact": BLUE}


def test_a_back_write_reads_its_target_before_it_writes() -> None:
    story = Story(replace(INVOICE, never_creates=True))
    story.tell(story.record(SF, {"Name": RED, TARGET: "i1"}))
    assert outputs(story.link, story.rules).asks == ((XERO, "i1"),)
    assert story.todo is None
    assert story.shows(Name=BLUE).todo is not None


def test_two_records_of_one_pair_become_one_link() -> None:
    story = Story(CONTACT).wants(Name=RED)
    story.tell(Due(NOON, merged_into="the older one"))
    assert (story.link.reason, story.link.message) == ("merged", "The same record as the older one.")
    assert story.wants(Name=BLUE).state is State.ENDED


def test_a_twin_that_is_being_born_is_for_a_person() -> None:
    story = Story(CONTACT).wants(Name=RED).finds()
    sent = story.starts()
    story.tell(Due(NOON, merged_into="the older one"))
    story.tell(Applied(sent.call, "i1", story.version(), None, {"Name": RED}, "draft"))
    assert story.code == "link.twins"


def test_a_match_joins_two_records_and_the_empty_side_takes_the_others_value() -> None:
    story = Story(CONTACT).wants(Name=RED, Phone='""')
    flat = {"Name": GREEN, "Phone": BLUE}
    story.finds("i1", policy="link", version=story.version(), flat=flat)
    assert story.todo is not None
    assert (story.todo.side, story.todo.changed) == (XERO, {"Name": RED})
    story.writes()
    assert story.todo is not None
    assert (story.todo.side, story.todo.changed) == (SF, {"Phone": BLUE})


def test_a_copied_mark_is_never_adopted() -> None:
    story = Story().born(Name=RED)
    story.tell(Observed(XERO, "i2", story.version(), None, {"Name": GREEN}, "draft"))
    assert story.code == "link.copied-mark"
    assert story.link.xero.id == "i1"
    assert story.link.seen(XERO) == {"Name": RED}


def test_what_carries_our_mark_is_adopted_instead_of_a_birth() -> None:
    story = Story().wants(Name=RED).shows(Name=BLUE)
    assert story.link.life is Life.LIVE
    assert story.todo is not None
    assert (story.todo.act, story.todo.changed) == (Act.UPDATE, {"Name": RED})


def test_an_end_without_anything_to_say_looks_for_its_pair_and_makes_none() -> None:
    """An item without a price: the price book entry of its code was looked at before the item was there."""
    story = Story(CONTACT)
    story.tell(story.record(SF, {}, find={"1": '{"$Code":"A"}'}))
    assert [story.todo and story.todo.act, story.finds().todo] == [Act.LOOK, None]
    assert story.state is State.CLEAN
