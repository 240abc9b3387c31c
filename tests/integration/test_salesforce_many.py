"""Many writes, locked rows and duplicate rules: what the Salesforce party does about them, against a simulated org."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.core.party import Answer, Applied, NoAnswer, Operation, Rejected, Write
from connector.core.records import ReadPlan, Version
from connector.salesforce import bulk
from connector.salesforce.auth import ClientCredentials
from connector.salesforce.rest import SalesforceParty
from connector.salesforce.writer import BATCH, prepare
from tests.integration.salesforce_org import DATA, Client, an_org

ENTITY = "Xero_Account__c"
CREATE = (ENTITY, Operation.CREATE)


@contextlib.asynccontextmanager
async def a_party(**options: Any) -> AsyncIterator[tuple[SalesforceParty, Client]]:
    async with an_org() as client:
        settings = client.org.settings
        sign_in = ClientCredentials(
            client.http, f"{client.base}/services/oauth2/token", settings.client_id, settings.client_secret
        )
        now = client.org.clock.now
        yield SalesforceParty(
            client.http, sign_in, "", now_ms=lambda: int(now().timestamp() * 1000), **options
        ), client  # fmt: skip


def create(number: int, **fields: Any) -> Write:
    known = {"Name": f'Account {number}, "quoted"\nsecond line', "Code__c": str(number)}
    return Write(f"w{number}", ENTITY, Operation.CREATE, None, {**known, **fields}, ("Xero_Id__c", f"key-{number}"))


async def write(party: SalesforceParty, writes: list[Write], seconds: int = 30) -> tuple[Any, ...]:
    return party.outcomes(writes, await party.send(party.prepare(writes, "key"), seconds=seconds))


def posts(client: Client, path: str) -> int:
    return sum(1 for one in client.control.requests if one.method == "POST" and one.path.endswith(path))


async def test_salesforce_many_writes_go_as_one_job_and_come_back_in_order() -> None:
    async with a_party() as (party, client):
        writes = [create(number) for number in range(500)]
        writes[7] = create(7, Name=None)
        writes[8] = create(8, Code__c="far too long a code")
        calls = party.calls
        outcomes = await write(party, writes)
        assert party.calls - calls < 10
        assert [one.write for one in outcomes] == [one.id for one in writes]
        refused = {one.write: one.failure.code for one in outcomes if isinstance(one, Rejected)}
        assert refused == {"w8": "salesforce.string-too-long"}
        assert sum(isinstance(one, Applied) for one in outcomes) == 499
        row = (await client.rows("SELECT Name, Code__c FROM Xero_Account__c WHERE Xero_Id__c = 'key-9'"))[0]
        assert row["Name"] == 'Account 9, "quoted"\nsecond line'
        again = await write(party, writes)  # the same bytes once more make nothing twice
        assert [getattr(one, "target", "") for one in again] == [getattr(one, "target", "") for one in outcomes]
        assert len(await client.rows("SELECT Id FROM Xero_Account__c")) == 499


async def test_salesforce_many_updates_clear_what_is_null_and_leave_the_rest() -> None:
    async with a_party() as (party, client):
        made = await write(party, [create(number, Tax_Type__c="NONE") for number in range(300)])
        ids = [one.target for one in made]
        updates = [
            Write(f"u{n}", ENTITY, Operation.UPDATE, one, {"Code__c": None} if n % 2 else {"Status__c": "ACTIVE"})
            for n, one in enumerate(ids)
        ]
        assert all(isinstance(one, Applied) for one in await write(party, updates))
        rows = {
            row["Id"]: row
            for row in await client.rows("SELECT Id, Code__c, Status__c, Tax_Type__c FROM Xero_Account__c")
        }
        assert (rows[ids[1]]["Code__c"], rows[ids[1]]["Status__c"]) == (None, None)
        assert (rows[ids[2]]["Code__c"], rows[ids[2]]["Status__c"]) == ("2", "ACTIVE")
        assert {row["Tax_Type__c"] for row in rows.values()} == {"NONE"}
        origins = {e["header"]["changeOrigin"] for e in client.events() if e["header"]["entityName"] == ENTITY}
        assert origins <= {"com/salesforce/api/bulkapi/62.0;client=Twinledger"}


async def test_salesforce_a_job_that_is_not_done_in_time_is_gone_on_with() -> None:
    async with a_party() as (party, client):
        client.org.settings.bulk_polls = 10_000
        writes = [create(number) for number in range(250)]
        with pytest.raises(NoAnswer) as nobody:
            await party.send(party.prepare(writes, "key"), seconds=2)
        assert nobody.value.sent
        for job in client.org.bulk.jobs.values():
            job.polls = 1
        assert all(isinstance(one, Applied) for one in await write(party, writes))
        assert posts(client, "/jobs/ingest") == 1


@pytest.mark.parametrize(("status", "jobs"), [(403, 1), (404, 2)])
async def test_salesforce_a_refusal_after_the_upload_says_nothing_of_the_rows(status: int, jobs: int) -> None:
    """They may have been written: their fate is unknown until the job, or one more like it, has been seen to end."""
    async with a_party() as (party, client):
        writes = [create(number) for number in range(250)]
        job = {"method": "GET", "path": f"{DATA}/jobs/ingest"}
        await client.sim("/faults", {"kind": "status", "match": job, "count": 1, "options": {"status": status}})
        with pytest.raises(NoAnswer) as nobody:
            await party.send(party.prepare(writes, "key"), seconds=20)
        assert nobody.value.sent
        client.org.clock.advance(901)
        assert all(isinstance(one, Applied) for one in await write(party, writes))
        assert posts(client, "/jobs/ingest") == jobs
        assert len(await client.rows("SELECT Id FROM Xero_Account__c")) == 250


async def test_salesforce_a_refused_job_refuses_its_writes() -> None:
    async with a_party() as (party, client):
        await client.sim("/permissions", {"hide": [ENTITY]})
        outcomes = await write(party, [create(number) for number in range(250)])
        assert {type(one) for one in outcomes} == {Rejected}


def test_salesforce_the_limit_follows_what_waits_and_what_may_be_repeated() -> None:
    party = SalesforceParty(None, None, "", now_ms=lambda: 0)  # type: ignore[arg-type]
    party.waiting = lambda: bulk.FROM
    assert party.batch_limit(*CREATE) == BATCH  # nothing is known of such writes yet
    party.prepare([create(1)], "key")
    assert party.batch_limit(*CREATE) == bulk.MOST
    party.waiting = lambda: bulk.FROM - 1
    assert party.batch_limit(*CREATE) == BATCH
    party.waiting = lambda: bulk.FROM
    party.prepare([Write("w", ENTITY, Operation.CREATE, None, {"Name": "no mark"})], "key")
    assert party.batch_limit(*CREATE) == BATCH  # a repeat would make it twice
    with pytest.raises(ValueError, match="up to 200"):
        prepare([Write(f"w{n}", ENTITY, Operation.CREATE, None, {"Name": "x"}) for n in range(201)], "62.0")


@example("\r", Decimal(0))
@example('a "quoted"\r\nname,', Decimal("0.5"))
@given(st.text(max_size=60), st.decimals(allow_nan=False, allow_infinity=False, places=4, max_value=10**9, min_value=0))
def test_salesforce_a_job_brings_back_every_row_whatever_stands_in_it(name: str, rate: Decimal) -> None:
    writes = [create(number, Name=name, Rate__c=rate) for number in range(3)]
    request = bulk.prepare(writes, "/jobs/ingest", ())
    succeeded = b"sf__Id,sf__Created,Xero_Id__c\n" + b"".join(b"id%d,true,key-%d\n" % (n, n) for n in (2, 0))
    failed = b'sf__Id,sf__Error,Xero_Id__c\n,"A_CODE:words: more:Name --",key-1\n'
    answer = Answer(200, {}, bulk.results(request.body, bulk.Job.of(request), succeeded, failed))
    party = SalesforceParty(None, None, "", now_ms=lambda: 0)  # type: ignore[arg-type]
    first, second, third = party.outcomes(writes, answer)
    assert isinstance(first, Applied)
    assert isinstance(third, Applied)
    assert (first.target, third.target) == ("id0", "id2")
    assert isinstance(second, Rejected)
    assert second.failure.message == "words: more (Name)"


async def test_salesforce_a_locked_row_is_sent_again_alone() -> None:
    async with a_party() as (party, client):
        ids = [await client.create("Account", Name=f"A{number}") for number in range(3)]
        await client.sim("/lock", {"id": ids[1], "count": 1})
        updates = [Write(f"u{n}", "Account", Operation.UPDATE, one, {"Phone": "1"}) for n, one in enumerate(ids)]
        outcomes = await write(party, updates)
        assert [type(one) for one in outcomes] == [Applied, Rejected, Applied]
        assert outcomes[1].failure.kind.value == "retry"
        assert party.batch_limit("Account", Operation.UPDATE) == 1
        assert isinstance((await write(party, updates[1:2]))[0], Applied)
        assert party.batch_limit("Account", Operation.UPDATE) == BATCH


@pytest.mark.parametrize(
    ("rule", "allow", "passes"), [("alert", False, False), ("alert", True, True), ("block", True, False)]
)
async def test_salesforce_duplicate_rules(rule: str, allow: bool, passes: bool) -> None:
    async with a_party(allow_duplicates=allow) as (party, client):
        await client.create("Account", Name="Acme")
        await client.sim("/settings", {"duplicate_rule": rule})
        mark = ("Xero_Contact_Id__c", "k1")
        (outcome,) = await write(party, [Write("w", "Account", Operation.CREATE, None, {"Name": "Acme"}, mark)])
        assert isinstance(outcome, Applied) is passes
        if not passes:
            assert outcome.failure.code == "salesforce.duplicates-detected"
            assert "duplicate rule" in outcome.failure.remedy


async def test_salesforce_a_merge_is_a_deletion_that_names_the_winner() -> None:
    async with a_party() as (party, client):
        winner, loser = await client.create("Account", Name="Acme"), await client.create("Account", Name="ACME Ltd")
        contact = await client.create("Contact", LastName="Doe", AccountId=loser)
        since = client.org.bus.tip
        await client.sim("/merge", {"entity": "Account", "winner": winner, "loser": loser})
        told = {
            (e.header["changeType"], one)
            for e in client.org.bus.events
            if e.replay > since
            for one in e.header["recordIds"]
        }
        assert told == {("DELETE", loser), ("UPDATE", winner)}  # contacts are not selected
        plan = ReadPlan("Account", ("Name", "MasterRecordId"))
        records = {one.id: one for one in (await party.read(plan, [winner, loser], Version(1, 1))).records}
        assert (records[loser].deleted, records[loser].fields["MasterRecordId"]) == (True, winner)
        assert not records[winner].deleted
        assert (await client.rows(f"SELECT AccountId FROM Contact WHERE Id = '{contact}'"))[0]["AccountId"] == winner  # noqa: S608
        await client.sim("/empty-recycle-bin", {})
        assert (await party.read(plan, [loser], Version(1, 2))).missing == (loser,)  # found by comparison only


async def test_salesforce_jobs_of_several_callers_do_not_mix() -> None:
    async with a_party() as (party, client):
        first, second = ([create(n + base) for n in range(250)] for base in (0, 1000))
        one, other = await asyncio.gather(write(party, first), write(party, second))
        assert all(isinstance(outcome, Applied) for outcome in (*one, *other))
        assert len({outcome.target for outcome in (*one, *other)}) == 500
        assert posts(client, "/jobs/ingest") == 2
