"""How long an edit in Xero can be missed: from the look at a contact until the change that was decided by it arrives.

    python -m benchmarks.edit_window --rounds 6 --customers 20

Xero has no conditional update. Before a field that belongs to whoever changed it last is written, its record is read
again; what a person does to it between that read and the write is written over. Both calls are timed where they arrive,
by the simulator's log, so the way to Xero itself comes on top: one answer and one request.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks.load import customers
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage, stage, until

CONTACTS = "/api.xro/2.0/Contacts"
UNSEEN_SECONDS = 11.0  # what was seen within ten seconds is not read again
APART_SECONDS = 0.25
PATIENCE = 300.0


async def measured(rounds: int, number: int) -> list[int]:
    """Milliseconds from each look to the change that followed it, sorted."""
    with tempfile.TemporaryDirectory(prefix="twinledger-window-") as folder:
        async with stage(Path(folder), mappings=shipped_mappings(), poll_seconds=1, calls_per_minute=6000) as scene:
            await scene.begin()
            accounts = await customers(scene, number, PATIENCE)
            for turn in range(rounds):
                await asyncio.sleep(UNSEEN_SECONDS)
                for account in accounts:
                    await scene.salesforce.edit("Account", {"Phone": f"{turn}-{account[-6:]}"}, account)
                    await asyncio.sleep(APART_SECONDS)
                await until("the last phone is in Xero", partial(_there, scene, accounts[-1], turn))
            return sorted(windows(await scene.xero.requests()))


async def _contact(scene: Stage, account: str) -> Json | None:
    rows = await scene.xero.objects("Contact")
    return next((row for row in rows if row.get("ContactNumber") == account), None)


async def _there(scene: Stage, account: str, number: int) -> bool:
    row = await _contact(scene, account) or {}
    return any(phone.get("PhoneNumber") == f"{number}-{account[-6:]}" for phone in row.get("Phones", ()))


def windows(requests: Iterable[Json]) -> Iterable[int]:
    """Of each change that a look went before: how long after it."""
    looked: datetime | None = None
    for one in requests:
        at = datetime.fromisoformat(one["at"])
        if one["path"] == CONTACTS and one["method"] == "GET" and "IDs=" in one["query"]:
            looked = at
        elif one["path"] == CONTACTS and one["method"] == "POST" and looked is not None:
            yield round((at - looked).total_seconds() * 1000)
            looked = None


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.edit_window", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--customers", type=int, default=20)
    given = parser.parse_args(arguments)
    found = asyncio.run(measured(given.rounds, given.customers))
    shown = [found[int(len(found) * share / 100)] for share in (50, 99)] if found else [0, 0]
    print(
        f"{len(found)} changes after a look: p50 {shown[0]} ms, p99 {shown[1]} ms, longest {max(found, default=0)} ms"
    )


if __name__ == "__main__":
    main()
