"""Message headers: CloudEvents in binary mode, W3C trace context, and Kafka Connect's names on dead letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

Headers = Sequence[tuple[str, bytes]]
"""As Kafka carries them: a name may come twice."""

GENESIS = "genesis"
"""On link events: in which life of the topics they were made."""

REPLAYED = "replayed"
"""On records: nobody read the source again, what stood in the topic is to be planned once more."""

_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")
_CONNECT = "__connect.errors."


def event_headers(
    *,
    id: str,  # noqa: A002  CloudEvents' own name
    source: str,
    type: str,  # noqa: A002  CloudEvents' own name
    time: datetime,
    subject: str = "",
    traceparent: str = "",
    extra: Mapping[str, str] | None = None,
) -> Headers:
    """CloudEvents 1.0 attributes as Kafka headers (binary mode: ``ce_`` names), the value stays pure Avro.

    ``type`` is the schema's name, ``source`` the hop (``/twinledger/capture``), ``time`` aware.
    """
    rows = {
        "ce_specversion": "1.0",
        "ce_id": id,
        "ce_source": source,
        "ce_type": type,
        "ce_time": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ce_subject": subject,
        "content-type": "application/avro",
        "traceparent": traceparent,
        **(extra or {}),
    }
    return [(name, value.encode()) for name, value in rows.items() if value]


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


def traceparent_of(headers: Iterable[tuple[str, bytes | None]] | None) -> str:
    """The trace context, empty when there is none or it is malformed (W3C: then it is ignored)."""
    value = read_headers(headers).get("traceparent", "")
    return value if _TRACEPARENT.match(value) else ""
