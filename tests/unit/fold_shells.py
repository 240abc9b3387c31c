"""The shells around the fold, as small as they can be: reads, plan and settle, over the plain world.

What Kafka keeps (the log, links, targets, reads, records) survives a crash; all else is lost. Every step is one call,
so that whoever drives it can put anything between any two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import new_link, outputs, step
from connector.core.link_events import (
    Due,
    Found,
    LinkEvent,
    Observed,
    Settled,
    Started,
    Wanted,
)
from connector.core.link_parts import newer
from connector.core.link_state import Hold, Life, Link, Rules
from connector.core.records import Side, Version
from connector.core.values import Ref, canonical, from_canonical
from tests.unit.fold_world import Request, Row, Snapshot, Value, World

SF, XERO = Side.SALESFORCE, Side.XERO
DEADLINE = timedelta(seconds=60)
AGAIN = ("left", "deleted", "reissued", "target-gone")


@lru_cache(maxsize=100_000)
def text(value: Value) -> str:
    return canonical(value)


@lru_cache(maxsize=100_000)
def value_of(spelling: str) -> Value:
    value = from_canonical(spelling)
    assert isinstance(value, str | Decimal)
    return value


@dataclass(frozen=True, slots=True)
class Rule:
    """One mapping of the model: ``kinds`` are the objects on both sides, ``paths`` the scalars that both hold."""

    name: str
    rules: Rules
    kinds: Mapping[Side, str]
    paths: tuple[str, ...]
    lines: bool = False
    once: tuple[str, ...] = ()
    find: bool = False
    unique: bool = True
    reference: str = ""  # the mapping whose link the field Contact waits for

    def project(self, fields: Mapping[str, Value]) -> dict[str, str]:
        return {
            path: text(value) for path, value in fields.items() if path in self.paths or (self.lines and "/" in path)
        }


@dataclass(slots=True)
class Job:
    """A call of the write loop."""

    link: LinkId
    request: Request
    mapping: Rule
    sent: Mapping[str, str]
    first_sent: datetime | None = None
    sends: int = 0
    announced: bool = False


@dataclass(slots=True)
class Shells:
    """Reads, plan and settle, with what Kafka and the process remember."""

    world: World
    mappings: tuple[Rule, ...]
    epochs: bool = True
    epoch: int = 1
    ordinal: int = 0
    log: list[tuple[LinkId, LinkEvent]] = field(default_factory=list)
    done: int = 0
    caught_up: int = 0
    links: dict[LinkId, Link] = field(default_factory=dict)
    targets: dict[tuple[str, Side, str], tuple[LinkId, bool]] = field(default_factory=dict)
    reads: dict[tuple[Side, str], Version] = field(default_factory=dict)
    hints: list[tuple[Side, str]] = field(default_factory=list)
    air: list[tuple[Side, str, Version, Snapshot | None]] = field(default_factory=list)
    records: list[tuple[Snapshot, Version]] = field(default_factory=list)
    jobs: dict[LinkId, Job] = field(default_factory=dict)
    answers: list[tuple[LinkId, LinkEvent]] = field(default_factory=list)
    busy: dict[LinkId, int] = field(default_factory=dict)
    flying: list[Request] = field(default_factory=list)
    ticks: dict[tuple[Side, Version], int] = field(default_factory=dict)
    shown: dict[tuple[LinkId, Side], int] = field(default_factory=dict)
    bodies: dict[str, Job] = field(default_factory=dict)
    dropped: dict[LinkId, Wanted] = field(default_factory=dict)
    known: set[LinkId] = field(default_factory=set)  # links with an event, folded or not
    calls: int = 0

    # --- parts -----------------------------------------------------------------------------------------------------

    def number(self) -> Version:
        self.ordinal += 1
        return Version(self.epoch, self.ordinal)

    def append(self, link_id: LinkId, event: LinkEvent) -> int:
        self.log.append((link_id, event))
        self.known.add(link_id)
        return len(self.log) - 1

    def mapping(self, link_id: LinkId) -> Rule:
        return next(mapping for mapping in self.mappings if mapping.name == link_id.mapping)

    def hint(self, row: Row) -> None:
        self.hints.append((Side(row.side), row.id))

    def link_of(self, mapping: Rule, side: Side, object_id: str) -> LinkId | None:
        found = self.targets.get((mapping.name, side, object_id))
        return None if found is None or found[1] else found[0]

    # --- hydrate ---------------------------------------------------------------------------------------------------

    def take_hint(self) -> None:
        self.reads[self.hints.pop(0)] = self.number()

    def start_read(self, index: int) -> None:
        side, object_id = list(self.reads)[index % len(self.reads)]
        self.air.append((side, object_id, self.number(), None))

    def run_read(self, index: int) -> None:
        side, object_id, version, _ = self.air[index]
        shot = self.world.read(side.value, object_id)
        assert shot is not None
        self.ticks[side, version] = shot.tick
        self.air[index] = (side, object_id, version, shot)

    def end_read(self, index: int) -> None:
        side, object_id, version, shot = self.air.pop(index)
        assert shot is not None
        self.records.append((shot, version))
        if self.reads.get((side, object_id), version) < version:
            del self.reads[side, object_id]

    # --- plan ------------------------------------------------------------------------------------------------------

    def plan(self) -> None:
        shot, version = self.records.pop(0)
        side = Side(shot.side)
        for mapping in self.mappings:
            if mapping.kinds[side] != shot.kind:
                continue
            if mapping.rules.two_way:
                self._plan_pair(mapping, side, shot, version)
            elif side is mapping.rules.source:
                self._plan_source(mapping, side, shot, version)
            else:
                self._plan_target(mapping, side, shot, version)

    def _plan_source(self, mapping: Rule, side: Side, shot: Snapshot, version: Version) -> None:
        link_id = self.current(LinkId("c", mapping.name, f"{side.value}:{shot.id}", "t"), shot, version)
        event = self._wanted(mapping, side, shot, version)
        if self._nothing_yet(link_id, event):
            return
        self.append(link_id, replace(event, find={"": "x"}) if mapping.find else event)

    def _nothing_yet(self, link_id: LinkId, event: Wanted) -> bool:
        """Nothing was made of this record, and nothing is to be: no link. An older read of it, late, makes none."""
        if link_id in self.known:
            return False
        newest = self.dropped.get(link_id)
        if newest is not None and not _newer(event, newest):
            return True
        if event.flat is None and event.refusal is None:
            self.dropped[link_id] = event
            return True
        return False

    def current(self, link_id: LinkId, shot: Snapshot | None = None, version: Version | None = None) -> LinkId:
        """The generation that speaks for a record. What is older than the end of one does not begin the next."""
        while (link := self.links.get(link_id)) is not None and link.life is Life.ENDED and link.reason in AGAIN:
            if link.reason in AGAIN[:2] and self.mapping(link_id).rules.again != "new":
                break
            if shot is not None and version is not None and not newer(link.end(link_id.side), version, shot.stamp):
                break
            link_id = link_id.next_generation()
        return link_id

    def _plan_target(self, mapping: Rule, side: Side, shot: Snapshot, version: Version) -> None:
        link_id = self.link_of(mapping, side, shot.id)
        if link_id is None and not mapping.find:  # a number may be a stranger's: only a mark of ours leads to a link
            link_id = self._marked(mapping, shot.mark)
        if link_id is not None and link_id in self.links:
            flat = {} if shot.gone else mapping.project(shot.fields)
            status = "gone" if shot.gone else shot.status
            self.append(link_id, Observed(side, shot.id, version, shot.stamp, flat, status, shot.gone))

    def _plan_pair(self, mapping: Rule, side: Side, shot: Snapshot, version: Version) -> None:
        own = self.current(LinkId("c", mapping.name, f"{side.value}:{shot.id}", "t"), shot, version)
        link_id = self.link_of(mapping, side, shot.id) or self._marked(mapping, shot.mark) or own
        over = self.targets.get((mapping.name, side, shot.id))
        if over is not None and over[1] and self.links[over[0]].reason == "person":
            return  # a person ended the pair that this was an end of: nothing is born of it again
        event = self._wanted(mapping, side, shot, version)
        if self._nothing_yet(link_id, event):
            return
        self.append(link_id, event)

    def _marked(self, mapping: Rule, mark: str) -> LinkId | None:
        if not mark.startswith(f"{mapping.name}|"):
            return None
        _, document, generation = mark.split("|")
        link_id = LinkId("c", mapping.name, document, "t", int(generation))
        link = self.links.get(link_id)
        return link_id if link is not None and link.life is not Life.ENDED else None

    def _wanted(self, mapping: Rule, side: Side, shot: Snapshot, version: Version) -> Wanted:
        event = Wanted(side, shot.id, version, shot.stamp, "1")
        if shot.gone or not shot.matches:
            return replace(event, left="deleted" if shot.gone else "left")
        if shot.fields.get("Desc") == "unwritable":
            return replace(event, refusal=Failure("mapping.unwritable", Kind.FIX, "It cannot be written."))
        flat, refs = mapping.project(shot.fields), {}
        if mapping.reference and "Account" in shot.fields:
            refs = {"Contact": Ref(mapping.reference, f"salesforce:{shot.fields['Account']}")}
        return replace(event, flat=flat, refs=refs, once=mapping.once, entity=mapping.kinds[side.other])

    # --- settle ----------------------------------------------------------------------------------------------------

    def fold(self) -> None:
        offset = self.done
        link_id, event = self.log[offset]
        self.done += 1
        mapping = self.mapping(link_id)
        before = self.links.get(link_id) or new_link(link_id)
        seen = self._claimed(mapping, before, self._resolved(before, event))
        if seen is None:
            self.busy.pop(link_id, None)
            return
        event = seen
        if isinstance(event, Settled) and before.hold is Hold.CONFLICT and offset > before.offset:
            self._decided(before)
        if isinstance(event, Found) and event.call and event.hits:
            self._undecidable(before, event)
        if isinstance(event, Settled) and event.decision == "link":
            self.world.rows[before.id.side.other.value][event.value].made_by = "person"
        link = step(before, event, mapping.rules, offset)
        self._show(link)
        self.links[link_id] = link
        self._point(link)
        if self.busy.get(link_id, offset + 1) <= offset:
            del self.busy[link_id]
        self._follow(link, mapping)

    def _undecidable(self, link: Link, event: Found) -> None:
        """What nobody can tell of a lost call: what a person filled in where Xero does, and whether a line that it
        added was taken out again or never came."""
        sent = link.attempt.sent if link.attempt is not None else {}
        lines = {path.rsplit("/", 1)[0] + "/" for path in sent if "/" in path and path not in event.flat}
        filled = {path for path in event.flat if path.endswith("/Tax")}
        self.world.settled.update((event.hits[0], path) for path in lines | filled)

    def _decided(self, link: Link) -> None:
        target = link.end(link.id.side.other).id
        for path in link.hold_paths:
            self.world.settled.add((target, path))
            line = path.rsplit("/", 1)[0] + "/"
            self.world.settled.add((target, line))
            known = {*link.agreed, *link.salesforce.drift, *link.xero.drift} if "/" in path else ()
            self.world.settled.update((target, other) for other in known if other.startswith(line))

    def _claimed(self, mapping: Rule, link: Link, event: LinkEvent) -> LinkEvent | None:
        """A record that is an end of another link by now has none of its own. A match with an object that has a link,
        or is about to, is looked for again; if that link is this very pair, the younger ends."""
        if not mapping.rules.two_way:
            return event
        link_id = link.id
        mine = self.link_of(mapping, link_id.side, link_id.source)
        unborn = link.life is Life.NEW and link.attempt is None and not isinstance(event, Started)
        if unborn and mine not in (None, link_id):
            return Due(self.world.now, merged_into=str(mine))
        if not isinstance(event, Found) or event.call or len(event.hits) != 1:
            return event
        twin = self.links.get(LinkId("c", mapping.name, f"{event.side.value}:{event.hits[0]}", "t"))
        if twin is not None and twin.life is Life.NEW and twin.attempt is not None:
            return None
        owner = self.link_of(mapping, event.side, event.hits[0])
        if owner in (None, link_id):
            return event
        pair = self.links[owner].end(link_id.side).id == link_id.source
        return Due(self.world.now, merged_into=str(owner)) if pair else None

    def _resolved(self, link: Link, event: LinkEvent) -> LinkEvent:
        if isinstance(event, Wanted) and event.refs and event.flat is not None:
            known = self._known(event.refs)
            return replace(
                event,
                flat={**event.flat, **known},
                refs={path: ref for path, ref in event.refs.items() if path not in known},
            )
        if isinstance(event, Due) and link.refs:
            return replace(event, resolved=self._known(link.refs))
        return event

    def _known(self, refs: Mapping[str, Ref]) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, ref in refs.items():
            side, _, object_id = ref.document.partition(":")
            owner = self.targets.get((ref.mapping, Side(side), object_id))
            link = self.links[owner[0]] if owner is not None and not owner[1] else None
            other = link.end(Side(side).other).id if link is not None else ""
            if other:
                found[path] = text(other)
        return found

    def _show(self, link: Link) -> None:
        """How far into the world the link has seen, on both sides."""
        for side in Side:
            end = link.end(side)
            for version in (end.version, end.held.version if end.held is not None else end.version):
                tick = self.ticks.get((side, version), -1)
                self.shown[link.id, side] = max(self.shown.get((link.id, side), -1), tick)

    def _point(self, link: Link) -> None:
        if link.life is Life.NEW:
            return
        gone = link.life is Life.ENDED
        for side in Side:
            key = (link.id.mapping, side, link.end(side).id)
            there = self.targets.get(key)
            if key[2] and not (gone and there is not None and there[0] != link.id):
                self.targets[key] = (link.id, gone)

    def _follow(self, link: Link, mapping: Rule) -> None:
        follows = outputs(link, mapping.rules)
        for side, object_id in follows.asks:
            self.reads[side, object_id] = self.number()
        if link.life is not Life.LIVE:
            return
        for waiting in [other for other in self.links.values() if other.refs and other.id.mapping != link.id.mapping]:
            if any(ref.mapping == link.id.mapping for ref in waiting.refs.values()) and self._known(waiting.refs):
                self.append(waiting.id, Due(self.world.now))
        twin = LinkId("c", mapping.name, f"{link.id.side.other.value}:{link.end(link.id.side.other).id}", "t")
        if mapping.rules.two_way and twin in self.links and self.links[twin].life is Life.NEW:
            self.append(twin, Due(self.world.now, merged_into=str(link.id)))


def _newer(event: Wanted, than: Wanted) -> bool:
    if event.stamp is None or than.stamp is None or event.stamp == than.stamp:
        return event.version > than.version
    return event.stamp > than.stamp


def mark(link_id: LinkId) -> str:
    return f"{link_id.mapping}|{link_id.document}|{link_id.generation}"
