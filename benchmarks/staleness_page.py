"""The figures of ``benchmarks.staleness`` as a table and a drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, ROW, LEFT, RIGHT, TOP = 760, 26, 210, 70, 54
COLUMNS = (
    "a day of", "changes", "p50", "p95", "worst", "calls", "refused", "MB", "calls a change", "bytes a change", "lost",
)  # fmt: skip
TITLE = "From a change in Xero to its record: half of all (dark), 95 of 100 (light)"
FONT = 'font-family="sans-serif"'
TICKS = (1, 10, 60, 600, 3600)


@dataclass(frozen=True, slots=True)
class Scan:
    """The first reading of everything. ``seconds`` of simulated time, ``real`` of this machine's."""

    records: int
    calls: int
    size: int
    seconds: float
    real: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One simulated day. ``p50``, ``p95``, ``worst`` are seconds from a change to its record; ``waiting`` changes were
    not known when it ended, ``lost`` not even after one more poll. ``refused``: how often polls were told to pause."""

    tier: int
    hooks: bool
    hours: float
    calls: int
    size: int
    edits: int
    changes: int
    p50: float
    p95: float
    worst: float
    waiting: int
    lost: int
    refused: int
    intervals: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.tier:,} calls a day, {'webhooks' if self.hooks else 'polls alone'}"


def quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else math.nan


def page(scan: Scan, found: Sequence[Outcome], invoices: int, contacts: int, seconds: float) -> str:
    """Markdown."""
    each = scan.size / max(scan.records, 1)
    rows = [
        f"First scan of {invoices:,} invoices and {contacts:,} contacts: {scan.calls} calls, {scan.size / 1e6:,.0f} MB",
        f"({each:,.0f} bytes a record), {scan.seconds / 60:.1f} minutes of simulated time: the minute's limit.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
        *(_row(one) for one in found),
    ]
    rows += ["", "Intervals at the end of each day, as the plan had them; with webhooks the gap between two pokes:", ""]
    names = list(found[0].intervals) if found else []
    rows += ["| a day of | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    rows += [f"| {one.name} | " + " | ".join(span(one.intervals[name]) for name in names) + " |" for one in found]
    return "\n".join([*rows, "", f"{seconds / 60:.1f} minutes of one core.", ""])


def _row(one: Outcome) -> str:
    edits = max(one.edits, 1)
    parts = [
        one.name, f"{one.edits:,}", span(one.p50), span(one.p95), span(one.worst), f"{one.calls:,}", str(one.refused),
        f"{one.size / 1e6:,.0f}", f"{one.calls / edits:.3f}", f"{one.size / edits:,.0f}", str(one.lost),
    ]  # fmt: skip
    return f"| {' | '.join(parts)} |"


def span(seconds: float) -> str:
    """A person's words for a time."""
    if math.isnan(seconds):
        return "-"
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.1f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def plot(found: Sequence[Outcome]) -> str:
    """p50 (dark) and p95 (light) of each run, on a logarithmic scale, as SVG."""
    height, most = TOP + ROW * 2 * len(found) + 40, max([3600.0, *(one.p95 for one in found)])

    def at(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(max(seconds, 1)) / math.log10(most)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT} font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="14">{TITLE}</text>',
    ]
    for tick in TICKS:
        out.append(f'<line x1="{at(tick):.0f}" x2="{at(tick):.0f}" y1="{TOP - 10}" y2="{height - 30}" stroke="#ddd"/>')
        out.append(f'<text x="{at(tick):.0f}" y="{height - 12}" text-anchor="middle">{span(tick)}</text>')
    for number, one in enumerate(found):
        y = TOP + number * 2 * ROW
        out.append(f'<text x="12" y="{y + 22}">{one.name}</text>')
        for row, (value, fill) in enumerate(((one.p50, "#13b5ea"), (one.p95, "#b8e6f7"))):
            top = y + row * 20
            out.append(
                f'<rect x="{LEFT}" y="{top}" width="{max(at(value) - LEFT, 1):.0f}" height="18" fill="{fill}"/>'
                f'<text x="{at(value) + 6:.0f}" y="{top + 13}">{span(value)}</text>'
            )
    return "\n".join([*out, "</svg>", ""])
