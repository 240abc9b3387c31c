"""Events that carry no fields, many ids, or none at all are hints like any other."""

from __future__ import annotations

import pytest

from connector.cli.stage import Json, Stage, until
from tests.scenarios.people import ACCOUNTS, clean, contact_of, customer, linked_customer, phone, sent

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="session")]


async def without_events(scene: Stage, account: str, number: str) -> None:
    """An edit of which Salesforce tells nothing."""
    await scene.salesforce.call("POST", "/__sim/channels", {"deselect": ["Account"]})
    await scene.salesforce.edit("Account", {"Phone": number}, account)
    await scene.salesforce.call("POST", "/__sim/channels", {"select": ["Account"]})


async def arrives(scene: Stage, account: str, number: str) -> None:
    async def there() -> bool:
        return phone(await contact_of(scene, account)) == number

    await until(f"the contact of {account} shows {number}", there)
    await clean(scene, ACCOUNTS, account)


async def test_a_gap_event_is_read(scene: Stage) -> None:
    account = await linked_customer(scene, Phone="1")
    await without_events(scene, account, "2")
    await scene.salesforce.call("POST", "/__sim/gap", {"kind": "GAP_UPDATE", "entity": "Account", "ids": [account]})
    await arrives(scene, account, "2")


async def test_one_event_of_many_records(scene: Stage) -> None:
    accounts = [await customer(scene, Phone="1") for _ in range(5)]
    for account in accounts:
        await clean(scene, ACCOUNTS, account)
    before = await sent(scene)
    body: Json = {"entity": "Account", "ids": list(accounts), "fields": {"Phone": "2"}}
    await scene.salesforce.call("POST", "/__sim/edit-many", body)
    for account in accounts:
        await arrives(scene, account, "2")
    assert await sent(scene) - before <= len(accounts), "at most one write for each"


@pytest.mark.parametrize("gap", [{"kind": "GAP_OVERFLOW"}, {"kind": "GAP_UPDATE", "ids": ["001*"]}])
async def test_an_overflow_reads_the_object_whole(scene: Stage, gap: Json) -> None:
    accounts = [await linked_customer(scene, Phone="1") for _ in range(2)]
    for account in accounts:
        await without_events(scene, account, "2")
    await scene.salesforce.call("POST", "/__sim/gap", {"entity": "Account", **gap})
    for account in accounts:
        await arrives(scene, account, "2")
