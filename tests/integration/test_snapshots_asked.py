"""Snapshots that an operator asks for: whole, filtered, paused, killed, refused; live changes beside them stay.

One connector for the module. Its org holds prospects, of which no mapping makes anything: that they were read shows.
"""

from __future__ import annotations

import asyncio
import signal as signals
import sys
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.signals import Signal, send
from connector.cli.snapshot import Row, snapshots
from connector.cli.stage import Json, Stage, until
from connector.core.values import Value
from connector.kafka.compacted import read_to_end
from tests.integration.kafka_views import cluster, decoded
from tests.integration.spine_stage import advance, kill, spine, start_again
from tests.scenarios.people import contact_of, linked_customer, phone

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
MANY = 2100
ACCOUNTS = "salesforce.Account"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("asked"), start=False) as made:
        await made.begin()
        await fill(made, MANY, Type="Prospect")
        yield made


async def fill(scene: Stage, count: int, **fields: str) -> None:
    """Records that were there before: no event tells of them."""
    known: Json = {"Name": "P {n}", **fields}
    body: Json = {"entity": "Account", "count": Decimal(count), "days": Decimal(30), "fields": known}
    await scene.salesforce.call("POST", "/__sim/fill", body)


async def ask(scene: Stage, kind: str, subject: str = ACCOUNTS, **arguments: str) -> Signal:
    signal = Signal(kind, "demo", subject, {"type": "incremental", **arguments})
    await send(cluster(scene), [signal])
    return signal


async def told(scene: Stage, signal: Signal) -> list[Mapping[str, Any]]:
    """What notifications say of the snapshot that a signal asked for, in their order."""
    found = [decoded(m.value) async for m in read_to_end(cluster(scene), "notifications.v1")]
    return [one["data"] for one in found if signal.id in (one["data"].get("id"), one["data"].get("signal"))]


async def says(scene: Stage, signal: Signal, status: str) -> Mapping[str, Any]:
    async def look() -> Mapping[str, Any] | None:
        return next((one for one in await told(scene, signal) if one.get("status") == status), None)

    found: Mapping[str, Any] = await until(f"{status} is told", look, 90)
    return found


async def records(scene: Stage) -> list[Mapping[str, Any]]:
    """Every account in ``salesforce.records.v1``, as often as it stands there."""
    found = [decoded(m.value) async for m in read_to_end(cluster(scene), "salesforce.records.v1") if m.value]
    return [one for one in found if one["object"] == "Account"]


async def live(scene: Stage) -> set[str]:
    return {row["Id"] for row in await scene.salesforce.objects("Account") if not row["IsDeleted"]}


