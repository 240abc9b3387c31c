"""Composite calls and composite graphs of the simulated org: references, all or none, limits, answers by the facts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.salesforce_org import DATA, Client, an_org

Json = dict[str, Any]


def node(reference: str, url: str, body: Json | None = None, method: str = "POST") -> Json:
    out: Json = {"method": method, "url": f"{DATA}/sobjects/{url}", "referenceId": reference}
    return out if body is None else {**out, "body": body}


def family(name: str, last: str = "Cashman") -> list[Json]:
    """An account and two contacts that name it."""
    return [
        node("account", "Account/", {"Name": name}),
        node("one", "Contact", {"FirstName": "Nellie", "LastName": last, "AccountId": "@{account.id}"}),
        node("two", "Contact", {"LastName": "Bly", "AccountId": "@{account.id}"}),
    ]


async def graphs(client: Client, *parts: list[Json], **more: object) -> Any:
    body = {"graphs": [{"graphId": f"g{number}", "compositeRequest": one} for number, one in enumerate(parts)], **more}
    return await client.data("POST", "/composite/graph", body)


async def count(client: Client, entity: str, where: str) -> int:
    return len(await client.rows(f"SELECT Id FROM {entity} WHERE {where}"))  # noqa: S608


async def test_salesforce_graph_makes_a_family_in_one_call() -> None:
    async with an_org() as client:
        before = client.org.calls.total(client.org.clock.now())
        told = await graphs(client, family("Cloudy"), family("Sunny"))
        assert client.org.calls.total(client.org.clock.now()) - before == 1
        assert [one["isSuccessful"] for one in told["graphs"]] == [True, True]
        first = told["graphs"][0]["graphResponse"]["compositeResponse"]
        assert [(one["referenceId"], one["httpStatusCode"]) for one in first] == [
            ("account", 201), ("one", 201), ("two", 201),
        ]  # fmt: skip
        account = first[0]["body"]["id"]
        assert await count(client, "Contact", f"AccountId = '{account}'") == 2
        keys = [event["header"]["transactionKey"] for event in client.events()[-6:]]
        assert len(set(keys)) == 2, "each graph is a transaction of its own"


async def test_salesforce_graph_is_taken_back_as_a_whole_and_names_the_culprit_alone() -> None:
    async with an_org() as client:
        bad = family("Rainy")
        del bad[1]["body"]["LastName"]
        told = await graphs(client, bad, family("Sunny"))
        assert [one["isSuccessful"] for one in told["graphs"]] == [False, True]
        rows = told["graphs"][0]["graphResponse"]["compositeResponse"]
        assert [(one["httpStatusCode"], one["body"][0]["errorCode"]) for one in rows] == [
            (400, "PROCESSING_HALTED"), (400, "REQUIRED_FIELD_MISSING"), (400, "PROCESSING_HALTED"),
        ]  # fmt: skip
        assert rows[1]["body"][0]["fields"] == ["LastName"]
        assert await count(client, "Account", "Name = 'Rainy'") == 0
        assert await count(client, "Account", "Name = 'Sunny'") == 1


async def test_salesforce_graph_upserts_changes_and_deletes() -> None:
    async with an_org() as client:
        url = "Xero_Invoice__c/Xero_Id__c/inv-1"
        made = await graphs(client, [node("a", url, {"Name": "INV-1"}, "PATCH")])
        body = made["graphs"][0]["graphResponse"]["compositeResponse"][0]["body"]
        assert body["created"] is True
        again = await graphs(client, [
            node("a", url, {"Status__c": "PAID"}, "PATCH"),
            node("b", f"Xero_Invoice__c/{body['id']}", {"Number__c": "1"}, "PATCH"),
            node("c", url, method="GET"),
        ])  # fmt: skip
        told = again["graphs"][0]["graphResponse"]["compositeResponse"]
        assert [one["httpStatusCode"] for one in told] == [200, 204, 200]
        assert (told[0]["body"]["created"], told[1]["body"]) == (False, None)
        assert (told[2]["body"]["Status__c"], told[2]["body"]["Number__c"]) == ("PAID", "1")
        gone = await graphs(client, [node("a", url, method="DELETE"), node("b", url, method="DELETE")])
        assert gone["graphs"][0]["isSuccessful"] is False, "the second finds nothing, so the first is taken back"
        assert await count(client, "Xero_Invoice__c", "Xero_Id__c = 'inv-1'") == 1


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([family(f"n{number}") for number in range(76)], "76 graphs"),
        ([[node(f"r{number}", "Account", {"Name": "x"}) for number in range(501)]], "501 subrequests"),
        ([[node(f"r{number}", "Account", {"Name": "x"}) for number in range(300)]] * 2, "600 nodes"),
        ([[node("same", "Account", {"Name": "x"})] * 2], "Duplicate referenceId"),
        ([[node("a-b", "Account", {"Name": "x"})]], "underscores"),
        ([[{**node("a", "Account", {"Name": "x"}), "allOrNone": True}]], "allOrNone"),
        ([[node("n0", "Account", {"Name": "x"}),
           *[node(f"n{n}", "Account", {"Name": "x", "ParentId": f"@{{n{n - 1}.id}}"}) for n in range(1, 16)]]],
         "deeper than 15"),
        ([[node(f"r{n}", f"Thing{n}__c", {}) for n in range(16)]], "15 different nodes"),
    ],
)  # fmt: skip
async def test_salesforce_graph_limits(parts: list[list[Json]], said: str) -> None:
    async with an_org() as client:
        told = await graphs(client, *parts)
        assert said in told[0]["message"]
        strange = await graphs(client, family("x"), allOrNone=True)
        assert "allOrNone" in strange[0]["message"]


async def test_salesforce_graphs_after_the_fourteenth_failure_are_not_worked_on() -> None:
    async with an_org() as client:
        told = await graphs(client, *[[node("a", "Account", {})] for _ in range(16)], family("Late"))
        codes = [one["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"] for one in told["graphs"]]
        assert codes == ["REQUIRED_FIELD_MISSING"] * 15 + ["PROCESSING_HALTED"] * 2
        assert await count(client, "Account", "Name = 'Late'") == 0


async def test_salesforce_composite_goes_on_or_takes_all_back() -> None:
    async with an_org() as client:
        parts = [
            node("bad", "Account", {}),
            node("below", "Contact", {"LastName": "Bly", "AccountId": "@{bad.id}"}),
            node("good", "Account", {"Name": "Kept"}),
        ]
        told = await client.data("POST", "/composite", {"compositeRequest": parts})
        rows = told["compositeResponse"]
        assert [one["httpStatusCode"] for one in rows] == [400, 400, 201]
        assert rows[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"
        assert "Invalid reference specified" in rows[1]["body"][0]["message"]
        all_of = [parts[2], node("worse", "Account", {})]
        strict = await client.data("POST", "/composite", {"allOrNone": True, "compositeRequest": all_of})
        assert [one["body"][0]["errorCode"] for one in strict["compositeResponse"]] == [
            "PROCESSING_HALTED", "REQUIRED_FIELD_MISSING",
        ]  # fmt: skip
        assert await count(client, "Account", "Name = 'Kept'") == 1
        many = [node(f"r{number}", "Account", {"Name": "x"}) for number in range(26)]
        refused = await client.data("POST", "/composite", {"compositeRequest": many})
        assert "26 subrequests" in refused[0]["message"]
        query = {"method": "GET", "url": f"{DATA}/query?q=SELECT", "referenceId": "q"}
        unknown = await client.data("POST", "/composite", {"compositeRequest": [query]})
        assert unknown["compositeResponse"][0]["body"][0]["errorCode"] == "NOT_SUPPORTED_BY_SIMULATOR"
