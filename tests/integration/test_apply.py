"""The past stays untouched unless asked, only what was applied runs, brakes and lost rights hold and lose nothing."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.cli.apply import apply_file
from connector.cli.demo import shipped_mappings
from connector.cli.options import Old
from connector.cli.stage import Json, Stage, until
from connector.core.link_state import Hold
from connector.kafka.codec import Codec
from connector.kafka.connection import cluster_of
from connector.kafka.producer import Producer
from connector.settings import load
from streams.clock import clock
from tests.integration.kafka_views import links
from tests.integration.spine_stage import arm, spine
from tests.scenarios.people import INVOICES

pytestmark = pytest.mark.timeout(240)
OLD = 1000


async def account(scene: Stage, name: str) -> str:
    return await scene.salesforce.edit("Account", {"Name": name, "Type": "Customer"})


async def opportunity(scene: Stage, owner: str, number: str, stage: str, **more: Any) -> str:
    """One opportunity with one line of 10.00."""
    opened = await scene.salesforce.edit(
        "Opportunity",
        {
            "Name": f"Deal {number}", "AccountId": owner, "StageName": "Prospecting", "CloseDate": "2026-11-20",
            "Number__c": number, **more,
        },
    )  # fmt: skip
    entry = (await scene.salesforce.objects("PricebookEntry"))[0]["Id"]
    line = {"OpportunityId": opened, "PricebookEntryId": entry, "Quantity": Decimal(1), "UnitPrice": Decimal(10)}
    await scene.salesforce.edit("OpportunityLineItem", line)
    if stage != "Prospecting":
        await scene.salesforce.edit("Opportunity", {"StageName": stage}, opened)
    return opened


async def ours(scene: Stage) -> list[Json]:
    """The invoices that the mapping made."""
    rows = await scene.xero.objects("Invoice")
    return [row for row in rows if str(row.get("InvoiceNumber", "")).startswith("OPP-")]


async def invoice_of(scene: Stage, number: str) -> Json:
    async def look() -> Json | None:
        return next((row for row in await ours(scene) if row["InvoiceNumber"] == f"OPP-{number}"), None)

    found: Json = await until(f"invoice OPP-{number} is in Xero", look, 90)
    return found


def copied_mappings(folder: Path, *names: str) -> Path:
    """Some of the ready-made mappings, to be edited."""
    target = folder / "mappings"
    target.mkdir()
    for name in names:
        shutil.copy(shipped_mappings() / f"{name}.yaml", target)
    return target


def edit_file(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


async def test_a_thousand_old_deals_make_nothing_now_or_when_they_are_edited(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    async with spine(kafka, prefix, tmp_path, mappings=mappings, start=False) as scene:
        owner = await account(scene, "An old customer")
        old = [await opportunity(scene, owner, f"old-{number}", "Closed Won") for number in range(OLD)]
        open_deal = await opportunity(scene, owner, "during", "Prospecting")
        await scene.prepare()
        await scene.start_connector()
        await scene.ready()
        await scene.salesforce.edit("Opportunity", {"StageName": "Closed Won"}, open_deal)  # while the snapshot runs
        await scene.opened()
        for deal in old[:10]:
            await scene.salesforce.edit("Opportunity", {"PO_Number__c": "edited later"}, deal)
        await opportunity(scene, owner, "new", "Closed Won")  # the same partition, so after all the edits above
        await invoice_of(scene, "new")
        await _not_lost(scene, "during", open_deal)
        assert {row["InvoiceNumber"] for row in await ours(scene)} <= {"OPP-new", "OPP-during"}


async def _not_lost(scene: Stage, number: str, deal: str) -> None:
    """Won while `apply` ran: an invoice, or a review that says why not."""
    from connector.kafka.codec import Decoded
    from connector.kafka.compacted import latest
    from connector.kafka.link_codec import read_link

    cluster, codec = cluster_of(load(scene.config).kafka), Codec()

    async def look() -> bool:
        if any(row["InvoiceNumber"] == f"OPP-{number}" for row in await ours(scene)):
            return True
        for message in (await latest(cluster, "links.v1")).values():
            decoded = codec.decode(message.value)
            if isinstance(decoded, Decoded):
                link = read_link(decoded.value).link
                if link.id.document == f"salesforce:{deal}" and link.code == "mapping.changed-during-apply":
                    return True
        return False

    await until("the deal that was won meanwhile is an invoice or a review", look)


async def test_an_edited_mapping_does_nothing_before_apply_and_a_brake_asks(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    file = mappings / "opportunity-to-invoice.yaml"
    edit_file(file, "creates: 500", "creates: 3")
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await scene.opened()
        owner = await account(scene, "Careful customer")
        first = await opportunity(scene, owner, "1", "Closed Won", PO_Number__c="A1")
        assert (await invoice_of(scene, "1"))["Reference"] == "A1"

        edit_file(file, "set: =record.PO_Number__c", "set: ='PO ' + record.PO_Number__c")
        await opportunity(scene, owner, "2", "Closed Won", PO_Number__c="A2")
        assert (await invoice_of(scene, "2"))["Reference"] == "A2"

        changes = {change.mapping: change.what for change in await apply_file(scene.config)}
        assert changes == {"account-contact": "same", "opportunity-to-invoice": "changed"}
        await opportunity(scene, owner, "3", "Closed Won", PO_Number__c="A3")
        assert (await invoice_of(scene, "3"))["Reference"] in ("PO A3", "A3")  # in force once the worker has heard

        await opportunity(scene, owner, "4", "Closed Won", PO_Number__c="A4")
        await until("the brake is on", lambda: _notes(scene, "opportunity-to-invoice waits for a person"))
        assert len(await ours(scene)) == 3
        await _signal(scene, "mapping.release", "opportunity-to-invoice")
        assert (await invoice_of(scene, "4"))["Reference"] == "PO A4"

        await _old_links_keep_their_text_until_they_are_moved(scene, first)


async def _old_links_keep_their_text_until_they_are_moved(scene: Stage, first: str) -> None:
    async def referred(number: str, wanted: str) -> bool:
        return bool((await invoice_of(scene, number))["Reference"] == wanted)

    await scene.salesforce.edit("Opportunity", {"PO_Number__c": "A9"}, first)
    await until("the old invoice follows its deal by the old text", lambda: referred("1", "A9"))
    changes = {change.mapping: change.what for change in await apply_file(scene.config, old=Old.MOVE)}
    assert changes == {"account-contact": "same", "opportunity-to-invoice": "moved"}

    async def moved() -> bool:
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "A10"}, first)
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "A11"}, first)
        return await referred("1", "PO A11")

    await until("the old invoice follows by the new text", moved)
    assert len(await ours(scene)) == 4


async def _notes(scene: Stage, wanted: str) -> bool:
    health = await scene.health()
    return any(wanted in note for note in health["notes"])


async def _signal(scene: Stage, kind: str, subject: str) -> None:
    from connector.core.identity import join_key

    cluster, codec = cluster_of(load(scene.config).kafka), Codec()
    value = {
        "id": "s1", "kind": kind, "connection": "demo", "subject": subject, "arguments": {}, "by": "a test",
        "at": clock(),
    }  # fmt: skip
    async with Producer(cluster) as producer:
        await producer.send("signals.v1", join_key("demo", kind, subject), codec.encode("signals.v1", value))


async def test_a_lost_field_right_holds_and_loses_nothing(kafka: str, prefix: str, tmp_path: Path) -> None:
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await scene.opened()
        owner = await account(scene, "Hidden customer")
        first = await opportunity(scene, owner, "1", "Closed Won", PO_Number__c="B1")
        await invoice_of(scene, "1")
        await scene.salesforce.call("POST", "/__sim/permissions", {"hide": ["Opportunity.PO_Number__c"]})
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "B2"}, first)
        health = await until("readiness tells", lambda: _unready(scene))
        assert any("Opportunity" in reason for reason in health["reasons"])
        assert (await invoice_of(scene, "1"))["Reference"] == "B1"  # never null, never deleted
        await scene.salesforce.call("POST", "/__sim/permissions", {"show": ["Opportunity.PO_Number__c"]})

        async def changed() -> bool:
            return bool((await invoice_of(scene, "1"))["Reference"] == "B2")

        await until("the change arrives once the right is back", changed)
        assert len(await ours(scene)) == 1


async def test_what_passes_by_a_mapping_that_cannot_be_looked_at_is_not_lost(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """A worker begins while the org does not describe the object: the mapping is held. Once it fits, its object is
    read whole, and nobody need do more."""
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await scene.opened()
        owner = await account(scene, "Hidden customer")
        first = await opportunity(scene, owner, "1", "Closed Won", PO_Number__c="B1")
        second = await opportunity(scene, owner, "2", "Prospecting")
        await invoice_of(scene, "1")
        await scene.stop_connector()
        away = await arm(
            scene.salesforce,
            "status",
            "GET",
            "/services/data/v62.0/sobjects/Opportunity/describe",
            {"status": 503},
            count=9999,
        )
        await scene.start_connector()
        await until("readiness names the mapping", lambda: _held(scene, "opportunity-to-invoice"), 90)
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "B2"}, first)
        await scene.salesforce.edit("Opportunity", {"StageName": "Closed Won"}, second)
        await scene.salesforce.call("DELETE", f"/__sim/faults/{away}")

        async def changed() -> bool:
            return bool((await invoice_of(scene, "1"))["Reference"] == "B2")

        await until("the change arrives once the mapping fits", changed, 90)
        await invoice_of(scene, "2")
        assert len(await ours(scene)) == 2
        assert not await _held(scene, "opportunity-to-invoice")


async def _held(scene: Stage, mapping: str) -> bool:
    health = await scene.health()
    return any(mapping in line for line in (*health["reasons"], *health["notes"]))


async def _unready(scene: Stage) -> Json | None:
    health = await scene.health()
    return None if health["ready"] else health


@pytest.mark.parametrize(
    ("marker", "name", "code"),
    [
        ("client_id: twinledger", "organisation: 00D000000000000AAA", "organisation.other"),
        ("tenant:", "organisation: 00000000-0000-4000-8000-000000000001", "organisation.other"),
        ("", "", "organisation.not-demo"),
    ],
    ids=["another org", "another company", "no demo company"],
)
async def test_another_organisation_stops_before_anything_is_written(
    kafka: str, prefix: str, tmp_path: Path, marker: str, name: str, code: str
) -> None:
    async with spine(kafka, prefix, tmp_path, start=False) as scene:
        await scene.prepare()
        text = scene.config.read_text("utf-8")
        assert "demo: true" in text
        if marker:
            indent = next(line[: len(line) - len(line.lstrip("- "))] for line in text.splitlines() if marker in line)
            spaces = " " * len(indent)
            lines = [f"{line}\n{spaces}{name}" if marker in line else line for line in text.splitlines()]
            scene.config.write_text("\n".join(lines), "utf-8")
        else:
            (company,) = await scene.xero.objects("Organisation")
            await scene.xero.edit("Organisation", {"IsDemoCompany": False}, str(company["OrganisationID"]))
        await account(scene, "Must not travel")
        await scene.start_connector()
        assert scene.worker is not None
        assert await scene.worker.wait() == 78
        assert code in scene.log.read_text("utf-8")
        for actor in (scene.salesforce, scene.xero):
            rows = [row for row in await actor.requests() if "/__sim" not in row["path"]]
            written = [row for row in rows if row["method"] != "GET" and "token" not in row["path"]]
            assert written == [], rows


async def test_begin_link_ties_what_exists_and_makes_nothing_of_the_rest(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    mappings = copied_mappings(tmp_path, "account-contact")
    edit_file(mappings / "account-contact.yaml", "begin: all", "begin: link")
    async with spine(kafka, prefix, tmp_path, mappings=mappings, start=False) as scene:
        known, unknown = await account(scene, "Known there"), await account(scene, "Only here")
        contact = await scene.xero.edit("Contact", {"Name": "Known there Ltd", "ContactNumber": known})
        accounts, contacts = len(await scene.salesforce.objects("Account")), len(await scene.xero.objects("Contact"))
        await scene.begin()
        await scene.salesforce.edit("Account", {"Phone": "0800 1"}, unknown)
        await scene.salesforce.edit("Account", {"Name": "Known by its new name"}, known)
        later = await account(scene, "Came later")

        async def there() -> bool:
            rows = {row["ContactID"]: row for row in await scene.xero.objects("Contact")}
            born = any(row.get("ContactNumber") == later for row in rows.values())
            return born and rows[contact]["Name"] == "Known by its new name"

        await until("the linked one follows and the new one is born", there)
        assert len(await scene.xero.objects("Contact")) == contacts + 1
        assert len(await scene.salesforce.objects("Account")) == accounts + 1


async def test_an_old_deal_whose_customer_is_tied_long_after_begin_link_is_not_billed(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    mappings = copied_mappings(tmp_path, "account-contact", "opportunity-to-invoice")
    edit_file(mappings / "opportunity-to-invoice.yaml", "begin: new", "begin: link")
    edit_file(mappings / "opportunity-to-invoice.yaml", "found: stop", "found: link")
    async with spine(kafka, prefix, tmp_path, mappings=mappings, start=False) as scene:
        owner = await scene.salesforce.edit("Account", {"Name": "No customer yet", "Type": "Prospect"})
        old = await opportunity(scene, owner, "old", "Closed Won")
        billed = await opportunity(scene, owner, "billed", "Closed Won")
        contact = await scene.xero.edit("Contact", {"Name": "Was billed by hand"})
        lines = [{"Description": "By hand", "Quantity": Decimal(1), "UnitAmount": Decimal(10), "AccountCode": "200"}]
        by_hand: Json = {"InvoiceNumber": "OPP-billed", "Type": "ACCREC", "LineItems": lines}
        by_hand["Contact"] = {"ContactID": contact}
        await scene.xero.edit("Invoice", by_hand)
        await scene.begin()
        await scene.opened()
        new = await opportunity(scene, owner, "new", "Closed Won")
        await until("all three wait", lambda: _all_wait(scene, old, billed, new))
        await scene.salesforce.edit("Opportunity", {"PO_Number__c": "edited later"}, old)
        await scene.salesforce.edit("Account", {"Type": "Customer"}, owner)
        await invoice_of(scene, "new")

        async def came_to_rest() -> dict[str, tuple[str, str]] | None:
            found = {link.id.source: (link.life.value, link.reason) for link in await links(scene, INVOICES)}
            return found if "new" not in {life for life, _ in found.values()} else None

        ends = await until("the old ones are looked for", came_to_rest)
        assert ends == {old: ("ended", "before"), billed: ("live", ""), new: ("live", "")}
        assert sorted(row["InvoiceNumber"] for row in await ours(scene)) == ["OPP-billed", "OPP-new"]


async def _all_wait(scene: Stage, *deals: str) -> bool:
    found = {link.id.source: link.hold for link in await links(scene, INVOICES)}
    return found == dict.fromkeys(deals, Hold.WAITS)
