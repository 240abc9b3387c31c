"""Commands against a real broker and a real store, as a person types them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from connector.cli.app import app
from connector.kafka.admin import admin_client
from connector.kafka.codec import Codec, Decoded
from connector.kafka.compacted import read_to_end
from connector.kafka.connection import Cluster, embedded_cluster
from connector.kafka.headers import Headers
from connector.kafka.positions import Position, PositionKind, write_position
from connector.kafka.producer import Producer
from connector.kafka.topics import TOPICS
from connector.store.projection import Projection
from connector.store.rows import DeadLetterRow, LinkRow, ref_of

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = "acme/invoices/salesforce%3A006A/t-1/1"
FAILED = LinkRow(
    key=KEY, connection="acme", mapping="invoices", document="salesforce:006A", generation=1, tenant="t-1",
    state="failed", review=True, code="link.taken", message="An object with this number is there already.",
    remedy="Link to it, or change the number and retry.", paths=("InvoiceNumber",), salesforce_id="006A", xero_id="",
    status="", updated_at=NOW, link_offset=7, epoch=1, ordinal=1,
)  # fmt: skip
CLEAN = replace(
    FAILED, key="acme/invoices/salesforce%3A006B/t-1/1", document="salesforce:006B", state="clean", review=False
)
LETTER = DeadLetterRow(
    key="acme/salesforce.hints.v1/3/1042", connection="acme", topic="salesforce.hints.v1", partition=3, offset=1042,
    size=9, stage="hydrate", code="codec.not-avro", message="Not Avro.", remedy="", at=NOW,
)  # fmt: skip


@dataclass
class Deployment:
    """A configuration in a folder of its own, and the command line on it."""

    folder: Path
    cluster: Cluster

    @property
    def config(self) -> Path:
        return self.folder / "twinledger.yaml"

    def write(self, **more: Any) -> None:
        settings = {
            "kafka": {
                "bootstrap_servers": self.cluster.bootstrap, "prefix": self.cluster.prefix, "partitions": 4,
                "replication": 1,
            },
            "data_dir": str(self.folder / "data"),
            **more,
        }  # fmt: skip
        self.config.write_text(yaml.safe_dump(settings), "utf-8")

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(self.config)])

    def data(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--output", "json").stdout)

    def project(self, *rows: LinkRow, letters: tuple[DeadLetterRow, ...] = ()) -> None:
        async def fill() -> None:
            url = f"sqlite+aiosqlite:///{self.folder / 'data' / 'twinledger.sqlite'}"
            async with await Projection.open(url) as projection:
                await projection.apply(rows, letters, {("links.v1", 0): 1}, at=NOW)

        asyncio.run(fill())

    def produce(self, topic: str, key: bytes, value: dict[str, Any], headers: Headers = ()) -> None:
        async def send() -> None:
            async with Producer(self.cluster) as producer:
                await producer.send(topic, key, Codec().encode(topic, value), headers)

        asyncio.run(send())

    def signals(self) -> list[dict[str, Any]]:
        async def read() -> list[dict[str, Any]]:
            codec, found = Codec(), []
            async for message in read_to_end(self.cluster, "signals.v1"):
                decoded = codec.decode(message.value)
                assert isinstance(decoded, Decoded)
                found.append(decoded.value)
            return found

        return asyncio.run(read())


@pytest.fixture
def fresh(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment without topics."""
    cluster = embedded_cluster(kafka, prefix)
    deployment = Deployment(tmp_path, cluster)
    deployment.write()
    yield deployment

    async def clean() -> None:
        async with admin_client(cluster) as client:
            there = set(await client.list_topics())
            mine = [name for topic in TOPICS if (name := cluster.topic(topic.name)) in there]
            if mine:
                await client.delete_topics(mine)

    asyncio.run(clean())


@pytest.fixture
def deployment(fresh: Deployment) -> Deployment:
    """A deployment with its topics."""
    assert fresh.run("topics", "apply").exit_code == 0
    return fresh


def test_topics_are_shown_made_and_then_as_they_should_be(fresh: Deployment) -> None:
    before = fresh.run("topics", "diff")
    assert before.exit_code == 3
    assert f"{fresh.cluster.prefix}links.v1" in before.stdout
    assert "twinledger topics apply" in before.stderr
    dry = fresh.run("topics", "apply", "--dry-run")
    assert f"Would make {len(TOPICS)}" in dry.stderr
    assert fresh.run("topics", "diff").exit_code == 3
    made = fresh.run("topics", "apply", "--output", "json")
    assert len(json.loads(made.stdout)["differences"]) == len(TOPICS)
    after = fresh.run("topics", "diff")
    assert (after.exit_code, after.stdout) == (0, "")


