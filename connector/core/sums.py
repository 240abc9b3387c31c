"""``several: sum``: one object shows the numbers of several documents of its own added up. Pure.

Each document's record has a link that only remembers what it would have written; one more link speaks for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from connector.core.identity import LinkId, document_key
from connector.core.link_events import Texts
from connector.core.link_state import Life, Link
from connector.core.money import total
from connector.core.records import Side
from connector.core.values import canonical, from_canonical

PART = "sum"
_NEVER = datetime.min.replace(tzinfo=UTC)


def speaker(share: LinkId, source: str) -> LinkId:
    """The link that speaks for all documents of one record, to that record."""
    return LinkId(share.connection, share.mapping, document_key(share.side, source, PART), share.tenant)


def newest(documents: Sequence[Link], side: Side) -> Link | None:
    """The document that was born last, of those that live; of all, where none does."""
    there = [link for link in documents if link.end(side).id]
    live = [link for link in there if link.life is Life.LIVE]
    return max(
        live or there, key=lambda link: (link.born or _NEVER, link.id.generation, link.id.document), default=None
    )


def summed(shares: Sequence[tuple[Link, bool]], last: Link, side: Side) -> dict[str, str]:
    """What all together say: numbers added up over the shares of documents that live (the flag), texts and dates of the
    last one."""
    seen = [share.seen(side) for share, _ in shares]
    numbers = {path for flat in seen for path, text in flat.items() if isinstance(from_canonical(text), Decimal)}
    live = [flat for flat, (_, lives) in zip(seen, shares, strict=True) if lives]
    return {**last.seen(side), **{path: canonical(total(_number(flat, path) for flat in live)) for path in numbers}}


def _number(flat: Texts, path: str) -> Decimal:
    value = from_canonical(flat.get(path) or "null")
    return value if isinstance(value, Decimal) else Decimal(0)
