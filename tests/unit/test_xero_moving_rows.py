"""A thousand random runs of lists whose rows move while they are paged: nothing is lost, in order or in none."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from connector.xero.position import Watermark, start, step
from connector.xero.records import Row
from tests.unit.test_xero_position import T0, row

RUNS = 1000


@dataclass
class Moving:
    """A list of Xero: If-Modified-Since to the second, sorted by change or by an order of its own that never moves."""

    ordered: bool
    rows: dict[str, Row] = field(default_factory=dict)

    def page(self, since: datetime | None, number: int, size: int) -> tuple[Row, ...]:
        second = since.replace(microsecond=0) if since else None
        found = [one for one in self.rows.values() if second is None or (one.stamp is not None and one.stamp >= second)]
        found.sort(key=lambda one: (one.stamp or T0, one.id) if self.ordered else (T0, one.id))
        return tuple(found[(number - 1) * size : number * size])


def poll(
    books: Moving, mark: Watermark, size: int, dice: random.Random, clock: list[datetime], edits: int
) -> tuple[Watermark, list[Row]]:
    """One poll; between its pages people edit and add, ``edits`` times in all, and time passes."""
    walk, seen = start(mark, ordered=books.ordered), list[Row]()
    for _ in range(2000):
        if walk.ask is None:
            return walk.mark, seen
        walk, fresh = step(walk, books.page(walk.ask.since, walk.ask.page, size), size)
        seen += fresh
        for _ in range(min(edits, dice.choice((0, 0, 1, 2)))):
            edits -= 1
            clock[0] += timedelta(milliseconds=dice.choice((0, 1, 400, 1000, 20_000)))
            name = dice.choice([*books.rows, f"n{len(books.rows):02d}"])
            books.rows[name] = row(name, clock[0], str(dice.random()))
    raise AssertionError("the walk does not end")


@pytest.mark.parametrize("ordered", [True, False])
def test_nothing_is_lost_while_rows_move(ordered: bool) -> None:
    for seed in range(RUNS):
        dice = random.Random(seed)
        books, clock, size = Moving(ordered), [T0], dice.randint(1, 6)
        for at in range(dice.randint(1, 25)):
            clock[0] += timedelta(milliseconds=dice.choice((0, 1, 300, 2000, 90_000)))
            books.rows[f"r{at:02d}"] = row(f"r{at:02d}", clock[0])
        mark, held = Watermark(), dict[str, Row]()
        for _ in range(3):
            mark, seen = poll(books, mark, size, dice, clock, edits=dice.randint(0, 15))
            held |= {one.id: one for one in seen}
            mark = Watermark.from_text(mark.to_text())
        mark, seen = poll(books, mark, size, dice, clock, edits=0)
        held |= {one.id: one for one in seen}
        assert held == books.rows, f"seed {seed}"
        assert poll(books, mark, size, dice, clock, edits=0)[1] == [], f"seed {seed}"
