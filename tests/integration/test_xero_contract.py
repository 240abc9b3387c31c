"""Requests of the party and answers of the simulator against Xero's published API file."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from connector.cli.stage import until
from connector.core.party import Operation, Write
from connector.core.records import ReadPlan, Version
from connector.core.values import Value
from connector.http import HttpClient
from connector.simulators.exchanges import FOLDER, LISTENERS, Exchange, recorded
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.seed import DEMO_TENANT
from connector.xero.entities import ENTITIES
from connector.xero.poller import poll
from connector.xero.position import Watermark
from tests.integration.test_xero_party_documents import CASES, DAY, LINE, create, deposit, update
from tests.integration.test_xero_sim_webhooks import KEY, Receiver
from tests.integration.xero_contract import BASE, OURS, PATHS, Judge
from tests.integration.xero_differences import KNOWN
from tests.integration.xero_rig import Rig, versions

V = Version(1, 1)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    app = build()
    app.state.world.limits.minute = 10_000
    async with running(app) as base, HttpClient() as http:
        made = Rig(base, app.state.world, http)
        made.party = made.new_party(per_minute=10_000)
        yield made


@dataclass
class Told:
    """Somebody who takes the webhooks."""

    url: str

    async def listen(self, rig: Rig) -> None:
        """The receiver has proved itself."""
        rig.world.hooks.configure(self.url, KEY)
        await self._until(rig, lambda: rig.world.hooks.status == "on")

    async def all(self, rig: Rig) -> None:
        await self._until(rig, lambda: not rig.world.hooks.waiting)

    async def _until(self, rig: Rig, so: Callable[[], bool]) -> None:
        async def now() -> bool:
            return so()

        await until(f"webhooks: {rig.world.hooks.state()}", now, 20)


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    receiver = Receiver()
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with running(app) as base:
        yield Told(f"{base}/hook")


@pytest.fixture
def judge() -> Iterator[Judge]:
    """One that begins anew; the suite's goes on after it."""
    judge, suite = Judge(), LISTENERS[BASE]

    def both(one: Exchange) -> None:
        judge.hear(one)
        suite(one)

    LISTENERS.update(dict.fromkeys(PATHS, both))
    yield judge
    LISTENERS.update(dict.fromkeys(PATHS, suite))


async def test_what_the_party_sends_and_what_the_simulator_answers(rig: Rig, judge: Judge, told: Told) -> None:
    await told.listen(rig)
    for number, case in enumerate(CASES):
        fields = {**case.fields, **({"Contact": rig.contact()} if case.contact else {})}
        made = await create(rig, case.entity, fields, f"make {number}")
        await rig.party.find(ReadPlan(case.entity), {case.mark[0]: case.mark[1]}, V)
        await rig.party.read(ReadPlan(case.entity), [made.target], V)
        await update(rig, case.entity, made.target, case.change, f"change {number}")
        if case.end is not None:
            await update(rig, case.entity, made.target, case.end, f"end {number}")
    await _credits(rig)
    await _tracked(rig)
    await told.all(rig)
    for name in ENTITIES:
        async for _ in poll(rig.party, name, Watermark(), versions()):
            pass
    assert judge.found == []
    assert len(judge.operations) >= 40, sorted(judge.operations)
    unmet = set(KNOWN) - set(judge.used)
    assert unmet == set(), "these differences do not occur any more"


