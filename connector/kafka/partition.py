"""The one function that places a key: a connection's records, links and commands share one partition number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def _hash(connection: bytes) -> int:
    return int(murmur2(connection)) & 0x7FFFFFFF


def partition_of(key: bytes, count: int) -> int:
    """Partition of a key: murmur2 of the part before the first ``/``, as Kafka's own clients would hash that part."""
    return _hash(key.split(b"/", 1)[0]) % count


def partitioner(key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]) -> int:
    """``partition_of`` in the shape that aiokafka and Faust call. Availability does not move a key."""
    if not key:
        raise ValueError("a message without a key has no connection and so no partition")
    return sorted(all_partitions)[partition_of(key, len(all_partitions))]