async def command(scene: Stage, *words: str) -> tuple[int, str]:
    """``twinledger snapshot …``: exit code, and what it says to people."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.cli.main", "snapshot", *words, "--config", str(scene.config),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await made.communicate()
    return made.returncode or 0, said.decode()


async def listed(scene: Stage) -> tuple[Row, ...]:
    return await snapshots(cluster(scene))


async def test_a_snapshot_reads_every_record_in_as_few_calls_as_can_be(scene: Stage) -> None:
    asked = await ask(scene, "execute-snapshot")
    done = await says(scene, asked, "COMPLETED")
    there = await live(scene)
    assert int(done["read"]) == len(there)
    assert int(done["calls"]) == -(-len(there) // 2000)
    assert there <= {one["id"] for one in await records(scene)}
    assert (await told(scene, asked))[0]["status"] == "STARTED"


async def test_a_filter_takes_only_what_matches(scene: Stage) -> None:
    await fill(scene, 40, Type="Other", Phone="0")
    before = len(await records(scene))
    await ask(scene, "execute-snapshot", filter="Type = 'Other' and phone != null")

    async def refused() -> Row | None:
        return next((row for row in await listed(scene) if row.phase == "aborted"), None)

    wrong = await until("a field that nobody sees is refused", refused)
    assert "phone" in wrong.reason
    assert (await command(scene, "start", "Account", "--filter", "Type = 'Other' and Phone != null"))[0] == 0

    async def done() -> Row | None:
        return next((row for row in await listed(scene) if row.phase == "completed"), None)

    assert (await until("the filtered snapshot is whole", done)).read == 40
    assert len(await records(scene)) == before + 40


async def test_killed_it_goes_on_where_it_was_and_loses_nothing(scene: Stage) -> None:
    asked = await ask(scene, "execute-snapshot", ahead="10")

    async def some() -> bool:
        return any(row.phase == "running" and row.read >= 200 for row in await listed(scene))

    await until("some are read", some)
    await kill(scene)
    before = next(row for row in await listed(scene) if row.id == asked.id)
    await start_again(scene)
    await ask(scene, "resume-snapshot", ahead="2000")  # nothing to resume: it runs, and nothing changes
    done = await says(scene, asked, "COMPLETED")
    there = await live(scene)
    assert int(done["read"]) == len(there) > before.read
    assert there <= {one["id"] for one in await records(scene)}


async def test_paused_it_reads_nothing_and_resumed_it_reads_the_rest(scene: Stage) -> None:
    asked = await ask(scene, "execute-snapshot", ahead="10")
    await says(scene, asked, "STARTED")
    await ask(scene, "pause-snapshot")
    paused = await says(scene, asked, "PAUSED")
    await kill(scene)  # a pause outlives its worker
    await start_again(scene)
    (row,) = [row for row in await listed(scene) if row.id == asked.id]
    assert (row.phase, row.reason[:9]) == ("paused", "paused by")
    assert row.read >= int(paused["read"])
    assert (await command(scene, "resume", "Account", "--ahead", "2000"))[0] == 0
    done = await says(scene, asked, "COMPLETED")
    assert int(done["read"]) == len(await live(scene))


async def test_stopped_it_ends_and_another_may_be_asked_for(scene: Stage) -> None:
    asked = await ask(scene, "execute-snapshot", ahead="10")
    await ask(scene, "pause-snapshot")
    await says(scene, asked, "PAUSED")
    second = await ask(scene, "execute-snapshot")

    async def refused() -> bool:
        return any(one.get("code") == "snapshot.running" for one in await told(scene, second))

    await until("a second one is refused", refused)
    assert (await command(scene, "start", "Account"))[0] == 65
    await ask(scene, "stop-snapshot")
    await says(scene, asked, "ABORTED")
    third = await ask(scene, "execute-snapshot", filter="Type = 'Other'")
    assert int((await says(scene, third, "COMPLETED"))["read"]) == 40


async def test_live_changes_beside_it_come_through_and_stay(scene: Stage) -> None:
    account = await linked_customer(scene, Phone="1")
    asked = await ask(scene, "execute-snapshot", ahead="10")
    await says(scene, asked, "STARTED")
    for number in range(2, 12):
        await scene.salesforce.edit("Account", {"Phone": str(number)}, account)
        await asyncio.sleep(0)
    await says(scene, asked, "COMPLETED")

    async def arrived() -> bool:
        return phone(await contact_of(scene, account)) == "11"

    await until("the last change is in Xero", arrived)
    mine = [one for one in await records(scene) if one["id"] == account]
    stamps = [one["stamp"] for one in mine]
    assert stamps == sorted(stamps)  # no row of the snapshot stands behind a newer read


async def test_what_cannot_be_read_is_refused_in_words(scene: Stage) -> None:
    code, words = await command(scene, "start", "salesforce.Lead")
    assert code == 78
    assert "snapshot.not-mapped" in words
    code, words = await command(scene, "start", "Account", "--filter", "Id != null) OR (SELECT Id FROM User")
    assert code == 78
    assert "snapshot.bad-filter" in words
    for subject, more, wanted in (
        ("salesforce.Lead", {}, "snapshot.not-mapped"),
        (ACCOUNTS, {"filter": "Type = 'x' LIMIT 1"}, "snapshot.bad-filter"),
        (ACCOUNTS, {"type": "blocking"}, "snapshot.bad-signal"),
        ("xero.Contact", {"filter": "a = 1"}, "snapshot.bad-filter"),
    ):
        signal = Signal("execute-snapshot", "demo", subject, {"type": "incremental", **more})
        await send(cluster(scene), [signal])

        async def refused(signal: Signal = signal, wanted: str = wanted) -> bool:
            return any(one.get("code") == wanted for one in await told(scene, signal))

        await until(f"{subject} {more} is refused", refused)


async def test_a_list_of_xero_is_read_whole(scene: Stage) -> None:
    contacts = len(await scene.xero.objects("Contact"))
    asked = await ask(scene, "execute-snapshot", "xero.Contact")
    assert int((await says(scene, asked, "COMPLETED"))["read"]) == contacts


async def test_a_hole_with_many_records_is_refilled_in_the_slow_lane(scene: Stage) -> None:
    """Not by questions: a live change would have to wait behind all of them."""
    assert await scene.stop_connector(signals.SIGTERM) == 0
    many: Value = [row["Id"] for row in await scene.salesforce.objects("Account") if row.get("Type") == "Prospect"]
    await scene.salesforce.call("POST", "/__sim/edit-many", {"entity": "Account", "ids": many, "fields": {"Fax": "9"}})
    await advance(scene, 73 * 3600)
    before = len(await scene.salesforce.requests())
    await start_again(scene)

    async def closed() -> Mapping[str, Any] | None:
        found = [decoded(m.value) async for m in read_to_end(cluster(scene), "notifications.v1")]
        return next((one for one in found if one["kind"] == "incident.closed"), None)

    incident = await until("the incident is closed", closed, 90)
    assert int(incident["data"]["asked"]) >= MANY
    asked = [unquote_plus(call["query"]) for call in (await scene.salesforce.requests())[before:]]
    assert sum("FROM Account WHERE (SystemModstamp >=" in text for text in asked) == 2
    assert not [text for text in asked if "FROM Account WHERE Id IN" in text and text.count("'001") > 20]
