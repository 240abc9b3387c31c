"""``twinledger schemas pull`` against a simulated org: schemas that every version of themselves can read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
import typer
import yaml

from connector.cli import schemas
from connector.cli.demo import shipped_mappings
from connector.cli.options import Format
from connector.core.catalog import FieldType
from connector.errors import DataError
from connector.kafka.evolution import evolution_problems
from connector.kafka.schemas import parse_schema
from connector.salesforce.avro import GONE, pull, schema
from connector.salesforce.describe import ObjectShape, shape_of
from connector.salesforce.drift import Policy
from connector.simulators.salesforce.describe import describe
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.sales_org import PICKLISTS, TABLES
from connector.simulators.salesforce.schema import build_schema
from tests.integration.salesforce_org import Client, an_org

ORG = "00D8d0000000001EAA"
SCHEMA = build_schema(TABLES, PICKLISTS, currencies=False)
ACCOUNT: ObjectShape = shape_of(describe(SCHEMA, SCHEMA.entities["Account"], Permissions(), "62.0"))


def configuration(client: Client, folder: Path) -> Path:
    settings = client.org.settings
    salesforce = {"url": client.base, "client_id": settings.client_id, "client_secret": settings.client_secret}
    xero = {"tenant": "t", "client_id": "x"}
    connection = {"name": "demo", "salesforce": salesforce, "xero": [xero], "mappings": [str(shipped_mappings())]}
    file = folder / "twinledger.yaml"
    file.write_text(yaml.safe_dump({"connections": [connection]}), "utf-8")
    return file


async def pulled(client: Client, folder: Path, *objects: str, drift: Policy | None = None) -> dict[str, Any]:
    config = configuration(client, folder)
    await asyncio.to_thread(
        schemas.pull_schemas,
        list(objects) or None,
        config,
        "",
        folder / "avro",
        drift,
        dry_run=False,
        output=Format.JSON,
    )
    found = (folder / "avro").rglob("*.avsc")
    return {file.stem: json.loads(file.read_text("utf-8")) for file in found}


async def test_schemas_are_pulled_for_what_the_mappings_use_and_take_real_records(tmp_path: Path) -> None:
    async with an_org() as client:
        found = await pulled(client, tmp_path)
        assert set(found) >= {"Account", "Opportunity", "Expense__c", "Xero_Invoice__c"}
        record = {"Name": "Größe", "AnnualRevenue": Decimal("12345678901234567.000000000000000001")}
        parsed = fastavro.parse_schema(found["Account"])
        out = BytesIO()
        fastavro.schemaless_writer(out, parsed, record)
        out.seek(0)
        back: Any = fastavro.schemaless_reader(out, parsed, None)
        assert {name: value for name, value in back.items() if value is not None} == record


async def test_schemas_follow_an_object_without_breaking_a_reader(tmp_path: Path) -> None:
    async with an_org() as client:
        first = (await pulled(client, tmp_path, "Account"))["Account"]
        await client.sim("/permissions", {"hide": ["Account.Phone"]})
        second = (await pulled(client, tmp_path, "Account"))["Account"]
        phone = next(field for field in second["fields"] if field["name"] == "Phone")
        assert phone["doc"] == GONE
        await client.sim("/permissions", {"show": ["Account.Phone"]})
        third = (await pulled(client, tmp_path, "Account"))["Account"]
        assert third == first
        versions = [parse_schema(json.dumps(each)) for each in (first, second)]
        assert evolution_problems(versions[1], versions[:1]) == ()


def retyped() -> ObjectShape:
    field = ACCOUNT.fields["Phone"]
    number = replace(field, kind="double", info=replace(field.info, type=FieldType.NUMBER))
    return replace(ACCOUNT, fields={**ACCOUNT.fields, "Phone": number})


def test_a_field_of_another_type_is_held_or_gets_a_name_of_its_own() -> None:
    before = schema(ACCOUNT, ORG)
    held = pull(retyped(), ORG, before, Policy.HOLD)
    assert (held.document, held.clashes) == (None, ("Phone",))
    followed = pull(retyped(), ORG, before, Policy.FOLLOW)
    assert followed.document is not None
    assert (followed.added, followed.gone) == (("Phone_decimal",), ())
    old, new = (parse_schema(json.dumps(each)) for each in (before, followed.document))
    assert evolution_problems(new, [old]) == ()
    assert pull(retyped(), ORG, followed.document, Policy.FOLLOW).document == followed.document  # and stays so


async def test_a_clash_ends_as_the_policy_says(tmp_path: Path) -> None:
    async with an_org() as client:
        await pulled(client, tmp_path, "Account")
        (file,) = (tmp_path / "avro").rglob("Account.avsc")
        document = json.loads(file.read_text("utf-8"))
        next(field for field in document["fields"] if field["name"] == "Phone")["type"] = ["null", "boolean"]
        file.write_text(json.dumps(document), "utf-8")
        with pytest.raises(typer.Exit) as different:
            await pulled(client, tmp_path, "Account")
        assert different.value.exit_code == 3
        with pytest.raises(DataError) as stopped:
            await pulled(client, tmp_path, "Account", drift=Policy.STOP)
        assert stopped.value.code == "salesforce.schema-clash"
        assert json.loads(file.read_text("utf-8")) == document  # neither wrote
        assert any(
            f["name"] == "Phone_string"
            for f in (await pulled(client, tmp_path, "Account", drift=Policy.FOLLOW))["Account"]["fields"]
        )
