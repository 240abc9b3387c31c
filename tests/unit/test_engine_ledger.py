"""What may be committed, and what counts as a loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ConfigurationError, EngineStop
from streams.engine.ledger import Hole, Ledger, Partition, Stalls
from streams.engine.stop import Fence, Stop
from streams.engine.versions import MEASURED, check_versions

TP = Partition("signals.v1", 0)


def _read(ledger: Ledger, *offsets: int, dense: bool = False) -> None:
    for offset in offsets:
        ledger.delivered(TP, offset, tracked=True, dense=dense)


def test_only_the_processed_beginning_is_committed() -> None:
    ledger = Ledger()
    ledger.begin(TP, 10)
    _read(ledger, 10, 11, 12)
    assert ledger.acked(TP, 12)
    assert ledger.acked(TP, 11)
    assert ledger.committable() == {}
    assert ledger.acked(TP, 10)
    assert ledger.committable() == {TP: 13}
    ledger.committed({TP: 13})
    assert ledger.committable() == {}


def test_compacted_gaps_are_no_holes() -> None:
    ledger = Ledger()
    ledger.begin(TP, 0)
    _read(ledger, 3, 9)
    ledger.passed(TP, 15, dense=False)
    ledger.acked(TP, 3)
    assert ledger.committable() == {TP: 4}
    ledger.acked(TP, 9)
    assert ledger.committable() == {TP: 15}
    assert ledger.expected(TP) == 15


def test_a_gap_where_nothing_is_compacted_is_a_hole() -> None:
    ledger = Ledger()
    ledger.begin(TP, 5)
    _read(ledger, 5, dense=True)
    with pytest.raises(Hole):
        _read(ledger, 7, dense=True)
    with pytest.raises(Hole):  # the last records of a batch were left out
        ledger.passed(TP, 8, dense=True)
    ledger.passed(TP, 6, dense=True)
    assert ledger.expected(TP) == 6


def test_a_repeat_is_a_hole_and_so_is_a_record_without_a_beginning() -> None:
    ledger = Ledger()
    with pytest.raises(Hole):
        _read(ledger, 0)
    ledger.begin(TP, 5)
    _read(ledger, 5)
    with pytest.raises(Hole):
        _read(ledger, 5)


def test_an_acknowledgement_from_before_the_seek_does_not_count() -> None:
    ledger = Ledger()
    ledger.begin(TP, 0)
    _read(ledger, 0, 1, 2)
    ledger.begin(TP, 0)
    assert not ledger.acked(TP, 1)
    _read(ledger, 0)
    assert ledger.committable() == {}
    ledger.drop([TP])
    assert (ledger.expected(TP), ledger.done(TP)) == (None, None)


def test_what_nobody_has_to_process_is_passed() -> None:
    ledger = Ledger()
    ledger.begin(TP, 0)
    ledger.passed(TP, 4, dense=False)
    assert ledger.committable() == {TP: 4}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.randoms())
def test_never_beyond_the_first_unprocessed(steps: list[int], random: object) -> None:
    offsets: list[int] = []
    for step in steps:
        offsets.append((offsets[-1] if offsets else 0) + step)
    ledger = Ledger()
    ledger.begin(TP, 0)
    _read(ledger, *offsets)
    order = list(offsets)
    random.shuffle(order)  # type: ignore[attr-defined]
    left = set(offsets)
    for offset in order:
        ledger.acked(TP, offset)
        left.discard(offset)
        committable = ledger.committable().get(TP, 0)
        assert all(offset >= committable for offset in left)
    assert ledger.committable() == {TP: offsets[-1] + 1}


def test_a_stall_is_something_left_and_nothing_committed() -> None:
    stalls = Stalls(20)
    assert stalls.observe(0, {TP: 5}) == ()
    assert stalls.observe(19, {TP: 5}) == ()
    assert stalls.observe(21, {TP: 6}) == ()
    assert stalls.observe(40, {TP: 6}) == ()
    assert stalls.observe(42, {TP: 6}) == (TP,)
    assert stalls.observe(43, {}) == ()
    assert stalls.observe(99, {TP: 6}) == ()


def test_a_stale_heartbeat_ends_the_process() -> None:
    now = [100.0]
    stopped: list[EngineStop] = []
    fence = Fence(10, Stop(stopped.append), clock=lambda: now[0])
    fence.check()
    fence.beat(100)
    now[0] = 106.9
    fence.check()
    now[0] = 107.1
    assert not fence.fresh
    with pytest.raises(EngineStop):
        fence.check()
    fence.beat(107.1)
    with pytest.raises(EngineStop):  # once told, never again
        fence.check()
    assert [error.code for error in stopped] == ["heartbeat.stale"]


def test_other_versions_are_refused() -> None:
    check_versions()
    with pytest.raises(ConfigurationError) as caught:
        check_versions({**MEASURED, "aiokafka": "0.15.0"})
    assert caught.value.code == "engine.version"


def test_faust_without_its_compiled_stream_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure-Python one acknowledges events that it skipped."""
    import faust.streams

    monkeypatch.setattr(faust.streams, "_CStreamIterator", None)
    with pytest.raises(ConfigurationError) as caught:
        check_versions()
    assert caught.value.code == "engine.not-compiled"
