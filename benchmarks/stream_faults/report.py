"""The rows as a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HEAD = (
    "fault", "trap", "sent", "told", "in Kafka", "read instead", "lost", "came twice", "effects twice",
    "recovered s", "unready s", "readiness told the truth",
)  # fmt: skip


def truth(row: Mapping[str, Any]) -> str:
    """Whether it said ready while a change had been missing for longer than five seconds."""
    silent = float(row["silent"])
    return "yes" if silent == 0 else f"after {silent + 5:.0f} s"


def line(row: Mapping[str, Any]) -> tuple[str, ...]:
    recovered = row["recovered"]
    return (
        str(row["what"]), str(row["trap"]), str(row["sent"]), str(row["told"]), str(row["heard"]), str(row["read"]),
        str(row["lost"]), str(row["twice"]), str(row["effects_twice"]),
        "never" if recovered is None else f"{recovered:.1f}", f"{row['unready']:.1f}", truth(row),
    )  # fmt: skip


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *map(line, rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
