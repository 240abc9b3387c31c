"""Deals that change after their invoice: a draft that follows, an approved or paid one of which a person is told; the
stages of a deal beside its deposit and the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.demo import shipped_mappings
from connector.cli.stage import Json, Stage, until
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import opened, spine
from tests.scenarios.people import (
    INVOICES,
    clean,
    deal,
    delete,
    invoice,
    invoices,
    line,
    pay,
    sent,
    stage_is,
    waits_for_a_person,
    won,
)

pytestmark = [pytest.mark.timeout(150), pytest.mark.asyncio(loop_scope="session")]
DRAFTS, TOLD, STAGES = "drafts", "told", "stages"
DAYS = "changed: { draft: update, approved: update, paid: tell }"
#  Three ways to bill beside the usual one, told apart by the region of the opportunity.
OTHERS = (DRAFTS, TOLD, STAGES)
BY_STAGES = """
mapping: stages
from: salesforce.Opportunity
read: { account: Account, lines: OpportunityLineItems }
when: =record.IsWon and record.Region__c == 'stages'
begin: new
to: xero.Invoice
together: draft-first
let: { number: ="OPP-" + record.Number__c, deposit: "=round(record.Amount * 0.2, 2)" }
fields:
  Type: ACCREC
  Contact: =target('account-contact', account)
  CurrencyCode: =connection.currency
  LineAmountTypes: Exclusive
documents:
  - key: deposit
    fields:
      InvoiceNumber: { set: =number + '-D' + suffix(generation), write: once }
      Date: { set: =record.CloseDate, write: once }
      DueDate: =Date
    lines: [ { key: one, fields: { Description: Deposit, Quantity: 1, UnitAmount: =deposit, AccountCode: 200 } } ]
    expect: { SubTotal: =deposit }
  - each: =lines
    as: stage
    key: =stage.Id
    fields:
      InvoiceNumber: { set: =number + '-' + stage.Id + suffix(generation), write: once }
      Date: { set: =stage.ServiceDate or record.CloseDate, write: once }
      DueDate: =Date + days(30)
    lines:
      - key: one
        fields:
          Description: =stage.Product2.Name
          Quantity: 1
          UnitAmount: =round(stage.TotalPrice * 0.7, 2)
          AccountCode: 200
  - key: rest
    fields:
      InvoiceNumber: { set: =number + '-R' + suffix(generation), write: once }
      Date: { set: =record.CloseDate + days(90), write: once }
      DueDate: =Date + days(30)
    lines:
      - each: =lines
        as: line
        key: =line.Id
        fields:
          Description: =line.Product2.Name
          Quantity: 1
          UnitAmount: =line.TotalPrice - round(line.TotalPrice * 0.7, 2)
          AccountCode: 200
      - key: deposit
        fields: { Description: Less the deposit, Quantity: 1, UnitAmount: =0 - deposit, AccountCode: 200 }
approve: checked
life:
  changed: { draft: update, approved: update, paid: tell }
  left: { draft: delete, approved: void, paid: tell }
  deleted: { draft: delete, approved: void, paid: tell }
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("changing")
    there = folder / "mappings"
    there.mkdir()
    usual = (shipped_mappings() / f"{INVOICES}.yaml").read_text("utf-8")
    regions = " and ".join(f"record.Region__c != '{one}'" for one in OTHERS)
    files = {
        INVOICES: usual.replace("=record.IsWon", f"=record.IsWon and {regions}"),
        DRAFTS: _of(DRAFTS, usual).replace("approve: checked", "approve: draft"),
        TOLD: _of(TOLD, usual).replace(DAYS, DAYS.replace("approved: update", "approved: tell")),
        STAGES: BY_STAGES,
        "account-contact": (shipped_mappings() / "account-contact.yaml").read_text("utf-8"),
    }
    assert files[DRAFTS] != _of(DRAFTS, usual)
    assert files[TOLD] != _of(TOLD, usual)
    for name, text in files.items():
        (there / f"{name}.yaml").write_text(text, "utf-8")
    async with spine(kafka, f"t{uuid4().hex[:10]}.", folder, mappings=Path(there)) as stage:
        await opened(stage)
        yield stage


def _of(name: str, usual: str) -> str:
    """The usual mapping for the deals of one region."""
    text = usual.replace(f"mapping: {INVOICES}", f"mapping: {name}")
    return text.replace("=record.IsWon", f"=record.IsWon and record.Region__c == '{name}'")


# --- a draft that stays one ------------------------------------------------------------------------------------------


async def test_a_draft_follows_its_deal_and_is_nobodys_trouble(office: Stage) -> None:
    opportunity, number, (first, second) = await deal(office, (100, 40), Region__c=DRAFTS, PO_Number__c="A")
    await won(office, opportunity)
    made = await invoice(office, number, status="DRAFT", net=140)
    await clean(office, DRAFTS, opportunity)

    await office.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(3)}, first)
    await invoice(office, number, status="DRAFT", net=340)
    await line(office, opportunity, 7)
    await delete(office, "OpportunityLineItem", second)
    await office.salesforce.edit("Opportunity", {"PO_Number__c": "B"}, opportunity)

    async def follows() -> bool:
        (row,) = await invoices(office, number)
        return (row["SubTotal"], row["Reference"], row["Status"]) == (307, "B", "DRAFT")

    await until("the draft says what the deal says", follows)
    link = await clean(office, DRAFTS, opportunity)
    assert (link.code, link.xero.id) == ("", made["InvoiceID"])


