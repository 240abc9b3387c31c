"""Rows that move while they are paged: random runs of the poller against the simulator, and nothing may be lost.

    python -m benchmarks.moving --runs 1000

A list of a few dozen contacts and manual journals is polled in pages of one to seven rows. Before every page people
edit and add, some within one second, some much later; after the last edit one more poll comes. Then the poller must
hold the last state of every object, and a poll after that must bring nothing. Contacts are walked by their last change,
a new first page each time; journals by page numbers. Simulated time; exit 3 when anything is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import count

from benchmarks.inside import Stage
from connector.core.records import Version
from connector.xero.poller import poll
from connector.xero.position import Watermark
from connector.xero.rest import XeroParty

ENTITIES = ("Contact", "ManualJournal")
STEPS = (0, 0.001, 0.4, 1, 20, 90)  # seconds between two edits
POLLS = 3
PLENTY = 1_000_000


class People:
    """Edit and add objects of one list."""

    def __init__(self, stage: Stage, entity: str, dice: random.Random) -> None:
        self.stage, self.entity, self.dice = stage, entity, dice
        self.numbers = count()

    def begin(self) -> None:
        for _ in range(self.dice.randint(1, 25)):
            self.act(new=True)

    def act(self, *, new: bool = False) -> None:
        stage, dice, number = self.stage, self.dice, next(self.numbers)
        stage.world.clock.advance(dice.choice(STEPS))
        known = list(stage.world.first.tables[self.entity])
        which = None if new or not known or dice.random() < 0.2 else dice.choice(known)
        stage.world.edit(self.entity, which, self.fields(number, which is None))

    def fields(self, number: int, new: bool) -> dict[str, object]:
        if self.entity == "Contact":
            return {"Name": f"Customer {number}"} if new else {"FirstName": f"n{number}"}
        lines = [{"LineAmount": amount, "AccountCode": "400"} for amount in ("5.00", "-5.00")]
        return {"Narration": f"n{number}", **({"JournalLines": lines} if new else {})}


async def one(entity: str, seed: int) -> tuple[bool, int]:
    """Whether all was held in the end, and how many pages it took."""
    dice, stage, numbers = random.Random(f"{entity} {seed}"), Stage(), count(1)
    people, party, size = People(stage, entity, dice), stage.party(PLENTY), dice.randint(1, 7)
    stage.world.limits.change({"minute": PLENTY, "day": PLENTY, "app_minute": PLENTY})
    people.begin()
    held, mark, pages = dict[str, datetime | None](), Watermark(), 0

    def version() -> Version:
        return Version(1, next(numbers))

    for turn in range(POLLS + 2):
        left = [dice.randint(0, 15) if turn < POLLS else 0]
        found, mark, more = await _polled(party, entity, mark, size, version, partial(_edit, people, left, dice))
        held |= found
        pages += more
        if turn == POLLS + 1 and found:
            return False, pages
    there = {key: row["UpdatedDateUTC"] for key, row in stage.world.first.tables[entity].items()}
    return held == there, pages


def _edit(people: People, left: list[int], dice: random.Random) -> None:
    for _ in range(min(left[0], dice.choice((0, 0, 1, 2)))):
        left[0] -= 1
        people.act()


async def _polled(party: XeroParty, entity: str, mark: Watermark, size: int, version: Callable[[], Version],
                  edit: Callable[[], None]) -> tuple[dict[str, datetime | None], Watermark, int]:  # fmt: skip
    async def turn() -> None:
        edit()

    found, pages = dict[str, datetime | None](), 0
    async for page in poll(party, entity, mark, version, page_size=size, turn=turn):
        found |= {record.id: record.stamp for record in page.records}
        mark, pages = page.mark, pages + 1
    return found, Watermark.from_text(mark.to_text()), pages


async def runs(number: int) -> dict[str, tuple[list[int], int]]:
    """By entity: the seeds that lost something, and how many pages were read."""
    out = {}
    for entity in ENTITIES:
        found = [await one(entity, seed) for seed in range(number)]
        out[entity] = [seed for seed, (whole, _) in enumerate(found) if not whole], sum(pages for _, pages in found)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    number, began = parser.parse_args().runs, time.monotonic()
    found = asyncio.run(runs(number))
    for entity, (lost, pages) in found.items():
        print(f"{entity}: {number} runs, {pages:,} pages, {len(lost)} runs that lost something {lost[:10] or ''}")
    print(f"{time.monotonic() - began:.0f} s")
    return 3 if any(lost for lost, _ in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
