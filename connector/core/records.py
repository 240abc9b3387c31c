"""Records: what is, on one side, with the version that says how new the knowledge is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connector.core.values import Fields


class Side(StrEnum):
    """One of the two parties."""

    SALESFORCE = "salesforce"
    XERO = "xero"

    @property
    def other(self) -> Side:
        return Side.XERO if self is Side.SALESFORCE else Side.SALESFORCE


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """When we asked: the owner's epoch and its own counter of reads, polls and writes, taken when it is sent."""

    epoch: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Record:
    """The full present state of one object on one side.

    ``stamp`` is the source's own time of change (SystemModstamp, UpdatedDateUTC), ``fields`` the object's fields by the
    side's own names: nested objects are mappings, child rows are sequences of mappings. A deleted record may have none.
    """

    side: Side
    organisation: str
    entity: str
    id: str
    version: Version
    read_at: datetime
    stamp: datetime | None
    deleted: bool = False
    fields: Fields = field(default_factory=dict)

    def newer_than(self, other: Record) -> bool:
        """Whether this replaces what we knew: the stamp not older and, on equal stamps, a higher version."""
        if self.stamp is None or other.stamp is None or self.stamp == other.stamp:
            return self.version > other.version
        return self.stamp > other.stamp


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Which fields of an entity are read, and which child rows beside them.

    ``fields`` are paths by the side's own names, dotted over relationships (``Account.Region__c``); ``children`` maps a
    child relationship (``OpportunityLineItems``) to the paths read of each row. An empty plan means the whole document
    (Xero always answers with whole documents).
    """

    entity: str
    fields: tuple[str, ...] = ()
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
