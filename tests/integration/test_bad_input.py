"""Bad input, wherever it comes in: a dead letter, a review or one clear error; never a stuck or dead worker."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import yaml
from aiokafka import AIOKafkaProducer

from connector.cli.apply import apply_file
from connector.cli.stage import Json, Stage, until
from connector.core.identity import join_key
from connector.core.link_state import State
from connector.errors import MappingError
from connector.kafka.admin import admin_client
from connector.kafka.admin import apply as create_topics
from connector.kafka.connection import cluster_of
from connector.kafka.partition import partition_of
from connector.settings import load
from connector.xero.avro import TOPICS as ACCOUNTING
from streams.clock import clock
from streams.hops import EVENTS, HINTS, RECORDS, SIGNALS
from tests.integration.kafka_views import CODEC, cluster, letters, link_of, state_of
from tests.integration.spine_stage import changed_mappings, log_of, opened, spine

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]
CONSUMED = (HINTS, RECORDS, EVENTS, SIGNALS, *ACCOUNTING)
KEY = join_key("demo", "somewhere", "Thing", "1")
NOISE = random.Random(7).randbytes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with spine(kafka, f"t{uuid4().hex[:10]}.", tmp_path_factory.mktemp("bad")) as stage:
        await opened(stage)
        yield stage


async def alive(scene: Stage) -> str:
    """A good change flows after whatever was done: gives the account it made."""
    account = await scene.salesforce.edit("Account", {"Name": f"Good {uuid4().hex[:8]}", "Type": "Customer"})

    async def there() -> bool:
        return any(row.get("ContactNumber") == account for row in await scene.xero.objects("Contact"))

    await until("a good change reaches Xero", there)
    assert scene.worker is not None
    assert scene.worker.returncode is None
    return account


# --- messages in Kafka -----------------------------------------------------------------------------------------------


class Forger:
    """Somebody else's producer: any bytes, any key, any partition."""

    def __init__(self, scene: Stage) -> None:
        self.scene = scene
        self.where = cluster(scene)
        self.home = partition_of(KEY, self.where.partitions)
        self.sent: dict[tuple[str, int, int], tuple[bytes, bytes | None, str]] = {}

    async def put(
        self, kafka: Any, topic: str, value: bytes | None, code: str, *, key: bytes = KEY, away: int = 0
    ) -> None:
        """Send one message that must become a dead letter with this code."""
        partition = (self.home + away) % self.where.partitions
        at = await kafka.send_and_wait(self.where.topic(topic), value, key, partition)
        self.sent[topic, partition, at.offset] = (key, value, code)


def value(topic: str, **fields: Any) -> bytes:
    """A well-formed value of a topic that workers read."""
    known: dict[str, dict[str, Any]] = {
        SIGNALS: {
            "id": "1", "kind": "link.settle", "connection": "demo", "subject": "no/key", "arguments": {},
            "by": "somebody", "at": clock(),
        },
        HINTS: {
            "connection": "demo", "org": "00D000000000000AAA", "kind": "change", "channel": None, "replay_id": None,
            "entity": "Account", "record_ids": ["001000000000000AAA"], "change_type": "UPDATE", "commit_time": None,
            "transaction_key": None, "sequence": None, "parents": {}, "version": None, "reason": None, "payload": None,
        },
    }  # fmt: skip
    return CODEC.encode(topic, {**known[topic], **fields})


async def forge(forger: Forger, kafka: Any) -> None:
    """Every way in which a message can be wrong, into every topic that workers read."""
    good = value(SIGNALS)
    for topic in CONSUMED:
        await forger.put(kafka, topic, NOISE(100), "codec.not-avro")
        await forger.put(kafka, topic, b"", "codec.empty")
        await forger.put(kafka, topic, b"\xc3\x01" + NOISE(60), "codec.unknown-schema")
        await forger.put(kafka, topic, good[:10] + b"\x02", "codec.unreadable")
        await forger.put(kafka, topic, good + b"more", "codec.trailing")
        await forger.put(kafka, topic, good, "connection.unknown", key=join_key("nobody", "x"))
        await forger.put(kafka, topic, good, "connection.unknown", key=b"\xff\xfe no key of ours")
        await forger.put(kafka, topic, good, "partition.foreign", away=1)
        if topic != SIGNALS:
            await forger.put(kafka, topic, good, "codec.other-schema")
    for topic in (HINTS, RECORDS, EVENTS, SIGNALS, "accounting.invoices.v1"):
        await forger.put(kafka, topic, NOISE(1_000_000), "codec.not-avro")
    await forger.put(kafka, SIGNALS, good, "link.bad-key")
    await forger.put(kafka, SIGNALS, value(SIGNALS, subject="demo/a/ümlaut/t/1"), "link.bad-key")
    await forger.put(kafka, HINTS, value(HINTS), "organisation.foreign")
    await forger.put(kafka, EVENTS, None, "codec.empty")


