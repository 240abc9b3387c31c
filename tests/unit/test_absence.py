"""What is unseen is deleted only by the rule: two complete lists, two looks by id, another id that answers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.core.absence import SMALL, Suspects, gone, listed

ALL = [f"id{number}" for number in range(100)]


def test_absence_from_one_list_asks_nothing() -> None:
    found = listed(Suspects(former=100), ALL, ALL[1:])
    assert (set(found.ask), set(found.missing)) == (set(), {"id0"})
    assert listed(found.next, ALL, ALL[1:]).ask == {"id0"}


def test_absence_must_be_of_two_lists_in_a_row() -> None:
    first = listed(Suspects(former=100), ALL, ALL[1:])
    back = listed(first.next, ALL, ALL)
    assert listed(back.next, ALL, ALL[1:]).ask == frozenset()


def test_absence_from_a_list_that_shrank_is_not_believed() -> None:
    first = listed(Suspects(former=100), ALL, ALL[10:])
    assert (set(first.ask), set(first.missing), first.next) == (set(), set(ALL[:10]), Suspects(former=100))
    assert listed(first.next, ALL, []).ask == frozenset()
    assert listed(Suspects(former=100), ALL, ALL[5:]).next.ids == set(ALL[:5])  # 95 of 100 is enough


def test_absence_of_few_rows_is_left_to_the_look_by_id() -> None:
    few = ALL[: SMALL - 1]
    first = listed(Suspects(former=len(few)), few, few[5:])
    assert listed(first.next, few, few[5:]).ask == set(few[:5])


def test_gone_needs_two_looks_and_another_that_answers() -> None:
    assert gone({"a", "b"}, [], [], another=True) == {"a", "b"}
    assert gone({"a", "b"}, ["a"], [], another=True) == {"b"}
    assert gone({"a", "b"}, [], ["a"], another=True) == {"b"}
    assert gone({"a", "b"}, [], [], another=False) == frozenset()


@given(known=st.frozensets(st.sampled_from(ALL)), lists=st.lists(st.frozensets(st.sampled_from(ALL)), max_size=6))
def test_absence_never_asks_for_what_the_last_two_lists_did_not_both_lack(
    known: frozenset[str], lists: list[frozenset[str]]
) -> None:
    suspects = Suspects()
    for at, there in enumerate(lists):
        found = listed(suspects, known, there)
        assert found.ask <= known - there
        assert at > 0 or not found.ask
        assert not found.ask & lists[at - 1]
        assert found.ask | found.missing >= known - there or not known - there
        suspects = found.next
