"""``python -m benchmarks.snapshots --records 1000000``: a snapshot beside 50 changes a second.

Kafka, both simulators and one worker on this machine. Accounts that are customers have contacts in Xero, and people
edit them all the time; a million more are prospects, of which no mapping makes anything. The stream alone is measured
first; then a snapshot of all accounts runs beside it, at several depths of the slow lane, one after the other; at
two thirds the worker is killed; in the end what stands in Kafka is compared with the org.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from benchmarks import load as people
from benchmarks.load import End
from benchmarks.run import Report as Births
from benchmarks.run import _births, _unbraked, say
from benchmarks.snapshots.check import Found, check, ids_of
from benchmarks.snapshots.live import Latency, Live, latencies
from benchmarks.snapshots.worker import Sample, Watcher, cpu, growth, steps
from connector.cli.signals import Signal, send
from connector.cli.snapshot import Row
from connector.cli.stage import Stage, stage, until
from connector.errors import TwinledgerError, Unavailable
from connector.kafka.connection import Cluster, cluster_of
from connector.settings import load

CONNECTION, COLLECTION = "demo", "salesforce.Account"
RATE, CUSTOMERS, PAGE = 50.0, 500, 2000
FILL, ALONE = 20_000, "alone"
SETTLE_SECONDS, KILL_SECONDS = 5.0, 30.0
WARM_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: how many records, at which depths for how long, and edits a second beside it."""

    records: int
    depths: Sequence[int]
    seconds: float
    ahead: int
    rate: float
    customers: int


@dataclass(slots=True)
class Depth:
    """What was read at one depth of the lane, and what it took of the worker's processor."""

    ahead: int
    read: int
    seconds: float
    cpu: float


@dataclass(slots=True)
class Report:
    """All figures."""

    records: int
    rate: float
    latencies: list[Latency] = field(default_factory=list)
    depths: list[Depth] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    found: Found | None = None
    snapshot: Row | None = None
    calls: int = 0
    least: int = 0
    recovered: float = 0.0
    restarts: int = 0
    took: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Run:
    """One run on one stage."""

    scene: Stage
    cluster: Cluster
    report: Report
    live: Live
    watcher: Watcher
    plan: Plan
    requests: int = 0

    async def ask(self, kind: str, **arguments: str) -> None:
        signal_ = Signal(kind, CONNECTION, COLLECTION, {"type": "incremental", **arguments})
        await send(self.cluster, [signal_])

    async def phase(self, name: str, seconds: float) -> None:
        """Let the stream go on for a while; the first seconds belong to no phase."""
        say(name)
        self.live.phase = "between"
        await asyncio.sleep(SETTLE_SECONDS)
        self.live.phase = name
        await asyncio.sleep(seconds)
        self.live.phase = "between"

    async def measure(self) -> None:
        """Every phase. The stream is measured alone before, between and after the depths: a machine has its moods."""
        await self.live.start()
        await asyncio.sleep(WARM_SECONDS)
        await self.phase(ALONE, self.plan.seconds / 2)
        began, kind = time.monotonic(), "execute-snapshot"
        for ahead in self.plan.depths:
            await self.ask(kind, ahead=str(ahead))
            await self._depth(ahead)
            await self.ask("pause-snapshot")
            await self.phase(ALONE, self.plan.seconds / 2)
            kind = "resume-snapshot"
        await self.ask(kind, ahead=str(self.plan.ahead))
        await self._kill()
        await self._completed(began)
        await self.phase(ALONE, self.plan.seconds / 2)
        await self.live.stop()
        if not await self.live.arrived(120):
            say(f"{self.live.missing()} newest edits have not arrived")
        names = [ALONE, *(f"depth {one}" for one in self.plan.depths), "rest", "kill", "between"]
        self.report.latencies = latencies(self.live, names)
        self.report.samples, self.report.restarts = self.watcher.samples, self.watcher.restarts

    async def _depth(self, ahead: int) -> None:
        worker = self.scene.worker
        if worker is None:
            raise Unavailable("bench.connector", "The connector has not been started.")
        await asyncio.sleep(SETTLE_SECONDS)
        before, began, spent = await self._read(), time.monotonic(), cpu(worker.pid)
        await self.phase(f"depth {ahead}", self.plan.seconds)
        took, used, after = time.monotonic() - began, cpu(worker.pid) - spent, await self._read()
        self.report.depths.append(Depth(ahead, after - before, took, used))
        say(f"depth {ahead}: {(after - before) / took:.0f} records/s, {after} in all")
        if after >= self.report.records:
            raise Unavailable("bench.too-short", "The snapshot ended before all depths were measured: fewer --seconds.")

    async def _read(self) -> int:
        row = await self.watcher.look()
        return row.read if row is not None else 0

    async def _kill(self) -> None:
        """kill -9 at two thirds, and a fresh start at once."""
        self.live.phase = "rest"
        wanted = self.report.records * 2 // 3

        async def there() -> bool:
            return await self._read() >= wanted

        await until(f"{wanted} records are read", there, 3600)
        say("kill -9")
        self.live.phase = "kill"
        (self.scene.config.parent / "data" / "web.port").unlink(missing_ok=True)
        await self.scene.stop_connector(signal.SIGKILL)
        began = time.monotonic()
        await self.scene.start_connector()
        await self.scene.ready()
        self.report.recovered = time.monotonic() - began
        say(f"ready again after {self.report.recovered:.1f} s")
        await asyncio.sleep(KILL_SECONDS)
        self.live.phase = "rest"

    async def _completed(self, began: float) -> None:
        async def done() -> bool:
            row = await self.watcher.look()
            return row is not None and row.phase == "completed"

        await until("the snapshot is whole", done, 3600)
        self.report.took = time.monotonic() - began
        self.report.snapshot = self.watcher.snapshot
        self.report.calls = await self._calls()

    async def _calls(self) -> int:
        """Queries of the snapshot, from the simulator's own log."""
        rows = await self.scene.salesforce.call("GET", f"/__sim/requests?since={self.requests}")
        mine = (unquote_plus(row["query"]) for row in rows if "/query" in row["path"])
        return sum("FROM Account" in text and f"LIMIT {PAGE}" in text for text in mine)