async def test_malformed_messages_become_dead_letters_with_their_bytes(scene: Stage) -> None:
    forger = Forger(scene)
    kafka = AIOKafkaProducer(**forger.where.client_options(), max_request_size=8_000_000)
    await kafka.start()
    try:
        await forge(forger, kafka)
    finally:
        await kafka.stop()

    async def buried() -> bool:
        return {(one["topic"], one["partition"], one["offset"]) for one in await letters(scene)} >= set(forger.sent)

    await until("every bad message is a dead letter", buried)
    found = {(one["topic"], one["partition"], one["offset"]): one for one in await letters(scene)}
    wrong = {
        place: (found[place]["code"], code)
        for place, (key, data, code) in forger.sent.items()
        if found[place]["code"] != code or (found[place]["key"], found[place]["value"]) != (key, data)
    }
    assert wrong == {}
    assert set(found) == set(forger.sent), "nothing else was buried"
    assert all(one["message"] and one["remedy"] for one in found.values())
    await alive(scene)


async def test_hints_of_unknown_objects_are_left_alone(scene: Stage) -> None:
    org = (await scene.salesforce.objects("Organization"))[0]["Id"]
    hint = value(HINTS, org=org, entity="Nowhere__c", record_ids=["a99000000000000AAA"])
    odd = value(HINTS, org=org, record_ids=["001xx", "no id at all"])
    before = len(await letters(scene))
    where = cluster(scene)
    kafka = AIOKafkaProducer(**where.client_options())
    await kafka.start()
    try:
        for each in (hint, odd):
            await kafka.send_and_wait(where.topic(HINTS), each, KEY, partition_of(KEY, where.partitions))
    finally:
        await kafka.stop()
    await alive(scene)
    assert len(await letters(scene)) == before


# --- what Salesforce tells -------------------------------------------------------------------------------------------

HEADER: Json = {
    "entityName": "Account", "recordIds": ["001000000000000AAA"], "changeType": "UPDATE", "changedFields": [],
    "changeOrigin": "", "transactionKey": "1", "sequenceNumber": Decimal(1), "commitTimestamp": Decimal(1),
    "commitNumber": Decimal(1), "commitUser": "005000000000000AAA",
}  # fmt: skip
MALFORMED: dict[str, Json] = {
    "no ids": {**HEADER, "recordIds": []},
    "ids that are none": {**HEADER, "recordIds": ["1; DROP TABLE"]},
    "a number for a name": {**HEADER, "entityName": Decimal(7)},
    "no time": {**HEADER, "commitTimestamp": "yesterday"},
    "a time beyond time": {**HEADER, "commitTimestamp": Decimal(10) ** 30},
    "bitmaps": {**HEADER, "changedFields": ["0x40000000"]},
    "nothing": {"changedFields": []},
}


async def test_malformed_change_events_are_kept_as_they_came(scene: Stage) -> None:
    def of_capture(found: list[Any]) -> list[Any]:
        return [one for one in found if one["stage"] == "capture"]

    for header in MALFORMED.values():
        body: Json = {"entity": "Account", "header": header, "body": {"Name": "x"}}
        await scene.salesforce.call("POST", "/__sim/raw-event", body)

    async def buried() -> bool:
        return len(of_capture(list(await letters(scene)))) >= len(MALFORMED)

    await until("every malformed event is a dead letter", buried)
    kept = of_capture(list(await letters(scene)))
    assert len(kept) == len(MALFORMED)
    assert all(b"ChangeEventHeader" in one["value"] and one["remedy"] for one in kept)
    await alive(scene)


