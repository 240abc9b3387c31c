"""What a signal about snapshots says, how far one has come, and which read of a record may follow which. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.core.records import Record, Side, Version
from connector.core.snapshots import (
    Collection,
    Command,
    Phase,
    Snapshot,
    Status,
    Verb,
    Window,
    command,
    is_command,
    obeyed,
)
from connector.errors import ConfigurationError, DataError
from connector.salesforce.condition import MOST_LETTERS, read_filter

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ACCOUNTS = Collection(Side.SALESFORCE, "Account")


def order(verb: Verb, signal: str = "s1", **more: int) -> Command:
    return Command(verb, ACCOUNTS, signal, "ann", ahead=more.get("ahead", 0))


def one(phase: Phase = Phase.RUNNING) -> Snapshot:
    return Snapshot("s1", ACCOUNTS, "ann", NOW, phase, cursor="0018d0000000001AAA", read=7, calls=1)


# --- signals ---------------------------------------------------------------------------------------------------------


def test_a_signal_in_debeziums_words() -> None:
    said = command("execute-snapshot", "salesforce.Account", {"type": "INCREMENTAL", "filter": " a = 1 "}, "s1", "ann")
    assert said == Command(Verb.START, ACCOUNTS, "s1", "ann", "a = 1")
    assert command("stop-snapshot", "Account", {}, "s2", "ann").collection == ACCOUNTS
    assert command("pause-snapshot", "xero.Contact", {}, "s2", "ann").collection == Collection(Side.XERO, "Contact")
    assert is_command("resume-snapshot")
    assert not is_command("mapping.resume")


@pytest.mark.parametrize(
    ("subject", "arguments"),
    [
        ("sap.Account", {}),
        ("salesforce.", {}),
        ("salesforce.Account WHERE", {}),
        ("salesforce.Äccount", {}),
        ("a.b.c", {}),
        ("x" * 200, {}),
        ("Account", {"type": "blocking"}),
        ("Account", {"ahead": "-1"}),
        ("Account", {"ahead": "10001"}),
        ("Account", {"ahead": "٣"}),
        ("Account", {"where": "1 = 1"}),
    ],
)
def test_a_signal_that_says_nothing_we_know_is_refused(subject: str, arguments: dict[str, str]) -> None:
    with pytest.raises(DataError) as refused:
        command("execute-snapshot", subject, arguments, "s1", "ann")
    assert refused.value.code == "snapshot.bad-signal"
    assert refused.value.remedy


# --- what a snapshot does next ---------------------------------------------------------------------------------------


def test_a_snapshot_is_asked_for_once_however_often_its_signal_comes() -> None:
    fresh, told = obeyed(None, order(Verb.START, ahead=100), NOW)
    assert (fresh.phase, fresh.ahead, told) == (Phase.WAITING, 100, None)
    for phase in Phase:
        known = replace(fresh, phase=phase)
        assert obeyed(known, order(Verb.START), NOW) == (known, None)


def test_a_second_one_of_the_same_object_waits_for_a_person() -> None:
    for phase in (Phase.WAITING, Phase.RUNNING, Phase.PAUSED):
        with pytest.raises(DataError, match="already"):
            obeyed(one(phase), order(Verb.START, "s2"), NOW)
    for phase in (Phase.COMPLETED, Phase.ABORTED):
        again, _ = obeyed(one(phase), order(Verb.START, "s2"), NOW)
        assert (again.id, again.phase, again.cursor, again.read) == ("s2", Phase.WAITING, "", 0)


def test_pause_resume_and_stop() -> None:
    paused, told = obeyed(one(), order(Verb.PAUSE), NOW)
    assert (paused.phase, paused.cursor, told) == (Phase.PAUSED, one().cursor, Status.PAUSED)
    assert obeyed(paused, order(Verb.PAUSE), NOW) == (paused, None)
    resumed, told = obeyed(paused, order(Verb.RESUME, ahead=2000), NOW)
    assert (resumed.phase, resumed.cursor, resumed.ahead, told) == (Phase.WAITING, one().cursor, 2000, Status.RESUMED)
    assert obeyed(one(), order(Verb.RESUME), NOW) == (one(), None)
    stopped, told = obeyed(paused, order(Verb.STOP), NOW)
    assert (stopped.phase, told) == (Phase.ABORTED, Status.ABORTED)
    assert "ann" in stopped.reason


def test_what_is_not_under_way_cannot_be_paused_resumed_or_stopped() -> None:
    for verb in (Verb.PAUSE, Verb.RESUME, Verb.STOP):
        for known in (None, one(Phase.COMPLETED), one(Phase.ABORTED)):
            with pytest.raises(DataError) as refused:
                obeyed(known, order(verb), NOW)
            assert refused.value.code == "snapshot.none"


def test_where_it_stands_is_kept_as_text() -> None:
    full = replace(one(), filter="Type = 'Customer'", ahead=100, passed=1, unread=2, reason="why")
    assert Snapshot.from_text("salesforce.Account", full.to_text()) == full
    for broken in ("", "[]", "{}", full.to_text().replace("running", "dancing")):
        with pytest.raises(DataError):
            Snapshot.from_text("salesforce.Account", broken)


# --- which read follows which ----------------------------------------------------------------------------------------


def record(ordinal: int, minutes: int = 0, *, deleted: bool = False) -> Record:
    stamp = NOW + timedelta(minutes=minutes)
    return Record(Side.SALESFORCE, "org", "Account", "0018d0000000001AAA", Version(1, ordinal), NOW, stamp, deleted)


def test_a_row_that_was_read_before_a_live_change_does_not_come_after_it() -> None:
    window = Window()
    window.open(ACCOUNTS)
    assert not window.passed(record(5))
    window.note(record(6, 1))
    assert window.passed(record(5))
    window.note(record(4))  # an older read that came late takes nothing back
    assert window.passed(record(5))
    assert not window.passed(record(7, 2))


def test_a_row_that_was_read_after_a_live_change_comes() -> None:
    window = Window()
    window.open(ACCOUNTS)
    window.note(record(4))
    assert not window.passed(record(5))


def test_a_row_does_not_bring_back_what_was_deleted_meanwhile() -> None:
    window = Window()
    window.open(ACCOUNTS)
    window.note(record(6, 1, deleted=True))
    assert window.passed(record(5))


def test_the_window_holds_no_more_than_what_may_still_come() -> None:
    window = Window()
    window.note(record(1))
    pane = window.open(ACCOUNTS)
    assert not window.passed(record(0))  # nobody looked when that one went out
    window.note(record(6, 1))
    pane.forget(Version(1, 6))
    assert window.passed(record(5))
    pane.forget(Version(1, 7))
    assert not window.passed(record(5))
    window.close(pane)
    window.note(record(6, 1))
    assert not window.passed(record(5))


def test_two_walks_of_one_object_do_not_take_each_others_window_away() -> None:
    window = Window()
    first, second = window.open(ACCOUNTS), window.open(ACCOUNTS)
    window.note(record(6, 1))
    first.forget(Version(1, 7))
    window.close(first)
    assert window.passed(record(5))
    window.close(second)
    assert not window.passed(record(5))


# --- filters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "spelled", "fields"),
    [
        ("Type='Customer'", "Type = 'Customer'", ("Type",)),
        ("a <> 1.50 and b != null", "a != 1.50 AND b != null", ("a", "b")),
        ("(a = TRUE OR b < -2) AND NOT c LIKE 'x%'", "(a = true OR b < -2) AND (NOT c LIKE 'x%')", ("a", "b", "c")),
        ("Owner.Name IN ('a','b') or x not in (2026-01-02)", "Owner.Name IN ('a', 'b') OR x NOT IN (2026-01-02)",
         ("Owner.Name", "x")),
        ("CreatedDate >= last_n_days:30", "CreatedDate >= LAST_N_DAYS:30", ("CreatedDate",)),
        ("t > 2026-01-02T03:04:05Z", "t > 2026-01-02T03:04:05Z", ("t",)),
        (r"Name = 'O\'Neill \\ (x) --'", r"Name = 'O\'Neill \\ (x) --'", ("Name",)),
    ],
)  # fmt: skip
def test_a_filter_is_spelled_anew(given: str, spelled: str, fields: tuple[str, ...]) -> None:
    found = read_filter(given)
    assert (found.text, found.fields) == (spelled, fields)
    assert read_filter(found.text).fields == fields


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "   ",
        "Type",
        "Type = Customer",
        "Type = 'Customer' LIMIT 1",
        "Type = 'x' ORDER BY Id",
        "Type = 'x') OR (Id != null",
        "Type = 'x' FOR UPDATE",
        "Id IN (SELECT AccountId FROM Contact)",
        "a = 1 AND b = 2 OR c = 3",
        "a = 'x' -- comment",
        "a = 'x'; DELETE",
        "a = 'it's'",
        "a = 'x\\",
        "a = 'line\nbreak'",
        "a = 'x' AND",
        "toLabel(Status) = 'x'",
        "a = :bind",
        "a.b.c.d.e.f.g = 1",
        "TODAY = 1",
        "null = null",
        "a = N_DAYS_AGO",
        "(" * 40 + "a = 1" + ")" * 40,
        "NOT " * 40 + "a = 1",
        " AND ".join(["a = 1"] * 300),
        f"a IN ({', '.join(['1'] * 300)})",
        "a = '" + "x" * MOST_LETTERS + "'",
        "a ＝ 1",
        "a = 99999999999999999999999999",
    ],
)
def test_what_is_no_condition_does_not_reach_a_query(hostile: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_filter(hostile)
    assert refused.value.code == "snapshot.bad-filter"
    assert refused.value.remedy