async def fill(scene: Stage, count: int) -> None:
    """Prospects that were there before: no event tells of them."""
    fields: dict[str, Any] = {
        "Name": "Prospect {n}", "Type": "Prospect", "Phone": "+44 20 7946 0{n}", "BillingStreet": "{n} High Street",
        "BillingCity": "Leeds", "BillingPostalCode": "LS1 1AA", "BillingCountry": "United Kingdom",
    }  # fmt: skip
    for at in range(0, count, FILL):
        body: dict[str, Any] = {
            "entity": "Account",
            "count": Decimal(min(FILL, count - at)),
            "days": Decimal(30),
            "fields": fields,
        }
        await scene.salesforce.call("POST", "/__sim/fill", body)


async def bench(plan: Plan, keep: Path | None) -> Report:
    """Raises TwinledgerError."""
    report, began = Report(plan.records, plan.rate), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twinledger-snapshot-") as folder:
        place = keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        async with stage(place, mappings=_unbraked(Path(folder)), poll_seconds=1, calls_per_minute=6000) as scene:
            try:
                await _played(scene, report, plan)
            except (TwinledgerError, TimeoutError):
                sys.stderr.write(scene.log.read_text("utf-8", errors="replace")[-4000:])
                raise
    report.seconds = time.monotonic() - began
    return report