# --- what a mapping or the other side refuses ------------------------------------------------------------------------


async def reviewed(scene: Stage, mapping: str, source: str, code: str) -> None:
    """Until the link of a record waits for a person, with this code, words and a remedy."""

    async def failed() -> bool:
        link = await link_of(scene, mapping, source)
        return link is not None and link.code == code

    try:
        await until(f"{source} is a review ({code})", failed, 20)
    finally:
        link = await link_of(scene, mapping, source)
        assert link is not None
        assert (link.code, bool(link.message), bool(link.remedy)) == (code, True, True), link
    assert await state_of(scene, mapping, source) is State.FAILED


async def written(scene: Stage, mapping: str, source: str) -> None:
    async def clean() -> bool:
        return await state_of(scene, mapping, source) is State.CLEAN

    await until(f"{source} is written", clean)


async def expense(scene: Stage, **fields: Any) -> str:
    account = await alive(scene)
    known: Json = {
        "Name": "Taxi", "Number__c": uuid4().hex[:8], "Amount__c": Decimal("10.00"), "Date__c": "2026-11-20",
        "Vendor__c": account, "Status__c": "Approved",
    }  # fmt: skip
    return await scene.salesforce.edit("Expense__c", {**known, **fields})


async def bills(scene: Stage, source: str) -> list[Json]:
    return [row for row in await scene.xero.objects("Invoice") if f"/{source}?tl=" in str(row.get("Url"))]


# what is wrong with the expense, the code, what mends it
RECORDS_REFUSED: dict[str, tuple[Json, str, Json]] = {
    "text too long": ({"Description__c": "x" * 5000}, "mapping.too-long", {"Description__c": "short"}),
    "no amount": ({"Amount__c": None}, "mapping.expectation", {"Amount__c": Decimal("10.00")}),
}


@pytest.mark.parametrize("case", RECORDS_REFUSED)
async def test_a_record_that_the_mapping_refuses_is_a_review(scene: Stage, case: str) -> None:
    wrong, code, mended = RECORDS_REFUSED[case]
    source = await expense(scene, **wrong)
    await reviewed(scene, "expense-to-bill", source, code)
    assert await bills(scene, source) == []
    await scene.salesforce.edit("Expense__c", mended, source)
    await written(scene, "expense-to-bill", source)
    assert len(await bills(scene, source)) == 1


async def test_xero_refuses_to_approve_what_has_no_date(scene: Stage) -> None:
    """The draft stays a draft until the record says when."""
    source = await expense(scene, Date__c=None)
    await reviewed(scene, "expense-to-bill", source, "xero.due-date")
    assert [row["Status"] for row in await bills(scene, source)] == ["DRAFT"]
    await scene.salesforce.edit("Expense__c", {"Date__c": "2026-11-20"}, source)
    await written(scene, "expense-to-bill", source)
    assert [row["Status"] for row in await bills(scene, source)] == ["AUTHORISED"]


async def test_xero_refuses_an_archived_account_code(scene: Stage) -> None:
    rows = await scene.xero.objects("Account")
    account = next(row["AccountID"] for row in rows if row["Code"] == "441")
    await scene.xero.edit("Account", {"Status": "ARCHIVED"}, account)
    source = await expense(scene, Xero_Account__c="441")
    await reviewed(scene, "expense-to-bill", source, "xero.account-archived")
    assert await bills(scene, source) == []
    await scene.salesforce.edit("Expense__c", {"Xero_Account__c": "429"}, source)
    await written(scene, "expense-to-bill", source)
    assert len(await bills(scene, source)) == 1


