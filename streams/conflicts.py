"""Conflicts: one question for two objects that several mappings join, whatever number of their links are in conflict.

A shop's order is kept equal by two mappings, one for each way, and an edit on both sides is a conflict of both links.
A person answers once: the link that leads is the review, the others wait, and what is decided is decided for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from connector.core import link_failures as failures
from connector.core.identity import LinkId
from connector.core.link_decide import told
from connector.core.link_events import LinkEvent, Settled
from connector.core.link_state import Hold, Life, Link
from connector.core.records import Side
from streams.connection import Connection
from streams.tables import Tables

Send = Callable[[Connection, bytes, LinkEvent], Awaitable[object]]
POLICY = "one-review"  # who says which link leads
SIDES = tuple(side.value for side in Side)
MOST_TOLD = 200  # characters about what is in question elsewhere


@dataclass(slots=True)
class Conflicts:
    """Told by every fold of a link; who leads follows from how the links stand now."""

    tables: Tables
    send: Send

    async def decided(self, connection: Connection, link: Link, event: LinkEvent, offset: int) -> None:
        """What a person says of one link is said of the others that are in conflict, unless they moved since."""
        if not isinstance(event, Settled) or event.decision not in SIDES or event.value:
            return
        for other in self._others(connection, link):
            if open_to_answers(other) and other.offset < offset:
                same = Settled(event.decision, event.by, event.at, f"as {link.id.mapping}")
                await self.send(connection, other.id.key, same)

    async def follow(self, connection: Connection, link: Link) -> None:
        """Say to each who leads, and what is in question beside it, where it does not know."""
        group = [one for one in (link, *self._others(connection, link)) if open_to_answers(one)]
        if not group:
            return
        first = min(group, key=lambda one: self._rank(connection, one))
        for one in group:
            beside = _beside(one, group) if one is first else f"See {first.id.mapping}."
            failure = failures.CONFLICT if one is first else failures.ELSEWHERE
            if (one.code, one.message) != (failure.code, told(failure, beside)):
                word = "lead" if one is first else "yield"
                await self.send(connection, one.id.key, Settled(word, POLICY, connection.clock(), beside))

    def _rank(self, connection: Connection, link: Link) -> tuple[bool, bytes]:
        """The mapping that makes objects leads one that only writes back."""
        rules = connection.rules(link.id.mapping, link.mapping_version, link.id.part)
        return rules is None or rules.never_creates, link.id.key

    def _others(self, connection: Connection, link: Link) -> Iterator[Link]:
        """Links of other mappings that join the same two objects."""
        if not all(link.end(side).id for side in Side) or link.id.mapping not in connection.applied:
            return
        entities = [connection.rule(link).end(side).entity for side in Side]
        for applied in connection.mappings():
            mapping = applied.mapping
            if mapping.name != link.id.mapping and [mapping.end(side).entity for side in Side] == entities:
                other = self._joining(connection, mapping.name, link)
                if other is not None:
                    yield other

    def _joining(self, connection: Connection, mapping: str, link: Link) -> Link | None:
        for side in Side:
            target = self.tables.targets.get(connection.name, mapping, f"{side.value}:{link.end(side).id}")
            if target is not None and not target.gone and target.other == link.end(side.other).id:
                return self.tables.links.get(LinkId.parse(target.link.encode("ascii")))
        return None


def open_to_answers(link: Link) -> bool:
    """Whether a link rests in a conflict. One with a call under way hears of it when the call is over."""
    conflict = link.hold is Hold.CONFLICT and link.code in failures.CONFLICTS
    return conflict and link.life is Life.LIVE and link.attempt is None


def _beside(first: Link, group: list[Link]) -> str:
    """What the other links ask about, for who decides it with this one."""
    parts = [f"In {one.id.mapping}: {', '.join(one.hold_paths)}." for one in group if one is not first]
    text = " ".join(parts)
    return text if len(text) <= MOST_TOLD else text[: MOST_TOLD - 1] + "…"
