"""Siblings: what settle tells the other documents of one record when one of them stands, or has failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connector.core.identity import LinkId
from connector.core.link_events import Due, LinkEvent, Settled
from connector.core.link_parts import UNDONE
from connector.core.link_state import Life, Link, Rules
from connector.core.siblings import culprit, fallen, ripe, waits_on
from connector.core.values import Ref
from streams.connection import Connection
from streams.tables import Tables

Send = Callable[[Connection, bytes, LinkEvent], Awaitable[object]]
Ask = Callable[[Connection, str, str, str, str], Awaitable[object]]  # organisation, entity, id, reason


@dataclass(slots=True)
class Siblings:
    """Told by every fold of a link; what it sends follows from how the links stand now, never from what moved them."""

    tables: Tables
    send: Send
    ask: Ask

    def ripe(self, connection: Connection, path: str, ref: Ref, tenant: str) -> bool:
        """Whether the document that a reference names stands as the reference needs it to."""
        link = self._speaks(connection, ref, tenant)
        rules = connection.rules(ref.mapping, link.mapping_version, link.id.part) if link is not None else None
        return link is not None and rules is not None and ripe(path, link, rules)

    async def follow(self, connection: Connection, link: Link, rules: Rules) -> None:
        """Wake who waits for this document, take it back beside one that failed, begin anew once none fails."""
        if not link.id.part:
            return
        for key in connection.waiting.on(link.id.mapping, link.id.document):
            waiting = self.tables.links.get(LinkId.parse(key))
            paths = list(waits_on(waiting, link.id.document)) if waiting is not None else []
            if waiting is not None and paths and self._moves(connection, paths, link, rules):
                await self.send(connection, key, Due(connection.clock()))
        others = [
            self._speaks(connection, ref, link.id.tenant)
            for ref in link.refs.values()
            if ref.mapping == link.id.mapping
        ]
        failed = fallen(link, [other for other in others if other is not None])
        if failed is not None:
            text = f"Taken back, because {failed.id.part} of the same record failed: {failed.message}"
            await self.send(connection, link.id.key, Settled("undo", "draft-first", connection.clock(), text))
        await self._anew(connection, link)

    def _moves(self, connection: Connection, paths: list[str], link: Link, rules: Rules) -> bool:
        return culprit(link) or any(ripe(path, link, rules) for path in paths)

    async def _anew(self, connection: Connection, link: Link) -> None:
        """A document that stands, beside one that was taken back: the record is read again, and planned as a whole."""
        if link.life is not Life.LIVE or link.left or culprit(link) or not self._draft_first(connection, link):
            return
        if any(one.life is Life.ENDED and one.reason == UNDONE for one in self.tables.links.documents(link.id)):
            entity = connection.rule(link).source.entity
            organisation = connection.organisation(link.id.side, link.id.tenant)
            await self.ask(connection, organisation, entity, link.id.source, f"link {link.id.mapping}")

    def _draft_first(self, connection: Connection, link: Link) -> bool:
        applied = connection.applied.get(link.id.mapping)
        return applied is not None and applied.mapping.together == "draft-first"

    def _speaks(self, connection: Connection, ref: Ref, tenant: str) -> Link | None:
        """The link that a document has now: its last generation."""
        link, link_id = None, LinkId(connection.name, ref.mapping, ref.document, tenant)
        while (found := self.tables.links.get(link_id)) is not None:
            link, link_id = found, link_id.next_generation()
        return link
