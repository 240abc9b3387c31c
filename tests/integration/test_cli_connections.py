"""``twinledger connection`` beside a connector that runs: list, pause, resume, remove and back again, add."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from connector.cli.app import app
from connector.cli.apply import apply_file
from connector.cli.demo import shipped_mappings
from connector.cli.init import SECRETS
from connector.cli.stage import Actor, Json, Stage, until
from connector.errors import TwinledgerError
from connector.simulators.salesforce import app as salesforce
from connector.simulators.salesforce.org import Settings as Org
from connector.simulators.serving import running
from connector.simulators.xero.seed import OTHER_TENANT
from tests.integration.kafka_views import announced, link_of
from tests.integration.spine_stage import log_of, opened, spine, start_again
from tests.scenarios.people import ACCOUNTS, clean, contacts, customer, linked_customer, phone, signal, some_polls

pytestmark = pytest.mark.timeout(180)


def folder_of(tmp_path: Path) -> Path:
    """One mapping, in the folder that a connection names unless it is told another."""
    there = tmp_path / "mappings"
    there.mkdir()
    text = (shipped_mappings() / f"{ACCOUNTS}.yaml").read_text("utf-8")
    (there / f"{ACCOUNTS}.yaml").write_text(text, "utf-8")
    return there


async def run(scene: Stage, *words: str) -> tuple[int, str, str]:
    """The command as an operator types it: its exit code, its data, its words. It has a loop of its own."""
    arguments = ["connection", *words, "--config", str(scene.config)]
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    said = done.exception if isinstance(done.exception, TwinledgerError) else done.stderr
    return done.exit_code, done.stdout, str(said)


async def listed(scene: Stage) -> dict[str, tuple[int, int]]:
    """Of each connection how many mappings run, and how many are paused."""
    code, out, err = await run(scene, "list", "--output", "json")
    assert code == 0, err
    rows: list[Json] = json.loads(out)["connections"]
    return {row["connection"]: (row["running"], row["paused"]) for row in rows}


async def becomes(scene: Stage, name: str, wanted: tuple[int, int]) -> None:
    async def there() -> bool:
        return (await listed(scene))[name] == wanted

    await until(f"{name} has {wanted} mappings running and paused", there)


async def shown(scene: Stage, account: str, number: str) -> None:
    async def there() -> bool:
        return [phone(row) for row in await contacts(scene, ContactNumber=account)] == [number]

    await until(f"Xero shows {number}", there)


async def test_a_connection_is_paused_resumed_removed_and_comes_back(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path, mappings=folder_of(tmp_path)) as scene:
        await opened(scene)
        account = await linked_customer(scene, Phone="1")
        assert await listed(scene) == {"demo": (1, 0)}
        for words in (("pause", "nobody"), ("resume", "nobody"), ("remove", "nobody", "--yes")):
            code, _, said = await run(scene, *words)
            assert code != 0
            assert "connection.not-applied" in said

        code, _, said = await run(scene, "pause", "demo")
        assert code == 0
        assert "connection resume demo" in said
        await becomes(scene, "demo", (0, 1))
        calls = len(await announced(scene))
        await scene.salesforce.edit("Account", {"Phone": "2"}, account)
        new = await customer(scene)

        async def taken_in() -> bool:
            return await link_of(scene, ACCOUNTS, new) is not None

        await until("the new account is taken in, and waits", taken_in)
        await some_polls(scene)
        assert (len(await announced(scene)), await contacts(scene, ContactNumber=new)) == (calls, [])

        assert (await run(scene, "resume", "demo"))[0] == 0
        await clean(scene, ACCOUNTS, new)
        await shown(scene, account, "2")
        assert await listed(scene) == {"demo": (1, 0)}

        code, _, said = await run(scene, "remove", "demo", "--yes")
        assert (code, await listed(scene)) == (0, {"demo": (0, 0)})
        assert "1 mappings of demo run no more" in said
        calls = len(await announced(scene))
        await scene.salesforce.edit("Account", {"Phone": "3"}, account)
        await scene.xero.edit("Contact", {"EmailAddress": "a@example.org"}, (await contacts(scene))[-1]["ContactID"])
        await signal(scene, "mapping.resume", ACCOUNTS)
        assert len(await announced(scene)) == calls

        await apply_file(scene.config)
        await opened(scene)
        await scene.salesforce.edit("Account", {"Phone": "4"}, account)
        await shown(scene, account, "4")
        for one in (account, new):
            assert len(await contacts(scene, ContactNumber=one)) == 1, "its links were kept: nothing is made twice"
        assert scene.worker is not None
        assert scene.worker.returncode is None, "one worker through all of it"
        errors = [line for line in log_of(scene).splitlines() if '"level": "error"' in line]
        assert [line for line in errors if "aiokafka" not in line] == []


def arguments(url: str) -> tuple[str, ...]:
    return (
        "--salesforce-url", url, "--salesforce-client", Org().client_id,
        "--xero-tenant", OTHER_TENANT, "--xero-client", "xero-demo-all",
    )  # fmt: skip


async def test_a_connection_is_added_to_one_that_runs(
    kafka: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = salesforce.build(Org())
    org.state.org.rename("00D000000000009")
    there = folder_of(tmp_path)
    async with running(org) as url, spine(kafka, prefix, tmp_path, mappings=there) as scene:
        await opened(scene)
        _, secret = scene.xero_credentials
        monkeypatch.setenv(SECRETS["salesforce"], Org().client_secret)
        monkeypatch.setenv(SECRETS["xero"], secret)
        code, _, said = await run(scene, "add", "demo", *arguments(url))
        assert code != 0
        assert "connection.exists" in said
        before = scene.config.read_text("utf-8")
        code, _, said = await run(scene, "add", "second", *arguments(url))
        assert code == 0, said
        assert "Restart the workers after `apply`" in said
        after = scene.config.read_text("utf-8")
        assert after.startswith(before.rstrip("\n"))
        assert secret not in after.removeprefix(before)
        assert [one["name"] for one in yaml.safe_load(after)["connections"]] == ["demo", "second"]
        assert await listed(scene) == {"demo": (1, 0), "second": (0, 0)}
        assert "Fill in its currency" in said
        for end, value in (("SALESFORCE", Org().client_secret), ("XERO__0", secret)):
            monkeypatch.setenv(f"TWINLEDGER_CONNECTIONS__1__{end}__CLIENT_SECRET", value)
        scene.config.write_text(after.replace("currency: ''", "currency: GBP"), "utf-8")
        await apply_file(scene.config)
        await scene.stop_connector()
        await start_again(scene)
        await opened(scene)
        assert await listed(scene) == {"demo": (1, 0), "second": (1, 0)}
        elsewhere = Actor(url, scene.xero.http)
        theirs = await elsewhere.edit("Account", {"Name": "Second Customer", "Type": "Customer"})
        ours = await linked_customer(scene)

        async def made() -> bool:
            rows = await scene.xero.objects(f"{OTHER_TENANT}:Contact")
            return [row["Name"] for row in rows if row.get("ContactNumber") == theirs] == ["Second Customer"]

        await until("the second connection makes its contact in its own organisation", made)
        assert len(await contacts(scene, ContactNumber=ours)) == 1
        assert await contacts(scene, Name="Second Customer") == []
