# ruff: noqa: S608  (SOQL of a test, from ids that the simulator made)
"""The simulator's REST API over loopback: the platform's answers, refusals and rules."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from connector.core.party import NoAnswer
from connector.simulators.salesforce import Settings
from tests.integration.salesforce_org import DATA, Client, an_org, told


async def a_deal(client: Client, lines: int = 2) -> tuple[str, list[str]]:
    account = await client.create("Account", Name="Acme")
    deal = await client.create(
        "Opportunity", Name="Deal", AccountId=account, StageName="Prospecting", CloseDate="2026-11-30"
    )
    entries = await client.rows("SELECT Id FROM PricebookEntry ORDER BY UnitPrice DESC")
    records = [
        {"attributes": {"type": "OpportunityLineItem"}, "OpportunityId": deal, "PricebookEntryId": entry["Id"],
         "Quantity": 3, "UnitPrice": "99.95", "Discount": 10}
        for entry in entries[:lines]
    ]  # fmt: skip
    results = await client.data("POST", "/composite/sobjects", {"records": records})
    return deal, [one["id"] for one in results]


async def test_salesforce_signing_in_and_being_refused() -> None:
    async with an_org() as client:
        good = client.token
        client.token = "wrong"
        answer = await client.call("GET", f"{DATA}/limits")
        assert (answer.status, told(answer)[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
        client.token = good
        answer = await client.call("GET", f"{DATA}/limits")
        assert answer.headers["sforce-limit-info"].startswith("api-usage=1/")
        form = b"grant_type=client_credentials&client_id=twinledger&client_secret=nope"
        refused = await client.http.request("POST", f"{client.base}/services/oauth2/token", body=form)
        assert (refused.status, told(refused)["error"]) == (400, "invalid_client")


async def test_salesforce_lines_price_themselves_and_roll_up() -> None:
    async with an_org() as client:
        deal, lines = await a_deal(client)
        row = (await client.rows(f"SELECT Amount, HasOpportunityLineItem, IsWon FROM Opportunity WHERE Id = '{deal}'"))[
            0
        ]
        assert (row["Amount"], row["HasOpportunityLineItem"], row["IsWon"]) == (Decimal("539.74"), True, False)
        await client.data("PATCH", f"/sobjects/Opportunity/{deal}", {"StageName": "Closed Won", "Amount": 1})
        await client.data("DELETE", f"/sobjects/OpportunityLineItem/{lines[0]}")
        row = (await client.rows(f"SELECT Amount, IsWon, IsClosed FROM Opportunity WHERE Id = '{deal}'"))[0]
        assert (row["Amount"], row["IsWon"], row["IsClosed"]) == (Decimal("269.87"), True, True)
        assert await client.rows(f"SELECT Id FROM OpportunityLineItem WHERE Id = '{lines[0]}'", "/queryAll") == []


async def test_salesforce_deleting_cascades_and_tells() -> None:
    async with an_org() as client:
        deal, _ = await a_deal(client)
        answer = await client.call("DELETE", f"{DATA}/sobjects/Opportunity/{deal}")
        assert answer.status == 204
        gone = [e["header"] for e in client.events() if e["header"]["changeType"] == "DELETE"]
        assert [(one["entityName"], len(one["recordIds"])) for one in gone] == [
            ("OpportunityLineItem", 2),
            ("Opportunity", 1),
        ]
        assert gone[0]["transactionKey"] == gone[1]["transactionKey"]
        again = await client.data("DELETE", f"/sobjects/Opportunity/{deal}")
        assert again[0]["errorCode"] == "ENTITY_IS_DELETED"
        deleted = await client.rows(f"SELECT IsDeleted FROM Opportunity WHERE Id = '{deal}'", "/queryAll")
        assert deleted[0]["IsDeleted"] is True


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({}, "REQUIRED_FIELD_MISSING", ["Name"]),
        ({"Name": "x" * 256}, "STRING_TOO_LONG", ["Name"]),
        ({"Name": "A", "Nope": 1}, "INVALID_FIELD", []),
        ({"Name": "A", "CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ({"Name": "A", "Email__c": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Email__c"]),
        ({"Name": "A", "ParentId": "abc"}, "MALFORMED_ID", ["ParentId"]),
        ({"Name": "A", "ParentId": "001000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["ParentId"]),
        ({"Name": "A", "Terms__c": 10000}, "NUMBER_OUTSIDE_VALID_RANGE", ["Terms__c"]),
        ({"Name": "A", "Terms__c": "many"}, "JSON_PARSER_ERROR", []),
    ],
)
async def test_salesforce_bad_rows_are_refused(fields: dict[str, Any], code: str, named: list[str]) -> None:
    async with an_org() as client:
        answer = await client.call("POST", f"{DATA}/sobjects/Account", fields)
        assert answer.status == 400
        assert (told(answer)[0]["errorCode"], told(answer)[0]["fields"]) == (code, named)


async def test_salesforce_restricted_picklists_and_unique_keys() -> None:
    async with an_org() as client:
        wrong = await client.data("POST", "/sobjects/Expense__c", {"Status__c": "Lost"})
        assert wrong[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        await client.create("Account", Name="A", Xero_Contact_Id__c="ABC")
        twin = await client.data("POST", "/sobjects/Account", {"Name": "B", "Xero_Contact_Id__c": "abc"})
        assert twin[0]["errorCode"] == "DUPLICATE_VALUE"


async def test_salesforce_upsert_by_external_id() -> None:
    async with an_org() as client:
        path = f"{DATA}/sobjects/Account/Xero_Contact_Id__c/k-1"
        first = await client.call("PATCH", path, {"Name": "A"})
        second = await client.call("PATCH", path, {"Phone": "2"})
        assert (first.status, told(first)["created"], second.status, told(second)["created"]) == (201, True, 200, False)
        missing = await client.call("PATCH", f"{DATA}/sobjects/Account/Xero_Contact_Id__c/k-2", {}, updateOnly="true")
        assert missing.status == 404


async def test_salesforce_collections_judge_each_row() -> None:
    async with an_org() as client:
        kind = {"attributes": {"type": "Account"}}
        rows = [{**kind, "Name": "A"}, {**kind}, {**kind, "Name": "C"}]
        results = await client.data("POST", "/composite/sobjects", {"records": rows})
        assert [one["success"] for one in results] == [True, False, True]
        assert results[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
        strict = await client.data("POST", "/composite/sobjects", {"allOrNone": True, "records": rows})
        assert strict[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        assert len(await client.rows("SELECT Id FROM Account")) == 2
        many = await client.call("POST", f"{DATA}/composite/sobjects", {"records": rows * 67})
        assert (many.status, told(many)[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
        mistyped = [rows[0], {**kind, "Name": "D", "Terms__c": {}}]
        typed = await client.call("POST", f"{DATA}/composite/sobjects", {"records": mistyped})
        assert (typed.status, told(typed)[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
        assert len(await client.rows("SELECT Id FROM Account")) == 2


async def test_salesforce_collections_upsert_names_twins_in_one_call() -> None:
    async with an_org() as client:
        rows = [{"attributes": {"type": "Xero_Account__c"}, "Xero_Id__c": key, "Name": key} for key in ("a", "b", "B")]
        path = "/composite/sobjects/Xero_Account__c/Xero_Id__c"
        results = await client.data("PATCH", path, {"records": rows})
        assert [one["success"] for one in results] == [True, False, False]
        again = await client.data("PATCH", path, {"records": rows[:1]})
        assert again == [{"id": results[0]["id"], "success": True, "errors": [], "created": False}]


async def test_salesforce_long_answers_come_in_pages() -> None:
    async with an_org(Settings(query_page=200, child_page=2)) as client:
        for start in range(0, 400, 200):
            rows = [{"attributes": {"type": "Account"}, "Name": f"A{start + n:03d}"} for n in range(200)]
            await client.data("POST", "/composite/sobjects", {"records": rows})
        page = await client.data("GET", "/query", q="SELECT Name FROM Account ORDER BY Name")
        assert (page["totalSize"], page["done"], len(page["records"])) == (400, False, 200)
        rest = told(await client.call("GET", page["nextRecordsUrl"]))
        assert (rest["done"], rest["records"][0]["Name"], len(rest["records"])) == (True, "A200", 200)
        deal, _ = await a_deal(client, 3)
        parent = (
            await client.rows(f"SELECT Id, (SELECT Id FROM OpportunityLineItems) FROM Opportunity WHERE Id='{deal}'")
        )[0]
        children = parent["OpportunityLineItems"]
        assert (children["done"], len(children["records"])) == (False, 2)
        assert len(told(await client.call("GET", children["nextRecordsUrl"]))["records"]) == 1


async def test_salesforce_events_of_a_persons_edit_and_of_ours() -> None:
    async with an_org() as client:
        client.origin = "Twinledger"
        account = await client.create("Account", Name="A", Phone="1", BillingCity="Leeds", Description="x" * 2000)
        fields = {"Phone": None, "BillingCity": "York", "Description": "y" + "x" * 2000}
        await client.sim("/edit", {"entity": "Account", "id": account, "fields": fields})
        made, edited = client.events()
        assert made["header"]["changeOrigin"] == "com/salesforce/api/rest/62.0;client=Twinledger"
        assert (made["body"]["BillingAddress"], made["header"]["changedFields"]) == ({"City": "Leeds"}, [])
        assert "client=SfdcInternalAPI" in edited["header"]["changeOrigin"]
        assert edited["header"]["changedFields"] == ["BillingAddress.City", "Phone", "Description", "LastModifiedDate"]
        assert edited["body"]["Phone"] is None
        assert edited["body"]["BillingAddress"] == {"City": "York"}
        assert edited["body"]["Description"]["diff"].startswith("--- \n+++ ")
        writes = await client.sim("/writes")
        assert [(one["operation"], one["origin"]) for one in writes] == [("create", "api"), ("update", "ui")]


async def test_salesforce_the_same_change_of_several_is_one_event() -> None:
    async with an_org() as client:
        ids = [await client.create("Account", Name=f"A{n}") for n in range(3)]
        await client.sim("/edit-many", {"entity": "Account", "ids": ids, "fields": {"Industry": "Retail"}})
        assert client.events()[-1]["header"]["recordIds"] == ids


async def test_salesforce_replication_calls() -> None:
    async with an_org() as client:
        account = await client.create("Account", Name="A")
        now = client.org.clock.now()
        client.org.clock.advance(180)
        span = {"start": now.isoformat(timespec="seconds"), "end": client.org.clock.now().isoformat(timespec="seconds")}
        updated = await client.data("GET", "/sobjects/Account/updated/", **span)
        assert updated["ids"] == [account]
        await client.data("DELETE", f"/sobjects/Account/{account}")
        client.org.clock.advance(180)
        span["end"] = client.org.clock.now().isoformat(timespec="seconds")
        deleted = await client.data("GET", "/sobjects/Account/deleted/", **span)
        assert [one["id"] for one in deleted["deletedRecords"]] == [account]
        span["start"] = "2020-01-01T00:00:00+00:00"
        assert (await client.data("GET", "/sobjects/Account/updated/", **span))[0][
            "errorCode"
        ] == "INVALID_REPLICATION_DATE"


async def test_salesforce_describe_shows_what_the_user_may_see() -> None:
    async with an_org() as client:
        shown = await client.data("GET", "/sobjects/Account/describe")
        fields = {one["name"]: one for one in shown["fields"]}
        key = fields["Xero_Contact_Id__c"]
        assert (key["externalId"], key["unique"], key["length"], key["type"]) == (True, True, 36, "string")
        assert (fields["Xero_Balance__c"]["precision"], fields["Xero_Balance__c"]["scale"]) == (16, 2)
        assert "Opportunities" in [one["relationshipName"] for one in shown["childRelationships"]]
        await client.sim("/permissions", {"hide": ["Account.Phone", "Expense__c"]})
        hidden = await client.data("GET", "/sobjects/Account/describe")
        assert "Phone" not in [one["name"] for one in hidden["fields"]]
        assert (await client.data("GET", "/query", q="SELECT Phone FROM Account"))[0]["errorCode"] == "INVALID_FIELD"
        assert (await client.data("GET", "/sobjects/Expense__c/describe"))[0]["errorCode"] == "NOT_FOUND"
        everything = await client.data("GET", "/sobjects")
        assert "Expense__c" not in [one["name"] for one in everything["sobjects"]]


async def test_salesforce_half_a_batch_and_a_lost_answer() -> None:
    async with an_org() as client:
        rows = [{"attributes": {"type": "Account"}, "Name": f"A{n}"} for n in range(4)]
        await client.sim("/faults", {"kind": "half-batch", "match": {"path": f"{DATA}/composite"}})
        with pytest.raises(NoAnswer):
            await client.call("POST", f"{DATA}/composite/sobjects", {"records": rows})
        assert len(await client.rows("SELECT Id FROM Account")) == 2
        await client.sim("/faults", {"kind": "status", "options": {"status": 403}})
        answer = await client.call("GET", f"{DATA}/limits")
        assert (answer.status, told(answer)[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
        await client.sim("/faults", {"kind": "token-revoked"})
        assert (await client.call("GET", f"{DATA}/limits")).status == 401


async def test_salesforce_limits_of_the_day_and_of_the_uri() -> None:
    async with an_org(Settings(api_limit=2)) as client:
        long = await client.call("GET", f"{DATA}/query", q="SELECT Id FROM Account WHERE Name = '" + "x" * 17_000 + "'")
        assert long.status == 414
        for _ in range(2):
            assert (await client.call("GET", f"{DATA}/limits")).status == 200
        over = await client.call("GET", f"{DATA}/limits")
        assert (over.status, told(over)[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
        client.org.clock.advance(25 * 3600)
        assert (await client.call("GET", f"{DATA}/limits")).status == 200


async def test_salesforce_what_is_not_supported_says_so() -> None:
    async with an_org() as client:
        answer = await client.call("POST", f"{DATA}/jobs/query", {})
        assert (answer.status, json.loads(answer.body)[0]["errorCode"]) == (501, "NOT_SUPPORTED_BY_SIMULATOR")
