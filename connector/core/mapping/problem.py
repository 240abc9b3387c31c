"""What is wrong with a mapping file, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from connector.core.mapping.model import Mapping


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of ``check``; ``code`` is stable."""

    file: str
    line: int
    code: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        tail = f" {self.remedy}" if self.remedy else ""
        return f"{self.file}:{self.line}: {self.message}.{tail} [{self.code}]"


def problem(mapping: Mapping, key: str, code: str, message: str, remedy: str = "") -> Problem:
    """A problem at a top-level key of the mapping's file."""
    return Problem(mapping.file, mapping.lines_of_keys.get(key, 1), f"mapping.{code}", message, remedy)
