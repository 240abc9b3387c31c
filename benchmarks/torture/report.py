"""The results file, one JSON line a run, and its table."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.torture.run import failed

_COLUMNS = (
    "events", "kills", "pauses", "broker", "lost", "unprocessed", "table_lost", "last_lost", "regressions",
    "duplicates", "stalls", "longest_idle", "seconds",
)  # fmt: skip


def engine_digest() -> str:
    """Which engine a run was made with: a hash of its sources."""
    folder = Path(__file__).parents[2] / "streams" / "engine"
    whole = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(whole).hexdigest()[:10]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All runs that are in the file; a run that stands there twice counts as it was last."""
    if not path.exists():
        return []
    rows = (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip())
    return list({row["run"]: row for row in rows}.values())


def append_row(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def show(rows: Iterable[dict[str, Any]]) -> None:
    """A line a run, and the fail-over times over all of an engine's kills."""
    rows = list(rows)
    table = Table("run", *(name.replace("_", " ") for name in _COLUMNS), "own exits", "fail-over med/max s", "load", "")
    for row in rows:
        times = row["fail_overs"]
        spread = f"{statistics.median(times):.1f}/{max(times):.1f}" if times else "-"
        exits = " ".join(f"{code}:{count}" for code, count in row["exits"].items())
        verdict = "FAILED" if failed(row) else "ok"
        table.add_row(
            row["run"], *(str(row[name]) for name in _COLUMNS), exits, spread, str(row.get("load", "")), verdict
        )
    console = Console(width=220)
    console.print(table)
    for engine in sorted({row["engine"] for row in rows}):
        console.print(_summary(engine, [row for row in rows if row["engine"] == engine]))


def differences(whole: dict[str, Any], without: dict[str, Any]) -> str:
    """What a run without a rule shows that the same run with all rules does not; duplicates and times do not count."""
    names = ("lost", "unprocessed", "table_lost", "last_lost", "regressions", "stale", "holes", "stalls")
    worse = [f"{without[name]} {name.replace('_', ' ')}" for name in names if without[name] > whole[name]]
    found = without["exits"].items()
    worse += [f"{count} exits {code}" for code, count in found if count > whole["exits"].get(code, 0)]
    return ", ".join(worse)


def _summary(engine: str, rows: list[dict[str, Any]]) -> str:
    bad = sum(failed(row) for row in rows)
    static = [time for row in rows if row["static"] and row["kind"].startswith("kill") for time in row["fail_overs"]]
    median = f"{statistics.median(static):.1f} s median of {len(static)}" if static else "none"
    counts = ", ".join(f"{sum(row[name] for row in rows)} {name.replace('_', ' ')}" for name in _COLUMNS[1:-3])
    return f"{engine}: {len(rows)} runs, {bad} failed; {counts}; killed and restarted with an instance id: {median}"
