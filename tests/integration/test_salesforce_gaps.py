"""Holes in what Salesforce tells: found, recorded, read again, closed with a count; and readiness tells the truth.

One connector for the module; every test uses records of its own. Polling has one of its own, without a stream.
"""

from __future__ import annotations

import signal as signals
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Life
from connector.kafka.compacted import read_to_end
from streams.configuration import read_entries
from tests.integration.kafka_views import CODEC, cluster, decoded, link_of
from tests.integration.spine_stage import advance, connection, log_of, spine, start_again
from tests.scenarios.people import ACCOUNTS, clean, contact_of, customer, delete, linked_customer, phone, signal

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
HOUR = 3600


def configure(scene: Stage, **salesforce: object) -> None:
    """Change what the configuration file says of the org."""
    with connection(scene) as one:
        one["salesforce"] |= salesforce


async def started(scene: Stage, **salesforce: object) -> None:
    configure(scene, **salesforce)
    await scene.begin()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """By change events, looked after every second."""
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("heard"), start=False) as scene:
        await started(scene, watch_seconds=1, compare_hours=1)
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def polled(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """An edition without change events."""
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("polled"), start=False) as scene:
        await scene.salesforce.call("POST", "/__sim/channels", {"deselect": ["Account", "Opportunity"]})
        await started(scene, capture={"*": "poll"}, poll_seconds=1)
        yield scene


async def notices(scene: Stage, kind: str, subject: str = "") -> list[Mapping[str, Any]]:
    found = [decoded(m.value) async for m in read_to_end(cluster(scene), "notifications.v1")]
    return [one for one in found if one["kind"] == kind and subject in ("", one["subject"])]


async def shows(scene: Stage, account: str, number: str) -> None:
    async def there() -> bool:
        return phone(await contact_of(scene, account)) == number

    await until(f"the contact of {account} shows {number}", there)


async def in_silence(scene: Stage, entity: str, object_id: str, fields: Json) -> None:
    """An edit of which Salesforce tells nothing."""
    await scene.salesforce.call("POST", "/__sim/channels", {"deselect": [entity]})
    await scene.salesforce.edit(entity, fields, object_id)
    await scene.salesforce.call("POST", "/__sim/channels", {"select": [entity]})


async def ended(scene: Stage, account: str) -> None:
    """The link knows that its account is gone."""

    async def over() -> bool:
        link = await link_of(scene, ACCOUNTS, account)
        return link is not None and (link.salesforce.left == "deleted" or link.life is Life.ENDED or link.code != "")

    await until(f"the link of {account} knows", over)


async def test_an_outage_of_73_hours_is_an_incident_that_is_closed_with_a_count(heard: Stage) -> None:
    scene = heard
    edited, deleted = await linked_customer(scene, Phone="1"), await linked_customer(scene, Phone="1")
    assert await scene.stop_connector(signals.SIGTERM) == 0
    await scene.salesforce.edit("Account", {"Phone": "2"}, edited)
    await delete(scene, "Account", deleted)
    await advance(scene, 73 * HOUR)
    await start_again(scene)
    await shows(scene, edited, "2")
    await ended(scene, deleted)

    async def closed() -> list[Mapping[str, Any]]:
        return await notices(scene, "incident.closed")

    (incident,) = await until("the incident is closed", closed)
    assert int(incident["data"]["asked"]) >= 1
    assert int(incident["data"]["deleted"]) >= 1
    assert len(await notices(scene, "incident.opened")) == 1
    await scene.ready()


async def test_a_change_that_the_stream_kept_to_itself_is_read_and_told(heard: Stage) -> None:
    scene = heard
    account = await linked_customer(scene, Phone="1")
    await advance(scene, 10)  # within two seconds of what was heard it would be read all the same, without an alarm
    await in_silence(scene, "Account", account, {"Phone": "2"})
    reasons: list[str] = []

    async def told() -> bool:
        health = await scene.health()
        reasons.extend(health["reasons"])
        return any("salesforce.watch-unheard" in reason for reason in reasons)

    await advance(scene, 300)  # an event may be two minutes late; this one is later
    await until("readiness says so", told)
    await shows(scene, account, "2")
    await advance(scene, 300)
    await scene.ready()  # the next look finds nothing


async def test_an_overflow_tells_what_was_deleted_too(heard: Stage) -> None:
    scene = heard
    account = await linked_customer(scene)
    await scene.salesforce.call("POST", "/__sim/channels", {"deselect": ["Account"]})
    await delete(scene, "Account", account)
    await scene.salesforce.call("POST", "/__sim/channels", {"select": ["Account"]})
    await scene.salesforce.call("POST", "/__sim/gap", {"entity": "Account", "kind": "GAP_OVERFLOW"})
    await until("it is an incident", lambda: notices(scene, "incident.opened", "Account"))
    await advance(scene, 90)  # the org's list of what was deleted counts in minutes
    await ended(scene, account)


