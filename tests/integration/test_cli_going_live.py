"""The files a deployment starts with, from what both sides say; a second connection; what was made, counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from connector.cli import connection as connections
from connector.cli.init import CHANNEL, LATER, SECRETS, Found, Wanted, block, look, main, polled, write_mappings
from connector.cli.options import Format
from connector.errors import ConfigurationError
from connector.settings import load
from connector.simulators.serving import running
from connector.simulators.xero import app as xero
from connector.simulators.xero.world import Settings as World
from tests.integration.salesforce_org import Client, an_org


@dataclass
class Sides:
    """An org and a company, and what a person would name of them."""

    org: Client
    wanted: Wanted


@pytest.fixture
async def both(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sides]:
    async with _both() as sides:
        monkeypatch.setenv(SECRETS["salesforce"], sides.org.org.settings.client_secret)
        monkeypatch.setenv(SECRETS["xero"], World().client_secret)
        yield sides


@asynccontextmanager
async def _both() -> AsyncIterator[Sides]:
    world = World()
    async with an_org() as client, running(xero.build(world)) as url:
        addresses = {"api_url": f"{url}/api.xro/2.0", "token_url": f"{url}/connect/token"}
        wanted = Wanted(
            "main", client.base, client.org.settings.client_id, world.tenants[0][0], world.client_id, addresses
        )
        yield Sides(client, wanted)


async def test_the_files_run_as_they_are_written(both: Sides, tmp_path: Path) -> None:
    found = await look(both.wanted)
    assert {fit.rule.name for fit in found.fits if not fit.lacks} >= {"account-contact", "opportunity-to-invoice"}
    file = tmp_path / "twinledger.yaml"
    file.write_text("connections:\n" + block(both.wanted, found), "utf-8")
    write_mappings(found.fits, tmp_path / "mappings")
    (settings,) = load(file).connections
    assert settings.salesforce.organisation == both.org.org.organisation
    assert settings.xero[0].demo is True
    assert settings.currency == "", "an org with one currency names it nowhere, and Xero's is not asked"
    assert "currency: ''  # fill it in as Setup" in file.read_text("utf-8")
    assert "secret" not in yaml.safe_load(file.read_text("utf-8"))["connections"][0]["salesforce"]


async def test_what_does_not_fit_stands_beside_with_what_it_lacks(both: Sides, tmp_path: Path) -> None:
    await both.org.sim("/permissions", {"hide": ["Expense__c"]})
    found = await look(both.wanted)
    lacks = {fit.rule.name: fit.lacks for fit in found.fits if fit.lacks}
    assert "Expense__c" in lacks["expense-to-bill"]
    assert "account-contact" not in lacks
    write_mappings(found.fits, tmp_path)
    assert (tmp_path / LATER / "expense-to-bill.yaml").read_text("utf-8").startswith("# Does not fit yet:")
    assert not (tmp_path / "expense-to-bill.yaml").exists()


async def test_a_mapping_that_needs_another_does_not_fit_without_it(both: Sides) -> None:
    await both.org.sim("/permissions", {"hide": ["Account.Xero_Contact_Id__c"]})
    found = await look(both.wanted)
    lacks = {fit.rule.name for fit in found.fits if fit.lacks}
    assert {"account-contact", "opportunity-to-invoice", "invoice-status-to-opportunity"} <= lacks


async def test_what_the_packages_channel_tells_of_is_streamed_and_all_else_polled(both: Sides) -> None:
    members = Path(__file__).parents[2] / "salesforce-package/force-app/main/default/platformEventChannelMembers"
    names = [file.name.split("_chn_")[1].split("ChangeEvent")[0] for file in members.glob("*.xml")]
    assert {f"{name}_c" if name.endswith("_") else name for name in names} == CHANNEL
    found = await look(replace(both.wanted, also=("persons", "products", "products", "metadata", "shop")))
    lacks = {fit.rule.name: fit.lacks for fit in found.fits}
    assert lacks["price-to-item"] == lacks["currencies-to-salesforce"] == ""
    rest = polled(found)
    assert {"Contact", "PricebookEntry"} <= set(rest)
    every = {one for name, rows in found.children.items() if name not in rest for one in (name, *rows)}
    streamed = every - set(rest)
    assert streamed <= CHANNEL
    assert {"Account", "Opportunity", "Product2"} <= streamed
    with pytest.raises(ConfigurationError, match="no folder"):
        await look(replace(both.wanted, also=("../more",)))


async def test_without_its_secrets_nothing_is_asked(both: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRETS["xero"])
    with pytest.raises(ConfigurationError, match=SECRETS["xero"]):
        await look(both.wanted)


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "twinledger.yaml").write_text("connections: []\n", "utf-8")
    with pytest.raises(ConfigurationError, match="there already"):
        main(Wanted("main", "https://x.example", "c", "t", "c"), tmp_path, Format.JSON)


async def test_one_more_connection_is_added_at_the_end(both: Sides) -> None:
    found: Found = await look(both.wanted)
    before = "# kept\nweb: { port: 1 }\nconnections:\n" + block(both.wanted, found)
    again = Wanted("second", *(getattr(both.wanted, name) for name in (
        "salesforce_url", "salesforce_client", "xero_tenant", "xero_client", "xero_addresses")))  # fmt: skip
    after = before + block(again, found)
    connections._check_grown(Path("x.yaml"), before, after)
    assert [one["name"] for one in yaml.safe_load(after)["connections"]] == ["main", "second"]
    for text in (before + "web: {}\n", "connections: []\n"):
        with pytest.raises(ConfigurationError):
            connections._check_grown(Path("x.yaml"), text, text + block(again, found))
