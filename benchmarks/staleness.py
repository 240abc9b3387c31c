"""How fresh a busy organisation of Xero is known, for how many calls and bytes, with and without webhooks.

    python -m benchmarks.staleness --invoices 100000 --contacts 20000 --hours 24 --write docs

In simulated time: budget, plan, polls and simulator share one clock, and nothing waits. First everything is read, then
1 % of it changes every hour, each object as likely as any other. A change is known when its record (or a newer one of
the same object) is handed over to Kafka; network and Kafka take no time here. A webhook comes 2 s after its change on
average.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.inside import Stage
from benchmarks.staleness_page import Outcome, Scan, page, plot, quantile
from benchmarks.staleness_world import Crowd, populate
from connector.core.records import Record
from connector.kafka.positions import Position
from connector.settings import ConnectionSettings, SalesforceSettings, XeroSettings
from connector.simulators.xero.limits import Usage
from connector.xero.pace import PACE
from connector.xero.rest import XeroParty
from streams.capture import Heard
from streams.connection import Connection
from streams.lists import ListPolls

LISTS = ("Account", "Contact", "Invoice", "Item", "Payment", "TaxRate")
TIERS = (1_000, 5_000)
CHANGING = 0.01  # of all objects, an hour
WEBHOOK_SECONDS = 2.0


@dataclass
class Taken:
    """What the connector was handed, and how long each change had waited."""

    stage: Stage
    records: int = 0
    open: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    waited: list[float] = field(default_factory=list)

    async def record(self, _connection: Connection, record: Record) -> tuple[str, int]:
        self.records += 1
        edits = self.open.get((record.entity, record.id), [])
        known = [at for at in edits if record.stamp is not None and at <= record.stamp]
        if known:
            now = self.stage.now()
            self.waited += [(now - at).total_seconds() for at in known]
            self.open[record.entity, record.id] = edits[len(known) :]
        return "", 0

    def changed(self, entity: str, record_id: str, at: datetime) -> None:
        self.open.setdefault((entity, record_id), []).append(at.replace(microsecond=at.microsecond // 1000 * 1000))


class Over(Exception):
    """The simulated day is over."""


@dataclass
class Run:
    """One connector beside one organisation."""

    stage: Stage
    taken: Taken
    positions: dict[str, Position]
    refused: int = 0

    def polls(self, party: XeroParty, until: datetime) -> ListPolls:
        tenant = party.tenant
        settings = ConnectionSettings(
            name="main", salesforce=SalesforceSettings(url="https://example.org", client_id="x"),
            xero=(XeroSettings(tenant=tenant, client_id="x"),),
        )  # fmt: skip
        nobody: Any = party
        connection = Connection(settings, nobody, nobody, "00D", tenant, self.stage.now, 0)
        sink: Any = self.taken

        async def sleep(seconds: float) -> None:
            if self.stage.now() >= until:
                raise Over
            await self.stage.sleep(seconds)

        return ListPolls(
            connection, tenant, party, sink, self._ignore, self._noticed, self.positions, Heard(), self._ignore,
            lambda: LISTS, sleep,
        )  # fmt: skip

    async def _ignore(self, *_said: object) -> None:
        return None

    async def _noticed(self, *_said: object) -> None:
        self.refused += 1


async def scan(stage: Stage, taken: Taken, positions: dict[str, Position]) -> Scan:
    """Everything, once."""
    began, party, clock = stage.now(), stage.party(), time.monotonic()
    run = Run(stage, taken, positions)
    polls = run.polls(party, stage.now() + timedelta(hours=6))
    await polls.round()
    took = (stage.now() - began).total_seconds()
    return Scan(taken.records, polls.party.calls, party.received_bytes, took, time.monotonic() - clock)


async def day(stage: Stage, taken: Taken, positions: dict[str, Position], tier: int, hours: float, *, hooks: bool,
              dice: random.Random) -> Outcome:  # fmt: skip
    """So many hours of changes; what was not known at their end is waited for."""
    tenant = stage.world.first
    stage.world.limits.change({"day": tier})
    stage.world.usage[tenant.id] = Usage()
    positions.pop(PACE, None)  # what the run before had learned
    taken.waited.clear()
    until, party, before = stage.now() + timedelta(hours=hours), stage.party(), taken.records
    run = Run(stage, taken, positions)
    polls = run.polls(party, until)
    crowd = Crowd(stage, dice, taken.changed, CHANGING)
    if hooks:
        crowd.hook = polls.connection.poked.update
        crowd.hook_seconds = WEBHOOK_SECONDS
    crowd.begin(until)
    try:
        await polls.run()
    except Over:
        stage.forget()
    calls, size, changes = party.calls, party.received_bytes, taken.records - before
    known, waiting = sorted(taken.waited), sum(len(each) for each in taken.open.values())
    for name in ("Contact", "Invoice"):
        await polls.list(name, polls._mark(name))
    lost = sum(len(each) for each in taken.open.values())
    return Outcome(
        tier, hooks, hours, calls, size, crowd.edits, changes, quantile(known, 0.5), quantile(known, 0.95), known[-1],
        waiting, lost, run.refused,
        {name: polls.pace.interval(name) for name in LISTS},
    )  # fmt: skip


async def runs(invoices: int, contacts: int, hours: float, seed: int) -> tuple[Scan, list[Outcome]]:
    stage, dice = Stage(), random.Random(seed)
    populate(stage, invoices, contacts, dice)
    taken, positions = Taken(stage), dict[str, Position]()
    say(f"{invoices} invoices and {contacts} contacts are there")
    first = await scan(stage, taken, positions)
    say(f"first scan: {first}")
    found = []
    for tier in TIERS:
        for hooks in (False, True):
            outcome = await day(stage, taken, positions, tier, hours, hooks=hooks, dice=dice)
            say(str(outcome))
            found.append(outcome)
    return first, found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invoices", type=int, default=100_000)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="a folder: staleness.md gets its table, staleness.svg is drawn")
    asked = parser.parse_args()
    began = time.monotonic()
    first, found = asyncio.run(runs(asked.invoices, asked.contacts, asked.hours, asked.seed))
    seconds = time.monotonic() - began
    text = page(first, found, asked.invoices, asked.contacts, seconds)
    print(text)
    if asked.write:
        (asked.write / "staleness.svg").write_text(plot(found), "utf-8")
        told = asked.write / "staleness.md"
        head, _, rest = told.read_text("utf-8").partition("<!-- figures -->\n")
        tail = rest.partition("<!-- end -->\n")[2]
        told.write_text(f"{head}<!-- figures -->\n{text}<!-- end -->\n{tail}", "utf-8")
    return 3 if any(each.lost for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
