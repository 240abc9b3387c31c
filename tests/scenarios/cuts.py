"""Calls of the connector whose answer never comes back, at random, for the whole life of a stage.

``pytest tests/scenarios --cuts SEED``: each write to Xero (those with an Idempotency-Key: what a person sends has none)
and each write to Salesforce is carried out, and by lot its connection is closed without an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.cli.stage import Actor, Stage
from connector.core.values import Value
from tests.integration.spine_stage import hits

CHANCE = "0.2"  # of each send; a repeat draws again
XERO: dict[str, Value] = {"path": "/api.xro/2.0/", "keyed": True}
SALESFORCE: tuple[dict[str, Value], ...] = tuple(
    {"path": "/services/data/v62.0/composite", "method": method} for method in ("POST", "PATCH", "DELETE")
)


@dataclass(slots=True)
class Cuts:
    """What is armed at a stage: the simulator and the number of each fault."""

    armed: list[tuple[Actor, int]]

    async def made(self) -> int:
        """Disarm them; gives how many calls were cut."""
        made = 0
        for actor, fault in self.armed:
            made += await hits(actor, fault)
            await actor.call("DELETE", f"/__sim/faults/{fault}")
        return made


async def armed(scene: Stage, seed: str) -> Cuts:
    wanted = [(scene.xero, XERO), *((scene.salesforce, match) for match in SALESFORCE)]
    numbers: list[tuple[Actor, int]] = []
    for place, (actor, match) in enumerate(wanted):
        body: Value = {
            "kind": "cut-after-commit", "match": match, "count": None, "chance": CHANCE, "seed": f"{seed}/{place}",
        }  # fmt: skip
        numbers.append((actor, int((await actor.call("POST", "/__sim/faults", body))["id"])))
    return Cuts(numbers)
