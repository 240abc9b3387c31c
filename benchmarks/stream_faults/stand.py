"""The stand of one row: an org and a company in this process, workers and a broker in theirs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette

from benchmarks.stream_faults.hands import Hands
from benchmarks.stream_faults.judge import Change, HintSeen, ReadSeen, Sample, Tape
from benchmarks.stream_faults.wire import Wire, wire
from connector.cli.apply import apply_file
from connector.cli.demo import shipped_mappings
from connector.cli.stage import until
from connector.core.applied import Gate
from connector.http import HttpClient
from connector.kafka import record_codec
from connector.kafka.admin import apply as create_topics
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import reader
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.embedded import EmbeddedKafka
from connector.settings import load
from connector.simulators.control import Control
from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.cometd import Cometd
from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.org import Settings as OrgSettings
from connector.simulators.serving import running
from connector.simulators.xero import app as xero
from connector.simulators.xero.limits import Limits
from connector.simulators.xero.world import Settings as World
from streams.clock import VARIABLE
from streams.configuration import read_entries

ENTITY, RECORDS, QUIET = "Account", 8, 2
LOOK_SECONDS = 0.15
FAST = 6000  # Xero calls a minute
GONE = 10**12  # a deleted record is newer than any value
TOPICS = ("salesforce.hints.v1", "salesforce.records.v1", "deadletters.v1")


@dataclass(slots=True)
class Stand:
    """What a fault can reach, and what the judge will look at."""

    broker: EmbeddedKafka
    org: Org
    control: Control
    cometd: Cometd
    company: Control
    contacts: Any
    wire: Wire
    hands: Hands
    cluster: Cluster
    http: HttpClient
    org_base: str
    clock_file: Path
    records: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    tape: Tape = field(default_factory=Tape)
    ahead: int = 0
    number: int = 1000
    _turns: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])

    # --- time --------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds of the org's clock."""
        return time.time() + self.ahead

    def then(self, machine: float) -> float:
        """What the org's clock showed at a time of the machine."""
        at = bisect_right(self._turns, machine, key=lambda turn: turn[0]) - 1
        return machine + self._turns[max(at, 0)][1]

    def advance(self, seconds: int) -> None:
        """The worker's clock and both systems' go on; Kafka and its leases keep the machine's time."""
        self.ahead += seconds
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(self.ahead), "ascii")
        fresh.replace(self.clock_file)
        for control in (self.control, self.company):
            control.clock.advance(seconds)
        self._turns.append((time.time(), self.ahead))

    # --- people ------------------------------------------------------------------------------------------------------

    def edit(self, record: str = "") -> Change:
        """A person sets a telephone number; the ledger knows whether an event tells of it."""
        self.number += 1
        record = record or self.records[self.number % (len(self.records) - QUIET)]
        tip = self.org.bus.tip
        self.control.edit({"entity": ENTITY, "id": record, "fields": {"Phone": str(self.number)}})
        told = self.org.bus.tip if self.org.bus.tip != tip else None
        return self._made(record, told)

    def edit_all(self) -> None:
        """One transaction, one merged event."""
        self.number += 1
        tip = self.org.bus.tip
        self.org.edit_many(ENTITY, self.records, {"Phone": str(self.number)})
        told = self.org.bus.tip if self.org.bus.tip != tip else None
        for record in self.records:
            self._made(record, told)

    def told(self, record: str, replay: int) -> None:
        """Something that changes no value was told."""
        self.changes.append(Change(record, self._value(record), self.now(), replay))

    @property
    def quiet(self) -> list[str]:
        """Records that nobody edits but a fault: no later event makes up for one that was not told."""
        return self.records[-QUIET:]

    def untold(self) -> Change:
        """A change of a quiet record of which the org tells nobody."""
        self.org.bus.selected.discard(ENTITY)
        try:
            return self.edit(self.quiet[self.number % QUIET])
        finally:
            self.org.bus.selected.add(ENTITY)

    def _made(self, record: str, replay: int | None) -> Change:
        change = Change(record, self.number, self.now(), replay)
        self.changes.append(change)
        return change

    def _value(self, record: str) -> int:
        return int(str(self.org.store.tables[ENTITY][record]["Phone"]))

    async def edits(self, number: int, pause: float = 0.05) -> None:
        for _ in range(number):
            self.edit()
            await asyncio.sleep(pause)

    async def feed(self) -> None:
        """People go on working until they are told to stop."""
        while True:
            self.edit()
            await asyncio.sleep(0.2)

    # --- what a fault uses -------------------------------------------------------------------------------------------

    async def page(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A page of the org's control page."""
        method = "GET" if body is None else "POST"
        data = json.dumps(body).encode() if body is not None else b""
        headers = [("Content-Type", "application/json")]
        answer = await self.http.request(method, f"{self.org_base}/__sim{path}", headers=headers, body=data)
        if answer.status >= 400:
            raise RuntimeError(f"{path}: {answer.body[:300]!r}")
        return json.loads(answer.body)

    @property
    def sessions(self) -> Any:
        """The streaming sessions of the org."""
        return self.cometd.sessions

    async def holding(self) -> None:
        """Until a poll is held: what is armed now strikes the next one."""
        await self.wait("a poll is held", lambda: any(one.waiting for one in self.sessions.live.values()))

    async def wait(self, what: str, look: Any, seconds: float = 60) -> None:
        async def seen() -> bool:
            return bool(look())

        await until(what, seen, seconds)

    # --- both ends ---------------------------------------------------------------------------------------------------

    def unequal(self) -> list[str]:
        """Accounts whose contact does not show what they show."""
        shown = {row.get("ContactNumber"): _phone(row) for row in self.contacts()}
        return [one for one in self.records if shown.get(one) != str(self._value(one))]

    def written_twice(self) -> int:
        """Writes of ours to the company that set what a write before had set, and contacts made twice."""
        ours = (one for one in self.company.writes if one.entity == "Contact" and one.origin == "api")
        seen = Counter((one.id, _phone(one.fields)) for one in ours if "Phones" in one.fields)
        if len(seen) < len(self.records):
            raise RuntimeError("the log of the company's writes cannot be read as it is")
        born = Counter(row.get("ContactNumber") for row in self.contacts())
        again = sum(number - 1 for number in seen.values())
        return again + sum(born[one] - 1 for one in self.records if born[one] > 1)

    # --- looking -----------------------------------------------------------------------------------------------------

    async def sample(self) -> None:
        """What readiness says, all the time."""
        while True:
            ready, reasons = await self.hands.say()
            self.samples.append(Sample(self.now(), ready, reasons))
            await asyncio.sleep(LOOK_SECONDS)

    async def read(self) -> None:
        """What comes to stand in Kafka, all the time."""
        codec = Codec()
        async with reader(self.cluster) as consumer:
            from aiokafka.structs import TopicPartition

            names = {self.cluster.topic(name): name for name in TOPICS}
            parts = [TopicPartition(name, n) for name in names for n in range(self.cluster.partitions)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            while True:
                for part, found in (await consumer.getmany(timeout_ms=200)).items():
                    for message in found:
                        self._seen(codec, names[part.topic], message)

    def _seen(self, codec: Codec, topic: str, message: Any) -> None:
        decoded, at = codec.decode(message.value), self.then(message.timestamp / 1000)
        if not isinstance(decoded, Decoded):
            return
        value = decoded.value
        if topic == TOPICS[0] and value["kind"] == "change":
            replay = value["replay_id"] if value["replay_id"] is not None else -1
            self.tape.hints.append(HintSeen(at, str(value["channel"]), replay, tuple(value["record_ids"])))
        elif topic == TOPICS[1]:
            record = record_codec.from_value(value)
            phone = record.fields.get("Phone")
            number = GONE if record.deleted else int(str(phone)) if str(phone or "").isdigit() else -1
            self.tape.reads.append(ReadSeen(at, record.id, number))
        elif topic == TOPICS[2]:
            self.tape.letters.append((at, bytes(value["value"] or b"").decode("utf-8", "replace")))


def _phone(row: Mapping[str, Any]) -> str:
    found = (one for one in row.get("Phones") or () if one.get("PhoneType") == "DEFAULT")
    return str(next((one.get("PhoneNumber") for one in found), ""))


def _port(base: str) -> int:
    return int(base.rpartition(":")[2])


@asynccontextmanager
async def stand(
    folder: Path, broker: EmbeddedKafka, name: str, turned: Mapping[str, Any], asked: Mapping[str, Any], workers: int
) -> AsyncIterator[Stand]:
    """Everything up, ready, with RECORDS linked accounts. ``turned``: settings of the org; ``asked``: of the worker."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        org_settings = OrgSettings()
        org_settings.hold_seconds = 20
        for key, value in turned.items():
            setattr(org_settings, key, value)
        world = World(limits=Limits(FAST, 10_000_000, 50, 10_000_000))
        org_app, company_app = salesforce.build(org_settings), xero.build(world)
        org_base = await stack.enter_async_context(running(org_app))
        company_base = await stack.enter_async_context(running(company_app))
        between = await stack.enter_async_context(wire(_port(org_base)))
        config, clock = folder / "twinledger.yaml", folder / "clock"
        clock.write_text("0", "ascii")
        said = _configured(folder, broker.bootstrap, f"{name}.", between.base, org_settings, company_base, world, asked)
        config.write_text(yaml.safe_dump(said, sort_keys=False), "utf-8")
        cluster = cluster_of(load(config).kafka)
        await create_topics(cluster)
        await apply_file(config)
        environment = {VARIABLE: str(clock), "TWINLEDGER_STORE": f"sqlite+aiosqlite:///{folder / 'store.sqlite'}"}
        hands = Hands(config, folder, http, environment)
        scene = _stand(org_app, company_app, broker, between, hands, cluster, http, org_base, clock)
        stack.push_async_callback(hands.end)
        for _ in range(workers):
            hands.hire()
        tasks = [asyncio.create_task(work) for work in (scene.read(), scene.sample())]
        try:
            await _begun(scene)
            yield scene
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)


def _stand(
    org_app: Starlette, company_app: Starlette, broker: EmbeddedKafka, between: Wire, hands: Hands, cluster: Cluster,
    http: HttpClient, org_base: str, clock: Path,
) -> Stand:  # fmt: skip
    org, company = org_app.state, company_app.state.control
    return Stand(
        broker, org.org, org.control, org.cometd, company, lambda: company.system.objects("Contact"), between, hands,
        cluster, http, org_base, clock,
    )  # fmt: skip


async def _begun(scene: Stand) -> None:
    """Ready, every mapping open, and accounts that have their contacts."""
    codec = Codec()

    async def opened() -> bool:
        entries = await read_entries(scene.cluster, codec)
        return bool(entries) and all(entry.gate is Gate.OPEN for entry in entries.values())

    await scene.wait("the connector is ready", lambda: scene.samples and scene.samples[-1].ready, 120)
    await until("every mapping is open", opened, 120)
    for number in range(RECORDS):
        fields = {"Name": f"Customer {number}", "Type": "Customer", "Phone": "1"}
        scene.records.append(str(scene.control.edit({"entity": ENTITY, "fields": fields})["Id"]))
    await scene.wait("every account has its contact", lambda: not scene.unequal(), 60)
    scene.samples.clear()


def _configured(
    folder: Path, bootstrap: str, prefix: str, url: str, org: OrgSettings, company: str, world: World,
    asked: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    tenant = {
        "tenant": world.tenants[0][0], "demo": True, "client_id": world.client_id,
        "client_secret": world.client_secret, "token_url": f"{company}/connect/token",
        "api_url": f"{company}/api.xro/2.0", "poll_seconds": 1, "calls_per_minute": FAST,
    }  # fmt: skip
    party = {"url": url, "client_id": org.client_id, "client_secret": org.client_secret, "watch_seconds": 2, **asked}
    mapping = str(shipped_mappings() / "account-contact.yaml")
    return {
        "kafka": {"bootstrap_servers": bootstrap, "prefix": prefix, "partitions": 4, "replication": 1},
        "data_dir": str(folder / "data"), "web": {"port": 0},
        "connections": [
            {"name": "demo", "currency": "GBP", "salesforce": party, "xero": [tenant], "mappings": [mapping]}
        ],
    }  # fmt: skip


__all__ = ["ENTITY", "Stand", "stand"]
