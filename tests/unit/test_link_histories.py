"""Generated histories of several links: whatever people, faults and delays do, what comes to rest is right.

``FOLD_HISTORIES`` sets how many (10,000 in the suite). A failing history prints its seed; ``History(seed).run()`` lives
it again.
"""

from __future__ import annotations

import os

import pytest

from connector.core.link import state
from connector.core.link_state import State
from tests.unit.fold_history import History

HISTORIES = int(os.environ.get("FOLD_HISTORIES", "10000"))
PARTS = 10
CALM = HISTORIES // 5
CALM_SEEDS = 10_000_000


@pytest.mark.timeout(0 if HISTORIES > 10_000 else 120)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_history_converges_and_writes_once(part: int) -> None:
    for seed in range(part * HISTORIES // PARTS, (part + 1) * HISTORIES // PARTS):
        History(seed).run()


def test_without_faults_no_write_is_in_vain() -> None:
    """No echo: each edit causes at most one write, each record at most a birth, an approval and a farewell more."""
    for seed in range(CALM_SEEDS, CALM_SEEDS + CALM):
        history = History(seed, calm=True)
        driver = history.run()
        if any(code == "link.oscillates" for code in (link.code for link in driver.links.values())):
            continue
        bound = history.world.edits + 3 * len(driver.links) + history.decisions
        assert history.world.writes <= bound, f"history {seed}: {history.world.writes} writes, at most {bound}"


def test_the_histories_reach_every_state() -> None:
    """What the histories show is worth something only if they come to the places where it is hard."""
    seen = {"lost", "conflict", "ended", "failed", "clean"}
    for seed in range(400):
        driver = History(seed).run()
        seen -= {"lost"} if any(type(event).__name__ == "Unknown" for _, event in driver.log) else set()
        for link in driver.links.values():
            shown = state(link, driver.mapping(link.id).rules)
            seen -= {shown.value} if shown is not State.BLOCKED else set()
    assert not seen
