"""A mapping as a value: what parse read, frozen. Nothing here reads files, clocks or networks."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from connector.core.below import PARENTS
from connector.core.catalog import FieldInfo, FieldType
from connector.core.mapping.expression import Expression
from connector.core.mapping.life import Life
from connector.core.mapping.shapes import LINES
from connector.core.records import ReadPlan, Side


class Kind(StrEnum):
    DOCUMENT = "document"  # each matching record of the source makes one object of the target
    TWO_WAY = "two-way"  # one link, two ends kept equal
    BACK_WRITE = "back-write"  # changes what another mapping tied, never creates


@dataclass(frozen=True, slots=True)
class End:
    """One side's entity."""

    side: Side
    entity: str

    def __str__(self) -> str:
        return f"{self.side.value}.{self.entity}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The brake, a day: over it the mapping pauses and asks. None is no limit."""

    creates: int | None = 500
    voids: int | None = 20
    money: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """How one field of the target gets its value. ``info`` is what its catalog says, None until ``bind``."""

    path: str
    value: Expression
    line: int
    once: bool = False
    clear: bool = False  # a null empties the field; else it is not sent
    cut: bool = False  # a text that is too long is cut; else the record is refused
    plain: bool = False  # `value` is a plain scalar: its text is converted by the field's type
    info: FieldInfo | None = None
    conflict: str = ""  # salesforce | xero | latest | ask; empty: as the mapping says


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Lines of a document: one for each row of ``each``, or a single one."""

    key: Expression
    settings: tuple[Setting, ...]
    line: int
    each: Expression | None = None
    name: str = ""  # of the row, in the block's expressions
    when: Expression | None = None
    rows: str = ""  # to Salesforce: the child relationship that the lines are written to
    mark: str = ""  # to Salesforce: the rows' external id
    adopts: bool = False  # to Salesforce: a row without a mark may be the one that a new line means
    entity: str = ""  # of the rows; empty until ``bind``, as is what follows
    parent: str = ""  # their field that names the object
    mark_info: FieldInfo | None = None

    @property
    def fixed_key(self) -> str | None:
        value = self.key.literal if self.key.is_literal else None
        return value if isinstance(value, str) else None


def _has_places(info: FieldInfo | None) -> bool:
    return info is not None and info.type is FieldType.NUMBER and info.scale is not None


@dataclass(frozen=True, slots=True)
class Pair:
    """One field of a two-way mapping. Its neutral name is ``name``, the Salesforce path."""

    name: str
    xero: str
    owner: str  # salesforce | xero | latest
    line: int
    using: str = ""
    clear: bool = False
    cut: bool = False
    info: FieldInfo | None = None  # what the written side or sides take, both together; None until ``bind``

    def path(self, side: Side) -> str:
        return self.name if side is Side.SALESFORCE else self.xero


@dataclass(frozen=True, slots=True)
class MatchRule:
    """Equal values of both expressions mean the same thing on both sides. Each is a path, perhaps within lower()."""

    sides: Table[Side, Expression]
    line: int


@dataclass(frozen=True, slots=True)
class Part:
    """Which of several documents a mapping of one document is.

    ``name`` is its key, or the name of its rows (``each``, ``key``: one document for each row). ``after`` are the parts
    that must stand before it begins.
    """

    name: str
    line: int
    each: Expression | None = None
    key: Expression | None = None
    after: tuple[str, ...] = ()

    @property
    def rows(self) -> bool:
        return self.each is not None

    def owns(self, part: str) -> bool:
        """Whether a link's part (``deposit``, ``instalment:<row key>``) is of this one."""
        return part.partition(":")[0] == self.name if self.rows else part == self.name


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping. ``source`` and ``target`` are the ``sf`` and ``xero`` ends of a two-way one.

    ``version`` is 16 hex digits over the content: comments and the order of keys do not change it.
    """

    name: str
    version: str
    kind: Kind
    source: End
    target: End
    file: str = ""
    begin: str = "new"  # new | link | all
    read: Table[str, str] = field(default_factory=dict)  # name → relationship of the source record
    when: Table[Side, Expression] = field(default_factory=dict)
    organisation: Expression | None = None
    find: Table[str, Expression] = field(default_factory=dict)
    found: str = "stop"  # stop | link | ask
    let: Table[str, Expression] = field(default_factory=dict)  # in the order of evaluation
    settings: tuple[Setting, ...] = ()  # in the order of evaluation
    blocks: tuple[LineBlock, ...] = ()
    expect: Table[str, Expression] = field(default_factory=dict)
    approve: str = "checked"  # checked | draft | at-once
    life: Life = field(default_factory=Life)
    foreign_lines: str = "keep"  # keep | conflict | replace
    limits: Limits = field(default_factory=Limits)
    mark: str = ""
    pairs: tuple[Pair, ...] = ()
    match: tuple[MatchRule, ...] = ()
    matched: Table[int, str] = field(default_factory=dict)  # rule (from 1) → link | ask
    create: str = "both"  # both | salesforce | xero | none
    conflict: str = "ask"  # salesforce | xero | latest | ask
    of: Expression | None = None  # the object that a back-write changes
    unlinked: str = "skip"  # skip | wait | tell
    several: str = "newest"  # newest | sum | each
    lines_of_keys: Table[str, int] = field(default_factory=dict)  # top-level key → line of the file
    plans: Table[Side, ReadPlan] = field(default_factory=dict)  # what must be read of a record, worked out once
    bound: bool = False
    depends: str = "at-trigger"  # at-trigger | live
    beside: Table[str, tuple[str, ...]] = field(default_factory=dict)  # `live`: object → paths by which it is read
    together: str = "best-effort"  # best-effort | draft-first
    documents: tuple[Mapping, ...] = ()  # several documents of one record: each a mapping of one document
    part: Part | None = None  # which of them this is
    credits: Mapping | None = None  # of the credit notes that take back what was approved
    allocations: Mapping | None = None  # of a credit note to what it takes back

    @property
    def each(self) -> tuple[Mapping, ...]:
        """The mappings of one document that this one consists of: itself, or its documents."""
        return self.documents or (self,)

    @property
    def every(self) -> tuple[Mapping, ...]:
        """As ``each``, with the credit notes."""
        follows = (after for one in self.each for after in (one.credits, one.allocations) if after is not None)
        return (*self.each, *follows)

    def one(self, part: str) -> Mapping:
        """The one that a link's part belongs to; the whole where there is none (any more)."""
        own, _, follows = part.partition("~")
        found = next((one for one in self.documents if one.part is not None and one.part.owns(own)), self)
        after = found.allocations if follows.startswith("allocation") else found.credits
        return after if follows and after is not None else found

    def takes(self, side: Side, entity: str) -> bool:
        """Whether a record of this side and entity is this mapping's business (as its source or either end)."""
        ends = (self.source, self.target) if self.kind is Kind.TWO_WAY else (self.source,)
        return End(side, entity) in ends

    def end(self, side: Side) -> End:
        return self.source if self.source.side is side else self.target

    def touched(self, side: Side) -> tuple[str, ...]:
        """Whose rights it needs there: its own entity's, or those of the objects that its target stands below."""
        entity = self.end(side).entity
        if side is Side.SALESFORCE or entity not in PARENTS:
            return (entity,)
        parents = tuple(sorted(PARENTS[entity] & {setting.path for setting in self.settings}))
        return (*parents, entity) if entity == "Attachment" else parents  # files have a right of their own

    def creates(self, side: Side) -> bool:
        """Whether this mapping may create an object on that side."""
        if self.kind is Kind.TWO_WAY:
            return self.create in ("both", side.value)
        return self.kind is Kind.DOCUMENT and side is self.target.side

    @property
    def lines(self) -> str:
        """The name under which a document of Xero keeps its lines; empty without lines, and for rows of Salesforce."""
        if self.target.side is Side.SALESFORCE:
            return ""
        return LINES.get(self.target.entity, ("Lines", ""))[0] if self.blocks else ""

    def read_plan(self, side: Side) -> ReadPlan:
        """What must be read of a record on that side; for Xero the whole document."""
        return self.plans.get(side) or ReadPlan(self.end(side).entity)

    @property
    def owners(self) -> Table[str, str]:
        """Path (``<lines>/<field>`` for a line's) → source | salesforce | xero | latest."""
        if self.kind is Kind.TWO_WAY:
            return {pair.name: pair.owner for pair in self.pairs}
        marks = (f"{block.rows}/{block.mark}" for block in self.blocks if block.mark)
        return dict.fromkeys([*(name for name, _ in self._named()), *marks], "source")

    @property
    def exact(self) -> frozenset[str]:
        """Paths, as in ``owners``, of numbers whose decimal places are known: values are rounded before they are sent.
        None until ``bind``."""
        pairs = {pair.name for pair in self.pairs if _has_places(pair.info)}
        return frozenset(pairs | {name for name, setting in self._named() if _has_places(setting.info)})

    @property
    def policies(self) -> Table[str, str]:
        """Path, as in ``owners`` → who wins when both sides changed it, where a field says so itself."""
        return {name: setting.conflict for name, setting in self._named() if setting.conflict}

    @property
    def meets(self) -> bool:
        """Whether this writes a document with lines back: what both show when they meet is agreed as it stands."""
        return self.kind is Kind.BACK_WRITE and bool(self.blocks)

    def _named(self) -> Iterator[tuple[str, Setting]]:
        yield from ((setting.path, setting) for setting in self.settings)
        for block in self.blocks:
            yield from ((f"{block.rows or self.lines}/{setting.path}", setting) for setting in block.settings)
