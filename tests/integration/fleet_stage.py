"""Several connections and several workers for a test: the suite's Kafka, a simulator for each party, real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from connector.cli.apply import apply_file
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Actor, until
from connector.core.applied import Gate
from connector.core.party import NoAnswer
from connector.http import HttpClient
from connector.kafka.admin import apply as create_topics
from connector.kafka.codec import Codec
from connector.kafka.connection import cluster_of
from connector.settings import load
from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.org import Settings as Org
from connector.simulators.serving import running
from connector.simulators.xero import app as xero
from connector.simulators.xero.limits import Limits
from connector.simulators.xero.world import Settings as World
from streams.configuration import read_entries

FAST = 6000
_OWNED = re.compile(r'^twinledger_write_links_ready\{connection="([^"]+)"\}', re.M)


@dataclass(slots=True)
class Hand:
    """One worker process with its own folder and log."""

    name: str
    data: Path
    log: Path
    http: HttpClient
    process: asyncio.subprocess.Process | None = None

    async def ask(self, page: str) -> bytes | None:
        """The answer of one of its pages; None while nobody answers."""
        port = self.data / "web.port"
        if not port.exists():
            return None
        try:
            answer = await self.http.request("GET", f"http://127.0.0.1:{port.read_text('ascii')}/{page}", seconds=5)
        except NoAnswer:
            return None
        return answer.body

    async def ready(self) -> bool:
        body = await self.ask("readyz")
        return body is not None and bool(json.loads(body)["ready"])

    async def owns(self) -> set[str]:
        """The connections whose loops run there now."""
        return set(_OWNED.findall((await self.ask("metrics") or b"").decode()))

    async def end(self, number: int = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return process.returncode or 0 if process is not None else 0
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            async with asyncio.timeout(60):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()


@dataclass(slots=True)
class Fleet:
    """Workers of one deployment."""

    config: Path
    folder: Path
    orgs: Mapping[str, Actor]
    companies: Mapping[str, Actor]
    http: HttpClient
    hands: dict[str, Hand] = field(default_factory=dict)

    async def start(self, name: str, *, instance: str = "") -> Hand:
        """``instance`` makes it a static member of the group."""
        data = self.folder / name
        (data / "web.port").unlink(missing_ok=True)
        hand = self.hands.setdefault(name, Hand(name, data, self.folder / f"{name}.log", self.http))
        store = f"sqlite+aiosqlite:///{self.folder / 'twinledger.sqlite'}"
        environment = {**os.environ, "TWINLEDGER_DATA_DIR": str(data), "TWINLEDGER_STORE": store}
        with hand.log.open("ab") as log:
            hand.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "connector.cli.main", "worker", "--config", str(self.config),
                *(["--instance", instance] if instance else []),
                stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip
        return hand

    async def owners(self) -> dict[str, str]:
        """Connection → the worker whose loops run it, once each has one and all are ready."""

        async def look() -> dict[str, str]:
            alive = [hand for hand in self.hands.values() if hand.process is not None]
            if not all([await hand.ready() for hand in alive]):
                return {}
            found = [(name, hand.name) for hand in alive for name in await hand.owns()]
            return dict(found) if sorted(name for name, _ in found) == sorted(self.orgs) else {}

        owners: dict[str, str] = await until("every connection has one owner", look, 120)
        return owners

    async def sessions(self) -> dict[str, set[str]]:
        """Connection → the ids of its streaming clients, as its org's control page shows them."""
        found = {name: await actor.call("GET", "/__sim/sessions") for name, actor in self.orgs.items()}
        return {name: {one["clientId"] for one in clients} for name, clients in found.items()}


@asynccontextmanager
async def fleet(
    kafka: str, prefix: str, folder: Path, names: Sequence[str], mappings: Path | None = None
) -> AsyncIterator[Fleet]:
    """Topics made, mappings applied (by default of customers), no worker started. Logs are shown when it fails."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        orgs: dict[str, Actor] = {}
        companies: dict[str, Actor] = {}
        connections = []
        for name in names:
            org, world = Org(), World(limits=Limits(FAST, 10_000_000, 50, 10_000_000))
            orgs[name] = Actor(await stack.enter_async_context(running(salesforce.build(org))), http)
            companies[name] = Actor(await stack.enter_async_context(running(xero.build(world))), http)
            connections.append(_connection(name, orgs[name].base, org, companies[name].base, world, mappings))
        config = folder / "twinledger.yaml"
        settings = {
            "kafka": {"bootstrap_servers": kafka, "prefix": prefix, "partitions": 4, "replication": 1},
            "data_dir": str(folder / "data"), "web": {"port": 0}, "connections": connections,
        }  # fmt: skip
        config.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
        await create_topics(cluster_of(load(config).kafka))
        await apply_file(config)
        there = Fleet(config, folder, orgs, companies, http)
        try:
            yield there
        except BaseException:
            for hand in there.hands.values():
                print(hand.name, hand.log.read_text("utf-8", errors="replace")[-4000:])  # noqa: T201
            raise
        finally:
            await asyncio.gather(*(hand.end() for hand in there.hands.values()))


async def opened(there: Fleet) -> None:
    """Until every mapping of every connection has taken its snapshot."""
    where, codec = cluster_of(load(there.config).kafka), Codec()

    async def look() -> bool:
        entries = await read_entries(where, codec)
        return bool(entries) and all(entry.gate is Gate.OPEN for entry in entries.values())

    await until("every mapping is open", look, 120)


def _connection(
    name: str, org_url: str, org: Org, xero_url: str, world: World, mappings: Path | None
) -> dict[str, Any]:
    tenant = {
        "tenant": world.tenants[0][0], "demo": True, "client_id": world.client_id,
        "client_secret": world.client_secret, "token_url": f"{xero_url}/connect/token",
        "api_url": f"{xero_url}/api.xro/2.0", "poll_seconds": 1, "calls_per_minute": FAST,
    }  # fmt: skip
    return {
        "name": name, "currency": "GBP",
        "salesforce": {"url": org_url, "client_id": org.client_id, "client_secret": org.client_secret},
        "xero": [tenant], "mappings": [str(mappings or shipped_mappings() / "account-contact.yaml")],
    }  # fmt: skip