def test_acls_are_printed_as_commands_and_nothing_is_done(fresh: Deployment) -> None:
    shown = fresh.run("topics", "apply", "--acls", "--principal", "worker", "--reader", "bi")
    lines = shown.stdout.splitlines()
    assert all(line.startswith("kafka-acls.sh ") for line in lines)
    assert any("User:bi" in line and "accounting.invoices.v1" in line for line in lines)
    assert not any("User:bi" in line and "links.v1" in line for line in lines)
    assert fresh.run("topics", "diff").exit_code == 3


def test_status_shows_links_reviews_and_sources(deployment: Deployment) -> None:
    deployment.project(FAILED, CLEAN, letters=(LETTER,))

    async def position() -> None:
        at = Position("acme", "00D1", "/data/ChangeEvents", PositionKind.REPLAY_ID, "4711", 1, NOW)
        async with Producer(deployment.cluster) as producer:
            await write_position(producer, Codec(), at)

    asyncio.run(position())
    shown = deployment.run("status")
    assert shown.exit_code == 0, shown.stderr
    for word in ("invoices", "FAILED", "link.taken", "codec.not-avro", "/data/ChangeEvents", "4711", "2 links"):
        assert word in shown.stdout
    data = deployment.data("status")
    assert {(each["state"], each["number"]) for each in data["links"]} == {("failed", 1), ("clean", 1)}
    assert data["reviews"] == {"open": 2, "by_code": {"link.taken": 1, "codec.not-avro": 1}}
    assert (data["dead_letters"], data["positions"][0]["value"], data["away"]) == (1, "4711", [])


def test_status_without_kafka_still_shows_the_links(deployment: Deployment) -> None:
    deployment.project(FAILED)
    deployment.cluster = replace(deployment.cluster, bootstrap="127.0.0.1:1")
    deployment.write()
    shown = deployment.run("status")
    assert shown.exit_code == 69
    assert "invoices" in shown.stdout
    assert "kafka.unavailable" in shown.stderr


def test_reviews_are_listed_and_shown(deployment: Deployment) -> None:
    deployment.project(FAILED, CLEAN, letters=(LETTER,))
    listed = deployment.run("review", "list")
    assert ref_of(KEY) in listed.stdout
    assert "salesforce.hints.v1/3/1042" in listed.stdout
    assert "006B" not in listed.stdout
    assert [each["code"] for each in deployment.data("review", "list", "--code", "link.taken")["reviews"]] == [
        "link.taken"
    ]
    shown = deployment.run("review", "show", ref_of(KEY)).stdout
    for word in (FAILED.message, FAILED.remedy, "InvoiceNumber", KEY, "retry | salesforce | xero"):
        assert word in shown
    assert deployment.data("review", "show", KEY)["review"]["salesforce_id"] == "006A"
    quiet = deployment.run("review", "show", CLEAN.key)
    assert quiet.exit_code == 65
    assert "is clean: nothing to decide" in quiet.stderr


def test_decisions_travel_as_signals(deployment: Deployment) -> None:
    deployment.project(FAILED, letters=(LETTER,))
    assert deployment.run("review", "decide", ref_of(KEY), "link", "--value", "inv-9", "--dry-run").exit_code == 0
    assert deployment.signals() == []
    assert deployment.run("review", "decide", ref_of(KEY), "link", "--value", "inv-9").exit_code == 0
    assert deployment.run("review", "retry", "--code", "codec.not-avro").exit_code == 0
    assert deployment.run("review", "decide", ref_of(LETTER.key), "dismiss", "--yes").exit_code == 0
    sent = sorted(
        (each["kind"], each["connection"], each["subject"], each["arguments"]["decision"], each["arguments"]["value"])
        for each in deployment.signals()
    )
    assert sent == [
        ("deadletter.close", "acme", LETTER.key, "dismiss", ""),
        ("deadletter.close", "acme", LETTER.key, "retry", ""),
        ("link.settle", "acme", KEY, "link", "inv-9"),
    ]


