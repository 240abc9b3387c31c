"""Around every agent: what it cannot take goes to the dead letters with its bytes untouched, then the next event comes.

The only broad except of the product is here.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from connector.errors import DataError, EngineStop, TwinledgerError
from connector.kafka.codec import Codec
from connector.kafka.headers import Headers, deadletter_headers
from streams.engine.accounts import BURIED
from streams.engine.app import Engine

_log = logging.getLogger(__name__)

TOPIC = "deadletters.v1"
_VALUE_MAX = 8 * 1024 * 1024 - 64 * 1024  # room for the rest of the dead letter
_MESSAGE_MAX = 2000
_NAME_MAX = 200  # a key may be anything, and as long as a message


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as an agent gets it. ``topic`` is named without the deployment's prefix; ``at`` is Kafka's time."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers
    at: datetime


Handler = Callable[[Incoming], Awaitable[str | None]]
"""Reads the message, calls pure code, writes its table at once, emits. Never waits for the outside. Gives what became
of the message in one of a few words, for the accounts; None is "done"."""


def consume(app: Engine, codec: Codec, topic: str, stage: str, handler: Handler) -> None:
    """Registers the agent of a topic; ``stage`` names the hop and the agent.

    What ``handler`` raises becomes a dead letter and the event counts as processed; EngineStop ends the process.
    """

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            incoming = _incoming(event, topic)
            app.account(event.message, await _guarded(app, codec, stage, incoming, handler))
            await stream.ack(event)

    app.agent(app.raw_topic(topic), name=f"{stage}-{topic}", concurrency=1)(agent)


async def _guarded(app: Engine, codec: Codec, stage: str, incoming: Incoming, handler: Handler) -> str:
    """What became of the message. Raises EngineStop."""
    app.fence.check()
    try:
        return await _handled(app, incoming, handler) or "done"
    except EngineStop as error:
        app.stop_signal(error)
        raise
    except Exception as error:  # noqa: BLE001  an exception that left the agent would lose the event
        app.stop_signal.check()
        await _bury(app, codec, stage, incoming, error)
        return BURIED


async def _handled(app: Engine, incoming: Incoming, handler: Handler) -> str | None:
    """What another version wrote with a schema that we do not know yet is read once its schema is learnt."""
    try:
        return await handler(incoming)
    except DataError as error:
        if error.code != "codec.unknown-schema" or not await app.learn():
            raise
    return await handler(incoming)


async def _bury(app: Engine, codec: Codec, stage: str, incoming: Incoming, error: Exception) -> None:
    known = error if isinstance(error, TwinledgerError) else None
    code = known.code if known else "unexpected"
    message = known.message if known else f"{type(error).__name__}: {error}"
    _log.warning(
        "message goes to the dead letters",
        extra={"topic": incoming.topic, "partition": incoming.partition, "offset": incoming.offset, "code": code},
        exc_info=None if known else error,
    )
    connection = incoming.key.split(b"/", 1)[0][:_NAME_MAX]
    app.buried[connection.decode("utf-8", "replace"), stage] += 1
    whole = incoming.value is not None and len(incoming.value) + len(incoming.key) <= _VALUE_MAX
    value = {
        "connection": connection.decode("utf-8", "replace"),
        "topic": incoming.topic,
        "partition": incoming.partition,
        "offset": incoming.offset,
        "key": incoming.key if len(incoming.key) <= _VALUE_MAX else incoming.key[:_MESSAGE_MAX],
        "value": incoming.value if whole else None,
        "stage": stage,
        "code": code,
        "message": message[:_MESSAGE_MAX],
        "remedy": known.remedy if known else "",
        "at": datetime.now(UTC),
        "closed": None,
    }
    place = f"{quote(incoming.topic, safe='')}/{incoming.partition}/{incoming.offset}".encode("ascii")
    headers = deadletter_headers(
        incoming.topic, incoming.partition, incoming.offset, stage=stage, code=code, message=message
    )
    await app.emit(TOPIC, (connection or b"unknown") + b"/" + place, codec.encode(TOPIC, value), headers)


def _incoming(event: Any, topic: str) -> Incoming:
    message = event.message
    return Incoming(
        topic=topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key or b"",
        value=message.value,
        headers=list(message.headers or ()),
        at=datetime.fromtimestamp(message.timestamp or 0, UTC),
    )
