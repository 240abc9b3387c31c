"""A test is worth what it catches: each wrong rule in the fold is noticed by the histories or by the exploration.

``python -m benchmarks.fold_mutations`` does the same at length.
"""

from __future__ import annotations

import pytest

from benchmarks.fold_mutations import MUTATIONS, Mutation, caught
from tests.unit.fold_history import History

HISTORIES, EVENTS = 500, 4


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_wrong_rule_is_caught(mutation: Mutation) -> None:
    assert caught(mutation, HISTORIES, EVENTS)


def test_a_mutation_leaves_nothing_behind() -> None:
    caught(MUTATIONS[0], 1, 1)
    for seed in range(20):
        History(seed).run()
