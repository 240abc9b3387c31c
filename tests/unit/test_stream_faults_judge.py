"""The judge of the stream's faults finds what is missing, what came twice, and when readiness kept silent."""

from __future__ import annotations

from benchmarks.stream_faults.judge import Change, HintSeen, ReadSeen, Sample, Tape, figures, missing, repeated
from benchmarks.stream_faults.report import table, truth
from benchmarks.stream_faults.rows import ROWS

CHANNEL = "/data/X__chn"


def hint(at: float, replay: int, *ids: str) -> HintSeen:
    return HintSeen(at, CHANNEL, replay, ids)


def test_stream_judge_takes_an_event_a_newer_read_or_a_dead_letter_for_an_arrival() -> None:
    changes = [Change("a", 1, 0, 10), Change("a", 2, 1, 11), Change("b", 3, 2, None), Change("c", 4, 3, 12)]
    tape = Tape([hint(1, 10, "a")], [ReadSeen(4, "b", 3)], [(5.0, '{"event":{"replayId": 12}}')])
    assert missing(changes, tape) == [changes[1]]
    tape.reads.append(ReadSeen(9, "a", 1))
    assert missing(changes, tape) == [changes[1]]  # older than the change
    tape.reads.append(ReadSeen(9, "a", 2))
    assert missing(changes, tape) == []
    found = figures(changes, tape, [Sample(10, ready=True)], 0, 0, 0)
    assert (found.sent, found.told, found.heard, found.read, found.lost) == (4, 3, 2, 2, 0)


def test_stream_judge_counts_repetitions_but_not_siblings_of_one_id() -> None:
    assert repeated([hint(1, 10, "a"), hint(1, 10, "b"), hint(2, 10, "a"), hint(3, 11, "a"), hint(4, -1, "a")]) == 1


def test_stream_judge_hears_the_silence_of_readiness() -> None:
    change, tape = Change("a", 1, 100, 10), Tape([hint(140, 10, "a")])
    always = [Sample(at, ready=True) for at in range(100, 150)]
    told = [Sample(at, ready=not 103 < at < 141) for at in range(100, 150)]
    assert figures([change], tape, always, 100, 0, 0).silent == 33  # from 106, five seconds after it was due, to 139
    found = figures([change], tape, told, 100, 0, 0)
    assert (found.silent, found.unready, found.recovered) == (0, 37, 41)
    assert figures([change], Tape(), always, 100, 0, 0).lost == 1
    assert figures([change], tape, always[:20], 100, 0, 0).recovered is None


def test_stream_rows_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 40
    row = {
        "what": "w", "trap": "B1", "sent": 1, "told": 1, "heard": 1, "read": 0, "lost": 0, "twice": 0,
        "effects_twice": 0, "recovered": None, "unready": 0.0, "silent": 0.0,
    }  # fmt: skip
    assert table([row]).splitlines()[2] == "| w | B1 | 1 | 1 | 1 | 0 | 0 | 0 | 0 | never | 0.0 | yes |"
    assert truth({"silent": 25.3}) == "after 30 s"
