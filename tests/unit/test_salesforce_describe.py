# ruff: noqa: S608  (SOQL that a test expects)
"""Describe, queries and rows of Salesforce, without a socket."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.catalog import FieldType
from connector.core.records import ReadPlan, Version
from connector.errors import ConfigurationError, DataError
from connector.salesforce.describe import SalesforceCatalog, read_describe, shape_of
from connector.salesforce.reader import Reading, read_page, records, unfinished
from connector.salesforce.soql import by_criteria, by_ids, quoted, rows_after
from connector.simulators.salesforce.describe import describe
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.sales_org import PICKLISTS, TABLES
from connector.simulators.salesforce.schema import build_schema
from connector.simulators.salesforce.soql import parse

SCHEMA = build_schema(TABLES, PICKLISTS, currencies=False)
CATALOG = SalesforceCatalog({}).with_objects(
    shape_of(describe(SCHEMA, entity, Permissions(), "62.0")) for entity in SCHEMA.entities.values()
)
DEAL = ReadPlan(
    "Opportunity", ("Account.Region__c", "Amount", "CloseDate", "IsWon", "Name"),
    {"OpportunityLineItems": ("Product2.ProductCode", "Quantity")},
)  # fmt: skip
DEAL_ID, LINE_ID = "0068d0000000001AAA", "00k8d0000000001AAA"


def test_salesforce_catalog_types_and_limits() -> None:
    amount = CATALOG.field("Opportunity", "Amount")
    assert amount is not None
    assert (amount.type, amount.scale, amount.updatable, amount.required) == (FieldType.NUMBER, 2, True, False)
    name = CATALOG.field("Account", "Name")
    assert name is not None
    assert (name.type, name.max_length, name.required) == (FieldType.TEXT, 255, True)
    status = CATALOG.field("Expense__c", "Status__c")
    assert status is not None
    assert status.values == frozenset({"Draft", "Submitted", "Approved"})
    won = CATALOG.field("Opportunity", "IsWon")
    assert won is not None
    assert (won.type, won.creatable, won.updatable) == (FieldType.BOOLEAN, False, False)
    paths = ("CloseDate", "SystemModstamp", "AccountId")
    kinds = {path: info.type for path in paths if (info := CATALOG.field("Opportunity", path))}
    assert kinds == {"CloseDate": FieldType.DATE, "SystemModstamp": FieldType.TIME, "AccountId": FieldType.ID}


def test_salesforce_catalog_follows_relationships() -> None:
    region = CATALOG.field("OpportunityLineItem", "Opportunity.Account.Region__c")
    assert region is not None
    assert region.max_length == 80
    parent = CATALOG.field("Xero_Invoice__c", "Account__r")
    assert parent is not None
    assert (parent.type, parent.references) == (FieldType.OBJECT, ("Account",))
    assert CATALOG.children("Opportunity", "OpportunityLineItems") == "OpportunityLineItem"
    city = CATALOG.field("Opportunity", "Account.BillingAddress.city")
    assert city is not None
    assert not city.updatable
    for path in ("Nope", "Nope.Name", "Account.Nope", "Name.Name"):
        assert CATALOG.field("Opportunity", path) is None
    assert CATALOG.field("Nope", "Name") is None
    assert CATALOG.children("Nope", "Rows") is None


def test_salesforce_catalog_says_what_is_still_to_be_described() -> None:
    empty = SalesforceCatalog({})
    assert empty.undescribed([DEAL]) == {"Opportunity"}
    first = empty.with_objects([CATALOG.objects["Opportunity"]])
    assert first.undescribed([DEAL]) == {"Account", "OpportunityLineItem"}
    second = first.with_objects([CATALOG.objects["Account"], CATALOG.objects["OpportunityLineItem"]])
    assert second.undescribed([DEAL]) == {"Product2"}
    assert CATALOG.undescribed([DEAL]) == frozenset()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name":"A","fields":[{}]}', b'{"name":"A","fields":{}}'])
def test_salesforce_a_bad_describe_is_refused(body: bytes) -> None:
    with pytest.raises(DataError):
        read_describe(body)


# --- SOQL ------------------------------------------------------------------------------------------------------------


def test_salesforce_a_plan_becomes_a_query() -> None:
    (soql,) = by_ids(DEAL, CATALOG, [DEAL_ID, DEAL_ID])
    assert soql == (
        "SELECT Id, SystemModstamp, IsDeleted, Account.Region__c, Amount, CloseDate, IsWon, Name, "
        "(SELECT Id, Product2.ProductCode, Quantity FROM OpportunityLineItems WHERE IsDeleted = false "
        f"ORDER BY SortOrder NULLS LAST, Id) FROM Opportunity WHERE Id IN ('{DEAL_ID}')"
    )
    parse(soql)
    assert rows_after(DEAL, CATALOG, "", 2000, None).endswith("FROM Opportunity ORDER BY Id LIMIT 2000")


def test_salesforce_an_empty_plan_reads_every_field() -> None:
    (soql,) = by_ids(ReadPlan("Xero_Tax_Rate__c"), CATALOG, [DEAL_ID])
    assert "Rate__c" in soql
    assert "Status__c" in soql


def test_salesforce_many_ids_are_split_to_fit_a_uri() -> None:
    ids = [f"0068d000000{number:04d}AAA" for number in range(200)]
    wide = ReadPlan("Account", tuple(name for name in CATALOG.objects["Account"].fields if name != "Id"))
    for plan in (DEAL, wide):
        queries = by_ids(plan, CATALOG, ids)
        assert all(len(quote(one)) <= 12_000 for one in queries)
        assert sum(one.count("0068d") for one in queries) == 200
    with pytest.raises(ValueError, match="200"):
        by_ids(DEAL, CATALOG, [*ids, DEAL_ID])


def test_salesforce_what_is_no_id_is_not_asked_for() -> None:
    assert by_ids(DEAL, CATALOG, ["x' OR Name != '"]) == []


@pytest.mark.parametrize(
    "plan",
    [ReadPlan("Nope"), ReadPlan("Account", ("Nope",)), ReadPlan("Account", ("Owner.Nope",)),
     ReadPlan("Account", (), {"Nopes": ("Id",)}), ReadPlan("Account", ("Name FROM User--",))],
)  # fmt: skip
def test_salesforce_a_plan_that_cannot_be_read_says_so(plan: ReadPlan) -> None:
    with pytest.raises(ConfigurationError):
        by_ids(plan, CATALOG, [DEAL_ID])


def test_salesforce_criteria_are_typed_and_quoted() -> None:
    plan = ReadPlan("Account", ("Name",))
    soql = by_criteria(
        plan, CATALOG, {"Name": "O'Neill \\ Söhne\n", "Terms__c": Decimal("30.0"), "Xero_Contact_Id__c": None}
    )
    assert soql.endswith(
        "WHERE Name = 'O\\'Neill \\\\ Söhne\\n' AND Terms__c = 30 AND Xero_Contact_Id__c = null ORDER BY Id LIMIT 10"
    )
    parse(soql)
    dated = by_criteria(DEAL, CATALOG, {"CloseDate": date(2026, 11, 30), "IsWon": True})
    assert "CloseDate = 2026-11-30 AND IsWon = true" in dated


@pytest.mark.parametrize(
    "criteria", [{"Description": "x"}, {"Nope": "x"}, {"Name": Decimal(1)}, {"AnnualRevenue": "1"}]
)
def test_salesforce_criteria_that_cannot_be_asked(criteria: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        by_criteria(ReadPlan("Account", ("Name",)), CATALOG, criteria)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_salesforce_any_text_survives_quoting(text: str) -> None:
    query = parse(f"SELECT Id FROM Account WHERE Name = {quoted(text)}")
    assert getattr(query.where, "value", None) == text


# --- rows ------------------------------------------------------------------------------------------------------------


def reading(plan: ReadPlan = DEAL) -> Reading:
    return Reading(plan, CATALOG, "00D8d0000000001EAA", Version(3, 7), datetime(2026, 11, 20, tzinfo=UTC))


def a_row(**changes: object) -> dict[str, Any]:
    line = {"attributes": {"type": "OpportunityLineItem"}, "Id": LINE_ID, "Product2": {"ProductCode": "LIC-1"},
            "Quantity": Decimal("3.0")}  # fmt: skip
    row: dict[str, Any] = {
        "attributes": {"type": "Opportunity", "url": "/x"}, "Id": DEAL_ID,
        "SystemModstamp": "2026-11-20T10:00:00.000+0000", "IsDeleted": False, "Account": {"Region__c": "North"},
        "Amount": Decimal("539.74"), "CloseDate": "2026-11-30", "IsWon": True, "Name": "Deal",
        "OpportunityLineItems": {"totalSize": 1, "done": True, "records": [line]},
    }  # fmt: skip
    return {**row, **changes}


def test_salesforce_a_row_becomes_a_record() -> None:
    (record,) = records([a_row()], reading())
    assert (record.id, record.entity, record.version, record.deleted) == (DEAL_ID, "Opportunity", Version(3, 7), False)
    assert record.stamp == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert record.fields == {
        "Id": DEAL_ID, "Account": {"Region__c": "North"}, "Amount": Decimal("539.74"), "CloseDate": date(2026, 11, 30),
        "IsWon": True, "Name": "Deal",
        "OpportunityLineItems": [{"Id": LINE_ID, "Product2": {"ProductCode": "LIC-1"}, "Quantity": Decimal("3.0")}],
    }  # fmt: skip


def test_salesforce_nothing_is_null_or_no_rows() -> None:
    (record,) = records([a_row(Account=None, Amount=None, OpportunityLineItems=None, IsDeleted=True)], reading())
    assert (record.fields["Account"], record.fields["Amount"], record.fields["OpportunityLineItems"]) == (
        None,
        None,
        [],
    )
    assert record.deleted


@pytest.mark.parametrize(
    "changes",
    [{"Amount": "539.74"}, {"Amount": True}, {"CloseDate": "30/11/2026"}, {"IsWon": "true"}, {"Name": 5}, {"Id": None},
     {"SystemModstamp": "2026-11-20T10:00:00"}, {"Account": "x"}, {"Nope": 1}, {"OpportunityLineItems": {"done": True}},
     {"OpportunityLineItems": {"done": False, "records": [], "nextRecordsUrl": "/services/data/x"}}],
)  # fmt: skip
def test_salesforce_a_row_that_is_not_as_described_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DataError) as refused:
        records([a_row(**changes)], reading())
    assert refused.value.code == "salesforce.answer"


def test_salesforce_pages_and_unfinished_children() -> None:
    page = read_page(b'{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g-2","records":[{}]}')
    assert (page.total, page.more) == (3, "/services/data/v62.0/query/01g-2")
    open_rows = {"done": False, "records": [], "nextRecordsUrl": "/services/data/x"}
    assert list(unfinished([a_row(OpportunityLineItems=open_rows)])) == [open_rows]
    for wrong in (b"", b"{}", b'{"records":[1]}', b'{"records":[],"done":false,"nextRecordsUrl":"http://evil/"}'):
        with pytest.raises(DataError):
            read_page(wrong)