async def won(scene: Stage, number: str, **fields: Any) -> str:
    """A won opportunity with one line of 10.00."""
    account = await alive(scene)
    known: Json = {"Name": "Deal", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-11-20"}
    opened = await scene.salesforce.edit("Opportunity", {**known, "Number__c": number, **fields})
    entry = (await scene.salesforce.objects("PricebookEntry"))[0]["Id"]
    line = {"OpportunityId": opened, "PricebookEntryId": entry, "Quantity": Decimal(1), "UnitPrice": Decimal(10)}
    await scene.salesforce.edit("OpportunityLineItem", line)
    await scene.salesforce.edit("Opportunity", {"StageName": "Closed Won"}, opened)
    return opened


async def invoices(scene: Stage, number: str) -> list[Json]:
    return [row for row in await scene.xero.objects("Invoice") if row["InvoiceNumber"] == f"OPP-{number}"]


async def test_an_expectation_that_does_not_hold_is_a_review(scene: Stage) -> None:
    """Shipping of less than nothing makes no line, and then the net is not what the record says."""
    number = uuid4().hex[:8]
    source = await won(scene, number, Shipping__c=Decimal(-5))
    await reviewed(scene, "opportunity-to-invoice", source, "mapping.expectation")
    assert await invoices(scene, number) == []
    await scene.salesforce.edit("Opportunity", {"Shipping__c": Decimal(5)}, source)
    await written(scene, "opportunity-to-invoice", source)
    assert [row["SubTotal"] for row in await invoices(scene, number)] == [Decimal(15)]


async def test_a_number_that_is_taken_is_a_review(scene: Stage) -> None:
    number = uuid4().hex[:8]
    contact = (await scene.xero.objects("Contact"))[0]["ContactID"]
    line = {"Description": "by hand", "Quantity": Decimal(1), "UnitAmount": Decimal(1), "AccountCode": "200"}
    by_hand: Json = {
        "Type": "ACCREC",
        "InvoiceNumber": f"OPP-{number}",
        "Contact": {"ContactID": contact},
        "LineItems": [line],
    }
    await scene.xero.edit("Invoice", by_hand)
    source = await won(scene, number)
    await reviewed(scene, "opportunity-to-invoice", source, "link.taken")
    assert len(await invoices(scene, number)) == 1
    await scene.salesforce.edit("Opportunity", {"Number__c": f"{number}b"}, source)
    await written(scene, "opportunity-to-invoice", source)
    assert len(await invoices(scene, number)) == len(await invoices(scene, f"{number}b")) == 1


# --- configuration ---------------------------------------------------------------------------------------------------

# what stands in the file, what is made of it, the code
MAPPINGS: dict[str, tuple[str, str, str]] = {
    "syntax": ("unlinked: skip", "unlinked: [skip", "mapping."),
    "an unknown field": ("Amount_Paid__c: =", "Amount_Payed__c: =", "mapping.unknown-field"),
    "an unknown word": ("unlinked: skip", "unlinkd: skip", "mapping."),
    "a wrong expression": ("=record.Status", "=record.Status +", "mapping."),
    "a wrong type": ("=record.AmountPaid", "=record.Status ", "mapping.type"),
    "not writable": ("Invoice_Status__c:", "IsWon:", "mapping."),
}


@pytest.mark.parametrize("case", MAPPINGS)
async def test_apply_refuses_an_invalid_mapping(scene: Stage, tmp_path: Path, case: str) -> None:
    before, after, code = MAPPINGS[case]
    folder = changed_mappings(tmp_path, {"invoice-status-to-opportunity": (before, after)})
    text = (folder / "invoice-status-to-opportunity.yaml").read_text("utf-8")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if after in row)
    config = changed(scene, tmp_path, lambda raw: raw["connections"][0].update(mappings=[str(folder)]))
    with pytest.raises(MappingError) as caught:
        await apply_file(config)
    error = caught.value
    assert error.file == "invoice-status-to-opportunity.yaml"
    assert error.code.startswith(code), error
    assert error.line == line or case == "syntax", error
    assert error.line, error
    assert error.remedy, (error.code, error.message)


async def test_apply_names_every_problem_of_every_file(scene: Stage, tmp_path: Path) -> None:
    field = MAPPINGS["an unknown field"]
    wrong = {"invoice-status-to-opportunity": field[:2], "expense-to-bill": ("Type: ACCPAY", "Type: ACCPAYY")}
    folder = changed_mappings(tmp_path, wrong)
    config = changed(scene, tmp_path, lambda raw: raw["connections"][0].update(mappings=[str(folder)]))
    with pytest.raises(MappingError) as caught:
        await apply_file(config)
    told = {(one.file, one.code) for one in (caught.value, *caught.value.others) if isinstance(one, MappingError)}
    assert told == {("invoice-status-to-opportunity.yaml", field[2]), ("expense-to-bill.yaml", "mapping.value")}


