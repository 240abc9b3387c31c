"""How much of Xero's minute the whole connector uses while people edit without a pause, and whether a call is refused.

    python -m benchmarks.minute --minutes 4 --customers 40 --edits 4

Broker, worker and simulators in real time; the simulator allows 60 calls a minute, in a fixed window and in a rolling
one. People edit customers in Salesforce faster than the minute has calls, each phone of theirs goes to Xero. Calls are
counted from the simulator's log, whole minutes from the first edit on; the first is left out: what was free before it
counts there.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from benchmarks.load import End, at_rate, customers, number_of_phone, phone
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, stage

LIMIT = 60
PATIENCE = 300.0
ACCOUNTING = "/api.xro/"
Window = Literal["fixed", "rolling"]


@dataclass(frozen=True, slots=True)
class Used:
    """Calls that were answered in each whole minute but the first, and those that were refused at any time."""

    window: Window
    minutes: tuple[int, ...]
    refused: int
    writes: int

    @property
    def part(self) -> float:
        return sum(self.minutes) / (LIMIT * len(self.minutes))


def used(window: Window, requests: Sequence[Json], began: datetime, minutes: int) -> Used:
    """From the log of a simulator."""
    calls = [one for one in requests if one["path"].startswith(ACCOUNTING)]
    answered = [one for one in calls if one["status"] != 429]
    at = Counter((datetime.fromisoformat(one["at"]) - began) // timedelta(minutes=1) for one in answered)
    writes = sum(one["method"] != "GET" and datetime.fromisoformat(one["at"]) >= began for one in answered)
    return Used(window, tuple(at[minute] for minute in range(1, minutes)), len(calls) - len(answered), writes)


async def measured(window: Window, minutes: int, number: int, edits: float) -> Used:
    """One window."""
    with tempfile.TemporaryDirectory(prefix="twinledger-minute-") as folder:
        async with stage(Path(folder), mappings=shipped_mappings(), poll_seconds=5, calls_per_minute=LIMIT) as scene:
            await scene.xero.call("POST", "/__sim/limits", {"window": window})
            await scene.begin()
            accounts = await customers(scene, number, PATIENCE)
            began = datetime.fromisoformat((await scene.xero.requests())[-1]["at"])
            source = End(scene.salesforce, "Account", phone, number_of_phone)
            await at_rate(source, accounts, 1, round(minutes * 60 * edits), edits)
            return used(window, await scene.xero.requests(), began, minutes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 1 where less than 95 % were used, or a call was refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.minute", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=int, default=4)
    parser.add_argument("--customers", type=int, default=40)
    parser.add_argument("--edits", type=float, default=4.0, help="a second")
    parser.add_argument("--window", choices=["fixed", "rolling"])
    given = parser.parse_args(arguments)
    windows: tuple[Window, ...] = (given.window,) if given.window else ("fixed", "rolling")
    good = True
    print("| window | calls of each minute | of 60 | 429 | writes |\n|---|---|---|---|---|")
    for window in windows:
        one = asyncio.run(measured(window, given.minutes, given.customers, given.edits))
        each = ", ".join(map(str, one.minutes))
        print(f"| {window} | {each} | {one.part:.1%} | {one.refused} | {one.writes} |", flush=True)
        good = good and one.part >= 0.95 and one.refused == 0
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
