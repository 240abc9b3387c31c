"""What people ask of the projection: reviews, which are links and dead letters in one list."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.store.rows import Review
from connector.store.tables import DEAD_LETTERS, LINKS

LIMIT = 1000

_OPEN_LINKS = select(LINKS).where(LINKS.c.review)
_OPEN_LETTERS = select(DEAD_LETTERS).where(DEAD_LETTERS.c.closed.is_(None))


async def read_reviews(connection: AsyncConnection, name: str, code: str, about: str, limit: int) -> tuple[Review, ...]:
    """Open reviews of a connection with a code, the oldest first; empty arguments ask for all."""
    links: list[ColumnElement[bool]] = []
    letters: list[ColumnElement[bool]] = []
    for table, wanted in ((LINKS, links), (DEAD_LETTERS, letters)):
        if name:
            wanted.append(table.c.connection == name)
        if code:
            wanted.append(table.c.code == code)
    if about:
        ends = (LINKS.c.salesforce_id, LINKS.c.xero_id)
        documents = [f"{side}:{about}" for side in ("salesforce", "xero")]
        links.append(or_(*(end == about for end in ends), LINKS.c.document.in_(documents)))
        letters.append(DEAD_LETTERS.c.topic == about)
    found = await _links(connection, _OPEN_LINKS.where(*links).order_by(LINKS.c.updated_at).limit(limit))
    found += await _letters(connection, _OPEN_LETTERS.where(*letters).order_by(DEAD_LETTERS.c.at).limit(limit))
    return tuple(sorted(found, key=lambda review: (review.since, review.key))[:limit])


async def review_by(connection: AsyncConnection, name: str) -> Review | None:
    """One open review by its short name or its key."""
    found = await _links(connection, _OPEN_LINKS.where((LINKS.c.key == name) | (LINKS.c.ref == name)))
    found += await _letters(
        connection, _OPEN_LETTERS.where((DEAD_LETTERS.c.key == name) | (DEAD_LETTERS.c.ref == name))
    )
    return found[0] if found else None


async def _links(connection: AsyncConnection, question: Select[Any]) -> list[Review]:
    return [
        Review(
            row.ref, "link", row.key, row.connection, row.mapping, row.document, row.state, row.code, row.message,
            row.remedy, row.updated_at, row.paths, row.salesforce_id, row.xero_id,
        )
        for row in await connection.execute(question)
    ]  # fmt: skip


async def _letters(connection: AsyncConnection, question: Select[Any]) -> list[Review]:
    return [
        Review(
            row.ref, "dead-letter", row.key, row.connection, "", f"{row.topic}/{row.partition}/{row.offset}",
            "dead-letter", row.code, row.message, row.remedy, row.at,
        )
        for row in await connection.execute(question)
    ]  # fmt: skip
