"""A month in money: what is on both sides, and what one side wants and the other has not got."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from connector.cli.stage import until
from connector.cli.statement import Line, lines
from tests.integration.kafka_views import cluster
from tests.integration.spine_stage import opened, spine
from tests.scenarios.people import INVOICES, clean, deal, invoice, waits_for_a_person, won

pytestmark = pytest.mark.timeout(180)
MONTH = "2026-11"


async def test_what_was_not_made_is_a_difference(kafka: str, prefix: str, tmp_path: Path) -> None:
    """A deal that Xero has no invoice of, because a person is asked, is missing in Xero's sum and in no other."""
    async with spine(kafka, prefix, tmp_path) as scene:
        await opened(scene)
        whole, number, _ = await deal(scene)
        await won(scene, whole)
        await invoice(scene, number)
        await clean(scene, INVOICES, whole)
        stuck, _, (line,) = await deal(scene, (75,))
        await scene.salesforce.edit("OpportunityLineItem", {"Xero_Account__c": "99999"}, line)
        await won(scene, stuck)
        await waits_for_a_person(scene, INVOICES, stuck, "xero.account-code")

        async def summed() -> list[Line]:
            return [one for one in await lines(cluster(scene), "demo", MONTH) if one.mapping == INVOICES]

        async def both() -> list[Line]:
            found = await summed()
            return sorted(found, key=lambda one: one.status) if len(found) == 2 else []

        lacking, made = await until("both are in their topics", both)
        assert (lacking.status, lacking.type, lacking.currency) == ("(not made)", "ACCREC", "GBP")
        assert (lacking.salesforce, lacking.xero, lacking.difference) == (Decimal(75), Decimal(0), Decimal(75))
        assert (made.status, made.documents, made.difference) == ("AUTHORISED", 1, Decimal(0))
        await scene.salesforce.edit("OpportunityLineItem", {"Xero_Account__c": "200"}, line)
        await clean(scene, INVOICES, stuck)

        async def whole_again() -> bool:
            return [(one.documents, one.difference) for one in await summed()] == [(2, Decimal(0))]

        assert await until("it is made, and nothing is apart", whole_again)
