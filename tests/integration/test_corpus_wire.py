"""The simulators' bodies, collected as the corpus run collects them: every kind of object is there."""

from __future__ import annotations

from benchmarks.corpus_sims import salesforce_bodies, xero_bodies
from benchmarks.corpus_spelling import kind_of, shape_of
from connector.xero.entities import ENTITIES


async def test_the_simulated_xero_gives_every_entity_in_its_spelling() -> None:
    bodies = await xero_bodies()
    assert set(ENTITIES) | {"Token", "Envelope", "Refusal", "Allocation"} == set(bodies)
    invoice = shape_of(bodies["Invoice"])
    assert invoice["Date"].kinds == {"/Date(ms+zone)/"}
    assert invoice["LineItems[].UnitAmount"].kinds == {"number"}


async def test_the_simulated_salesforce_gives_events_rows_and_errors() -> None:
    bodies = await salesforce_bodies()
    assert {"token", "describe", "result", "error", "page", "row Account", "row Opportunity", "event"} == set(bodies)
    kinds = [event["payload"]["ChangeEventHeader"]["changeType"] for event in bodies["event"]]
    assert kinds == ["CREATE", "UPDATE"]
    assert kind_of(bodies["row Account"][0]["SystemModstamp"]) == "time +0000"
