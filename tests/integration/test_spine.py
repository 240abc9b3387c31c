"""The main job, end to end, over real Kafka: a change on one side reaches the other, once, to the cent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from connector.cli.demo import Story, Summary, play
from connector.cli.stage import until
from tests.integration.spine_stage import spine

pytestmark = pytest.mark.timeout(180)


async def test_the_story_of_the_demo(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path) as scene:
        await scene.opened()
        summary = Summary()
        await play(scene, Story(), summary)
        assert (summary.accounts_linked, summary.invoices_created, summary.invoices_paid_back) == (1, 1, 1)
        assert (summary.duplicates, summary.lost, summary.reviews) == (0, 0, 0)
        rows = await until("Xero_Invoice__c is there", lambda: scene.salesforce.objects("Xero_Invoice__c"))
        mirrored = [row for row in rows if str(row["Number__c"]).startswith("OPP-")]
        assert len(mirrored) == 1
        assert Decimal(str(mirrored[0]["Total__c"])) == Decimal("5076.00")
