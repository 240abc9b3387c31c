"""A deal that is lost takes its invoice back; won again it gets a new one with a number of its own."""

from __future__ import annotations

import pytest

from connector.cli.stage import Stage
from tests.integration.kafka_views import link_of, links
from tests.scenarios.people import INVOICES, clean, deal, invoice, invoices, stage_is, won

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]


async def test_lost_and_won_again(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene)
    await won(scene, opportunity)
    first = await invoice(scene, number)
    await clean(scene, INVOICES, opportunity)

    await stage_is(scene, opportunity, "Closed Lost")
    voided = await invoice(scene, number, status="VOIDED")
    assert voided["InvoiceID"] == first["InvoiceID"]

    await won(scene, opportunity)
    second = await invoice(scene, number)
    await clean(scene, INVOICES, opportunity)
    assert second["InvoiceID"] != first["InvoiceID"]
    assert second["InvoiceNumber"] != first["InvoiceNumber"]
    assert second["SubTotal"] == first["SubTotal"]
    assert len(await invoices(scene, number)) == 2
    mine = [link for link in await links(scene, INVOICES) if link.id.source == opportunity]
    assert sorted(link.id.generation for link in mine) == [1, 2]


async def test_lost_before_anything_was_made(scene: Stage) -> None:
    opportunity, number, _ = await deal(scene)
    await stage_is(scene, opportunity, "Closed Lost")
    other, elsewhere, _ = await deal(scene)
    await won(scene, other)
    await invoice(scene, elsewhere)
    assert await invoices(scene, number) == []
    assert await link_of(scene, INVOICES, opportunity) is None
