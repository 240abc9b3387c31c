"""Polling: a thin shell over ``position``. The caller stores the watermark after what came before it is safe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
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
    """One page, which is one call. ``records`` are new to us; ``mark`` may be stored once they are safe.

    ``size`` is the bytes of the answer. ``whole`` holds all ids of a list that was read as a whole, else None: only
    such a list can show an absence.
    """

    records: tuple[Record, ...]
    mark: Watermark
    size: int
    whole: frozenset[str] | None = None


async def _at_once() -> None:
    """Nothing to wait for."""


async def poll(
    party: XeroParty,
    name: str,
    mark: Watermark,
    versions: Callable[[], Version],
    *,
    page_size: int = PAGE_SIZE,
    turn: Callable[[], Awaitable[None]] = _at_once,
) -> AsyncIterator[Polled]:
    """All that changed since ``mark``, page by page. ``versions`` numbers each request when it is sent, ``turn`` is
    awaited before each.

    Raises TryAgain, Unavailable, AuthError; what was yielded before stays good.
    """
    takes = entity(name).takes
    if "since" not in takes:
        await turn()
        version = versions()
        page = await party.page(name)
        after, fresh = snapshot(mark, page.rows)
        whole = frozenset(row.id for row in page.rows)
        yield Polled(party.read_rows(fresh, name, version), after, page.size, whole)
        return
    paged = "page" in takes
    walk = start(mark, ordered=not paged or "order" in takes, began=party.now)
    page_size = page_size if "size" in takes else FIXED_PAGE
    for _ in range(MOST_PAGES):
        if walk.ask is None:
            return
        await turn()
        version = versions()
        page = await party.page(name, since=walk.ask.since, page=walk.ask.page if paged else 0, size=page_size)
        rows = page.rows
        all_ids = frozenset(row.id for row in rows) if not paged and walk.ask.since is None else None
        walk, fresh = step(walk, rows, page_size if paged else len(rows) + 1)
        yield Polled(party.read_rows(fresh, name, version), walk.safe, page.size, all_ids)
    raise Unavailable("xero.endless", f"The list of {name} does not end after {MOST_PAGES} pages.")
