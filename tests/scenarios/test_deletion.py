"""Deleted is what we were told, never what we did not see."""

from __future__ import annotations

import pytest

from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Life
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import arm, hits
from tests.scenarios.people import (
    ACCOUNTS,
    INVOICES,
    clean,
    contact_of,
    deal,
    delete,
    invoice,
    invoices,
    linked_customer,
    pay,
    phone,
    record,
    some_polls,
    won,
)

STATUS = "invoice-status-to-opportunity"
pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]


async def invoiced(scene: Stage) -> tuple[str, str]:
    opportunity, number, _ = await deal(scene)
    await won(scene, opportunity)
    await invoice(scene, number)
    await clean(scene, INVOICES, opportunity)

    async def told() -> bool:
        return bool((await record(scene, "Opportunity", opportunity))["Invoice_Status__c"] == "AUTHORISED")

    await until("the status is told: a record that is gone before can never be told", told)
    return opportunity, number


async def test_a_deleted_opportunity_takes_its_invoice_back(scene: Stage) -> None:
    opportunity, number = await invoiced(scene)
    await delete(scene, "Opportunity", opportunity)
    await invoice(scene, number, status="VOIDED")

    async def ended() -> bool:
        link = await link_of(scene, INVOICES, opportunity)
        return link is not None and link.life is Life.ENDED

    await until("the link ends", ended)


async def test_an_opportunity_that_goes_before_a_lost_create_is_repeated(scene: Stage) -> None:
    """The row in Salesforce was made and its answer lost. Then the opportunity that it names goes: the repeat is
    refused, and the row shows no opportunity any more. It carries the invoice's id in our field, so it is ours."""
    graph = ("POST", "/services/data/v62.0/composite/graph")
    cut = await arm(scene.salesforce, "cut-after-commit", *graph)
    away = await arm(scene.salesforce, "status", *graph, {"status": 503}, count=1000)
    opportunity, number, _ = await deal(scene)
    await won(scene, opportunity)
    made = await invoice(scene, number)

    async def mirrors() -> list[Json]:
        rows = await scene.salesforce.objects("Xero_Invoice__c")
        return [row for row in rows if row["Xero_Id__c"] == made["InvoiceID"]]

    await until("the row is there", mirrors)
    await delete(scene, "Opportunity", opportunity)
    await scene.salesforce.call("DELETE", f"/__sim/faults/{away}")
    await invoice(scene, number, status="VOIDED")

    async def follows() -> bool:
        return [row["Status__c"] for row in await mirrors()] == ["VOIDED"]

    await until("the row is kept like any other", follows)
    assert await hits(scene.salesforce, cut) == 1


async def test_a_deletion_that_only_a_gap_tells_of(scene: Stage) -> None:
    opportunity, number = await invoiced(scene)
    await scene.salesforce.call("POST", "/__sim/channels", {"deselect": ["Opportunity"]})
    await delete(scene, "Opportunity", opportunity)
    await scene.salesforce.call("POST", "/__sim/channels", {"select": ["Opportunity"]})
    body = {"kind": "GAP_DELETE", "entity": "Opportunity", "ids": [opportunity]}
    await scene.salesforce.call("POST", "/__sim/gap", body)
    await invoice(scene, number, status="VOIDED")


@pytest.mark.parametrize("hidden", ["Opportunity", "Opportunity.StageName", "Opportunity.IsWon", "OpportunityLineItem"])
async def test_what_we_may_no_longer_see_is_not_deleted(scene: Stage, hidden: str) -> None:
    """A lost permission voids nothing; once it is back, what changed meanwhile arrives."""
    opportunity, number = await invoiced(scene)
    account = await linked_customer(scene)
    await scene.salesforce.call("POST", "/__sim/permissions", {"hide": [hidden]})
    try:
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "P1"}, opportunity)
        body = {"kind": "GAP_UPDATE", "entity": "Opportunity", "ids": [opportunity]}
        await scene.salesforce.call("POST", "/__sim/gap", body)
        await some_polls(scene, "/api.xro/2.0/Invoices", 3)
        await scene.salesforce.edit("Account", {"Phone": "42"}, account)

        async def others_go_on() -> bool:
            return phone(await contact_of(scene, account)) == "42"

        await until("other objects flow", others_go_on)
        assert [row["Status"] for row in await invoices(scene, number)] == ["AUTHORISED"]
    finally:
        await scene.salesforce.call("POST", "/__sim/permissions", {"show": [hidden]})
    await scene.salesforce.edit("Opportunity", {"PO_Number__c": "P2"}, opportunity)

    async def caught_up() -> bool:
        return [row["Reference"] for row in await invoices(scene, number)] == ["P2"]

    await until("the change arrives once the permission is back", caught_up)
    await clean(scene, INVOICES, opportunity)
    await clean(scene, ACCOUNTS, account)


async def test_a_hard_deleted_record_is_missing_not_deleted(scene: Stage) -> None:
    """Of a hard delete no event tells: the record is not there, nothing is written, and a person is told."""
    opportunity, number = await invoiced(scene)
    await scene.salesforce.call("POST", "/__sim/channels", {"deselect": ["Opportunity"]})
    gone = {"entity": "Opportunity", "id": opportunity}  # at once: who reads it in the bin was told
    await scene.salesforce.call("POST", "/__sim/empty-recycle-bin", gone)
    await scene.salesforce.call("POST", "/__sim/channels", {"select": ["Opportunity"]})
    body = {"kind": "GAP_UPDATE", "entity": "Opportunity", "ids": [opportunity]}
    await scene.salesforce.call("POST", "/__sim/gap", body)
    await some_polls(scene, "/api.xro/2.0/Invoices", 3)
    assert [row["Status"] for row in await invoices(scene, number)] == ["AUTHORISED"]
    made = await invoice(scene, number)
    await pay(scene, made, str(made["Total"]))

    async def told() -> bool:
        link = await link_of(scene, STATUS, opportunity)
        return link is not None and link.code != ""

    await until("a person is told that the status cannot be written", told)
