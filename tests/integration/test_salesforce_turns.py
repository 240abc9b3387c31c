"""What the connector does by itself when an org changes: rests its stream near the allocation, stops on a drift.

One connector for both; the second test ends it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Stage, until
from connector.kafka.compacted import read_to_end
from tests.integration.kafka_views import cluster, decoded
from tests.integration.spine_stage import advance, connection, log_of, spine, start_again
from tests.scenarios.people import contact_of, linked_customer, phone

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
HOUR = 3600
CONFIGURATION = 78


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("turns"), start=False) as stage:
        with connection(stage) as one:
            one["salesforce"] |= {"watch_seconds": 1, "poll_seconds": 1, "drift": "stop", "drift_hours": 1}
        await stage.begin()
        yield stage


async def shows(scene: Stage, account: str, number: str) -> None:
    async def there() -> bool:
        return phone(await contact_of(scene, account)) == number

    await until(f"the contact of {account} shows {number}", there)


async def allow(scene: Stage, events: int) -> None:
    """The org's allocation of event deliveries for 24 hours."""
    await scene.salesforce.call("POST", "/__sim/settings", {"event_limit": Decimal(events)})


async def delivered_events(scene: Stage) -> int:
    return int((await scene.salesforce.call("GET", "/__sim/state"))["events_delivered"])


async def streams(scene: Stage) -> list[Any]:
    return list(await scene.salesforce.call("GET", "/__sim/sessions"))


async def polls_of_the_stream(scene: Stage) -> int:
    return sum(1 for call in await scene.salesforce.requests() if call["path"].startswith("/cometd"))


async def told(scene: Stage, account: str) -> list[Mapping[str, Any]]:
    """Change events of an account that stand in Kafka."""
    hints = [decoded(message.value) async for message in read_to_end(cluster(scene), "salesforce.hints.v1")]
    return [one for one in hints if one["kind"] == "change" and account in one["record_ids"]]


async def test_near_the_allocation_the_stream_rests_and_its_objects_are_polled_until_there_is_more(
    scene: Stage,
) -> None:
    account = await linked_customer(scene, Phone="1")
    for number in range(40):  # a chatty object
        await scene.salesforce.edit("Account", {"Phone": str(100 + number)}, account)
    await scene.salesforce.edit("Account", {"Phone": "2"}, account)
    await shows(scene, account, "2")
    delivered = await delivered_events(scene)
    await allow(scene, delivered + max(1, delivered // 25))  # four in a hundred are left

    async def rests() -> bool:
        return not await streams(scene)

    await until("the stream is closed", rests)
    polls, events = await polls_of_the_stream(scene), len(await told(scene, account))
    await scene.salesforce.edit("Account", {"Phone": "3"}, account)
    await shows(scene, account, "3")
    await scene.ready()  # once each object has been polled, nothing is missing
    health = await scene.health()
    assert any("salesforce.watch-deliveries" in note for note in health["notes"])
    assert await polls_of_the_stream(scene) == polls
    assert len(await told(scene, account)) == events

    await allow(scene, 1_000_000)

    async def streaming() -> list[Any]:
        return await streams(scene)

    await until("the stream is open again", streaming)
    await scene.salesforce.edit("Account", {"Phone": "4"}, account)
    await shows(scene, account, "4")

    async def all_told() -> bool:
        changes = [one for one in await told(scene, account) if one["change_type"] == "UPDATE"]
        return len({one["replay_id"] for one in changes}) >= 3

    await until("the stream brings what it had not told meanwhile too", all_told)
    await scene.ready()


async def test_a_drift_stops_the_connection_where_the_policy_says_so(scene: Stage) -> None:
    account = await linked_customer(scene, Phone="1")
    worker = scene.worker
    assert worker is not None
    await scene.salesforce.call("POST", "/__sim/permissions", {"hide": ["Account.Phone"]})
    await advance(scene, HOUR + 60)

    async def ended() -> bool:
        return worker.returncode is not None

    await until("the worker stops", ended)
    assert worker.returncode == CONFIGURATION
    assert "salesforce.drift" in log_of(scene)
    assert "Account.Phone is not there any more" in log_of(scene)
    await scene.salesforce.call("POST", "/__sim/permissions", {"show": ["Account.Phone"]})
    await scene.salesforce.edit("Account", {"Phone": "2"}, account)
    assert phone(await contact_of(scene, account)) == "1"  # nothing was cleared, and nothing is written
    await start_again(scene)
    await shows(scene, account, "2")
