"""``python -m benchmarks.stream_faults``: every fault of the stream, one row each.

One JSON line a row goes to ``--out``; a row that stands there is not repeated. At the end the whole is written as a
table to ``--table``. Exit code 1 when a row lost anything, ended unequal or never came back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.stream_faults.judge import Figures, figures, missing
from benchmarks.stream_faults.report import table
from benchmarks.stream_faults.rows import ROWS, Row
from benchmarks.stream_faults.stand import Stand, stand
from connector.errors import TwinledgerError
from connector.kafka.embedded import EmbeddedKafka
from connector.kafka.jars import cache_directory

COME_SECONDS = 90.0
STEP, SMALL_STEP, STEP_SECONDS = 20, 5, 0.4  # the clock of a row that needs it goes so fast; slowly while it says ready
DRAIN_SECONDS = 3.0  # what has waited comes within this time of the machine, or is waited for
CALM_SECONDS = 1.5
_CODE = re.compile(r"\b[a-z]+\.[a-z]+(-[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Done:
    """One row's outcome."""

    row: Row
    figures: Figures
    reasons: tuple[str, ...]
    seconds: float
    ends: int

    def to_data(self) -> dict[str, Any]:
        row = {"name": self.row.name, "trap": self.row.trap, "what": self.row.what}
        more = {"reasons": self.reasons, "seconds": round(self.seconds), "worker_ends": self.ends}
        return {**row, **self.figures.to_data(), **more}


async def play(row: Row, broker: EmbeddedKafka, folder: Path) -> Done:
    """People work, the fault strikes, people work on, everything comes to rest."""
    began = time.monotonic()
    name = f"{row.name}-{os.getpid()}"
    async with stand(folder, broker, name, row.org, row.worker, row.workers) as scene:
        await scene.edits(8)
        feeding = asyncio.create_task(scene.feed() if row.feeds else asyncio.sleep(0))
        try:
            await row.strike(scene)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        over = scene.now()
        await scene.edits(6)
        await _rest(scene, row)
        found = figures(scene.changes, scene.tape, scene.samples, over, scene.written_twice(), len(scene.unequal()))
        reasons = dict.fromkeys(_code(reason) for one in scene.samples if not one.ready for reason in one.reasons)
        ends = sum(hand.ends for hand in scene.hands.all)
        return Done(row, found, tuple(reasons), time.monotonic() - began, ends)


async def _rest(scene: Stand, row: Row) -> None:
    """Until nothing is missing, both sides are equal and it says ready; the clock helps where a row needs it."""
    loop = asyncio.get_running_loop()
    end, calm, ready = loop.time() + COME_SECONDS, 0.0, 0.0
    while loop.time() < end:
        behind, says = bool(missing(scene.changes, scene.tape)), scene.samples[-1].ready
        ready = ready + STEP_SECONDS if says else 0.0
        if row.clock and not says:
            scene.advance(STEP)
        elif row.clock and behind and ready > DRAIN_SECONDS:
            scene.advance(SMALL_STEP)
        still = behind or not says or scene.unequal()
        calm = 0.0 if still else calm + STEP_SECONDS
        if calm >= CALM_SECONDS:
            return
        await asyncio.sleep(STEP_SECONDS)


def _code(reason: str) -> str:
    found = _CODE.search(reason)
    return found[0] if found is not None else reason[:60]


async def run(rows: list[Row], out: Path, keep: Path | None) -> None:
    """A broker for each row: one that holds the topics of many is slow to come back."""
    for row in rows:
        say(f"{row.name}: {row.what}")
        with tempfile.TemporaryDirectory(prefix="twinledger-stream-") as scratch:
            folder = keep / row.name if keep is not None else Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                async with EmbeddedKafka() as broker:
                    done = (await play(row, broker, folder)).to_data()
            except TwinledgerError as error:
                say(f"{row.name} was not played to its end: {error}")
                continue
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done) + "\n")
        say(json.dumps(done))


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def bad(row: dict[str, Any]) -> bool:
    return bool(row["lost"] or row["unequal"] or row["recovered"] is None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream_faults", description=__doc__)
    parser.add_argument("--out", type=Path, default=cache_directory() / "stream-faults.jsonl")
    parser.add_argument("--table", type=Path, help="write the table of all rows here")
    parser.add_argument("--only", default="", help="rows whose name begins so; with commas, several")
    parser.add_argument("--keep", type=Path, help="keep logs and stores in this folder")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    known = _read(options.out)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what a fresh topic says until it has a leader
    wanted = tuple(one for one in options.only.split(",") if one)
    rows = [row for row in ROWS if row.name not in known and (not wanted or row.name.startswith(wanted))]
    if rows:
        asyncio.run(run(rows, options.out, options.keep))
    found = _read(options.out)
    lines = [found[row.name] for row in ROWS if row.name in found]
    if options.table is not None:
        options.table.write_text(table(lines), "utf-8")
    else:
        sys.stdout.write(table(lines))
    return int(len(lines) < len(ROWS) or any(map(bad, lines)))


def _read(out: Path) -> dict[str, dict[str, Any]]:
    if not out.exists():
        return {}
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return {line["name"]: line for line in lines}


if __name__ == "__main__":
    sys.exit(main())
