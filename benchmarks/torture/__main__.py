"""``python -m benchmarks.torture``: the runs that are not in the results file yet, then the table.

Exit code 1 when anything was lost or stalled on the strict core.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.torture.ablation import RULES, pair
from benchmarks.torture.plan import Run, faust_runs, our_runs, smoke_runs
from benchmarks.torture.report import append_row, differences, engine_digest, read_rows, show
from benchmarks.torture.run import carry_out, failed
from connector.kafka.jars import cache_directory


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=__doc__)
    parser.add_argument("--engine", choices=("both", "ours", "faust"), default="both")
    parser.add_argument("--out", type=Path, default=None, help="results file; finished runs in it are not run again")
    parser.add_argument("--only", default="", help="runs whose name contains this")
    parser.add_argument("--smoke", action="store_true", help="two small runs")
    parser.add_argument("--keep", type=Path, default=None, help="keep the workers' logs and stores below this folder")
    parser.add_argument("--without", default="", help=f"rules to take out, with commas between: {', '.join(RULES)}")
    return parser.parse_args()


def _runs(arguments: argparse.Namespace) -> list[Run]:
    if arguments.smoke:
        return smoke_runs()
    runs = faust_runs() if arguments.engine != "ours" else []
    runs += our_runs() if arguments.engine != "faust" else []
    return [run for run in runs if arguments.only in run.name]


async def _carry_out(run: Run, keep: Path | None) -> dict[str, object]:
    folder = keep / run.name if keep is not None else Path(tempfile.mkdtemp(prefix="twinledger-torture-"))
    shutil.rmtree(folder, ignore_errors=True)  # a store of another run would be another test
    try:
        return await carry_out(run, folder)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            shutil.rmtree(folder / "kafka", ignore_errors=True)


def _without(arguments: argparse.Namespace, out: Path) -> int:
    """The same short run with and without a rule; 1 when nobody notices that it is gone."""
    rules = tuple(arguments.without.split(","))
    runs = pair(rules)
    known = {row["run"]: row for row in read_rows(out)}
    rows = []
    for run in runs:
        row = known.get(run.name) if not run.without else None
        if row is None:
            print(f"{run.name} ...", flush=True)
            row = asyncio.run(_carry_out(run, arguments.keep)) | {"engine_sources": engine_digest()}
            append_row(out, row)
        rows.append(row)
    show(rows)
    told = differences(*rows)
    print(f"without {', '.join(rules)} ({'; '.join(RULES[rule].holds for rule in rules)}): {told or 'nothing noticed'}")
    return int(not told)


def main() -> int:
    """The command line."""
    arguments = _arguments()
    if arguments.without:
        return _without(arguments, arguments.out or cache_directory() / "torture-without.jsonl")
    out = arguments.out or cache_directory() / ("torture-smoke.jsonl" if arguments.smoke else "torture.jsonl")
    if arguments.smoke:
        out.unlink(missing_ok=True)
    runs = _runs(arguments)
    finished = {row["run"] for row in read_rows(out)}
    for run in runs:
        if run.name in finished:
            continue
        print(f"{run.name} ...", flush=True)
        row = asyncio.run(_carry_out(run, arguments.keep)) | {"engine_sources": engine_digest()}
        append_row(out, row)
        show([row])
    wanted = {run.name for run in runs}
    rows = [row for row in read_rows(out) if row["run"] in wanted]
    show(rows)
    return int(any(failed(row) for row in rows if row["engine"] == "ours"))


if __name__ == "__main__":
    sys.exit(main())
