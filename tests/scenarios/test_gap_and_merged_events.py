"""Events that carry no fields, many ids, or none at all are hints like any other."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.cli.stage import Json, Stage, until
from tests.scenarios.people import (
    ACCOUNTS,
    clean,
    contact_of,
    customer,
    fresh,
    linked_customer,
    phone,
    sent,
    some_polls,
)

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
    before = await sent(scene, *accounts)
    body: Json = {"entity": "Account", "ids": list(accounts), "fields": {"Phone": "2"}}
    await scene.salesforce.call("POST", "/__sim/edit-many", body)
    for account in accounts:
        await arrives(scene, account, "2")
    assert await sent(scene, *accounts) - before <= len(accounts), "at most one write for each"


@pytest.mark.parametrize("gap", [{"kind": "GAP_OVERFLOW"}, {"kind": "GAP_UPDATE", "ids": ["001*"]}])
async def test_an_overflow_reads_the_object_whole(scene: Stage, gap: Json) -> None:
    accounts = [await linked_customer(scene, Phone="1") for _ in range(2)]
    for account in accounts:
        await without_events(scene, account, "2")
    await scene.salesforce.call("POST", "/__sim/gap", {"entity": "Account", **gap})
    for account in accounts:
        await arrives(scene, account, "2")


async def test_an_overflow_of_what_we_may_not_see_is_read_once_we_may(scene: Stage) -> None:
    account = await linked_customer(scene, Phone="1")
    await without_events(scene, account, "2")
    await scene.salesforce.call("POST", "/__sim/permissions", {"hide": ["Account.Phone"]})
    try:
        await scene.salesforce.call("POST", "/__sim/gap", {"entity": "Account", "kind": "GAP_OVERFLOW"})
        await some_polls(scene)
        assert phone(await contact_of(scene, account)) == "1", "a field that we do not see is not an empty field"
    finally:
        await scene.salesforce.call("POST", "/__sim/permissions", {"show": ["Account.Phone"]})
    await arrives(scene, account, "2")


async def test_a_hidden_field_of_the_target_stops_no_other_mapping(scene: Stage) -> None:
    """Contacts made in Xero cannot be looked for in Salesforce now; the mirrors of invoices go on, and so do they."""
    name = fresh("Hidden")
    await scene.salesforce.call("POST", "/__sim/permissions", {"hide": ["Account.Phone"]})
    try:
        contact = await scene.xero.edit("Contact", {"Name": name})
        line: Json = {"Description": "x", "Quantity": Decimal(1), "UnitAmount": Decimal(9), "AccountCode": "200"}
        known = (await scene.xero.objects("Contact"))[0]["ContactID"]
        invoice = await scene.xero.edit(
            "Invoice", {"Type": "ACCREC", "Contact": {"ContactID": known}, "LineItems": [line]}
        )

        async def mirrored() -> bool:
            return any(row["Xero_Id__c"] == invoice for row in await scene.salesforce.objects("Xero_Invoice__c"))

        await until("the invoice is mirrored", mirrored)
        assert [row for row in await scene.salesforce.objects("Account") if row["Name"] == name] == []
    finally:
        await scene.salesforce.call("POST", "/__sim/permissions", {"show": ["Account.Phone"]})
    await clean(scene, ACCOUNTS, contact)
    assert len([row for row in await scene.salesforce.objects("Account") if row["Name"] == name]) == 1
