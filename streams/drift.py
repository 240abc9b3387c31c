"""Looks from time to time whether the org's objects still are what the mappings were made for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from connector.core.records import ReadPlan, Side
from connector.errors import ConfigurationError, EngineStop, TwinledgerError
from connector.salesforce.describe import SalesforceCatalog
from connector.salesforce.drift import Drift, Policy, drifts
from connector.salesforce.rest import SalesforceParty
from streams.connection import Connection

LOOK_SECONDS = 1.0
Say = Callable[[Connection, str, str, str, dict[str, str]], Awaitable[None]]
Notice = Callable[[Connection, str, TwinledgerError], Awaitable[None]]
Pause = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class DriftLoop:
    """Describes the objects anew every ``hours`` and does what the policy says about what differs.

    The baseline is what the objects were when the mappings were bound, or when a drift was last dealt with.
    """

    connection: Connection
    party: SalesforceParty
    say: Say
    notice: Notice
    pause: Pause
    policy: Policy
    hours: float
    baseline: dict[str, SalesforceCatalog] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled. Raises ConfigurationError (``salesforce.drift``) where the policy is to stop."""
        while True:
            self._begin()
            await self._rest()
            try:
                found = await self.look()
            except EngineStop:
                raise
            except TwinledgerError as error:
                await self.notice(self.connection, "drift.unknown", error)
                continue
            if found and self.policy is Policy.STOP:
                raise ConfigurationError(
                    "salesforce.drift", f"Objects of {self.connection.name} changed: {_words(found)}.",
                    remedy="Correct the org or the mappings, or set `drift: hold`.",
                )  # fmt: skip

    def _begin(self) -> None:
        """A mapping's baseline is taken when it is first seen."""
        for name in self.connection.applied:
            self.baseline.setdefault(name, self.party.catalog)

    async def _rest(self) -> None:
        clock = self.connection.clock
        begun = clock()
        while (clock() - begun).total_seconds() < self.hours * 3600:
            self._begin()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> tuple[Drift, ...]:
        """What differs now for any mapping; held ones are paused. Raises as the API does."""
        plans = {name: self._plans(name) for name in self.baseline if name in self.connection.applied}
        after = await self.party.seen([plan for each in plans.values() for plan in each])
        out: dict[Drift, None] = {}
        for name, each in plans.items():
            found = drifts(self.baseline[name], after, each)
            if found:
                self.baseline[name] = after
                out |= dict.fromkeys(found)
                await self._deal(name, found)
        return tuple(out)

    def _plans(self, name: str) -> tuple[ReadPlan, ...]:
        return tuple(one.read_plan(Side.SALESFORCE) for one in self.connection.applied[name].mapping.each)

    async def _deal(self, name: str, found: tuple[Drift, ...]) -> None:
        held = self.policy is Policy.HOLD
        message = f"Salesforce has changed under {name}: {_words(found)}.{' It is paused.' if held else ''}"
        await self.say(self.connection, "drift.found", name, message, {"policy": self.policy.value})
        if held:
            await self.pause(name)


def _words(found: tuple[Drift, ...]) -> str:
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(str(one) for one in found[:5]) + more
