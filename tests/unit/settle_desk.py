"""Settle and plan over tables in memory: what a test of several links needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link_events import LinkEvent, Started
from connector.core.link_state import Link
from connector.core.party import Party
from connector.core.records import Record, Side
from connector.kafka.codec import Codec
from connector.kafka.link_codec import KINDS, Call, LinkEventEnvelope, Member
from connector.settings import ConnectionSettings
from streams.connection import Connection
from streams.plan import Plan
from streams.settle import Settle
from streams.tables import LinkTable, ParentTable, ReadTable, Tables, TargetTable
from tests.unit.mapping_catalogs import ready

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARTY = {"client_id": "c", "client_secret": "s"}
SETTINGS = ConnectionSettings.model_validate(
    {"name": "demo", "salesforce": {"url": "https://x.example", **PARTY}, "xero": [{"tenant": "t", **PARTY}]}
)


class Shelf:
    """A table of bytes."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    peek = read

    def write(self, key: bytes, value: bytes) -> None:
        self.rows[key] = value

    def remove(self, key: bytes) -> None:
        self.rows.pop(key, None)

    def scan(self, partition: int, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        yield from ((key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix))

    def after(self, key: bytes, count: int) -> list[tuple[bytes, bytes]]:
        return [row for row in self.scan(0) if row[0] > key][:count]


def empty_tables() -> Tables:
    codec = Codec()
    return Tables(
        LinkTable(Shelf(), codec), TargetTable(Shelf(), codec), ReadTable(Shelf(), codec), ParentTable(Shelf(), codec)
    )


@dataclass
class Desk:
    """One connection. ``sent`` are the link events that plan and settle gave out, ``asked`` what must be read."""

    mappings: tuple[str, ...]
    sent: list[tuple[LinkId, LinkEvent]] = field(default_factory=list)
    asked: list[tuple[Side, str]] = field(default_factory=list)
    offset: int = -1

    def __post_init__(self) -> None:
        nobody = cast("Party", None)
        self.home = Connection(SETTINGS, nobody, nobody, "org", "t", lambda: NOW, 0)
        for name in self.mappings:
            self.home.applied[name] = Applied(ready(name))
        self.tables = empty_tables()
        self.settle = Settle(self.tables, self._send, self._ask)
        self.plan = Plan(self.tables, self._send)

    async def _send(self, connection: Connection, key: bytes, event: LinkEvent) -> None:
        self.sent.append((LinkId.parse(key), event))

    async def _ask(self, connection: Connection, organisation: str, entity: str, object_id: str, reason: str) -> None:
        self.asked.append((connection.side_of(organisation), object_id))

    async def take(self, record: Record) -> list[tuple[LinkId, LinkEvent]]:
        """Plan one record; gives the events that it meant, which are not folded yet."""
        before = len(self.sent)
        await self.plan.take(self.home, record)
        return self.sent[before:]

    async def fold(self, link_id: LinkId, event: LinkEvent) -> Link:
        """Fold one event; gives the link."""
        self.offset += 1
        body = _announced(link_id, event) if isinstance(event, Started) else event
        await self.settle.fold(
            self.home, LinkEventEnvelope(link_id.key.decode(), KINDS[type(body)], NOW, body), self.offset
        )
        link = self.tables.links.get(link_id)
        assert link is not None
        return link


def _announced(link_id: LinkId, event: Started) -> Call:
    members = (Member(link_id.key.decode(), event.sent),)
    return Call(
        event.call, event.side, "org", "Contact", event.operation, members, event.epoch, "", event.at, event.deadline
    )