async def test_a_hard_delete_is_found_by_comparison(heard: Stage) -> None:
    scene = heard
    account, other = await linked_customer(scene), await linked_customer(scene)
    await scene.salesforce.call("POST", "/__sim/channels", {"deselect": ["Account"]})
    await delete(scene, "Account", account)
    await scene.salesforce.call("POST", "/__sim/empty-recycle-bin", {})
    await scene.salesforce.call("POST", "/__sim/channels", {"select": ["Account"]})
    before = len(await notices(scene, "compare.done", "Account"))

    async def compared() -> bool:
        await advance(scene, 120)
        return len(await notices(scene, "compare.done", "Account")) > before

    await advance(scene, HOUR)
    await until("a comparison is done", compared)
    await ended(scene, account)
    link = await link_of(scene, ACCOUNTS, other)
    assert link is not None
    assert link.salesforce.left == ""
    assert (await contact_of(scene, account))["ContactStatus"] == "ACTIVE"  # what to do about it is the mapping's word


async def test_a_field_that_went_away_holds_its_mapping_until_a_person_resumes_it(heard: Stage) -> None:
    scene = heard
    account = await linked_customer(scene, Phone="1")
    await scene.salesforce.call("POST", "/__sim/permissions", {"hide": ["Account.Phone"]})
    await advance(scene, HOUR + 60)
    await until("the drift is told", lambda: notices(scene, "drift.found", ACCOUNTS))
    await scene.salesforce.call("POST", "/__sim/permissions", {"show": ["Account.Phone"]})

    async def paused() -> bool:
        return any(
            one.paused for one in (await read_entries(cluster(scene), CODEC)).values() if one.mapping == ACCOUNTS
        )

    await until("the mapping is paused", paused)
    await scene.salesforce.edit("Account", {"Phone": "2"}, account)
    await signal(scene, "mapping.resume", ACCOUNTS)
    await shows(scene, account, "2")


async def test_an_object_that_went_away_is_a_drift_of_its_mapping(heard: Stage) -> None:
    scene, mapping = heard, "opportunity-to-invoice"
    await scene.salesforce.call("POST", "/__sim/permissions", {"hide": ["Opportunity"]})
    await advance(scene, HOUR + 60)
    await until("the drift is told", lambda: notices(scene, "drift.found", mapping))
    await scene.salesforce.call("POST", "/__sim/permissions", {"show": ["Opportunity"]})

    async def paused() -> bool:
        entries = await read_entries(cluster(scene), CODEC)
        return any(one.paused for one in entries.values() if one.mapping == mapping)

    await until("the mapping is paused", paused)
    await signal(scene, "mapping.resume", mapping)


async def test_polling_alone_brings_changes_and_deletions(polled: Stage) -> None:
    scene = polled
    account = await customer(scene, Phone="1")
    await clean(scene, ACCOUNTS, account)
    await scene.salesforce.edit("Account", {"Phone": "2"}, account)
    await shows(scene, account, "2")
    assert [call for call in await scene.salesforce.requests() if call["path"].startswith("/cometd")] == []
    await delete(scene, "Account", account)
    await advance(scene, 180)  # getDeleted counts in minutes
    await ended(scene, account)
    await scene.ready()
    assert (await scene.health())["reasons"] == []


async def calls_allowed(scene: Stage, limit: int) -> None:
    """The org's API calls of 24 hours."""
    await scene.salesforce.call("POST", "/__sim/settings", {"api_limit": Decimal(limit)})


async def refusals(scene: Stage) -> int:
    return sum(1 for call in await scene.salesforce.requests() if call["status"] == 403)


async def test_a_spent_day_is_named_and_waited_out(polled: Stage) -> None:
    scene = polled
    account = await linked_customer(scene, Phone="1")
    await calls_allowed(scene, int((await scene.salesforce.call("GET", "/__sim/state"))["api_calls"]))

    async def named() -> bool:
        return any("salesforce.day-spent" in reason for reason in (await scene.health())["reasons"])

    await until("readiness names it", named)
    await scene.salesforce.edit("Account", {"Phone": "2"}, account)
    for quarter in range(1, 4):
        await advance(scene, 901)

        async def looked(number: int = quarter) -> bool:
            return await refusals(scene) >= number

        await until("one call looks whether there are more", looked)
        await until("and it is named again", named)
    assert await refusals(scene) <= 4  # of one poll a second
    await calls_allowed(scene, 1_000_000)
    await advance(scene, 901)
    await shows(scene, account, "2")
    await scene.ready()
    assert (await scene.health())["reasons"] == []


async def test_a_worker_that_starts_in_a_spent_day_waits_for_the_next_calls(polled: Stage) -> None:
    scene = polled
    assert await scene.stop_connector(signals.SIGTERM) == 0
    await calls_allowed(scene, 1)
    before = await refusals(scene)
    (scene.config.parent / "data" / "web.port").unlink(missing_ok=True)
    await scene.start_connector()

    async def waits() -> bool:
        return "start waits" in log_of(scene)

    await until("it says that it waits", waits)
    await calls_allowed(scene, 1_000_000)
    assert await refusals(scene) == before + 1
    await advance(scene, 901)
    await scene.ready()
