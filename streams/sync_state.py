"""Shows in Salesforce how each link stands, in rows of ``Twinledger_Sync__c``.

Level-triggered: settle notes which links it has folded, this loop looks at them as they are, a few seconds later, and
writes what differs from what was shown last, many rows a call. What moved before the stored position has been shown;
after a crash, what moved since is shown once more. An upsert by key shows the same thing twice without harm, so no call
is announced; and no row of that object is ever read as a source.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.core.allowance import Allowance
from connector.core.failure import Kind
from connector.core.link_state import Link
from connector.core.party import Applied, NoAnswer, Operation, Outcome, Rejected, Write
from connector.core.records import ReadPlan, Side
from connector.core.sync_state import PASSING, Shown, SyncState, shown
from connector.errors import ConfigurationError, EngineStop, TryAgain, TwinledgerError, Unavailable
from connector.kafka.link_codec import LinkHead
from connector.kafka.positions import Position, PositionKind
from connector.salesforce import bulk
from connector.salesforce.rest import SalesforceParty
from connector.salesforce.sync_object import KEY, OBJECT, OPEN, lacking, row_of
from connector.xero.screen import address
from streams.connection import Connection, Moved
from streams.sync_retry import Retries

SOURCE = "sync-state"  # of its position
BATCH, CALL_SECONDS, BULK_SECONDS = 200, 60, 240
BULK_CALLS = 8  # what a bulk job takes, about
PAGE = 1000  # heads of links between two breaths
MOST_TOLD = 50_000  # links of which we remember what was shown last
AGAIN_SECONDS, MISSING_SECONDS = 30.0, 600.0  # after a failure; while the package is not there
REFUSED = timedelta(hours=1)  # before a row that Salesforce refused is tried again
GIVE_WAY_SECONDS = 10.0  # at most, to what is written for the mappings
OVER = frozenset({Shown.CLEAN, Shown.ENDED})

Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A row that is being written. ``offset``: what moved its link, -1 for one that stood before; dead letters have
    no link."""

    row: SyncState
    link: Link | None
    offset: int


