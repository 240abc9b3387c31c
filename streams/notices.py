"""What people should know of a loop's trouble: a log line, a notification, a dead letter. Never a secret."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.core.identity import join_key
from connector.errors import DataError, TwinledgerError
from connector.kafka.codec import Codec
from streams.configuration import Entry
from streams.connection import Connection
from streams.tables import Read

_log = logging.getLogger(__name__)
NOTIFICATIONS, DEADLETTERS = "notifications.v1", "deadletters.v1"
MOST = 2000


@dataclass(slots=True)
class Notices:
    """``put`` is a loop's producer. ``troubles`` is what readiness shows, by source."""

    codec: Codec
    put: Callable[[str, bytes, bytes], Awaitable[int]]
    new_id: Callable[[], str]
    clock: Callable[[], datetime]
    troubles: dict[str, str] = field(default_factory=dict)

    async def tell(self, connection: Connection, kind: str, error: TwinledgerError) -> None:
        """Say that something is not as it should be."""
        _log.warning(kind, extra={"connection": connection.name, "code": error.code, "reason": error.message})
        self.troubles[f"{connection.name} {kind}"] = error.message
        await self._notify(connection.name, kind, error.code, error.message)

    async def say(self, connection: Connection, kind: str, subject: str, message: str, data: dict[str, str]) -> None:
        """Progress and figures, for people and their tools."""
        _log.info(kind, extra={"connection": connection.name, "subject": subject, "reason": message, **data})
        await self._notify(connection.name, kind, subject, message, data)

    async def missing(self, connection: Connection, read: Read) -> None:
        """Asked and not answered: not deleted, only not seen. Nothing is written; people are told."""
        message = f"{read.entity} {read.id} was asked ({', '.join(read.reasons)}) and is not there for us."
        _log.warning("record is missing", extra={"connection": connection.name, "entity": read.entity})
        await self._notify(connection.name, "record.missing", read.id, message)

    def unreadable(self, connection: Connection, read: Read, error: TwinledgerError) -> None:
        """An object that cannot be read now: its records are held."""
        _log.warning(
            "read is refused", extra={"connection": connection.name, "code": error.code, "entity": read.entity}
        )
        self.troubles[f"{connection.name} read {read.entity}"] = error.message

    def readable(self, connection: Connection, entity: str) -> None:
        self.troubles.pop(f"{connection.name} read {entity}", None)

    def refused(self, connection: Connection, entry: Entry, error: TwinledgerError) -> None:
        """An applied mapping that does not fit any more is held."""
        _log.warning(
            "mapping is held", extra={"connection": connection.name, "code": error.code, "mapping": entry.mapping}
        )
        self.troubles[f"{connection.name} mapping {entry.mapping}"] = error.message

    def fits(self, connection: Connection, entry: Entry) -> None:
        """An applied mapping fits."""
        self.troubles.pop(f"{connection.name} mapping {entry.mapping}", None)

    async def bury(self, connection: Connection, channel: str, payload: bytes, error: DataError) -> None:
        """An event that cannot be decoded: kept as it came."""
        connection.tally["dead letters", "capture"] += 1
        value: dict[str, Any] = {
            "connection": connection.name, "topic": channel, "partition": 0, "offset": 0, "key": None,
            "value": payload, "stage": "capture", "code": error.code, "message": error.message[:MOST],
            "remedy": error.remedy, "at": self.clock(), "closed": None,
        }  # fmt: skip
        key = join_key(connection.name, "capture", channel, self.new_id())
        await self.put(DEADLETTERS, key, self.codec.encode(DEADLETTERS, value))

    async def _notify(
        self, connection: str, kind: str, subject: str, message: str, data: dict[str, str] | None = None
    ) -> None:
        value = {
            "id": self.new_id(), "kind": kind, "connection": connection, "subject": subject,
            "message": message[:MOST], "data": data or {}, "at": self.clock(),
        }  # fmt: skip
        await self.put(NOTIFICATIONS, join_key(connection, kind), self.codec.encode(NOTIFICATIONS, value))
