"""The simulated Xero: stock that is sold before it is there. Younger (August 2026) than the API file that judges the
other exchanges: neither the parameter nor the fields stand in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from connector.simulators.serving import running
from connector.simulators.xero.app import build
from tests.integration.xero_plain import Client, contact_id, invoice


@pytest.fixture(autouse=True)
def kept_to_the_contract() -> None:
    """In the place of the suite's: see above."""


@pytest.fixture
async def xero() -> AsyncIterator[Client]:
    async with running(build()) as base, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        client = Client(base, http)
        assert (await client.sign_in())[0] == 200
        yield client


async def test_what_is_sold_before_it_is_there_is_a_backorder_only_when_asked_for(xero: Client) -> None:
    item = {
        "Code": "NUT", "Name": "Nut", "InventoryAssetAccountCode": "630",
        "PurchaseDetails": {"UnitPrice": 1, "COGSAccountCode": "310"}, "SalesDetails": {"UnitPrice": 2},
    }  # fmt: skip
    await xero.got("PUT", "Items", item)
    line = {"ItemCode": "NUT", "Description": "Nuts", "Quantity": 5, "UnitAmount": 2, "AccountCode": "200"}
    sale = invoice(await contact_id(xero), InvoiceNumber="N-1", Status="AUTHORISED", LineItems=[line])
    status, answer = await xero.ask("PUT", "Invoices", sale)
    assert status == 400, answer
    assert (await xero.ask("PUT", "Invoices?allowBackorders=true", sale))[0] == 200
    (stock,) = await xero.got("GET", "Items/NUT")
    assert (stock["QuantityOnHand"], stock["QuantityOnBackOrder"]) == (0.0, 5.0)
    bill = {**sale, "Type": "ACCPAY", "InvoiceNumber": "N-2", "LineItems": [{**line, "Quantity": 8}]}
    assert (await xero.ask("PUT", "Invoices", bill))[0] == 200
    (stock,) = await xero.got("GET", "Items/NUT")
    assert (stock["QuantityOnHand"], stock["QuantityOnBackOrder"]) == (3.0, 0.0)
