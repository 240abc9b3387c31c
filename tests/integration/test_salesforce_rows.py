"""The Salesforce party writes objects with their rows to a simulated org: one call, each object all or none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.core.failure import Kind
from connector.core.party import Applied, NoAnswer, Operation, Rejected, Row, Write
from connector.core.records import ReadPlan
from connector.core.values import Value
from tests.integration.salesforce_org import Client
from tests.integration.test_salesforce_rest import V, a_party, write

INVOICE, LINE = "Xero_Invoice__c", "Xero_Invoice_Line__c"
PLAN = ReadPlan(INVOICE, ("Xero_Id__c", "Name"), {"Lines__r": ("Id", "Xero_Id__c", "Quantity__c")})


def row(key: str, quantity: Value = None, target: str | None = None, *, gone: bool = False) -> Row:
    fields = None if gone else {"Quantity__c": quantity}
    return Row(LINE, "Invoice__c", ("Xero_Id__c", key), target, fields)


def create(number: int, *rows: Row) -> Write:
    fields = {"Name": f"INV-{number}", "Xero_Id__c": f"i{number}"}
    return Write(f"w{number}", INVOICE, Operation.CREATE, None, fields, ("Xero_Id__c", f"i{number}"), rows)


async def lines(client: Client) -> dict[str, Decimal]:
    rows = await client.rows(f"SELECT Xero_Id__c, Quantity__c FROM {LINE}")  # noqa: S608
    return {one["Xero_Id__c"]: one["Quantity__c"] for one in rows}


async def test_salesforce_party_makes_changes_and_takes_away_rows() -> None:
    async with a_party() as (party, client):
        made, second = await write(party, create(1, row("a", Decimal(1)), row("b", Decimal(2))), create(2))
        assert isinstance(made, Applied)
        assert isinstance(second, Applied)
        (seen,) = (await party.read(PLAN, [made.target], V)).records
        found = seen.fields["Lines__r"]
        assert isinstance(found, list)
        ids = {one["Xero_Id__c"]: one["Id"] for one in found}
        change = Write("w1", INVOICE, Operation.UPDATE, made.target, {"Name": "New"}, None, (
            row("a", gone=True, target=ids["a"]), row("b", Decimal(5), ids["b"]), row("c", Decimal(3)),
        ))  # fmt: skip
        assert await write(party, change) == (Applied("w1", made.target),)
        assert await lines(client) == {"b": 5, "c": 3}
        assert [one["Name"] for one in await client.rows(f"SELECT Name FROM {INVOICE} WHERE Xero_Id__c = 'i1'")] == [  # noqa: S608
            "New"
        ]


async def test_salesforce_party_leaves_nothing_of_an_object_whose_row_is_refused() -> None:
    async with a_party() as (party, client):
        bad = row("b", "many")
        refused, good = await write(party, create(1, row("a", Decimal(1)), bad), create(2, row("c", Decimal(1))))
        assert isinstance(refused, Rejected)
        assert refused.failure.kind is Kind.FIX
        assert f"{LINE} b: " in refused.failure.message
        assert isinstance(good, Applied)
        assert await lines(client) == {"c": 1}
        assert len(await client.rows(f"SELECT Id FROM {INVOICE}")) == 1  # noqa: S608


async def test_salesforce_party_repeats_a_graph_without_making_anything_twice() -> None:
    async with a_party() as (party, client):
        writes = [create(1, row("a", Decimal(1)), row("b", Decimal(2)))]
        request = party.prepare(writes, "key")
        await client.sim("/faults", {
            "kind": "cut-after-commit", "match": {"method": "POST", "path": request.path}, "count": 1, "options": {},
        })  # fmt: skip
        with pytest.raises(NoAnswer):
            await party.send(request, seconds=20)
        (done,) = party.outcomes(writes, await party.send(request, seconds=20))
        assert isinstance(done, Applied)
        assert await lines(client) == {"a": 1, "b": 2}
        assert len(await client.rows(f"SELECT Id FROM {INVOICE}")) == 1  # noqa: S608


async def test_salesforce_party_fills_a_call_and_no_more() -> None:
    async with a_party() as (party, client):
        writes = [create(n, *(row(f"{n}-{m}", Decimal(1)) for m in range(199))) for n in range(4)]
        assert party.room(writes) == 2
        before = party.calls
        assert all(isinstance(one, Applied) for one in await write(party, *writes[:2]))
        assert party.calls == before + 1
        assert len(await lines(client)) == 398
