"""simple-salesforce, a public client that is not ours, does a day's work on the simulated org."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from tests.integration.salesforce_org import Client, an_org


class Plain(HTTPAdapter):
    """It speaks https only; the simulator listens without on the loopback."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


@dataclass
class Stranger:
    """The client, called from a thread of its own as its users call it."""

    api: Any
    client: Client

    async def do(self, call: Any, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(call, *arguments, **named)


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    async with an_org() as client:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", Plain())
            api = Salesforce(
                instance=client.base.removeprefix("http://"), session_id=client.token, version="62.0", session=session,
            )  # fmt: skip
            yield Stranger(api, client)


async def test_salesforce_stranger_queries_relationships_both_ways(stranger: Stranger) -> None:
    api = stranger.api
    account = (await stranger.do(api.Account.create, {"Name": "Acme"}))["id"]
    await stranger.do(api.Contact.create, {"LastName": "Doe", "AccountId": account})
    up = await stranger.do(api.query, "SELECT LastName, Account.Name FROM Contact WHERE Account.Name = 'Acme'")
    assert [(row["LastName"], row["Account"]["Name"]) for row in up["records"]] == [("Doe", "Acme")]
    down = await stranger.do(api.query, "SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Name = 'Acme'")
    assert [row["LastName"] for row in down["records"][0]["Contacts"]["records"]] == ["Doe"]


async def test_salesforce_stranger_reads_page_after_page(stranger: Stranger) -> None:
    api = stranger.api
    await stranger.client.sim("/settings", {"query_page": 200})
    rows = [{"Name": f"A{number:03}"} for number in range(450)]
    await stranger.do(api.bulk2.Account.insert, records=rows, wait=0.1)
    first = await stranger.do(api.query, "SELECT Name FROM Account ORDER BY Name")
    assert (first["done"], first["totalSize"], len(first["records"])) == (False, 450, 200)
    whole = await stranger.do(api.query_all, "SELECT Name FROM Account ORDER BY Name")
    assert [row["Name"] for row in whole["records"]] == [row["Name"] for row in rows]


async def test_salesforce_stranger_upserts_by_external_id(stranger: Stranger) -> None:
    api = stranger.api
    upsert, key = api.Account.upsert, "Xero_Contact_Id__c/key-1"
    assert await stranger.do(upsert, key, {"Name": "Acme"}) == 201
    assert await stranger.do(upsert, key, {"Name": "Acme Ltd", "Phone": "1"}) == 200
    found = await stranger.do(api.Account.get_by_custom_id, "Xero_Contact_Id__c", "key-1")
    assert (found["Name"], found["Phone"]) == ("Acme Ltd", "1")
    assert await stranger.do(api.Account.update, found["Id"], {"Phone": None}) == 204
    origins = {event["header"]["changeOrigin"] for event in stranger.client.events()}
    assert origins == {"com/salesforce/api/rest/62.0"}  # it does not say who it is
    assert await stranger.do(api.Account.delete, found["Id"]) == 204
    now = datetime.now(UTC)
    gone = await stranger.do(api.Account.deleted, now - timedelta(days=1), now + timedelta(minutes=2))
    assert [row["id"] for row in gone["deletedRecords"]] == [found["Id"]]
    again = await stranger.do(api.query_all, "SELECT Id, IsDeleted FROM Account", include_deleted=True)
    assert [(row["Id"], row["IsDeleted"]) for row in again["records"]] == [(found["Id"], True)]


async def test_salesforce_stranger_loads_in_bulk_and_reads_the_results(stranger: Stranger) -> None:
    api, load = stranger.api, stranger.api.bulk2.Xero_Account__c
    rows = [
        {"Xero_Id__c": f"k{n}", "Name": f'Account {n}, "quoted"\nsecond line', "Code__c": str(n)} for n in range(300)
    ]
    rows[7]["Code__c"] = "far too long a code"
    (told,) = await stranger.do(load.upsert, records=rows, external_id_field="Xero_Id__c", wait=0.1)
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (300, 1)
    failed = await stranger.do(load.get_failed_records, told["job_id"])
    assert "STRING_TOO_LONG" in failed
    assert failed.count('"k7"') == 1
    done = await stranger.do(load.get_successful_records, told["job_id"])
    assert done.count('"true"') == 299
    row = (await stranger.do(api.query, "SELECT Name FROM Xero_Account__c WHERE Xero_Id__c = 'k9'"))["records"][0]
    assert row["Name"] == 'Account 9, "quoted"\nsecond line'


async def test_salesforce_stranger_knows_the_errors_it_is_given(stranger: Stranger) -> None:
    api = stranger.api
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        await stranger.do(api.query, "SELECT Nope FROM Account")
    with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
        await stranger.do(api.Account.create, {"Phone": "1"})
    with pytest.raises(SalesforceResourceNotFound):
        await stranger.do(api.Account.get, "0018d00000ZZZZZAAA")
    names = {one["name"] for one in (await stranger.do(api.describe))["sobjects"]}
    assert {"Account", "Opportunity", "Xero_Invoice__c"} <= names
    assert (await stranger.do(api.limits))["DailyApiRequests"]["Remaining"] > 0
