"""Everything that a run needs: the broker, the simulators' process, the configuration, the clock, the people."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.faults.crew import Crew
from benchmarks.faults.judge import Verdict
from benchmarks.faults.ledger import Ledger
from benchmarks.faults.pages import Pair
from benchmarks.faults.people import People
from connector.cli.apply import apply_file
from connector.cli.demo import shipped_mappings
from connector.cli.stage import until
from connector.core.applied import Gate
from connector.kafka.admin import apply as create_topics
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import cluster_of
from connector.kafka.embedded import EmbeddedKafka
from connector.settings import load
from streams.clock import VARIABLE
from streams.configuration import read_entries

# Partitions 0, 1, 2 of four, and 0 once more: two connections may share one.
CONNECTIONS = ("acme", "west", "delta", "beta")
SETTLE_SECONDS = 0.4  # what was checked by the old time has left by then
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Theatre:
    """One deployment. ``ahead`` is by how much the settable clock of workers and simulators is ahead."""

    folder: Path
    broker: EmbeddedKafka
    pairs: dict[str, Pair]
    config: Path
    people: dict[str, People]
    ledger: Ledger
    ahead: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def control(self) -> Path:
        return self.folder / "control"

    def crew(self, session: float, without: tuple[str, ...] = (), count: int = 2) -> Crew:
        return Crew(self.config, self.control, self.environment, session, without, count)

    async def opened(self, seconds: float = 180) -> None:
        """Until every mapping of every connection has taken its snapshot."""
        where, codec = cluster_of(load(self.config).kafka), Codec()

        async def look() -> bool:
            entries = await read_entries(where, codec)
            return bool(entries) and all(entry.gate is Gate.OPEN for entry in entries.values())

        await until("every mapping is open", look, seconds)

    async def advance(self, seconds: int) -> None:
        """Let time pass. The workers' clock goes first: what they send must not arrive later than they think."""
        self.ahead += seconds
        self._put_ahead()
        await asyncio.sleep(SETTLE_SECONDS)
        for pair in self.pairs.values():
            for page in (pair.salesforce, pair.xero):
                await asyncio.to_thread(page.call, "POST", "/__sim/clock", {"advance_seconds": seconds})

    def _put_ahead(self) -> None:
        clock = Path(self.environment[VARIABLE])
        fresh = clock.with_suffix(".new")
        fresh.write_text(str(self.ahead), "ascii")
        fresh.replace(clock)

    async def fault(
        self, pair: Pair, kind: str, method: str, path: str, options: dict[str, int | str] | None = None
    ) -> None:
        """The next such request is struck, once."""
        body = {"kind": kind, "match": {"method": method, "path": path}, "count": 1, "options": options or {}}
        page = pair.xero if path.startswith("/api.xro") else pair.salesforce
        await asyncio.to_thread(page.call, "POST", "/__sim/faults", body)

    async def no_more_faults(self) -> None:
        for pair in self.pairs.values():
            for page in (pair.salesforce, pair.xero):
                await asyncio.to_thread(page.call, "DELETE", "/__sim/faults")

    async def edit(self, name: str, kind: str = "") -> str:
        """One edit by the people of a connection; gives its kind."""
        people = self.people[name]
        return await asyncio.to_thread(people.do, kind) if kind else await asyncio.to_thread(people.any)

    async def judged(self) -> Verdict:
        """What the judge, a process of its own, says now."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.faults.judge", str(self.ledger.path), str(self.folder / "pairs.json"),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return Verdict(**json.loads(out))

    async def owners(self) -> dict[int, list[tuple[int, str]]]:
        """Partition → (epoch, owner) of each takeover, in order."""
        codec, found = Codec(), dict[int, dict[int, str]]()
        async for message in read_to_end(cluster_of(load(self.config).kafka), "leases.v1"):
            decoded = codec.decode(message.value)
            if isinstance(decoded, Decoded):
                value = decoded.value
                found.setdefault(int(value["partition"]), {})[int(value["epoch"])] = str(value["owner"])
        return {partition: sorted(epochs.items()) for partition, epochs in found.items()}


@asynccontextmanager
async def theatre(
    folder: Path, seed: int, names: Sequence[str] = CONNECTIONS, kafka: str = ""
) -> AsyncIterator[Theatre]:
    """Topics made, mappings applied, no worker yet. ``kafka`` names a broker that runs already and is left alone."""
    (folder / "control").mkdir(parents=True)
    async with AsyncExitStack() as stack:
        broker = EmbeddedKafka()
        if not kafka:
            await stack.enter_async_context(broker)
        raw = await _simulators(stack, names)
        (folder / "pairs.json").write_text(json.dumps(raw), "utf-8")
        pairs = {one["name"]: Pair.of(one) for one in raw}
        ledger = Ledger(folder / "ledger.jsonl")
        people = {
            name: People(pair, ledger, random.Random(f"{seed} {name}"), f"{seed}-") for name, pair in pairs.items()
        }
        config = folder / "twinledger.yaml"
        prefix = f"{folder.name}." if kafka else ""
        config.write_text(yaml.safe_dump(_settings(folder, kafka or broker.bootstrap, prefix, raw)), "utf-8")
        clock = folder / "clock"
        clock.write_text("0", "ascii")
        await create_topics(cluster_of(load(config).kafka))
        await apply_file(config)
        yield Theatre(folder, broker, pairs, config, people, ledger, environment={VARIABLE: str(clock)})


async def _simulators(stack: AsyncExitStack, names: Sequence[str]) -> list[dict[str, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.faults.simulators", *names,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip

    async def end() -> None:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    stack.push_async_callback(end)
    if process.stdout is None:
        raise RuntimeError("the simulators have no output")
    raw: list[dict[str, str]] = json.loads(await process.stdout.readline())
    return raw


def _settings(folder: Path, bootstrap: str, prefix: str, raw: Sequence[dict[str, str]]) -> dict[str, object]:
    return {
        "kafka": {"bootstrap_servers": bootstrap, "prefix": prefix, "partitions": 4, "replication": 1},
        "data_dir": str(folder / "data"),
        "web": {"port": 0},
        "connections": [_connection(one) for one in raw],
    }


def _connection(one: dict[str, str]) -> dict[str, object]:
    return {
        "name": one["name"],
        "currency": "GBP",
        "salesforce": {
            "url": one["salesforce"],
            "client_id": one["salesforce_id"],
            "client_secret": one["salesforce_secret"],
        },
        "xero": [
            {
                "tenant": one["tenant"], "demo": True, "client_id": one["client_id"],
                "client_secret": one["client_secret"], "token_url": f"{one['xero']}/connect/token",
                "api_url": f"{one['xero']}/api.xro/2.0", "poll_seconds": 2, "calls_per_minute": 6000,
            }
        ],
        "mappings": [str(shipped_mappings())],
    }  # fmt: skip
