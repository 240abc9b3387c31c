"""Faust's producer, made to mean what it says: flushed is acknowledged, and a failed send ends the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import ProducerBuffer

from connector.errors import EngineStop
from connector.kafka.connection import MESSAGE_MAX_BYTES


class Buffer(ProducerBuffer):  # type: ignore[misc]
    """Table writes wait here for the producer. Faust's own flush gives up after 0.1 s without progress."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._taken = self._passed = 0
        self._moved = asyncio.Event()

    def put(self, fut: Any) -> None:
        self._taken += 1
        super().put(fut)

    async def _send_pending(self, fut: Any) -> None:
        await super()._send_pending(fut)
        self._passed += 1
        self._moved.set()

    async def flush(self) -> None:
        """Until every write so far is in the producer's hands. Raises EngineStop when the buffer has died.

        Not until it is empty: while a backlog is worked off it never is, and no commit would ever come to its end.
        """
        until = self._taken
        while self._passed < until and self.app.stop_signal.reason is None:
            if self.state != "running":
                left = self._taken - self._passed
                raise EngineStop("flush.failed", f"The send buffer ended with {left} writes in it.")
            self._moved.clear()
            await self.wait_first(self._moved.wait(), timeout=1.0)


class Producer(driver.Producer):  # type: ignore[misc]
    """Idempotent, acks=all. Every send is watched until it is acknowledged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Producer.__init__ makes its buffer itself and offers no choice of class.
        self.buffer = Buffer(loop=self.loop, beacon=self.beacon)
        self.buffer.app = self.app
        self._sent: set[asyncio.Future[Any]] = set()

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True, "max_request_size": MESSAGE_MAX_BYTES}

    async def send(self, topic: str, key: Any, value: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Hands a message over; the result completes when it is acknowledged. Raises EngineStop (``send.failed``)."""
        self.app.fence.check()
        try:
            sent = await super().send(topic, key, value, *args, **kwargs)
        except ProducerSendError as error:
            self.app.stop_signal(EngineStop("send.failed", f"A message to {topic} was not taken: {error}."))
            raise
        self._sent.add(sent)
        sent.add_done_callback(self._acknowledged)
        return sent  # type: ignore[no-any-return]

    def _acknowledged(self, sent: asyncio.Future[Any]) -> None:
        self._sent.discard(sent)
        failure = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if failure is not None and self.app.stop_signal.reason is None:
            try:
                self.app.stop_signal(EngineStop("send.failed", f"A message was not acknowledged: {failure!r}."))
            except EngineStop:
                return  # a callback has nobody to raise to; `flush` and the fence raise it

    async def flush(self) -> None:
        """Until everything handed over so far is acknowledged by all in-sync replicas, or there is a reason to stop."""
        await self.buffer.flush()
        waiting = set(self._sent)  # what comes later is the next flush's
        while waiting and self.app.stop_signal.reason is None:
            _, waiting = await asyncio.wait(waiting, timeout=1.0)
            await asyncio.sleep(0)  # the callbacks of what is done
        if self.app.stop_signal.reason is None:
            await super().flush()
