"""The second book: whatever is committed has an outcome, or is told as unaccounted."""

from __future__ import annotations

from streams.engine.accounts import BURIED, Accounts, Figures, summed
from streams.engine.ledger import Partition

HINTS = Partition("hints", 0)
RECORDS = Partition("records", 3)


def _figures(accounts: Accounts, tp: Partition = HINTS) -> Figures:
    return next(figures for each, figures, _ in accounts.all() if each == tp)


def _taken(accounts: Accounts, tp: Partition, offsets: range, word: str = "asked") -> None:
    for offset in offsets:
        accounts.delivered(tp, offset)
        accounts.outcome(tp, offset, word)


def test_taken_is_the_sum_of_the_outcomes() -> None:
    accounts = Accounts()
    accounts.begin(HINTS, 10, "", dense=True)
    _taken(accounts, HINTS, range(10, 15))
    _taken(accounts, HINTS, range(15, 16), BURIED)
    accounts.upto(HINTS, 16)
    figures = _figures(accounts)
    assert (figures.taken, figures.done, figures.buried, figures.unaccounted) == (6, 6, 1, 0)
    assert accounts.tally == {("hints", "asked"): 5, ("hints", BURIED): 1}


def test_a_commit_past_a_message_without_an_outcome_is_unaccounted() -> None:
    accounts = Accounts()
    accounts.begin(HINTS, 0, "", dense=True)
    _taken(accounts, HINTS, range(2))
    accounts.delivered(HINTS, 2)  # acknowledged by somebody, but no agent said what became of it
    accounts.upto(HINTS, 3)
    assert (_figures(accounts).taken, _figures(accounts).unaccounted) == (3, 1)


def test_a_commit_past_what_nobody_delivered_is_unaccounted_where_nothing_is_compacted() -> None:
    accounts = Accounts()
    accounts.begin(HINTS, 0, "", dense=True)
    accounts.begin(RECORDS, 0, "", dense=False)
    for tp in (HINTS, RECORDS):
        _taken(accounts, tp, range(2))
        _taken(accounts, tp, range(5, 6))
        accounts.upto(tp, 6)
    assert (_figures(accounts).taken, _figures(accounts).unaccounted) == (6, 3)
    assert (_figures(accounts, RECORDS).taken, _figures(accounts, RECORDS).unaccounted) == (3, 0)


def test_the_next_owner_goes_on_with_the_figures_and_what_was_not_committed_counts_once() -> None:
    first, second = Accounts(), Accounts()
    first.begin(HINTS, 0, "", dense=True)
    _taken(first, HINTS, range(8))
    text = first.upto(HINTS, 5)  # committed; 5 to 7 were processed and are processed again
    second.begin(HINTS, 5, text, dense=True)
    _taken(second, HINTS, range(5, 9))
    second.upto(HINTS, 9)
    assert (_figures(second).taken, _figures(second).done, _figures(second).unaccounted) == (9, 9, 0)


def test_what_retention_removed_unread_is_unaccounted() -> None:
    accounts = Accounts()
    accounts.begin(HINTS, 40, Figures(taken=10).to_text(), dense=True, missed=30)
    accounts.upto(HINTS, 40)
    assert (_figures(accounts).taken, _figures(accounts).unaccounted) == (40, 30)


def test_an_outcome_of_an_earlier_session_counts_nothing() -> None:
    accounts = Accounts()
    accounts.begin(HINTS, 5, "", dense=True)
    accounts.outcome(HINTS, 4, "asked")
    accounts.delivered(RECORDS, 1)  # nobody has begun it
    accounts.upto(HINTS, 5)
    assert accounts.upto(RECORDS, 2) == ""
    assert _figures(accounts).taken == 0


def test_foreign_texts_beside_an_offset_are_nothing() -> None:
    for text in ("", "{", "[]", "null", '{"taken": "x"}', '{"outcomes": 3}'):
        assert Figures.of(text) == Figures()


def test_sums_by_topic() -> None:
    parts = {Partition("a", n): Figures(taken=n, unaccounted=1) for n in (1, 2)}
    assert (summed(parts)["a"].taken, summed(parts)["a"].unaccounted) == (3, 2)
