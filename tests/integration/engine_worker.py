"""A worker for the engine's tests: counts what it sees of each key in a table and sends the state on.

    python engine_worker.py BOOTSTRAP PREFIX DATADIR [INSTANCE]

Source ``signals.v1``: key ``connection-N/…``, value an integer, ``poison``, ``bug`` or ``slow:N:I`` (N ms).
Table ``links.v1``: key to the sorted integers seen. Output ``notifications.v1``: the same, once per event.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from connector.errors import DataError
from connector.kafka.codec import Codec
from connector.kafka.connection import embedded_cluster
from connector.kafka.topics import BY_NAME, Topic
from streams.engine.app import Engine, EngineSettings, make_app, running
from streams.guard import Incoming, consume

NAMES = ("signals.v1", "notifications.v1", "links.v1", "deadletters.v1")
TOPICS: tuple[Topic, ...] = tuple(BY_NAME[name] for name in NAMES)


def settings(bootstrap: str, prefix: str, datadir: Path, instance: str | None = None) -> EngineSettings:
    return EngineSettings(
        cluster=embedded_cluster(bootstrap, prefix),
        datadir=datadir,
        instance=instance,
        session_seconds=6,
        heartbeat_seconds=1,
        commit_seconds=0.2,
        topics=TOPICS,
    )


def counting(engine: EngineSettings) -> Engine:
    app = make_app(engine)
    table = app.raw_table("links", "links.v1")

    async def count(incoming: Incoming) -> None:
        value = incoming.value or b""
        if value == b"poison":
            raise DataError("test-poison", "This one is bad.", remedy="Throw it away.")
        if value == b"bug":
            raise ZeroDivisionError
        if value.startswith(b"slow:"):
            await asyncio.sleep(int(value[5:].split(b":")[0]) / 1000)
            value = value.split(b":")[-1]
        seen = {int(part) for part in (table.read(incoming.key) or b"").split()} | {int(value)}
        state = b" ".join(b"%d" % number for number in sorted(seen))
        table.write(incoming.key, state)
        await app.emit("notifications.v1", incoming.key, state)

    consume(app, Codec(), "signals.v1", "count", count)
    return app


async def main(bootstrap: str, prefix: str, datadir: str, instance: str | None = None) -> None:
    async with running(counting(settings(bootstrap, prefix, Path(datadir), instance))) as app:
        async for owned in app.ownership.changes():
            print("owns", *sorted(owned), flush=True)  # noqa: T201  the test reads it


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
