"""Where a poll of one list stands, and what it must not emit twice. Pure.

Why it is so (facts, §3): If-Modified-Since counts in seconds, lists are sorted by change and rows move to their end
while we page. So each page begins again from the last change seen, and a poll overlaps with the one before. A first
scan names no time at all: demo data was last changed long before its organisation was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.errors import DataError
from connector.xero.records import Row

OVERLAP = timedelta(seconds=60)
MOST_SEEN = 5000  # beyond it the oldest are forgotten: they come again, which is harmless
Seen = tuple[str, str, int]  # id, content, milliseconds of the change since 1970 (0 where the list has no times)


@dataclass(frozen=True, slots=True)
class Watermark:
    """The latest change seen, and what was seen within the overlap before it.

    ``at`` None: nothing seen yet. For a list without times ``seen`` holds all of it.
    """

    at: datetime | None = None
    seen: tuple[Seen, ...] = ()

    def to_text(self) -> str:
        return json.dumps({"at": self.at.isoformat() if self.at else None, "seen": self.seen}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Watermark:
        """Raises DataError (``xero.position``)."""
        try:
            raw = json.loads(text)
            at = datetime.fromisoformat(raw["at"]) if raw["at"] else None
            return cls(at, tuple((str(key), str(content), int(ms)) for key, content, ms in raw["seen"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("xero.position", "A stored Xero position cannot be read.") from error


@dataclass(frozen=True, slots=True)
class Ask:
    """The next request: changes since (None: all), on this page."""

    since: datetime | None
    page: int


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over one list; ``ask`` None is its end.

    ``known`` maps id to content for what is not to be emitted again. ``crowded`` is the mark at the first second that
    held more than a page, ``since`` that second: there, and only there, page numbers are used. If a row that we had
    seen ``moved`` during such a walk, it may have drawn an unseen one across the border of two pages: then the walk
    begins again from that second, and until its end only that mark is safe to store. A list that is not ``ordered`` by
    change is walked by page numbers alone, again and again until a walk of several pages brings nothing new.

    ``began`` is when the walk was begun: a change that becomes visible behind us while we walk is younger than that, or
    was late before. So the mark never passes it, and the next overlap reaches back to it however long the walk took.
    """

    ask: Ask | None
    mark: Watermark
    known: dict[str, str] = field(default_factory=dict)
    crowded: Watermark | None = None
    since: datetime | None = None
    moved: bool = False
    ordered: bool = True
    began: datetime | None = None

    @property
    def safe(self) -> Watermark:
        """The mark from which nothing can be missed."""
        return self.mark if self.crowded is None or self.ask is None else self.crowded


def start(mark: Watermark, *, ordered: bool = True, began: datetime | None = None) -> Walk:
    """The first request of a poll."""
    since = None if mark.at is None else mark.at - OVERLAP
    known = {record_id: content for record_id, content, _ in mark.seen}
    return Walk(Ask(since, 1), mark, known, ordered=ordered, began=began)


def step(walk: Walk, rows: tuple[Row, ...], size: int) -> tuple[Walk, tuple[Row, ...]]:
    """After a page: the walk with its next request, and what is new on this page, in its order."""
    if walk.ask is None:
        return walk, ()
    fresh = tuple(row for row in rows if walk.known.get(row.id) != row.content)
    known = {**walk.known, **{row.id: row.content for row in rows}}
    stamps = [row.stamp for row in rows if row.stamp is not None]
    reached = [min(stamp, walk.began or stamp) for stamp in stamps]
    at = max([*reached, *([walk.mark.at] if walk.mark.at else [])], default=None)
    mark = Watermark(at, _recent(walk.mark.seen, rows, at))
    moved = walk.moved or any(row.id in walk.known or not walk.ordered for row in fresh)
    last = max(stamps, default=None) if walk.ordered else None
    ask = _next(walk.ask, last) if len(rows) >= size else None
    crowded, since = walk.crowded, walk.since
    if ask is not None and ask.page > 1 and crowded is None:
        crowded, since = mark, ask.since
    if ask is None and crowded is not None and moved:
        return Walk(Ask(since, 1), mark, known, crowded, since, ordered=walk.ordered, began=walk.began), fresh
    return Walk(ask, mark, known, crowded, since, moved, walk.ordered, walk.began), fresh


def _next(ask: Ask, last: datetime | None) -> Ask:
    """After a full page: begin again from its last change; page on only where one second holds more than a page."""
    second = None if last is None else last.replace(microsecond=0)
    if second is None or (ask.since is not None and second <= ask.since.replace(microsecond=0)):
        return Ask(ask.since, ask.page + 1)
    return Ask(second, 1)


def _recent(before: Iterable[Seen], fresh: Iterable[Row], at: datetime | None) -> tuple[Seen, ...]:
    """What the next poll will see again."""
    if at is None:
        return ()
    begin = _ms((at - OVERLAP).replace(microsecond=0))
    rows = {seen[0]: seen for seen in before}
    rows |= {row.id: (row.id, row.content, _ms(row.stamp)) for row in fresh if row.stamp}
    return tuple(sorted((seen for seen in rows.values() if seen[2] >= begin), key=lambda seen: seen[2])[-MOST_SEEN:])


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def snapshot(mark: Watermark, rows: tuple[Row, ...]) -> tuple[Watermark, tuple[Row, ...]]:
    """A list without times: all that differs from the last one."""
    known = {record_id: content for record_id, content, _ in mark.seen}
    fresh = tuple(row for row in rows if known.get(row.id) != row.content)
    return Watermark(None, tuple((row.id, row.content, 0) for row in {row.id: row for row in rows}.values())), fresh