def test_what_cannot_be_taken_back_is_asked_first(deployment: Deployment) -> None:
    deployment.project(FAILED)
    refused = deployment.run("review", "decide", ref_of(KEY), "end")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert deployment.signals() == []
    assert deployment.run("review", "retry").exit_code == 2


def test_no_projection_yet_is_said_in_words(deployment: Deployment) -> None:
    shown = deployment.run("review", "list")
    assert shown.exit_code == 69
    assert "store.empty" in shown.stderr


def applied(name: str, connection: str = "acme", **more: Any) -> dict[str, Any]:
    return {
        "connection": connection, "kind": "mapping", "name": name, "version": 1, "body": "{}", "digest": "d" * 64,
        "paused": False, "by": "ann", "at": NOW, "removed": False, **more,
    }  # fmt: skip


def test_mappings_are_listed_paused_resumed_and_released(deployment: Deployment) -> None:
    deployment.produce("configuration.v1", b"acme/mapping/invoices", applied("invoices"))
    deployment.produce("configuration.v1", b"acme/mapping/old", applied("old", removed=True))
    listed = deployment.data("mapping", "list")["mappings"]
    assert [(each["mapping"], each["by"]) for each in listed] == [("invoices", "ann")]
    for verb in ("pause", "resume", "release"):
        done = deployment.run("mapping", verb, "invoices")
        assert done.exit_code == 0
        assert f"{verb} invoices" in done.stderr
    assert deployment.run("mapping", "pause", "invoices", "--dry-run").exit_code == 0
    kinds = sorted((each["kind"], each["subject"]) for each in deployment.signals())
    assert kinds == [(f"mapping.{verb}", "invoices") for verb in ("pause", "release", "resume")]
    unknown = deployment.run("mapping", "pause", "invoicse")
    assert unknown.exit_code == 65
    assert "Applied are: invoices" in unknown.stderr


def test_config_show_masks_secrets_and_names_sources(fresh: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    party = {"client_id": "c", "client_secret": "very-secret-value"}
    connection = {
        "name": "acme", "salesforce": {"url": "https://x.example", **party}, "xero": [{"tenant": "t-1", **party}],
    }  # fmt: skip
    fresh.write(connections=[connection])
    monkeypatch.setenv("TWINLEDGER_KAFKA__PASSWORD", "another-secret-value")
    monkeypatch.setenv("TWINLEDGER_GROUP", "night")
    shown = fresh.run("config", "show").stdout
    assert "secret-value" not in shown
    rows = {each["name"]: each for each in fresh.data("config", "show")["values"]}
    assert rows["kafka.password"] == {"name": "kafka.password", "value": "***", "source": "environment"}
    assert rows["connections.0.salesforce.client_secret"]["value"] == "***"
    assert rows["connections.0.xero.0.tenant"] == {
        "name": "connections.0.xero.0.tenant",
        "value": "t-1",
        "source": "file",
    }
    assert (rows["group"]["value"], rows["group"]["source"]) == ("night", "environment")
    assert rows["web.host"]["source"] == "default"


def test_doctor_finds_what_is_missing_and_says_what_to_do(fresh: Deployment) -> None:
    wrong = fresh.data("doctor")
    found = {each["check"]: each for each in wrong["findings"]}
    assert found["kafka"]["ok"]
    assert not found["topics"]["ok"]
    assert "twinledger topics apply" in found["topics"]["remedy"]
    assert fresh.run("doctor").exit_code == 78
    fresh.run("topics", "apply")
    well = fresh.run("doctor")
    assert well.exit_code == 0, well.output
    assert "✗" not in well.stdout


def test_doctor_without_kafka_and_without_a_file(fresh: Deployment) -> None:
    fresh.cluster = replace(fresh.cluster, bootstrap="127.0.0.1:1")
    fresh.write()
    shown = fresh.run("doctor")
    assert shown.exit_code == 69
    assert "✗  kafka" in shown.stdout
    fresh.config.unlink()
    assert fresh.run("doctor").exit_code == 78


def test_a_broken_store_is_named(deployment: Deployment) -> None:
    (deployment.folder / "data").mkdir()
    (deployment.folder / "data" / "twinledger.sqlite").write_bytes(b"no database " * 100)
    shown = deployment.run("review", "list")
    assert shown.exit_code == 69
    assert "store.unavailable" in shown.stderr
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(deployment.folder / "data" / "twinledger.sqlite").execute("SELECT 1 FROM links")
