"""Dead letters that a person closes: given back to their topic as they came, or dismissed. Closed, never deleted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import latest
from connector.kafka.connection import Cluster
from connector.kafka.topics import BY_NAME
from streams.connection import Connection

TOPIC = "deadletters.v1"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LetterLoop:
    """Carries out what ``twinledger review`` asked of dead letters. ``put`` is a loop's producer."""

    connection: Connection
    cluster: Cluster
    codec: Codec
    put: Callable[[str, bytes, bytes], Awaitable[int]]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            key, decision, by = await self.connection.letters.get()
            await self.close(key.encode(), decision, by)

    async def close(self, key: bytes, decision: str, by: str) -> bool:
        """Give back or dismiss one letter; False where it is not there, closed already, or cannot be given back."""
        message = (await latest(self.cluster, TOPIC, [self.connection.partition])).get(key)
        decoded = self.codec.decode(message.value) if message is not None else None
        if not isinstance(decoded, Decoded) or decoded.value["closed"] is not None:
            return False
        letter = decoded.value
        if decision == "retry" and not await self._give_back(letter):
            return False
        closed = {**letter, "closed": f"{decision} by {by}"}
        await self.put(TOPIC, key, self.codec.encode(TOPIC, closed))
        return True

    async def _give_back(self, letter: dict[str, Any]) -> bool:
        """The bytes as they came, to the topic that they came from. What was cut off cannot be given back."""
        if letter["topic"] not in BY_NAME or letter["value"] is None:
            _log.warning("dead letter cannot be retried", extra={"connection": self.connection.name})
            return False
        await self.put(letter["topic"], letter["key"] or b"", letter["value"])
        return True
