"""How long the main job takes: a won opportunity until its approved invoice, a payment until the opportunity is paid.

    python -m benchmarks.main_job --deals 240 --rate 2

Kafka, both simulators and one worker on this machine. Deals of fifty customers, with three lines each, are won one
after the other; when all have their invoices, these are paid in Xero in the same way. Both ends of each way are the
simulators' own times of commit. Xero is polled every second, with raised limits.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

from benchmarks.calls import Mark, mark
from benchmarks.load import customers, last
from connector.cli.demo import shipped_mappings
from connector.cli.stage import Actor, Json, Stage, stage, until

CUSTOMERS = 50
LINES = (Decimal("19.99"), Decimal("33.33"), Decimal("100.00"))
PATIENCE = 300.0
PAYMENTS = "/api.xro/2.0/Payments"


async def measured(deals: int, rate: float) -> tuple[list[int], list[int], dict[str, int]]:
    """Milliseconds of each way, sorted, and the calls that each side was asked for the whole."""
    with tempfile.TemporaryDirectory(prefix="twinledger-main-") as folder:
        async with stage(Path(folder), mappings=shipped_mappings(), poll_seconds=1, calls_per_minute=6000) as scene:
            await scene.begin()
            won = [
                await _deal(scene, account, n)
                for n, account in _round(await customers(scene, CUSTOMERS, PATIENCE), deals)
            ]
            before = [await mark(side) for side in (scene.salesforce, scene.xero)]
            there = await _won(scene, won, rate)
            back = await _paid(scene, won, rate)
            calls = [await _calls(*side) for side in zip((scene.salesforce, scene.xero), before, strict=True)]
            return there, back, dict(zip(("Salesforce", "Xero"), calls, strict=True))


def _round(customers: Sequence[str], deals: int) -> Iterable[tuple[int, str]]:
    return ((n, customers[n % len(customers)]) for n in range(deals))


async def _deal(scene: Stage, account: str, n: int) -> str:
    known: Json = {
        "Name": f"Deal {n}", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-11-20",
        "Number__c": str(n),
    }  # fmt: skip
    deal = await scene.salesforce.edit("Opportunity", known)
    entry = (await scene.salesforce.objects("PricebookEntry"))[0]["Id"]
    for price in LINES:
        line: Json = {"OpportunityId": deal, "PricebookEntryId": entry, "Quantity": Decimal(1), "UnitPrice": price}
        await scene.salesforce.edit("OpportunityLineItem", line)
    return deal


async def _won(scene: Stage, deals: Sequence[str], rate: float) -> list[int]:
    """From the commit of the won deal to the commit that approved its invoice."""
    marks = await last(scene.salesforce), await last(scene.xero)
    await _at(rate, [partial(scene.salesforce.edit, "Opportunity", {"StageName": "Closed Won"}, one) for one in deals])
    number = {f"OPP-{n}": deal for n, deal in enumerate(deals)}

    async def approved() -> dict[str, datetime]:
        shown = {row["InvoiceID"]: number.get(row["InvoiceNumber"]) for row in await scene.xero.objects("Invoice")}
        rows = await _writes(scene.xero, "Invoice", marks[1], "Status", "AUTHORISED")
        return {deal: at for one, at in rows.items() if (deal := shown[one])}

    ends = await _all(approved, len(deals))
    return _took(await _writes(scene.salesforce, "Opportunity", marks[0], "StageName", "Closed Won"), ends)


async def _paid(scene: Stage, deals: Sequence[str], rate: float) -> list[int]:
    """From the commit of the payment to the commit that shows the opportunity paid."""
    marks = await last(scene.salesforce), await last(scene.xero)
    number = {f"OPP-{n}": deal for n, deal in enumerate(deals)}
    bills = [row for row in await scene.xero.objects("Invoice") if row.get("InvoiceNumber") in number]
    token = await scene.token()
    await _at(rate, [partial(scene.xero.call, "PUT", PAYMENTS, _payment(one), token) for one in bills])
    deal = {row["InvoiceID"]: number[row["InvoiceNumber"]] for row in bills}
    shown = partial(_writes, scene.salesforce, "Opportunity", marks[0], "Invoice_Payment__c", "Paid")
    ends = await _all(shown, len(deals))
    begun = await _writes(scene.xero, "Invoice", marks[1], "Status", "PAID")
    return _took({deal[one]: at for one, at in begun.items()}, ends)


def _payment(invoice: Mapping[str, object]) -> Json:
    bill = {"InvoiceID": str(invoice["InvoiceID"])}
    return {"Invoice": bill, "Account": {"Code": "090"}, "Date": "2026-11-23", "Amount": str(invoice["AmountDue"])}


async def _at(rate: float, doings: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """One every 1/``rate`` seconds by the clock."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n, do in enumerate(doings):
        await asyncio.sleep(max(0.0, began + n / rate - loop.time()))
        await do()


async def _writes(side: Actor, entity: str, since: int, field: str, value: str) -> dict[str, datetime]:
    """When each record was first given a value, by its id."""
    found: dict[str, datetime] = {}
    for row in await side.call("GET", f"/__sim/writes?since={since}"):
        if row["entity"] == entity and row["fields"].get(field) == value:
            found.setdefault(str(row["id"]), datetime.fromisoformat(row["at"]))
    return found


async def _all(look: Callable[[], Awaitable[dict[str, datetime]]], count: int) -> dict[str, datetime]:
    async def there() -> dict[str, datetime]:
        found = await look()
        return found if len(found) == count else {}

    return dict(await until(f"all {count} have come", there, PATIENCE))


def _took(begun: Mapping[str, datetime], ended: Mapping[str, datetime]) -> list[int]:
    return sorted(round((at - begun[one]).total_seconds() * 1000) for one, at in ended.items())


async def _calls(side: Actor, since: Mark) -> int:
    rows = await side.call("GET", f"/__sim/requests?since={since.requests}")
    return sum("/cometd" not in row["path"] and "/__sim" not in row["path"] for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.main_job", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--deals", type=int, default=240, help="won and paid (240)")
    parser.add_argument("--rate", type=float, default=2, help="a second (2)")
    given = parser.parse_args(arguments)
    there, back, calls = asyncio.run(measured(given.deals, given.rate))
    for name, took in (("won deal to approved invoice", there), ("payment to paid opportunity", back)):
        shown = [took[int(len(took) * share / 100)] for share in (50, 95, 99)]
        print(f"{name}: {len(took)}, p50 {shown[0]} ms, p95 {shown[1]} ms, p99 {shown[2]} ms, longest {took[-1]} ms")
    print(f"API calls of both ways: {', '.join(f'{side} {n}' for side, n in calls.items())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
