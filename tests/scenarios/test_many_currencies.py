"""An org with several currencies: a deal in dollars becomes an invoice in dollars, with a rate, and its payment flows
back in dollars."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from connector.cli.stage import Json, Stage, until
from tests.integration.kafka_views import link_of
from tests.integration.spine_stage import changed_mappings, spine
from tests.scenarios.mirrors import LINES, SETTLED, rows
from tests.scenarios.people import INVOICES, MIRRORS, clean, fresh, invoice, linked_customer, pay, record, won

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
RATE, ORDERS = Decimal("1.2500"), "xero-invoice-to-opportunity"


def mappings(folder: Path) -> Path:
    """As docs/configuration.md says for such an org: mirrors in their own currency, and a rate of our own."""
    currency = "CurrencyCode: =record.CurrencyIsoCode or connection.currency"
    rate = """CurrencyRate: { set: "=number(lookup('rates', CurrencyCode, otherwise='1'))", write: once }"""
    mirrored = "Currency__c: =record.CurrencyCode"
    there = changed_mappings(folder, {
        "opportunity-to-invoice": (currency, f"{currency}\n  {rate}"),
        "invoice-to-xero-invoice": (mirrored, f"{mirrored}\n  CurrencyIsoCode: =record.CurrencyCode"),
    })  # fmt: skip
    mirrors, rows = there / "invoice-to-xero-invoice.yaml", "    fields:\n"
    text = mirrors.read_text("utf-8").replace(rows, f"{rows}      CurrencyIsoCode: =record.CurrencyCode\n")
    mirrors.write_text(text, "utf-8")
    _shop(there)
    return there


def _shop(there: Path) -> None:
    """Orders of a shop, in the currency that each has."""
    text = (there / "shop" / f"{ORDERS}.yaml").read_text("utf-8")
    ours = next(row for row in text.splitlines() if row.startswith("  ours: "))
    text = text.replace(f"{ours}\n", "  ours: =record.CurrencyCode\n")
    text = text.replace("fields:\n", "fields:\n  CurrencyIsoCode: { set: =record.CurrencyCode, write: once }\n", 1)
    text = text.replace("'IsActive', true)", "'IsActive', true, 'CurrencyIsoCode', record.CurrencyCode)")
    (there / f"{ORDERS}.yaml").write_text(text, "utf-8")


async def dollar_deal(scene: Stage) -> tuple[str, str]:
    """A deal in dollars over 3 × 33.33: its id and number."""
    dollars, number = {"CurrencyIsoCode": "USD"}, uuid4().hex[:8]
    account = await linked_customer(scene, **dollars)
    deal = await scene.salesforce.edit("Opportunity", {
        "Name": fresh("Deal"), "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-11-20",
        "Number__c": number, **dollars,
    })  # fmt: skip
    pound = (await scene.salesforce.objects("PricebookEntry"))[0]
    mine: Json = {name: pound[name] for name in ("Product2Id", "Pricebook2Id")}
    entry = await scene.salesforce.edit(
        "PricebookEntry", {**mine, **dollars, "UnitPrice": Decimal(33), "IsActive": True}
    )
    line: Json = {"PricebookEntryId": entry, "Quantity": Decimal(3), "UnitPrice": Decimal("33.33")}
    await scene.salesforce.edit("OpportunityLineItem", {"OpportunityId": deal, **line})
    return deal, number


async def test_a_deal_in_dollars_is_billed_in_dollars_and_paid_in_dollars(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    async with spine(
        kafka, prefix, tmp_path, mappings=mappings(tmp_path), start=False, several_currencies=True
    ) as scene:
        text = scene.config.read_text("utf-8").replace("  currency: GBP\n", "  lookups: {rates: {USD: '1.25'}}\n")
        scene.config.write_text(text, "utf-8")
        await scene.begin()
        deal, number = await dollar_deal(scene)
        await won(scene, deal)
        made = await invoice(scene, number)
        assert (made["CurrencyCode"], made["CurrencyRate"], made["SubTotal"]) == ("USD", RATE, Decimal("99.99"))
        await pay(scene, made, str(made["Total"]), CurrencyRate=RATE)

        async def paid() -> Json | None:
            row = await record(scene, "Opportunity", deal)
            return row if row["Invoice_Payment__c"] == "Paid" else None

        row = await until("the deal says paid", paid)
        assert (row["CurrencyIsoCode"], row["Amount_Paid__c"], row["Amount"]) == (
            "USD",
            made["Total"],
            Decimal("99.99"),
        )
        await clean(scene, INVOICES, deal)
        await clean(scene, MIRRORS, made["InvoiceID"])
        (mirror,) = [one for one in await scene.salesforce.objects("Xero_Invoice__c") if one["Opportunity__c"] == deal]
        assert (mirror["CurrencyIsoCode"], mirror["Total__c"]) == ("USD", made["Total"])
        for entity in (LINES, SETTLED):
            told = [row["CurrencyIsoCode"] for row in (await rows(scene, made["InvoiceID"], entity)).values()]
            assert told == ["USD"], entity
        link = await link_of(scene, INVOICES, deal)
        assert link is not None
        assert link.code == ""
        assert (row["Invoice_Rate__c"], mirror["Currency_Rate__c"]) == (RATE, RATE), "as Xero reckoned it"
        await an_order_in_dollars(scene)


async def an_order_in_dollars(scene: Stage) -> None:
    """A shop's order in dollars is an opportunity in dollars, by the price book entry in dollars."""
    book = next(row["Id"] for row in await scene.salesforce.objects("Pricebook2") if row["IsStandard"])
    other = await scene.salesforce.edit("Product2", {"Name": "Other", "ProductCode": "OTHER", "IsActive": True})
    price: Json = {"Pricebook2Id": book, "Product2Id": other, "UnitPrice": Decimal(0), "IsActive": True}
    entries = {code: await scene.salesforce.edit("PricebookEntry", {**price, "CurrencyIsoCode": code})
               for code in ("GBP", "USD")}  # fmt: skip
    buyer = await scene.xero.edit("Contact", {"Name": fresh("Buyer")})
    line: Json = {"Description": "One", "Quantity": Decimal(2), "UnitAmount": Decimal("10.05"), "AccountCode": "200"}
    order = await scene.xero.edit("Invoice", {
        "Type": "ACCREC", "Status": "AUTHORISED", "Contact": {"ContactID": buyer}, "Date": "2026-11-20",
        "DueDate": "2026-12-20", "InvoiceNumber": f"SHOP-{uuid4().hex[:8]}", "LineItems": [line],
        "CurrencyCode": "USD", "CurrencyRate": Decimal("1.3"),
    })  # fmt: skip

    async def there() -> list[Json]:
        rows = await scene.salesforce.objects("Opportunity")
        return [row for row in rows if row["Xero_Order_Id__c"] == order]

    (deal,) = await until("the order is an opportunity", there)
    await clean(scene, ORDERS, order)
    assert (deal["CurrencyIsoCode"], deal["Amount"]) == ("USD", Decimal("20.10"))
    found = [row for row in await scene.salesforce.objects("OpportunityLineItem") if row["OpportunityId"] == deal["Id"]]
    assert [row["PricebookEntryId"] for row in found] == [entries["USD"]]
