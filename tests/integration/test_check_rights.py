"""`twinledger check`: what the integration user and the app at Xero lack, in words, with the mapping that needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
import yaml

from connector.cli.check import UNTOLD, check, main
from connector.cli.demo import shipped_mappings
from connector.cli.options import Format
from connector.simulators.salesforce.sales_org import CHANNEL
from connector.simulators.serving import running
from connector.simulators.xero.app import build
from connector.simulators.xero.tokens import SCOPES
from connector.simulators.xero.world import Settings as World
from tests.integration.salesforce_org import Client, an_org


@dataclass(frozen=True)
class Deployment:
    org: Client
    config: Path

    async def said(self) -> tuple[str, ...]:
        found, _ = await check(self.config)
        return tuple(f"{one.message} [{one.code}]" for one in found)


@asynccontextmanager
async def deployment(folder: Path, *, scopes: frozenset[str] = SCOPES, **more: object) -> AsyncIterator[Deployment]:
    """The ready-made mappings, with those of products, between two simulators. ``more`` goes into Salesforce's part."""
    world = World(scopes=scopes)
    async with an_org() as org, running(build(world)) as url:
        settings = org.org.settings
        connection = {
            "name": "main", "currency": "GBP",
            "salesforce": {
                "url": org.base, "client_id": settings.client_id, "client_secret": settings.client_secret,
                "channels": [f"/data/{CHANNEL}"], "capture": {"PricebookEntry": "poll"}, **more,
            },
            "xero": [{
                "tenant": world.tenants[0][0], "client_id": world.client_id, "client_secret": world.client_secret,
                "token_url": f"{url}/connect/token", "api_url": f"{url}/api.xro/2.0",
            }],
            "mappings": [str(shipped_mappings()), str(shipped_mappings() / "products")],
        }  # fmt: skip
        config = folder / "twinledger.yaml"
        config.write_text(yaml.safe_dump({"data_dir": str(folder), "connections": [connection]}), "utf-8")
        yield Deployment(org, config)


async def test_where_nothing_lacks_nothing_is_said(tmp_path: Path) -> None:
    async with deployment(tmp_path, sync_state=True) as one:
        assert await check(one.config) == ((), ())


async def test_each_right_that_lacks_is_named_once_with_the_mappings_that_need_it(tmp_path: Path) -> None:
    async with deployment(tmp_path) as one:
        await one.org.sim("/permissions", {
            "hide": ["Product2.Xero_Tax__c"],
            "fix": ["Opportunity.Invoice_Status__c", "Account.Phone", "Xero_Tax_Rate__c"],
        })  # fmt: skip
        said = [text for text in await one.said() if "salesforce.right-missing" in text]
        start, end = "main: the integration user cannot", "[salesforce.right-missing]"
        assert (
            f"{start} read Product2.Xero_Tax__c, needed by mappings opportunity-to-invoice, product-item {end}" in said
        )
        assert (
            f"{start} edit Opportunity.Invoice_Status__c, needed by mapping invoice-status-to-opportunity {end}" in said
        )
        assert f"{start} edit Account.Phone, needed by mapping account-contact {end}" in said
        for right in ("create", "edit"):
            assert f"{start} {right} Xero_Tax_Rate__c records, needed by mapping tax-rates-to-salesforce {end}" in said
        assert sum("Product2.Xero_Tax__c" in text for text in said) == 1
        await one.org.sim("/permissions", {
            "show": ["Product2.Xero_Tax__c", "Opportunity.Invoice_Status__c", "Account.Phone",
                     "Xero_Tax_Rate__c"],
        })  # fmt: skip
        assert await one.said() == ()


async def test_an_object_that_is_not_to_be_seen_is_one_line_and_stops_no_other_check(tmp_path: Path) -> None:
    async with deployment(tmp_path) as one:
        await one.org.sim("/permissions", {"hide": ["Expense__c", "Opportunity.PO_Number__c"]})
        said = await one.said()
        needed = "needed by mapping expense-to-bill [salesforce.right-missing]"
        assert [text for text in said if "Expense__c" in text] == [
            f"main: the integration user cannot read Expense__c records, {needed}"
        ]
        assert any("cannot read Opportunity.PO_Number__c" in text for text in said)


async def test_what_shows_how_records_stand_is_checked_where_it_is_on(tmp_path: Path) -> None:
    async with deployment(tmp_path, sync_state="trouble") as one:
        await one.org.sim("/permissions", {"fix": ["Twinledger_Sync__c.Reason__c"]})
        lack = "main: the integration user cannot edit Twinledger_Sync__c.Reason__c, needed by sync_state"
        assert await one.said() == (f"{lack} [salesforce.right-missing]",)
        await one.org.sim("/permissions", {"hide": ["Twinledger_Sync__c"]})
        lack = "main: the integration user cannot read Twinledger_Sync__c records, needed by sync_state"
        assert await one.said() == (f"{lack} [salesforce.right-missing]",)


async def test_an_object_of_which_no_channel_tells_is_named(tmp_path: Path) -> None:
    async with deployment(tmp_path) as one:
        await one.org.sim("/channels", {"deselect": ["Expense__c", "OpportunityLineItem"]})
        assert await one.said() == tuple(
            f"main: {name} is not selected for change data capture: its changes are not heard [salesforce.not-selected]"
            for name in ("Expense__c", "OpportunityLineItem")
        )
    async with deployment(tmp_path, capture={"*": "poll"}) as one:
        await one.org.sim("/channels", {"deselect": ["Expense__c"]})
        assert await one.said() == ()


async def test_what_nobody_may_ask_is_said_and_no_problem(tmp_path: Path) -> None:
    async with deployment(tmp_path) as one:
        refused = [{"errorCode": "INVALID_TYPE", "message": "sObject type is not supported."}]
        await one.org.sim("/faults", {
            "kind": "status", "count": 1, "match": {"method": "GET", "path": "/services/data/v62.0/tooling/query"},
            "options": {"status": 400, "body": refused},
        })  # fmt: skip
        assert await check(one.config) == ((), (UNTOLD,))


async def test_a_scope_that_lacks_is_named_with_what_needs_it(tmp_path: Path) -> None:
    async with deployment(tmp_path, scopes=SCOPES - {"accounting.contacts"}) as one:
        (said,) = await one.said()
        assert said.startswith("main, ")
        assert "accounting.contacts (for Contact of account-contact)" in said
        assert said.endswith("[xero.scope-missing]")


def test_the_command_ends_with_78_where_only_rights_lack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from connector.cli import check as room
    from connector.core.mapping.problem import Problem

    async def looked(_config: Path) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
        return (Problem("twinledger.yaml", 1, "salesforce.right-missing", "cannot read X.Y", "Give it."),), ()

    monkeypatch.setattr(room, "check", looked)
    with pytest.raises(typer.Exit) as ended:
        main(tmp_path, Format.TABLE)
    assert ended.value.exit_code == 78
    assert "cannot read X.Y" in capsys.readouterr().out


async def test_what_the_check_names_is_what_the_org_refuses(tmp_path: Path) -> None:
    async with deployment(tmp_path) as one:
        await one.org.sim("/permissions", {"fix": ["Account.Phone", "Expense__c"]})
        said = await one.org.data("POST", "/sobjects/Account", {"Name": "A", "Phone": "1"})
        assert said[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
        said = await one.org.data("POST", "/sobjects/Expense__c", {"Name": "E"})
        assert said[0]["errorCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        lacks = [text for text in await one.said() if "salesforce.right-missing" in text]
        assert len(lacks) == 1, "the mapping of expenses only reads them"
        assert "cannot edit Account.Phone" in lacks[0]
