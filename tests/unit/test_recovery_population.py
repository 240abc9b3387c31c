"""The population of the recovery benchmark is what the product's own tables would hold."""

from __future__ import annotations

from collections import Counter

from benchmarks.recovery.population import REWRITTEN, Scene, rows
from connector.core.resting import Rest
from connector.kafka.codec import Codec, Decoded
from connector.kafka.head import Head
from connector.kafka.link_codec import LinkHead, read_link
from connector.kafka.partition import partition_of
from connector.kafka.topics import BY_NAME

COUNT = 1_000


def test_every_value_is_one_of_its_table_and_every_link_is_its_own() -> None:
    codec, seen, keys = Codec(), Counter[str](), set[tuple[str, bytes]]()
    heads = Head(codec.schemas.for_topic("links.v1"), LinkHead._fields)
    rests: Counter[int] = Counter()
    for topic, key, value in rows(range(COUNT), Scene("demo", "org", "tenant", "g")):
        decoded = codec.decode(value)
        assert isinstance(decoded, Decoded)
        assert decoded.schema == BY_NAME[topic].schema
        assert partition_of(key, 4) == partition_of(b"demo/", 4)
        seen[topic] += 1
        keys.add((topic, key))
        if topic == "links.v1":
            stored, head = read_link(decoded.value), heads.read(value)
            assert stored.link.id.key == key
            assert head is not None
            assert stored.head == head
            rests[stored.rest] += 1
    again = COUNT // REWRITTEN
    assert seen == {"links.v1": COUNT + again, "targets.v1": 2 * COUNT, "reads.v1": 300, "parents.v1": 500}
    assert len(keys) == sum(seen.values()) - again
    assert rests[Rest.DRAFT] > 0.98 * COUNT  # live contacts; failed and ended ones rest under any rules
    assert rests[Rest.MOVES] < 0.01 * (COUNT + again)
