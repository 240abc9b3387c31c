"""Guards that can be taken out of a benchmark's worker, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

GUARDS: Mapping[str, Callable[[], None]] = {}


def take_out(guard: str) -> None:
    GUARDS[guard]()
