"""Faust's transport with our consumer and producer: broker URLs ``twinledger://host:port``."""

from __future__ import annotations

from faust.transport.drivers import aiokafka as driver

from streams.engine.consumer import Consumer
from streams.engine.producer import Producer


class Transport(driver.Transport):  # type: ignore[misc]
    """Named in pyproject.toml under ``faust.transports``."""

    Consumer = Consumer
    Producer = Producer
