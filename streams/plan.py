"""Plan: a record comes in, the link events that it means go out. The decisions are ``core.planning``'s."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link import outputs, step, version_of
from connector.core.link_events import PAST, LinkEvent, Observed, Wanted
from connector.core.link_failures import TARGET_MISSING
from connector.core.link_state import NEVER, Link
from connector.core.planning import plan
from connector.core.records import Record, Side, Version
from connector.core.unborn import Unborn
from connector.xero.choices import LISTS
from streams.connection import Connection, Flight, Waiting
from streams.tables import Tables

Send = Callable[[Connection, bytes, LinkEvent], Awaitable[object]]
REFERENCE = (*LISTS, "Organisation")  # what other documents are computed from and coded by


@dataclass(slots=True)
class Look:
    """A look at the tables of the partition whose event is being handled."""

    tables: Tables
    flight: Flight
    unborn: Unborn
    reading: Waiting

    def pending(self, link_id: LinkId) -> bool:
        return link_id.key.decode() in self.flight

    def former(self, connection: str, mapping: str, side: Side, object_id: str) -> LinkId | None:
        return self._target(connection, mapping, side, object_id, also_gone=True)

    def link(self, link_id: LinkId) -> Link | None:
        return self.tables.links.get(link_id)

    def parts(self, link_id: LinkId) -> tuple[str, ...]:
        known = [one.part for one in self.tables.links.family(link_id)]
        mine = (link_id.connection, link_id.mapping, link_id.source)
        ids = (LinkId.parse(key.encode("ascii")) for key in self.flight)
        known += [one.part for one in ids if (one.connection, one.mapping, one.source) == mine]
        return tuple(dict.fromkeys(known))

    def documents(self, link_id: LinkId) -> tuple[Link, ...]:
        return self.tables.links.documents(link_id)

    def owner(self, connection: str, mapping: str, side: Side, object_id: str) -> LinkId | None:
        return self._target(connection, mapping, side, object_id, also_gone=False)

    def readers(self, mapping: str, side: Side, object_id: str) -> tuple[LinkId, ...]:
        return tuple(LinkId.parse(key) for key in self.reading.on(mapping, f"{side.value}:{object_id}"))

    def _target(self, connection: str, mapping: str, side: Side, object_id: str, *, also_gone: bool) -> LinkId | None:
        target = self.tables.targets.get(connection, mapping, f"{side.value}:{object_id}")
        return LinkId.parse(target.link.encode("ascii")) if target and (also_gone or not target.gone) else None


@dataclass(slots=True)
class Plan:
    """All applied mappings over one record at a time."""

    tables: Tables
    send: Send

    async def take(self, connection: Connection, record: Record, *, replayed: bool = False) -> int:
        """Send every event that this record means and that would move its link; gives how many.

        ``replayed``: the record was read long ago. It counts as seen now, where nothing newer has been seen since.
        """
        if record.side is Side.XERO and record.entity in REFERENCE:
            connection.reference.setdefault((record.organisation, record.entity), {})[record.id] = record
        look = Look(self.tables, connection.flight, connection.unborn, connection.reading)
        scene, sent = connection.scene(), 0
        for applied in tuple(connection.mappings()):
            for link_id, event in plan(record, applied, look, scene):
                told = self._again(connection, applied, link_id, event) if replayed else event
                counts = applied.mapping.several == "sum"  # its sum may have been asked for again
                if told is None or (not counts and self._says_nothing(connection, link_id, told)):
                    continue
                await self.send(connection, link_id.key, told)
                sent += 1
        return sent

    def _again(self, connection: Connection, applied: Applied, link_id: LinkId, event: LinkEvent) -> LinkEvent | None:
        """An event of a replayed record. None where the link knows better, and where a mapping that begins with what is
        new would make something of the past."""
        if not isinstance(event, Wanted | Observed):
            return event
        link = self.tables.links.get(link_id)
        if link is None:
            past = applied.pinned is None or event.stamp is None or event.stamp < applied.pinned
            if applied.mapping.begin == "new" and past:
                return None
            if applied.mapping.begin == "link" and past and isinstance(event, Wanted):
                event = replace(event, unfound=PAST)
        elif link.attempt is not None or event.version < _known_since(link, event.side):
            return None
        elif isinstance(event, Observed) and link.code == TARGET_MISSING.code:
            return None  # it was there when it was read, and is not there any more
        return replace(event, version=connection.numbers.next())

    def _says_nothing(self, connection: Connection, link_id: LinkId, event: LinkEvent) -> bool:
        """Whether the fold would leave the link as it is. Only asked when nothing of this link is under way:
        an event that settle has not folded yet may be the one that this record takes back."""
        if not connection.caught_up or link_id.key.decode() in connection.flight:
            return False
        link = self.tables.links.get(link_id)
        if link is None or _says_else(link, event):
            return False
        rules = connection.rules(link_id.mapping, version_of(event, link), link_id.part)
        if rules is None:
            return False
        moved = step(link, event, rules)
        return _without_versions(moved) == _without_versions(link) and outputs(moved, rules) == outputs(link, rules)


def _known_since(link: Link, side: Side) -> Version:
    """What was read before this says nothing of an end: it has been seen, or written, since."""
    end = link.end(side)
    return max(end.version, end.asked) if end.asked is not None else end.version


def _says_else(link: Link, event: LinkEvent) -> bool:
    """Whether an end shows another value than the link knows: no need to fold it to see that it says something."""
    if not isinstance(event, Wanted | Observed):
        return True
    known = link.seen(event.side)
    return any(known.get(path) != text for path, text in (event.flat or {}).items())


def _without_versions(link: Link) -> Link:
    """A link but for how new our knowledge is by our own counter. A newer stamp of the source is told, though: an older
    read that comes late must not be believed."""
    salesforce, xero = replace(link.salesforce, version=NEVER), replace(link.xero, version=NEVER)
    return replace(link, salesforce=salesforce, xero=xero, offset=-1)
