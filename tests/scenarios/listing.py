"""The scenarios by the rows of the product, with their results; and what the stages came to.

The sentence is the test's docstring, or its name. With ``--list FILE`` the page is written from the run itself.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

FIGURES = "TWINLEDGER_SCENARIO_FIGURES"  # the file of the run: processes beside each other write into one
ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Metadata, products and items", ("metadata_and_products", "choices_picked", "prices_both_ways")),
    ("Accounts and contacts", (
        "two_way_account_contact", "person_accounts", "contact_persons", "merged_contacts", "gap_and_merged_events",
        "deletion",
    )),
    ("Xero's invoices in Salesforce", ("mirror_lines", "mirror_payments", "webhook_to_kafka")),
    ("Opportunities to invoices, and back", (
        "invoice_lines", "payment_status", "lost_and_won_again", "several_documents",
        "invoices_that_change", "sync_state",
    )),
    ("Any object to any entry", ("expense_to_bill", "any_entry", "below_documents")),
    ("Orders of a shop", ("shop_orders", "shop_orders_both_ways")),
    ("Organisations and currencies", ("two_companies", "many_currencies")),
    ("Mappings that a stranger wrote", ("strangers",)),
    ("When things break", ("faults",)),
)  # fmt: skip
ROW_OF = {stem: row for row, stems in ROWS for stem in stems}
HEAD = """# Scenarios

What the product promises, as tests that run over real Kafka and both simulators (`tests/scenarios/`). At the end of
every stage an auditor looks at both simulators: all links at rest, one document of each, the money of both ends equal
to the cent; then all topics are read again, which must ask for nothing. This page is written by `make scenarios` from a
run. `make scenarios-cut SEED=1` plays them with calls that are cut after the commit at random. Going live and replay
from the command line are shown by `tests/integration/test_cli_going_live.py`, `test_promoted.py`, `test_replay.py` and
`test_replay_over_topics.py` there.
"""


@dataclass(slots=True, eq=False)
class Listing:
    """A pytest plugin: in a worker it says what each test is, in the main process it hears how it went."""

    figures: Path
    file: str
    results: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    @staticmethod
    def of(config: pytest.Config) -> Listing:
        if FIGURES not in os.environ:
            handle, os.environ[FIGURES] = tempfile.mkstemp(prefix="scenario-figures-", suffix=".jsonl")
            os.close(handle)
        return Listing(Path(os.environ[FIGURES]), str(config.getoption("--list", default="")))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.user_properties += [("scenario", item.path.name), ("sentence", _sentence(item))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = dict(report.user_properties)
        if "scenario" not in said:
            return
        of = self.results[report.nodeid]
        of |= {"file": str(said["scenario"]), "sentence": str(said["sentence"])}
        if report.outcome != "passed" or "result" not in of:
            of["result"] = report.outcome

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if hasattr(config, "workerinput"):
            return
        rows = [json.loads(line) for line in self.figures.read_text("utf-8").splitlines()]
        terminalreporter.section("stages")
        lines = list(summed(rows, len(self.results)))
        for line in lines:
            terminalreporter.write_line(line)
        self.figures.unlink()
        os.environ.pop(FIGURES, None)
        if self.file:
            Path(self.file).write_text(page(list(self.results.values()), lines[-1]), "utf-8")


def _sentence(item: pytest.Item) -> str:
    """``test_a_deal_is_billed[two]`` → "a deal is billed (two)"; a docstring's first paragraph where there is one."""
    doc = getattr(getattr(item, "function", None), "__doc__", None)
    name, _, which = item.name.partition("[")
    said = " ".join(doc.strip().split("\n\n")[0].split()) if doc else name.removeprefix("test_").replace("_", " ")
    return said.rstrip(".") + (f" ({which.rstrip(']')})" if which else "")


def summed(rows: Sequence[dict[str, Any]], scenarios: int) -> Iterator[str]:
    """A line for each stage, and one for the run."""
    for row in rows:
        yield (
            f"{row['stage']}: {row['documents']} documents, {row['fields']} money fields, difference "
            f"{row['difference']}; {row['kept']} kept, doubles {row['doubles']}, reviews {row['reviews']}, "
            f"cuts {row['cuts']}"
        )
    whole = {name: sum(row[name] for row in rows) for name in ("cuts", "kept", "doubles", "documents", "fields")}
    difference = sum((Decimal(row["difference"]) for row in rows), Decimal("0.00"))
    yield (
        f"{scenarios} scenarios on {len(rows)} stages: {whole['documents']} documents with {whole['fields']} money "
        f"fields compared, Σ|difference| = {difference}; {whole['kept']} kept documents, doubles {whole['doubles']}, "
        f"cuts {whole['cuts']}."
    )


def page(results: Sequence[dict[str, str]], figures: str) -> str:
    """The list as Markdown."""
    parts = [HEAD, f"The last run: {figures}\n"]
    by_row: dict[str, list[dict[str, str]]] = defaultdict(list)
    for one in results:
        by_row[ROW_OF.get(one["file"].removeprefix("test_").removesuffix(".py"), "Beside these")].append(one)
    for row in (*(row for row, _ in ROWS), "Beside these"):
        if row not in by_row:
            continue
        parts.append(f"## {row}\n\n| scenario | file | result |\n|---|---|---|")
        found = sorted(by_row[row], key=lambda one: one["file"])
        parts[-1] += "".join(f"\n| {_cell(one['sentence'])} | `{one['file']}` | {one['result']} |" for one in found)
        parts[-1] += "\n"
    return "\n".join(parts)


def _cell(text: str) -> str:
    return (text[:1].upper() + text[1:]).replace("|", "\\|")
