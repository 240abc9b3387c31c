"""Polling: a thin shell over ``position``. The caller stores the watermark after what came before it is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from connector.core.records import Record, Version
from connector.errors import Unavailable
from connector.xero.entities import entity
from connector.xero.position import Watermark, snapshot, start, step
from connector.xero.queries import PAGE_SIZE
from connector.xero.rest import XeroParty

MOST_PAGES = 10_000
FIXED_PAGE = 100  # where a list takes no pageSize


@dataclass(frozen=True, slots=True)
class Polled:
    """One page. ``records`` are new to us; ``mark`` may be stored once they are safe.

    ``whole`` holds all ids of a list that was read as a whole, else None: only such a list can show an absence.
    """

    records: tuple[Record, ...]
    mark: Watermark
    whole: frozenset[str] | None = None


async def poll(
    party: XeroParty, name: str, mark: Watermark, versions: Callable[[], Version], *, page_size: int = PAGE_SIZE
) -> AsyncIterator[Polled]:
    """All that changed since ``mark``, page by page. ``versions`` numbers each request when it is sent.

    Raises TryAgain, Unavailable, AuthError; what was yielded before stays good.
    """
    takes = entity(name).takes
    if "since" not in takes:
        version = versions()
        rows = await party.page(name)
        after, fresh = snapshot(mark, rows)
        yield Polled(party.read_rows(fresh, name, version), after, frozenset(row.id for row in rows))
        return
    paged = "page" in takes
    walk = start(mark, ordered=not paged or "order" in takes)
    page_size = page_size if "size" in takes else FIXED_PAGE
    for _ in range(MOST_PAGES):
        if walk.ask is None:
            return
        version = versions()
        rows = await party.page(name, since=walk.ask.since, page=walk.ask.page if paged else 0, size=page_size)
        all_ids = frozenset(row.id for row in rows) if not paged and walk.ask.since is None else None
        walk, fresh = step(walk, rows, page_size if paged else len(rows) + 1)
        yield Polled(party.read_rows(fresh, name, version), walk.safe, all_ids)
    raise Unavailable("xero.endless", f"The list of {name} does not end after {MOST_PAGES} pages.")
