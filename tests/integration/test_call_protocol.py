"""Whatever happens to a call, there is one object on the other side, with the right fields, and a link at rest.

The writes: an account that becomes a contact, a won opportunity that becomes an invoice, an expense that becomes a bill
(nobody but us keeps a bill single: Xero takes two with one number), and an update of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Actor, Json, Stage, until
from connector.core.link_state import State
from connector.core.values import Value
from tests.integration.kafka_views import announced, link_of, state_of
from tests.integration.spine_stage import (
    advance,
    arm,
    changed_mappings,
    hits,
    kill,
    opened,
    spine,
    start_again,
)

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="module")]
CONTACTS, INVOICES = "/api.xro/2.0/Contacts", "/api.xro/2.0/Invoices"
COLLECTIONS = "/services/data/v62.0/composite/sobjects"
REPEATS_END, PROBE = 200, 460  # seconds: repeats are over, a lost create may be probed
TWICE = 40  # what a probe did not find is looked for once more


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("protocol")
    mappings = changed_mappings(
        folder,
        {"expense-to-bill": ("changed: { draft: update, approved: tell", "changed: { draft: update, approved: update")},
    )
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=mappings) as stage:
        await opened(stage)
        yield stage


# --- the writes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One kind of document: how a person makes and edits its source, and what must stand in Xero then."""

    mapping: str
    path: str
    make: Callable[[Stage], Awaitable[str]]
    edit: Callable[[Stage, str], Awaitable[None]]
    twins: Callable[[Stage, str], Awaitable[list[Json]]]
    made: Callable[[Json], bool]
    edited: Callable[[Json], bool]


async def vendor(scene: Stage, name: str, **more: Value) -> str:
    return await scene.salesforce.edit("Account", {"Name": name, "Type": "Customer", "Phone": "0800 111", **more})


async def linked_account(scene: Stage) -> str:
    account = await vendor(scene, f"Owner {uuid4().hex[:8]}")
    await settled(scene, "account-contact", account)
    return account


async def make_account(scene: Stage) -> str:
    return await vendor(scene, f"Account {uuid4().hex[:8]}")


async def edit_account(scene: Stage, account: str) -> None:
    await scene.salesforce.edit("Account", {"Phone": "0800 222"}, account)


async def contacts_of(scene: Stage, account: str) -> list[Json]:
    return [row for row in await scene.xero.objects("Contact") if row.get("ContactNumber") == account]


def phone_is(number: str) -> Callable[[Json], bool]:
    return lambda row: any(str(phone.get("PhoneNumber", "")).endswith(number) for phone in row["Phones"])


async def make_opportunity(scene: Stage) -> str:
    account = await linked_account(scene)
    opportunity = await scene.salesforce.edit(
        "Opportunity",
        {
            "Name": "Deal",
            "AccountId": account,
            "StageName": "Prospecting",
            "CloseDate": "2026-11-30",
            "Number__c": uuid4().hex[:10],
        },
    )
    entry = next(row for row in await scene.salesforce.objects("PricebookEntry") if row["UnitPrice"] == 850)
    line = {
        "OpportunityId": opportunity,
        "PricebookEntryId": entry["Id"],
        "Quantity": Decimal(2),
        "UnitPrice": Decimal(850),
    }
    await scene.salesforce.edit("OpportunityLineItem", line)
    await scene.salesforce.edit("Opportunity", {"StageName": "Closed Won"}, opportunity)
    return opportunity


async def edit_opportunity(scene: Stage, opportunity: str) -> None:
    lines = await scene.salesforce.objects("OpportunityLineItem")
    line = next(row["Id"] for row in lines if row["OpportunityId"] == opportunity)
    await scene.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(3)}, line)


async def invoices_of(scene: Stage, opportunity: str) -> list[Json]:
    rows = await scene.salesforce.objects("Opportunity")
    number = next(row["Number__c"] for row in rows if row["Id"] == opportunity)
    return [row for row in await scene.xero.objects("Invoice") if row["InvoiceNumber"] == f"OPP-{number}"]


async def make_expense(scene: Stage) -> str:
    return await expense(scene, await linked_account(scene))


async def expense(scene: Stage, account: str, *, amount: str = "120.50") -> str:
    return await scene.salesforce.edit(
        "Expense__c",
        {
            "Name": "Taxi",
            "Number__c": "same",
            "Amount__c": Decimal(amount),
            "Date__c": "2026-11-20",
            "Vendor__c": account,
            "Status__c": "Approved",
        },
    )


async def edit_expense(scene: Stage, found: str) -> None:
    await scene.salesforce.edit("Expense__c", {"Amount__c": Decimal("99.00")}, found)


async def bills_of(scene: Stage, found: str) -> list[Json]:
    return [row for row in await scene.xero.objects("Invoice") if f"/{found}?tl=" in str(row.get("Url"))]


def approved(sub_total: str) -> Callable[[Json], bool]:
    return lambda row: row["Status"] == "AUTHORISED" and row["SubTotal"] == Decimal(sub_total)


