"""What the projection holds, as values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime


def ref_of(key: str) -> str:
    """Ten hex digits by which a person names a link or a dead letter; its key is too long to type."""
    return hashlib.sha256(key.encode()).hexdigest()[:10]


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link as people see it. ``key`` is the link's key, ``link_offset`` that of the event that last moved it.

    ``epoch`` and ``ordinal`` say who wrote it as its which write: a lower pair never replaces a higher one.
    """

    key: str
    connection: str
    mapping: str
    document: str
    generation: int
    tenant: str
    state: str
    review: bool
    code: str
    message: str
    remedy: str
    paths: tuple[str, ...]
    salesforce_id: str
    xero_id: str
    status: str
    updated_at: datetime
    link_offset: int
    epoch: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """What could not be taken in: where it stands (``topic``, ``partition``, ``offset``) and why. Its bytes stay in
    ``deadletters.v1``; ``size`` is their number. ``closed`` says how it was closed, None while it is open."""

    key: str
    connection: str
    topic: str
    partition: int
    offset: int
    size: int
    stage: str
    code: str
    message: str
    remedy: str
    at: datetime
    closed: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many links of a mapping are in a state."""

    connection: str
    mapping: str
    state: str
    number: int


@dataclass(frozen=True, slots=True)
class Review:
    """What needs a person: a link that failed or is in conflict, or a dead letter. ``ref`` is its short name.

    ``about`` is the link's document or the dead letter's place (``topic/partition/offset``).
    """

    ref: str
    kind: str  # link | dead-letter
    key: str
    connection: str
    mapping: str
    about: str
    state: str
    code: str
    message: str
    remedy: str
    since: datetime
    paths: tuple[str, ...] = ()
    salesforce_id: str = ""
    xero_id: str = ""
