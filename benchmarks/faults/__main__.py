"""``python -m benchmarks.faults``: the connector as two workers, 300 changes, every fault; a verdict.

Prints one JSON line on stdout and a table on stderr; the exit code is 1 when the judge has found anything.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.faults.campaign import Campaign, Plan
from benchmarks.faults.judge import Verdict
from benchmarks.faults.targeted import STORIES, told
from benchmarks.faults.theatre import CONNECTIONS, theatre


async def campaign(seed: int, plan: Plan, folder: Path, connections: int) -> tuple[Verdict, dict[str, Any]]:
    """One run; gives the verdict and the figures."""
    began = time.monotonic()
    async with (
        theatre(folder / f"run{seed}", seed, CONNECTIONS[:connections]) as scene,
        scene.crew(plan.session) as crew,
    ):
        await scene.opened()
        run = Campaign(scene, crew, plan, random.Random(seed))
        run.say("every mapping is open")
        verdict = await run.run()
        owners = await scene.owners()
        figures = {
            "seed": seed, "clean": verdict.clean, "edits": verdict.edits, "records": verdict.records,
            "doubled": len(verdict.doubled), "lost": len(verdict.lost), "wrong": len(verdict.wrong),
            "faults": dict(run.done), "ends": dict(crew.ends),
            "takeovers": sum(len(epochs) for epochs in owners.values()),
            "moves": sum(_moves(epochs, crew.pids) for epochs in owners.values()),
            "clock_ahead": scene.ahead, "seconds": round(time.monotonic() - began),
        }  # fmt: skip
    return verdict, figures


def _moves(epochs: list[tuple[int, str]], pids: dict[int, str]) -> int:
    """How often the partition went from one worker to the other; a worker that comes back is the same one."""
    names = [pids.get(int(owner.rpartition(":")[2]), owner) for _, owner in epochs]
    return sum(before != after for before, after in itertools.pairwise(names))


async def broken(guard: str, folder: Path) -> int:
    """A guard's story with the guard, which must end well, and without it, which must not."""
    lines = []
    for without in (False, True):
        verdict, ends = await told(guard, folder / f"{'without' if without else 'with'}-{guard}", without=without)
        found = [*verdict.doubled, *verdict.lost, *verdict.wrong]
        lines.append({"guard": guard, "there": not without, "clean": verdict.clean, "found": found, "ends": ends})
        sys.stdout.write(json.dumps(lines[-1]) + "\n")
    return 0 if lines[0]["clean"] and not lines[1]["clean"] else 1


def show(verdict: Verdict, figures: dict[str, Any]) -> None:
    rows = [f"{name:12} {value}" for name, value in figures.items()]
    rows += [f"{kind}: {text}" for kind, found in asdict(verdict).items() if isinstance(found, list) for text in found]
    sys.stderr.write("\n".join(rows) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--ends", type=int, default=10, help="SIGTERMs")
    parser.add_argument("--freezes", type=int, default=7, help="SIGSTOPs at any moment")
    parser.add_argument("--placed", type=int, default=4, help="SIGSTOPs between announced and sent")
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--session", type=float, default=8.0, help="the group's session timeout in seconds")
    parser.add_argument("--arrive", type=float, default=420.0, help="seconds for everything to arrive in the end")
    parser.add_argument("--connections", type=int, default=len(CONNECTIONS))
    parser.add_argument("--keep", type=Path, help="a folder for logs and ledger, kept")
    parser.add_argument("--without", choices=sorted(STORIES), help="tell a guard's story with it and without it")
    asked = parser.parse_args()
    plan = Plan(
        asked.changes, asked.kills, asked.ends, asked.freezes, asked.placed, asked.brokers, asked.session,
        asked.arrive,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="twinledger-faults-") as temporary:
        folder = asked.keep or Path(temporary)
        if asked.without:
            return asyncio.run(broken(asked.without, folder))
        verdict, figures = asyncio.run(campaign(asked.seed, plan, folder, asked.connections))
    show(verdict, figures)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main())
