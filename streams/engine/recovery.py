"""Table recovery: fill the tables in batches, then seek, clear, and only then let the sources flow."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import IllegalStateError
from aiokafka.structs import TopicPartition
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.tables.recovery import Recovery as FaustRecovery
from mode import Service

from connector.errors import EngineStop
from streams.engine.changelog import Changelogs, Tables


class Recovery(FaustRecovery):  # type: ignore[misc]
    """What happens between an assignment and the flow of its sources. Faust calls ``on_rebalance``; its three tasks
    (restart, slurp, statistics) are replaced: a subclass's task takes the place of the one of that name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changelogs = Changelogs(self.app)

    @Service.task  # type: ignore[untyped-decorator]
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            try:
                await self._recover(self._generation_id)
            except (RebalanceAgain, IllegalStateError):
                continue  # the next one has begun, or is about to
            except ServiceStopped:
                break

    @Service.task  # type: ignore[untyped-decorator]
    async def _slurp_changelogs(self) -> None:
        """Nothing comes through Faust's changelog queue."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _publish_stats(self) -> None:
        """``Changelogs`` says how much it read."""

    async def _recover(self, generation_id: int) -> None:
        if not self.tables:
            await self._resume_streams(generation_id)
            return
        self._changelogs.rest()
        self._set_recovery_started()
        if self.app._producer is not None:
            await self._wait(self.app._producer.flush(), timeout=self.app.conf.broker_request_timeout)
        await self._wait(self._fill(self._places(), generation_id))
        await self._wait(self.on_recovery_completed(generation_id))

    def _places(self) -> Tables:
        return {TopicPartition(*tp): self.tp_to_table[tp] for tp in self.active_tps}

    async def _fill(self, places: Tables, generation_id: int) -> None:
        try:
            starts = await self._changelogs.restore(places)
        except EngineStop as error:
            self.app.stop_signal(error)
            return
        if self.app.consumer_generation_id == generation_id:
            self._changelogs.follow(places, starts)

    def on_partitions_revoked(self, revoked: Any) -> None:
        """What lands from now on may be the next owner's."""
        self._changelogs.rest()
        super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        self._changelogs.rest()
        await super().on_stop()

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
            await self._wait(self.app.ownership.prepare(), timeout=self.app.conf.broker_request_timeout)
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
