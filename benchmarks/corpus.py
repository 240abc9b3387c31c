"""``python -m benchmarks.corpus DIR``: recorded and published messages of both systems through the product's own code.

Every message is taken, or refused for a reason that holds (``corpus_verdict.REASONS``). Exit 0 when nothing is
unexplained, 3 when something is, 69 when the messages are not there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.corpus_lines import Line, lines
from benchmarks.corpus_money import Sum, sums
from benchmarks.corpus_rest import rest
from benchmarks.corpus_salesforce import cdc, stream
from benchmarks.corpus_shapes import known
from benchmarks.corpus_verdict import REASONS, REFUSED, TAKEN, UNEXPLAINED, Case, Refused, Wrong, explain
from benchmarks.corpus_wire import Difference, compare
from benchmarks.corpus_xero import xero
from connector.errors import TwinledgerError
from connector.kafka.codec import Codec

UNEXPLAINED_EXIT = 3
Handler = Callable[[Line], list[str]]


def run(found: Sequence[Line]) -> list[Case]:
    """The fate of every message."""
    codec = Codec()
    described = known(found)
    table: dict[str, Handler] = {
        "salesforce/cdc-events.jsonl": lambda line: cdc(line, codec),
        "salesforce/cdc-derived.jsonl": lambda line: cdc(line, codec),
        "salesforce/bayeux.jsonl": lambda line: stream(line, codec),
        "salesforce/bayeux-derived.jsonl": lambda line: stream(line, codec),
        "salesforce/rest.jsonl": lambda line: rest(line, codec, described),
        "xero/responses.jsonl": lambda line: xero(line, codec),
    }
    return [judge(line, table[line.file]) for line in found]


def judge(line: Line, handler: Handler) -> Case:
    """One message through its handler. What the product raises beside its own errors is never explained."""
    try:
        return Case(line, TAKEN, steps=tuple(handler(line)))
    except Refused as refused:
        reason = explain(line, refused.code, refused.said)
        return Case(line, REFUSED if reason else UNEXPLAINED, reason, f"{refused.code}: {refused.said}")
    except Wrong as wrong:
        return Case(line, UNEXPLAINED, said=f"wrong: {wrong}")
    except (TwinledgerError, ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        return Case(line, UNEXPLAINED, said=f"{type(error).__name__}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directory", help="where salesforce/*.jsonl and xero/*.jsonl are")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--without-simulators", action="store_true", help="leave out the comparison of wire formats")
    given = parser.parse_args(arguments)
    if not given.directory or not Path(given.directory).is_dir():
        sys.stderr.write(f"There is no directory {given.directory!r} of recorded messages: make corpus DIR=...\n")
        return 69
    try:
        found = list(lines(Path(given.directory)))
        cases, money = run(found), sums(found)
        wire = [] if given.without_simulators else asyncio.run(compare(found))
    except TwinledgerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    bad = unexplained(cases, money, wire)
    if given.output == "json":
        print(json.dumps(summary(cases, money, wire), indent=2, ensure_ascii=False))
    else:
        show(cases, money, wire)
    return UNEXPLAINED_EXIT if bad else 0


def unexplained(cases: Sequence[Case], money: Sequence[Sum], wire: Sequence[Difference]) -> int:
    """How many findings have no reason."""
    open_cases = sum(case.fate == UNEXPLAINED for case in cases)
    return open_cases + sum(not one.exact for one in money) + sum(not one.reason for one in wire)


def show(cases: Sequence[Case], money: Sequence[Sum], wire: Sequence[Difference]) -> None:
    """The tables, for a person."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for case in cases:
        counts.setdefault((case.line.file, case.line.kind), Counter())[case.fate] += 1
    print(f"{'file':34} {'kind':42} {'taken':>6} {'refused':>8} {'unexplained':>12}")
    for (file, kind), count in sorted(counts.items()):
        print(f"{file:34} {kind:42} {count[TAKEN]:6} {count[REFUSED]:8} {count[UNEXPLAINED]:12}")
    total = Counter(case.fate for case in cases)
    print(f"{'all':34} {len(cases):<42} {total[TAKEN]:6} {total[REFUSED]:8} {total[UNEXPLAINED]:12}")
    print("\nRefused, and why that holds")
    for key, reason in REASONS.items():
        of_it = [case for case in cases if case.reason == key]
        if of_it:
            print(
                f"  {len(of_it):4}  {key}: {reason.sentence}\n        such as {_where(of_it[0])}: {of_it[0].said[:150]}"
            )
    _show_money(money)
    _show_wire(wire)
    left = [case for case in cases if case.fate == UNEXPLAINED]
    for case in left:
        print(f"UNEXPLAINED {_where(case)}: {case.said[:400]}")


def _show_money(money: Sequence[Sum]) -> None:
    exact = sum(one.exact for one in money)
    print(f"\nTotals of documents computed by money.totals: {exact} of {len(money)} to the cent")
    for one in money:
        if not one.exact:
            print(f"  UNEXPLAINED {one.document}: {one.said}")


def _show_wire(wire: Sequence[Difference]) -> None:
    print(f"\nThe simulators' wire format beside the recorded one: {len(wire)} differences")
    for one in wire:
        print(f"  {one.entity}.{one.path}: {one.said}: {one.reason or 'UNEXPLAINED'}")


def _where(case: Case) -> str:
    return f"{case.line.file}:{case.line.number} ({case.line.kind})"


def summary(cases: Sequence[Case], money: Sequence[Sum], wire: Sequence[Difference]) -> dict[str, Any]:
    """The same as data."""
    fates = Counter(case.fate for case in cases)
    return {
        "messages": len(cases),
        "taken": fates[TAKEN],
        "refused": fates[REFUSED],
        "unexplained": unexplained(cases, money, wire),
        "reasons": {
            key: {"count": sum(case.reason == key for case in cases), "why": reason.sentence}
            for key, reason in REASONS.items()
        },
        "files": {
            file: dict(Counter(case.fate for case in cases if case.line.file == file))
            for file in dict.fromkeys(case.line.file for case in cases)
        },
        "totals": {"documents": len(money), "exact": sum(one.exact for one in money),
                   "others": [f"{one.document}: {one.said}" for one in money if not one.exact]},
        "wire": [
            {"entity": one.entity, "path": one.path, "said": one.said, "reason": one.reason} for one in wire
        ],
        "left": [{"where": _where(case), "said": case.said} for case in cases if case.fate == UNEXPLAINED],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
