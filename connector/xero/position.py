"""Where a poll of one list stands, and what it must not emit twice. Pure.

Why it is so (facts, §3): If-Modified-Since counts in seconds, lists are sorted by change and rows move to their end while
we page, so each page begins again from the last change seen and overlaps with what came before; a first scan takes no time
at all, because demo data was last changed long before the organisation was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connector.core.records import Record
from connector.core.values import digest
from connector.errors import DataError

OVERLAP = timedelta(seconds=60)
MOST_SEEN = 5000  # beyond it the oldest are forgotten: they come again, which is harmless


@dataclass(frozen=True, slots=True)
class Watermark:
    """The latest change seen, and (id, content) of what was seen within the overlap before it.

    ``at`` None: nothing seen yet. For a list without times ``seen`` holds all of it.
    """

    at: datetime | None = None
    seen: tuple[tuple[str, str], ...] = ()

    def to_text(self) -> str:
        return json.dumps({"at": self.at.isoformat() if self.at else None, "seen": self.seen}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Watermark:
        """Raises DataError (``xero-position``)."""
        try:
            raw = json.loads(text)
            at = datetime.fromisoformat(raw["at"]) if raw["at"] else None
            return cls(at, tuple((str(key), str(content)) for key, content in raw["seen"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("xero-position", "A stored Xero position cannot be read.") from error


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request: changes since (None: all), on this page."""

    since: datetime | None
    page: int


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over one list. ``known`` maps id to content for what is not to be emitted again."""

    ask: Ask | None
    mark: Watermark
    known: tuple[tuple[str, str], ...]


def start(mark: Watermark) -> Walk:
    """The first request of a poll."""
    since = None if mark.at is None else mark.at - OVERLAP
    return Walk(Ask(since, 1), mark, mark.seen)


def step(walk: Walk, records: tuple[Record, ...], size: int) -> tuple[Walk, tuple[Record, ...]]:
    """After a page: the walk with its next request (None: the end) and what is new on this page."""
    if walk.ask is None:
        return walk, ()
    known = dict(walk.known)
    fresh: list[Record] = []
    for record in records:
        content = content_of(record)
        if known.get(record.id) != content:
            known[record.id] = content
            fresh.append(record)
    stamps = [record.stamp for record in records if record.stamp is not None]
    at = max([*stamps, *([walk.mark.at] if walk.mark.at else [])], default=None)
    mark = Watermark(at, _recent(walk.mark, records, at))
    ask = _next(walk.ask, at, stamps) if len(records) >= size else None
    return Walk(ask, mark, tuple(known.items())), tuple(fresh)


def _next(ask: Ask, at: datetime | None, stamps: list[datetime]) -> Ask:
    """Begin again from the last change of this page; page on only where a whole page changed in one second."""
    last = max(stamps, default=None) if at else None
    if last is None:
        return replace(ask, page=ask.page + 1)
    second = last.replace(microsecond=0)
    if ask.since is not None and second <= ask.since.replace(microsecond=0):
        return replace(ask, page=ask.page + 1)
    return Ask(second, 1)


def _recent(mark: Watermark, records: Iterable[Record], at: datetime | None) -> tuple[tuple[str, str], ...]:
    if at is None:
        return ()
    start_at = (at - OVERLAP).replace(microsecond=0)
    kept = dict(mark.seen) if mark.at is not None and mark.at >= start_at else {}
    kept |= {
        record.id: content_of(record) for record in records if record.stamp is not None and record.stamp >= start_at
    }
    return tuple(kept.items())[-MOST_SEEN:]


def snapshot(mark: Watermark, records: tuple[Record, ...]) -> tuple[Watermark, tuple[Record, ...]]:
    """A list without times: all that differs from the last one."""
    known = dict(mark.seen)
    now = {record.id: content_of(record) for record in records}
    fresh = tuple(record for record in records if known.get(record.id) != now[record.id])
    return Watermark(None, tuple(now.items())), fresh


def content_of(record: Record) -> str:
    """A short digest of all fields, UpdatedDateUTC among them."""
    return digest(record.fields)[:32]
