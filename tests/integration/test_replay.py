"""Replay: what the kept records mean now; only what differs goes out, and no record is read for it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from connector.cli.app import app
from connector.cli.apply import apply_file
from connector.cli.options import Old
from connector.cli.stage import Json, Stage, until
from connector.cli.statement import Line, lines
from connector.cli.usage import counted
from tests.integration.kafka_views import cluster
from tests.integration.spine_stage import changed_mappings, opened, spine
from tests.scenarios.people import INVOICES, clean, deal, invoice, invoices, won
from tests.scenarios.replaying import replayed, says_nothing_new

pytestmark = pytest.mark.timeout(180)
RECORDS = "salesforce.records.v1"


async def run(scene: Stage, *arguments: str) -> tuple[int, Json]:
    """The command in a process of its own, as an operator starts it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.cli.main", "replay", *arguments, "--config", str(scene.config),
        "--output", "json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    out, err = await process.communicate()
    assert out, err.decode()
    found: Json = json.loads(out)
    return process.returncode or 0, found


async def looked_at(scene: Stage) -> list[tuple[str, str]]:
    """Calls that read or wrote records: all but sign-in, the shape of objects and the stream."""
    calls = [*await scene.salesforce.requests(), *await scene.xero.requests()]
    return [(c["method"], c["path"]) for c in calls if "/query" in c["path"] or "composite" in c["path"]]


async def test_what_an_edited_mapping_would_change_is_shown_then_done(kafka: str, prefix: str, tmp_path: Path) -> None:
    mappings = changed_mappings(tmp_path, {})
    async with spine(kafka, prefix, tmp_path, mappings=mappings) as scene:
        await opened(scene)
        opportunity, number, _ = await deal(scene, PO_Number__c="PO-1")
        await won(scene, opportunity)
        await invoice(scene, number)
        await clean(scene, INVOICES, opportunity)
        await says_nothing_new(scene)
        made = [(row.type, row.mapping, row.documents) for row in await counted(cluster(scene), "demo")]
        assert ("xero sales invoice", INVOICES, 1) in made

        async def summed() -> dict[str, Line]:
            found = {line.mapping: line for line in await lines(cluster(scene), "demo", "2026-11")}
            return found if {INVOICES, "invoice-to-xero-invoice"} <= set(found) else {}

        sums = await until("both sides are in their topics", summed)
        ours, mirror = sums[INVOICES], sums["invoice-to-xero-invoice"]
        assert [ours.salesforce, ours.xero, ours.difference] == [Decimal(140), Decimal(140), Decimal(0)]
        assert [mirror.salesforce, mirror.xero, mirror.difference] == [Decimal(168), Decimal(168), Decimal(0)]
        assert await lines(cluster(scene), "demo", "2026-10") == ()

        file = mappings / "opportunity-to-invoice.yaml"
        text = file.read_text("utf-8")
        file.write_text(text.replace("=record.PO_Number__c", '="PO " + record.PO_Number__c'), "utf-8")
        await apply_file(scene.config, old=Old.MOVE)
        before = await looked_at(scene)
        code, found = await run(scene, RECORDS, "--dry-run", "--key", opportunity)
        assert code == 3
        (one,) = found["differences"]
        assert (one["mapping"], one["act"], one["record"]) == (INVOICES, "update", opportunity)
        assert [(path, json.loads(was), json.loads(now)) for path, (was, now) in one["changed"].items()] == [
            ("Reference", "PO-1", "PO PO-1")
        ]
        assert [call for call in await looked_at(scene) if call not in before] == [], "no record was read or written"
        assert (await invoices(scene, number))[0]["Reference"] == "PO-1"

        code, found = await run(scene, RECORDS, "--yes", "--key", opportunity)
        assert (code, found["handed_over"]) == (0, 1)

        async def written() -> bool:
            return [row["Reference"] for row in await invoices(scene, number)] == ["PO PO-1"]

        await until("the reference is written", written)
        await clean(scene, INVOICES, opportunity)
        code, found = await run(scene, RECORDS, "--dry-run")
        assert (code, found["differences"]) == (0, [])
        code, found = await run(scene, "accounting.invoices.v1", "--dry-run")
        assert (code, found["differences"]) == (0, [])


async def test_the_past_stays_closed_and_times_choose(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with spine(kafka, prefix, tmp_path, start=False) as scene:
        fields: dict[str, Any] = {"Name": "Old", "StageName": "Closed Won", "CloseDate": "2026-01-01",
                                  "Number__c": uuid4().hex[:8]}  # fmt: skip
        await scene.salesforce.edit("Opportunity", fields)
        await scene.begin()
        await says_nothing_new(scene)
        assert (await replayed(scene, RECORDS)).records > 0
        _, none = await run(scene, RECORDS, "--dry-run", "--to", "2020-01-01")
        assert none["records"] == 0


@pytest.mark.parametrize("arguments", [["links.v1"], ["nonsense"], [RECORDS, "--from", "yesterday"]])
def test_what_cannot_be_replayed_is_said(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "twinledger.yaml"
    file.write_text("connections: []\n", "utf-8")
    told = CliRunner().invoke(app, ["replay", *arguments, "--config", str(file)])
    assert told.exit_code in (2, 65)
