"""``depends: live``: what a mapping reads beside its record is known by object and way, and asked for by them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from connector.core.applied import Applied
from connector.core.mapping.beside import ways
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.parse import parse
from connector.core.party import Party, ReadResult
from connector.core.records import ReadPlan, Record, Side, Version
from connector.errors import ConfigurationError
from connector.salesforce.describe import FieldShape, ObjectShape, SalesforceCatalog
from connector.salesforce.soql import by_way
from streams.connection import Connection
from streams.hydrate import ReadLoop, Reads
from streams.tables import Read
from tests.unit.mapping_catalogs import CATALOGS
from tests.unit.settle_desk import NOW, Desk

SF = Side.SALESFORCE

INVOICE = """\
mapping: deal
from: salesforce.Opportunity
read: { account: Account, lines: OpportunityLineItems }
to: xero.Invoice
depends: %s
fields:
  { Type: ACCREC, InvoiceNumber: =record.Number__c, Contact: c, Date: =record.CloseDate,
    DueDate: =Date + days(account.Terms__c) }
lines:
  - each: =lines
    as: line
    key: =line.Id
    fields: { Description: =line.Product2.Name, Quantity: =line.Quantity, UnitAmount: =line.UnitPrice }
"""
PLAN = ReadPlan("Opportunity", ("CloseDate",))
ID = "001000000000001AAA"


def test_what_stands_beside_a_record_is_told_by_object_and_way() -> None:
    live = bind(parse(INVOICE % "live", "deal.yaml"), CATALOGS)
    assert ways(live, CATALOGS) == {"Account": ("Account",), "Product2": ("OpportunityLineItems/Product2",)}


def test_at_trigger_nothing_is_followed() -> None:
    assert ways(bind(parse(INVOICE % "at-trigger", "deal.yaml"), CATALOGS), CATALOGS) == {}


def catalog() -> SalesforceCatalog:
    fields: dict[str, FieldShape] = {}
    rows = {"OpportunityLineItems": ("OpportunityLineItem", "OpportunityId")}
    shape = ObjectShape("Opportunity", fields, rows, creatable=True, updatable=True)
    return SalesforceCatalog({}).with_objects([shape])


@pytest.mark.parametrize(
    ("way", "query"),
    [
        ("Account", "SELECT Id FROM Opportunity WHERE Account.Id"),
        ("OpportunityLineItems/Product2", "SELECT OpportunityId FROM OpportunityLineItem WHERE Product2.Id"),
    ],
)
def test_a_way_is_a_query(way: str, query: str) -> None:
    assert by_way(PLAN, catalog(), way, [ID, ID, "no id' OR Id != '"]) == [f"{query} IN ('{ID}')"]


@pytest.mark.parametrize("way", ["Rows/Product2", "Account) OR (Id", ""])
def test_what_is_no_way_is_refused(way: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        by_way(PLAN, catalog(), way, [ID])
    assert refused.value.code == "salesforce.name"


def test_from_xero_nothing_stands_beside() -> None:
    text = (
        "mapping: mirror\nfrom: xero.Invoice\nto: salesforce.Xero_Invoice__c\ndepends: live\nmark: Xero_Id__c\n"
        "fields: { Name: =record.InvoiceNumber, Xero_Id__c: =record.InvoiceID }\n"
    )
    assert "mapping.depends" in {one.code for one in check((parse(text, "mirror.yaml"),), CATALOGS)}


# --- the loop that reads ------------------------------------------------------------------------------------------


class Org:
    """Two opportunities read one account."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def beside(self, plan: ReadPlan, way: str, ids: Sequence[str]) -> tuple[str, ...]:
        self.asked.append((f"{plan.entity} by {way}", tuple(ids)))
        return ("o1", "o2")

    async def read(self, plan: ReadPlan, ids: Sequence[str], version: Version) -> ReadResult:
        self.asked.append((plan.entity, tuple(ids)))
        return ReadResult(tuple(Record(SF, "org", plan.entity, one, version, NOW, NOW) for one in ids))


async def test_records_that_read_a_changed_object_are_read_anew_and_the_question_is_closed() -> None:
    org, home = Org(), Desk(()).home
    home.salesforce = cast("Party", org)
    home.applied["deal"] = Applied(bind(parse(INVOICE % "live", "deal.yaml"), CATALOGS))
    closed = asyncio.Event()
    reads, emitted, cleared = Reads(), list[str](), list[str]()

    async def emit(connection: Connection, record: Record) -> None:
        emitted.append(record.id)

    async def clear(connection: Connection, read: Read, version: Version, parents: Mapping[str, str]) -> None:
        cleared.append(read.id)
        closed.set()

    async def missing(connection: Connection, read: Read, version: Version) -> None:
        raise AssertionError("nothing is missing")

    loop = ReadLoop(home, reads, emit, clear, missing, lambda *_: None, lambda *_: None)
    reads.put(Read("demo", SF, "org", "Opportunity<Account", "a1", Version(1, 1), NOW))
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(5):
        await closed.wait()
    task.cancel()
    assert org.asked == [("Opportunity by Account", ("a1",)), ("Opportunity", ("o1", "o2"))]
    assert (emitted, cleared) == (["o1", "o2"], ["a1"])
