"""Others read our topics: the program of docs/subscribing.md with Apache's avro, and Apache's Java classes."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connector.core.identity import record_key
from connector.core.records import Record, Side, Version
from connector.core.values import Fields
from connector.kafka import admin
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.jars import classpath, pinned
from connector.kafka.producer import Producer
from connector.kafka.schema_topic import publish_schemas
from connector.kafka.topics import BY_NAME
from connector.xero import avro as accounting

ROOT = Path(__file__).parents[2]
TOPIC, RECORD = "accounting.invoices.v1", "io.twinledger.accounting.v1.Invoice"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
FIELDS: Fields = {
    "InvoiceID": "i-1", "InvoiceNumber": "OPP-1", "Type": "ACCREC", "Status": "AUTHORISED", "Date": date(2026, 11, 20),
    "CurrencyCode": "GBP", "CurrencyRate": Decimal("1.2345678901"), "SubTotal": Decimal("100.10"),
    "LineItems": [{"Description": "A line", "Quantity": Decimal("1.5"), "UnitAmount": Decimal("66.7333")}],
}  # fmt: skip


@pytest.fixture
async def topics(kafka: str, prefix: str) -> Cluster:
    """One invoice stands in its topic, with its schema."""
    cluster, codec = embedded_cluster(kafka, prefix), Codec()
    await admin.apply(cluster, [BY_NAME["schemas.v1"], BY_NAME[TOPIC]])
    record = Record(Side.XERO, "tenant", "Invoice", "i-1", Version(1, 1), NOW, NOW, fields=FIELDS)
    async with Producer(cluster) as producer:
        await publish_schemas(cluster, codec, producer, NOW)
        key = record_key("demo", "tenant", "Invoice", "i-1")
        await producer.send(TOPIC, key, codec.encode(TOPIC, accounting.to_value(record)))
    return cluster


async def run(*arguments: str) -> list[str]:
    """Lines that a program prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    return out.decode().splitlines()


async def test_the_program_of_the_documentation(topics: Cluster, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "subscribing.md").read_text("utf-8"), re.S)
    assert "connector" not in code
    assert "streams" not in code
    program = tmp_path / "subscriber.py"
    program.write_text(code, "utf-8")
    (line,) = await run("-I", str(program), topics.bootstrap, TOPIC, topics.prefix)
    ((key, value),) = json.loads(line).items()
    assert (key, value["deleted"]) == ("demo/tenant/Invoice/i-1", False)
    invoice = value["document"]
    assert (invoice["InvoiceNumber"], invoice["Date"]) == ("OPP-1", "2026-11-20")
    amounts = (invoice["SubTotal"], invoice["CurrencyRate"], invoice["LineItems"][0]["UnitAmount"])
    assert [Decimal(text) for text in amounts] == [Decimal("100.10"), Decimal("1.2345678901"), Decimal("66.7333")]


async def test_a_subscriber_in_java(topics: Cluster) -> None:
    jars = classpath([*pinned(), *pinned(Path(__file__).with_name("subscriber_java.lock"))])
    program, schema = Path(__file__).with_name("subscriber_java.py"), ROOT / "schemas" / "schemas.v1.avsc"
    lines = await run(str(program), topics.bootstrap, topics.prefix, TOPIC, RECORD, jars, str(schema))
    (line,) = [each for each in lines if each.startswith("{")]
    invoice = json.loads(line)["document"]
    assert (invoice["InvoiceNumber"], invoice["Status"]) == ("OPP-1", "AUTHORISED")
