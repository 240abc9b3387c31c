"""Settle: folds link events into links. The only code that writes ``links`` and ``targets``.

For each event: read the link, fold, write it at once (no await between), then send what follows from the link's new
state. A redelivered event does not move the link, but it is written and its outputs are sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from connector.core.identity import LinkId
from connector.core.link import new_link, outputs, step, version_of
from connector.core.link_events import OF, TARGET, Due, Found, LinkEvent, Observed, Started, Wanted
from connector.core.link_state import Life, Link, Rules
from connector.core.records import Side
from connector.core.siblings import only_known
from connector.core.values import Ref, canonical
from connector.errors import DataError
from connector.kafka.link_codec import Call, LinkEventEnvelope, Target
from streams.conflicts import Conflicts
from streams.connection import Connection
from streams.siblings import Siblings
from streams.sums import Sums
from streams.tables import Tables

LEFT = "left"  # why a link ended: its record no longer matches, or belongs elsewhere
Send = Callable[[Connection, bytes, LinkEvent], Awaitable[object]]
Ask = Callable[[Connection, str, str, str, str], Awaitable[object]]  # organisation, entity, id, reason


@dataclass(slots=True)
class Settle:
    """The fold with its tables. ``send`` produces a link event, ``ask`` a hint that an object must be read."""

    tables: Tables
    send: Send
    ask: Ask
    siblings: Siblings = field(init=False)
    sums: Sums = field(init=False)
    conflicts: Conflicts = field(init=False)

    def __post_init__(self) -> None:
        self.siblings = Siblings(self.tables, self.send, self.ask)
        self.sums = Sums(self.tables, self.send)
        self.conflicts = Conflicts(self.tables, self.send)

    async def fold(self, connection: Connection, envelope: LinkEventEnvelope, offset: int) -> None:
        """Fold one value of ``link-events.v1``. Raises DataError for a mapping that nobody applied."""
        for link_id, event in members(envelope):
            if link_id.connection != connection.name:
                raise DataError("link.foreign", f"An event of {connection.name} is about {link_id.key.decode()}.")
            before = self.tables.links.get(link_id) or new_link(link_id)
            rules = connection.rules(link_id.mapping, version_of(event, before), link_id.part)
            if rules is None:
                raise DataError(
                    "link.no-mapping",
                    f"Link {link_id.key.decode()} belongs to mapping {link_id.mapping}, which is not applied.",
                    remedy="Apply the mapping again, then retry the dead letter.",
                )
            seen = self._claimed(connection, before, self._resolved(connection, before, event), rules)
            link = passed(before, offset) if seen is None else step(before, seen, rules, offset)
            self._write(connection, link)
            if isinstance(event, Wanted | Observed):
                connection.flight.folded(envelope.link)
            connection.tally["events", envelope.kind] += 1
            if connection.moved is not None:
                connection.moved.note(link_id.key, offset)
            await self.conflicts.decided(connection, link, event, offset)
            await self._follow(connection, link, offset)

    def _claimed(self, connection: Connection, link: Link, event: LinkEvent, rules: Rules) -> LinkEvent | None:
        """A record that has a pair already gets no link of its own: what would be born is the other link's end. None
        for a look-up whose hit is somebody's by now: it is made again."""
        if isinstance(event, Found) and not event.call:
            return self._still_free(connection, link, event, rules)
        if not rules.two_way or link.life is not Life.NEW or link.attempt is not None or isinstance(event, Started):
            return event
        pair = self._owner(connection, link, link.id.side, link.id.source)
        return event if pair is None else Due(connection.clock(), merged_into=pair)

    def _still_free(self, connection: Connection, link: Link, event: Found, rules: Rules) -> LinkEvent | None:
        """Look-ups answer while other links are folded: a hit may have become another link's end, or be about to have
        a link of its own. If that link's other end is this very record, the two are one pair."""
        if link.life is not Life.NEW or link.attempt is not None:
            return event
        mine = self._owner(connection, link, link.id.side, link.id.source)
        if rules.two_way and mine is not None:
            return Due(connection.clock(), merged_into=mine)
        for hit in event.hits:
            owner = self._owner(connection, link, event.side, hit)
            target = self.tables.targets.get(connection.name, link.id.mapping, f"{event.side.value}:{hit}")
            if owner is not None and rules.two_way and target is not None and target.other == link.id.source:
                return Due(connection.clock(), merged_into=owner)
            twin = self.tables.links.get(replace(link.id, document=f"{event.side.value}:{hit}", generation=1))
            if owner is not None or (twin is not None and twin.life is Life.NEW and twin.attempt is not None):
                return None
        return event

    def _owner(self, connection: Connection, link: Link, side: Side, object_id: str) -> str | None:
        """The key of another link of this mapping one of whose ends is that object."""
        target = self.tables.targets.get(connection.name, link.id.mapping, f"{side.value}:{object_id}")
        mine = link.id.key.decode()
        return None if target is None or target.gone or target.link == mine else target.link

    def _resolved(self, connection: Connection, link: Link, event: LinkEvent) -> LinkEvent:
        """References that are known by now become ids before the fold sees them."""
        if isinstance(event, Wanted) and event.refs and event.flat is not None:
            known = self._known(connection, event.refs, link.id.tenant)
            refs = {path: ref for path, ref in event.refs.items() if path not in known}
            return replace(event, flat={**event.flat, **known}, refs=refs)
        if isinstance(event, Due) and link.refs:
            return replace(event, resolved={**self._known(connection, link.refs, link.id.tenant), **event.resolved})
        return event

    def _known(self, connection: Connection, refs: Mapping[str, Ref], tenant: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, ref in refs.items():
            if not only_known(path):
                if path != OF and self.siblings.ripe(connection, path, ref, tenant):
                    found[path] = canonical("")
                continue
            target = self.tables.targets.get(connection.name, ref.mapping, ref.document)
            if target is not None and target.other and not target.gone:
                found[path] = target.other if path == TARGET else canonical(target.other)
        return found

    def _write(self, connection: Connection, link: Link) -> None:
        self.tables.links.put(link, connection.numbers.epoch, connection.genesis)
        connection.linked.set()
        for document, target in ends(link):
            if target.gone and self._taken_over(connection, link, document):
                continue
            self.tables.targets.put(connection.name, link.id.mapping, document, target, connection.numbers.epoch)

    def _taken_over(self, connection: Connection, link: Link, document: str) -> bool:
        """Whether a later generation, or the link that this one was merged into, speaks for the end by now."""
        there = self.tables.targets.get(connection.name, link.id.mapping, document)
        return there is not None and there.link != link.id.key.decode()

    async def _follow(self, connection: Connection, link: Link, offset: int) -> None:
        rules = connection.rules(link.id.mapping, link.mapping_version, link.id.part)
        if rules is None:
            return
        follows = outputs(link, rules)
        connection.ready.absorb(link, follows, offset)
        connection.note(link)
        for side, object_id in follows.asks:
            await self._ask(connection, link, side, object_id)
        if link.life is Life.ENDED and link.reason == LEFT and len(connection.tenants) > 1:
            await self._ask(connection, link, link.id.side, link.id.source)  # it may have moved to another tenant
        if link.life is Life.LIVE:
            await self._wake(connection, link)
            await self._join_twin(connection, link, rules)
        await self.siblings.follow(connection, link, rules)
        await self.conflicts.follow(connection, link)
        await self.sums.follow(connection, link)
        if link.life is Life.ENDED:
            await self._wake(connection, link)

    async def _ask(self, connection: Connection, link: Link, side: Side, object_id: str) -> None:
        entity = connection.rule(link).end(side).entity
        organisation = connection.organisation(side, link.id.tenant)
        await self.ask(connection, organisation, entity, object_id, f"link {link.id.mapping}")

    async def _wake(self, connection: Connection, link: Link) -> None:
        for document, _ in ends(link):
            for key in connection.waiting.on(link.id.mapping, document):
                waiting = self.tables.links.get(LinkId.parse(key))
                if waiting is None or self._knows(waiting, link, document):
                    await self.send(connection, key, Due(connection.clock()))

    def _knows(self, waiting: Link, link: Link, document: str) -> bool:
        """Whether a link waits for the id of an object, or adds up what becomes of it. Who waits for how a document
        stands is woken by that."""
        return any(
            (ref.mapping, ref.document) == (link.id.mapping, document)
            and (path == OF or (only_known(path) and link.life is Life.LIVE))
            for path, ref in waiting.refs.items()
        )

    async def _join_twin(self, connection: Connection, link: Link, rules: Rules) -> None:
        """A target that was seen before our answer came is the other end of this link, not a record of its own."""
        other = link.end(link.id.side.other).id
        if not rules.two_way or not other:
            return
        twin_id = LinkId(connection.name, link.id.mapping, f"{link.id.side.other.value}:{other}", link.id.tenant)
        twin = self.tables.links.get(twin_id)
        if twin is not None and twin.life is Life.NEW:
            await self.send(connection, twin_id.key, Due(connection.clock(), merged_into=link.id.key.decode()))


def passed(link: Link, offset: int) -> Link:
    """The link as it is, after an event that says nothing about it any more."""
    return replace(link, offset=max(link.offset, offset))


def members(envelope: LinkEventEnvelope) -> Iterator[tuple[LinkId, LinkEvent]]:
    """The links that one event moves: an announced call starts an attempt on each of its members."""
    body = envelope.body
    if isinstance(body, Call):
        for member in body.members:
            started = Started(body.call, body.side, body.operation, member.sent, body.at, body.deadline, body.epoch)
            yield _parsed(member.link), started
    else:
        yield _parsed(envelope.link), body


def _parsed(key: str) -> LinkId:
    try:
        return LinkId.parse(key.encode("ascii"))
    except ValueError as error:
        raise DataError("link.bad-key", f"{key[:200]!r} is no key of a link.") from error


def ends(link: Link) -> Iterator[tuple[str, Target]]:
    """Each end of a link that has lived, and what stands at its other end."""
    if link.life is Life.NEW:
        return
    gone = link.life is Life.ENDED
    for side in Side:
        here, there = link.end(side).id, link.end(side.other).id
        if here:
            own = link.id.document if side is link.id.side and link.id.part else f"{side.value}:{here}"
            yield own, Target(link.id.key.decode(), there, gone)
