"""``twinledger config show``: what the deployment runs with, secrets masked, and where each value came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import SecretStr
from rich.text import Text

from connector.cli.options import DEFAULT_CONFIG, Config, Format, Output, settings_of
from connector.cli.printing import show, table
from connector.observe.masking import HIDDEN, Mask

PREFIX = "TWINLEDGER_"

app = typer.Typer(no_args_is_help=True, help="The configuration file, the environment, and what they make together.")


@app.command("show")
def show_config(config: Config = DEFAULT_CONFIG, output: Output = Format.TABLE) -> None:
    """Show every value and where it came from. Secrets are masked."""
    settings = settings_of(config)
    values = dict(flat(settings.model_dump()))
    written = dict(flat(yaml.safe_load(config.read_bytes())))
    told = environment(os.environ)
    rows = [(name, masked(value), source_of(name, written, told)) for name, value in values.items()]
    data = [{"name": name, "value": value, "source": source} for name, value, source in rows]
    lines = [
        (name, text(value), Text(source, style="dim" if source == "default" else "")) for name, value, source in rows
    ]
    show({"file": str(Path(config).resolve()), "values": data}, output, table(("name", "value", "from"), lines))


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree by its dotted name; lists are numbered from 0."""
    parts: Mapping[Any, Any] | None = None
    if isinstance(value, Mapping):
        parts = value
    elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        parts = dict(enumerate(value))
    if not parts:
        yield name, value
        return
    for key, part in parts.items():
        yield from flat(part, f"{name}.{key}" if name else str(key))


def environment(variables: Mapping[str, str]) -> frozenset[str]:
    """The dotted names that environment variables set (``TWINLEDGER_KAFKA__PREFIX`` → ``kafka.prefix``)."""
    ours = (name[len(PREFIX) :] for name in map(str.upper, variables) if name.startswith(PREFIX))
    return frozenset(name.lower().replace("__", ".") for name in ours)


def source_of(name: str, written: Mapping[str, Any], told: frozenset[str]) -> str:
    """Which source speaks for a value: the environment before the file before the defaults."""
    parts = name.lower().split(".")
    if any(".".join(parts[:length]) in told for length in range(1, len(parts) + 1)):
        return "environment"
    return "file" if name in written else "default"


def masked(value: Any) -> Any:
    """A value that may be shown."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    return Mask().value(value)


def text(value: Any) -> str:
    """A value on one line."""
    if value is None or value == "":
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
