"""The simulated Xero: batch payments, which only people make, and a demo company of each country."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.world import Settings
from tests.integration.xero_plain import Client, contact_id, invoice

DAY = "2026-10-05"


@pytest.fixture
async def xero() -> AsyncIterator[Client]:
    async with running(build()) as base, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        client = Client(base, http)
        assert (await client.sign_in())[0] == 200
        yield client


async def owed(xero: Client, **more: Any) -> dict[str, Any]:
    (made,) = await xero.got("PUT", "Invoices", invoice(await contact_id(xero), Status="AUTHORISED", **more))
    return dict(made)


async def batch(xero: Client, *invoices: dict[str, Any]) -> str:
    """A person pays several invoices as one."""
    parts = [{"Invoice": {"InvoiceID": one["InvoiceID"]}, "Amount": one["AmountDue"]} for one in invoices]
    fields = {"Account": {"Code": "090"}, "Date": DAY, "Reference": "Friday", "Payments": parts}
    status, row = await xero.ask("POST", "/__sim/edit", {"entity": "BatchPayment", "fields": fields})
    assert status == 200, row
    return str(row["BatchPaymentID"])


async def test_a_batch_is_shown_with_its_payments_and_they_with_it(xero: Client) -> None:
    first, second = await owed(xero, InvoiceNumber="B-1"), await owed(xero, InvoiceNumber="B-2")
    batch_id = await batch(xero, first, second)
    (shown,) = await xero.got("GET", f"BatchPayments/{batch_id}")
    assert (shown["Type"], shown["Status"], shown["Reference"]) == ("RECBATCH", "AUTHORISED", "Friday")
    assert shown["TotalAmount"] == first["AmountDue"] + second["AmountDue"]
    assert {part["Invoice"]["InvoiceID"] for part in shown["Payments"]} == {first["InvoiceID"], second["InvoiceID"]}
    (payment,) = await xero.got("GET", f"Payments/{shown['Payments'][0]['PaymentID']}")
    assert payment["BatchPayment"] == {"BatchPaymentID": batch_id}
    (paid,) = await xero.got("GET", f"Invoices/{first['InvoiceID']}")
    assert paid["Status"] == "PAID"


async def test_a_payment_of_a_batch_cannot_be_deleted_alone_and_the_batch_can(xero: Client) -> None:
    one = await owed(xero, InvoiceNumber="B-3")
    batch_id = await batch(xero, one)
    (shown,) = await xero.got("GET", "BatchPayments")
    path = f"Payments/{shown['Payments'][0]['PaymentID']}"
    status, answer = await xero.ask("POST", path, {"Status": "DELETED"})
    assert status == 400
    assert "batch payment" in str(answer)
    edit = {"entity": "BatchPayment", "id": batch_id, "fields": {"Status": "DELETED"}}
    assert (await xero.ask("POST", "/__sim/edit", edit))[0] == 200
    (free,) = await xero.got("GET", f"Invoices/{one['InvoiceID']}")
    assert (free["Status"], free["AmountDue"]) == ("AUTHORISED", one["AmountDue"])


async def test_the_api_makes_no_batches_here(xero: Client) -> None:
    status, _ = await xero.ask("PUT", "BatchPayments", {"BatchPayments": []})
    assert status == 501


@pytest.mark.parametrize(("edition", "currency"), [("UK", "GBP"), ("AU", "AUD"), ("NZ", "NZD"), ("US", "USD")])
async def test_a_demo_company_of_each_country(edition: str, currency: str) -> None:
    async with (
        running(build(Settings.of(edition))) as base,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http,
    ):
        client = Client(base, http)
        await client.sign_in()
        (organisation,) = (await client.ask("GET", "Organisation"))[1]["Organisations"]
        assert (organisation["Version"], organisation["BaseCurrency"]) == (edition, currency)
        assert organisation["Name"] == f"Demo Company ({edition})"
