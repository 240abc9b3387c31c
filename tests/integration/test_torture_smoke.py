"""A small torture run: two workers, kills, the store wiped, on a broker of its own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.torture.plan import smoke_runs
from benchmarks.torture.run import carry_out, failed


async def test_kills_with_a_backlog_lose_nothing(tmp_path: Path) -> None:
    run = smoke_runs()[-1]
    row = await carry_out(run, tmp_path)
    assert not failed(row), row
    assert (row["events"], row["kills"] >= run.faults, row["holes"]) == (run.events, True, 0)
    assert row["fail_overs"]
