"""The Xero simulator through plain HTTP, by a client that knows nothing of the product."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from connector.simulators.serving import running
from connector.simulators.xero.app import build, ready
from connector.simulators.xero.seed import DEMO_TENANT, OTHER_TENANT
from tests.integration.xero_plain import Client, contact_id, invoice

API = "/api.xro/2.0"


@pytest.fixture
async def xero() -> AsyncIterator[Client]:
    async with running(build()) as base, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        client = Client(base, http)
        assert (await client.sign_in())[0] == 200
        await client.ask("POST", "/__sim/limits", {"minute": 10_000})
        yield client


async def test_create_read_update_pay_and_void(xero: Client) -> None:
    contact = await contact_id(xero)
    (made,) = await xero.got("PUT", "Invoices", {"Invoices": [invoice(contact, InvoiceNumber="OPP-1")]})
    assert (made["Status"], made["SubTotal"], made["TotalTax"], made["Total"]) == ("DRAFT", 75.18, 15.04, 90.22)
    assert re.fullmatch(r"/Date\(\d+\+0000\)/", made["UpdatedDateUTC"])
    assert (made["DateString"], made["Date"]) == ("2026-10-01T00:00:00", "/Date(1790812800000+0000)/")
    key = made["InvoiceID"]
    (approved,) = await xero.got("POST", f"Invoices/{key}", {"Status": "AUTHORISED"})
    assert (approved["AmountDue"], approved["LineItems"]) == (90.22, made["LineItems"])
    pay = {"Invoice": {"InvoiceID": key}, "Account": {"Code": "090"}, "Date": "2026-10-20", "Amount": 40.22}
    await xero.got("PUT", "Payments", {"Payments": [pay]})
    (part,) = await xero.got("GET", f"Invoices/{key}")
    assert (part["Status"], part["AmountDue"], len(part["Payments"])) == ("AUTHORISED", 50.0, 1)
    status, refused = await xero.ask("POST", f"Invoices/{key}", {"Status": "VOIDED"})
    assert status == 400
    assert "has payments" in refused["Elements"][0]["ValidationErrors"][0]["Message"]
    (rest,) = await xero.got("PUT", "Payments", {"Payments": [{**pay, "Amount": 50}]})
    (paid,) = await xero.got("GET", "Invoices/OPP-1")
    assert (paid["Status"], paid["FullyPaidOnDate"]) == ("PAID", "/Date(1792454400000+0000)/")
    listed = await xero.got("GET", "Payments", where=f'Invoice.InvoiceID==Guid("{key}") AND Status=="AUTHORISED"')
    assert {payment["Amount"] for payment in listed} == {40.22, 50.0}
    for payment in listed:
        await xero.got("POST", f"Payments/{payment['PaymentID']}", {"Status": "DELETED"})
    (voided,) = await xero.got("POST", f"Invoices/{key}", {"Status": "VOIDED"})
    assert (voided["Status"], voided["AmountDue"], rest["Status"]) == ("VOIDED", 90.22, "AUTHORISED")
    status, _ = await xero.ask("POST", f"Invoices/{key}", {"Reference": "x"})
    assert status == 400


async def test_a_batch_tells_each_element_and_the_good_ones_stay_either_way(xero: Client) -> None:
    contact = await contact_id(xero)
    bad = invoice(contact, InvoiceNumber="B-2", Status="AUTHORISED")
    bad["LineItems"][0]["AccountCode"] = "999"
    batch = {"Invoices": [invoice(contact, InvoiceNumber="B-1"), bad]}
    good, refused = await xero.got("PUT", "Invoices", batch, summarizeErrors="false")
    assert (good["StatusAttributeString"], good["HasErrors"]) == ("OK", False)
    assert (refused["StatusAttributeString"], refused["HasErrors"]) == ("ERROR", True)
    assert refused["InvoiceID"] == "00000000-0000-0000-0000-000000000000"
    assert refused["ValidationErrors"] == [{"Message": "Account code '999' is not a valid code for this document."}]
    batch["Invoices"][0]["InvoiceNumber"] = "B-3"
    status, summary = await xero.ask("PUT", "Invoices", batch)
    assert (status, summary["ErrorNumber"], len(summary["Elements"])) == (400, 10, 1)
    assert {i["InvoiceNumber"] for i in await xero.got("GET", "Invoices")} == {"B-1", "B-3"}


async def test_lines_are_replaced_and_keep_their_ids_only_when_named(xero: Client) -> None:
    (made,) = await xero.got("PUT", "Invoices", invoice(await contact_id(xero)))
    first = made["LineItems"][0]
    named = {name: first[name] for name in ("LineItemID", "Description", "UnitAmount", "AccountCode")}
    two = [{**named, "Quantity": 1}, {"Description": "Only words"}]
    (changed,) = await xero.got(
        "POST", f"Invoices/{made['InvoiceID']}", {"LineItems": two, "LineAmountTypes": "Inclusive"}
    )
    kept, words = changed["LineItems"]
    assert kept["LineItemID"] == first["LineItemID"]
    assert (changed["Total"], changed["TotalTax"], changed["SubTotal"]) == (25.06, 4.18, 20.88)
    assert set(words) == {"Description", "Tracking", "LineItemID", "ValidationErrors"}


async def test_items_give_their_defaults_and_mismatched_totals_are_refused(xero: Client) -> None:
    contact = await contact_id(xero)
    (made,) = await xero.got("PUT", "Invoices", invoice(contact, LineItems=[{"ItemCode": "DevD", "Quantity": 2}]))
    line = made["LineItems"][0]
    assert (line["UnitAmount"], line["AccountCode"], line["TaxType"]) == (650.0, "200", "OUTPUT2")
    wrong = {"Description": "x", "Quantity": 1, "UnitAmount": 100, "LineAmount": 99, "AccountCode": "200"}
    _, answer = await xero.ask("PUT", "Invoices", invoice(contact, LineItems=[wrong]))
    message = answer["Elements"][0]["ValidationErrors"][0]["Message"]
    assert message == "The line total 99.00 does not match the expected line total 100.00"


async def test_four_decimals_need_unitdp(xero: Client) -> None:
    line = {"Description": "x", "Quantity": 100, "UnitAmount": 0.1234, "AccountCode": "200"}
    contact = await contact_id(xero)
    (two,) = await xero.got("PUT", "Invoices", invoice(contact, LineItems=[line]))
    (four,) = await xero.got("PUT", "Invoices", invoice(contact, LineItems=[line]), unitdp="4")
    assert (two["LineItems"][0]["UnitAmount"], two["SubTotal"]) == (0.12, 12.0)
    assert (four["LineItems"][0]["UnitAmount"], four["SubTotal"]) == (0.1234, 12.34)
    (again,) = await xero.got("POST", f"Invoices/{four['InvoiceID']}", {"Reference": "kept"})
    assert again["SubTotal"] == 12.34


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Status": "PAID"}, "Invoice not of valid status for creation"),
        ({"Status": "AUTHORISED", "DueDate": None}, "The document due date must be specified"),
        ({"Status": "AUTHORISED", "Date": "2008-01-01"}, "The document date cannot be before the period lock date"),
        ({"LineItems": []}, "One or more line items must be specified"),
        ({"Contact": None}, "A Contact must be specified for this type of transaction"),
        ({"CurrencyCode": "NZD"}, "Organisation is not subscribed to currency NZD"),
        ({"LineItems": [{"Description": "x", "UnitAmount": 1, "AccountCode": "200", "TaxType": "INPUT2"}]},
         "The TaxType code 'INPUT2' cannot be used with account code '200'."),
    ],
)  # fmt: skip
async def test_xeros_own_refusals(xero: Client, change: dict[str, Any], message: str) -> None:
    status, answer = await xero.ask("PUT", "Invoices", invoice(await contact_id(xero), **change))
    assert status == 400
    assert answer["Elements"][0]["ValidationErrors"][0]["Message"].startswith(message)


async def test_contacts_are_unique_merge_their_slots_and_close_when_archived(xero: Client) -> None:
    phone = {"PhoneType": "DEFAULT", "PhoneNumber": "555"}
    body = {"Name": "New Co", "ContactNumber": "001A", "Phones": [phone]}
    (made,) = await xero.got("PUT", "Contacts", {"Contacts": [body]})
    assert [p["PhoneType"] for p in made["Phones"]] == ["DEFAULT", "DDI", "FAX", "MOBILE"]
    (same,) = await xero.got("POST", "Contacts", {"ContactNumber": "001A", "EmailAddress": "a@b.example"})
    assert (same["ContactID"], same["Phones"][0]["PhoneNumber"]) == (made["ContactID"], "555")
    _, clash = await xero.ask("PUT", "Contacts", {"Name": "NEW co"})
    assert clash["Elements"][0]["ValidationErrors"][0]["Message"].startswith("The contact name NEW co is already")
    await xero.got("POST", f"Contacts/{made['ContactID']}", {"ContactStatus": "ARCHIVED"})
    assert not await xero.got("GET", "Contacts", where='ContactNumber=="001A"')
    assert len(await xero.got("GET", "Contacts", where='ContactNumber=="001A"', includeArchived="true")) == 1
    status, _ = await xero.ask("POST", f"Contacts/{made['ContactID']}", {"FirstName": "x"})
    assert status == 400


async def test_lists_page_filter_order_and_know_what_changed(xero: Client) -> None:
    contact = await contact_id(xero)
    numbers = [f"P-{at:02d}" for at in range(7)]
    made = await xero.got(
        "PUT", "Invoices", {"Invoices": [invoice(contact, InvoiceNumber=number) for number in numbers]}
    )
    _, page = await xero.ask("GET", "Invoices", page="2", pageSize="3")
    assert page["pagination"] == {"page": 2, "pageSize": 3, "pageCount": 3, "itemCount": 7}
    assert all(i["LineItems"] and set(i["Contact"]) >= {"ContactID", "Name"} for i in page["Invoices"])
    whole = await xero.got(
        "GET", "Invoices", order="InvoiceNumber DESC", where='Total>10 AND InvoiceNumber.Contains("p-")'
    )
    assert [i["InvoiceNumber"] for i in whole] == numbers[::-1]
    assert not any(i["LineItems"] for i in whole)
    future = (datetime.now(UTC) + timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%S")
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 1500})
    await xero.got("POST", f"Invoices/{made[3]['InvoiceID']}", {"Reference": "moved"})
    headers = {"If-Modified-Since": future}
    assert [i["Reference"] for i in (await xero.ask("GET", "Invoices", headers=headers, page="1"))[1]["Invoices"]] == [
        "moved"
    ]
    ids = ",".join(i["InvoiceID"] for i in made[:2])
    assert len(await xero.got("GET", "Invoices", IDs=ids, page="1")) == 2


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("Invoices", {"page_size": "100"}, 501),
        ("Invoices", {"page": "0"}, 400),
        ("Invoices", {"page": "1", "pageSize": "1001"}, 400),
        ("Invoices", {"where": "Totl>1"}, 400),
        ("Invoices", {"where": 'Total>"a" AND ('}, 400),
        ("Invoices", {"order": "Nothing"}, 400),
        ("Budgets", {}, 501),
        ("PurchaseOrders", {"where": "Total>1"}, 501),
        ("Invoices/nobody", {}, 404),
    ],
)
async def test_nothing_is_silently_ignored(xero: Client, path: str, query: dict[str, str], status: int) -> None:
    assert (await xero.ask("GET", path, None, **query))[0] == status


@pytest.mark.parametrize(
    "raw", [b"[" * 200_000, b"\xff", b"", b'{"Name":1e999999}', b'{"Invoices":[]}', b'{"Invoices":7}']
)
async def test_a_body_that_is_nothing_is_a_400(xero: Client, raw: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {xero.token}",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    async with xero.http.put(f"{xero.base}{API}/Invoices", data=raw, headers=headers) as answer:
        assert answer.status == 400


async def test_a_misspelt_field_and_xml_are_refused_in_words(xero: Client) -> None:
    status, answer = await xero.ask("PUT", "Contacts", {"Nmae": "x"})
    assert (status, "Nmae" in answer["Message"]) == (400, True)
    assert (await xero.ask("GET", "Organisation", headers={"Accept": "*/*"}))[0] == 406


async def test_idempotency_key_gives_the_first_answer_for_six_minutes(xero: Client) -> None:
    body = invoice(
        await contact_id(xero), Type="ACCPAY", LineItems=[{"Description": "x", "UnitAmount": 1, "AccountCode": "400"}]
    )
    key = {"Idempotency-Key": "k1"}
    first = await xero.ask("PUT", "Invoices", body, headers=key)
    again, twin = await asyncio.gather(*(xero.ask("PUT", "Invoices", body, headers=key) for _ in range(2)))
    assert first[1] == again[1] == twin[1]
    assert (await xero.ask("PUT", "Invoices", {**body, "Reference": "other"}, headers=key))[0] == 400
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 361})
    assert (await xero.ask("PUT", "Invoices", body, headers=key))[1] != first[1]
    assert len(await xero.got("GET", "Invoices")) == 2


async def test_an_internal_error_is_kept_under_its_key(xero: Client) -> None:
    contact = await contact_id(xero)
    await xero.ask("POST", "/__sim/faults", {"kind": "status", "options": {"status": 500}, "match": {"method": "PUT"}})
    key = {"Idempotency-Key": "k2"}
    statuses = [(await xero.ask("PUT", "Invoices", invoice(contact), headers=key))[0] for _ in range(2)]
    assert statuses == [500, 500]
    assert not await xero.got("GET", "Invoices")


# by POST: aiohttp repeats a PUT by itself when its connection is cut
async def test_the_answer_lost_after_the_commit_is_given_under_the_same_key(xero: Client) -> None:
    body = invoice(await contact_id(xero))
    await xero.ask("POST", "/__sim/faults", {"kind": "cut-after-commit", "match": {"method": "POST"}})
    key = {"Idempotency-Key": "k3"}
    with pytest.raises(aiohttp.ClientError):
        await xero.ask("POST", "Invoices", body, headers=key)
    (kept,) = await xero.got("GET", "Invoices")
    status, answer = await xero.ask("POST", "Invoices", body, headers=key)
    assert (status, answer["Invoices"][0]["InvoiceID"]) == (200, kept["InvoiceID"])
    assert len(await xero.got("GET", "Invoices")) == 1


async def test_half_a_batch_is_committed(xero: Client) -> None:
    contact = await contact_id(xero)
    await xero.ask("POST", "/__sim/faults", {"kind": "half-batch", "match": {"method": "POST"}})
    with pytest.raises(aiohttp.ClientError):
        await xero.ask("POST", "Invoices", {"Invoices": [invoice(contact) for _ in range(5)]})
    assert len(await xero.got("GET", "Invoices")) == 2


async def test_limits_are_counted_and_told(xero: Client) -> None:
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 60})
    await xero.ask("POST", "/__sim/limits", {"minute": 2})
    assert [(await xero.ask("GET", "Organisation"))[0] for _ in range(3)] == [200, 200, 429]
    assert xero.headers["X-Rate-Limit-Problem"] == "minute"
    assert (xero.headers["X-MinLimit-Remaining"], xero.headers["X-DayLimit-Remaining"]) == ("0", "4998")
    assert 1 <= int(xero.headers["Retry-After"]) <= 60
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 60})
    assert (await xero.ask("GET", "Organisation"))[0] == 200
    await xero.ask("POST", "/__sim/limits", {"concurrent": 0})
    assert (await xero.ask("GET", "Organisation"))[0] == 429
    assert (xero.headers["X-Rate-Limit-Problem"], xero.headers.get("Retry-After")) == ("concurrent", None)


async def test_tokens_end_tenants_are_checked_scopes_count(xero: Client) -> None:
    assert (await xero.ask("GET", "/connections"))[1][0]["tenantId"] == DEMO_TENANT
    assert (await xero.ask("GET", "Organisation", headers={"xero-tenant-id": OTHER_TENANT}))[0] == 403
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 1800})
    status, body = await xero.ask("GET", "Organisation")
    assert (status, body["Title"], body["Detail"][:12]) == (401, "Unauthorized", "TokenExpired")
    assert await xero.sign_in(scope="accounting.nonsense") == (400, {"error": "invalid_scope"})
    await xero.sign_in("xero-demo-all", scope="accounting.settings.read")
    assert (await xero.ask("GET", "Organisation"))[0] == 403
    headers = {"xero-tenant-id": OTHER_TENANT}
    assert (await xero.ask("GET", "Organisation", headers=headers))[1]["Organisations"][0][
        "OrganisationID"
    ] == OTHER_TENANT
    assert (await xero.ask("GET", "Contacts", headers=headers))[0] == 401
    assert (await xero.sign_in("nobody"))[0] == 400


async def test_a_person_edits_and_the_page_tells_who_did_what(xero: Client) -> None:
    contact = await contact_id(xero)
    (made,) = await xero.got("PUT", "Invoices", invoice(contact, Status="AUTHORISED"))
    payment = {"Invoice": {"InvoiceID": made["InvoiceID"]}, "Account": {"Code": "090"}, "Amount": 90.22}
    assert (await xero.ask("POST", "/__sim/edit", {"entity": "Payment", "fields": payment}))[0] == 200
    (paid,) = (await xero.ask("GET", "/__sim/objects/Invoice"))[1]
    assert (paid["Status"], paid["Date"]) == ("PAID", "2026-10-01")
    log = (await xero.ask("GET", "/__sim/writes"))[1]
    assert [(w["entity"], w["operation"], w["origin"]) for w in log] == [
        ("Invoice", "create", "api"), ("Payment", "create", "ui"), ("Invoice", "update", "ui"),
    ]  # fmt: skip
    refused = {"entity": "Invoice", "id": made["InvoiceID"], "fields": {"Status": "VOIDED"}}
    assert (await xero.ask("POST", "/__sim/edit", refused))[0] == 400


async def test_accounts_can_be_made_archived_and_are_then_refused_on_lines(xero: Client) -> None:
    (made,) = await xero.got(
        "PUT", "Accounts", {"Code": "201", "Name": "Online sales", "Type": "REVENUE", "TaxType": "OUTPUT2"}
    )
    assert (made["Class"], made["Status"]) == ("REVENUE", "ACTIVE")
    await xero.got("POST", f"Accounts/{made['AccountID']}", {"AccountID": made["AccountID"], "Status": "ARCHIVED"})
    line = {"Description": "x", "UnitAmount": 1, "AccountCode": "201"}
    body = invoice(await contact_id(xero), LineItems=[line], Status="AUTHORISED")
    _, answer = await xero.ask("PUT", "Invoices", body)
    assert "has been archived" in answer["Elements"][0]["ValidationErrors"][0]["Message"]
    assert {rate["TaxType"] for rate in await xero.got("GET", "TaxRates")} >= {"OUTPUT2", "INPUT2", "NONE"}


async def test_an_item_is_deleted_without_a_trace(xero: Client) -> None:
    (made,) = await xero.got("PUT", "Items", {"Code": "X1", "Name": "X"})
    _, twin = await xero.ask("PUT", "Items", {"Code": "x1"})
    assert twin["Elements"][0]["ValidationErrors"][0]["Message"].endswith("already exists")
    assert (await xero.ask("DELETE", f"Items/{made['ItemID']}"))[0] == 204
    assert (await xero.ask("GET", "Items/X1"))[0] == 404


def test_the_ready_line_names_what_a_client_needs() -> None:
    line = ready()(8123)
    assert line["base_url"] == "http://127.0.0.1:8123"
    assert [tenant["id"] for tenant in line["tenants"]] == [DEMO_TENANT, OTHER_TENANT]


async def test_a_part_paid_invoice_takes_a_new_due_date_in_silence(xero: Client) -> None:
    (made,) = await xero.got("PUT", "Invoices", invoice(await contact_id(xero), Status="AUTHORISED"))
    key = made["InvoiceID"]
    await xero.got(
        "PUT",
        "Payments",
        {"Invoice": {"InvoiceID": key}, "Account": {"Code": "090"}, "Amount": 1, "Date": "2026-10-02"},
    )
    (before,) = await xero.got("GET", f"Invoices/{key}")
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 5})
    (after,) = await xero.got("POST", f"Invoices/{key}", {"DueDate": "2026-12-24"})
    assert (after["DueDateString"], after["UpdatedDateUTC"]) == ("2026-12-24T00:00:00", before["UpdatedDateUTC"])
    status, _ = await xero.ask(
        "POST", f"Invoices/{key}", {"LineItems": made["LineItems"][:0] or [{"Description": "x"}]}
    )
    assert status == 400
    over = {"Invoice": {"InvoiceID": key}, "Account": {"Code": "090"}, "Amount": 90}
    _, refused = await xero.ask("PUT", "Payments", over, summarizeErrors="false")
    assert refused["Payments"][0]["ValidationErrors"] == [
        {"Message": "Payment amount exceeds the amount outstanding on this document"}
    ]


async def test_the_contact_of_a_document_changes_that_contact_as_xero_does(xero: Client) -> None:
    named = {"Name": "Boom FM", "EmailAddress": "new@boom.example"}
    await xero.got("PUT", "Invoices", invoice("", Contact=named))
    (found,) = await xero.got("GET", "Contacts", where='EmailAddress=="new@boom.example"')
    assert found["Name"] == "Boom FM"
    await xero.got("PUT", "Invoices", invoice("", Contact={"Name": "Born of an invoice"}))
    assert len(await xero.got("GET", "Contacts", where='Name.StartsWith("born")')) == 1
