"""Message headers: CloudEvents on records, and Kafka Connect's names on dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from urllib.parse import quote

from connector.core.records import Record

Headers = Sequence[tuple[str, bytes]]
"""As Kafka carries them: a name may come twice."""

GENESIS = "genesis"
"""On link events: in which life of the topics they were made."""

REPLAYED = "replayed"
"""On records: nobody read the source again, what stood in the topic is to be planned once more."""

_CONNECT = "__connect.errors."


def record_headers(connection: str, record: Record, schema: str) -> Headers:
    """CloudEvents 1.0 in binary mode (``ce_`` names), so that a subscriber can choose without reading the value.

    The subject is ``<entity>/<id>``, the time is when we read the record; a version of a record has one id for ever.
    """
    organisation, version = quote(record.organisation, safe=""), record.version
    subject = f"{quote(record.entity, safe='')}/{quote(record.id, safe='')}"
    rows = {
        "ce_specversion": "1.0",
        "ce_id": f"{organisation}/{subject}/{version.epoch}.{version.ordinal}",
        "ce_source": f"/twinledger/{quote(connection, safe='')}/{organisation}",
        "ce_type": schema,
        "ce_time": record.read_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ce_subject": subject,
        "content-type": "application/avro",
    }
    return [(name, value.encode()) for name, value in rows.items()]


def deadletter_headers(topic: str, partition: int, offset: int, *, stage: str, code: str, message: str) -> Headers:
    """What Kafka Connect puts on a dead letter, by its names, so that its tools can read ours."""
    rows = {
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "stage": stage,
        "exception.class.name": code,
        "exception.message": message[:1000],
    }
    return [(_CONNECT + name, value.encode()) for name, value in rows.items()]


def read_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> Mapping[str, str]:
    """The last value of each name. Bytes that are no UTF-8 are replaced: a foreign header never fails a message."""
    return {str(name): (value or b"").decode("utf-8", "replace") for name, value in headers or ()}
