"""The main job, end to end, over real Kafka: a change on one side reaches the other, once, to the cent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from connector.cli.demo import Story, Summary, play
from connector.cli.stage import Stage, until
from connector.kafka.compacted import read_to_end
from connector.kafka.headers import read_headers
from tests.integration.kafka_views import cluster
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
        await _a_subscriber_can_choose_by_headers(scene, str(mirrored[0]["Xero_Id__c"]))


async def _a_subscriber_can_choose_by_headers(scene: Stage, invoice: str) -> None:
    """CloudEvents 1.0, Kafka binding, binary mode."""
    messages = [each async for each in read_to_end(cluster(scene), "accounting.invoices.v1")]
    (*_, last) = (each for each in messages if each.key.endswith(invoice.encode()))
    told = read_headers(last.headers)
    assert (told["ce_specversion"], told["ce_type"]) == ("1.0", "io.twinledger.accounting.v1.Invoice")
    assert (told["ce_subject"], told["content-type"]) == (f"Invoice/{invoice}", "application/avro")
    assert told["ce_id"].startswith(f"{told['ce_source'].rsplit('/', 1)[1]}/Invoice/{invoice}/")
    ids = [(told["ce_source"], told["ce_id"]) for told in (read_headers(each.headers) for each in messages)]
    assert len(set(ids)) == len(ids)
