"""What planning works with: mappings as they were applied, the links as the tables show them, and the scene. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from connector.core.document import Flat
from connector.core.identity import LinkId
from connector.core.link_events import MEANWHILE, PAST, UNCLAIMED, LinkEvent
from connector.core.link_state import Life, Link, Rules
from connector.core.mapping.approval import approve_of
from connector.core.mapping.evaluate import Context
from connector.core.mapping.life import Action, Group
from connector.core.mapping.model import Kind as MappingKind
from connector.core.mapping.model import Mapping as Rule
from connector.core.records import Record, Side
from connector.core.unborn import Unborn

SAME = "="  # behind a rule's number: the identity that a hit must have
BY_MARK = "mark"  # the look-up by our own mark: a hit is ours


class Gate(StrEnum):
    """What a mapping may do now."""

    OPEN = "open"
    SNAPSHOT = "snapshot"  # `begin: new`: what matches already is marked as before
    CLOSED = "closed"  # it does not fit the objects as they are now


@dataclass(frozen=True, slots=True)
class Applied:
    """A mapping as it was applied: its compiled rules, its gate and, for ``begin: new``, the pin.

    ``claim``: the links were rebuilt, so our own mark is looked for before anything is created. ``kept`` are earlier
    versions that links still follow, by version.
    """

    mapping: Rule
    gate: Gate = Gate.OPEN
    pinned: datetime | None = None
    paused: bool = False
    claim: bool = False
    kept: Mapping[str, Rule] = field(default_factory=dict)

    def of(self, link: Link) -> Rule:
        """The version that a link keeps: the one by which it was planned, as long as that is kept."""
        return self.kept.get(link.mapping_version, self.mapping).one(link.id.part)

    def planning(self, link_id: LinkId, link: Link | None) -> Rule:
        """The version by which a link's records are planned. What was never born follows today's."""
        unborn = link is None or (link.life is Life.NEW and link.attempt is None)
        return self.mapping.one(link_id.part) if link is None or unborn else self.of(link)

    @property
    def looks(self) -> bool:
        """It is being applied, and what exists is looked for, nothing made: `begin: link`, or its links were rebuilt
        from a part of their events. With `begin: all` everything is made, once its own mark has been looked for."""
        begin = self.mapping.begin
        return self.gate is Gate.SNAPSHOT and (begin == "link" or (self.claim and begin != "all"))

    def unfound(self, stamp: datetime | None) -> str:
        """What it means for a record (last changed then) that nothing is found of it while this mapping only looks.
        Where links were rebuilt from a part of their events it may have had one, of which no event is kept."""
        if not self.looks:
            return ""
        if self.pinned is not None and stamp is not None and stamp <= self.pinned:
            return PAST
        if self.claim:
            return UNCLAIMED
        return MEANWHILE if self.pinned is not None and stamp is not None else PAST

    @property
    def held(self) -> bool:
        """It does not fit the objects as they are now: records pass by it, and are read again once it does."""
        return self.gate is Gate.CLOSED

    @property
    def versions(self) -> tuple[Rule, ...]:
        """Today's and all that are kept: each document of a record by itself."""
        return tuple(one for rule in (self.mapping, *self.kept.values()) for one in rule.every)


class Links(Protocol):
    """What planning asks about links: a look at the tables."""

    def link(self, link_id: LinkId) -> Link | None:
        """The link as it was last folded."""

    def owner(self, connection: str, mapping: str, side: Side, object_id: str) -> LinkId | None:
        """The link of this mapping one of whose ends is that object."""

    def readers(self, mapping: str, side: Side, object_id: str) -> tuple[LinkId, ...]:
        """Links of this mapping that asked for a read of that object, their end: several back-writes may share it."""

    def former(self, connection: str, mapping: str, side: Side, object_id: str) -> LinkId | None:
        """As ``owner``, also a link that is over."""

    def pending(self, link_id: LinkId) -> bool:
        """Whether something about this link has been planned and is not folded yet."""

    def documents(self, link_id: LinkId) -> tuple[Link, ...]:
        """The links of all documents of the same mapping and record: of each the last generation, no credit notes."""

    def parts(self, link_id: LinkId) -> tuple[str, ...]:
        """The parts of all links of the same mapping and record, also of those planned and not folded yet."""

    @property
    def unborn(self) -> Unborn:
        """Records of which nothing was made so far."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a record is planned: its connection with its tenants, what expressions may read.

    Documents go to ``tenant`` unless their mapping says `organisation`. ``tenants`` maps each tenant's name and id to
    its id; empty where there is only the one.
    """

    connection: str
    tenant: str
    settings: Flat = field(default_factory=dict)
    lookups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    salesforce_url: str = ""
    tenants: Mapping[str, str] = field(default_factory=dict)

    def context(self, link_id: LinkId) -> Context:
        return Context(
            self.settings, self.lookups, link_id.generation, link_id.tenant, self.salesforce_url, self.tenants
        )

    def home(self, record: Record) -> str:
        """The tenant that a record of Xero stands in; the usual one for a record of Salesforce."""
        return record.organisation if record.organisation in self.tenants.values() else self.tenant

    def reach(self, record: Record, mapping: Rule) -> tuple[str, ...]:
        """The tenants in which a record may have a document of this mapping, the usual one first."""
        if record.side is Side.XERO or mapping.organisation is None:
            return (self.home(record),)
        return tuple(dict.fromkeys([self.tenant, *self.tenants.values()]))


Planned = tuple[LinkId, LinkEvent]


def rules_of(mapping: Rule) -> Rules:
    """What the fold must know of a mapping."""
    two_way = mapping.kind is MappingKind.TWO_WAY
    life = mapping.life
    return Rules(
        source=mapping.source.side,
        two_way=two_way,
        owners=mapping.owners,
        conflict=mapping.conflict,
        policies=mapping.policies,
        as_found=mapping.meets,
        creates=frozenset(side for side in Side if mapping.creates(side)),
        changed=_by_name(life.changed),
        left=_by_name(life.left),
        deleted=_by_name(life.deleted),
        again=life.again.value,
        target_gone=life.target_gone.value,
        approve=approve_of(mapping),
        never_creates=mapping.kind is MappingKind.BACK_WRITE,
        tells_unlinked=mapping.unlinked == "tell",
        exact=mapping.exact,
    )


def _by_name(policy: Mapping[Group, Action]) -> dict[str, str]:
    return {where.value: action.value for where, action in policy.items()}
