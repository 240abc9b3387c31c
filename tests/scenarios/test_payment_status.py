"""What becomes of an invoice shows in Salesforce in words that flows can start on, each passage once."""

from __future__ import annotations

import pytest

from connector.cli.stage import Json, Stage, until
from tests.scenarios.people import INVOICES, clean, deal, found, invoice, pay, record, some_polls, stage_is, won

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="session")]


async def shows(scene: Stage, opportunity: str, word: str) -> Json:
    """Wait until the opportunity and the invoice beside it say the same."""

    async def look() -> Json | None:
        row = await record(scene, "Opportunity", opportunity)
        mirrors = await scene.salesforce.objects("Xero_Invoice__c")
        beside = [one for one in mirrors if one["Opportunity__c"] == opportunity and one["Payment_Status__c"] == word]
        return row if row["Invoice_Payment__c"] == word and beside else None

    return dict(await until(f"{opportunity} says {word}", look))


async def passages(scene: Stage, opportunity: str) -> list[str]:
    """What the change events of an opportunity said, in their order. A draft that was seen on its way is left out."""
    told = [one["payload"] for one in await scene.salesforce.call("GET", "/__sim/events")]
    mine = [one for one in told if opportunity in one["ChangeEventHeader"]["recordIds"]]
    words = [one["Invoice_Payment__c"] for one in mine if one.get("Invoice_Payment__c")]
    return [word for word in words if word != "Draft"]


async def test_part_paid_and_paid_are_told_once_each(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100, 40))
    await won(scene, opportunity)
    made = await invoice(scene, number)
    await shows(scene, opportunity, "Awaiting payment")
    await pay(scene, made, "50.00")
    row = await shows(scene, opportunity, "Part paid")
    assert row["Amount_Paid__c"] == 50
    assert row["Amount_Due__c"] == made["Total"] - 50
    await pay(scene, made, str(made["Total"] - 50))
    row = await shows(scene, opportunity, "Paid")
    assert (row["Amount_Due__c"], row["Paid_On__c"]) == (0, "2026-11-23")
    await some_polls(scene, "/api.xro/2.0/Invoices")
    await clean(scene, INVOICES, opportunity)
    assert await passages(scene, opportunity) == ["Awaiting payment", "Part paid", "Paid"]


async def test_voided_is_told_once(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,))
    await won(scene, opportunity)
    await invoice(scene, number)
    await shows(scene, opportunity, "Awaiting payment")
    await stage_is(scene, opportunity, "Closed Lost")
    await shows(scene, opportunity, "Voided")
    assert await passages(scene, opportunity) == ["Awaiting payment", "Voided"]


async def test_overdue_is_worked_out_by_salesforce(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene, (100,), CloseDate="2026-01-05")
    await won(scene, opportunity)
    made = await invoice(scene, number)
    await shows(scene, opportunity, "Awaiting payment")
    query = f"SELECT Id FROM Opportunity WHERE Invoice_Overdue__c = true AND Id = '{opportunity}'"  # noqa: S608
    assert await found(scene, query) == 1
    await pay(scene, made, str(made["Total"]))
    await shows(scene, opportunity, "Paid")
    assert await found(scene, query) == 0
