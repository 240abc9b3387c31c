"""Sums: what settle says to the link that speaks for several documents of one record (``several: sum``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from connector.core.identity import LinkId, document_key
from connector.core.link_events import OF, TARGET, LinkEvent, Wanted
from connector.core.link_state import Life, Link
from connector.core.sums import newest, speaker, summed
from streams.connection import Connection
from streams.tables import Tables

Send = Callable[[Connection, bytes, LinkEvent], Awaitable[object]]


@dataclass(slots=True)
class Sums:
    """Settle folds the shares one after the other, so the sum that goes out last holds all of them."""

    tables: Tables
    send: Send

    async def follow(self, connection: Connection, share: Link) -> None:
        """A share was folded, or the document that it is of."""
        ref = share.refs.get(OF)
        if ref is None:
            return
        owner = self.tables.targets.get(connection.name, ref.mapping, ref.document)
        if owner is None or not owner.other:
            return
        side = share.id.side
        documents = self.tables.links.documents(LinkId.parse(owner.link.encode("ascii")))
        shares = [(one, link.life is Life.LIVE) for link in documents if (one := self._share(share, link)) is not None]
        last = newest(documents, side)
        spoken = self._share(share, last) if last is not None else None
        if spoken is None:
            return  # it comes, and is told then
        link_id = speaker(share.id, owner.other)
        event = Wanted(
            side, spoken.id.source, connection.numbers.next(), None, share.mapping_version,
            {**summed(shares, spoken, side), TARGET: owner.other}, entity=share.entity,
        )  # fmt: skip
        await self.send(connection, link_id.key, event)

    def _share(self, like: Link, document: Link) -> Link | None:
        """What one document's record would have written."""
        object_id = document.end(like.id.side).id
        key = document_key(like.id.side, object_id)
        return self.tables.links.get(replace(like.id, document=key)) if object_id else None
