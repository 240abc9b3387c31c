"""A stage to play on: an embedded Kafka, both simulators and a connector, all on free loopback ports.

Used by the demo, the scenarios and the benchmarks. The simulators run in this process, the connector in its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from connector.cli.apply import apply_file
from connector.core.applied import Gate
from connector.core.party import NoAnswer
from connector.core.values import Value
from connector.errors import Unavailable
from connector.http import HttpClient
from connector.kafka.admin import apply as create_topics
from connector.kafka.codec import Codec
from connector.kafka.connection import cluster_of
from connector.settings import load
from connector.xero.records import json_bytes
from streams.configuration import read_entries

STEP_SECONDS = 60.0
LOOK_SECONDS = 0.1
DEMO_DAY = 100_000  # calls of the simulated organisation's day

Json = dict[str, Any]


if TYPE_CHECKING:
    from connector.simulators.salesforce.org import Settings as OrgSettings


@dataclass(slots=True)
class Actor:
    """A simulator's control page, as a person with both systems' screens open would use it."""

    base: str
    http: HttpClient

    async def call(self, method: str, path: str, body: Value = None, headers: Sequence[tuple[str, str]] = ()) -> Any:
        """The decoded JSON answer of one request to the simulator. Raises Unavailable for a refusal."""
        data = json_bytes(body) if body is not None else b""
        sent = [("Content-Type", "application/json"), ("Accept", "application/json"), *headers]
        answer = await self.http.request(method, self.base + path, headers=sent, body=data, seconds=30)
        if answer.status >= 400:
            raise Unavailable("stage.refused", f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return json.loads(answer.body, parse_float=Decimal) if answer.body else None

    async def edit(self, entity: str, fields: Mapping[str, Value], object_id: str | None = None) -> str:
        """A person's edit (a new object without an id); gives the object's id."""
        body: dict[str, Value] = {"entity": entity, "fields": dict(fields)}
        if object_id:
            body["id"] = object_id
        row = await self.call("POST", "/__sim/edit", body)
        return str(row.get("Id") or row[f"{entity}ID"])

    async def objects(self, entity: str) -> list[Json]:
        found = await self.call("GET", f"/__sim/objects/{entity}")
        rows: list[Json] = found["objects"] if isinstance(found, dict) else found
        return rows

    async def requests(self) -> list[Json]:
        found = await self.call("GET", "/__sim/requests")
        rows: list[Json] = found["requests"] if isinstance(found, dict) else found
        return rows


async def until(what: str, look: Callable[[], Awaitable[Any]], seconds: float | None = None) -> Any:
    """Look until there is something to see, for ``STEP_SECONDS`` if nothing else is said. Raises Unavailable when it
    does not come."""
    loop = asyncio.get_running_loop()
    seconds = STEP_SECONDS if seconds is None else seconds
    end = loop.time() + seconds
    while True:
        seen = await look()
        if seen:
            return seen
        if loop.time() > end:
            raise Unavailable(
                "stage.waited", f"Waited {seconds:.0f} s in vain: {what}.", remedy="See the connector's log above."
            )
        await asyncio.sleep(LOOK_SECONDS)


@dataclass(slots=True)
class Stage:
    """Everything that runs, and the configuration file that the connector was started with."""

    bootstrap: str
    salesforce: Actor
    xero: Actor
    tenant: str
    config: Path
    log: Path
    xero_credentials: tuple[str, str]
    worker: asyncio.subprocess.Process | None = None
    environment: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> int:
        """Create the topics and apply the mappings; gives how many mappings changed."""
        await create_topics(cluster_of(load(self.config).kafka))
        return sum(change.what != "same" for change in await apply_file(self.config))

    async def begin(self, seconds: float = 120.0) -> int:
        """Up to a connector that is ready (within ``seconds``), all its mappings open; gives how many there are."""
        mappings = await self.prepare()
        await self.start_connector()
        await self.ready(seconds)
        await self.opened()
        return mappings

    async def start_connector(self) -> None:
        """Start the connector's process; it is ready when ``/readyz`` says so."""
        with self.log.open("ab") as log:
            self.worker = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "connector.cli.main", "worker", "--config", str(self.config),
                "--instance", "worker-0",
                stdout=log, stderr=log, env={**os.environ, **self.environment}, start_new_session=True,
            )  # fmt: skip

    async def stop_connector(self, number: int = signal.SIGTERM) -> int:
        """End it and wait; gives its exit code."""
        worker, self.worker = self.worker, None
        if worker is None or worker.returncode is not None:
            return worker.returncode or 0 if worker is not None else 0
        worker.send_signal(number)
        try:
            async with asyncio.timeout(30):
                return await worker.wait()
        except TimeoutError:
            worker.kill()
            return await worker.wait()

    async def token(self) -> list[tuple[str, str]]:
        """Headers of somebody else's access to the Xero organisation."""
        basic = base64.b64encode(":".join(self.xero_credentials).encode()).decode()
        answer = await self.xero.http.request(
            "POST",
            f"{self.xero.base}/connect/token",
            headers=[("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", f"Basic {basic}")],
            body=b"grant_type=client_credentials",
        )
        token = json.loads(answer.body)["access_token"]
        return [("Authorization", f"Bearer {token}"), ("Xero-Tenant-Id", self.tenant)]

    async def ready(self, seconds: float = 120.0) -> None:
        """Wait until the connector says that it has caught up. Raises Unavailable with its last words if it ended."""

        async def look() -> bool:
            if self.worker is not None and self.worker.returncode is not None:
                tail = self.log.read_text("utf-8", errors="replace")[-2000:]
                raise Unavailable("stage.connector-ended", f"The connector ended ({self.worker.returncode}):\n{tail}")
            return bool((await self.health())["ready"])

        await until("the connector becomes ready", look, seconds)

    async def opened(self) -> None:
        """Until every mapping has taken its snapshot: what is won before that is a review."""
        where, codec = cluster_of(load(self.config).kafka), Codec()

        async def look() -> bool:
            entries = await read_entries(where, codec)
            return bool(entries) and all(entry.gate is Gate.OPEN for entry in entries.values())

        await until("every mapping is open", look, 120)

    async def health(self) -> Json:
        """What ``/readyz`` says; not ready while nobody answers."""
        port_file = self.config.parent / "data" / "web.port"
        silent: Json = {"ready": False, "reasons": ["no answer"], "notes": []}
        if not port_file.exists():
            return silent
        port = port_file.read_text().strip()
        try:
            answer = await self.xero.http.request("GET", f"http://127.0.0.1:{port}/readyz", seconds=5)
        except NoAnswer:
            return silent
        found: Json = json.loads(answer.body)
        return found


