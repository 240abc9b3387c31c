"""An org without change data capture: how long a change waits for a poll, and what the polls cost.

    python -m benchmarks.polled_org --every 5 15 60 --edits 60

Every object is polled (`capture: { "*": poll }`), as an edition without change events has it. People edit linked
accounts at odd moments; each edit is timed by the simulators' own logs, from the commit in Salesforce until its change
is committed in Xero. An edit that the same account's next one overtook is *merged*; one that did neither is *lost*.
Calls are counted for a while in which nobody does anything: that is what polling alone costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import yaml

from benchmarks.load import customers
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Actor, Json, Stage, stage, until
from connector.errors import Unavailable

CUSTOMERS = 20
HOUR_SECONDS = 3600
QUIET_INTERVALS, QUIET_SECONDS = 4, 30  # calls are counted for the longer of the two
LATE = 3  # intervals after the last edit until what is not there is lost
REST_PATH, ENDS = "/services/data/", "/deleted"


@dataclass(frozen=True, slots=True)
class Row:
    """One interval, in seconds. ``took`` is sorted, in milliseconds; ``calls`` are of an hour without edits."""

    every: int
    objects: int
    calls: int
    edits: int
    took: tuple[int, ...]
    merged: int

    @property
    def lost(self) -> int:
        return self.edits - self.merged - len(self.took)

    def within(self, part: float) -> float:
        """Seconds within which this part of the edits was there."""
        return self.took[min(int(len(self.took) * part), len(self.took) - 1)] / 1000


async def measured(every: int, edits: int) -> Row:
    """One stage, polled ``every`` so many seconds."""
    with tempfile.TemporaryDirectory(prefix="twinledger-polled-") as folder:
        async with stage(Path(folder), mappings=shipped_mappings(), poll_seconds=1, calls_per_minute=6000) as scene:
            settings = yaml.safe_load(scene.config.read_text("utf-8"))
            settings["connections"][0]["salesforce"] |= {"capture": {"*": "poll"}, "poll_seconds": every}
            scene.config.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
            await scene.begin(120 + 3 * every)
            accounts = await customers(scene, CUSTOMERS, 120 + LATE * every)
            calls, objects = await _quiet(scene, every)
            made = await _edited(scene, accounts, every, edits)
            here, there = await _times(scene.salesforce, made), await _times(scene.xero, made)
            return Row(every, objects, calls, *judged(made, here, there))


async def _quiet(scene: Stage, every: int) -> tuple[int, int]:
    """(calls an hour that Salesforce counts while nobody edits, objects that are polled)."""
    await asyncio.sleep(2 * every)  # what the customers came to is read back
    before = len(await _calls(scene))
    await asyncio.sleep(max(QUIET_SECONDS, QUIET_INTERVALS * every))
    found = (await _calls(scene))[before:]
    return an_hour(found), len({one["path"] for one in found if one["path"].endswith(ENDS)})


def an_hour(calls: Sequence[Json]) -> int:
    """Calls an hour, from whole rounds: polls come in bunches."""
    mark = next(one["path"] for one in calls if one["path"].endswith(ENDS))
    rounds = [(place, datetime.fromisoformat(one["at"])) for place, one in enumerate(calls) if one["path"] == mark]
    (first, began), (last, ended) = rounds[0], rounds[-1]
    return round((last - first) * HOUR_SECONDS / (ended - began).total_seconds())


async def _calls(scene: Stage) -> list[Json]:
    return [one for one in await scene.salesforce.requests() if one["path"].startswith(REST_PATH)]


async def _edited(scene: Stage, accounts: Sequence[str], every: int, edits: int) -> dict[str, str]:
    """Phone → account, in the order of the edits; all that is to come has come."""
    moment, made = random.Random(f"polled {every}"), dict[str, str]()
    for number in range(edits):
        phone, account = f"+44 20 7946 {number:04}", accounts[number % len(accounts)]
        await scene.salesforce.edit("Account", {"Phone": phone}, account)
        made[phone] = account
        await asyncio.sleep(moment.uniform(0, 4 * every / len(accounts) + 0.4))
    last = list(made)[-len(accounts) :]
    try:
        await until("the last phones are in Xero", partial(_written, scene.xero, last), 30 + LATE * every)
    except Unavailable as error:  # what is missing is told as lost, beside what was measured
        print(error)
    return made


async def _written(actor: Actor, phones: Sequence[str]) -> bool:
    return len(await _times(actor, phones)) == len(phones)


async def _times(actor: Actor, phones: Sequence[str] | Mapping[str, str]) -> dict[str, datetime]:
    """When each number was first written."""
    rows: list[Json] = await actor.call("GET", "/__sim/writes")
    texts = [(json.dumps(row["fields"], default=str), datetime.fromisoformat(row["at"])) for row in rows]
    found = {phone: next((at for text, at in texts if phone in text), None) for phone in phones}
    return {phone: at for phone, at in found.items() if at is not None}


def judged(
    made: Mapping[str, str], here: Mapping[str, datetime], there: Mapping[str, datetime]
) -> tuple[int, tuple[int, ...], int]:
    """(edits, milliseconds that each took, how many a later edit of their account overtook)."""
    took = sorted(round((there[one] - here[one]).total_seconds() * 1000) for one in made if one in there)
    phones = list(made)
    merged = sum(
        one not in there and any(made[later] == made[one] and later in there for later in phones[at + 1 :])
        for at, one in enumerate(phones)
    )
    return len(made), tuple(took), merged


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. 1 if anything was lost."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polled_org", description=about)
    parser.add_argument("--every", type=int, nargs="+", default=[5, 15], help="seconds between two polls of an object")
    parser.add_argument("--edits", type=int, default=60)
    given = parser.parse_args(arguments)
    print("| polled every | objects | edits | p50 | p95 | worst | calls an hour | calls a day | merged | lost |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    lost = 0
    for every in given.every:
        row = asyncio.run(measured(every, given.edits))
        times = " | ".join(f"{row.within(part):.1f} s" for part in (0.5, 0.95, 1.0))
        calls = f"{row.calls:,} | {row.calls * 24:,}"
        print(
            f"| {every} s | {row.objects} | {row.edits} | {times} | {calls} | {row.merged} | {row.lost} |", flush=True
        )
        lost += row.lost
    return 1 if lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
