"""Replay over real topics with real differences: which records are chosen, and a hand-over that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.apply import apply_file
from connector.cli.demo import shipped_mappings
from connector.cli.options import Old
from connector.cli.stage import Actor, Json, until
from connector.core.link_state import Life
from connector.kafka.compacted import end_offsets
from streams.handing import AHEAD
from tests.integration.fleet_stage import Fleet, fleet, opened
from tests.integration.kafka_views import cluster, latest, links

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]
RECORDS, CONTACTS = "salesforce.records.v1", "accounting.contacts.v1"
MANY, FEW, HAND = "many", "few", "hand"
NUMBER = AHEAD + 60
FILE = "account-contact.yaml"
FAXES = ("+44 20 0200", "+44 20 0400")  # no id holds a space
CHANGES = (  # what the mapping says, and what it said when the records came
    ("  - { sf: Fax, xero: Phones.FAX, owner: latest }\n", ""),
    ("  - { sf: Email__c, xero: EmailAddress, owner: latest }\n", ""),
    ("sf: =startswith", "sf: =sf.Tax_Number__c != 'later' and sf.Email__c != 'nobody' and startswith"),
)


@dataclass
class Office:
    """Two connections whose mapping is another now, so that what is kept differs. Nobody works at first."""

    fleet: Fleet
    many: list[str]  # accounts of the first: the mapping took none of them
    few: list[str]  # accounts of the second, linked
    between: datetime  # the first two of the few were edited before, the others after
    config: Path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def office(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    folder = tmp_path_factory.mktemp("replayed")
    file = folder / "mappings" / FILE
    file.parent.mkdir()
    shipped = (shipped_mappings() / FILE).read_text("utf-8") + "limits: { creates: 2000 }\n"
    then = shipped
    for after, before in CHANGES:
        assert after in shipped
        then = then.replace(after, before)
    file.write_text(then, "utf-8")
    async with fleet(kafka, f"t{uuid4().hex[:10]}.", folder, [MANY, FEW], file.parent) as there:
        many = await customers(there, MANY, NUMBER, Tax_Number__c="later")
        office = Office(there, many, await customers(there, FEW, 4), datetime.now(UTC), there.config)
        await there.start(HAND)
        await there.owners()
        await opened(there)
        await rests(office)
        await hand_edits(office)
        await there.hands[HAND].end()
        file.write_text(shipped, "utf-8")
        await apply_file(there.config, old=Old.MOVE)
        yield office


async def customers(there: Fleet, connection: str, count: int, **fields: str) -> list[str]:
    names = [f"{connection} {place}" for place in range(count)]
    known = {"Type": "Customer", **fields}
    return [await there.orgs[connection].edit("Account", {"Name": name, **known}) for name in names]


async def rests(office: Office) -> None:
    """The few are tied to their contacts."""

    async def tied() -> bool:
        live = {link.salesforce.id for link in await links(office) if link.life is Life.LIVE and link.attempt is None}
        return live >= set(office.few)

    await until("the few have their contacts", tied, 120)


async def hand_edits(office: Office) -> None:
    """What people type in on either side while nobody carries it: in Salesforce e-mails, in Xero fax numbers."""
    first, second, third, fourth = office.few
    await typed_in(office, first, "first@example.com", second, FAXES[0])
    office.between = datetime.now(UTC)
    await typed_in(office, third, "third@example.com", fourth, FAXES[1])


async def typed_in(office: Office, account: str, email: str, other: str, fax: str) -> None:
    org, company = office.fleet.orgs[FEW], office.fleet.companies[FEW]
    await org.edit("Account", {"Email__c": email}, account)
    contact = (await contact_of(company, other))["ContactID"]
    await company.edit("Contact", {"Phones": [{"PhoneType": "FAX", "PhoneNumber": fax}]}, contact)

    async def known(topic: str, text: str) -> bool:
        return any(text.encode() in (one.value or b"") for one in (await latest(office, topic)).values())

    await until(f"{email} is known", lambda: known(RECORDS, email))
    await until(f"{fax} is known", lambda: known(CONTACTS, fax))
    await rests(office)


async def contact_of(company: Actor, account: str) -> Json:
    return next(row for row in await company.objects("Contact") if row.get("ContactNumber") == account)


# --- what is chosen --------------------------------------------------------------------------------------------------


async def start(office: Office, *arguments: str) -> asyncio.subprocess.Process:
    """The command in a process of its own, as an operator starts it."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.cli.main", "replay", *arguments, "--config", str(office.config),
        "--output", "json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip


