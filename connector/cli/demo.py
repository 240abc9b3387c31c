"""``twinledger demo``: the whole story on this machine, told so that a person can follow it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from connector.cli.links import links_of
from connector.cli.printing import money, table
from connector.cli.stage import Json, Stage, stage, until
from connector.cli.statement import Line, lines
from connector.core.link_state import Hold, Life
from connector.errors import TwinledgerError
from connector.kafka.connection import cluster_of
from connector.settings import load


@dataclass(slots=True)
class Summary:
    """What the demo did and found; ``--output json`` prints it."""

    accounts_linked: int = 0
    invoices_created: int = 0
    invoices_paid_back: int = 0
    duplicates: int = 0
    lost: int = 0
    reviews: int = 0
    api_calls: int = 0
    seconds: float = 0.0


class Story:
    """Prints each step as it happens, on stderr, with the time that it took."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self.statement: tuple[Line, ...] = ()
        self._rows: list[tuple[str, str, str]] = []
        self.began = time.monotonic()

    @asynccontextmanager
    async def step(self, doing: str) -> AsyncIterator[list[str]]:
        """Announce, do, say what came of it (what the block put into the list)."""
        said: list[str] = []
        began = time.monotonic()
        self._console.print(f"[dim]…[/dim] {doing}", end="\r" if sys.stderr.isatty() else "\n")
        yield said
        took = f"{time.monotonic() - began:.1f} s"
        self._console.print(f"[green]✓[/green] {doing}: {' '.join(said)} [dim]({took})[/dim]")
        self._rows.append((doing, " ".join(said), took))

    def say(self, line: str = "") -> None:
        self._console.print(line)

    def table(self) -> Table:
        table = Table(title="What happened", title_justify="left")
        for name in ("step", "result", "time"):
            table.add_column(name, justify="right" if name == "time" else "left")
        for row in self._rows:
            table.add_row(*row)
        return table


async def play(scene: Stage, story: Story, summary: Summary) -> None:
    """The story: metadata, an account, a won opportunity, its payment."""
    salesforce, xero = scene.salesforce, scene.xero
    async with story.step("Xero's chart of accounts and tax rates become Salesforce objects") as said:
        accounts, rates = len(await xero.objects("Account")), len(await xero.objects("TaxRate"))

        async def metadata() -> bool:
            there = await salesforce.objects("Xero_Account__c"), await salesforce.objects("Xero_Tax_Rate__c")
            return len(there[0]) >= accounts and len(there[1]) >= rates

        await until("the accounts and tax rates arrive in Salesforce", metadata)
        said.append(f"{accounts} accounts, {rates} tax rates")
    async with story.step("A sales person adds an Account; it becomes a Contact") as said:
        account = await salesforce.edit(
            "Account",
            {
                "Name": "Oaktown College", "Type": "Customer", "Phone": "0800 1123 445",
                "BillingStreet": "PO Box 5500", "BillingCity": "Oaktown", "BillingPostalCode": "OK12 3TN",
                "BillingCountry": "United Kingdom",
            },
        )  # fmt: skip
        contact = await until("the contact is in Xero", lambda: _contact(scene, account))
        summary.accounts_linked = 1
        said.append(f"contact {contact['Name']}")
    opportunity = await _opportunity(scene, account)
    async with story.step("The opportunity is won; it becomes an invoice with three lines") as said:
        await salesforce.edit("Opportunity", {"StageName": "Closed Won"}, opportunity)
        invoice = await until("the invoice is approved in Xero", lambda: _invoice(scene, "AUTHORISED"))
        summary.invoices_created = 1
        amounts = ", ".join(
            f"{name} {invoice[field]:.2f}"
            for name, field in (("net", "SubTotal"), ("tax", "TotalTax"), ("total", "Total"))
        )
        said.append(f"{invoice['InvoiceNumber']}: {amounts}")
    async with story.step("The customer pays in Xero; the Opportunity shows it") as said:
        await _pay(scene, invoice)
        row = await until("the Opportunity shows the payment", lambda: _paid(scene, opportunity))
        summary.invoices_paid_back = 1
        said.append(f"status {row['Invoice_Status__c']}, paid on {row['Paid_On__c']}")
    async with story.step("The month is added up on both sides") as said:
        story.statement = await until("the statement shows the paid invoice on both sides", lambda: _statement(scene))
        said.append(f"difference {sum((one.difference for one in story.statement), Decimal(0)):.2f}")
    await _count(scene, summary)


async def _statement(scene: Stage) -> tuple[Line, ...]:
    """The invoice and what shows it in Salesforce, both paid; empty until it is so."""
    found = await lines(cluster_of(load(scene.config).kafka), month="2026-11")
    return found if [one.status for one in found] == ["PAID", "PAID"] else ()


