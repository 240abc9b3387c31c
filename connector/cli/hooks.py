"""The webhooks that a worker takes: their route, and the way of a poke into Kafka."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from starlette.routing import Route

from connector.cli.signals import TOPIC
from connector.kafka.codec import Codec
from connector.kafka.connection import Cluster
from connector.kafka.producer import Producer
from connector.settings import Settings
from connector.web.webhooks import tenants, xero_webhook
from streams.clock import clock


async def webhooks(stack: AsyncExitStack, settings: Settings, cluster: Cluster, codec: Codec) -> tuple[Route, ...]:
    """``/webhooks/xero``, where a tenant has a key for it; its producer lives as long as the stack."""
    known = tenants(settings.connections)
    if not known.keys:
        return ()
    producer = await stack.enter_async_context(Producer(cluster, client_id="twinledger-webhooks"))

    async def send(key: bytes, value: Mapping[str, Any]) -> None:
        await producer.send(TOPIC, key, codec.encode(TOPIC, dict(value)))

    return (xero_webhook(known, send, lambda: uuid.uuid4().hex, clock),)