@dataclass(slots=True)
class SyncStateLoop:
    """``page`` and ``peek`` look at the table of links and raise TryAgain while it is not ours; ``proved`` proves that
    the partition is."""

    connection: Connection
    party: SalesforceParty
    page: Callable[[bytes, int], list[tuple[bytes, LinkHead]]]
    peek: Callable[[bytes], Link | None]
    retries: Retries
    proved: Callable[[], Awaitable[object]]
    store: Callable[[Position], Awaitable[None]]
    tell: Notice
    position: Position | None = None
    trouble: str = ""  # why nothing is shown, for people
    allowance: Allowance = field(init=False)
    moved: Moved = field(default_factory=Moved)
    _told: dict[bytes, bytes] = field(default_factory=dict)
    _rows: dict[str, None] = field(default_factory=dict)  # keys of rows that are neither clean nor over
    _passing: dict[bytes, bytes] = field(default_factory=dict)
    _hand: dict[bytes, Taken] = field(default_factory=dict)
    _after: bytes | None = b""  # how far what stood before has been looked at; None: all of it
    _paused: frozenset[str] = frozenset()
    _refused: dict[bytes, tuple[datetime, int]] = field(default_factory=dict)
    _kept: int = -1

    def __post_init__(self) -> None:
        settings = self.connection.settings.salesforce
        self.allowance = Allowance(settings.sync_state_calls, settings.sync_state_seconds)
        self.connection.moved = self.moved

    async def run(self) -> None:
        """Until cancelled."""
        while not await self._guarded(self.open):  # noqa: ASYNC110  it waits for an administrator
            await asyncio.sleep(MISSING_SECONDS if self.trouble else AGAIN_SECONDS)
        while True:
            await self._turn()
            if not await self._guarded(self.round):
                await asyncio.sleep(min(AGAIN_SECONDS, 6 * self.allowance.seconds))

    async def _guarded(self, work: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await work()
        except (EngineStop, TryAgain) as error:
            if isinstance(error, EngineStop):
                raise
            return False
        except TwinledgerError as error:
            await self.tell(self.connection, "sync-state.failed", error)
            return False

    async def open(self) -> bool:
        """Whether the org has the object, and we may write it; then what stands there and is not clean is known."""
        lacks = await lacks_of(self.party)
        if lacks:
            error = missing(self.connection.name, lacks)
            if not self.trouble:
                await self.tell(self.connection, "sync-state.off", error)
            self.trouble = str(error)
            return False
        self.trouble = ""
        if self._since() < 0:
            self.position = None
        async for rows in self.party.pages("query", OPEN):
            self._rows |= {str(row[KEY]): None for row in rows if row.get(KEY)}
        self._spend(2)
        return True

    def _since(self) -> int:
        """The offset from which on links are to be shown; -1, for all, in another life of the topics."""
        life, _, offset = (self.position.value if self.position is not None else "").rpartition(":")
        return int(offset) if offset.isdigit() and life == self.connection.genesis else -1

    async def _turn(self) -> None:
        """Wait until a call may go; what people wait for in the mappings goes first."""
        ready, loop = self.connection.ready, asyncio.get_running_loop()
        await asyncio.sleep(max(self.allowance.seconds / 2, self._wait()))
        end = loop.time() + min(GIVE_WAY_SECONDS, 2 * self.allowance.seconds)
        while ready.waits_on(Side.SALESFORCE) and loop.time() < end:  # noqa: ASYNC110  a moment, at most
            await asyncio.sleep(0.1)

    async def round(self) -> bool:
        """What people asked for, then what has moved. Raises as the API does."""
        if self.party.pause(now_ms=int(self.connection.clock().timestamp() * 1000)):
            return False
        if await self.retries.look(self._rows, self._send):
            self._spend(1)
        self._note_paused()
        self._note_refused()
        try:
            await self._take()
            await self._write()
        finally:
            self._put_back()
        await self._keep()
        return True

    # --- what is to be shown ------------------------------------------------------------------------------------------

    def _note_paused(self) -> None:
        """A mapping that is paused or goes on moves no link, and yet what is shown of its links differs."""
        paused = frozenset(name for name, applied in self.connection.applied.items() if applied.paused)
        for link in self.connection.ready.links_of(paused ^ self._paused):
            self.moved.note(link.id.key, link.offset)
        self._paused = paused

    def _note_refused(self) -> None:
        """What refused a row may have been mended since: a right, a validation rule."""
        long_ago = self.connection.clock() - REFUSED
        for key, (at, offset) in [*self._refused.items()]:
            if at <= long_ago:
                del self._refused[key]
                if key.decode() not in self.retries.shown:
                    self.moved.again(key, offset)

    async def _take(self) -> None:
        """Into the hand: dead letters, what moved, then what stood before."""
        for name, row in self.retries.shown.items():
            key = name.encode()
            if self._told.get(key) != row.digest and key not in self._refused and len(self._hand) < BATCH:
                self._hand[key] = Taken(row, None, -1)
        most = bulk.MOST if len(self.moved.keys) >= bulk.FROM else BATCH
        for key in list(self.moved.keys)[:most]:
            self._consider(key, self.moved.keys[key])
        while self._after is not None and len(self._hand) + PAGE <= bulk.MOST:
            rows, since = self.page(self._after, PAGE), self._since()
            for key, head in rows:
                self.moved.offset = max(self.moved.offset, head.last)
                if head.last >= since and key not in self.moved.keys:
                    self._consider(key, -1)
            self._after = rows[-1][0] if rows else None
            await asyncio.sleep(0)

    def _consider(self, key: bytes, offset: int) -> None:
        """A link as it is now, if anybody should see it and Salesforce does not show it yet."""
        link = self.peek(key)
        self.moved.keys.pop(key, None)
        row = None if link is None else self._shown(link)
        if link is None or row is None or self._told.get(key) == row.digest:
            self._passing.pop(key, None)
        elif row.state in PASSING and self._passing.get(key) != row.digest:
            self._passing[key] = row.digest  # it is looked at again: seldom does it still wait then
            self.moved.again(key, offset)
        else:
            self._passing.pop(key, None)
            self._hand[key] = Taken(row, link, offset)

    def _shown(self, link: Link) -> SyncState | None:
        connection = self.connection
        applied = connection.applied.get(link.id.mapping)
        rules = connection.rules(link.id.mapping, link.mapping_version, link.id.part)
        if applied is None or rules is None:
            return None
        mapping = applied.of(link)
        row = shown(link, rules, {side: mapping.end(side).entity for side in Side}, paused=applied.paused)
        quiet = connection.settings.salesforce.sync_state == "trouble"
        return None if row is not None and quiet and row.state in OVER and row.key not in self._rows else row

    def _put_back(self) -> None:
        """What could not be shown is looked at again; a dead letter comes by itself."""
        for key, taken in self._hand.items():
            if taken.link is not None:
                self.moved.again(key, taken.offset)
        self._hand.clear()

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """In as few calls as they take, spaced as the allowance says."""
        limit = min(self.party.batch_limit(OBJECT, Operation.CREATE), BATCH)
        size = bulk.MOST if len(self._hand) >= bulk.FROM and limit > 1 else limit
        keys = list(self._hand)
        for at in range(0, len(keys), size):
            if at:
                await asyncio.sleep(self._wait())
            part = keys[at : at + size]
            outcomes = await self._send([self._row(self._hand[key]) for key in part])
            for key, outcome in zip(part, outcomes, strict=True):
                await self._done(key, outcome)

    def _row(self, taken: Taken) -> Write:
        row = taken.row
        tenant = taken.link.id.tenant if taken.link is not None else ""
        link = address(row.xero_entity, row.xero_id, row.xero_type, self.connection.short_codes.get(tenant, ""))
        return row_of(row, link, self._when(taken))

    def _when(self, taken: Taken) -> datetime | None:
        """When it went well: now, for what has just moved; for what stood before, when either end last changed."""
        if taken.row.state is not Shown.CLEAN or taken.link is None:
            return None
        if taken.offset >= 0 or self.position is not None:
            return self.connection.clock()
        ends = (taken.link.salesforce, taken.link.xero)
        return max((end.stamp for end in ends if end.stamp is not None), default=None)

    async def _send(self, writes: Sequence[Write]) -> tuple[Outcome, ...]:
        """One call, ours by proof."""
        many = len(writes) > BATCH
        request = self.party.prepare(writes, "")
        await self.proved()
        self._spend(BULK_CALLS if many else 1)
        try:
            answer = await self.party.send(request, seconds=BULK_SECONDS if many else CALL_SECONDS)
        except NoAnswer as error:
            raise Unavailable("salesforce.away", f"Salesforce gave no answer: {error.reason}") from error
        return self.party.outcomes(writes, answer)

    async def _done(self, key: bytes, outcome: Outcome) -> None:
        """Out of the hand, unless it may go better later."""
        taken = self._hand[key]
        if isinstance(outcome, Applied):
            self._remember(key, taken.row)
            self._refused.pop(key, None)
            del self._hand[key]
        elif isinstance(outcome, Rejected) and outcome.failure.kind is Kind.FIX:
            text = f"Salesforce does not take the row of {taken.row.key}: {outcome.failure.message}"
            self._refused[key] = self.connection.clock(), taken.offset
            del self._hand[key]
            await self.tell(self.connection, "sync-state.refused", TwinledgerError(outcome.failure.code, text))

    def _remember(self, key: bytes, row: SyncState) -> None:
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[key] = row.digest
        if row.state in OVER:
            self._rows.pop(row.key, None)
        else:
            self._rows[row.key] = None

    async def _keep(self) -> None:
        """The offset before which everything has been shown, once nothing old is left."""
        connection = self.connection
        floor = min([self.moved.floor, *(offset for _, offset in self._refused.values())])
        if self._after is not None or floor <= self._kept:
            return
        self.position = Position(
            connection.name, connection.org, SOURCE, PositionKind.CURSOR, f"{connection.genesis}:{floor}",
            connection.numbers.epoch, connection.clock(),
        )  # fmt: skip
        await self.store(self.position)
        self._kept = floor

    def _spend(self, calls: int) -> None:
        self.allowance = self.allowance.spent(self.connection.clock(), calls)

    def _wait(self) -> float:
        return self.allowance.wait(self.connection.clock()).total_seconds()


async def lacks_of(party: SalesforceParty) -> tuple[str, ...]:
    """What the org lacks of our object, or the integration user of rights to it. Raises as the API does."""
    try:
        catalog = await party.describe((ReadPlan(OBJECT),), fresh=True)
    except ConfigurationError:
        return (OBJECT,)
    shape = catalog.objects.get(OBJECT)
    return (OBJECT,) if shape is None else lacking(shape)


def missing(connection: str, lacks: Iterable[str]) -> ConfigurationError:
    """The package is not there, is old, or the integration user may not write it."""
    return ConfigurationError(
        "salesforce.sync-state-missing",
        f"Connection {connection} shows no sync states: not there, or not writable, in Salesforce: {', '.join(lacks)}.",
        remedy=f"Deploy salesforce-package with {OBJECT} and assign its permission set, or set `sync_state: no`.",
    )
