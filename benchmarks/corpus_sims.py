"""What the simulators send when they are asked as the product asks: one list of objects per kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from connector.core.party import Answer
from connector.core.values import Value
from connector.http import HttpClient
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.cometd import ALL_KEPT
from connector.salesforce.stream import ChangeStream
from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.org import Settings as Org
from connector.simulators.salesforce.sales_org import CHANNEL
from connector.simulators.serving import running
from connector.simulators.xero import app as xero
from connector.simulators.xero.world import Settings as World
from connector.xero.entities import ENTITIES
from connector.xero.records import json_bytes

Bodies = dict[str, list[Mapping[str, Any]]]
DATA = "/services/data/v62.0"
EVENT_SECONDS = 20


def _parsed(answer: Answer) -> Any:
    return json.loads(answer.body, parse_float=Decimal)


async def xero_bodies() -> Bodies:
    """Lists, pages, single objects, answers to writes and a refusal of the simulated Xero."""
    world = World()
    async with running(xero.build(world)) as base, HttpClient() as http:
        form = {"grant_type": "client_credentials", "client_id": f"{world.client_id}-all",
                "client_secret": world.client_secret}  # fmt: skip
        given = await http.request(
            "POST", f"{base}/connect/token", body=urlencode(form).encode(),
            headers=[("Content-Type", "application/x-www-form-urlencoded")],
        )  # fmt: skip
        token = _parsed(given)
        out: Bodies = {"Token": [token]}
        headers = [("Authorization", f"Bearer {token['access_token']}"), ("Xero-Tenant-Id", world.tenants[0][0]),
                   ("Accept", "application/json"), ("Content-Type", "application/json"),
                   ("User-Agent", "corpus")]  # fmt: skip

        async def ask(method: str, path: str, body: Value = None) -> list[Any]:
            raw = json_bytes(body) if body is not None else b""
            answer = await http.request(method, f"{base}/api.xro/2.0/{path}", headers=headers, body=raw)
            return _xero_note(out, path, _parsed(answer))

        await _xero_work(ask)
    return out


async def _xero_work(ask: Any) -> None:
    [contact] = await ask("PUT", "Contacts", {"Contacts": [{"Name": "Wire Ltd", "EmailAddress": "a@example.com"}]})
    line = {"Description": "Work", "Quantity": Decimal("2"), "UnitAmount": Decimal("12.5"), "AccountCode": "200"}
    draft = {"Type": "ACCREC", "Contact": {"ContactID": contact["ContactID"]}, "LineItems": [line],
             "Date": "2026-01-15", "DueDate": "2026-02-15", "Status": "AUTHORISED", "Reference": "wire"}  # fmt: skip
    [invoice] = await ask("PUT", "Invoices?unitdp=4", {"Invoices": [draft]})
    of, account = {"InvoiceID": invoice["InvoiceID"]}, {"Code": "835"}
    paid = {"Invoice": of, "Account": account, "Amount": Decimal("5"), "Date": "2026-01-20"}
    await ask("PUT", "Payments", {"Payments": [paid]})
    await ask("PUT", "Items", {"Items": [{"Code": "W1", "Name": "Wire", "SalesDetails": {"UnitPrice": Decimal("3")}}]})
    await ask("POST", "Invoices", {"Invoices": [{"InvoiceID": invoice["InvoiceID"], "Status": "DRAFT"}]})
    made = await _other_documents(ask, {"ContactID": contact["ContactID"]}, line, of)
    for about in ENTITIES.values():
        await ask("GET", f"{about.path}?page=1" if "page" in about.takes else about.path)
    for path in (f"Invoices/{invoice['InvoiceID']}", f"Contacts/{contact['ContactID']}", *made):
        await ask("GET", path)


async def _other_documents(ask: Any, contact: Any, line: Any, invoice: Any) -> list[str]:
    """One of each further kind, a credit allocated and refunded among them; gives their addresses."""
    day = {"Date": "2026-01-25"}
    head = {"Contact": contact, "LineItems": [line], **day}
    bank = {"BankAccount": {"Code": "090"}, "Reference": "wire"}
    owed = {**line, "AccountCode": "610", "TaxType": "NONE"}
    bodies = {
        "CreditNotes": [{**head, "Type": "ACCRECCREDIT", "Status": "AUTHORISED", "Reference": "wire"}],
        "BankTransactions": [
            {**head, **bank, "Type": "RECEIVE"}, {**head, **bank, "Type": "RECEIVE-PREPAYMENT"},
            {**head, **bank, "Type": "RECEIVE-OVERPAYMENT", "LineItems": [owed], "LineAmountTypes": "NoTax"},
        ],
        "BankTransfers": [
            {"FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}, "Amount": Decimal(7), **day}
        ],
        "PurchaseOrders": [{**head, "LineItems": [{**line, "AccountCode": "400", "DiscountRate": Decimal("10")}]}],
        "Quotes": [{**head, "ExpiryDate": "2026-02-25", "Title": "Wire"}],
        "ManualJournals": [{"Narration": "wire", "JournalLines": [
            {"LineAmount": Decimal(5), "AccountCode": "400"},
            {"LineAmount": Decimal(-5), "AccountCode": "404"}], **day}],
    }  # fmt: skip
    made = {plural: await ask("PUT", plural, {plural: rows}) for plural, rows in bodies.items()}
    [credit] = made["CreditNotes"]
    part = {"Invoice": invoice, "Amount": Decimal("3"), **day}
    await ask("PUT", f"CreditNotes/{credit['CreditNoteID']}/Allocations", {"Allocations": [part]})
    back = {
        "CreditNote": {"CreditNoteID": credit["CreditNoteID"]},
        "Account": {"Code": "090"},
        "Amount": Decimal("2"),
        **day,
    }
    await ask("PUT", "Payments", {"Payments": [back]})
    ids = {about.plural: about.id_field for about in ENTITIES.values()}
    paths = [f"{plural}/{rows[0][ids[plural]]}" for plural, rows in made.items()]
    _, prepaid, overpaid = made["BankTransactions"]
    return [*paths, f"Prepayments/{prepaid['PrepaymentID']}", f"Overpayments/{overpaid['OverpaymentID']}"]


def _xero_note(out: Bodies, path: str, body: Mapping[str, Any]) -> list[Any]:
    """File the objects of an envelope; gives them."""
    if "Elements" in body:
        out.setdefault("Refusal", []).append(refusal_frame(body))
        return []
    segments = path.partition("?")[0].split("/")
    if len(segments) > 2:  # what stands below an object is filed by its own name
        out.setdefault(segments[2].removesuffix("s"), []).extend(body[segments[2]])
        return []
    about = next(one for one in ENTITIES.values() if segments[0] in (one.plural, one.path))
    rows: list[Any] = body[about.plural]
    out.setdefault("Envelope", []).append({name: value for name, value in body.items() if name != about.plural})
    out.setdefault(about.name, []).extend(rows)
    return rows


def refusal_frame(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A refusal without the object that it echoes: only what it says of it."""
    told = [{"ValidationErrors": one["ValidationErrors"]} for one in body["Elements"] if "ValidationErrors" in one]
    return {**body, "Elements": told}


