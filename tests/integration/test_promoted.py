"""One folder of mappings, as `init` wrote it, with a sandbox and a demo company, then with another org and company."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from connector.cli.init import SECRETS, Wanted, look, polled, write_mappings
from connector.cli.stage import Json, Stage, until
from connector.settings import load
from connector.simulators.xero.seed import OTHER_TENANT
from tests.integration.spine_stage import connection, spine
from tests.scenarios.people import deal, record, won

pytestmark = pytest.mark.timeout(300)
PRODUCTION = "00D000000000777"


async def test_the_same_mappings_serve_both_and_neither_file_the_others_topics(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mappings = tmp_path / "mappings"
    async with raised(kafka, tmp_path, "sandbox") as sandbox, raised(kafka, tmp_path, "production") as production:
        rest = await written_by_init(sandbox, mappings, monkeypatch)
        text = digest(mappings)
        org = await production.salesforce.call("POST", "/__sim/organisation", {"id": PRODUCTION})
        named(sandbox, await ids(sandbox), rest)
        named(production, (str(org["id"]), OTHER_TENANT), rest)
        await asyncio.gather(plays(sandbox, "Invoice"), plays(production, f"{OTHER_TENANT}:Invoice"))
        assert digest(mappings) == text, "nothing was edited in between"
        said = "".join(file.read_text("utf-8") for file in mappings.rglob("*.yaml"))
        assert [one for one in (*await ids(sandbox), PRODUCTION, OTHER_TENANT) if one in said] == []
        mine, theirs = (yaml.safe_load(scene.config.read_text("utf-8")) for scene in (sandbox, production))
        await refused(sandbox, production, {**mine, "connections": theirs["connections"]})
        await refused(production, sandbox, {**theirs, "connections": mine["connections"]})


@asynccontextmanager
async def raised(kafka: str, folder: Path, name: str) -> AsyncIterator[Stage]:
    place = folder / name
    place.mkdir()
    prefix, mappings = f"t{uuid4().hex[:10]}.", folder / "mappings"
    async with spine(kafka, prefix, place, mappings=mappings, start=False) as scene:
        yield scene


async def ids(scene: Stage) -> tuple[str, str]:
    (org,) = await scene.salesforce.objects("Organization")
    return str(org["Id"]), scene.tenant


async def written_by_init(scene: Stage, mappings: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The folder; gives which objects are to be polled."""
    (settings,) = load(scene.config).connections
    org, (company,) = settings.salesforce, settings.xero
    monkeypatch.setenv(SECRETS["salesforce"], org.client_secret.get_secret_value())
    monkeypatch.setenv(SECRETS["xero"], company.client_secret.get_secret_value())
    addresses = {"api_url": company.api_url, "token_url": company.token_url}
    found = await look(Wanted(
        "main", org.url, org.client_id, company.tenant, company.client_id, addresses, ("metadata", "products")
    ))  # fmt: skip
    write_mappings(found.fits, mappings)
    assert {fit.rule.name for fit in found.fits if not fit.lacks} >= {"price-to-item", "currencies-to-salesforce"}
    return polled(found)


def named(scene: Stage, organisations: tuple[str, str], rest: tuple[str, ...]) -> None:
    """The connection file names its own org and company; an app that sees all companies signs in."""
    client, secret = scene.xero_credentials
    org, tenant = organisations
    with connection(scene) as one:
        (company,) = one["xero"]
        one["salesforce"] |= {"organisation": org, "capture": dict.fromkeys(rest, "poll")}
        company |= {"tenant": tenant, "organisation": tenant, "client_id": client, "client_secret": secret}


def digest(folder: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.yaml")))).hexdigest()


async def plays(scene: Stage, entity: str) -> None:
    """A deal is won, its invoice is made, and the opportunity says so."""
    await scene.begin()
    opportunity, number, _ = await deal(scene)
    await won(scene, opportunity)

    async def told() -> Json | None:
        rows = [row for row in await scene.xero.objects(entity) if row["InvoiceNumber"] == f"OPP-{number}"]
        shown = await record(scene, "Opportunity", opportunity)
        return rows[0] if rows and shown["Invoice_Status__c"] == rows[0]["Status"] == "AUTHORISED" else None

    made = await until("the invoice is made and told", told)
    assert made["SubTotal"] == 140
    assert await scene.stop_connector() == 0


async def refused(scene: Stage, other: Stage, swapped: Json) -> None:
    """The other deployment's file on these topics: its org, under our links."""
    before = await writes(scene) + await writes(other)
    scene.config.write_text(yaml.safe_dump(swapped, sort_keys=False), "utf-8")
    await scene.start_connector()
    assert scene.worker is not None
    assert await scene.worker.wait() == 78
    assert "organisation.changed" in scene.log.read_text("utf-8")
    assert await writes(scene) + await writes(other) == before


async def writes(scene: Stage) -> int:
    calls = [*await scene.salesforce.requests(), *await scene.xero.requests()]
    mine = [one for one in calls if "/__sim" not in one["path"] and "token" not in one["path"]]
    return sum(one["method"] != "GET" and "/cometd" not in one["path"] for one in mine)
