"""The group that all commands hang in: errors become words and exit codes, rarely used rooms are loaded on demand."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup

from connector.cli.options import Format
from connector.cli.printing import report
from connector.errors import TwinledgerError
from connector.observe import logs


@dataclass(frozen=True, slots=True)
class Later:
    """A command whose code is loaded when it is called: what it needs is heavy, or an extra that is not installed.

    ``adapt`` is the command as the terminal sees it; it gets ``module`` and calls what it is for.
    """

    name: str
    module: str
    adapt: Callable[..., Any]


class Commands(TyperGroup):
    """Errors of ours are printed and end with their own exit code. ``later`` are listed where their module is there."""

    later: tuple[Later, ...] = ()

    def list_commands(self, ctx: Any) -> list[str]:
        known = list(super().list_commands(ctx))
        return [*[each.name for each in self.later if _there(each)], *known]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for each in self.later:
            if each.name == cmd_name and _there(each):
                return _made(each)
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.obj = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        logs.configure_for_person()
        try:
            return super().invoke(ctx)
        except TwinledgerError as error:
            report(error, asked_output(ctx.obj))
            raise typer.Exit(error.exit_code) from error


def _there(each: Later) -> bool:
    return importlib.util.find_spec(each.module) is not None


def _made(each: Later) -> Any:
    alone = typer.Typer(add_completion=False)
    alone.command(each.name)(each.adapt)
    return typer.main.get_command(alone)


def asked_output(words: Sequence[str]) -> Format:
    """The form that the command line asks for: an error that happens before it is read is told in it too."""
    asked = os.environ.get("TWINLEDGER_OUTPUT", "")
    for number, word in enumerate(words):
        if word in ("--output", "-o"):
            asked = next(iter(words[number + 1 :]), "")
        elif word.startswith("--output="):
            asked = word.removeprefix("--output=")
    return Format.JSON if asked == Format.JSON else Format.TABLE
