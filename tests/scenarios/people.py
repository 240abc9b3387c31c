"""What people do in both systems, and what an auditor would look at: the words that scenarios are told in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from connector.cli.signals import Signal, send
from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Link, State
from connector.errors import Unavailable
from tests.integration.kafka_views import announced, cluster, link_of, state_of

ACCOUNTS, INVOICES, BILLS, MIRRORS = (
    "account-contact", "opportunity-to-invoice", "expense-to-bill", "invoice-to-xero-invoice",
)  # fmt: skip


def fresh(word: str) -> str:
    return f"{word} {uuid4().hex[:8]}"


# --- Salesforce ------------------------------------------------------------------------------------------------------


async def customer(scene: Stage, name: str = "", **fields: Any) -> str:
    """A new account that is a customer."""
    known: Json = {"Name": name or fresh("Customer"), "Type": "Customer", **fields}
    return await scene.salesforce.edit("Account", known)


async def linked_customer(scene: Stage, **fields: Any) -> str:
    account = await customer(scene, **fields)
    await clean(scene, ACCOUNTS, account)
    return account


async def record(scene: Stage, entity: str, object_id: str) -> Json:
    """A Salesforce record as its screen shows it."""
    return next(row for row in await scene.salesforce.objects(entity) if row["Id"] == object_id)


async def deal(scene: Stage, prices: tuple[int, ...] = (100, 40), **fields: Any) -> tuple[str, str, list[str]]:
    """An open opportunity of a linked customer with one line for each price: its id, its number, its lines."""
    number = uuid4().hex[:8]
    known: Json = {
        "Name": fresh("Deal"), "AccountId": await linked_customer(scene), "StageName": "Prospecting",
        "CloseDate": "2026-11-20", "Number__c": number, **fields,
    }  # fmt: skip
    opportunity = await scene.salesforce.edit("Opportunity", known)
    return opportunity, number, [await line(scene, opportunity, price) for price in prices]


async def line(scene: Stage, opportunity: str, price: int) -> str:
    entry = (await scene.salesforce.objects("PricebookEntry"))[0]["Id"]
    known: Json = {"PricebookEntryId": entry, "Quantity": Decimal(1), "UnitPrice": Decimal(price)}
    return await scene.salesforce.edit("OpportunityLineItem", {"OpportunityId": opportunity, **known})


async def stage_is(scene: Stage, opportunity: str, name: str) -> None:
    await scene.salesforce.edit("Opportunity", {"StageName": name}, opportunity)


async def won(scene: Stage, opportunity: str) -> None:
    await stage_is(scene, opportunity, "Closed Won")


async def expense(scene: Stage, vendor: str, **fields: Any) -> str:
    known: Json = {
        "Name": fresh("Expense"), "Number__c": uuid4().hex[:8], "Amount__c": Decimal("80.00"), "Date__c": "2026-11-20",
        "Vendor__c": vendor, "Status__c": "Approved", **fields,
    }  # fmt: skip
    return await scene.salesforce.edit("Expense__c", known)


async def delete(scene: Stage, entity: str, object_id: str) -> None:
    await scene.salesforce.call("POST", "/__sim/delete", {"entity": entity, "id": object_id})


async def found(scene: Stage, soql: str) -> int:
    """How many rows a person's report would show."""
    form = {"grant_type": "client_credentials", "client_id": "twinledger", "client_secret": "twinledger-secret"}
    http, base = scene.salesforce.http, scene.salesforce.base
    answer = await http.request("POST", f"{base}/services/oauth2/token", body=urlencode(form).encode())
    access = json.loads(answer.body)["access_token"]
    path = f"/services/data/v62.0/query?q={quote(soql)}"
    rows = await scene.salesforce.call("GET", path, headers=[("Authorization", f"Bearer {access}")])
    return int(rows["totalSize"])


# --- Xero ------------------------------------------------------------------------------------------------------------


async def contacts(scene: Stage, **fields: str) -> list[Json]:
    return [row for row in await scene.xero.objects("Contact") if all(row.get(k) == v for k, v in fields.items())]