async def _credits(rig: Rig) -> None:
    """Deposits, allocations, refunds, transfers, and what stands below a document."""
    made = (await rig.write([rig.invoice("C-9", Status="AUTHORISED")], "owed"))[0]
    owed: Any = getattr(made, "target", None)
    paid = await deposit(rig)
    assert paid.fields is not None
    part: dict[str, Value] = {
        "Prepayment": paid.fields["PrepaymentID"], "Invoice": owed, "Amount": Decimal(10), "Date": DAY,
    }  # fmt: skip
    allocated = await create(rig, "Allocation", part, "allocate")
    await rig.party.find(ReadPlan("Allocation"), part, V)
    await update(rig, "Allocation", allocated.target, {"IsDeleted": True}, "back")
    credit: dict[str, Value] = {
        "Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-9", "Contact": rig.contact(), "LineItems": [LINE], "Date": DAY,
        "Status": "AUTHORISED",
    }  # fmt: skip
    note = await create(rig, "CreditNote", credit, "credit")
    taken = await create(
        rig, "Allocation", {"CreditNote": note.target, "Invoice": owed, "Amount": Decimal(1), "Date": DAY}, "use it"
    )
    await update(rig, "Allocation", taken.target, {"IsDeleted": True}, "back again")
    money: dict[str, Value] = {"Invoice": owed, "Account": {"Code": "090"}, "Amount": Decimal(5), "Date": DAY}
    payment = await create(rig, "Payment", money, "pay")
    await update(rig, "Payment", payment.target, {"Status": "DELETED"}, "unpay")
    banks: dict[str, Value] = {"FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}}
    moved = await create(rig, "BankTransfer", {**banks, "Amount": Decimal(7), "Date": DAY}, "move")
    await update(rig, "BankTransfer", moved.target, {"Status": "DELETED"}, "unmove")
    await create(rig, "HistoryRecord", {"Invoice": owed, "Details": "Hello"}, "note")
    await rig.party.find(ReadPlan("HistoryRecord"), {"Invoice": owed, "Details": "Hello"}, V)
    content = base64.b64encode(b"hello").decode()
    await create(rig, "Attachment", {"Invoice": owed, "FileName": "a.txt", "Content": content}, "file")
    await rig.party.find(ReadPlan("Attachment"), {"Invoice": owed, "FileName": "a.txt"}, V)
    await rig.write([Write("c", "Currency", Operation.CREATE, None, {"Code": "NZD"})], "currency")


async def _tracked(rig: Rig) -> None:
    """An overpayment, a tracking option, and a line that is tracked."""
    line: dict[str, Value] = {
        "Description": "too much", "Quantity": Decimal(1), "UnitAmount": Decimal(60), "AccountCode": "610",
        "TaxType": "NONE",
    }  # fmt: skip
    over: dict[str, Value] = {
        "Type": "RECEIVE-OVERPAYMENT", "Contact": rig.contact(), "LineItems": [line], "Date": DAY,
        "BankAccount": {"Code": "090"},
    }  # fmt: skip
    extra = await create(rig, "BankTransaction", over, "overpay")
    assert extra.fields is not None
    owed = await create(rig, "Invoice", rig.invoice("C-10", Status="AUTHORISED").fields, "owed too")
    part: dict[str, Value] = {
        "Overpayment": extra.fields["OverpaymentID"], "Invoice": owed.target, "Amount": Decimal(2), "Date": DAY,
    }  # fmt: skip
    used = await create(rig, "Allocation", part, "use the rest")
    await update(rig, "Allocation", used.target, {"IsDeleted": True}, "the rest is back")
    region = rig.world.first.first("TrackingCategory", lambda one: one["Name"] == "Region")
    assert region is not None
    category = str(region["TrackingCategoryID"])
    await create(rig, "TrackingOption", {"TrackingCategory": category, "Name": "Mars"}, "option")
    tracked: dict[str, Value] = {**line, "AccountCode": "200", "Tracking": [{"Name": "Region", "Option": "Mars"}]}
    more: dict[str, Value] = {"Contact": rig.contact(), "LineItems": [tracked], "Date": DAY, "DueDate": DAY}
    await create(rig, "Invoice", {"Type": "ACCREC", "InvoiceNumber": "T-1", **more}, "tracked")


ORGANISATION = {
    "Organisations": [{"Name": "Demo", "PaysTax": "yes", "Colour": "red", "Version": "MARS", "PeriodLockDate": "soon"}]
}
WRONG = (
    (Exchange("GET", f"{BASE}/Organisation", "colour=red", OURS, b"", 200, json.dumps(ORGANISATION).encode()),
     ("PaysTax is str", "Colour is not in the file", "'MARS'", "no date", "no parameter colour")),
    (Exchange("GET", f"{BASE}/Nonsense", "", OURS, b"", 404), ("no such operation",)),
    (Exchange("PUT", f"{BASE}/Invoices", "", OURS, b'{"Invoices": [{"Kind": "ACCREC", "Total": "12"}]}', 400, b""),
     ("sent Invoice.Kind is not in the file", "sent Invoice.Total is str")),
    (Exchange("PUT", f"{BASE}/Invoices", "", OURS, b'{"Type": "NEITHER"}', 0), ("'NEITHER'",)),
    (Exchange("POST", f"{BASE}/Items", "", "a stranger", b'{"Items": [{"Cod": "x"}]}', 200, b"{}"), ("Item.Cod",)),
    (Exchange("PUT", f"{BASE}/Items", "", OURS, json.dumps({"Items": [{"Name": "x" * 51}]}).encode(), 400, b""),
     ("sent Item lacks Code", "sent Item.Name has 51 letters, and 50 is the most")),
    (Exchange("PUT", f"{BASE}/BankTransactions", "", OURS, b'{"BankTransactions": [{"Type": "SPEND"}]}', 0),
     ("sent BankTransaction lacks LineItems", "sent BankTransaction lacks BankAccount")),
    (Exchange("PUT", f"{BASE}/CreditNotes/1/Allocations", "", OURS, b'{"Allocations": [{"Amount": 1}]}', 0),
     ("sent Allocation lacks Invoice", "sent Allocation lacks Date")),
    (Exchange("GET", f"{BASE}/ManualJournals", "", OURS, b"", 200, b'{"ManualJournals": [{"ManualJournalID": "7"}]}'),
     ("got ManualJournal lacks Narration", "got ManualJournal.ManualJournalID is '7', no id")),
    (Exchange("GET", "/connections", "", OURS, b"", 200, b'[{"id": "1", "tenant": 5, "createdDateUtc": "today"}]'),
     ("Connection.id is '1', no id", "Connection.tenant is not in the file", "'today', no time")),
    (Exchange("POST", "/connect/token", "", OURS, b"grant_type=refresh_token&token=x", 200, b'{"expires_in": "1800"}'),
     ("sent refresh_token lacks refresh_token", "sent refresh_token.token is in no specification",
      "expires_in is str, not integer", "got AccessToken lacks access_token")),
    (Exchange("POST", "/connect/token", "", OURS, b"grant_type=password", 400),
     ("sent password.grant_type is in no specification",)),
    (Exchange("GET", "/identity/connect/authorize", "client_id=x&prompt=none", OURS, b"", 302),
     ("sent consent lacks redirect_uri", "sent consent.prompt is in no specification")),
    (Exchange("POST", "/webhooks", "", "", json.dumps(
        {"events": [{"eventCategory": "CREDITNOTE", "resourceId": "x", "data": {"Type": "NONE"}},
                    {"eventCategory": "ITEM", "data": {}}], "firstEventSequence": 1}).encode(), 200),
     ("got CreditNoteWebhookEvent lacks entropy", "'NONE', which the file does not list", "data lacks Status",
      "'ITEM', which the file does not list", "events.data is not in the file", "resourceId is 'x', no id")),
)  # fmt: skip


@pytest.mark.parametrize(("exchange", "words"), WRONG)
def test_the_judge_sees_what_is_wrong(exchange: Exchange, words: tuple[str, ...]) -> None:
    said = "\n".join(Judge().differences(exchange))
    for each in words:
        assert each in said


def test_an_update_says_what_changes_and_no_more() -> None:
    known = f'{{"ManualJournals": [{{"ManualJournalID": "{DEMO_TENANT}", "Status": "POSTED"}}]}}'
    assert Judge().differences(Exchange("POST", f"{BASE}/ManualJournals", "", OURS, known.encode(), 0)) == []
    posted = Exchange("POST", f"{BASE}/ManualJournals/{DEMO_TENANT}", "", OURS, b'{"Status": "POSTED"}', 0)
    assert Judge().differences(posted) == []


def test_a_strangers_refused_request_is_not_judged() -> None:
    assert Judge().differences(Exchange("GET", f"{BASE}/Nonsense", "x=1", "a stranger", b"", 404)) == []


async def test_a_simulator_of_another_process_is_judged_by_its_record(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.cli.main", "simulate", "xero", "--port", "0",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, FOLDER: str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        base = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))["base_url"]
        async with HttpClient() as http:
            await http.request("GET", f"{base}{BASE}/Nonsense", headers=[("Accept", "application/json")])
    finally:
        process.terminate()
        await process.wait()
    judge = Judge()
    for one in recorded(tmp_path):
        judge.hear(one)
    assert judge.found == [f"GET {BASE}/Nonsense: no such operation"]