ACCOUNT = Kind("account-contact", CONTACTS, make_account, edit_account, contacts_of, phone_is("111"), phone_is("222"))
OPPORTUNITY = Kind(
    "opportunity-to-invoice",
    INVOICES,
    make_opportunity,
    edit_opportunity,
    invoices_of,
    approved("1700"),
    approved("2550"),
)
EXPENSE = Kind("expense-to-bill", INVOICES, make_expense, edit_expense, bills_of, approved("120.50"), approved("99.00"))
KINDS = (ACCOUNT, OPPORTUNITY, EXPENSE)


async def settled(scene: Stage, mapping: str, source: str) -> None:
    """Until the link of a source is at rest, with nothing left to do."""

    async def clean() -> bool:
        return await state_of(scene, mapping, source) is State.CLEAN

    await until(f"the {mapping} link of {source} is clean", clean)


async def one(scene: Stage, kind: Kind, source: str, right: Callable[[Json], bool]) -> None:
    """Exactly one document, and it is right; the link is clean."""

    async def there() -> bool:
        return any(right(row) for row in await kind.twins(scene, source))

    await until(f"the {kind.mapping} document of {source} is right", there)
    await settled(scene, kind.mapping, source)
    twins = await kind.twins(scene, source)
    assert len(twins) == 1, twins
    assert right(twins[0]), twins


async def all_were_announced(scene: Stage) -> None:
    """Each request that carried a write was announced before, as often as it went out."""
    xero, salesforce = await scene.xero.requests(), await scene.salesforce.requests()
    told = await announced(scene)
    writes = [row for row in xero if row["path"].startswith("/api.xro/") and row["method"] != "GET"]
    bodies = {call.call: call.body_sha256 for call in told}
    assert writes
    assert all(bodies.get(row["idempotency_key"]) == row["body_sha256"] for row in writes)
    collections = [row for row in salesforce if "/composite/" in row["path"]]  # and graphs
    sent = Counter(row["body_sha256"] for row in [*writes, *collections] if row["status"] != 401)
    known = Counter(call.body_sha256 for call in told)
    assert {sha: number for sha, number in sent.items() if number > known[sha]} == {}


# --- what can happen to a call ---------------------------------------------------------------------------------------

