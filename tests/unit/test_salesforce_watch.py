"""Watchdogs of the stream, positions and what is heard: rules without a socket."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.errors import DataError
from connector.salesforce.cometd import ALL_KEPT
from connector.salesforce.position import PollPosition, StreamPosition
from connector.salesforce.watch import Alarm, Ear, Pulse, Repair, alarms

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CHANNEL = "/data/TwinledgerSync__chn"
WELL = Pulse(
    timedelta(seconds=5), frozenset({CHANNEL}), frozenset({CHANNEL}), {CHANNEL: StreamPosition(7, NOW)}, {"Account": 0},
    frozenset(), (20_000, 25_000),
)  # fmt: skip


def only(pulse: Pulse) -> Alarm:
    (found,) = alarms(pulse, NOW)
    return found


def test_watch_a_stream_that_is_well_raises_no_alarm() -> None:
    assert alarms(WELL, NOW) == ()


@pytest.mark.parametrize(
    ("pulse", "code", "repairs"),
    [
        (replace(WELL, silent=None), "disconnected", set()),
        (replace(WELL, silent=timedelta(seconds=131)), "silent", {Repair.RECONNECT}),
        (replace(WELL, subscribed=frozenset()), "unsubscribed", {Repair.RECONNECT}),
        (replace(WELL, unheard={"Account": 3}), "unheard", {Repair.ASK}),
        (replace(WELL, unheard={"Account": 3}, deaf=frozenset({"Account"})), "unheard", {Repair.ASK, Repair.RECONNECT}),
        (replace(WELL, positions={CHANNEL: StreamPosition(7, NOW - timedelta(hours=61))}), "position", set()),
    ],
)
def test_watch_what_is_wrong_is_red(pulse: Pulse, code: str, repairs: set[Repair]) -> None:
    alarm = only(pulse)
    assert (alarm.code, alarm.red, alarm.repairs) == (f"salesforce.watch-{code}", True, frozenset(repairs))


@pytest.mark.parametrize(("left", "repairs"), [(2500, set()), (1250, {Repair.POLL}), (0, {Repair.POLL})])
def test_watch_deliveries_that_run_out_turn_to_polling_and_are_not_red(left: int, repairs: set[Repair]) -> None:
    alarm = only(replace(WELL, deliveries=(left, 25_000)))
    assert (alarm.red, alarm.repairs) == (False, frozenset(repairs))


def test_watch_an_ear_knows_what_it_missed() -> None:
    ear = Ear()
    ear.heard("Account", ["1", "2"], NOW)
    assert ear.missed("Account", "1", NOW)  # stamps count in seconds: another change of the same one may be untold
    assert not ear.surely("Account", "1", NOW)
    assert not ear.missed("Account", "1", NOW - timedelta(seconds=1))
    second = NOW + timedelta(seconds=1)
    assert ear.missed("Account", "1", second)  # read again, though it is probably the one that was heard:
    assert not ear.surely("Account", "1", second)
    assert ear.surely("Account", "1", NOW + timedelta(seconds=3))
    assert ear.missed("Account", "1", NOW + timedelta(minutes=5))  # it changed again, and that was not heard
    assert ear.missed("Account", "3", NOW)
    assert ear.missed("Contact", "1", NOW)
    assert not ear.deaf("Account", NOW)
    assert ear.deaf("Account", NOW + timedelta(minutes=5))
    ear.heard("Account", [], NOW + timedelta(minutes=5))  # an overflow speaks of all
    assert not ear.missed("Account", "3", NOW + timedelta(minutes=4))
    ear.forget(NOW + timedelta(hours=1))
    assert ear.records == {}


def test_position_survives_its_text_and_the_old_form() -> None:
    position = StreamPosition(4711, NOW)
    assert StreamPosition.from_text(position.to_text()) == position
    assert StreamPosition.from_text("4711") == StreamPosition(4711)
    assert PollPosition.from_text(PollPosition(NOW, NOW).to_text()) == PollPosition(NOW, NOW)
    for wrong in ("", "{}", '{"replay": "x", "at": null}', "[]"):
        with pytest.raises(DataError):
            StreamPosition.from_text(wrong)
        with pytest.raises(DataError):
            PollPosition.from_text(wrong)


def test_position_of_an_idle_channel_never_ages_out() -> None:
    old = StreamPosition(4711, NOW - timedelta(hours=59))
    assert old.rested(NOW, NOW) == old
    older = StreamPosition(4711, NOW - timedelta(hours=61))
    rested = older.rested(NOW, NOW - timedelta(seconds=30))
    assert rested == StreamPosition(ALL_KEPT, NOW - timedelta(seconds=30))
    later = NOW + timedelta(hours=1)
    assert rested.rested(later, later).at == later  # and stays fresh while polls are answered
    assert StreamPosition(4711).rested(NOW, NOW) == StreamPosition(4711)


def test_position_of_all_that_is_kept_knows_when_that_is_too_little() -> None:
    assert not StreamPosition(ALL_KEPT, NOW - timedelta(hours=70)).hole(NOW)
    assert StreamPosition(ALL_KEPT, NOW - timedelta(hours=72)).hole(NOW)
    assert not StreamPosition(4711, NOW - timedelta(hours=100)).hole(NOW)  # the server says so
    assert not StreamPosition(ALL_KEPT).hole(NOW)