@asynccontextmanager
async def stage(
    directory: Path,
    *,
    mappings: Path,
    kafka: str = "",
    prefix: str = "",
    poll_seconds: int = 3,
    calls_per_minute: int = 55,
    several_currencies: bool = False,
    person_accounts: bool = False,
) -> AsyncIterator[Stage]:
    """Raise the curtain. ``kafka`` names a broker that runs already; else one is started.

    A day has more calls than at Xero, so that polls may go as fast as ``poll_seconds`` while somebody watches.
    More than Xero's 60 ``calls_per_minute`` makes the simulator allow them too: for load and for impatient tests.
    """
    from connector.kafka.embedded import EmbeddedKafka
    from connector.simulators.salesforce import app as salesforce
    from connector.simulators.salesforce.org import Settings as Org
    from connector.simulators.serving import running
    from connector.simulators.xero import app as xero
    from connector.simulators.xero.limits import Limits
    from connector.simulators.xero.world import Settings as World

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        bootstrap = kafka or (await stack.enter_async_context(EmbeddedKafka())).bootstrap
        allowed = (
            Limits(day=DEMO_DAY)
            if calls_per_minute <= Limits().minute
            else Limits(calls_per_minute, 10_000_000, 50, 10_000_000)
        )
        org, world = Org(multi_currency=several_currencies, person_accounts=person_accounts), World(limits=allowed)
        salesforce_app = salesforce.build(org)
        salesforce_url = await stack.enter_async_context(running(salesforce_app))
        xero_url = await stack.enter_async_context(running(xero.build(world)))
        tenant = world.tenants[0][0]
        settings = _settings(directory, bootstrap, prefix, mappings, _salesforce(salesforce_url, org), {
            "tenant": tenant, "demo": True, "client_id": world.client_id, "client_secret": world.client_secret,
            "token_url": f"{xero_url}/connect/token", "api_url": f"{xero_url}/api.xro/2.0",
            "poll_seconds": poll_seconds, "calls_per_minute": calls_per_minute,
        })  # fmt: skip
        config = directory / "twinledger.yaml"
        config.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
        scene = Stage(
            bootstrap, Actor(salesforce_url, http), Actor(xero_url, http), tenant, config, directory / "connector.log",
            (f"{world.client_id}-all", world.client_secret),
        )  # fmt: skip
        try:
            yield scene
        finally:
            await scene.stop_connector()


def _salesforce(url: str, org: OrgSettings) -> Json:
    return {"url": url, "client_id": org.client_id, "client_secret": org.client_secret}


def _settings(directory: Path, bootstrap: str, prefix: str, mappings: Path, salesforce: Json, xero: Json) -> Json:
    """What the configuration file says."""
    return {
        "kafka": {"bootstrap_servers": bootstrap, "prefix": prefix, "partitions": 4, "replication": 1},
        "data_dir": str(directory / "data"),
        "web": {"port": 0},
        "connections": [
            {"name": "demo", "currency": "GBP", "salesforce": salesforce, "xero": [xero], "mappings": [str(mappings)]}
        ],
    }
