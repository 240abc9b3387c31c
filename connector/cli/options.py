"""The options that all commands share, and what the configuration file gives them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector.settings import Settings, load

DEFAULT_CONFIG = Path("twinledger.yaml")


class Format(StrEnum):
    """How data is written to stdout."""

    TABLE = "table"
    JSON = "json"


class Old(StrEnum):
    """What ``apply`` does with links that an earlier text of their mapping made."""

    KEEP = "keep"  # they go on by that text
    MOVE = "move"  # they follow the new one, when their records change


Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="TWINLEDGER_CONFIG", metavar="FILE", help="The configuration file."),
]
Output = Annotated[
    Format, typer.Option("--output", "-o", envvar="TWINLEDGER_OUTPUT", help="A table for people, JSON for programs.")
]
Connection = Annotated[
    str, typer.Option("--connection", metavar="NAME", help="Only this connection.", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def settings_of(config: Path) -> Settings:
    """The settings of a command. Raises ConfigurationError."""
    return load(config)
