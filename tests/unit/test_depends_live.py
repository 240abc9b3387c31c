"""``depends: live``: what a mapping reads beside its record is known by object and way, and asked for by them."""

from __future__ import annotations

import pytest

from connector.core.mapping.beside import ways
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.parse import parse
from connector.core.records import ReadPlan
from connector.errors import ConfigurationError
from connector.salesforce.describe import FieldShape, ObjectShape, SalesforceCatalog
from connector.salesforce.soql import by_way
from tests.unit.mapping_catalogs import CATALOGS

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
