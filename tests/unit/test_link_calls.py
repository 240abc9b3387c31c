"""Calls that are refused, lost and probed, and lines, told by hand (`link_story`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.core.identity import LinkId
from connector.core.link import Act, new_link, outputs
from connector.core.link_events import (
    GONE,
    Applied,
    Due,
    Found,
    Rejected,
    Settled,
    Started,
    Unknown,
)
from connector.core.link_state import Life, State
from connector.core.records import Version
from tests.unit.link_story import (
    BLUE,
    BUSY,
    CONTACT,
    GREEN,
    INVOICE,
    NOON,
    RED,
    REFUSED,
    SF,
    TAKEN,
    XERO,
    Story,
    p,
)

# --- calls ---------------------------------------------------------------------------------------------------------


def test_a_refusal_waits_for_time_or_for_a_person() -> None:
    story = Story().wants(Name=RED)
    story.tell(Rejected(story.starts().call, BUSY, NOON))
    assert (story.state, story.todo) == (State.BLOCKED, None)
    assert outputs(story.link, INVOICE).due == NOON + timedelta(seconds=7)
    assert story.tell(Due(NOON + timedelta(seconds=8))).todo is not None
    story.tell(Rejected(story.starts().call, REFUSED, NOON))
    assert story.code == "xero.bad-code"
    assert story.wants(Name=BLUE).todo is not None, "its data changed: what was wrong may be mended"


def test_nothing_is_done_while_a_call_is_under_way_and_what_is_seen_is_kept() -> None:
    story = Story().born(Name=RED).wants(Name=BLUE)
    sent = story.starts()
    story.shows(Name=GREEN)
    assert story.todo is None
    assert story.link.xero.held is not None
    story.tell(Applied(sent.call, "i1", story.version(), None, {"Name": BLUE}, "draft"))
    assert outputs(story.link, INVOICE).asks == ((XERO, "i1"),), "it was read before the answer came: read again"
    assert story.shows(Name=BLUE).state is State.CLEAN


def lost() -> tuple[Story, Started]:
    story = Story().wants(Name=RED)
    sent = story.starts()
    story.tell(Unknown(sent.call, "no answer", NOON + timedelta(minutes=1)))
    return story, sent


def test_a_lost_birth_is_probed_when_its_key_is_forgotten() -> None:
    story, sent = lost()
    assert story.state is State.UNKNOWN
    assert story.todo is not None
    assert (story.todo.act, story.todo.call) == (Act.PROBE, sent.call)
    assert story.todo.not_before == NOON + timedelta(minutes=7)


def test_a_probe_that_finds_ours_is_the_answer() -> None:
    story, sent = lost()
    story.now = NOON + timedelta(minutes=8)
    story.finds("i1", call=sent.call, ours=True, version=story.version(), flat={"Name": GREEN}, status="draft")
    assert story.link.life is Life.LIVE
    assert story.link.seen(XERO) == {"Name": GREEN}, "somebody changed it meanwhile"
    assert story.wants(Name=BLUE).code == "link.conflict"


def test_a_line_that_is_missing_in_what_a_probe_finds_was_taken_out_by_somebody() -> None:
    story = Story()
    story.tell(story.record(SF, {"Name": RED, "Lines/1/Text": RED, "Lines/2/Text": RED}))
    sent = story.starts()
    story.tell(Unknown(sent.call, "", NOON))
    story.now = NOON + timedelta(minutes=8)
    flat = {"Name": RED, "Lines/2/Text": RED}
    story.finds("i1", call=sent.call, ours=True, version=story.version(), flat=flat, status="draft")
    assert story.todo is None
    assert story.link.seen(XERO) == flat
    story.tell(story.record(SF, {"Name": RED, "Lines/1/Text": BLUE, "Lines/2/Text": RED}))
    assert story.code == "link.conflict"


def test_not_there_is_believed_when_seen_twice() -> None:
    story, sent = lost()
    for minutes in (6, 8, 8):
        story.now = NOON + timedelta(minutes=minutes)
        story.finds(call=sent.call)
        assert story.todo is not None
        assert story.todo.act is Act.PROBE
    story.now = NOON + timedelta(minutes=8, seconds=30)
    story.finds(call=sent.call)
    assert story.todo is not None
    assert story.todo.act is Act.CREATE


def test_a_stranger_and_two_hits_are_for_a_person_whatever_the_record_says_next() -> None:
    for hits, code in ((("i1",), "link.stranger"), (("i1", "i2"), "link.twins")):
        story, sent = lost()
        story.now = NOON + timedelta(minutes=8)
        story.finds(*hits, call=sent.call)
        assert story.code == code
        assert story.wants(Name=BLUE).todo is None
        assert story.tell(Settled("retry", "ann", NOON)).todo is None, "a birth might be the second"
        story.tell(Settled("link", "ann", NOON, "i1"))
        assert story.link.xero.id == "i1"


def test_a_target_that_is_to_be_read_and_is_not_there_is_for_a_person_until_it_is_seen() -> None:
    story = Story().born(Name=RED)
    sent = story.wants(Name=BLUE).starts()
    story.shows(Name=GREEN)
    story.tell(Applied(sent.call, "i1", story.version(), None, {"Name": BLUE}, "draft"))
    assert outputs(story.link, INVOICE).asks == ((XERO, "i1"),)
    story.tell(Found(XERO, (), NOON, version=Version(1, 0)))
    assert story.code == "", "a look from before it was asked"
    story.tell(Found(XERO, (), NOON, version=story.version()))
    assert (story.code, story.todo) == ("link.target-missing", None)
    story.wants(Name=RED)
    assert (story.code, story.todo) == ("link.target-missing", None), "nothing is written, and nothing is made anew"
    story.shows(Name=BLUE)
    assert (story.code, story.writes().sent) == ("", {"Name": RED})


def test_a_refusal_of_a_repeat_says_nothing_of_the_first_send() -> None:
    story, sent = lost()
    story.tell(sent).tell(Rejected(sent.call, BUSY, NOON, element=False))
    assert story.state is State.UNKNOWN
    assert story.tell(Rejected(sent.call, TAKEN, NOON)).state is State.UNKNOWN, "taken, perhaps by ourselves"
    assert story.tell(Rejected(sent.call, REFUSED, NOON)).code == "xero.bad-code"


def refused_again() -> tuple[Story, Started]:
    """A birth without an answer whose repeat was refused."""
    story, sent = lost()
    story.tell(sent).tell(Rejected(sent.call, TAKEN, NOON))
    return story, sent


def test_after_a_refused_repeat_it_is_looked_at_once_and_what_is_there_is_believed() -> None:
    story, sent = refused_again()
    assert (story.todo and story.todo.act, story.todo and story.todo.not_before) == (Act.PROBE, None)
    story.finds("i1", call=sent.call, ours=True, version=story.version(), flat={"Name": RED}, status="draft")
    assert (story.link.life, story.state) == (Life.LIVE, State.CLEAN)


def test_what_an_early_look_does_not_find_may_still_come() -> None:
    story, sent = refused_again()
    for _ in range(2):
        story.finds(call=sent.call)
        assert story.todo is not None
        assert (story.todo.act, story.todo.not_before) == (Act.PROBE, NOON + timedelta(minutes=7))
        story.now = NOON + timedelta(minutes=2)
    for moment in (timedelta(minutes=8), timedelta(minutes=8, seconds=30)):
        story.now = NOON + moment
        story.finds(call=sent.call)
    assert story.todo is not None
    assert story.todo.act is Act.CREATE, "not there, seen twice after the key is forgotten"


def test_a_number_that_somebody_elses_object_has_is_taken_and_the_record_can_mend_it() -> None:
    """Xero gives the first answer again under the same key: had the first send made it, the repeat had said so."""
    story, sent = refused_again()
    story.finds("i9", call=sent.call, version=story.version(), flat={"Name": BLUE}, status="approved")
    assert (story.code, story.todo) == ("link.taken", None)
    assert story.wants(Name=BLUE).writes().operation == "create"


def test_salesforce_has_no_keys_so_what_is_not_ours_there_is_for_a_person() -> None:
    story = Story(CONTACT)
    story.link = new_link(LinkId("c", "m", "xero:i1", "t"))
    sent = story.wants(XERO, Name=RED).finds().starts()
    story.tell(sent).tell(Rejected(sent.call, REFUSED, NOON))
    assert (story.todo and story.todo.act, story.todo and story.todo.not_before) == (Act.PROBE, None)
    story.tell(Found(SF, ("o9",), NOON, call=sent.call, version=story.version(), flat={"Name": BLUE}))
    assert story.code == "link.stranger"


def test_a_change_whose_repeat_was_refused_is_looked_at_once() -> None:
    for shown, todo in ((BLUE, None), (RED, Act.PROBE)):
        story = Story().born(Name=RED).wants(Name=BLUE)
        sent = story.starts()
        story.tell(sent).tell(Rejected(sent.call, BUSY, NOON))
        assert (story.todo and story.todo.not_before) is None
        story.finds("i1", call=sent.call, version=story.version(), flat={"Name": shown}, status="draft")
        assert (story.todo and story.todo.act) is todo
        assert (story.todo and story.todo.not_before) == (NOON + timedelta(seconds=65) if todo else None)


def test_a_second_announcement_makes_a_call_uncertain() -> None:
    story = Story().wants(Name=RED)
    sent = story.starts()
    story.tell(sent).tell(Rejected(sent.call, BUSY, NOON, element=False))
    assert story.state is State.UNKNOWN


def test_a_call_nobody_reports_is_noticed_by_time() -> None:
    story = Story().wants(Name=RED)
    story.starts()
    assert outputs(story.link, INVOICE).due == NOON + timedelta(seconds=65)
    assert story.tell(Due(NOON + timedelta(seconds=66))).state is State.UNKNOWN


def test_an_announcement_of_a_fenced_owner_starts_nothing_or_gives_way() -> None:
    story = Story().wants(Name=RED)
    old = Started("old", XERO, "create", {"Name": RED}, NOON, NOON + timedelta(minutes=1), epoch=1)
    new = replace(old, call="new", epoch=2)
    assert story.tell(old).tell(new).link.attempt is not None
    assert story.link.attempt is not None
    assert story.link.attempt.call == "new"
    assert story.tell(old).code == ""
    story.tell(Applied("new", "i1", Version(2, 1), None, {"Name": RED}, "draft"))
    assert story.tell(replace(old, call="older")).link.attempt is None


def test_an_ended_link_whose_birth_was_announced_lives_until_the_call_is_over() -> None:
    story = Story().wants(Name=RED)
    task = story.todo
    story.tell(Settled("end", "ann", NOON))
    assert task is not None
    story.tell(Started("call", XERO, "create", task.changed, NOON, NOON + timedelta(minutes=1)))
    story.tell(Applied("call", "i1", story.version(), None, {"Name": RED}, "draft"))
    assert (story.link.life, story.link.reason, story.link.xero.id) == (Life.ENDED, "person", "i1")


def test_a_lost_change_is_known_by_what_it_left() -> None:
    story = Story().born(Name=RED, Due=RED).wants(Name=BLUE, Due=BLUE)
    sent = story.starts()
    story.tell(Unknown(sent.call, "", NOON))
    story.now = NOON + timedelta(minutes=2)
    flat = {"Name": BLUE, "Due": GREEN}
    story.finds("i1", call=sent.call, version=story.version(), flat=flat, status="draft")
    assert story.todo is None
    assert story.link.agreed["Name"] == (BLUE, BLUE)
    story = Story().born(Name=RED).wants(Name=BLUE)
    sent = story.starts()
    story.tell(Unknown(sent.call, "", NOON))
    story.now = NOON + timedelta(minutes=2)
    story.finds("i1", call=sent.call, version=story.version(), flat={"Name": RED}, status="draft")
    assert story.todo is not None
    assert story.todo.act is Act.UPDATE


# --- lines ---------------------------------------------------------------------------------------------------------


def lines(**flat: str) -> dict[str, str]:
    return {p(name): text for name, text in flat.items()}


def test_one_changed_line_sends_all_as_they_stand() -> None:
    story = Story().born(Lines_1_Text=RED, Lines_2_Text=RED)
    story.shows(Lines_1_Text=GREEN, Lines_2_Text=RED, Lines_9_Text=GREEN)
    story.tell(story.record(SF, lines(Lines_1_Text=RED, Lines_2_Text=BLUE)))
    sent = story.writes().sent
    assert sent == lines(Lines_1_Text=GREEN, Lines_2_Text=BLUE, Lines_9_Text=GREEN)
    assert story.todo is None, "what a person changed, and a line of his own, stay"
    story.tell(story.record(SF, lines(Lines_1_Text=RED, Lines_2_Text=RED)))
    assert story.writes().sent == lines(Lines_1_Text=GREEN, Lines_2_Text=RED, Lines_9_Text=GREEN)


def test_a_line_that_is_taken_out_goes_with_all_that_xero_had_filled_in() -> None:
    story = Story()
    story.tell(story.record(SF, lines(Lines_1_Text=RED, Lines_2_Text=RED)))
    story.writes(**{"Lines/1/Tax": GREEN, "Lines/2/Tax": GREEN})
    story.tell(story.record(SF, lines(Lines_2_Text=RED)))
    sent = story.writes().sent
    assert sent == lines(Lines_1_Text=GONE, Lines_1_Tax=GONE, Lines_2_Text=RED, Lines_2_Tax=GREEN)
    assert story.link.seen(XERO) == lines(Lines_2_Text=RED, Lines_2_Tax=GREEN)
    assert story.todo is None


def test_what_an_answer_leaves_out_of_a_line_was_not_taken_and_is_nobodys_edit() -> None:
    story = Story()
    story.tell(story.record(SF, lines(Lines_1_Text=RED, Lines_1_Account=RED)))
    story.writes(**lines(Lines_1_Account=GONE))  # as Xero answers a draft with an account that it does not have
    story.shows(Lines_1_Text=RED)
    story.tell(story.record(SF, lines(Lines_1_Text=RED, Lines_1_Account=BLUE)))
    assert story.code == ""
    assert story.writes().sent == lines(Lines_1_Text=RED, Lines_1_Account=BLUE)


def test_a_line_taken_out_here_and_edited_there_is_a_conflict() -> None:
    story = Story().born(Lines_1_Text=RED, Lines_1_Tax=RED, Lines_2_Text=RED)
    story.shows(Lines_1_Text=RED, Lines_1_Tax=GREEN, Lines_2_Text=RED)
    story.tell(story.record(SF, lines(Lines_2_Text=RED)))
    assert story.code == "link.conflict"
    story.tell(Settled("salesforce", "ann", NOON))
    story.writes()
    assert story.link.seen(XERO) == lines(Lines_2_Text=RED)


def test_a_line_taken_out_there_and_changed_here_comes_back_whole_if_a_person_says_so() -> None:
    story = Story().born(Lines_1_Text=RED, Lines_1_Tax=RED, Lines_2_Text=RED).shows(Lines_2_Text=RED)
    story.tell(story.record(SF, lines(Lines_1_Text=BLUE, Lines_1_Tax=RED, Lines_2_Text=RED)))
    assert story.code == "link.conflict"
    story.tell(Settled("salesforce", "ann", NOON))
    assert story.writes().sent == lines(Lines_1_Text=BLUE, Lines_1_Tax=RED, Lines_2_Text=RED)