async def _opportunity(scene: Stage, account: str) -> str:
    """An open opportunity with three product lines."""
    opportunity = await scene.salesforce.edit(
        "Opportunity",
        {
            "Name": "Oaktown: new lab", "AccountId": account, "StageName": "Proposal/Price Quote",
            "CloseDate": "2026-11-30", "Number__c": "1001", "PO_Number__c": "P/O 9711",
        },
    )  # fmt: skip
    entries = await scene.salesforce.objects("PricebookEntry")
    for number, entry in zip(map(Decimal, (1, 2, 3)), entries, strict=False):
        line = {"OpportunityId": opportunity, "PricebookEntryId": entry["Id"], "Quantity": number, "SortOrder": number}
        await scene.salesforce.edit("OpportunityLineItem", {**line, "UnitPrice": entry["UnitPrice"]})
    return opportunity


async def _contact(scene: Stage, account: str) -> Json | None:
    rows = await scene.xero.objects("Contact")
    return next((row for row in rows if row.get("ContactNumber") == account), None)


async def _invoice(scene: Stage, status: str) -> Json | None:
    rows = [row for row in await scene.xero.objects("Invoice") if str(row.get("InvoiceNumber", "")).startswith("OPP-")]
    return next((row for row in rows if row.get("Status") == status), None)


async def _pay(scene: Stage, invoice: Json) -> None:
    payment = {
        "Invoice": {"InvoiceID": invoice["InvoiceID"]}, "Account": {"Code": "090"}, "Date": "2026-11-23",
        "Amount": invoice["AmountDue"],
    }  # fmt: skip
    await scene.xero.call("PUT", "/api.xro/2.0/Payments", payment, await scene.token())


async def _paid(scene: Stage, opportunity: str) -> Json | None:
    rows = await scene.salesforce.objects("Opportunity")
    found = next((row for row in rows if row["Id"] == opportunity), {})
    return found if found.get("Invoice_Status__c") == "PAID" else None


async def _count(scene: Stage, summary: Summary) -> None:
    """What an auditor would count on both sides."""
    invoices = [i for i in await scene.xero.objects("Invoice") if str(i.get("InvoiceNumber", "")).startswith("OPP-")]
    contacts = [c for c in await scene.xero.objects("Contact") if c.get("ContactNumber")]
    summary.duplicates = max(len(invoices) - 1, 0) + max(len(contacts) - 1, 0)
    summary.lost = 2 - min(len(invoices), 1) - min(len(contacts), 1)
    summary.reviews = await _reviews(scene)
    calls = [*await scene.salesforce.requests(), *await scene.xero.requests()]
    summary.api_calls = sum(1 for call in calls if "/cometd" not in call["path"] and "/__sim" not in call["path"])


async def _reviews(scene: Stage) -> int:
    """Links that need a person, as the links topic holds them."""
    links = await links_of(cluster_of(load(scene.config).kafka))
    return sum(link.hold in (Hold.FAILED, Hold.CONFLICT) and link.life is not Life.ENDED for link in links)


async def demo(*, output: str = "table", keep: bool = False) -> int:
    """Run the story; gives the exit code. ``keep`` leaves everything up until Ctrl-C."""
    story, summary = Story(), Summary()
    mappings = shipped_mappings()
    with tempfile.TemporaryDirectory(prefix="twinledger-demo-") as folder:
        story.say("[bold]Twinledger demo[/bold]: Kafka, a Salesforce org, a Xero company and the connector, all here.")
        async with story.step("Start Kafka and both simulators") as said:
            scenes = stage(Path(folder), mappings=mappings)
            scene = await scenes.__aenter__()
            said.append(f"Kafka at {scene.bootstrap}")
        try:
            async with story.step("Create the topics, apply the mappings, start the connector") as said:
                said.append(f"{await scene.begin()} mappings")
            await play(scene, story, summary)
            summary.seconds = round(time.monotonic() - story.began, 1)
            _finish(story, summary, output)
            if keep:
                await _stay(story, scene)
        except TwinledgerError:
            story.say(scene.log.read_text("utf-8", errors="replace")[-4000:] if scene.log.exists() else "")
            raise
        finally:
            await scenes.__aexit__(None, None, None)
    return 0 if summary.duplicates == summary.lost == 0 else 1


def _finish(story: Story, summary: Summary, output: str) -> None:
    if output == "json":
        Console(soft_wrap=True, highlight=False).print(json.dumps(asdict(summary)), markup=False)
        return
    console = Console()
    console.print(story.table())
    console.print(_page(story.statement))
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in asdict(summary).items())
    console.print(facts)


def _page(found: Sequence[Line]) -> Table:
    """The statement, in 80 columns."""
    rows = [
        (each.mapping, each.status, each.currency, money(each.salesforce), money(each.xero), money(each.difference))
        for each in found
    ]
    heads = (f"{found[0].month if found else ''} statement", "status", "", "salesforce", "xero", "difference")
    return table(heads, rows, right="salesforce xero difference")


async def _stay(story: Story, scene: Stage) -> None:
    story.say(f"Salesforce: {scene.salesforce.base}/__sim   Xero: {scene.xero.base}/__sim   Kafka: {scene.bootstrap}")
    story.say(f"Configuration: {scene.config}   Log: {scene.log}   Ctrl-C ends it.")
    await asyncio.Event().wait()


def shipped_mappings() -> Path:
    """``mappings/``: inside an installed package, else at the root of the repository."""
    packaged = Path(__file__).parents[1] / "data" / "mappings"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "mappings"
