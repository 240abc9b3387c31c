"""Faust's table recovery with its end in the right order: seek, clear, and only then let the sources flow."""

from __future__ import annotations

from typing import Any

from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.tables.recovery import Recovery as FaustRecovery

from connector.errors import EngineStop


class Recovery(FaustRecovery):  # type: ignore[misc]
    """Two ends of a rebalance, with tables and without, and the waits between."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109  Faust's signature
        """Faust goes on after a timeout as if the seek had happened."""
        result = await self.wait_first(coro, self.signal_recovery_start, timeout=timeout)
        if result.stopped:
            raise ServiceStopped
        if self.signal_recovery_start in result.done:
            raise RebalanceAgain
        if not result.done:
            self.app.stop_signal(EngineStop("recovery.timeout", f"Kafka did not answer the recovery for {timeout} s."))

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """The end of a rebalance without tables."""
        await self.app.on_rebalance_complete.send()
        await self._open(generation_id)

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """The end of a rebalance with tables."""
        await self.app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        await self._open(generation_id)

    async def _open(self, generation_id: int) -> None:
        consumer = self.app.consumer
        rebalance = self.app.rebalancing_count
        if self.app.consumer_generation_id != generation_id:
            return  # the next generation opens
        if consumer.assignment():
            await self._wait(consumer.perform_seek(), timeout=self.app.conf.broker_request_timeout)
        await self.app._fetcher.maybe_start()
        if self.app.consumer_generation_id != generation_id or self.app.rebalancing_count != rebalance:
            return
        # No await from here on. Queues are cleared while nothing can be delivered: the sources are still paused.
        self.app.flow_control.resume()
        consumer.resume_flow()
        consumer.resume_partitions(set(consumer.sources()))
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        self.completed.set()
        self.app.on_rebalance_end()
        consumer.ready_generation = generation_id
        self.app.ownership.opened(generation_id)
        self.log.info("partitions are open")
