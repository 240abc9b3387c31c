"""An approved expense becomes a bill of its vendor, once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.cli.stage import Stage, until
from connector.core.link_state import State
from tests.integration.kafka_views import state_of
from tests.scenarios.people import (
    ACCOUNTS,
    BILLS,
    bills,
    clean,
    contact_of,
    customer,
    expense,
    linked_customer,
    some_polls,
    waits_for_a_person,
)

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]


async def test_an_approved_expense_becomes_a_bill(scene: Stage) -> None:
    vendor = await linked_customer(scene)
    source = await expense(scene, vendor, Amount__c=Decimal("80.00"), Description__c="A taxi")
    await clean(scene, BILLS, source)
    (bill,) = await bills(scene, source)
    assert (bill["Type"], bill["Status"], bill["SubTotal"], bill["TotalTax"]) == ("ACCPAY", "AUTHORISED", 80, 16)
    assert bill["Contact"]["ContactID"] == (await contact_of(scene, vendor))["ContactID"]
    assert [line["Description"] for line in bill["LineItems"]] == ["A taxi"]


async def test_what_is_not_approved_makes_nothing(scene: Stage) -> None:
    vendor = await linked_customer(scene)
    source = await expense(scene, vendor, Status__c="Submitted")
    await clean(scene, BILLS, await expense(scene, vendor))
    assert await bills(scene, source) == []
    await scene.salesforce.edit("Expense__c", {"Status__c": "Approved"}, source)
    await clean(scene, BILLS, source)
    assert len(await bills(scene, source)) == 1


async def test_a_bill_waits_for_its_vendor(scene: Stage) -> None:
    vendor = await customer(scene, Type="Prospect")
    source = await expense(scene, vendor)

    async def blocked() -> bool:
        return await state_of(scene, BILLS, source) is State.BLOCKED

    await until("the expense waits", blocked)
    assert await bills(scene, source) == []
    await scene.salesforce.edit("Account", {"Type": "Supplier"}, vendor)
    await clean(scene, ACCOUNTS, vendor)
    await clean(scene, BILLS, source)
    assert len(await bills(scene, source)) == 1


async def test_what_changes_after_the_approval_is_a_review(scene: Stage) -> None:
    source = await expense(scene, await linked_customer(scene))
    await clean(scene, BILLS, source)
    await scene.salesforce.edit("Expense__c", {"Amount__c": Decimal("81.00")}, source)
    await waits_for_a_person(scene, BILLS, source, "link.changed-approved")
    await some_polls(scene, "/api.xro/2.0/Invoices", 2)
    assert [bill["SubTotal"] for bill in await bills(scene, source)] == [80]
    await scene.salesforce.edit("Expense__c", {"Amount__c": Decimal("80.00")}, source)
    await clean(scene, BILLS, source)


async def test_a_draft_is_deleted_when_its_expense_is_taken_back(scene: Stage) -> None:
    """Without a date Xero does not approve: the bill is a draft, and a draft may go."""
    source = await expense(scene, await linked_customer(scene), Date__c=None)
    await waits_for_a_person(scene, BILLS, source, "xero.due-date")
    await scene.salesforce.edit("Expense__c", {"Status__c": "Submitted"}, source)

    async def gone() -> bool:
        return [bill["Status"] for bill in await bills(scene, source)] == ["DELETED"]

    await until("the draft is deleted", gone)
