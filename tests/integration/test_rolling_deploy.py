"""Rebalances: loops wait for their partition to come back, streams stay open, nothing is written meanwhile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from connector.cli.stage import Actor, Json, until
from tests.integration.fleet_stage import Fleet, fleet, opened
from tests.integration.spine_stage import arm, hits

pytestmark = pytest.mark.timeout(400)
NAMES = ("acme", "two", "north", "demo")  # one on each of four partitions


async def test_a_rolling_deploy_keeps_the_streams_of_those_that_stay(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with fleet(kafka, prefix, tmp_path, NAMES) as there:
        workers = ("one", "two", "three")
        await there.start(workers[0])
        await opened(there)
        await until("what the orgs began with is linked", partial(_all_linked, there), 120)  # no call is open before
        for name in workers[1:]:
            await there.start(name)
        before = await there.owners()
        assert set(before.values()) == set(workers)
        kept = 0
        for name in workers:
            sessions = await there.sessions()
            calls = await _calls_in_flight(there, [each for each in NAMES if before[each] != name], name)
            assert all(len(ids) == 1 for ids in sessions.values()), sessions
            assert await there.hands[name].end() == 0
            between = await there.owners()
            await there.start(name)
            after = await there.owners()
            for connection in NAMES:
                if before[connection] == between[connection] == after[connection]:
                    assert (await there.sessions())[connection] >= sessions[connection], f"{connection} shook hands"
                    kept += 1
                    if connection in calls:  # nobody had to look for what its call did
                        await until("an answer outlived the rebalance", partial(_linked, there, connection, name))
            await until("only one client is left of each stream", lambda: _single(there))
            before = after
        assert kept, "nobody was left alone: nothing was shown"  # how many is for the group's assignor to say
        for name in NAMES:
            await _account(there, name, f"After the deploy of {name}")
        for name in NAMES:
            await until(f"{name} is written", partial(_contacts, there, name, f"After the deploy of {name}"))
            names = [row["Name"] for row in await there.companies[name].objects("Contact")]
            assert len(names) == len(set(names)), f"{name} was written twice"
        for name in workers:
            assert '"code"' not in there.hands[name].log.read_text("utf-8"), "a worker ended for a reason"


async def _all_linked(there: Fleet) -> bool:
    rows = [row for org in there.orgs.values() for row in await org.objects("Account")]
    return all(row["Xero_Contact_Id__c"] for row in rows if str(row["Type"]).startswith("Customer"))


async def _single(there: Fleet) -> bool:
    return all(len(ids) == 1 for ids in (await there.sessions()).values())


async def _account(there: Fleet, connection: str, name: str) -> None:
    await there.orgs[connection].edit("Account", {"Name": name, "Type": "Customer"})


async def _contacts(there: Fleet, connection: str, name: str) -> list[Json]:
    return [row for row in await there.companies[connection].objects("Contact") if row["Name"] == name]


async def _linked(there: Fleet, connection: str, leaver: str) -> bool:
    """Whether Salesforce has the id of the contact, which follows the report of the call by which it was made."""
    rows = await there.orgs[connection].objects("Account")
    return any(row["Name"] == _flying(leaver) and row["Xero_Contact_Id__c"] for row in rows)


def _flying(leaver: str) -> str:
    return f"In flight when {leaver} left"


async def _calls_in_flight(there: Fleet, connections: list[str], leaver: str) -> list[str]:
    """Connections with a create on its way, whose answer comes about when the group is rebalanced."""
    for connection in connections:
        company = there.companies[connection]
        fault = await arm(company, "delay", "PUT", "/api.xro/2.0/Contacts", {"ms": 4000, "when": "after"})
        await _account(there, connection, _flying(leaver))
        await until("the call is on its way", partial(_struck, company, fault))
    return connections


async def _struck(company: Actor, fault: int) -> bool:
    return await hits(company, fault) > 0