async def contact_of(scene: Stage, account: str) -> Json:
    (found,) = await contacts(scene, ContactNumber=account)
    return found


def phone(contact: Json) -> str:
    return str(next((one["PhoneNumber"] for one in contact["Phones"] if one["PhoneType"] == "DEFAULT"), ""))


async def call_in_xero(scene: Stage, contact: str, number: str) -> None:
    """Somebody edits the contact's telephone number in Xero."""
    await scene.xero.edit("Contact", {"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": number}]}, contact)


async def invoices(scene: Stage, number: str) -> list[Json]:
    """The invoices that carry our number, of all generations."""
    rows = await scene.xero.objects("Invoice")
    return [row for row in rows if str(row["InvoiceNumber"]).startswith(f"OPP-{number}")]


async def invoice(scene: Stage, number: str, *, status: str = "AUTHORISED", net: int | None = None) -> Json:
    """Wait for the one invoice of a number in a status, with a net total if one is given."""

    async def there() -> list[Json]:
        rows = [row for row in await invoices(scene, number) if row["Status"] == status]
        return [row for row in rows if net is None or row["SubTotal"] == net]

    (found,) = await until(f"invoice OPP-{number} is {status}{f' over {net}' if net else ''}", there)
    return dict(found)


async def bills(scene: Stage, source: str) -> list[Json]:
    return [row for row in await scene.xero.objects("Invoice") if f"/{source}?tl=" in str(row.get("Url"))]


async def pay(scene: Stage, made: Json, amount: str, **fields: Any) -> None:
    """Somebody enters a payment in Xero."""
    payment = {
        "Invoice": {"InvoiceID": made["InvoiceID"]}, "Account": {"Code": "090"}, "Date": "2026-11-23",
        "Amount": Decimal(amount), **fields,
    }  # fmt: skip
    await scene.xero.call("PUT", "/api.xro/2.0/Payments", payment, await scene.token())


# --- the connector ---------------------------------------------------------------------------------------------------


async def clean(scene: Stage, mapping: str, source: str) -> Link:
    """Wait until the link of a record has nothing left to do."""

    async def rests() -> bool:
        return await state_of(scene, mapping, source) is State.CLEAN

    try:
        await until(f"the {mapping} link of {source} is clean", rests)
    except Unavailable as error:
        raise AssertionError(f"{error}\n{await link_of(scene, mapping, source)}") from error
    link = await link_of(scene, mapping, source)
    assert link is not None
    return link


async def waits_for_a_person(scene: Stage, mapping: str, source: str, code: str) -> Link:
    async def asked() -> Link | None:
        link = await link_of(scene, mapping, source)
        return link if link is not None and link.code == code else None

    found = await until(f"{source} is a review ({code})", asked)
    assert isinstance(found, Link)
    assert found.message
    assert found.remedy
    return found


async def signal(scene: Stage, kind: str, subject: str, **arguments: str) -> None:
    await send(cluster(scene), [Signal(kind, "demo", subject, arguments)])


async def decide(scene: Stage, link: Link, decision: str, value: str = "") -> None:
    """What ``twinledger review decide`` sends."""
    await signal(scene, "link.settle", link.id.key.decode(), decision=decision, value=value)


async def becomes(what: str, look: Callable[[], Awaitable[Any]]) -> Any:
    return await until(what, look)


async def sent(scene: Stage, *about: str) -> int:
    """How many calls the connector has announced; ``about`` are ids of records: only calls that write links of them.
    One that was cut and repeated is one call."""
    keys = [
        [member.link for member in call.members] for call in {one.call: one for one in await announced(scene)}.values()
    ]
    return sum(1 for links in keys if not about or any(one in link for one in about for link in links))


async def some_polls(scene: Stage, path: str = "/api.xro/2.0/Contacts", number: int = 3) -> None:
    """Let the connector look at a list of Xero a few times more."""

    async def polls() -> int:
        return sum(1 for call in await scene.xero.requests() if call["path"] == path and call["method"] == "GET")

    before = await polls()

    async def enough() -> bool:
        return await polls() >= before + number

    await until(f"{path} is polled {number} times", enough)