async def _played(scene: Stage, report: Report, plan: Plan) -> None:
    await scene.begin()
    pairs = await _births(scene, Births(), plan.customers)
    say(f"{report.records} prospects are made")
    await fill(scene, report.records)
    gc.freeze()  # the org is data: looking through it for garbage would stop the simulators
    cluster = cluster_of(load(scene.config).kafka)
    account = End(scene.salesforce, "Account", people.phone, people.number_of_phone)
    contact = End(scene.xero, "Contact", people.phones, people.number_of_phones)
    live = Live(account, contact, pairs, plan.rate)
    watcher = Watcher(scene, cluster, lambda: live.phase)
    rows = await scene.salesforce.call("GET", "/__sim/requests")
    run = Run(scene, cluster, report, live, watcher, plan, int(rows[-1]["n"]))
    watching = asyncio.create_task(watcher.run())
    try:
        await run.measure()
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    say("what stands in Kafka is compared with the org")
    app = load(scene.config).connections[0].salesforce
    ids = await ids_of(scene.salesforce, (app.client_id, app.client_secret.get_secret_value()))
    report.least = -(-len(ids) // PAGE)
    report.found = await check(cluster, CONNECTION, ids, pairs)


def show(report: Report) -> None:
    """The tables, for a person."""
    alone = next((one for one in report.latencies if one.phase == ALONE), None)
    columns = f"{'edits':>7} {'lost':>5} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7} {'p99 / alone':>12}"
    title = f"live changes, {report.rate:.0f}/s"
    print(f"{title:18} {columns}")
    for one in report.latencies:
        times = f"{one.p99 / alone.p99:.2f}" if alone is not None and alone.p99 else "-"
        print(f"{one.phase:18} {one.edits:7} {one.lost:5} {one.p50:7} {one.p99:7} {one.worst:7} {times:>12}")
    print(f"\n{'depth':>8} {'records':>9} {'seconds':>8} {'records/s':>10} {'worker cpu':>11}")
    for depth in report.depths:
        share = depth.cpu / depth.seconds
        print(f"{depth.ahead:8} {depth.read:9} {depth.seconds:8.0f} {depth.read / depth.seconds:10.0f} {share:10.0%}")
    print(f"\n{'memory of the worker':22} {'read':>9} {'MB':>6}  phase")
    for sample in _shown(report):
        print(f"{sample.at:20.0f} s {sample.read:9} {sample.rss:6.0f}  {sample.phase}")
    for pid in dict.fromkeys(sample.pid for sample in report.samples):
        mine = [one for one in report.samples if one.pid == pid and one.read > 0]
        print(f"growth of process {pid}: {growth(mine):.1f} MB for each 100,000 records")
    _show_end(report)


def _shown(report: Report) -> list[Sample]:
    pids = dict.fromkeys(sample.pid for sample in report.samples)
    return [one for pid in pids for one in steps([each for each in report.samples if each.pid == pid])]


def _show_end(report: Report) -> None:
    found, snapshot = report.found, report.snapshot
    if snapshot is not None:
        print(f"\nsnapshot: {snapshot.read} records in {report.took:.0f} s, {snapshot.passed} passed by newer reads, "
              f"ready {report.recovered:.1f} s after the kill, {report.restarts} times ended by itself")  # fmt: skip
        print(f"calls: {report.calls} by the org's log, {snapshot.calls} by its own count; at least {report.least}")
    if found is not None:
        print(f"in Kafka: {found.there} records of the org, {found.missing} missing, {found.twice} read twice, "
              f"{found.stale} left with an older state; {found.messages} messages")  # fmt: skip
    print(f"{report.seconds:.0f} s in all")


def as_data(report: Report) -> dict[str, Any]:
    """The same for programs; times as texts, so that nothing is a float."""
    return json.loads(json.dumps(asdict(report), default=str), parse_float=str)  # type: ignore[no-any-return]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit code 1 when anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshots", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--depths", type=int, nargs="+", default=[100, 500, 2000], help="of the slow lane")
    parser.add_argument("--ahead", type=int, default=100, help="the depth of the rest")
    parser.add_argument("--seconds", type=float, default=120, help="at each depth; half of it alone before each")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="linked accounts that are edited")
    parser.add_argument("--rate", type=float, default=RATE, help="live changes a second")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--keep", type=Path, default=None, help="leave the connector's log and data in this directory")
    given = parser.parse_args(arguments)
    try:
        plan = Plan(given.records, given.depths, given.seconds, given.ahead, given.rate, given.customers)
        report = asyncio.run(bench(plan, given.keep))
    except TwinledgerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if given.output == "json":
        print(json.dumps(as_data(report), indent=2))
    else:
        show(report)
    found = report.found
    lost = sum(one.lost for one in report.latencies) + (found.missing + found.stale if found is not None else 1)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
