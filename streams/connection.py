"""One connection as this process knows it: its parties, its applied mappings, and what waits to be done.

Everything here is in memory and can be made anew from the tables and ``configuration.v1``.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector.core.applied import Applied, Gate, Scene, rules_of
from connector.core.link import asks
from connector.core.link_state import Link, Rules
from connector.core.mapping.model import Mapping as Rule
from connector.core.party import Party
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.snapshots import Collection, Window
from connector.core.unborn import Unborn
from connector.settings import ConnectionSettings
from streams.ready import Ready

Clock = Callable[[], datetime]
REMEMBERED = 60  # seconds for which it is known when a number was given


class Numbers:
    """The one counter of a connection: every read, poll and write gets its number when it is sent."""

    def __init__(self, epoch: int, now: Callable[[], float] = time.monotonic) -> None:
        self.epoch = epoch
        self._ordinal = 0
        self._now = now
        self._given: deque[tuple[float, int]] = deque(maxlen=REMEMBERED)  # when, about every second, which number

    def next(self) -> Version:
        self._ordinal += 1
        now = self._now()
        if not self._given or now - self._given[-1][0] >= 1:
            self._given.append((now, self._ordinal))
        return Version(self.epoch, self._ordinal)

    def lately(self, version: Version, seconds: float) -> bool:
        """Whether a number was given within the last seconds (a second less, when in doubt)."""
        since = self._now() - seconds
        first = next((ordinal for at, ordinal in self._given if at >= since), None)
        return first is not None and version >= Version(self.epoch, first)


class Flight:
    """Link events that plan has sent and settle has not folded, by link: until then plan may not call a record old."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def sent(self, link: str) -> None:
        self._waiting[link] += 1

    def folded(self, link: str) -> None:
        if self._waiting[link] <= 1:
            del self._waiting[link]
        else:
            self._waiting[link] -= 1

    def __contains__(self, link: str) -> bool:
        return link in self._waiting

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._waiting))


