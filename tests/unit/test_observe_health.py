"""Health: what takes a worker out, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.observe.health import Facts, Source, Stop, judge

SECOND = timedelta(seconds=1)
HEARD = Source("acme", "salesforce", "/data/ChangeEvents", 5 * SECOND, 120 * SECOND)
WELL = Facts(started=True, heartbeat=SECOND, assigned=True, sources=(HEARD,))


def test_a_worker_at_work_is_live_and_ready() -> None:
    health = judge(WELL)
    assert (health.live, health.ready, health.reasons) == (True, True, ())


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(WELL, heartbeat=61 * SECOND), "no heartbeat of the engine for 61 s"),
        (replace(WELL, stalled="links.v1/3 at 1042"), "commits stand still: links.v1/3 at 1042"),
    ],
)
def test_what_this_process_cannot_heal_makes_it_dead(facts: Facts, reason: str) -> None:
    health = judge(facts)
    assert (health.live, health.ready, health.reasons) == (False, False, (reason,))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (Facts(), "starting"),
        (replace(WELL, assigned=False), "no partitions are assigned yet"),
        (replace(WELL, catching_up=(0, 3)), "catching up on partitions 0, 3"),
        (replace(WELL, catching_up=tuple(range(11))), "catching up on partitions 0, 1, 2, 3, 4, 5, 6, 7 and 3 more"),
        (replace(WELL, missing=("reads.v1/3",)), "partition missing: reads.v1/3"),
        (
            replace(WELL, sources=(replace(HEARD, heard=121 * SECOND),)),
            "acme: salesforce /data/ChangeEvents has not been heard for 121 s (at most 120 s)",
        ),
        (
            replace(WELL, sources=(replace(HEARD, heard=None),)),
            "acme: salesforce /data/ChangeEvents has not been heard yet",
        ),
        (
            replace(WELL, stopped=(Stop("acme", "Xero is another organisation", "xero.other-organisation"),)),
            "acme stands still: Xero is another organisation [xero.other-organisation]",
        ),
        (
            replace(WELL, unreadable=(Stop("acme", "Salesforce Opportunity"),)),
            "acme cannot read: Salesforce Opportunity",
        ),
    ],
)
def test_what_is_not_being_done_makes_it_unready_and_not_dead(facts: Facts, reason: str) -> None:
    health = judge(facts)
    assert (health.live, health.ready, health.reasons) == (True, False, (reason,))


def test_what_concerns_single_mappings_or_records_is_a_note() -> None:
    notes = ("mapping invoices is over 100 creates a day", "mapping bills is paused", "3 records are missing")
    health = judge(replace(WELL, notes=notes))
    assert (health.ready, health.notes) == (True, notes)
