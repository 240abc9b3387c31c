"""The loop that shows sync states, round by round, against a simulated org: what it costs, and what it never loses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from connector.cli.demo import shipped_mappings
from connector.core.applied import Applied
from connector.core.identity import LinkId
from connector.core.link_events import LinkEvent, Settled
from connector.core.link_state import End, Hold, Life, Link
from connector.core.mapping.parse import parse
from connector.core.sync_state import SyncState, shown_letter
from connector.errors import TwinledgerError, Unavailable
from connector.kafka.link_codec import LinkHead
from connector.kafka.positions import Position
from connector.settings import ConnectionSettings
from streams.connection import Connection
from streams.sync_retry import Letters, Retries
from streams.sync_state import SyncStateLoop
from tests.integration.salesforce_org import Client, an_org
from tests.integration.test_salesforce_rest import party_of

OBJECT = "Twinledger_Sync__c"
RULE = parse((shipped_mappings() / "opportunity-to-invoice.yaml").read_text("utf-8"), "opportunity-to-invoice.yaml")


@dataclass(frozen=True)
class NoLetters(Letters):
    """Dead letters that a test puts there."""

    rows: list[SyncState] = field(default_factory=list)

    async def read(self) -> list[SyncState]:
        return list(self.rows)


@dataclass
class Desk:
    """One loop, the links that it looks at, and what it said."""

    client: Client
    loop: SyncStateLoop
    links: dict[bytes, Link]
    clock: list[datetime]
    letters: list[SyncState]
    said: list[tuple[str, str]]
    events: list[tuple[bytes, LinkEvent]]
    kept: list[Position]

    def moved(self, link: Link, offset: int) -> None:
        """Settle has folded it."""
        self.links[link.id.key] = replace(link, offset=offset)
        self.loop.moved.note(link.id.key, offset)

    def wait(self, **span: float) -> None:
        self.clock[0] += timedelta(**span)

    async def calls(self) -> int:
        found = await self.client.sim("/requests")
        log = found["requests"] if isinstance(found, dict) else found
        return sum(1 for one in log if OBJECT in one["path"] and one["method"] == "PATCH")

    async def rows(self) -> dict[str, dict[str, Any]]:
        found = await self.client.rows(
            f"SELECT Id, Key__c, State__c, Reason__c, Retry__c, Last_Success__c, Xero_Link__c FROM {OBJECT}"  # noqa: S608
        )
        return {row["Key__c"]: row for row in found}


@asynccontextmanager
async def a_desk(**settings: Any) -> AsyncIterator[Desk]:
    async with an_org() as client:
        party = party_of(client)
        known = ConnectionSettings.model_validate({
            "name": "acme", "currency": "GBP", "xero": [{"tenant": "t", "client_id": "i"}],
            "salesforce": {"url": client.base, "client_id": "i", "sync_state": True, **settings},
        })  # fmt: skip
        clock, links, said = [datetime(2026, 11, 23, 9, tzinfo=UTC)], dict[bytes, Link](), list[tuple[str, str]]()
        events, kept, letters = list[tuple[bytes, LinkEvent]](), list[Position](), list[SyncState]()
        connection = Connection(
            known, party, party, client.org.organisation, "t", lambda: clock[0], 0, "g1", short_codes={"t": "!x"}
        )
        connection.applied[RULE.name] = Applied(RULE)

        def page(after: bytes, count: int) -> list[tuple[bytes, LinkHead]]:
            keys = sorted(key for key in links if key > after)[:count]
            return [(key, LinkHead(1, 1, 0, links[key].offset, 0, "g1")) for key in keys]

        async def send(_: Connection, key: bytes, event: LinkEvent) -> None:
            events.append((key, event))

        async def nothing() -> None: ...

        async def store(position: Position) -> None:
            kept.append(position)

        async def tell(_: Connection, kind: str, error: TwinledgerError) -> None:
            said.append((kind, error.code))

        retries = Retries(connection, party, NoLetters(cast("Any", None), cast("Any", None), connection, letters),
                          links.get, send)  # fmt: skip
        loop = SyncStateLoop(connection, party, page, links.get, retries, nothing, store, tell)
        yield Desk(client, loop, links, clock, letters, said, events, kept)


def link(number: int, **fields: Any) -> Link:
    document = f"salesforce:006{number:012d}AAA"
    link_id = LinkId("acme", RULE.name, document, "t")
    return replace(
        Link(link_id, Life.LIVE, xero=End(f"i-{number}"), agreed={"Date": ("a", "a")}), **fields
    )  # fmt: skip


async def test_sync_300_links_that_move_at_once_cost_two_calls_and_nothing_when_they_rest() -> None:
    async with a_desk() as desk:
        assert await desk.loop.open()
        for number in range(300):
            desk.moved(link(number), number)
        assert await desk.loop.round()
        assert await desk.loop.round()
        assert (await desk.calls(), len(await desk.rows())) == (2, 300)
        for number in range(300):  # polls see them again, and nothing has changed
            desk.moved(link(number), 300 + number)
        assert await desk.loop.round()
        assert await desk.loop.round()
        assert await desk.calls() == 2
        assert desk.kept[-1].value == "g1:600"


async def test_sync_of_many_links_goes_as_one_bulk_job() -> None:
    async with a_desk() as desk:
        assert await desk.loop.open()
        for number in range(2500):
            desk.links[link(number).id.key] = replace(link(number), offset=number)
        assert await desk.loop.round()
        assert (await desk.calls(), len(desk.client.org.objects(OBJECT))) == (0, 2500)
        assert desk.loop.party.calls < 15
        assert desk.kept[-1].value == "g1:2500"


async def test_sync_shows_what_moved_after_the_stored_position_and_no_more() -> None:
    async with a_desk() as desk:
        for number in range(10):
            desk.links[link(number).id.key] = replace(link(number), offset=number)
        desk.loop.position = replace(position(desk), value="g1:7")
        assert await desk.loop.open()
        assert await desk.loop.round()
        assert len(await desk.rows()) == 3
    async with a_desk() as desk:  # in another life of the topics nothing is known
        for number in range(10):
            desk.links[link(number).id.key] = replace(link(number), offset=number)
        desk.loop.position = replace(position(desk), value="g0:7")
        assert await desk.loop.open()
        assert await desk.loop.round()
        assert len(await desk.rows()) == 10


def position(desk: Desk) -> Position:
    from connector.kafka.positions import PositionKind

    return Position("acme", desk.client.org.organisation, "sync-state", PositionKind.CURSOR, "", 1, desk.clock[0])


async def test_sync_what_passes_is_not_shown_and_what_stays_is() -> None:
    async with a_desk() as desk:
        assert await desk.loop.open()
        waits = link(1, hold=Hold.LATER, message="Xero is away", code="xero.away")
        desk.moved(waits, 1)
        assert await desk.loop.round()
        assert await desk.rows() == {}
        assert desk.kept[-1].value == "g1:1"  # what was not shown is not below the position
        desk.moved(link(1), 2)
        assert await desk.loop.round()
        assert [row["State__c"] for row in (await desk.rows()).values()] == ["Clean"]
        desk.moved(waits, 3)
        assert await desk.loop.round()
        assert await desk.loop.round()
        (row,) = (await desk.rows()).values()
        assert (row["State__c"], row["Reason__c"]) == ("Waiting", "Xero is away")
        assert row["Last_Success__c"]


async def test_sync_a_call_without_an_answer_is_made_again_and_leaves_one_row() -> None:
    async with a_desk() as desk:
        assert await desk.loop.open()
        desk.moved(link(1), 1)
        path = f"/services/data/v62.0/composite/sobjects/{OBJECT}/Key__c"
        await desk.client.sim("/faults", {"kind": "cut-after-commit", "match": {"path": path}, "count": 1})
        with pytest.raises(Unavailable):
            await desk.loop.round()
        assert desk.kept == []
        assert await desk.loop.round()
        assert (len(await desk.rows()), await desk.calls()) == (1, 2)


async def test_sync_trouble_alone_is_shown_where_that_is_asked() -> None:
    async with a_desk(sync_state="trouble") as desk:
        assert await desk.loop.open()
        desk.moved(link(1), 1)
        desk.moved(link(2, hold=Hold.FAILED, code="xero.validation", message="No"), 2)
        assert await desk.loop.round()
        assert [row["State__c"] for row in (await desk.rows()).values()] == ["Failed"]
        desk.moved(link(2), 3)
        assert await desk.loop.round()
        assert [row["State__c"] for row in (await desk.rows()).values()] == ["Clean"]


async def test_sync_ticked_boxes_are_carried_out_once_and_taken_back() -> None:
    async with a_desk(retry_seconds=60) as desk:
        assert await desk.loop.open()
        failed = link(1, hold=Hold.FAILED, code="xero.validation", message="No")
        desk.letters.append(cast("SyncState", shown_letter("acme/salesforce.records.v1/0/7", {
            "key": b"acme/00D/Account/001000000000001AAA", "stage": "plan", "code": "codec.not-avro", "message": "No",
            "remedy": "", "closed": None,
        })))  # fmt: skip
        desk.moved(failed, 1)
        assert await desk.loop.round()
        rows = await desk.rows()
        for row in rows.values():
            await desk.client.data("PATCH", f"/sobjects/{OBJECT}/{row['Id']}", {"Retry__c": True})
        assert await desk.loop.round()
        assert desk.events == []  # it is not time to look
        desk.wait(seconds=61)
        assert await desk.loop.round()
        ((key, event),) = desk.events
        assert isinstance(event, Settled)
        assert (key, event.decision, event.by[:14]) == (failed.id.key, "retry", "salesforce:005")
        assert desk.loop.connection.letters.get_nowait()[:2] == ("acme/salesforce.records.v1/0/7", "retry")
        assert {row["Retry__c"] for row in (await desk.rows()).values()} == {False}
        desk.wait(seconds=61)
        assert await desk.loop.round()
        assert len(desk.events) == 1


async def test_sync_without_the_package_says_so_once_and_looks_again() -> None:
    async with a_desk() as desk:
        await desk.client.sim("/permissions", {"hide": [f"{OBJECT}.State__c"]})
        assert not await desk.loop.open()
        assert not await desk.loop.open()
        assert desk.said == [("sync-state.off", "salesforce.sync-state-missing")]
        assert "State__c" in desk.loop.trouble
        await desk.client.sim("/permissions", {"show": [f"{OBJECT}.State__c"], "hide": [OBJECT]})
        assert not await desk.loop.open()
        await desk.client.sim("/permissions", {"show": [OBJECT]})
        assert await desk.loop.open()
        assert desk.loop.trouble == ""


async def test_sync_a_row_that_is_refused_is_told_and_tried_again_an_hour_later() -> None:
    async with a_desk() as desk:
        assert await desk.loop.open()
        await desk.client.sim("/permissions", {"hide": [f"{OBJECT}.Mapping__c"]})
        desk.moved(link(1), 1)
        assert await desk.loop.round()
        assert [kind for kind, _ in desk.said] == ["sync-state.refused"]
        assert desk.kept == [] or desk.kept[-1].value <= "g1:1"
        await desk.client.sim("/permissions", {"show": [f"{OBJECT}.Mapping__c"]})
        assert await desk.loop.round()
        assert await desk.rows() == {}
        desk.wait(minutes=61)
        assert await desk.loop.round()
        assert len(await desk.rows()) == 1
        assert desk.kept[-1].value == "g1:2"
