"""An invoice of Xero stands in Salesforce with its lines: one row a line, written with the invoice, all or none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.cli.stage import Json, Stage
from tests.integration.spine_stage import arm, hits
from tests.scenarios.mirrors import LINES, invoiced, line, rows, shown
from tests.scenarios.people import (
    MIRRORS,
    becomes,
    clean,
    sent,
    some_polls,
    waits_for_a_person,
)

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
ROW = LINES


async def kept(scene: Stage, invoice: Json) -> list[Json]:
    """The lines as a person's screen sends them back."""
    names = ("LineItemID", "Description", "Quantity", "UnitAmount", "AccountCode", "TaxType")
    return [{name: row[name] for name in names if row.get(name) is not None} for row in invoice["LineItems"]]


async def mirrored(scene: Stage, invoice: str, *amounts: int) -> dict[str, Json]:
    async def there() -> dict[str, Json]:
        found = await rows(scene, invoice)
        return found if sorted(row["Line_Amount__c"] or 0 for row in found.values()) == sorted(amounts) else {}

    found = await becomes(f"invoice {invoice} has rows of {amounts} in Salesforce", there)
    assert isinstance(found, dict)
    return found


async def test_lines_come_change_are_added_and_go(scene: Stage) -> None:
    made, invoice = await invoiced(scene, line("Chairs", 100), line("Desks", 40))
    first = await mirrored(scene, made, 100, 40)
    assert set(first) == {row["LineItemID"] for row in invoice["LineItems"]}
    (mirror,) = [row for row in await scene.salesforce.objects("Xero_Invoice__c") if row["Xero_Id__c"] == made]
    assert mirror["Xero_Page__c"] == f"https://go.xero.com/AccountsReceivable/View.aspx?InvoiceID={made}"
    await clean(scene, MIRRORS, made)

    chairs, desks = await kept(scene, invoice)
    await scene.xero.edit("Invoice", {"LineItems": [{**chairs, "UnitAmount": Decimal(120)}, desks]}, made)
    changed = await mirrored(scene, made, 120, 40)
    assert {row["Id"] for row in changed.values()} == {row["Id"] for row in first.values()}, "the same rows"

    await clean(scene, MIRRORS, made)
    now = await kept(scene, await shown(scene, made))
    await scene.xero.edit("Invoice", {"LineItems": [*now, line("Lamps", 7)]}, made)
    await mirrored(scene, made, 120, 40, 7)
    await clean(scene, MIRRORS, made)

    now = await kept(scene, await shown(scene, made))
    await scene.xero.edit("Invoice", {"LineItems": [now[0], now[2]]}, made)
    left = await mirrored(scene, made, 120, 7)
    assert desks["LineItemID"] not in left
    await clean(scene, MIRRORS, made)

    await scene.xero.edit("Invoice", {"Status": "DELETED"}, made)

    async def gone() -> bool:
        found = [row for row in await scene.salesforce.objects("Xero_Invoice__c") if row["Xero_Id__c"] == made]
        return [row["Status__c"] for row in found] == ["DELETED"]

    await becomes("the mirror says that the invoice is deleted", gone)


async def test_what_a_person_did_to_a_row_is_judged_like_a_field(scene: Stage) -> None:
    made, invoice = await invoiced(scene, line("Chairs", 100), line("Desks", 40))
    found = await mirrored(scene, made, 100, 40)
    await clean(scene, MIRRORS, made)
    chairs, desks = await kept(scene, invoice)
    row = found[chairs["LineItemID"]]["Id"]
    await scene.salesforce.edit(ROW, {"Description__c": "Chairs, oak"}, row)
    other = await scene.salesforce.edit(ROW, {"Invoice__c": found[chairs["LineItemID"]]["Invoice__c"],
                                              "Description__c": "A note of our own"})  # fmt: skip

    await scene.xero.edit("Invoice", {"LineItems": [chairs, {**desks, "UnitAmount": Decimal(50)}]}, made)
    await mirrored(scene, made, 100, 50, 0)
    await clean(scene, MIRRORS, made)
    after = await rows(scene, made)
    assert after[chairs["LineItemID"]]["Description__c"] == "Chairs, oak", "theirs, until Xero changes that field"
    assert other in {one["Id"] for one in after.values()}, "a row that is not ours stays"

    chairs["Description"] = "Chairs, pine"
    await scene.xero.edit("Invoice", {"LineItems": [chairs, {**desks, "UnitAmount": Decimal(50)}]}, made)
    asked = await waits_for_a_person(scene, MIRRORS, made, "link.conflict")
    assert asked.hold_paths == (f"Lines__r/{chairs['LineItemID']}/Description__c",)


async def test_an_answer_that_is_lost_doubles_no_row_and_a_second_look_writes_nothing(scene: Stage) -> None:
    fault = await arm(scene.salesforce, "cut-after-commit", "POST", "/services/data/v62.0/composite/graph")
    made, invoice = await invoiced(scene, line("Chairs", 100), line("Desks", 40))
    await mirrored(scene, made, 100, 40)
    await clean(scene, MIRRORS, made)
    assert await hits(scene.salesforce, fault) == 1
    marks = [row["Xero_Id__c"] for row in await scene.salesforce.objects(ROW) if not row["IsDeleted"]]
    assert len(marks) == len(set(marks))
    before = await sent(scene, made)
    await scene.xero.edit("Invoice", {"Reference": invoice.get("Reference") or ""}, made)
    await some_polls(scene, "/api.xro/2.0/Invoices", 3)
    assert await sent(scene, made) == before