async def salesforce_bodies() -> Bodies:
    """Token, describe, query, results, errors and events of the simulated Salesforce."""
    org = Org()
    async with running(salesforce.build(org)) as base, HttpClient() as http:
        form = {"grant_type": "client_credentials", "client_id": org.client_id, "client_secret": org.client_secret}
        token = _parsed(await http.request("POST", f"{base}{salesforce.TOKEN_PATH}", body=urlencode(form).encode()))
        headers = [("Authorization", f"Bearer {token['access_token']}"), ("Content-Type", "application/json")]

        async def ask(method: str, path: str, body: object = None) -> Any:
            raw = json.dumps(body).encode() if body is not None else b""
            return _parsed(await http.request(method, f"{base}{DATA}{path}", headers=headers, body=raw))

        credentials = ClientCredentials(http, f"{base}{salesforce.TOKEN_PATH}", org.client_id, org.client_secret)
        return {"token": [token], **await _salesforce_work(ask), "event": await _events(credentials, ask)}


async def _salesforce_work(ask: Any) -> Bodies:
    describe = await ask("GET", "/sobjects/Account/describe")
    rows = [{"attributes": {"type": "Account"}, "Name": "Wire Ltd", "Phone": "1", "AnnualRevenue": 12.5,
             "BillingCity": "Town"}, {"attributes": {"type": "Account"}, "Phone": "2"}]  # fmt: skip
    results = await ask("POST", "/composite/sobjects", {"allOrNone": False, "records": rows})
    errors = await ask("GET", "/query?q=SELECT+Nothing+FROM+Account")
    out: Bodies = {"describe": [describe], "result": results, "error": errors, "page": []}
    for entity in ("Account", "Opportunity"):
        shape = await ask("GET", f"/sobjects/{entity}/describe")
        names = ",".join(one["name"] for one in shape["fields"] if not one["name"].endswith("__c"))
        soql = " ".join(("SELECT", names, "FROM", entity, "LIMIT 5"))
        page = await ask("GET", "/query?" + urlencode({"q": soql}))
        out["page"].append({name: value for name, value in page.items() if name != "records"})
        out[f"row {entity}"] = page["records"]
    return out


async def _events(credentials: ClientCredentials, ask: Any) -> list[Mapping[str, Any]]:
    """Two events: an account made and changed."""
    made = await ask("POST", "/sobjects/Account", {"Name": "Event Ltd", "Phone": "1", "BillingCity": "Town"})
    change = {"attributes": {"type": "Account"}, "id": made["id"], "Phone": "2", "AnnualRevenue": 3}
    await ask("PATCH", "/composite/sobjects", {"allOrNone": False, "records": [change]})
    stream = ChangeStream(credentials, [f"/data/{CHANNEL}"], lambda _channel: ALL_KEPT)
    out: list[Mapping[str, Any]] = []
    async with asyncio.timeout(EVENT_SECONDS):
        async for event in stream:
            data = json.loads(event.payload, parse_float=Decimal)
            if made["id"] in data["payload"]["ChangeEventHeader"]["recordIds"]:
                out.append(data)
            if len(out) == 2:
                break
    await stream.aclose()
    return out
