"""Data to stdout: a table for people or JSON for programs. What is not data goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connector.cli.options import Format
from connector.errors import TwinledgerError

_WIDE = 220  # a pipe has no width: nothing is cut for `grep`


def console(stream: TextIO | None = None) -> Console:
    """A console on stdout (or another stream) as it is at this moment; wide and plain where nobody looks."""
    stream = stream or sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else _WIDE,
        highlight=False,
        soft_wrap=False,
        emoji=False,
        markup=False,
    )


def show(data: Any, output: Format, table: Table | Sequence[Table | str]) -> None:
    """Writes data in the asked form."""
    if output is Format.JSON:
        sys.stdout.write(to_json(data) + "\n")
        return
    out = console()
    for part in table if isinstance(table, Sequence) else (table,):
        out.print(part)


def note(text: str) -> None:
    """One line for the person at the terminal, on stderr."""
    console(sys.stderr).print(text, soft_wrap=True)


def money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", right: str = "") -> Table:
    """A table without frames. ``right`` names columns of numbers; a cell may be a ``Text`` of its own colour."""
    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for name in columns:
        numeric = name in right.split()
        made.add_column(name.upper(), justify="right" if numeric else "left", overflow="fold", header_style="dim")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return made


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values, one below the other."""
    made = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return made


def ask(question: str) -> None:
    """Goes on when the person says so. Where nobody can be asked, ``--yes`` must have been given."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody can be asked here: add --yes.")
    typer.confirm(question, abort=True, err=True)


_COLOURS: Mapping[str, str] = {
    "clean": "green", "ok": "green", "dirty": "cyan", "in-flight": "cyan", "blocked": "yellow", "warning": "yellow",
    "unknown": "yellow", "failed": "red", "conflict": "magenta", "dead-letter": "red", "missing": "red", "ended": "dim",
}  # fmt: skip


def coloured(word: str) -> Text:
    """A state in its colour; without colours the word says the same."""
    return Text(word, style=_COLOURS.get(word, ""))


def ago(then: datetime | None, now: datetime) -> str:
    """``42 s``, ``3 min``, ``5 h``, ``12 d``."""
    if then is None:
        return "never"
    seconds = max(int((now - then).total_seconds()), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def to_json(data: Any) -> str:
    """One JSON document; indented where a person looks at it."""
    return json.dumps(data, default=_plain, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)


def report(error: TwinledgerError, output: Format = Format.TABLE) -> None:
    """What happened, what to do, the code: on stderr."""
    if output is Format.JSON:
        said: dict[str, Any] = {"error": _said(error)}
        if error.others:
            said["others"] = [_said(one) for one in error.others]
        sys.stderr.write(json.dumps(said, ensure_ascii=False) + "\n")
        return
    out = console(sys.stderr)
    for one in (error, *error.others):
        out.print(Text.assemble(("✗ ", "bold red"), one.message), soft_wrap=True)
        if one.remedy:
            out.print(Text.assemble(("  → ", "bold"), one.remedy), soft_wrap=True)
        out.print(Text(f"  {one.code}", style="dim"), soft_wrap=True)


def _said(error: TwinledgerError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "remedy": error.remedy}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date | Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    raise TypeError(f"{type(value).__name__} is no data")
