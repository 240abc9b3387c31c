"""The lines of an opportunity are the lines of its invoice; what others add in Xero stays."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.cli.stage import Json, Stage
from tests.scenarios.people import INVOICES, clean, deal, delete, invoice, invoices, line, some_polls, won

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]


def ids(found: Json) -> list[str]:
    return [row["LineItemID"] for row in found["LineItems"]]


def amounts(found: Json) -> list[Decimal]:
    return sorted(row["LineAmount"] for row in found["LineItems"])


async def test_lines_are_changed_added_and_removed(scene: Stage) -> None:
    opportunity, number, (first, second) = await deal(scene, (100, 40))
    await won(scene, opportunity)
    before = await invoice(scene, number, net=140)
    await clean(scene, INVOICES, opportunity)

    await scene.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(3)}, first)
    changed = await invoice(scene, number, net=340)
    assert ids(changed) == ids(before), "a changed line is the same line"
    await clean(scene, INVOICES, opportunity)

    await line(scene, opportunity, 7)
    added = await invoice(scene, number, net=347)
    assert set(ids(added)) > set(ids(before))
    await clean(scene, INVOICES, opportunity)

    await delete(scene, "OpportunityLineItem", second)
    removed = await invoice(scene, number, net=307)
    assert amounts(removed) == [7, 300]
    assert set(ids(removed)) < set(ids(added))
    await clean(scene, INVOICES, opportunity)
    assert len(await invoices(scene, number)) == 1


async def test_a_line_that_somebody_added_in_xero_is_kept(scene: Stage) -> None:
    opportunity, number, (first, _) = await deal(scene, (100, 40))
    await won(scene, opportunity)
    before = await invoice(scene, number, net=140)
    await clean(scene, INVOICES, opportunity)
    theirs: Json = {
        "Description": "Agreed on the telephone",
        "Quantity": Decimal(1),
        "UnitAmount": Decimal(5),
        "AccountCode": "200",
    }
    ours = [{"LineItemID": one} for one in ids(before)]
    kept = [
        {**row, **{k: old[k] for k in ("Description", "Quantity", "UnitAmount", "AccountCode", "TaxType")}}
        for row, old in zip(ours, before["LineItems"], strict=True)
    ]
    await scene.xero.edit("Invoice", {"LineItems": [*kept, theirs]}, before["InvoiceID"])
    await some_polls(scene, "/api.xro/2.0/Invoices", 2)
    await scene.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(2)}, first)
    after = await invoice(scene, number, net=245)
    await clean(scene, INVOICES, opportunity)
    assert amounts(after) == [5, 40, 200]
    assert set(ids(after)) > set(ids(before))
