"""``twinledger review``: what needs a person, and what that person decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from connector.cli.options import (
    DEFAULT_CONFIG,
    Config,
    Connection,
    DryRun,
    Format,
    Output,
    Yes,
    settings_of,
)
from connector.cli.printing import ago, ask, coloured, note, pairs, show, table
from connector.cli.signals import Signal, send
from connector.core.link_decide import DECISIONS
from connector.errors import DataError
from connector.kafka.connection import cluster_of
from connector.store.projection import Projection
from connector.store.rows import Review

app = typer.Typer(no_args_is_help=True, help="Reviews: what failed, is in conflict, or could not be read.")

LETTER_DECISIONS = ("retry", "dismiss")
NEED_VALUE = ("link",)
FINAL = ("end", "dismiss")

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of `review list`, or the whole key.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of `review list`, or whole keys.")]
Code = Annotated[str, typer.Option("--code", metavar="CODE", help="Only reviews with this code.", show_default=False)]
About = Annotated[
    str, typer.Option("--about", metavar="ID", help="Only those of this Salesforce or Xero record.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the oldest first.")]
Value = Annotated[
    str,
    typer.Option("--value", metavar="ID", help="For `link`: the target's id on the other side.", show_default=False),
]
Decision = Annotated[
    str, typer.Argument(help=f"{' | '.join(DECISIONS)}; for a dead letter {' | '.join(LETTER_DECISIONS)}.")
]


@app.command("list")
def list_reviews(
    config: Config = DEFAULT_CONFIG,
    connection: Connection = "",
    code: Code = "",
    about: About = "",
    limit: Limit = 200,
    output: Output = Format.TABLE,
) -> None:
    """List what needs a person, the oldest first."""
    reviews = asyncio.run(_read(config, connection, code, about, limit))
    if not reviews and output is Format.TABLE:
        note("Nothing needs you.")
        return
    show({"reviews": reviews}, output, _listed(reviews))
    if output is Format.TABLE:
        note(f"\n{len(reviews)} open. `twinledger review show ID` tells more.")


@app.command("show")
def show_review(name: Id, config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Show one review: what happened, and what can be decided."""
    (review,) = asyncio.run(_named(config, [name]))
    show({"review": review, "decisions": decisions_for(review)}, output, _shown(review))


@app.command("retry")
def retry_reviews(
    names: Ids = None,
    config: Config = DEFAULT_CONFIG,
    connection: Connection = "",
    code: Code = "",
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Look and try again: after the cause was mended. Several ids, or all with --code."""
    if bool(names) == bool(code):
        raise typer.BadParameter("name reviews by their ids, or all of a kind with --code")
    reviews = asyncio.run(_named(config, names) if names else _read(config, connection, code, "", 10_000))
    _send(config, reviews, [signal_for(review, "retry", "") for review in reviews], dry_run, output)


@app.command("decide")
def decide_review(
    name: Id,
    decision: Decision,
    value: Value = "",
    config: Config = DEFAULT_CONFIG,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Output = Format.TABLE,
) -> None:
    """Decide one review: which side wins, which object it is, or that it ends."""
    (review,) = asyncio.run(_named(config, [name]))
    signal = signal_for(review, decision, value)
    if decision in FINAL and not (yes or dry_run):
        ask(f"{review.about}: {decision}. This cannot be taken back. Go on?")
    _send(config, [review], [signal], dry_run, output)


def decisions_for(review: Review) -> tuple[str, ...]:
    """What may be decided about a review."""
    return DECISIONS if review.kind == "link" else LETTER_DECISIONS


def signal_for(review: Review, decision: str, value: str) -> Signal:
    """The signal of a decision. Raises DataError (``review.decision``, ``review.value``)."""
    known = decisions_for(review)
    if decision not in known:
        raise DataError(
            "review.decision", f"{decision!r} decides nothing about a {review.kind}.", remedy=f"Use {', '.join(known)}."
        )
    if (decision in NEED_VALUE) != bool(value):
        raise DataError(
            "review.value",
            f"The decision {decision!r} {'needs' if decision in NEED_VALUE else 'takes no'} --value.",
            remedy="Give the target's id with `decide ID link --value ID`.",
        )
    kind = "link.settle" if review.kind == "link" else "deadletter.close"
    return Signal(kind, review.connection, review.key, {"decision": decision, "value": value})


async def _read(config: Path, connection: str, code: str, about: str, limit: int) -> tuple[Review, ...]:
    async with await Projection.open(settings_of(config).store_url, create=False) as projection:
        return await projection.reviews(connection, code, about=about, limit=limit)


async def _named(config: Path, names: Sequence[str]) -> tuple[Review, ...]:
    """Reviews by id or key. Raises DataError (``review.unknown``)."""
    found = []
    async with await Projection.open(settings_of(config).store_url, create=False) as projection:
        for name in dict.fromkeys(names):
            review = await projection.review(name)
            if review is None:
                link = await projection.link(name)
                said = (
                    f"Link {link.document} is {link.state}: nothing to decide."
                    if link
                    else f"No review is named {name}."
                )
                remedy = "See `twinledger review list`; the projection may be a second behind."
                raise DataError("review.unknown", said, remedy=remedy)
            found.append(review)
    return tuple(found)


def _send(config: Path, reviews: Sequence[Review], signals: Sequence[Signal], dry_run: bool, output: Format) -> None:
    if signals and not dry_run:
        asyncio.run(send(cluster_of(settings_of(config).kafka), signals))
    rows = [
        (review.ref, signal.arguments["decision"], review.about, review.code)
        for review, signal in zip(reviews, signals, strict=True)
    ]
    shown: Table | list[str] = table(("id", "decision", "about", "code"), rows) if rows else []
    show({"signals": [each.value() for each in signals], "sent": not dry_run}, output, shown)
    if not signals:
        note("No open review matches.")
    elif dry_run:
        note("Nothing was sent.")
    else:
        note("Sent; the worker carries it out.")


def _listed(reviews: Sequence[Review]) -> Table:
    now = datetime.now(UTC)
    rows = [
        (
            each.ref,
            each.connection,
            each.mapping or "-",
            coloured(each.state),
            each.code,
            each.about,
            ago(each.since, now),
        )
        for each in reviews
    ]
    return table(("id", "connection", "mapping", "state", "code", "about", "for"), rows, right="for")


def _shown(review: Review) -> list[Table | str]:
    rows: list[tuple[str, str | Text]] = [
        ("what happened", Text(review.message, style="bold")),
        ("what to do", review.remedy or "-"),
        ("code", review.code),
        ("state", coloured(review.state)),
        ("since", f"{review.since:%Y-%m-%d %H:%M:%S} UTC, {ago(review.since, datetime.now(UTC))} ago"),
        ("about", review.about),
    ]
    rows += [(name, ", ".join(values)) for name, values in (("fields", review.paths),) if values]
    ends = (("salesforce", review.salesforce_id), ("xero", review.xero_id), ("mapping", review.mapping))
    rows += [(name, value) for name, value in ends if value]
    rows += [("connection", review.connection), ("key", review.key)]
    shown = pairs(rows)
    return [shown, "", f"Decide: twinledger review decide {review.ref} {' | '.join(decisions_for(review))}"]
