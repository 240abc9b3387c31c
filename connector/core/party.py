"""What a party (Salesforce, Xero) offers to the hops: values in, values out, one shell that touches the wire.

A party prepares a call and reads its answer as pure functions, so that an interrupted call can be built again byte for
byte and every answer can be tested without a socket. Only ``send``, ``read``, ``find`` and ``organisation`` do I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from connector.core.failure import Failure
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.values import Fields


class Operation(StrEnum):
    CREATE = "create"
    UPDATE = "update"


MOST_ROWS = 499  # child rows of one write: a graph of Salesforce has 500 nodes, and one is the object itself


@dataclass(frozen=True, slots=True)
class Row:
    """One child row that is written with its object, all or none. Only Salesforce takes them.

    ``parent`` is its field that names the object, ``mark`` its external id with the value by which it is found again.
    Without a ``target`` (its id) the row is made; without ``fields`` it is taken away.
    """

    entity: str
    parent: str
    mark: tuple[str, str]
    target: str | None
    fields: Fields | None


@dataclass(frozen=True, slots=True)
class Write:
    """One object to create or change.

    ``fields`` are the target's own names with every reference resolved to an id; document lines stand under their own
    name (``LineItems``) as a sequence of mappings. ``mark`` is the field and value by which the object is found again
    after a call whose outcome nobody knows; it is part of ``fields`` too when the operation is a create.
    """

    id: str
    entity: str
    operation: Operation
    target: str | None
    fields: Fields
    mark: tuple[str, str] | None = None
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request without credentials. Equal writes give equal bytes."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Applied:
    """The object is there. ``fields`` is what the answer shows of it (None where the answer carries no fields)."""

    write: str
    target: str
    fields: Fields | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing was written for this element."""

    write: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Undecided:
    """Nobody knows whether it was written: the link is UNKNOWN until a probe says."""

    write: str
    reason: str


Outcome = Applied | Rejected | Undecided


class NoAnswer(Exception):
    """The request ended without an answer. ``sent`` is False only when no byte can have left."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who is on the other end: checked against the configuration before the first write."""

    id: str
    name: str
    base_currency: str | None
    is_demo: bool | None = None
    short_code: str = ""  # Xero's name of it in addresses


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a read by id brought. ``missing`` ids were asked and not answered: MISSING, never taken for deleted."""

    records: tuple[Record, ...]
    missing: tuple[str, ...] = field(default_factory=tuple)


class Party(Protocol):
    """One organisation on one side."""

    side: Side

    async def organisation(self) -> Organisation:
        """Ask who we are connected to. Raises AuthError, Unavailable."""

    def batch_limit(self, entity: str, operation: Operation) -> int:
        """The most writes that one call may carry (Xero 50, Salesforce 200; 1 where the API takes one)."""

    def room(self, writes: Sequence[Write]) -> int:
        """How many of these writes, from the first on, go into one call: at least 1."""

    def prepare(self, writes: Sequence[Write], idempotency_key: str) -> Request:
        """Build one call. Pure and deterministic. All writes have one entity and one operation."""

    async def send(self, request: Request, *, seconds: int) -> Answer:
        """Send a prepared call, signed in, within ``seconds``. Renews a refused token once. Raises NoAnswer."""

    def outcomes(self, writes: Sequence[Write], answer: Answer) -> tuple[Outcome, ...]:
        """One outcome for each write, in their order, whatever the answer looks like. Pure; never raises."""

    async def read(self, plan: ReadPlan, ids: Sequence[str], version: Version) -> ReadResult:
        """Read objects by id (≤ 200). Raises TryAgain, Unavailable, AuthError."""

    async def find(self, plan: ReadPlan, criteria: Fields, version: Version) -> tuple[Record, ...]:
        """All live objects whose fields equal the criteria (at most 10). Raises as ``read``."""

    async def find_each(
        self, plan: ReadPlan, wanted: Sequence[Fields], version: Version
    ) -> tuple[tuple[Record, ...], ...]:
        """As ``find`` for each of the criteria, in their order, in as few calls as the API allows."""

    async def beside(self, plan: ReadPlan, way: str, ids: Sequence[str]) -> tuple[str, ...]:
        """Ids of the plan's objects that read one of these other ones by a relationship (``mapping.beside``)."""

    def pause(self, *, now_ms: int) -> int:
        """Milliseconds until the API budget allows the next call; 0 is now. Pure arithmetic over the last headers."""
