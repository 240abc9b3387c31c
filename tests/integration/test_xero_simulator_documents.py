"""The simulated Xero's further documents by plain HTTP: each rule as the facts tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.world import Settings
from tests.integration.xero_plain import API, Client, contact_id, invoice

DAY = "2026-10-05"


@pytest.fixture
async def xero() -> AsyncIterator[Client]:
    async with running(build()) as base, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        client = Client(base, http)
        assert (await client.sign_in())[0] == 200
        await client.ask("POST", "/__sim/limits", {"minute": 10_000})
        yield client


async def approved(xero: Client, **more: Any) -> dict[str, Any]:
    (made,) = await xero.got("PUT", "Invoices", invoice(await contact_id(xero), Status="AUTHORISED", **more))
    return dict(made)


async def credit(xero: Client, amount: float = 50, **more: Any) -> dict[str, Any]:
    line = {"Description": "Back", "Quantity": 1, "UnitAmount": amount, "AccountCode": "200", "TaxType": "NONE"}
    body = {"Type": "ACCRECCREDIT", "Contact": {"ContactID": await contact_id(xero)}, "LineItems": [line], "Date": DAY}
    (made,) = await xero.got("PUT", "CreditNotes", {**body, "Status": "AUTHORISED", **more})
    return dict(made)


async def bank(xero: Client, kind: str, amount: float = 100, account: str = "200", **more: Any) -> dict[str, Any]:
    line = {"Description": "Money", "Quantity": 1, "UnitAmount": amount, "AccountCode": account, "TaxType": "NONE"}
    body = {"Type": kind, "Contact": {"ContactID": await contact_id(xero)}, "LineItems": [line], "Date": DAY}
    (made,) = await xero.got("PUT", "BankTransactions", {**body, "BankAccount": {"Code": "090"}, **more})
    return dict(made)


async def refusal(xero: Client, method: str, path: str, body: Any) -> str:
    status, answer = await xero.ask(method, path, body)
    assert status == 400, answer
    return " / ".join(problem["Message"] for problem in answer["Elements"][0]["ValidationErrors"])


async def allocate(xero: Client, address: str, invoice_id: str, amount: float) -> dict[str, Any]:
    part = {"Invoice": {"InvoiceID": invoice_id}, "Amount": amount, "Date": DAY}
    status, answer = await xero.ask("PUT", f"{address}/Allocations", {"Allocations": [part]})
    assert status == 200, answer
    return dict(answer["Allocations"][0])


async def test_a_credit_note_is_allocated_in_parts_taken_back_and_used_up(xero: Client) -> None:
    owed, note = await approved(xero), await credit(xero)
    assert (note["CreditNoteNumber"], note["Status"], note["RemainingCredit"]) == ("CN-0001", "AUTHORISED", 50.0)
    address = f"CreditNotes/{note['CreditNoteID']}"
    part = await allocate(xero, address, owed["InvoiceID"], 20.22)
    (half,) = await xero.got("GET", f"Invoices/{owed['InvoiceID']}")
    assert (half["AmountDue"], half["AmountCredited"], half["Status"]) == (70.0, 20.22, "AUTHORISED")
    assert [(one["ID"], one["AppliedAmount"]) for one in half["CreditNotes"]] == [(note["CreditNoteID"], 20.22)]
    over = {"Invoice": {"InvoiceID": owed["InvoiceID"]}, "Amount": 30, "Date": DAY}
    assert "exceeds the remaining credit" in await refusal(xero, "PUT", f"{address}/Allocations", over)
    assert "payment or credit note allocated to it" in await refusal(xero, "POST", address, {"LineItems": []})
    assert "has payments or credit notes" in await refusal(
        xero, "POST", f"Invoices/{owed['InvoiceID']}", {"Status": "VOIDED"}
    )
    assert "been allocated or paid" in await refusal(xero, "POST", address, {"Status": "VOIDED"})
    status, gone = await xero.ask("DELETE", f"{API}/{address}/Allocations/{part['AllocationID']}")
    assert (status, gone["IsDeleted"]) == (200, True)
    (back,) = await xero.got("GET", address)
    assert (back["RemainingCredit"], back["Allocations"]) == (50.0, [])
    await allocate(xero, address, owed["InvoiceID"], 50)
    (used,) = await xero.got("GET", address)
    assert (used["Status"], used["RemainingCredit"], used["FullyPaidOnDate"]) == ("PAID", 0.0, used["Date"])


async def test_a_supplier_credit_cannot_pay_a_customer_and_has_no_number(xero: Client) -> None:
    owed = await approved(xero)
    line = {"Description": "Back", "UnitAmount": 5, "AccountCode": "400"}
    note = await credit(xero, Type="ACCPAYCREDIT", LineItems=[line])
    assert (note["CreditNoteNumber"], note["TotalTax"], note["Total"]) == ("", 1.0, 6.0)
    part = {"Invoice": {"InvoiceID": owed["InvoiceID"]}, "Amount": 1, "Date": DAY}
    said = await refusal(xero, "PUT", f"CreditNotes/{note['CreditNoteID']}/Allocations", part)
    assert "cannot be allocated to a document of type ACCREC" in said


async def test_payments_in_part_on_bills_and_refunds_of_credits(xero: Client) -> None:
    line = {"Description": "x", "UnitAmount": 100, "AccountCode": "400", "TaxType": "NONE"}
    bill = await approved(xero, Type="ACCPAY", LineItems=[line])
    note, account = await credit(xero), {"Account": {"Code": "090"}, "Date": DAY}
    on_bill = {**account, "Invoice": {"InvoiceID": bill["InvoiceID"]}, "Amount": 99.99}
    back = {**account, "CreditNote": {"CreditNoteID": note["CreditNoteID"]}, "Amount": 20}
    paid, refunded = await xero.got("PUT", "Payments", {"Payments": [on_bill, back]})
    assert (paid["PaymentType"], refunded["PaymentType"]) == ("ACCPAYPAYMENT", "ARCREDITPAYMENT")
    assert refunded["Invoice"]["InvoiceID"] == note["CreditNoteID"]
    (left,) = await xero.got("GET", f"Invoices/{bill['InvoiceID']}")
    assert (left["AmountPaid"], left["AmountDue"], left["Status"]) == (99.99, 0.01, "AUTHORISED")
    (credit_left,) = await xero.got("GET", f"CreditNotes/{note['CreditNoteNumber']}")
    assert (credit_left["RemainingCredit"], len(credit_left["Payments"])) == (30.0, 1)
    assert "exceeds the amount outstanding" in await refusal(xero, "PUT", "Payments", {**back, "Amount": 30.01})
    await xero.got("POST", f"Payments/{refunded['PaymentID']}", {"Status": "DELETED"})
    assert (await xero.got("GET", f"CreditNotes/{note['CreditNoteID']}"))[0]["RemainingCredit"] == 50.0
    assert "only created and deleted" in await refusal(xero, "POST", f"Payments/{paid['PaymentID']}", {"Amount": 1})


@pytest.mark.parametrize(
    ("kind", "account", "entity"),
    [("RECEIVE-PREPAYMENT", "200", "Prepayment"), ("RECEIVE-OVERPAYMENT", "610", "Overpayment")],
)
async def test_deposits_are_born_of_bank_transactions_and_pay_invoices(
    xero: Client, kind: str, account: str, entity: str
) -> None:
    owed, made = await approved(xero), await bank(xero, kind, 60, account, LineAmountTypes="NoTax", Reference="D-1")
    address = f"{entity}s/{made[f'{entity}ID']}"
    (deposit,) = await xero.got("GET", address)
    assert (deposit["Type"], deposit["RemainingCredit"], deposit["Reference"]) == (kind, 60.0, "D-1")
    await allocate(xero, address, owed["InvoiceID"], 60)
    (paid,) = await xero.got("GET", f"Invoices/{owed['InvoiceID']}")
    assert (paid["AmountDue"], paid[f"{entity}s"][0]["AppliedAmount"]) == (30.22, 60.0)
    said = await refusal(xero, "POST", f"BankTransactions/{made['BankTransactionID']}", {"Status": "DELETED"})
    assert "payment or credit note allocated to it" in said
    assert (await xero.ask("PUT", f"{entity}s", {"Type": kind}))[0] == 501  # the API has no such call


async def test_a_deleted_deposit_voids_its_credit_and_an_overpayment_is_of_the_debtors_account(xero: Client) -> None:
    made = await bank(xero, "SPEND-PREPAYMENT", account="400")
    await xero.got("POST", f"BankTransactions/{made['BankTransactionID']}", {"Status": "DELETED"})
    (ended,) = await xero.got("GET", f"Prepayments/{made['PrepaymentID']}")
    assert ended["Status"] == "VOIDED"
    line = {"Description": "x", "UnitAmount": 1, "AccountCode": "200", "TaxType": "NONE"}
    body = {"Type": "RECEIVE-OVERPAYMENT", "Contact": {"ContactID": await contact_id(xero)}, "LineItems": [line]}
    said = await refusal(xero, "PUT", "BankTransactions", {**body, "BankAccount": {"Code": "090"}})
    assert "accounts receivable" in said


async def test_bank_transactions_are_inclusive_by_default_and_locked_once_reconciled(xero: Client) -> None:
    line = {"Description": "Fuel", "UnitAmount": 120, "AccountCode": "449"}
    made = await bank(xero, "SPEND", LineItems=[line], IsReconciled=True)
    assert (made["LineAmountTypes"], made["SubTotal"], made["TotalTax"], made["Total"]) == (
        "Inclusive", 100.0, 20.0, 120.0,
    )  # fmt: skip
    assert (made["BankAccount"]["Code"], made["DateString"]) == ("090", f"{DAY}T00:00:00")
    path = f"BankTransactions/{made['BankTransactionID']}"
    assert "reconciled and cannot be deleted" in await refusal(xero, "POST", path, {"Status": "DELETED"})
    other = await bank(xero, "RECEIVE")
    (changed,) = await xero.got("POST", f"BankTransactions/{other['BankTransactionID']}", {"Reference": "new"})
    assert (changed["Reference"], changed["LineItems"]) == ("new", other["LineItems"])
    said = await refusal(xero, "PUT", "BankTransactions", {"Type": "SPEND", "BankAccount": {"Code": "200"}})
    assert "Bank account" in said


async def test_a_transfer_is_a_pair_of_bank_transactions_and_hides_when_deleted(xero: Client) -> None:
    body = {"FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}, "Amount": 12.5, "Date": DAY}
    (made,) = await xero.got("PUT", "BankTransfers", {"BankTransfers": [body]})
    (half,) = await xero.got("GET", f"BankTransactions/{made['FromBankTransactionID']}")
    assert (half["Type"], half["Total"]) == ("SPEND-TRANSFER", 12.5)
    assert "cannot be edited" in await refusal(
        xero, "POST", f"BankTransactions/{half['BankTransactionID']}", {"Reference": "x"}
    )
    await xero.got("POST", f"BankTransfers/{made['BankTransferID']}", {"Status": "DELETED"})
    assert not await xero.got("GET", "BankTransfers")
    (gone,) = await xero.got("GET", "BankTransfers", includeDeleted="true")
    assert gone["Status"] == "DELETED"
    same = {**body, "ToBankAccount": {"Code": "090"}}
    assert "two bank accounts" in await refusal(xero, "PUT", "BankTransfers", same)


async def test_a_posted_order_number_edits_whoever_has_it_and_a_put_is_refused(xero: Client) -> None:
    line = {"Description": "Desk", "Quantity": 2, "UnitAmount": 100.1234, "AccountCode": "400", "DiscountRate": 10}
    body = {"Contact": {"ContactID": await contact_id(xero)}, "LineItems": [line], "PurchaseOrderNumber": "PO-9"}
    (made,) = await xero.got("PUT", "PurchaseOrders", {**body, "SentToContact": True})
    assert (made["SubTotal"], made["TotalDiscount"], made["IsDiscounted"]) == (180.22, 20.03, True)
    assert made["Warnings"][0]["Message"].startswith("Only AUTHORISED and BILLED")
    assert await refusal(xero, "PUT", "PurchaseOrders", body) == "Order number must be unique"
    (edited,) = await xero.got("POST", "PurchaseOrders", {**body, "AttentionTo": "Someone else"})
    assert edited["PurchaseOrderID"] == made["PurchaseOrderID"]
    for status in ("AUTHORISED", "BILLED", "DELETED"):
        (at,) = await xero.got("POST", f"PurchaseOrders/{made['PurchaseOrderID']}", {"Status": status})
        assert at["Status"] == status
    said = await refusal(xero, "POST", "PurchaseOrders", body)
    assert said == "PurchaseOrder status change is invalid / Deleted PurchaseOrders cannot be updated"
    (again,) = await xero.got("PUT", "PurchaseOrders", body)
    assert again["PurchaseOrderID"] != made["PurchaseOrderID"]


async def test_a_billed_order_can_be_fixed_by_a_doubt(xero: Client) -> None:
    line = {"Description": "Desk", "UnitAmount": 1, "AccountCode": "400"}
    body = {"Contact": {"ContactID": await contact_id(xero)}, "LineItems": [line], "Status": "BILLED"}
    (made,) = await xero.got("PUT", "PurchaseOrders", body)
    assert (await xero.ask("POST", "/__sim/doubts", {"billed_order": "fixed"}))[0] == 200
    path = f"PurchaseOrders/{made['PurchaseOrderID']}"
    assert await refusal(xero, "POST", path, {"Status": "DELETED"}) == "PurchaseOrder status change is invalid"
    assert (await xero.ask("POST", "/__sim/doubts", {"billed_order": "perhaps"}))[0] == 400


async def test_quotes_go_from_draft_to_invoiced_in_their_own_spelling(xero: Client) -> None:
    line = {"Description": "Idea", "Quantity": 1, "UnitAmount": 19.95, "AccountCode": "200", "DiscountRate": 10}
    body = {"Contact": {"ContactID": await contact_id(xero)}, "LineItems": [line], "Date": DAY, "QuoteNumber": "QU-X"}
    (made,) = await xero.got("PUT", "Quotes", body)
    assert (made["LineAmountTypes"], made["SubTotal"], made["TotalDiscount"]) == ("EXCLUSIVE", 17.96, 1.99)
    assert made["Date"] == "/Date(1791158400000)/"  # quotes carry no zone
    assert "must be unique" in await refusal(xero, "PUT", "Quotes", body)
    path = f"Quotes/{made['QuoteID']}"
    assert "status change is invalid" in await refusal(xero, "POST", path, {"Status": "INVOICED"})
    for status in ("SENT", "ACCEPTED", "INVOICED", "DELETED"):
        (at,) = await xero.got("POST", path, {"Status": status})
        assert at["Status"] == status
    _, listed = await xero.ask("GET", "Quotes", page="1", QuoteNumber="QU-X")
    assert ("pagination" in listed, len(listed["Quotes"])) == (False, 1)


async def test_a_journal_must_balance_and_keeps_off_bank_and_debtors(xero: Client) -> None:
    def journal(*lines: tuple[float, str], **more: Any) -> dict[str, Any]:
        return {"Narration": "Accrual", "Date": DAY, **more,
                "JournalLines": [{"LineAmount": amount, "AccountCode": code} for amount, code in lines]}  # fmt: skip

    said = await refusal(xero, "PUT", "ManualJournals", journal((100, "400"), (-10, "404")))
    assert said == "The total debits (100.00) must equal total credits (-10.00)"
    assert "'610' is not a valid code" in await refusal(xero, "PUT", "ManualJournals", journal((5, "610"), (-5, "400")))
    (made,) = await xero.got("PUT", "ManualJournals", journal((5, "400"), (-5, "404"), Url="https://example.org/1"))
    assert (made["Status"], made["LineAmountTypes"], made["JournalLines"][0]["TaxType"]) == ("DRAFT", "NoTax", "NONE")
    path = f"ManualJournals/{made['ManualJournalID']}"
    await xero.got("POST", path, {"Status": "POSTED"})
    assert "not of valid status" in await refusal(xero, "POST", path, {"Status": "DELETED"})
    (ended,) = await xero.got("POST", path, {"Status": "VOIDED"})
    assert ended["Status"] == "VOIDED"
    assert not (await xero.got("GET", "ManualJournals"))[0]["JournalLines"]
    assert (await xero.got("GET", "ManualJournals", page="1"))[0]["JournalLines"]


async def test_tracking_has_two_active_categories_and_options_that_lines_must_name(xero: Client) -> None:
    (region,) = await xero.got("GET", "TrackingCategories")
    assert {option["Name"] for option in region["Options"]} == {"Eastside", "North", "South", "West Coast"}
    (team,) = await xero.got("PUT", "TrackingCategories", {"Name": "Team"})
    assert "at most 2" in await refusal(xero, "PUT", "TrackingCategories", {"Name": "Third"})
    status, made = await xero.ask("PUT", f"TrackingCategories/{team['TrackingCategoryID']}/Options", {"Name": "Red"})
    option = made["Options"][0]
    assert (status, option["IsActive"]) == (200, True)
    tracked = {
        "Description": "x",
        "UnitAmount": 1,
        "AccountCode": "200",
        "Tracking": [{"Name": "Team", "Option": "red"}],
    }
    (made,) = await xero.got("PUT", "Invoices", invoice(await contact_id(xero), LineItems=[tracked]))
    assert made["LineItems"][0]["Tracking"][0]["TrackingOptionID"] == option["TrackingOptionID"]
    path = f"{API}/TrackingCategories/{team['TrackingCategoryID']}/Options/{option['TrackingOptionID']}"
    status, gone = await xero.ask("DELETE", path)
    assert (status, gone["Options"][0]["IsDeleted"]) == (200, True)
    said = await refusal(xero, "PUT", "Invoices", invoice(await contact_id(xero), LineItems=[tracked]))
    assert "tracking option" in said


async def test_currencies_are_added_and_themes_only_shown(xero: Client) -> None:
    assert {one["Code"] for one in await xero.got("GET", "Currencies")} == {"GBP", "EUR", "USD"}
    assert "NZD" in await refusal(xero, "PUT", "Invoices", invoice(await contact_id(xero), CurrencyCode="NZD"))
    (made,) = await xero.got("PUT", "Currencies", {"Code": "NZD"})
    assert made == {"Code": "NZD", "Description": "New Zealand Dollar"}
    await xero.got("PUT", "Invoices", invoice(await contact_id(xero), CurrencyCode="NZD"))
    (theme,) = await xero.got("GET", "BrandingThemes")
    assert theme["Name"] == "Standard"
    assert (await xero.ask("PUT", "BrandingThemes", {"Name": "x"}))[0] == 501


async def test_tracked_stock_moves_through_approved_documents_at_its_average_cost(xero: Client) -> None:
    buy = {"UnitPrice": 10, "COGSAccountCode": "310"}
    item = {"Code": "BOLT", "InventoryAssetAccountCode": "630", "PurchaseDetails": buy,
            "SalesDetails": {"UnitPrice": 20, "AccountCode": "200"}}  # fmt: skip
    (made,) = await xero.got("PUT", "Items", item)
    assert (made["IsTrackedAsInventory"], made["QuantityOnHand"]) == (True, 0.0)
    for quantity, price in ((10, 10), (10, 20)):
        line = {"ItemCode": "BOLT", "Description": "in", "Quantity": quantity, "UnitAmount": price, "TaxType": "NONE"}
        await approved(xero, Type="ACCPAY", LineItems=[line])
    sale = {"ItemCode": "BOLT", "Description": "out", "Quantity": 4}
    sold = await approved(xero, LineItems=[sale])
    (stock,) = await xero.got("GET", "Items/BOLT")
    assert (stock["QuantityOnHand"], stock["TotalCostPool"]) == (16.0, 240.0)
    too_many = invoice(await contact_id(xero), Status="AUTHORISED", LineItems=[{**sale, "Quantity": 17}])
    assert "quantity on hand" in await refusal(xero, "PUT", "Invoices", too_many)
    await xero.got("POST", f"Invoices/{sold['InvoiceID']}", {"Status": "VOIDED"})
    assert (await xero.got("GET", "Items/BOLT"))[0]["QuantityOnHand"] == 20.0
    status, _ = await xero.ask("DELETE", f"{API}/Items/{made['ItemID']}")
    assert status == 400


async def test_files_and_notes_stand_below_a_document_and_do_not_move_its_time(xero: Client) -> None:
    made = await approved(xero)
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 5})
    base = f"{API}/Invoices/{made['InvoiceID']}"
    status, noted = await xero.ask("PUT", f"{base}/History", {"HistoryRecords": [{"Details": "Hello"}]})
    assert (status, noted["HistoryRecords"][0]["Details"]) == (200, "Hello")
    headers = {"Authorization": f"Bearer {xero.token}", "Accept": "application/json", "Content-Type": "text/plain"}
    async with xero.http.put(f"{xero.base}{base}/Attachments/a.txt", data=b"12345", headers=headers) as answer:
        assert answer.status == 200
    _, files = await xero.ask("GET", f"{base}/Attachments")
    assert [(one["FileName"], one["ContentLength"], one["MimeType"]) for one in files["Attachments"]] == [
        ("a.txt", 5, "text/plain")
    ]
    async with xero.http.get(f"{xero.base}{base}/Attachments/a.txt", headers=headers) as answer:
        assert await answer.read() == b"12345"
    (after,) = await xero.got("GET", f"Invoices/{made['InvoiceID']}")
    assert (after["HasAttachments"], after["UpdatedDateUTC"]) == (True, made["UpdatedDateUTC"])
    assert (await xero.ask("GET", f"{API}/Currencies/GBP/History"))[0] in (404, 501)


async def test_an_allocation_that_is_taken_away_may_be_silent(xero: Client) -> None:
    owed, note = await approved(xero), await credit(xero)
    address = f"CreditNotes/{note['CreditNoteID']}"
    part = await allocate(xero, address, owed["InvoiceID"], 5)
    (before,) = await xero.got("GET", address)
    await xero.ask("POST", "/__sim/doubts", {"allocation_deleted": "silent"})
    await xero.ask("POST", "/__sim/clock", {"advance_seconds": 5})
    await xero.ask("DELETE", f"{API}/{address}/Allocations/{part['AllocationID']}")
    (after,) = await xero.got("GET", address)
    assert (after["RemainingCredit"], after["UpdatedDateUTC"]) == (50.0, before["UpdatedDateUTC"])


@pytest.mark.parametrize("word", ["kept", "undone"])
async def test_a_summarised_batch_keeps_its_good_elements_unless_that_is_doubted(xero: Client, word: str) -> None:
    await xero.ask("POST", "/__sim/doubts", {"summarised_batch": word})
    contact = await contact_id(xero)
    bad = invoice(contact, Type="ACCREC", CurrencyCode="JPY")
    status, _ = await xero.ask("PUT", "Invoices", {"Invoices": [invoice(contact), bad]})
    assert (status, len(await xero.got("GET", "Invoices"))) == (400, 1 if word == "kept" else 0)


async def test_no_change_may_be_a_304_and_a_wide_question_may_be_refused(xero: Client) -> None:
    later = {"If-Modified-Since": "2099-01-01T00:00:00"}
    assert (await xero.ask("GET", "CreditNotes", headers=later))[1]["CreditNotes"] == []
    await xero.ask("POST", "/__sim/doubts", {"not_modified": "304", "high_volume": 3})
    assert (await xero.ask("GET", "CreditNotes", headers=later))[0] == 304
    status, said = await xero.ask("GET", "Contacts")
    assert (status, "not filtering Contacts efficiently" in said["Message"]) == (400, True)
    assert len(await xero.got("GET", "Contacts", page="1")) == 6


@pytest.mark.parametrize(
    ("edition", "currency", "tax", "total_tax"),
    [("UK", "GBP", "OUTPUT2", 5.13), ("AU", "AUD", "OUTPUT", 2.56), ("NZ", "NZD", "OUTPUT2", 3.84),
     ("US", "USD", "OUTPUT", 2.24)],
)  # fmt: skip
async def test_every_edition_taxes_in_its_own_way(edition: str, currency: str, tax: str, total_tax: float) -> None:
    made = build(Settings(edition=edition))
    async with running(made) as base, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
        client = Client(base, http)
        await client.sign_in()
        line = {"Description": "x", "Quantity": 1, "UnitAmount": 25.63, "AccountCode": "200"}
        (sold,) = await client.got("PUT", "Invoices", invoice(await contact_id(client), LineItems=[line]))
        assert (sold["CurrencyCode"], sold["LineItems"][0]["TaxType"], sold["TotalTax"]) == (currency, tax, total_tax)
        bill = {"Type": "ACCPAY", "LineItems": [{**line, "AccountCode": "400"}], "Status": "AUTHORISED"}
        (bought,) = await client.got("PUT", "Invoices", invoice(await contact_id(client), **bill))
        assert bought["TotalTax"] == total_tax
        owed = {"Description": "x", "UnitAmount": 5, "AccountCode": "1200" if edition == "US" else "610"}
        body = {"Type": "RECEIVE-OVERPAYMENT", "Contact": {"ContactID": await contact_id(client)},
                "LineItems": [{**owed, "TaxType": "NONE"}], "BankAccount": {"Code": "090"}}  # fmt: skip
        (over,) = await client.got("PUT", "BankTransactions", body)
        assert over["OverpaymentID"]
