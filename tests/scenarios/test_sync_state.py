"""Whoever works in Salesforce sees there how each record stands, why, and what to do; and Retry there retries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage, until
from tests.integration.spine_stage import arm, connection, hits, kill, spine, start_again
from tests.scenarios.people import ACCOUNTS, INVOICES, clean, customer, deal, fresh, invoice, invoices, record, won

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="session")]
OBJECT = "Twinledger_Sync__c"
SETTINGS = {"sync_state": True, "sync_state_seconds": 1, "retry_seconds": 0.5}


def configured(scene: Stage, **settings: Any) -> None:
    """The same connection with other settings of its Salesforce side."""
    with connection(scene) as one:
        one["salesforce"] |= settings


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A connector that shows its sync states."""
    folder: Path = tmp_path_factory.mktemp("sync-state")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, start=False) as scene:
        configured(scene, **SETTINGS)
        await scene.begin()
        yield scene


async def rows(scene: Stage, mapping: str, record_id: str) -> list[Json]:
    found = await scene.salesforce.objects(OBJECT)
    return [row for row in found if row["Mapping__c"] == mapping and row["Record_Id__c"] == record_id]


async def stands(scene: Stage, mapping: str, record_id: str, state: str) -> Json:
    """Wait until the one row of a record shows a state."""

    async def look() -> list[Json]:
        return [row for row in await rows(scene, mapping, record_id) if row["State__c"] == state]

    (found,) = await until(f"{mapping} of {record_id} is shown as {state}", look, 120)
    return dict(found)


async def writes(scene: Stage) -> int:
    """How many calls wrote rows."""
    calls = await scene.salesforce.requests()
    return sum(1 for call in calls if OBJECT in call["path"] and call["method"] == "PATCH")


async def unknown_account(scene: Stage) -> tuple[str, str, str]:
    """A won deal with a line on an account that Xero does not have: its id, its number, its line."""
    opportunity, number, (line,) = await deal(scene, (100,))
    await scene.salesforce.edit("OpportunityLineItem", {"Xero_Account__c": "99999"}, line)
    await won(scene, opportunity)
    return opportunity, number, line


async def test_a_failed_invoice_says_why_and_what_to_do_and_mending_it_is_enough(shown: Stage) -> None:
    opportunity, number, line = await unknown_account(shown)
    row = await stands(shown, INVOICES, opportunity, "Failed")
    assert "no account" in row["Reason__c"]
    assert row["Remedy__c"]
    assert row["Code__c"]
    assert (row["Object__c"], row["Last_Success__c"]) == ("Opportunity", None)

    await shown.salesforce.edit("OpportunityLineItem", {"Xero_Account__c": "200"}, line)
    row = await stands(shown, INVOICES, opportunity, "Clean")
    made = await invoice(shown, number)
    assert (row["Reason__c"], row["Remedy__c"], row["Code__c"]) == (None, None, None)
    assert row["Xero_Link__c"] == f"https://go.xero.com/app/!Tw1n1/invoicing/view/{made['InvoiceID']}"
    assert row["Last_Success__c"]
    assert len(await rows(shown, INVOICES, opportunity)) == 1


async def test_retry_in_salesforce_retries(shown: Stage) -> None:
    taken: Json = {"Type": "ACCREC", "Contact": {"Name": fresh("Somebody")}, "LineItems": [{"Description": "Theirs"}]}
    opportunity, number, _ = await deal(shown, (100,))
    there = await shown.xero.edit("Invoice", {**taken, "InvoiceNumber": f"OPP-{number}"})
    await won(shown, opportunity)
    row = await stands(shown, INVOICES, opportunity, "Failed")
    assert row["Remedy__c"]

    await shown.xero.edit("Invoice", {"InvoiceNumber": f"X-{number}"}, there)  # the other one gives the number back
    await shown.salesforce.edit(OBJECT, {"Retry__c": True}, row["Id"])
    row = await stands(shown, INVOICES, opportunity, "Clean")
    await invoice(shown, number)

    async def taken_back() -> bool:
        return not (await record(shown, OBJECT, row["Id"]))["Retry__c"]

    await until("the box is taken back", taken_back)
    assert len(await invoices(shown, number)) == 1
    assert len(await rows(shown, INVOICES, opportunity)) == 1


async def test_a_box_on_a_row_that_is_not_ours_asks_for_nothing(shown: Stage) -> None:
    stranger = await shown.salesforce.edit(OBJECT, {"Key__c": f"other/{fresh('row')}", "Retry__c": True})

    async def taken_back() -> bool:
        return not (await record(shown, OBJECT, stranger))["Retry__c"]

    await unknown_account(shown)  # something needs a person: boxes are looked at
    await until("the box is taken back", taken_back)


async def test_a_lost_answer_and_a_kill_leave_one_row(shown: Stage) -> None:
    lost = await arm(
        shown.salesforce, "cut-after-commit", "PATCH", f"/services/data/v62.0/composite/sobjects/{OBJECT}/Key__c"
    )
    account = await customer(shown)
    await clean(shown, ACCOUNTS, account)
    await stands(shown, ACCOUNTS, account, "Clean")

    async def struck() -> bool:
        return await hits(shown.salesforce, lost) == 1

    await until("the answer was lost", struck)
    second = await customer(shown)
    await clean(shown, ACCOUNTS, second)
    await kill(shown)
    await start_again(shown)
    row = await stands(shown, ACCOUNTS, second, "Clean")
    assert datetime.fromisoformat(row["Last_Success__c"])
    assert [len(await rows(shown, ACCOUNTS, one)) for one in (account, second)] == [1, 1]


async def test_300_new_records_cost_few_calls(shown: Stage) -> None:
    before = await writes(shown)
    accounts = {await customer(shown, f"Burst {uuid4().hex}") for _ in range(300)}

    async def all_shown() -> bool:
        found = await shown.salesforce.objects(OBJECT)
        return accounts <= {row["Record_Id__c"] for row in found if row["State__c"] == "Clean"}

    await until("all of them are shown", all_shown, 120)
    assert await writes(shown) - before <= 40
