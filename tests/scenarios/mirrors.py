"""Invoices and bills that people make in Xero, and what Salesforce shows of them."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from connector.cli.stage import Json, Stage
from connector.core.values import Value
from tests.scenarios.people import contact_of, linked_customer

LINES, SETTLED = "Xero_Invoice_Line__c", "Xero_Invoice_Payment__c"


def line(text: str, amount: int, **more: object) -> Json:
    return {"Description": text, "Quantity": Decimal(1), "UnitAmount": Decimal(amount), "AccountCode": "200", **more}


async def invoiced(scene: Stage, *lines: Json, contact: str = "", **fields: Value) -> tuple[str, Json]:
    """A person makes an invoice in Xero: its id, and how Xero shows it."""
    contact = contact or (await contact_of(scene, await linked_customer(scene)))["ContactID"]
    made = await scene.xero.edit("Invoice", {
        "Type": "ACCREC", "Contact": {"ContactID": contact}, "InvoiceNumber": f"HAND-{uuid4().hex[:8]}",
        "Date": "2026-11-20", "DueDate": "2026-12-20", "LineItems": list(lines), **fields,
    })  # fmt: skip
    return made, await shown(scene, made)


async def shown(scene: Stage, invoice: str) -> Json:
    return next(row for row in await scene.xero.objects("Invoice") if row["InvoiceID"] == invoice)


async def mirror(scene: Stage, invoice: str) -> Json | None:
    """What stands in Salesforce for an invoice."""
    found = [row for row in await scene.salesforce.objects("Xero_Invoice__c") if row["Xero_Id__c"] == invoice]
    found = [row for row in found if not row["IsDeleted"]]
    assert len(found) <= 1, "one invoice has one mirror"
    return found[0] if found else None


async def rows(scene: Stage, invoice: str, entity: str = LINES) -> dict[str, Json]:
    """The rows in Salesforce of an invoice, by their mark."""
    parent = await mirror(scene, invoice)
    return {
        str(row["Xero_Id__c"] or row["Id"]): row
        for row in (await scene.salesforce.objects(entity) if parent else ())
        if parent and row["Invoice__c"] == parent["Id"] and not row["IsDeleted"]
    }
