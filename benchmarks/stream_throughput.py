"""``python -m benchmarks.stream_throughput``: change events a second, from a simulated org to Kafka's acknowledgement.

Our capture, and beside it in the same run a plain aiokafka producer that is fed the same JSON from memory, which could
not be beaten, and the org's answers read and thrown away, which is all that it can give. Each runs in a process of its
own on one core; the org and the broker share the other one. The processor time of our process is measured too: events
a second of one whole core, whatever it waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer

from connector.core.identity import record_key
from connector.errors import DataError, TwinledgerError
from connector.http import HttpClient
from connector.kafka.admin import apply as create_topics
from connector.kafka.codec import Codec
from connector.kafka.compacted import end_offsets
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.embedded import EmbeddedKafka
from connector.kafka.partition import partitioner
from connector.kafka.positions import Position, write_position
from connector.kafka.producer import BATCH_BYTES, Producer
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.rest import SalesforceParty
from connector.settings import ConnectionSettings, KafkaSettings
from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.events import visible
from connector.simulators.serving import running
from streams.capture import Heard, StreamCapture
from streams.connection import Connection, Numbers
from streams.hops import HINTS, Outbox
from streams.incident import Incidents
from streams.parties import SalesforceSource
from streams.watch import Watch

RECORDS = 200
CHANNEL = "/data/TwinledgerSync__chn"
LINGER_MS = 5
Figures = dict[str, float]


def cluster(bootstrap: str, prefix: str) -> Cluster:
    return cluster_of(KafkaSettings(bootstrap_servers=bootstrap, prefix=prefix, partitions=4, replication=1))


# --- our capture, in a process of its own --------------------------------------------------------------------------


async def ours(bootstrap: str, prefix: str, base: str, secret: str, count: int) -> Figures:
    """From the sign-in to the acknowledgement of the last event."""
    settings = ConnectionSettings.model_validate(
        {"name": "demo", "salesforce": {"url": base, "client_id": "twinledger"}, "xero": [{"tenant": "t", "client_id": "x"}]}  # noqa: E501
    )  # fmt: skip
    codec, positions, acknowledged = Codec(), dict[str, Position](), asyncio.Semaphore(0)
    async with HttpClient() as http, Producer(cluster(bootstrap, prefix)) as producer:
        sign_in = ClientCredentials(http, f"{base}/services/oauth2/token", "twinledger", secret)
        party = SalesforceParty(http, sign_in, "", now_ms=lambda: 0)
        source = SalesforceSource(party, sign_in, settings.salesforce)
        now = lambda: datetime.now(UTC)  # noqa: E731
        connection = Connection(settings, party, party, "00D", "t", now, 0, numbers=Numbers(1))

        async def store(position: Position) -> None:
            await write_position(producer, codec, position)

        async def post(topic: str, key: bytes, value: bytes) -> Awaitable[int]:
            return _counted(await producer.send_soon(topic, key, value), acknowledged)

        async def bury(_connection: Connection, _channel: str, _payload: bytes, error: DataError) -> None:
            raise error

        async def notice(_connection: Connection, _kind: str, error: TwinledgerError) -> None:
            raise error

        async def say(*_words: object) -> None: ...

        watch = Watch(connection, lambda: source.now, lambda: capture.known(), lambda: party.catalog)  # noqa: PLW0108  it is not there yet
        capture = StreamCapture(
            connection, Outbox(codec, producer.send, now), store, bury, notice, source.stream, positions, Heard(),
            source.parents, post, watch, Incidents(connection, store, say),
        )  # fmt: skip
        began, busy = time.perf_counter(), time.process_time()
        running_ = asyncio.create_task(capture.run())
        for _ in range(count):
            await acknowledged.acquire()
        figures = _figures(count, began, busy)
        running_.cancel()
        await asyncio.gather(running_, return_exceptions=True)
        return figures


async def _counted(sent: Awaitable[int], acknowledged: asyncio.Semaphore) -> int:
    offset = await sent
    acknowledged.release()
    return offset


# --- the yardstick ---------------------------------------------------------------------------------------------------


async def plain(bootstrap: str, prefix: str, lines: Sequence[bytes]) -> Figures:
    """aiokafka alone, with our batches and our guarantees, fed from memory."""
    pairs = [(record_key("demo", "00D", "Account", str(n % RECORDS)), line) for n, line in enumerate(lines)]
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES, max_request_size=8 * BATCH_BYTES, partitioner=partitioner,
    )  # fmt: skip
    await producer.start()
    try:
        began, busy = time.perf_counter(), time.process_time()
        sent = [await producer.send(f"{prefix}{HINTS}", value=line, key=key) for key, line in pairs]
        for one in sent:
            await one
        return _figures(len(pairs), began, busy)
    finally:
        await producer.stop()


# --- the org alone ---------------------------------------------------------------------------------------------------


async def drained(base: str, secret: str, count: int) -> Figures:
    """The answers of the org's polls, read and thrown away: no client can be faster than this."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, read_bufsize=1 << 22) as http:
        form = {"grant_type": "client_credentials", "client_id": "twinledger", "client_secret": secret}
        async with http.post(f"{base}/services/oauth2/token", data=form) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        began, busy = time.perf_counter(), time.process_time()

        async def ask(message: dict[str, Any]) -> bytes:
            async with http.post(f"{base}/cometd/62.0", json=[message], headers=headers) as answer:
                return await answer.read()

        shaken = json.loads(
            await ask({"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]})
        )
        me = {"clientId": shaken[0]["clientId"]}
        wanted = {"channel": "/meta/subscribe", "subscription": CHANNEL, "ext": {"replay": {CHANNEL: -2}}}
        found = (await ask({**wanted, **me})).count(b'"replayId"')
        while found < count:
            poll = {"channel": "/meta/connect", "connectionType": "long-polling", **me}
            found += (await ask(poll)).count(b'"replayId"')
        return _figures(count, began, busy)


def _figures(count: int, began: float, busy: float) -> Figures:
    wall, processor = time.perf_counter() - began, time.process_time() - busy
    return {"events": count, "seconds": wall, "processor": processor}


WORDS = {
    "ours": "org to Kafka's ack, ours",
    "plain": "aiokafka alone, same JSON",
    "drained": "the org alone, thrown away",
}


# --- the run ---------------------------------------------------------------------------------------------------------


def fill(app: Any, count: int) -> list[str]:
    """An org with so many events on its bus; gives the JSON of each as the stream would bring it."""
    org, control = app.state.org, app.state.control
    ids = [control.edit({"entity": "Account", "fields": {"Name": f"A{n}"}})["Id"] for n in range(RECORDS)]
    for n in range(count - RECORDS):
        fields = {"Phone": str(n), "Website": f"https://example.org/{n}", "BillingCity": f"City {n % 90}"}
        control.edit({"entity": "Account", "id": ids[n % RECORDS], "fields": fields})
    entity, out = org.schema.entities["Account"], []
    for event in org.bus.events:
        seen = visible(event, entity, org.permissions) or event
        data = {"schema": "x" * 22, "payload": {"ChangeEventHeader": seen.header, **seen.body}}
        out.append(json.dumps({**data, "event": {"replayId": event.replay}}, default=str, separators=(",", ":")))
    return out


async def child(*arguments: str) -> Figures:
    """One measurement, in a process of its own on the first core."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stream_throughput", "--child", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"a measurement ended with {process.returncode}")
    found: Figures = json.loads(out)
    return found


async def measure(count: int, runs: int) -> list[dict[str, Figures]]:
    """All measurements, one after the other, run by run, each on topics of its own."""
    app = salesforce.build()
    texts = fill(app, count)
    secret, out = app.state.org.settings.client_secret, []
    with TemporaryDirectory(prefix="twinledger-throughput-") as folder:
        file = Path(folder) / "events.jsonl"
        file.write_text("\n".join(texts), "utf-8")
        async with EmbeddedKafka() as kafka, running(app) as base:
            for run in range(runs):
                found = {
                    "ours": await measured("ours", cluster(kafka.bootstrap, f"ours{run}."), base, secret, count),
                    "plain": await measured("plain", cluster(kafka.bootstrap, f"plain{run}."), str(file), "", count),
                    "drained": await child("drained", "", "", base, secret, str(count)),
                }
                sys.stderr.write(f"{json.dumps(found)}\n")
                out.append(found)
    return out


async def measured(name: str, where: Cluster, source: str, secret: str, count: int) -> Figures:
    """One measurement on fresh topics whose leaders are there. Ends the run if another number came to stand there."""
    await create_topics(where)
    async with Producer(where) as producer:
        await producer.send(HINTS, record_key("demo", "00D", "Account", "warm"), b"")
    found = await child(name, where.bootstrap, where.prefix, source, secret, str(count))
    there = await end_offsets(where, HINTS, range(where.partitions))
    if sum(there.values()) != count + 1:
        raise SystemExit(f"{name}: {sum(there.values()) - 1} of {count} events stand in Kafka")
    return found


def show(found: Sequence[Mapping[str, Figures]], size: float) -> None:
    """Medians of all runs."""
    print(f"{found[0]['ours']['events']:.0f} events of {size:.0f} bytes, {len(found)} runs, medians")
    print(f"{'':28} {'events/s':>10} {'events/s of a core':>20} {'µs of a core each':>18}")
    for name, words in WORDS.items():
        wall = statistics.median(one[name]["events"] / one[name]["seconds"] for one in found)
        core = statistics.median(one[name]["events"] / one[name]["processor"] for one in found)
        print(f"{words:28} {wall:10,.0f} {core:20,.0f} {1e6 / core:18.0f}")


def pin(core: int) -> None:
    """This process and all that it starts keep to one core, where the system can do that."""
    if hasattr(os, "sched_setaffinity") and core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream_throughput", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, bootstrap, prefix, where, secret, count = options.child
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {0})
        if name == "ours":
            work = ours(bootstrap, prefix, where, secret, int(count))
        elif name == "drained":
            work = drained(where, secret, int(count))
        else:
            work = plain(bootstrap, prefix, Path(where).read_bytes().splitlines()[: int(count)])
        print(json.dumps(asyncio.run(work)))
        return
    pin(1)
    found = asyncio.run(measure(options.events, options.runs))
    show(found, statistics.fmean(map(len, fill(salesforce.build(), 2000))))


if __name__ == "__main__":
    main()
