"""The fold, told by hand: one record, its target, and what happens between them.

The record is Opportunity ``o1`` in Salesforce, the target invoice ``i1`` in Xero; or account ``o1`` and contact ``i1``,
where both sides have a say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import Act, Todo, new_link, outputs, state, step
from connector.core.link_events import (
    GONE,
    TARGET,
    Applied,
    Asked,
    Due,
    Found,
    LinkEvent,
    Observed,
    Rejected,
    Settled,
    Started,
    Texts,
    Unknown,
    Wanted,
)
from connector.core.link_state import Hold, Life, Link, Rules, State
from connector.core.records import Side, Version
from connector.core.values import Ref

SF, XERO = Side.SALESFORCE, Side.XERO
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFE = {"draft": "delete", "approved": "void", "paid": "tell"}
INVOICE = Rules(
    SF, creates=frozenset((XERO,)), left=LIFE, deleted=LIFE, changed={"approved": "reissue", "paid": "tell"}
)
CONTACT = Rules(SF, two_way=True, creates=frozenset((SF, XERO)), owners={"Name": "salesforce", "Limit": "xero"})
REFUSED = Failure("xero.bad-code", Kind.FIX, "There is no such account.", "Correct the code.")
BUSY = Failure("http.429", Kind.RETRY, "Too many requests.", retry_after=7)
TAKEN = Failure("xero.duplicate-number", Kind.RESOLVE, "The number is taken.")
RED, BLUE, GREEN = '"red"', '"blue"', '"green"'


@dataclass
class Story:
    """One link and its log."""

    rules: Rules = INVOICE
    link: Link = field(default_factory=lambda: new_link(LinkId("c", "m", "salesforce:o1", "t")))
    number: int = 0
    now: datetime = NOON
    calls: int = 0

    def tell(self, event: LinkEvent) -> Story:
        self.number += 1
        self.link = step(self.link, event, self.rules, self.number)
        return self

    def version(self) -> Version:
        self.number += 1
        return Version(1, self.number)

    def wants(self, side: Side = SF, **flat: str) -> Story:
        return self.tell(self.record(side, flat))

    def record(self, side: Side, flat: Texts | None, **more: object) -> Wanted:
        object_id = "o1" if side is SF else "i1"
        return Wanted(side, object_id, self.version(), None, "1", flat, **more)  # type: ignore[arg-type]

    def shows(self, status: str = "draft", **flat: str) -> Story:
        gone = status == "gone"
        return self.tell(Observed(XERO, "i1", self.version(), None, {p(n): t for n, t in flat.items()}, status, gone))

    def finds(self, *hits: str, **more: object) -> Story:
        return self.tell(Found(XERO, hits, self.now, **more))  # type: ignore[arg-type]

    def starts(self) -> Started:
        task = self.todo
        assert task is not None
        self.calls += 1
        event = Started(
            f"call-{self.calls}", task.side, task.act.value, task.changed, self.now, self.now + timedelta(minutes=1)
        )
        self.tell(event)
        return event

    def writes(self, status: str = "draft", **answer: str) -> Started:
        """The next act, carried out: the answer shows what was sent, but for what ``answer`` says."""
        sent = self.starts()
        shown = {path: text for path, text in {**self.link.seen(XERO), **sent.sent, **answer}.items() if text != GONE}
        flat = shown if sent.side is XERO else None
        self.tell(Applied(sent.call, "i1" if sent.side is XERO else "o1", self.version(), None, flat, status))
        return sent

    def born(self, **flat: str) -> Story:
        self.tell(self.record(SF, {p(name): text for name, text in flat.items()}))
        if self.todo is not None and self.todo.act is Act.LOOK:
            self.finds()
        self.writes()
        return self

    @property
    def todo(self) -> Todo | None:
        return outputs(self.link, self.rules).todo

    @property
    def code(self) -> str:
        review = outputs(self.link, self.rules).review
        return "" if review is None else review.code

    @property
    def state(self) -> State:
        return state(self.link, self.rules)


def p(name: str) -> str:
    """``Lines_1_Text`` is written for the path ``Lines/1/Text``."""
    return name.replace("_", "/")


# --- birth -----------------------------------------------------------------------------------------------------------


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


def test_a_refusal_of_a_repeat_says_nothing_of_the_first_send() -> None:
    story, sent = lost()
    story.tell(sent).tell(Rejected(sent.call, BUSY, NOON, element=False))
    assert story.state is State.UNKNOWN
    assert story.tell(Rejected(sent.call, TAKEN, NOON)).state is State.UNKNOWN, "taken, perhaps by ourselves"
    assert story.tell(Rejected(sent.call, REFUSED, NOON)).code == "xero.bad-code"


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
