"""``python -m benchmarks.fault_cells --seed N``: 5 % of the fault matrix in real time; about 20 minutes.

One JSON line a cell goes to ``--out``; cells that stand there are not run again. A table goes to standard output. The
exit code is 1 when a cell ended otherwise than with one document, equal to the mapping.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.fault_cells.kinds import Cell, drawn, lanes
from benchmarks.fault_cells.lane import Lane
from benchmarks.fault_cells.stage import lanes_of


async def run(cells: Sequence[Cell], folder: Path, out: Path) -> None:
    async with lanes_of(folder, lanes(cells)) as there, asyncio.TaskGroup() as group:
        for lane in there:
            for cell in lane.cells:
                group.create_task(_one(lane, cell, out))


async def _one(lane: Lane, cell: Cell, out: Path) -> None:
    found = json.dumps((await lane.run(cell)).line())
    with out.open("a", encoding="utf-8") as file:
        file.write(found + "\n")
    print(found, file=sys.stderr)


def results(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()] if out.exists() else []


def table(rows: Sequence[dict[str, Any]]) -> str:
    """In Markdown, by kind."""
    lines = ["| cell | kind | fault | away | creates sent | clean after | result |", "|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda one: one["cell"]):
        said = "one, equal" if row["ok"] else "; ".join(row["problems"])
        lines.append(
            f"| {row['cell']} | {row['kind']} | {row['fault']} | {row['delay']} s | {row['calls']} | "
            f"{row['seconds']:.0f} s | {said} |"
        )
    return "\n".join(lines)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m benchmarks.fault_cells", description=__doc__)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--out", type=Path, default=None, help="the report; default: fault-cells-SEED.jsonl")
    asked.add_argument("--only", type=int, nargs="*", default=None, help="numbers of cells")
    asked.add_argument("--keep", type=Path, default=None, help="a new folder for logs and files")
    told = asked.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left running
    out = told.out or Path(f"fault-cells-{told.seed}.jsonl")
    done = {row["cell"] for row in results(out)}
    cells = [one for one in drawn(told.seed) if (one.mark not in done and told.only in (None, [])) or False]
    if told.only:
        cells = [one for one in drawn(told.seed) if one.mark not in done and one.number in told.only]
    with tempfile.TemporaryDirectory(prefix="twinledger-cells-") as scratch:
        if cells:
            asyncio.run(run(cells, told.keep or Path(scratch) / "run", out))
    rows = results(out)
    print(table(rows))
    return 0 if all(row["ok"] for row in rows) and len(rows) else 1


if __name__ == "__main__":
    os.umask(0o077)
    raise SystemExit(main())
