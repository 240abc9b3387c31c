"""What a table owes its changelog: a value that a lower one was written over is written again, and until that is seen
there, the disk does not claim to have read further. A crash in between forgets nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rocksdict import Options, Rdict

from streams.engine.tables import RANK_HEADER, RawTable

OFFSET_KEY = b"__faust\0offset__"


@dataclass(frozen=True, slots=True)
class Record:
    """One message of a changelog; a value is ``epoch counter text``."""

    offset: int
    value: bytes | None
    key: bytes = b"c/1"
    headers: Sequence[tuple[str, bytes]] = ()


class Table(RawTable):
    """The table without Faust and Kafka: one partition on disk; what it sends is kept."""

    def __init__(self, path: Path) -> None:
        self.shard = Rdict(str(path), options=Options(raw_mode=True))
        self.store = SimpleNamespace(offset_key=OFFSET_KEY, _dbs={0: self.shard})
        self.sent: list[bytes | None] = []
        self.app = SimpleNamespace(fence=SimpleNamespace(check=lambda: None))
        self._rank = lambda value: (int(value.split()[0]), int(value.split()[1]))
        self._epochs, self._unflushed, self._owed = {}, set(), {}

    data = property(lambda self: self.store)

    def __hash__(self) -> int:
        return id(self)

    def _send(self, partition: int, key: bytes, value: bytes | None, headers: Any = ()) -> None:
        del partition, key, headers
        self.sent.append(value)

    @property
    def claimed(self) -> int:
        return int(self.shard.get(OFFSET_KEY) or b"-1")

    @property
    def standing(self) -> bytes | None:
        found: bytes | None = self.shard.get(b"c/1")
        return found


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    made = Table(tmp_path / "db")
    yield made
    made.shard.close()


def test_what_was_written_over_before_we_came_is_written_again(table: Table) -> None:
    table.fill(0, [Record(0, b"2 1 newest"), Record(1, b"1 9 late"), Record(2, b"2 2 x", b"c/2")], logged=False)
    table.filled(0, 3)
    assert (table.standing, table.claimed, table.sent) == (b"2 1 newest", 0, [])
    table.heed(0, ())
    assert table.sent == [b"2 1 newest"]
    table.heed(0, [Record(3, b"3 1 other", b"c/3")])
    assert table.claimed == 0  # ours has not been seen yet: after a crash now, offset 1 is read again
    table.heed(0, [Record(4, b"2 1 newest")])
    assert (table.claimed, table.sent) == (4, [b"2 1 newest"])


def test_what_was_mended_already_is_not_mended_twice(table: Table) -> None:
    records = [Record(0, b"2 1 newest"), Record(1, b"1 9 late"), Record(2, b"2 1 newest")]
    table.fill(0, records, logged=True)
    table.filled(0, 3)
    table.heed(0, ())
    assert (table.claimed, table.sent) == (2, [])


def test_a_late_write_is_answered_and_our_own_are_not(table: Table) -> None:
    table._epochs[0] = 3
    table.shard.put(b"c/1", b"3 5 ours")
    table.heed(0, [Record(0, b"3 4 ours too"), Record(1, b"2 9 zombie"), Record(2, b"3 4 ours too")])
    assert table.sent == [b"3 5 ours"]
    assert table.claimed == 0
    table.heed(0, [Record(3, b"3 5 ours")])
    assert (table.standing, table.claimed, len(table.sent)) == (b"3 5 ours", 3, 1)


def test_a_higher_value_is_taken_in(table: Table) -> None:
    """A former owner's, a moment too late for recovery; or we are the former owner, and do not know it yet."""
    table._epochs[0] = 3
    table.shard.put(b"c/1", b"3 5 ours")
    table.heed(0, [Record(0, b"4 1 next")])
    assert (table.standing, table.claimed, table.sent) == (b"4 1 next", 0, [])


def test_a_tombstone_takes_away_what_it_names_and_nothing_newer(table: Table) -> None:
    table.fill(0, [Record(0, b"2 2 gone")], logged=True)
    for headers in ((), ((RANK_HEADER, b"2 1"),), ((RANK_HEADER, b"x"),)):
        table.heed(0, [Record(1, None, headers=headers)])
        assert table.standing == b"2 2 gone"
    table.heed(0, [Record(2, None, headers=((RANK_HEADER, b"2 2"),))])
    assert (table.standing, table.claimed) == (None, 2)


def test_a_partition_that_comes_back_starts_anew(table: Table) -> None:
    table._epochs[0] = 3
    table.fill(0, [Record(0, b"2 1 newest"), Record(1, b"1 9 late")], logged=True)
    table.begin(0)
    table.heed(0, ())
    assert (table.sent, table.claimed) == ([], 0)  # offset 1 is read again before anything is concluded
