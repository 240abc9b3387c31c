"""The judge of the torture runs: each kind of damage, made by hand, is counted as what it is."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.torture.judge import Event, Evidence, Hit, fail_overs, judge
from benchmarks.torture.plan import Kind, faust_runs, our_runs
from benchmarks.torture.report import differences
from benchmarks.torture.run import events_of, failed
from benchmarks.torture.state import Output as Said
from benchmarks.torture.state import State, decode_output, decode_state


def _evidence(keys: int = 2, each: int = 4) -> Evidence:
    """Two keys on one partition, all processed by one worker and committed."""
    events, outputs, changelog = [], [], []
    states = {f"k{number}": State(1, -1, 0) for number in range(keys)}
    for offset in range(keys * each):
        key, seq = f"k{offset % keys}", offset // keys
        events.append(Event(key, seq, 0, offset))
        outputs.append(Said(key, seq, 0, offset, 7, 1, states[key].bits, 100 + offset))
        states[key] = State(1, offset, states[key].bits | 1 << seq)
        changelog.append((key, states[key]))
    return Evidence(events, outputs, changelog, {0: keys * each})


WHOLE = _evidence()


def test_all_is_well() -> None:
    verdict = judge(WHOLE)
    assert (verdict.events, verdict.outputs) == (8, 8)
    assert not any(
        (verdict.lost, verdict.unprocessed, verdict.table_lost, verdict.last_lost, verdict.regressions, verdict.stale)
    )
    assert (verdict.holes, verdict.duplicates) == (0, 0)


def test_committed_over_and_never_processed_is_lost_not_committed_is_unprocessed() -> None:
    without = [output for output in WHOLE.outputs if output.offset not in (2, 7)]
    verdict = judge(replace(WHOLE, outputs=without, committed={0: 7}))
    assert (verdict.lost, verdict.unprocessed, verdict.holes) == (1, 1, 1)
    assert verdict.lost_examples == ["0@2"]


def test_a_table_that_lacks_a_number_that_was_committed() -> None:
    verdict = judge(replace(WHOLE, changelog=WHOLE.changelog[:-1]))  # k1 lacks 3
    assert (verdict.table_lost, verdict.lost) == (1, 0)
    assert judge(replace(WHOLE, changelog=WHOLE.changelog[:-1], committed={0: 7})).table_lost == 0


def test_a_late_write_of_a_former_owner() -> None:
    late = [*WHOLE.changelog, WHOLE.changelog[1]]  # k1 as it was at first: 1, 2 and 3 are missing
    verdict = judge(replace(WHOLE, changelog=late))
    assert (verdict.regressions, verdict.last_lost, verdict.table_lost) == (1, 3, 0)
    assert judge(replace(WHOLE, changelog=late), highest=False).table_lost == 3


def test_repeats_are_duplicates_and_nothing_else() -> None:
    again = [*WHOLE.outputs, replace(WHOLE.outputs[3], pid=8, before=0b11)]
    verdict = judge(replace(WHOLE, outputs=again))
    assert (verdict.duplicates, verdict.lost, verdict.holes, verdict.stale) == (1, 0, 0, 0)


def test_an_output_from_a_table_that_lacked_something_is_stale() -> None:
    bad = [*WHOLE.outputs[:-1], replace(WHOLE.outputs[-1], before=0b101)]
    assert judge(replace(WHOLE, outputs=bad)).stale == 1


def test_fail_over_is_the_time_to_another_process_on_the_same_partition() -> None:
    one = Said("k0", 0, 0, 0, 7, 1, 0, 10.0)
    outputs = [one, replace(one, at=11.0), replace(one, pid=9, at=14.5), replace(one, partition=1, pid=8, at=10.0)]
    assert fail_overs(outputs, [Hit(7, 11.5)]) == [3.0]
    assert fail_overs(outputs, [Hit(8, 11.5)]) == []  # nobody came: the stall tells
    assert fail_overs(outputs, [Hit(7, 15.0)]) == []  # it owned nothing any more


def test_values_survive_the_wire() -> None:
    assert decode_state(State(3, 7, 0b1011, 20).encode()) == State(3, 7, 0b1011, 20)
    assert decode_state(None).bits == 0
    assert decode_output(WHOLE.outputs[5].encode()) == WHOLE.outputs[5]


def test_the_plan_holds_what_is_promised() -> None:
    runs = our_runs()
    kinds = [run.kind for run in runs]
    assert len(runs) == len({run.name for run in runs}) == 20
    assert [kinds.count(kind) for kind in (Kind.KEEP, Kind.WIPE, Kind.PAUSE, Kind.BROKER, Kind.STARTS)] == [
        6, 6, 4, 1, 3,
    ]  # fmt: skip
    for kind in (Kind.KEEP, Kind.WIPE):
        assert sum(run.faults for run in runs if run.kind is kind) >= 32
    assert all(run.pause > run.group.session for run in runs if run.kind is Kind.PAUSE)
    assert all(run.events == 16_000 for run in runs if run.kind is not Kind.STARTS)
    assert {run.engine for run in faust_runs()} == {"faust"}


def test_numbers_of_a_key_are_written_in_order() -> None:
    run = replace(our_runs()[0], events=1_200, keys=500)
    last: dict[bytes, int] = {}
    for key, seq in events_of(run):
        assert seq == last.get(key, -1) + 1
        last[key] = seq
    assert sum(seq + 1 for seq in last.values()) == 1_200


def test_what_fails_a_run_and_what_a_missing_rule_shows() -> None:
    names = ("lost", "unprocessed", "table_lost", "last_lost", "regressions", "stale", "holes", "stalls")
    row = {"ended": True, "exits": {"heartbeat.stale": 1}, **dict.fromkeys(names, 0)}
    assert not failed(row)
    assert failed({**row, "lost": 1})
    assert failed({**row, "stalls": 1})
    assert failed({**row, "ended": False})
    assert differences(row, row) == ""
    worse = {**row, "table_lost": 3, "exits": {"heartbeat.stale": 1, "hole": 2}}
    assert differences(row, worse) == "3 table lost, 2 exits hole"