class Waiting:
    """Which links wait for which object of a mapping: an index that a scan of the links makes anew."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str], set[bytes]] = {}
        self._refs: dict[bytes, set[tuple[str, str]]] = {}

    def note(self, link: Link, wanted: set[tuple[str, str]]) -> None:
        key = link.id.key
        for gone in self._refs.get(key, set()) - wanted:
            self._links[gone].discard(key)
            if not self._links[gone]:
                del self._links[gone]
        for ref in wanted:
            self._links.setdefault(ref, set()).add(key)
        if wanted:
            self._refs[key] = wanted
        else:
            self._refs.pop(key, None)

    def on(self, mapping: str, document: str) -> tuple[bytes, ...]:
        return tuple(self._links.get((mapping, document), ()))


@dataclass(slots=True)
class Moved:
    """Links that were folded and not shown in Salesforce since, each with the offset that first moved it."""

    keys: dict[bytes, int] = field(default_factory=dict)
    offset: int = -1  # of the last event that was folded

    def note(self, key: bytes, offset: int) -> None:
        self.keys.setdefault(key, offset)
        self.offset = max(self.offset, offset)

    def again(self, key: bytes, offset: int) -> None:
        """It was taken, and could not be shown."""
        self.keys[key] = min(offset, self.keys.get(key, offset))

    @property
    def floor(self) -> int:
        """Whatever moved before this offset has been shown."""
        return min(self.keys.values(), default=self.offset + 1)


@dataclass(slots=True)
class Connection:
    """What the agents and loops of one connection share."""

    settings: ConnectionSettings
    salesforce: Party
    xero: Party
    org: str
    tenant: str
    clock: Clock
    partition: int
    genesis: str = ""
    caught_up: bool = False
    draining: bool = False  # this worker ends: what is under way is finished, nothing more begins
    numbers: Numbers = field(default_factory=lambda: Numbers(0))
    ready: Ready = field(default_factory=Ready)
    waiting: Waiting = field(default_factory=Waiting)
    reading: Waiting = field(default_factory=Waiting)  # links that asked for a read of an end
    flight: Flight = field(default_factory=Flight)
    unborn: Unborn = field(default_factory=Unborn)
    applied: dict[str, Applied] = field(default_factory=dict)
    moved: Moved | None = None  # None: nobody shows them
    linked: asyncio.Event = field(default_factory=asyncio.Event)  # set once a link has been folded
    resyncs: set[Collection] = field(default_factory=set)  # objects and lists that must be read whole
    work: asyncio.Event = field(default_factory=asyncio.Event)  # something was applied or asked for
    orders: asyncio.Queue[tuple[int, Mapping[str, Any]]] = field(default_factory=asyncio.Queue)  # signals of snapshots
    window: Window = field(default_factory=Window)
    letters: asyncio.Queue[tuple[str, str, str]] = field(default_factory=asyncio.Queue)  # dead letter, decision, by
    tally: Counter[tuple[str, ...]] = field(default_factory=Counter)  # what was done, for the metrics
    took: deque[tuple[Side, float]] = field(default_factory=deque)  # seconds of each API call, for the metrics
    poked: set[tuple[str, str]] = field(default_factory=set)  # (tenant, list): a webhook says that it has moved
    released: set[str] = field(default_factory=set)  # braked mappings that a person let through today
    reference: dict[tuple[str, str], dict[str, Record]] = field(default_factory=dict)  # by tenant and entity
    tenants: dict[str, Party] = field(default_factory=dict)  # every Xero organisation by its id; ``tenant`` is one
    _rules: dict[tuple[str, str, str], Rules] = field(default_factory=dict)
    short_codes: Mapping[str, str] = field(default_factory=dict)  # tenant → its name in Xero's addresses
    corporate: str = ""  # the corporate currency of an org with several, where the settings name none

    def __post_init__(self) -> None:
        self.tenants.setdefault(self.tenant, self.xero)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def currency(self) -> str:
        """``connection.currency``: what the settings say, else the org's corporate currency."""
        return self.settings.currency or self.corporate

    def forget(self) -> None:
        """Somebody else may have owned it since: what waits to be done is made anew from the tables."""
        self.caught_up = False
        self.ready, self.waiting, self.reading, self.flight = Ready(), Waiting(), Waiting(), Flight()

    def party(self, side: Side, tenant: str) -> Party:
        return self.salesforce if side is Side.SALESFORCE else self.tenants[tenant]

    def parties(self, side: Side) -> tuple[Party, ...]:
        return (self.salesforce,) if side is Side.SALESFORCE else tuple(self.tenants.values())

    def organisation(self, side: Side, tenant: str) -> str:
        """The org, or a tenant of ours."""
        return self.org if side is Side.SALESFORCE else tenant

    def organisations(self, side: Side) -> tuple[str, ...]:
        return (self.org,) if side is Side.SALESFORCE else tuple(self.tenants)

    def side_of(self, organisation: str) -> Side:
        return Side.SALESFORCE if organisation == self.org else Side.XERO

    def scene(self) -> Scene:
        return Scene(
            connection=self.name,
            tenant=self.tenant,
            settings={
                "currency": self.currency,
                "name": self.name,
                "url": self.settings.salesforce.url.rstrip("/"),
            },
            lookups=self.settings.lookups,
            salesforce_url=self.settings.salesforce.url,
            tenants={name: each.tenant for each in self.settings.xero for name in (each.name, each.tenant) if name},
        )

    def note(self, link: Link) -> None:
        """Remember what a link waits for: objects that other links stand for, and reads of its own ends."""
        self.waiting.note(link, {(ref.mapping, ref.document) for ref in link.refs.values()})
        self.reading.note(link, {(link.id.mapping, f"{side.value}:{object_id}") for side, object_id in asks(link)})

    def resync(self, collection: Collection) -> None:
        """An object about which a source lost count is read whole."""
        self.resyncs.add(collection)
        self.work.set()

    def rules(self, mapping: str, version: str = "", part: str = "") -> Rules | None:
        """The rules of an applied mapping, or of a version of it that links keep; None for one that is not applied.
        Where it makes several documents of a record, those of a ``part``."""
        applied = self.applied.get(mapping)
        if applied is None:
            return None
        rule = applied.kept.get(version, applied.mapping).one(part)
        kind = rule.part.name if rule.part is not None else ""
        key = (mapping, rule.version, kind + part[part.find("~") :] if "~" in part else kind)
        rules = self._rules.get(key)
        if rules is None:
            rules = self._rules[key] = rules_of(rule)
        return rules

    def rule(self, link: Link) -> Rule:
        """The version of its mapping that a link keeps."""
        return self.applied[link.id.mapping].of(link)

    def stopped(self, mapping: str) -> bool:
        """Whether a mapping may write nothing now: not applied, being applied, or paused."""
        applied = self.applied.get(mapping)
        return applied is None or applied.gate is not Gate.OPEN or applied.paused

    def looks_only(self, mapping: str) -> bool:
        """Whether a mapping may look for what exists, and do nothing else."""
        applied = self.applied.get(mapping)
        return applied is not None and applied.looks and not applied.paused

    def mappings(self) -> Iterator[Applied]:
        yield from self.applied.values()

    def read_plan(self, side: Side, entity: str) -> ReadPlan:
        """All that any mapping needs of an entity, in one query."""
        fields: dict[str, None] = {}
        children: dict[str, dict[str, None]] = {}
        for rule in self._touching(side, entity):
            plan = rule.read_plan(side)
            fields.update(dict.fromkeys(plan.fields))
            for name, paths in plan.children.items():
                children.setdefault(name, {}).update(dict.fromkeys(paths))
        return ReadPlan(entity, tuple(fields), {name: tuple(paths) for name, paths in children.items()})

    def _touching(self, side: Side, entity: str) -> Iterator[Rule]:
        for applied in self.applied.values():
            for rule in applied.versions:
                if rule.end(side).entity == entity:
                    yield rule

    def beside(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Salesforce object → (mapped object, way): what is read anew when one of these changes (`depends: live`)."""
        out: dict[str, dict[tuple[str, str], None]] = {}
        for applied in self.applied.values():
            for entity, paths in applied.mapping.beside.items():
                known = out.setdefault(entity, {})
                known.update({(applied.mapping.source.entity, path): None for path in paths})
        return {entity: tuple(found) for entity, found in out.items()}

    def entities(self, side: Side) -> tuple[str, ...]:
        """The entities of one side that any mapping reads or writes."""
        names = {rule.end(side).entity for applied in self.applied.values() for rule in applied.versions}
        return tuple(sorted(names))

    def touched(self, side: Side) -> tuple[str, ...]:
        """Whose rights the applied mappings need on that side."""
        rules = (rule for applied in self.applied.values() for rule in applied.versions)
        return tuple(sorted({name for rule in rules for name in rule.touched(side)}))

    def tax_rates(self, tenant: str) -> Mapping[str, Decimal]:
        """TaxType → percent of an organisation, as far as the polls have shown them."""
        rates = {}
        for name, record in self.reference.get((tenant, "TaxRate"), {}).items():
            rate = record.fields.get("EffectiveRate")
            if isinstance(rate, Decimal):
                rates[name] = rate
        return rates