async def test_the_command_names_file_line_and_remedy(scene: Stage, tmp_path: Path) -> None:
    folder = changed_mappings(tmp_path, {"invoice-status-to-opportunity": ("Amount_Paid__c: =", "Amount_Payed__c: =")})
    rows = (folder / "invoice-status-to-opportunity.yaml").read_text("utf-8").splitlines()
    line = next(number for number, row in enumerate(rows, 1) if "Amount_Payed__c" in row)
    config = changed(scene, tmp_path, lambda raw: raw["connections"][0].update(mappings=[str(folder)]))
    code, words = await told(config, "apply")
    assert code == 65
    assert f"invoice-status-to-opportunity.yaml:{line}:" in words
    assert "→" in words
    assert "Traceback" not in words


def changed(scene: Stage, folder: Path, change: Callable[[Any], object]) -> Path:
    """The configuration of the stage with one thing wrong."""
    raw = yaml.safe_load(scene.config.read_text("utf-8"))
    raw["data_dir"] = str(folder / "data")
    change(raw)
    config = folder / "twinledger.yaml"
    config.write_text(yaml.safe_dump(raw), "utf-8")
    return config


async def told(config: Path, *words: str) -> tuple[int, str]:
    """Exit code and last words of a command that must end by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.cli.main", *words, "--config", str(config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ},
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out.decode("utf-8", "replace")


def wrong_salesforce(raw: Any) -> None:
    raw["connections"][0]["salesforce"]["client_secret"] = "not-the-secret"


def wrong_xero(raw: Any) -> None:
    raw["connections"][0]["xero"][0]["client_secret"] = "not-the-secret"


def no_kafka(raw: Any) -> None:
    raw["kafka"]["bootstrap_servers"] = "127.0.0.1:1"


def no_topics(raw: Any) -> None:
    raw["kafka"]["prefix"] = f"t{uuid4().hex[:10]}."


def no_salesforce(raw: Any) -> None:
    raw["connections"][0]["salesforce"]["url"] = "http://127.0.0.1:1"


def other_organisation(raw: Any) -> None:
    raw["connections"][0]["salesforce"]["organisation"] = "00D000000000000AAA"


WORKERS: dict[str, tuple[Callable[[Any], None], int, str]] = {
    "Salesforce refuses the secret": (wrong_salesforce, 77, "Salesforce refuses the sign-in"),
    "Xero refuses the secret": (wrong_xero, 77, "xero.sign-in-refused"),
    "no Kafka": (no_kafka, 69, "kafka.unavailable"),
    "no topics": (no_topics, 78, "topics.differ"),
    "no Salesforce": (no_salesforce, 69, "salesforce."),
    "another organisation": (other_organisation, 78, "organisation.other"),
}


async def test_a_worker_that_cannot_work_ends_with_one_clear_error(scene: Stage, tmp_path: Path) -> None:
    async def ends(name: str) -> tuple[str, int, str]:
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        return (name, *await told(changed(scene, folder, WORKERS[name][0]), "worker"))

    for name in WORKERS:
        _, code, words = await ends(name)
        assert (code, WORKERS[name][2] in words) == (WORKERS[name][1], True), (name, code, words[-1500:])
        assert "Traceback" not in words, words
        assert "not-the-secret" not in words


async def test_topics_that_differ_end_the_worker(scene: Stage, tmp_path: Path) -> None:
    """A topic that somebody made anew with other settings is named, with the command that mends it."""
    prefix = f"t{uuid4().hex[:10]}."
    config = changed(scene, tmp_path, lambda raw: raw["kafka"].update(prefix=prefix))
    where = cluster_of(load(config).kafka)
    await create_topics(where)
    async with admin_client(where) as admin:
        await admin.delete_topics([where.topic("links.v1")])
    code, words = await told(config, "worker")
    assert code == 78
    assert "links.v1" in words
    assert "topics apply" in words


async def test_nothing_of_all_this_killed_the_worker(scene: Stage) -> None:
    await alive(scene)
    assert "Traceback" not in log_of(scene)
