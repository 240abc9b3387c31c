"""What an expression can see while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from connector.core.records import Side


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see. ``ids`` gives the id behind a whole record (``record``, ``line``)."""

    names: Mapping[str, object]
    side: Side
    ids: Mapping[str, str] = field(default_factory=dict)
    lookups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def also(self, **names: object) -> Scope:
        return Scope({**self.names, **names}, self.side, self.ids, self.lookups)


Run: TypeAlias = Callable[[Scope], object]