async def replay(office: Office, *arguments: str) -> tuple[int, Json]:
    process = await start(office, *arguments)
    out, err = await process.communicate()
    assert out, err.decode()
    found: Json = json.loads(out)
    return process.returncode or 0, found


async def differ(office: Office, *arguments: str) -> dict[str, Mapping[str, list[str]]]:
    """Record to its changed fields, of a dry run; its exit code says whether there are any."""
    code, found = await replay(office, *arguments, "--dry-run")
    assert code == (3 if found["differences"] else 0)
    return {one["record"]: one["changed"] for one in found["differences"]}


async def test_a_connection_a_key_and_times_choose(office: Office) -> None:
    first, _, third, _ = office.few
    at = office.between.isoformat()
    assert set(await differ(office, RECORDS, "--connection", FEW)) == {first, third}
    assert set(await differ(office, RECORDS, "--key", first)) == {first}
    assert set(await differ(office, RECORDS, "--connection", FEW, "--to", at)) == {first}
    assert set(await differ(office, RECORDS, "--connection", FEW, "--from", at)) == {third}
    assert await differ(office, RECORDS, "--connection", FEW, "--from", at, "--to", at) == {}
    assert set(await differ(office, RECORDS, "--connection", MANY)) == set(office.many)


async def test_what_was_changed_by_hand_on_the_other_side_is_shown(office: Office) -> None:
    _, second, _, fourth = office.few
    ids = [(await contact_of(office.fleet.companies[FEW], one))["ContactID"] for one in (second, fourth)]
    at = office.between.isoformat()
    found = await differ(office, CONTACTS, "--connection", FEW)
    assert set(found) == set(ids)
    assert {path: json.loads(now) for path, (_, now) in found[ids[0]].items()} == {"Fax": FAXES[0]}
    assert set(await differ(office, CONTACTS, "--connection", FEW, "--to", at)) == {ids[0]}
    assert set(await differ(office, CONTACTS, "--connection", FEW, "--from", at)) == {ids[1]}
    assert set(await differ(office, CONTACTS, "--key", ids[1])) == {ids[1]}
    assert await differ(office, CONTACTS, "--connection", MANY) == {}


# --- a hand-over that is killed --------------------------------------------------------------------------------------


async def messages(office: Office) -> int:
    """How many messages the topic has had."""
    ends: dict[int, int] = await end_offsets(cluster(office), RECORDS)
    return sum(ends.values())


async def test_a_killed_hand_over_goes_on_where_it_was(office: Office) -> None:
    """Nobody takes what is handed over, so it waits after the first records, and is killed there. Then all is done by
    the next: each contact is made once, and none is left out."""
    code, found = await replay(office, RECORDS, "--connection", MANY, "--dry-run")
    assert (code, len(found["differences"]), found["calls"]) == (3, NUMBER, -(-NUMBER // 50))
    end = await messages(office)
    process = await start(office, RECORDS, "--connection", MANY, "--yes")

    async def ahead() -> bool:
        return await messages(office) >= end + AHEAD

    await until("as many as may be ahead are handed over", ahead)
    process.kill()
    await process.communicate()
    assert await messages(office) == end + AHEAD, "no more before they are taken"
    await office.fleet.start(HAND)
    await office.fleet.owners()
    code, _ = await replay(office, RECORDS, "--connection", MANY, "--yes")
    assert code == 0
    company, wanted = office.fleet.companies[MANY], set(office.many)

    async def made() -> list[str]:
        numbers = [str(row.get("ContactNumber")) for row in await company.objects("Contact")]
        return [one for one in numbers if one in wanted] if wanted <= set(numbers) else []

    numbers = await until("every account has its contact", made, 120)
    assert sorted(numbers) == sorted(wanted), "none twice"

    async def nothing() -> bool:
        return await differ(office, RECORDS, "--connection", MANY) == {}

    await until("nothing differs any more", nothing)


async def test_handed_over_it_stands_on_both_sides(office: Office) -> None:
    first, second, third, fourth = office.few
    for topic in (RECORDS, CONTACTS):
        code, _ = await replay(office, topic, "--connection", FEW, "--yes")
        assert code == 0
    org, company = office.fleet.orgs[FEW], office.fleet.companies[FEW]

    async def stands() -> bool:
        rows = {row["Id"]: row["Fax"] for row in await org.objects("Account")}
        emails = [(await contact_of(company, one)).get("EmailAddress") for one in (first, third)]
        faxes = [rows[second], rows[fourth]]
        return (faxes, emails) == (sorted(FAXES), ["first@example.com", "third@example.com"])

    await until("e-mails stand in Xero, fax numbers in Salesforce", stands)
    for topic in (RECORDS, CONTACTS):
        assert await differ(office, topic, "--connection", FEW) == {}