# kind of fault, its options, seconds that pass before the next call can do better
FAULTS: dict[str, tuple[str, dict[str, int | str], int]] = {
    "cut after commit": ("cut-after-commit", {}, 0),
    "cut before commit": ("cut-before-commit", {}, 0),
    "503": ("status", {"status": 503}, 0),
    "429": ("status", {"status": 429, "retry_after": 26}, 61),
    "token revoked": ("token-revoked", {}, 0),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_xero_breaks_a_write_and_it_is_done_once(scene: Stage, name: str) -> None:
    fault, options, waits = FAULTS[name]
    for kind in KINDS:
        number = await arm(scene.xero, fault, "PUT", kind.path, options)
        source = await kind.make(scene)
        await struck(scene.xero, number)
        await advance(scene, waits)
        await one(scene, kind, source, kind.made)
        number = await arm(scene.xero, fault, "POST", kind.path, options)
        await kind.edit(scene, source)
        await struck(scene.xero, number)
        await advance(scene, waits)
        await one(scene, kind, source, kind.edited)
    await all_were_announced(scene)


async def test_xero_fails_after_the_commit(scene: Stage) -> None:
    """A 500 says nothing, and Xero repeats it under the same key: only a probe can tell."""
    for kind in KINDS:
        number = await arm(scene.xero, "status-after-commit", "PUT", kind.path, {"status": 500})
        source = await kind.make(scene)
        await lost(scene, scene.xero, number)
        await advance(scene, PROBE)
        await one(scene, kind, source, kind.made)
        number = await arm(scene.xero, "status-after-commit", "POST", kind.path, {"status": 500})
        await kind.edit(scene, source)
        await lost(scene, scene.xero, number)
        await one(scene, kind, source, kind.edited)
    await all_were_announced(scene)


async def test_a_call_without_an_answer_holds_up_nobody_else(scene: Stage) -> None:
    """While its repeats go on for 38 s, another record reaches Xero."""
    account = await linked_account(scene)
    number = await arm(scene.xero, "status-after-commit", "PUT", INVOICES, {"status": 500})
    source = await expense(scene, account)
    await struck(scene.xero, number)
    await linked_account(scene)
    open_call = (State.IN_FLIGHT, State.UNKNOWN)  # a slow machine may have given up the repeats by now
    assert await state_of(scene, "expense-to-bill", source) in open_call
    await advance(scene, REPEATS_END)
    await until_state(scene, "expense-to-bill", source, State.UNKNOWN)
    await advance(scene, PROBE)
    await one(scene, EXPENSE, source, approved("120.50"))


async def struck(actor: Actor, fault: int) -> None:
    """Until a fault has struck."""

    async def look() -> bool:
        return await hits(actor, fault) == 1

    await until("the fault strikes", look)


async def lost(scene: Stage, actor: Actor, fault: int) -> None:
    """Until a fault has struck and the time of the repeats has gone by."""
    await struck(actor, fault)
    await advance(scene, REPEATS_END)


async def test_a_worker_that_slept_does_not_repeat(scene: Stage) -> None:
    """Xero forgets a key after six minutes: the same bytes would make a second bill then."""
    account = await linked_account(scene)
    number = await arm(scene.xero, "cut-after-commit", "PUT", INVOICES)
    source = await expense(scene, account)
    await struck(scene.xero, number)
    await advance(scene, 400)
    await until_state(scene, "expense-to-bill", source, State.UNKNOWN)
    calls = [call for call in await announced(scene) if any(source in member.link for member in call.members)]
    assert len(calls) == 1
    await advance(scene, PROBE)
    await one(scene, EXPENSE, source, approved("120.50"))


async def test_half_a_batch(scene: Stage) -> None:
    """Four bills of one vendor in one call, of which Xero makes two: in the end there are four."""
    account = await scene.salesforce.edit("Account", {"Name": f"Vendor {uuid4().hex[:8]}", "Type": "Prospect"})
    sources = [await expense(scene, account, amount=amount) for amount in ("1.01", "2.02", "3.03", "4.04")]
    for source in sources:
        await until_state(scene, "expense-to-bill", source, State.BLOCKED)
    number = await arm(scene.xero, "half-batch", "PUT", INVOICES)
    await scene.salesforce.edit("Account", {"Type": "Customer"}, account)
    await lost(scene, scene.xero, number)
    await advance(scene, PROBE)
    for source in sources:
        await until_probed(scene, "expense-to-bill", source)
    await advance(scene, TWICE)
    for source, amount in zip(sources, ("1.01", "2.02", "3.03", "4.04"), strict=True):
        await one(scene, EXPENSE, source, approved(amount))
    await all_were_announced(scene)


async def until_state(scene: Stage, mapping: str, source: str, wanted: State) -> None:
    async def look() -> bool:
        return await state_of(scene, mapping, source) is wanted

    await until(f"the {mapping} link of {source} is {wanted.value}", look)


async def until_probed(scene: Stage, mapping: str, source: str) -> None:
    """Until a probe did not find the document of a lost call for the first time."""

    async def look() -> bool:
        link = await link_of(scene, mapping, source)
        return link is not None and (link.attempt is None or link.attempt.absent_at is not None)

    await until(f"the lost call of {source} is probed", look)


async def test_salesforce_breaks_an_upsert(scene: Stage) -> None:
    """A contact made in Xero becomes one account, an invoice of Xero one Xero_Invoice__c, whatever breaks."""
    for fault, options in (
        ("cut-after-commit", {}),
        ("cut-before-commit", {}),
        ("status", {"status": 503}),
        ("token-revoked", {}),
    ):
        name = f"Xero first {uuid4().hex[:8]}"
        number = await arm(scene.salesforce, fault, "PATCH", f"{COLLECTIONS}/Account", options)
        contact = await scene.xero.edit("Contact", {"Name": name})

        async def accounts(name: str = name) -> list[Json]:
            return [row for row in await scene.salesforce.objects("Account") if row["Name"] == name]

        await until("the account is there", accounts)
        await settled(scene, "account-contact", contact)
        assert len(await accounts()) == 1
        assert await hits(scene.salesforce, number) == 1
    mirrors = [row["Xero_Id__c"] for row in await scene.salesforce.objects("Xero_Invoice__c")]
    assert len(mirrors) == len(set(mirrors))
    await all_were_announced(scene)


# --- the worker dies with a call in flight ---------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_with_a_call_in_flight(scene: Stage, when: str) -> None:
    """The call was announced before it left; it commits, before or after the death; the next worker finds the bill."""
    account = await linked_account(scene)
    number = await arm(scene.xero, "delay", "PUT", INVOICES, {"ms": 4000, "when": when})
    source = await expense(scene, account)
    await struck(scene.xero, number)
    calls = [call for call in await announced(scene) if any(source in member.link for member in call.members)]
    assert [call.operation for call in calls] == ["create"]
    await kill(scene)
    await start_again(scene)
    await advance(scene, PROBE)
    await one(scene, EXPENSE, source, approved("120.50"))
    await all_were_announced(scene)


async def test_killed_before_the_call_arrived(scene: Stage) -> None:
    """Announced, never carried out: looked for twice, then made by a new call."""
    account = await linked_account(scene)
    await arm(scene.xero, "cut-before-commit", "PUT", INVOICES, count=3)
    source = await expense(scene, account)
    await until_state(scene, "expense-to-bill", source, State.UNKNOWN)
    await kill(scene)
    await scene.xero.call("DELETE", "/__sim/faults")
    await start_again(scene)
    await advance(scene, PROBE)
    await until_probed(scene, "expense-to-bill", source)
    await advance(scene, TWICE)
    await one(scene, EXPENSE, source, approved("120.50"))
    await all_were_announced(scene)
