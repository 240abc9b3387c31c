"""What the platform indexes by itself: ids in their order, and rows by the second of their last change."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import datetime


class Order:
    """The ids of an object in their order, which is that of their birth."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def add(self, record_id: str) -> None:
        if not self._ids or record_id > self._ids[-1]:
            self._ids.append(record_id)
        elif (at := bisect_left(self._ids, record_id)) == len(self._ids) or self._ids[at] != record_id:
            self._ids.insert(at, record_id)

    def remove(self, record_id: str) -> None:
        at = bisect_left(self._ids, record_id)
        if at < len(self._ids) and self._ids[at] == record_id:
            del self._ids[at]

    def between(self, first: str, last: str) -> Iterator[str]:
        """Ids from ``first`` on (included), up to ``last`` (included; empty is no end)."""
        end = bisect_right(self._ids, last) if last else len(self._ids)
        return (self._ids[at] for at in range(bisect_left(self._ids, first), end))


class Stamps:
    """The ids of an object by SystemModstamp, which is kept in whole seconds."""

    def __init__(self) -> None:
        self._seconds: list[datetime] = []
        self._ids: dict[datetime, dict[str, None]] = {}

    def move(self, record_id: str, before: datetime | None, after: datetime | None) -> None:
        if before is not None and before in self._ids:
            self._ids[before].pop(record_id, None)
        if after is None:
            return
        if after not in self._ids:
            insort(self._seconds, after)
            self._ids[after] = {}
        self._ids[after][record_id] = None

    def since(self, start: datetime) -> list[str]:
        """Ids last changed at or after a time, in the order of birth."""
        seconds = self._seconds[bisect_left(self._seconds, start) :]
        return sorted(record_id for second in seconds for record_id in self._ids[second])