async def test_a_draft_that_somebody_approved_follows_too_and_goes_with_its_deal(office: Stage) -> None:
    opportunity, number, (first,) = await deal(office, (100,), Region__c=DRAFTS)
    await won(office, opportunity)
    made = await invoice(office, number, status="DRAFT", net=100)
    await clean(office, DRAFTS, opportunity)
    await office.xero.edit("Invoice", {"Status": "AUTHORISED"}, made["InvoiceID"])
    await office.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(2)}, first)
    await invoice(office, number, net=200)
    await clean(office, DRAFTS, opportunity)
    await stage_is(office, opportunity, "Closed Lost")
    await invoice(office, number, status="VOIDED")


async def test_a_draft_of_a_lost_deal_is_deleted(office: Stage) -> None:
    opportunity, number, _ = await deal(office, (100,), Region__c=DRAFTS)
    await won(office, opportunity)
    await invoice(office, number, status="DRAFT")
    await clean(office, DRAFTS, opportunity)
    await stage_is(office, opportunity, "Closed Lost")
    await invoice(office, number, status="DELETED")


# --- told, not written -----------------------------------------------------------------------------------------------


async def test_of_an_approved_one_a_person_is_told_and_nothing_is_written(office: Stage) -> None:
    opportunity, number, (first,) = await deal(office, (100,), Region__c=TOLD)
    await won(office, opportunity)
    await invoice(office, number, net=100)
    await clean(office, TOLD, opportunity)
    before = await sent(office, opportunity)
    await office.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(2)}, first)
    await waits_for_a_person(office, TOLD, opportunity, "link.changed-approved")
    assert [row["SubTotal"] for row in await invoices(office, number)] == [100]
    assert await sent(office, opportunity) == before
    await office.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(1)}, first)
    await clean(office, TOLD, opportunity)


# --- after a payment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["30.00", "120.00"], ids=["paid in part", "paid"])
async def test_what_changes_after_a_payment_is_told(office: Stage, part: str) -> None:
    opportunity, number, (first,) = await deal(office, (100,))
    await won(office, opportunity)
    made = await invoice(office, number, net=100)
    assert made["Total"] == 120
    await clean(office, INVOICES, opportunity)
    await pay(office, made, part)
    before = await sent(office, opportunity)
    await office.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(2)}, first)
    await waits_for_a_person(office, INVOICES, opportunity, "link.changed-paid")
    (row,) = await invoices(office, number)
    assert (row["SubTotal"], row["AmountPaid"]) == (100, Decimal(part))
    await stage_is(office, opportunity, "Closed Lost")
    await waits_for_a_person(office, INVOICES, opportunity, "link.left-paid")
    await stage_is(office, opportunity, "Closed Won")
    await office.salesforce.edit("OpportunityLineItem", {"Quantity": Decimal(1)}, first)
    await clean(office, INVOICES, opportunity)
    assert await sent(office, opportunity) == before, "nothing was written to a paid invoice"


# --- stages beside the deposit and the rest --------------------------------------------------------------------------


async def test_a_deposit_stages_and_the_rest_are_the_whole_deal(office: Stage) -> None:
    opportunity, number, (first, second) = await deal(office, (900, 101), Region__c=STAGES)
    await office.salesforce.edit("OpportunityLineItem", {"ServiceDate": "2027-01-31"}, second)
    await won(office, opportunity)
    found = await standing(office, number, 4)
    assert {name: row["SubTotal"] for name, row in found.items()} == {
        "D": Decimal("200.2"), first: 630, second: Decimal("70.7"), "R": Decimal("100.1"),
    }  # fmt: skip
    assert str(found[second]["Date"]).startswith("2027-01-31")
    await pay(office, found["D"], str(found["D"]["Total"]))
    await office.salesforce.edit("OpportunityLineItem", {"UnitPrice": Decimal(200)}, second)

    async def follows() -> bool:
        rows = {name: row["SubTotal"] for name, row in (await standing(office, number, 4)).items()}
        return (rows[second], rows["D"]) == (140, Decimal("200.2"))

    await until("the stage follows, the paid deposit stays", follows)
    link = await link_of(office, STAGES, found["D"]["InvoiceID"])
    assert link is not None
    assert link.code == "link.changed-paid", "a person decides what becomes of the deposit"


async def standing(office: Stage, number: str, count: int) -> dict[str, Json]:
    """Invoices of a deal by what follows its number, once so many stand."""

    async def there() -> dict[str, Json] | None:
        rows = [row for row in await invoices(office, number) if row["Status"] in ("AUTHORISED", "PAID")]
        found = {str(row["InvoiceNumber"]).removeprefix(f"OPP-{number}-"): row for row in rows}
        return found if len(found) == count else None

    found = await until(f"{count} invoices of {number} stand", there)
    assert isinstance(found, dict)
    return found
