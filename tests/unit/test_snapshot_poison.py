"""A record that no schema takes is a dead letter; the snapshot around it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from connector.core.records import Record, Side, Version
from connector.errors import DataError
from connector.kafka.codec import Codec
from connector.kafka.headers import Headers
from connector.settings import ConnectionSettings
from streams.connection import Connection
from streams.hops import Outbox
from streams.snapshot import SnapshotLoop

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ORG = "00D8d0000000001EAA"
SETTINGS = ConnectionSettings.model_validate(
    {
        "name": "demo", "salesforce": {"url": "https://x.my.salesforce.com", "client_id": "c"},
        "xero": [{"tenant": "t", "client_id": "x"}],
    }
)  # fmt: skip


def record(number: int, value: str) -> Record:
    fields = {"Score__c": Decimal(value)}
    return Record(
        Side.SALESFORCE, ORG, "Account", f"0018d000000000{number}AAA", Version(1, number), NOW, NOW, fields=fields
    )


async def test_snapshot_goes_on_beside_a_number_that_no_schema_takes() -> None:
    placed: list[bytes] = []
    buried: list[tuple[str, str]] = []
    connection = Connection(SETTINGS, cast(Any, None), cast(Any, None), ORG, "t", lambda: NOW, 0)

    async def put(_topic: str, key: bytes, _value: bytes, _headers: Headers = ()) -> int:
        placed.append(key)
        return len(placed) - 1

    async def scan(_connection: Connection, _side: Side, _entity: str) -> AsyncIterator[tuple[Record, ...]]:
        yield record(1, "1"), record(2, "0.00000000000000000012345"), record(3, "3")

    async def reached(_topic: str, _partition: int, _offset: int) -> bool:
        return True

    async def end(_partition: int) -> int:
        return 0

    async def bury(_connection: Connection, channel: str, payload: bytes, error: DataError) -> None:
        assert b"Score__c" in payload
        buried.append((channel, error.code))

    async def nothing(*_told: object) -> None:
        raise AssertionError("the snapshot went wrong")

    loop = SnapshotLoop(
        connection, Outbox(Codec(), put, lambda: NOW), scan, reached, end, lambda _name, _mapping: None, nothing,
        nothing, nothing, bury,
    )  # fmt: skip
    await loop._walk(Side.SALESFORCE, "Account")
    assert [key.decode().rsplit("/", 1)[1] for key in placed] == ["0018d0000000001AAA", "0018d0000000003AAA"]
    assert [channel for channel, _ in buried] == ["salesforce Account"]
