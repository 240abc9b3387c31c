"""``python -m benchmarks.recovery --links 1000000``: how long a worker needs to come back, and how much memory.

A real worker with both simulators and an embedded Kafka. It is started once and opens its mappings, then the changelogs
are filled behind its back, and each life is timed from the start of its process to ``/readyz``: with the store wiped,
with the store kept after an orderly end, and with the store kept after SIGKILL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.recovery.population import BORN, Scene, link, number
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Stage, stage
from connector.core.link_events import Due
from connector.errors import TwinledgerError, Unavailable
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, cluster_of
from connector.kafka.link_codec import event_value
from connector.kafka.partition import partition_of
from connector.kafka.positions import PositionKind, read_positions
from connector.kafka.producer import Producer
from connector.settings import load

CONNECTION = "demo"
READY_SECONDS, AFTER_SECONDS = 1800.0, 8.0
FILLERS = 2
PHASES = ("tables restored", "links scanned")


@dataclass(slots=True)
class Life:
    """One start of the worker. Memory in MB: the most until ready, and after it had rested. ``cpu`` are the processor
    seconds of the whole process until ready: on a machine that others use they say more than the clock."""

    name: str
    ready: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    rests: float = 0.0
    phases: dict[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _memory(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise Unavailable("bench.memory", f"The worker {pid} has no {name}.")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system


async def live(scene: Stage, name: str, end: signal.Signals) -> Life:
    """Start, wait until ready, let it rest, end it."""
    life, seen = Life(name), scene.log.stat().st_size if scene.log.exists() else 0
    (scene.config.parent / "data" / "web.port").unlink(missing_ok=True)
    began = time.monotonic()
    await scene.start_connector()
    await scene.ready(READY_SECONDS)
    life.ready = time.monotonic() - began
    if scene.worker is None:
        raise Unavailable("bench.connector", "The connector has not been started.")
    life.cpu = _cpu(scene.worker.pid)
    life.peak = _memory(scene.worker.pid, "VmHWM")
    await asyncio.sleep(AFTER_SECONDS)
    life.rests = _memory(scene.worker.pid, "VmRSS")
    await scene.stop_connector(end)
    life.phases = _phases(scene.log.read_bytes()[seen:])
    memory = f"peak {life.peak:.0f} MB, {life.rests:.0f} MB at rest"
    say(f"{name}: ready after {life.ready:.1f} s, {life.cpu:.1f} s of a core, {memory}, {life.phases}")
    return life


def _phases(log: bytes) -> dict[str, Any]:
    """What the worker itself said of its phases."""
    found: dict[str, Any] = {}
    for line in log.splitlines():
        if any(name.encode() in line for name in PHASES):
            said = json.loads(line)
            found[said.get("event", "")] = {k: v for k, v in said.items() if k in ("records", "links", "seconds")}
    return found


async def fill(scene: Stage, cluster: Cluster, links: int, partitions: int) -> int:
    """Write the population and one event; gives how many records stand in the changelogs."""
    codec, connections = Codec(), _connections(cluster, partitions)
    genesis = await _genesis(cluster, codec)
    share, orders = links // partitions, []
    for name in connections:
        for part in range(FILLERS):
            first, last = share * part // FILLERS, share * (part + 1) // FILLERS
            orders.append({"bootstrap": scene.bootstrap, "prefix": cluster.prefix, "connection": name, "org": "org",
                           "tenant": scene.tenant, "genesis": genesis, "first": first, "last": last})  # fmt: skip
    gate = asyncio.Semaphore(FILLERS)
    written = sum(await asyncio.gather(*(_filler(order, gate) for order in orders)))
    async with Producer(cluster) as producer:  # links remember event 0: there must be one
        one = link(Scene(CONNECTION, "org", scene.tenant, genesis), number(0).decode()).id.key
        await producer.send("link-events.v1", one, codec.encode("link-events.v1", event_value(one, Due(BORN), BORN)))
    return written


async def _filler(order: dict[str, Any], gate: asyncio.Semaphore) -> int:
    async with gate:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.recovery.fill", json.dumps(order), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    if process.returncode:
        raise Unavailable("bench.fill", f"A filler ended with {process.returncode}.")
    return int(out)


def _connections(cluster: Cluster, partitions: int) -> list[str]:
    """The configured connection, and names whose links stand on other partitions."""
    found = {partition_of(CONNECTION.encode() + b"/", cluster.partitions): CONNECTION}
    for other in range(1000):
        found.setdefault(partition_of(b"other-%d/" % other, cluster.partitions), f"other-{other}")
    return list(found.values())[:partitions]


async def _genesis(cluster: Cluster, codec: Codec) -> str:
    """The connection's genesis id; from now on there must be links."""
    for position in (await read_positions(cluster, codec)).values():
        if position.kind is PositionKind.GENESIS and position.connection == CONNECTION:
            return position.value.removesuffix("+")
    raise Unavailable("bench.genesis", "The connector has not begun its topics.")


async def bench(links: int, partitions: int, keep: Path | None) -> dict[str, Any]:
    """All lives on one stage. Raises TwinledgerError."""
    with tempfile.TemporaryDirectory(prefix="twinledger-recovery-") as folder:
        place = keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        async with stage(place, mappings=shipped_mappings(), poll_seconds=5, calls_per_minute=6000) as scene:
            await scene.begin()
            await scene.stop_connector()
            cluster, began = cluster_of(load(scene.config).kafka), time.monotonic()
            records = await fill(scene, cluster, links, partitions)
            filled = time.monotonic() - began
            say(f"{records} records in {filled:.0f} s")
            shutil.rmtree(place / "data" / "tables")
            lives = [
                await live(scene, "wiped", signal.SIGTERM),
                await live(scene, "kept, ended in order", signal.SIGKILL),
                await live(scene, "kept, killed", signal.SIGTERM),
            ]
            store = sum(path.stat().st_size for path in (place / "data" / "tables").rglob("*") if path.is_file())
    return {"links": links, "partitions": partitions, "records": records, "store_mb": store // 2**20,
            "lives": [asdict(each) for each in lives]}  # fmt: skip


def show(report: dict[str, Any]) -> None:
    print(f"{report['links']} links, {report['records']} records on {report['partitions']} partition(s), "
          f"store {report['store_mb']} MB")  # fmt: skip
    print(f"{'':24} {'ready s':>8} {'cpu s':>7} {'peak MB':>8} {'rests MB':>9}  phases")
    for one in report["lives"]:
        phases = ", ".join(f"{name} {said.get('seconds')} s" for name, said in one["phases"].items())
        print(
            f"{one['name']:24} {one['ready']:8.1f} {one['cpu']:7.1f} {one['peak']:8.0f} {one['rests']:9.0f}  {phases}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--links", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, choices=(1, 2, 3, 4), default=1, help="over which the links stand")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--keep", type=Path, default=None, help="leave the connector's log and data in this directory")
    given = parser.parse_args(arguments)
    try:
        report = asyncio.run(bench(given.links, given.partitions, given.keep))
    except TwinledgerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if given.output == "json":
        print(json.dumps(report, indent=2))
    else:
        show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
