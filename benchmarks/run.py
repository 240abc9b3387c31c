"""``python -m benchmarks.run``: latency, throughput and API calls of the whole connector, side by side in one run.

Kafka, both simulators and the connector run on this machine; the connector in a process of its own. Latency is
measured from the simulator's commit of a person's edit to the other simulator's commit of our write. Xero is polled
every second here, with raised limits: its own 60 calls a minute would be measured otherwise, and not the connector.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import load as people
from benchmarks.calls import SALESFORCE_BATCH, XERO_BATCH, Cost, cost, least, mark
from benchmarks.load import End, Passage, arrived
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Stage, stage, until
from connector.errors import TwinledgerError, Unavailable
from connector.kafka.compacted import end_offsets
from connector.kafka.connection import cluster_of
from connector.kafka.producer import Producer
from connector.settings import load
from connector.xero.avro import TOPICS as ACCOUNTING

RATE = 20.0
POLL_SECONDS, CALLS_PER_MINUTE = 1, 6000
BIRTH_SECONDS, ARRIVE_SECONDS = 300.0, 180.0
AGENT_TOPICS = ("salesforce.hints.v1", "salesforce.records.v1", "link-events.v1", *ACCOUNTING)


@dataclass(slots=True)
class Report:
    """All figures. Seconds and rates are rounded when they are shown."""

    accounts: int = 0
    births: float = 0.0
    there: Passage | None = None
    back: Passage | None = None
    burst: Passage | None = None
    messages: int = 0
    cpu: float | None = None  # seconds of processor time that the worker took for the burst
    empty: float = 0.0
    costs: dict[str, dict[str, Cost]] = field(default_factory=dict)
    seconds: float = 0.0


async def measure(scene: Stage, report: Report, accounts: int, seconds: float) -> None:
    """Every phase, one after the other, on one stage."""
    pairs = await _births(scene, report, accounts)
    back = {contact: account for account, contact in pairs.items()}
    account = End(scene.salesforce, "Account", people.phone, people.number_of_phone)
    contact = End(scene.xero, "Contact", people.phones, people.number_of_phones)
    count = int(seconds * RATE)
    say(f"{count} edits of accounts at {RATE:.0f}/s")
    report.there = await _steady(scene, report, "steady, Salesforce to Xero", account, contact, pairs, count, 1_000_000)
    say(f"{count} edits of contacts at {RATE:.0f}/s")
    report.back = await _steady(scene, report, "steady, Xero to Salesforce", contact, account, back, count, 2_000_000)
    say(f"{accounts} edits of accounts at once")
    await _burst(scene, report, account, contact, pairs)
    say(f"an empty Faust agent with {report.messages} messages")
    report.empty = await _empty(scene, max(report.messages, 1))


async def _births(scene: Stage, report: Report, accounts: int) -> dict[str, str]:
    """New accounts become contacts, and know them. Gives account → contact."""
    say(f"{accounts} new accounts become contacts")
    before = await _marks(scene)
    began = time.monotonic()
    gate = asyncio.Semaphore(16)

    async def make(n: int) -> None:
        async with gate:
            await scene.salesforce.edit("Account", {"Name": f"Customer {n:05}", "Type": "Customer", "Phone": "1"})

    async with asyncio.TaskGroup() as group:
        for n in range(accounts):
            group.create_task(make(n))

    async def linked() -> dict[str, str] | None:
        rows = await scene.salesforce.objects("Account")
        made = [row for row in rows if str(row.get("Name", "")).startswith("Customer ")]
        found = {row["Id"]: row["Xero_Contact_Id__c"] for row in made if row.get("Xero_Contact_Id__c")}
        return found if len(found) == accounts else None

    pairs: dict[str, str] = await until("every account has its contact", linked, BIRTH_SECONDS)
    report.accounts, report.births = accounts, accounts / (time.monotonic() - began)
    await _quiet(scene)
    report.costs["births"] = await _costs(scene, before)
    return pairs


async def _steady(
    scene: Stage, report: Report, name: str, source: End, target: End, pairs: Mapping[str, str], count: int, first: int
) -> Passage:
    before, marks = await _marks(scene), (await people.last(source.actor), await people.last(target.actor))
    await people.at_rate(source, list(pairs), first, count, RATE)
    passage = await arrived(source, target, marks, pairs, ARRIVE_SECONDS)
    await _quiet(scene)
    report.costs[name] = await _costs(scene, before)
    return passage


async def _burst(scene: Stage, report: Report, source: End, target: End, pairs: Mapping[str, str]) -> None:
    before, marks = await _marks(scene), (await people.last(source.actor), await people.last(target.actor))
    offsets, cpu = await _offsets(scene), worker_cpu(scene)
    await people.at_once(source, list(pairs), 3_000_000)
    report.burst = await arrived(source, target, marks, pairs, ARRIVE_SECONDS)
    after = worker_cpu(scene)
    report.cpu = after - cpu if after is not None and cpu is not None else None
    await _quiet(scene)
    report.messages = await _offsets(scene) - offsets
    report.costs["burst, Salesforce to Xero"] = await _costs(scene, before)


def worker_cpu(scene: Stage) -> float | None:
    """Processor time of the connector's process until now: what other work on this machine does not change. None
    where the system has no ``/proc``."""
    if scene.worker is None:
        return None
    try:
        text = Path(f"/proc/{scene.worker.pid}/stat").read_text("ascii")
    except OSError:
        return None
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _quiet(scene: Stage) -> None:
    """Wait until nothing is written any more: what follows a write (reads after it, polls of it) belongs to it."""
    seen = -1

    async def look() -> bool:
        nonlocal seen
        before, seen = seen, await _offsets(scene)
        await asyncio.sleep(1.5)
        return before == seen

    await until("the topics come to rest", look, 60)


async def _offsets(scene: Stage) -> int:
    """All messages that the agents have to take."""
    cluster = cluster_of(load(scene.config).kafka)
    return sum([sum((await end_offsets(cluster, name, range(4))).values()) for name in AGENT_TOPICS])


async def _marks(scene: Stage) -> tuple[Any, Any]:
    return await mark(scene.salesforce), await mark(scene.xero)


async def _costs(scene: Stage, since: tuple[Any, Any]) -> dict[str, Cost]:
    return {
        "salesforce": await cost(scene.salesforce, since[0], "salesforce"),
        "xero": await cost(scene.xero, since[1], "xero"),
    }


async def _empty(scene: Stage, count: int) -> float:
    """Events a second of an empty agent over as many messages as the burst made, of a size like theirs."""
    settings = load(scene.config).kafka
    topic = "notifications.v1"  # nobody of ours consumes it
    async with Producer(cluster_of(settings)) as producer:
        waiting = [await producer.send_soon(topic, f"bench/{n}".encode(), bytes(600)) for n in range(count)]
        for sent in waiting:
            await sent
    with tempfile.TemporaryDirectory(prefix="twinledger-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.empty_agent", scene.bootstrap, cluster_of(settings).topic(topic),
            str(count), folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, wrong = await process.communicate()
    if process.returncode:
        raise Unavailable("bench.empty-agent", f"The empty agent ended ({process.returncode}): {wrong.decode()[-500:]}")
    return count / float(json.loads(out)["seconds"])


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def show(report: Report) -> None:
    """The tables, for a person."""
    print(f"Latency at {RATE:.0f} changes/s, commit to commit (Xero polled every {POLL_SECONDS} s)")
    print(f"{'':24} {'edits':>7} {'writes':>7} {'lost':>5} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for name, one in (("Salesforce to Xero", report.there), ("Xero to Salesforce", report.back)):
        if one is not None:
            p50, p99, worst = one.percentile(0.5), one.percentile(0.99), max(one.milliseconds, default=0)
            edits = len(one.milliseconds) + one.lost
            print(f"{name:24} {edits:7} {one.writes:7} {one.lost:5} {p50:8} {p99:8} {worst:8}")
    _show_rates(report)
    print("\nAPI calls                              reads  least  safety   writes  least  objects    timed  other")
    for phase, sides in report.costs.items():
        for side, spent in sides.items():
            reads, writes = _least(phase, side, spent, report)
            print(f"{phase:27} {side:10} {spent.reads:6} {reads:6} {spent.safety:7} {spent.writes:8} {writes:6} "
                  f"{spent.written:8} {spent.timed:8} {spent.other:6}")  # fmt: skip
    print(f"\n{report.seconds:.0f} s in all")


def _show_rates(report: Report) -> None:
    burst = report.burst
    if burst is None:
        return
    changes = len(burst.milliseconds) / burst.seconds
    print("\nThroughput")
    print(f"changes/s through all hops, {report.accounts} edits at once      {changes:9.1f}")
    if report.cpu is not None:
        print(f"processor time of the worker, ms a change           {_cpu_of(report):15.1f}")
    print(f"births/s, {report.accounts} new accounts until both sides know   {report.births:9.1f}")
    print(f"our agents' messages/s meanwhile ({report.messages} messages)    {report.messages / burst.seconds:9.1f}")
    print(f"empty Faust agent, events/s ({report.messages} messages)         {report.empty:9.1f}")


def _cpu_of(report: Report) -> float:
    """Milliseconds of processor time for one change of the burst."""
    return (report.cpu or 0) * 1000 / max(report.accounts, 1)


def _least(phase: str, side: str, one: Cost, report: Report) -> tuple[int, int]:
    """(reads, writes) in full calls. Xero is never asked by id for what a poll brings."""
    batch = SALESFORCE_BATCH if side == "salesforce" else XERO_BATCH
    changed = report.accounts if phase.startswith(("births", "burst")) else min(report.accounts, _edits(report))
    reads = least(changed, SALESFORCE_BATCH) if side == "salesforce" and "Xero to" not in phase else 0
    return reads, least(one.written, batch)


def _edits(report: Report) -> int:
    return len(report.there.milliseconds) if report.there else 0


def as_data(report: Report) -> dict[str, Any]:
    """The same as one JSON object."""

    def passage(one: Passage | None) -> dict[str, Any] | None:
        if one is None:
            return None
        return {"edits": len(one.milliseconds) + one.lost, "writes": one.writes, "lost": one.lost,
                "p50_ms": one.percentile(0.5), "p99_ms": one.percentile(0.99),
                "max_ms": max(one.milliseconds, default=0), "seconds": f"{one.seconds:.1f}"}  # fmt: skip

    calls = {
        phase: {
            side: {"reads": one.reads, "safety": one.safety, "writes": one.writes, "timed": one.timed,
                   "other": one.other, "objects_written": one.written,
                   "least_reads": _least(phase, side, one, report)[0],
                   "least_writes": _least(phase, side, one, report)[1]}
            for side, one in sides.items()
        }
        for phase, sides in report.costs.items()
    }  # fmt: skip
    burst = report.burst
    return {
        "rate": RATE, "poll_seconds": POLL_SECONDS, "accounts": report.accounts,
        "salesforce_to_xero": passage(report.there), "xero_to_salesforce": passage(report.back),
        "burst": passage(burst),
        "changes_per_second": f"{len(burst.milliseconds) / burst.seconds:.1f}" if burst else None,
        "worker_cpu_ms_per_change": f"{_cpu_of(report):.1f}" if report.cpu is not None else None,
        "births_per_second": f"{report.births:.1f}", "messages": report.messages,
        "empty_agent_events_per_second": f"{report.empty:.1f}", "api_calls": calls,
        "seconds": f"{report.seconds:.1f}",
    }  # fmt: skip


async def _while_alive(scene: Stage, work: Coroutine[Any, Any, None]) -> None:
    """Do it, unless the connector's process ends meanwhile. Raises Unavailable."""
    if scene.worker is None:
        raise Unavailable("bench.connector", "The connector has not been started.")
    doing, life = asyncio.ensure_future(work), asyncio.ensure_future(scene.worker.wait())
    await asyncio.wait((doing, life), return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        raise Unavailable("bench.connector", f"The connector ended ({life.result()}) before the work did; see its log.")
    life.cancel()
    await doing


def _unbraked(folder: Path) -> Path:
    """The shipped mappings with a brake that lets the births through: 500 a day stop a benchmark, as they should."""
    copy = folder / "mappings"
    shutil.copytree(shipped_mappings(), copy)
    with (copy / "account-contact.yaml").open("a", encoding="utf-8") as file:
        file.write("\nlimits: { creates: 1000000 }\n")
    return copy


async def _profiled(scene: Stage, profile: Path) -> None:
    """The connector's process under cProfile: slower, to see where its time goes."""
    with scene.log.open("ab") as log:
        scene.worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cProfile", "-o", str(profile), "-m", "connector.cli.main", "worker",
            "--config", str(scene.config), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


async def bench(accounts: int, seconds: float, keep: Path | None = None, profile: Path | None = None) -> Report:
    """One run on a stage of its own. Raises Unavailable."""
    report, began = Report(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="twinledger-bench-") as folder:
        place = keep or Path(folder)
        async with stage(
            place, mappings=_unbraked(Path(folder)), poll_seconds=POLL_SECONDS, calls_per_minute=CALLS_PER_MINUTE
        ) as scene:
            say("the connector starts")
            await scene.prepare()
            await (_profiled(scene, profile) if profile else scene.start_connector())
            try:
                await scene.ready()
                await _while_alive(scene, measure(scene, report, accounts, seconds))
            except (TwinledgerError, TimeoutError):
                sys.stderr.write(scene.log.read_text("utf-8", errors="replace")[-4000:])
                raise
            finally:
                report.seconds = time.monotonic() - began
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="of each steady phase (60)")
    parser.add_argument("--accounts", type=int, default=800, help="linked pairs, and edits of the burst (800)")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--keep", type=Path, default=None, help="leave the connector's log and data in this directory")
    parser.add_argument("--profile", type=Path, default=None, help="write the worker's cProfile statistics here")
    given = parser.parse_args(arguments)
    try:
        report = asyncio.run(bench(given.accounts, given.seconds, given.keep, given.profile))
    except TwinledgerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if given.output == "json":
        print(json.dumps(as_data(report), indent=2))
    else:
        show(report)
    lost = sum(one.lost for one in (report.there, report.back, report.burst) if one is not None)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
