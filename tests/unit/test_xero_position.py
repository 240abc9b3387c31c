"""The walk over a list that changes while it is read; budgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.budget import FLIGHT_MS, SLACK_MS, Budget
from connector.xero.position import OVERLAP, Watermark, snapshot, start, step
from connector.xero.records import Row

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def row(name: str, at: datetime, content: str = "") -> Row:
    return Row(name, at, f"{at.isoformat()} {content}")


class Books:
    """A list as Xero gives it: changed since a second, in the order of change, in pages."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.asked = 0

    def page(self, since: datetime | None, page: int, size: int) -> tuple[Row, ...]:
        self.asked += 1
        floor = since.replace(microsecond=0) if since else None
        found = [one for one in self.rows.values() if floor is None or (one.stamp is not None and one.stamp >= floor)]
        found.sort(key=lambda one: (one.stamp or T0, one.id))
        return tuple(found[(page - 1) * size : page * size])


def poll(books: Books, mark: Watermark, size: int, edits: list[Row] | None = None) -> tuple[Watermark, list[Row]]:
    """One whole poll; ``edits`` happen one by one between its pages."""
    walk, out, waiting = start(mark), list[Row](), list(edits or ())
    for _ in range(2000):
        if walk.ask is None:
            return walk.mark, out
        walk, fresh = step(walk, books.page(walk.ask.since, walk.ask.page, size), size)
        out += fresh
        if waiting:
            edit = waiting.pop(0)
            books.rows[edit.id] = edit
    raise AssertionError("the walk does not end")


def test_a_first_scan_takes_all_however_old_and_a_second_one_nothing() -> None:
    books = Books()
    for at in range(25):
        books.rows[f"r{at}"] = row(f"r{at}", T0 - timedelta(days=5000 - 300 * at))
    mark, first = poll(books, Watermark(), 10)
    assert len(first) == 25
    again, second = poll(books, Watermark.from_text(mark.to_text()), 10)
    assert (second, again.at) == ([], mark.at)
    books.asked = 0
    poll(books, again, 10)
    assert books.asked == 1


def test_a_row_that_moves_to_the_end_while_we_page_pushes_nobody_out() -> None:
    books = Books()
    for at in range(20):
        books.rows[f"r{at:02d}"] = row(f"r{at:02d}", T0 + timedelta(seconds=at))
    moved = row("r03", T0 + timedelta(seconds=100), "changed")
    _, seen = poll(books, Watermark(), 10, [moved])
    assert {one.id for one in seen} == set(books.rows)
    assert seen[-1] == moved


def test_a_late_row_within_the_overlap_is_seen_once() -> None:
    books = Books()
    books.rows["a"] = row("a", T0)
    mark, _ = poll(books, Watermark(), 10)
    books.rows["late"] = row("late", T0 - OVERLAP + timedelta(seconds=1))
    mark, seen = poll(books, mark, 10)
    assert [one.id for one in seen] == ["late"]
    assert poll(books, mark, 10)[1] == []


def test_a_change_that_becomes_visible_behind_a_long_walk_is_seen_by_the_next() -> None:
    """Between two pages a minute may pass: writes come first."""
    books = Books()
    for name, later in (("b", 0), ("c", 0), ("d", 100)):
        books.rows[name] = row(name, T0 + timedelta(seconds=later))
    walk = start(Watermark(), began=T0)
    walk, _ = step(walk, books.page(None, 1, 2), 2)
    books.rows["a"] = row("a", T0 - timedelta(seconds=1))  # it was committed a little late
    for _ in range(10):
        if walk.ask is not None:
            walk, _ = step(walk, books.page(walk.ask.since, walk.ask.page, 2), 2)
    assert walk.mark.at == T0
    _, seen = poll(books, walk.mark, 10)
    assert [one.id for one in seen] == ["a"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 4)), max_size=12),
    st.integers(1, 7),
)
def test_nothing_is_ever_missed(seconds: list[int], moves: list[tuple[int, int]], size: int) -> None:
    """Rows crowded into few seconds, edited between pages; every last state is seen, by the next poll at the latest."""
    books = Books()
    for at, second in enumerate(sorted(seconds)):
        books.rows[f"r{at:02d}"] = row(f"r{at:02d}", T0 + timedelta(seconds=second, milliseconds=at))
    edits: list[Row] = []
    clock = T0 + timedelta(seconds=max(seconds), milliseconds=100)
    for turn, (which, later) in enumerate(moves):
        clock += timedelta(milliseconds=1) if later < 4 else timedelta(seconds=90)
        edits.append(row(f"r{which % len(seconds):02d}", clock, str(turn)))
    mark, seen = poll(books, Watermark(), size, edits)
    mark, more = poll(books, mark, size)
    last = {one.id: one for one in [*seen, *more]}
    assert last == books.rows
    assert poll(books, mark, size)[1] == []


def test_a_list_without_times_tells_what_differs() -> None:
    one, two = row("a", T0), row("b", T0)
    mark, fresh = snapshot(Watermark(), (one, two))
    assert fresh == (one, two)
    changed = row("b", T0, "new")
    assert snapshot(Watermark.from_text(mark.to_text()), (one, changed))[1] == (changed,)


def test_a_budget_waits_for_what_the_server_said() -> None:
    fresh = Budget(per_minute=55)
    assert fresh.pause(0) == 0
    spent = fresh.answered(1000, minute_left=0)
    assert (spent.pause(1000), spent.pause(61_000 + SLACK_MS)) == (60_000 + SLACK_MS, 0)
    refused = fresh.refused(1000, seconds=26)
    assert (refused.pause(1000), refused.pause(26_999), refused.pause(27_000)) == (26_000, 1, 0)
    assert fresh.answered(0, day_left=0).pause(0) == 15 * 60_000


def test_without_headers_a_budget_counts_its_own_calls() -> None:
    budget = Budget(per_minute=3)
    for number, at in enumerate((0, 10_000, 20_000), 1):
        assert budget.pause(at) == 0
        budget = budget.call(at).end(at + 500, number)
    assert (budget.pause(20_500), budget.pause(60_500 + SLACK_MS)) == (40_000 + SLACK_MS, 0)
    flying = Budget(per_minute=1).call(0)
    assert (flying.pause(0), flying.pause(90_000)) == (FLIGHT_MS, FLIGHT_MS)  # only its end makes room
