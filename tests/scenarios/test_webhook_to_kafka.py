"""A change in Xero is in Kafka within seconds although its list is polled once an hour: a webhook told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from connector.cli.stage import Stage, until
from tests.integration.kafka_views import decoded, latest
from tests.integration.spine_stage import advance, changed_mappings, connection, spine
from tests.scenarios.people import fresh, linked_customer, record

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="session")]
KEY = "shared-with-xero"
HOUR = 3600


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("webhook")
    async with spine(
        kafka, f"t{uuid4().hex[:10]}.", folder, mappings=changed_mappings(folder, {}) / "account-contact.yaml",
        start=False,
    ) as stage:  # fmt: skip
        with connection(stage) as one:
            one["xero"][0] |= {"poll_seconds": HOUR, "webhook_key": KEY}
        await stage.begin()
        yield stage


async def endpoint(scene: Stage) -> str:
    port = (scene.config.parent / "data" / "web.port").read_text("ascii").strip()
    return f"http://127.0.0.1:{port}/webhooks/xero"


async def pointed(scene: Stage, key: str) -> str:
    """Point Xero's webhooks at the worker; gives what became of the proof."""
    await scene.xero.call("POST", "/__sim/webhooks", {"url": await endpoint(scene), "key": key})

    async def proven() -> str:
        status = (await scene.xero.call("GET", "/__sim/webhooks"))["status"]
        return "" if status == "intent" else str(status)

    return str(await until("the worker has proved itself to Xero", proven))


async def test_a_webhook_brings_a_change_into_kafka_and_to_salesforce(scene: Stage) -> None:
    assert await pointed(scene, KEY) == "on"
    account = await linked_customer(scene, Phone="1")
    contact = await contact_id(scene, account)
    await advance(scene, HOUR)  # its birth was a change too: `poll_seconds` is how often a list is polled at the most
    number = fresh("0800")[:20]
    await scene.xero.edit("Contact", {"Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": number}]}, contact)

    async def told() -> bool:
        rows = await latest(scene, "accounting.contacts.v1")
        return any(contact in key.decode() and number in str(decoded(row.value)) for key, row in rows.items())

    await until("the change is in Kafka", told)

    async def there() -> bool:
        return bool((await record(scene, "Account", account))["Phone"] == number)

    await until("the change is in Salesforce", there)


async def test_a_receiver_with_another_key_is_not_believed(scene: Stage) -> None:
    assert await pointed(scene, "another-key") == "disabled"


async def contact_id(scene: Stage, account: str) -> str:
    rows = [row for row in await scene.xero.objects("Contact") if row.get("ContactNumber") == account]
    return str(rows[0]["ContactID"])
