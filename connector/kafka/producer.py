"""Sends with every acknowledgement and no duplicate of a retry. A failed send is never silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from connector.errors import DataError, EngineStop, Unavailable
from connector.kafka.connection import MESSAGE_MAX_BYTES, Cluster
from connector.kafka.headers import Headers
from connector.kafka.partition import partitioner

_LINGER_MS = 5
#  One request of a partition is on its way at a time, and a batch is what it carries of it: with aiokafka's 16 kB that
#  is a handful of links for each round trip.
BATCH_BYTES = 1024 * 1024


class Sender(Protocol):
    """What writes one message and waits for its acknowledgement: a producer, or one that is held back at times."""

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> int: ...


class Producer:
    """An idempotent producer (acks=all): ``async with Producer(cluster) as producer: await producer.send(…)``.

    Topics are named without the cluster's prefix. Values are bytes (``Codec.encode``), None is a tombstone.
    """

    def __init__(self, cluster: Cluster, *, client_id: str = "twinledger") -> None:
        self._cluster = cluster
        self._client_id = client_id
        self._kafka: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Producer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises Unavailable (``kafka.unavailable``)."""
        kafka = AIOKafkaProducer(
            **self._cluster.client_options(),
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            max_request_size=MESSAGE_MAX_BYTES,
            partitioner=partitioner,
            linger_ms=_LINGER_MS,
            max_batch_size=BATCH_BYTES,
        )
        try:
            await kafka.start()
        except (KafkaError, OSError) as error:
            await kafka.stop()
            raise Unavailable(
                "kafka.unavailable",
                f"Kafka at {self._cluster.bootstrap} does not answer: {error!r}.",
                remedy="Check kafka.bootstrap_servers, its TLS and its credentials.",
            ) from error
        self._kafka = kafka

    async def stop(self) -> None:
        """Sends what is still waiting, then closes."""
        if self._kafka is not None:
            kafka, self._kafka = self._kafka, None
            await kafka.stop()

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> int:
        """The offset, once all in-sync replicas have it.

        Raises DataError (``message.too-large``), EngineStop (``send.failed``): then nobody knows whether it arrived.
        """
        return await (await self.send_soon(topic, key, value, headers))

    async def send_soon(self, topic: str, key: bytes, value: bytes | None, headers: Headers = ()) -> Awaitable[int]:
        """Hands the message over, in order; awaiting the result gives the offset or raises as ``send`` does.

        The result must be awaited: a failed send that nobody looks at would be a lost message.
        """
        if self._kafka is None:
            raise RuntimeError("the producer has not been started")
        try:
            sent = await self._kafka.send(self._cluster.topic(topic), key=key, value=value, headers=[*headers])
        except (MessageSizeTooLargeError, RecordTooLargeError) as error:
            raise DataError("message.too-large", f"{topic} {key!r}: {error}.") from error
        except KafkaError as error:
            raise _failed(topic, key, error) from error
        return _offset(sent, topic, key)


async def _offset(sent: asyncio.Future[Any], topic: str, key: bytes) -> int:
    try:
        metadata = await sent
    except (MessageSizeTooLargeError, RecordTooLargeError) as error:
        raise DataError("message.too-large", f"{topic} {key!r}: {error}.") from error
    except KafkaError as error:
        raise _failed(topic, key, error) from error
    return int(metadata.offset)


def _failed(topic: str, key: bytes, error: KafkaError) -> EngineStop:
    return EngineStop("send.failed", f"A message to {topic} with key {key!r} was not acknowledged: {error!r}.")
