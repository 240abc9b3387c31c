"""One worker process: the counting agent on Faust as it comes, or on the strict core. Run by ``fleet.py``.

    python -m benchmarks.torture.worker '{"engine": "ours", ...}'

Both count alike: wait a moment (the event's work), read the table, write it, send the output. An event that comes again
is counted and sent again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.torture.ablation import take_out
from benchmarks.torture.state import (
    CHANGELOG,
    GROUP,
    OUTPUT,
    PARTITIONS,
    SOURCE,
    TABLE,
    Output,
    State,
    decode_state,
    rank,
)
from connector.kafka.connection import embedded_cluster
from connector.kafka.topics import BY_NAME, Kept, Topic

TOPICS = (
    Topic(SOURCE, Kept.WEEK, "", "numbered events"),
    Topic(OUTPUT, Kept.WEEK, "", "one line per event processed"),
    Topic(CHANGELOG, Kept.TABLE, "", "the numbers seen of each key"),
    BY_NAME["deadletters.v1"],
)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told. Times in seconds, the work of an event in milliseconds, both bounds included."""

    engine: str
    bootstrap: str
    prefix: str
    datadir: str
    instance: str | None = None
    session: float = 20.0
    heartbeat: float = 2.0
    commit: float = 0.5
    work: tuple[float, float] = (0.5, 4.0)
    padding: int = 0
    without: tuple[str, ...] = ()

    def encode(self) -> str:
        return json.dumps(asdict(self))


def decode_orders(text: str) -> Orders:
    raw = json.loads(text)
    return Orders(**{**raw, "work": tuple(raw["work"]), "without": tuple(raw["without"])})


@dataclass(slots=True)
class Counting:
    """The agent's body, the same for both engines."""

    orders: Orders
    read: Callable[[bytes], bytes | None]
    write: Callable[[bytes, bytes], None]
    send: Callable[[bytes, bytes], Awaitable[None]]
    generation: Callable[[], int]
    epochs: dict[tuple[int, int], int] = field(default_factory=dict)
    writes: int = 0

    def _epoch(self, partition: int) -> int:
        """Of a partition in this process and generation: later owners have later ones, by the machine's clock."""
        return self.epochs.setdefault((partition, self.generation()), time.time_ns() // 1_000_000)

    async def event(self, key: bytes, value: bytes, partition: int, offset: int) -> None:
        await asyncio.sleep(random.uniform(*self.orders.work) / 1000)
        seq = int(value)
        before = decode_state(self.read(key))
        self.writes += 1
        after = State(self._epoch(partition), self.writes, before.bits | 1 << seq, self.orders.padding)
        self.write(key, after.encode())
        said = Output(
            key.decode(), seq, partition, offset, os.getpid(), self.generation(), before.bits, time.time()
        )  # fmt: skip
        await self.send(key, said.encode())


async def run_ours(orders: Orders) -> None:
    """The strict core, as the product runs it."""
    from connector.kafka.codec import Codec
    from streams.engine.app import EngineSettings, make_app, running
    from streams.guard import Incoming, consume

    app = make_app(
        EngineSettings(
            cluster=embedded_cluster(orders.bootstrap, orders.prefix),
            datadir=Path(orders.datadir),
            group=GROUP,
            instance=orders.instance,
            session_seconds=orders.session,
            heartbeat_seconds=orders.heartbeat,
            commit_seconds=orders.commit,
            topics=TOPICS,
        )
    )
    table = app.raw_table(TABLE, CHANGELOG, rank)

    async def send(key: bytes, value: bytes) -> None:
        await app.emit(OUTPUT, key, value)

    counting = Counting(orders, table.read, table.write, send, lambda: app.consumer_generation_id)

    async def count(incoming: Incoming) -> None:
        await counting.event(incoming.key, incoming.value or b"", incoming.partition, incoming.offset)

    consume(app, Codec(), SOURCE, "count", count)
    async with running(app):
        async for owned in app.ownership.changes():
            print(f"{time.time():.2f} owns {sorted(owned)} generation {app.ownership.generation}", flush=True)


def run_faust(orders: Orders) -> None:
    """Faust as it comes: its own transport, tables and worker; only what any deployment sets is set."""
    import faust
    from faust import current_event

    app = faust.App(
        f"{orders.prefix}{GROUP}",
        broker=f"kafka://{orders.bootstrap}",
        broker_session_timeout=orders.session,
        broker_heartbeat_interval=orders.heartbeat,
        broker_commit_interval=orders.commit,
        consumer_group_instance_id=orders.instance,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        store="rocksdb://",
        datadir=orders.datadir,
        web_enabled=False,
        autodiscover=False,
    )
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "key_type": bytes, "value_type": bytes}
    source = app.topic(f"{orders.prefix}{SOURCE}", **raw)
    output = app.topic(f"{orders.prefix}{OUTPUT}", **raw)
    table = app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=PARTITIONS)

    async def send(key: bytes, value: bytes) -> None:
        event = current_event()
        await output.send(key=key, value=value, partition=event.message.partition)

    counting = Counting(
        orders, table.get, table.__setitem__, send, lambda: app.consumer_generation_id
    )  # fmt: skip

    @app.agent(source, concurrency=1)  # type: ignore[untyped-decorator]
    async def count(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            await counting.event(message.key, message.value, message.partition, message.offset)

    faust.Worker(app, loglevel="WARN").execute_from_commandline()


def main() -> None:
    """The command line."""
    orders = decode_orders(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s: %(message)s")
    if orders.engine == "faust":
        run_faust(orders)
    else:
        take_out(orders.without)  # before the agent's own imports
        asyncio.run(run_ours(orders))


if __name__ == "__main__":
    main()
