"""The commands that run the connector itself, as the terminal sees them. What they do is loaded when called."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Annotated

import typer

from connector.cli.group import Later
from connector.cli.options import DEFAULT_CONFIG, Config, Format, Output

Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Worker processes to keep alive.")]
Instance = Annotated[str, typer.Option("--instance", metavar="NAME", help="Name of this worker within its group.")]
Keep = Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until Ctrl-C.")]


def demo(output: Output = Format.TABLE, keep: Keep = False) -> None:
    """Play the whole story on this machine: Kafka, both parties simulated, the connector."""
    raise typer.Exit(asyncio.run(import_module("connector.cli.demo").demo(output=output.value, keep=keep)))


def run(config: Config = DEFAULT_CONFIG, workers: Workers = 1) -> None:
    """Run the connector: start workers and start them again when they end. SIGTERM drains and ends."""
    raise typer.Exit(import_module("connector.cli.run").main(config, workers=workers))


def worker(config: Config = DEFAULT_CONFIG, instance: Instance = "") -> None:
    """Run one worker process, without a supervisor."""
    raise typer.Exit(import_module("connector.cli.worker").main(config, instance=instance) or 0)


LATER = (
    Later("demo", "connector.cli.demo", demo),
    Later("run", "connector.cli.run", run),
    Later("worker", "connector.cli.worker", worker),
)
