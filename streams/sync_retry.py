"""What people ask for in Salesforce by ticking ``Retry__c``, and the dead letters that are shown beside the links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.core.identity import LinkId
from connector.core.link_events import LinkEvent, Settled
from connector.core.link_state import Link
from connector.core.party import Applied, Outcome, Write
from connector.core.sync_state import Shown, SyncState, shown_letter
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster
from connector.salesforce.rest import SalesforceParty
from connector.salesforce.sync_object import MOST_RETRIES, RETRIES, Asked, asked_of, cleared
from streams.connection import Connection
from streams.letters import TOPIC

MOST_LETTERS = 1_000  # shown at once: a flood of them is one fault, and `twinledger review` shows all
SELDOM = 10  # times as rarely, while no row needs anybody


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of one connection, as rows."""

    cluster: Cluster
    codec: Codec
    connection: Connection

    async def read(self) -> list[SyncState]:
        """Open and closed ones, the newest last. Raises Unavailable."""
        found = await latest(self.cluster, TOPIC, [self.connection.partition])
        out = []
        for key, message in found.items():
            decoded = self.codec.decode(message.value)
            if isinstance(decoded, Decoded) and decoded.value["connection"] == self.connection.name:
                row = shown_letter(key.decode("ascii", "backslashreplace"), decoded.value)
                out += [row] if row is not None else []
        return out


@dataclass(slots=True)
class Retries:
    """Looks now and then, and carries out. ``send`` writes rows, ``open_rows`` are the keys of rows in trouble."""

    connection: Connection
    party: SalesforceParty
    letters: Letters
    peek: Callable[[bytes], Link | None]
    send_event: Callable[[Connection, bytes, LinkEvent], Awaitable[object]]
    shown: dict[str, SyncState] = field(default_factory=dict)  # dead letters, by key
    _carried: dict[str, None] = field(default_factory=dict)  # rows whose box could not be taken back yet
    _looked: datetime | None = None
    _asked: datetime | None = None

    async def look(
        self, open_rows: dict[str, None], send: Callable[[Sequence[Write]], Awaitable[tuple[Outcome, ...]]]
    ) -> bool:
        """Whether a query was sent. Raises as Kafka and the API do."""
        now, every = self.connection.clock(), timedelta(seconds=self.connection.settings.salesforce.retry_seconds)
        if self._looked is not None and now - self._looked < every:
            return False
        self._looked = now
        for row in (await self.letters.read())[-MOST_LETTERS:]:
            if row.state is Shown.FAILED or row.key in open_rows:
                self.shown[row.key] = row
        if not open_rows and self._asked is not None and now - self._asked < SELDOM * every:
            return False
        self._asked = now
        await self._retries(send)
        return True

    async def _retries(self, send: Callable[[Sequence[Write]], Awaitable[tuple[Outcome, ...]]]) -> None:
        """Carried out first, then the box is taken back: a crash between the two tries once more."""
        rows = [row async for page in self.party.pages("query", RETRIES) for row in page]
        asked = asked_of(rows[:MOST_RETRIES])
        self._carried = {one.row: None for one in asked if one.row in self._carried}
        for one in asked:
            if one.row not in self._carried:
                await self._carry_out(one)
                self._carried[one.row] = None
        if asked:
            for one, outcome in zip(asked, await send(cleared(asked)), strict=True):
                if isinstance(outcome, Applied):
                    self._carried.pop(one.row, None)

    async def _carry_out(self, asked: Asked) -> None:
        """What ``twinledger review retry`` does. A row that names nothing of ours asks for nothing."""
        connection, by = self.connection, f"salesforce:{asked.by}"
        letter = self.shown.get(asked.key)
        if letter is not None and letter.state is Shown.FAILED:
            connection.letters.put_nowait((asked.key, "retry", by))
            return
        link: Link | None = None
        with suppress(ValueError):  # also of a text that is not ASCII
            link_id = LinkId.parse(asked.key.encode("ascii"))
            link = self.peek(link_id.key) if link_id.connection == connection.name else None
        if link is not None:
            await self.send_event(connection, link.id.key, Settled("retry", by, connection.clock()))
