"""Rules of the engine that a benchmark's worker can take out, one or several: the product has no such switch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

RULES: Mapping[str, Callable[[], None]] = {}


def take_out(rules: Iterable[str]) -> None:
    """Before the engine is made."""
    for rule in rules:
        RULES[rule]()
