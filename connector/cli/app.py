"""The command line: nouns, then verbs. stdout is data, stderr is for people.

Exit codes: 0 done, 1 unexpected, 2 usage, 3 differences found, 65 bad data or mapping, 69 something we depend on is
away, 75 try again, 77 credentials, 78 configuration.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from connector.cli import (
    auth,
    auth_salesforce,
    config,
    connection,
    doctor,
    explain,
    links,
    mapping,
    review,
    schemas,
    simulate,
    snapshot,
    statement,
    status,
    topics,
    usage,
)
from connector.cli.group import Commands
from connector.cli.working import LATER

Commands.later = LATER

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local values would show secrets
    rich_markup_mode="rich",
    help="Twinledger: Salesforce and Xero kept in step through Kafka.",
    epilog="Exit codes: 0 done, 1 unexpected, 2 usage, 3 differences, 65 bad data, 69 unavailable, 75 try again, "
    "77 credentials, 78 configuration.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"twinledger {version('twinledger')}")
        raise typer.Exit


@app.callback()
def options(
    _shown: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Twinledger: Salesforce and Xero kept in step through Kafka."""


auth.app.command("salesforce")(auth_salesforce.salesforce)
links.app.command("explain")(explain.explain)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("usage")(usage.usage)
app.command("statement")(statement.statement)
for name, noun in (
    ("topics", topics.app), ("mapping", mapping.app), ("review", review.app), ("links", links.app),
    ("config", config.app), ("connection", connection.app), ("auth", auth.app), ("schemas", schemas.app),
    ("snapshot", snapshot.app), ("simulate", simulate.app),
):  # fmt: skip
    app.add_typer(noun, name=name)
