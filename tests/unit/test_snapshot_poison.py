"""A record that no schema takes is a dead letter; the snapshot around it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from connector.core.party import ReadResult
from connector.core.records import ReadPlan, Record, Side, Version
from connector.core.snapshots import Collection
from connector.errors import DataError
from connector.kafka.codec import Codec
from connector.kafka.headers import Headers
from connector.salesforce.reader import Chunk
from connector.settings import ConnectionSettings
from streams.connection import Connection
from streams.hops import Outbox
from streams.walk import Walker

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


class Rows:
    """An org of three records, one of which is beyond every schema."""

    records: Sequence[Record] = (record(1, "1"), record(2, "0.00000000000000000012345"), record(3, "3"))

    def pause(self, *, now_ms: int) -> int:
        assert now_ms
        return 0

    async def rows_after(self, plan: ReadPlan, last: str, _chosen: None, version: Version) -> Chunk:
        return Chunk(plan, version, [{"Id": one.id} for one in self.records if one.id > last], 2000, 1)

    async def typed(self, chunk: Chunk, first: int, number: int) -> ReadResult:
        wanted = {row["Id"] for row in chunk.rows[first : first + number]}
        return ReadResult(tuple(one for one in self.records if one.id in wanted))


async def test_snapshot_goes_on_beside_a_number_that_no_schema_takes() -> None:
    placed: list[bytes] = []
    buried: list[tuple[str, str]] = []
    connection = Connection(SETTINGS, cast(Any, None), cast(Any, None), ORG, "t", lambda: NOW, 0)

    async def put(_topic: str, key: bytes, _value: bytes, _headers: Headers = ()) -> int:
        placed.append(key)
        return len(placed) - 1

    async def reached(_topic: str, _partition: int, _offset: int) -> bool:
        return True

    async def end(_partition: int) -> int:
        return 0

    async def bury(_connection: Connection, channel: str, payload: bytes, error: DataError) -> None:
        assert b"Score__c" in payload
        buried.append((channel, error.code))

    walker = Walker(
        connection, cast(Any, Rows()), {}, Outbox(Codec(), put, lambda: NOW), bury,
        lambda _topic, _partition: len(placed), reached, end,
    )  # fmt: skip
    batches = [batch async for batch in walker.placed(Collection(Side.SALESFORCE, "Account"), None, "", lambda: 10)]
    assert sum(len(batch.records) for batch in batches) == 3
    assert [key.decode().rsplit("/", 1)[1] for key in placed] == ["0018d0000000001AAA", "0018d0000000003AAA"]
    assert [channel for channel, _ in buried] == ["salesforce Account"]
