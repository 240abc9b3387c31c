# ruff: noqa: S608  (SOQL of a test, from ids that the simulator made)
"""The simulator's SOQL: what parses, what does not, and what a query gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connector.simulators.control import Clock
from connector.simulators.salesforce.dates import span
from connector.simulators.salesforce.filters import QueryError
from connector.simulators.salesforce.ids import full_id, make_id
from connector.simulators.salesforce.org import Org, Settings
from connector.simulators.salesforce.query import Queries, Render
from connector.simulators.salesforce.soql import Malformed, parse
from connector.simulators.salesforce.store import Row

MOMENT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def an_org() -> Org:
    clock = Clock()
    clock.set(MOMENT)
    org = Org(Settings(), clock)
    people: list[dict[str, Any]] = [
        {"Name": "Acme", "Type": "Customer", "Terms__c": 30, "BillingCity": "Leeds"},
        {"Name": "acme north", "Type": "Prospect", "Terms__c": 14},
        {"Name": "50% off_shop", "AnnualRevenue": 1000},
        {"Name": "O'Neill & Sons", "Type": "Customer", "Description": "long"},
    ]
    ids = [str(org.edit("Account", None, one)["Id"]) for one in people]
    org.edit("Contact", None, {"LastName": "Bluth", "FirstName": "Gob", "AccountId": ids[0]})
    org.edit("Contact", None, {"LastName": "Funke", "AccountId": ids[0]})
    org.delete("Account", ids[1])
    return org


def ask(org: Org, soql: str, *, deleted: bool = False) -> Sequence[Mapping[str, Any]]:
    def whole(rows: list[Row], render: Render) -> Mapping[str, Any]:
        return {"totalSize": len(rows), "done": True, "records": [render(row) for row in rows]}

    queries = Queries(org.store, org.permissions, org.clock.now, "62.0", whole)
    found = queries.run(parse(soql), deleted=deleted)
    return list(found.ready) or [found.render(row) for row in found.rows]


def names(org: Org, where: str, *, deleted: bool = False) -> list[str]:
    return [str(row["Name"]) for row in ask(org, f"SELECT Name FROM Account {where}", deleted=deleted)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("WHERE Name = 'ACME'", ["Acme"]),
        ("WHERE Name != 'Acme'", ["50% off_shop", "O'Neill & Sons"]),
        ("WHERE Name LIKE '%o\\'neill%'", ["O'Neill & Sons"]),
        ("WHERE Name LIKE '50\\%%'", ["50% off_shop"]),
        ("WHERE Name LIKE 'Ac_e'", ["Acme"]),
        ("WHERE Terms__c >= 30", ["Acme"]),
        ("WHERE Terms__c = null AND (Type = 'Customer' OR AnnualRevenue > 999.5)", ["50% off_shop", "O'Neill & Sons"]),
        ("WHERE NOT (Type = 'Customer' OR Type = 'Prospect')", ["50% off_shop"]),
        ("WHERE Type IN ('customer', null) ORDER BY Name DESC LIMIT 2", ["O'Neill & Sons", "Acme"]),
        ("WHERE Type NOT IN ('Customer') ORDER BY Name", ["50% off_shop"]),
        ("WHERE Type = 'Customer' ORDER BY Terms__c NULLS LAST OFFSET 1", ["O'Neill & Sons"]),
        ("WHERE CreatedDate = TODAY AND CreatedDate = LAST_N_DAYS:3 ORDER BY Name LIMIT 1", ["50% off_shop"]),
        ("WHERE CreatedDate > 2026-11-20T10:00:00Z", []),
        ("WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName = 'Funke')", ["Acme"]),
        ("WHERE Owner.Username LIKE 'integration%' AND Name < 'B' ORDER BY Name", ["50% off_shop", "Acme"]),
    ],
)
def test_salesforce_filters(where: str, expected: list[str]) -> None:
    assert names(an_org(), where) == expected


def test_salesforce_query_all_sees_the_recycle_bin() -> None:
    assert names(an_org(), "WHERE IsDeleted = true", deleted=True) == ["acme north"]


def test_salesforce_ids_match_in_both_lengths() -> None:
    org = an_org()
    record_id = str(ask(org, "SELECT Id FROM Account WHERE Name = 'Acme'")[0]["Id"])
    assert names(org, f"WHERE Id = '{record_id}'") == ["Acme"]
    assert names(org, f"WHERE Id IN ('{record_id[:15]}')") == ["Acme"]


def test_salesforce_parents_children_and_compounds_nest() -> None:
    row = ask(
        an_org(),
        "SELECT Name, Owner.Name, Parent.Name, BillingAddress, (SELECT Name FROM Contacts ORDER BY LastName DESC),"
        " (SELECT Id FROM Opportunities) FROM Account WHERE Name = 'Acme'",
    )[0]
    assert row["Owner"]["Name"] == "Twinledger Integration"
    assert row["Parent"] is None
    assert row["BillingAddress"]["city"] == "Leeds"
    assert [one["Name"] for one in row["Contacts"]["records"]] == ["Funke", "Gob Bluth"]
    assert row["Opportunities"] is None


def test_salesforce_aggregates() -> None:
    grouped = ask(an_org(), "SELECT Type, COUNT(Id) n FROM Account GROUP BY Type")
    assert {row["Type"]: row["n"] for row in grouped} == {"Customer": 2, None: 1}
    assert ask(an_org(), "SELECT MAX(SystemModstamp), COUNT(Id) FROM Account")[0]["expr1"] == 3


@pytest.mark.parametrize(
    "soql",
    ["SELECT FROM Account", "SELECT Id FROM Account WHERE A = 1 AND B = 2 OR C = 3", "SELECT Id FROM Account LIMIT x",
     "SELECT Id FROM Account WHERE Name = 'x", "SELECT Id FROM Account HAVING COUNT(Id) > 1",
     "SELECT Id FROM Account WHERE CreatedDate = 2026-02-31", "DELETE FROM Account", ""],
)  # fmt: skip
def test_salesforce_what_is_no_soql_is_malformed(soql: str) -> None:
    with pytest.raises(Malformed):
        parse(soql)


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Foo FROM Account", "INVALID_FIELD"),
        ("SELECT Owner.Foo FROM Account", "INVALID_FIELD"),
        ("SELECT Nobody.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Name, Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Acount", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM Foos) FROM Account", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE Terms__c = '30'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 30", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS", "MALFORMED_QUERY"),
    ],
)
def test_salesforce_bad_names_and_types_are_refused(soql: str, code: str) -> None:
    with pytest.raises(QueryError) as refused:
        ask(an_org(), soql)
    assert refused.value.code == code


def test_salesforce_a_hidden_field_is_unknown() -> None:
    org = an_org()
    org.permissions.hidden_fields.add(("Account", "Phone"))
    with pytest.raises(QueryError, match="Phone"):
        ask(org, "SELECT Phone FROM Account")
    assert "Phone" not in ask(org, "SELECT FIELDS(ALL) FROM Account LIMIT 1")[0]


@pytest.mark.parametrize(
    ("name", "count", "first", "after"),
    [
        ("THIS_WEEK", None, date(2026, 11, 15), date(2026, 11, 22)),
        ("LAST_QUARTER", None, date(2026, 7, 1), date(2026, 10, 1)),
        ("NEXT_N_MONTHS", 2, date(2026, 12, 1), date(2027, 2, 1)),
        ("N_DAYS_AGO", 20, date(2026, 10, 31), date(2026, 11, 1)),
        ("LAST_N_YEARS", 1, date(2025, 1, 1), date(2026, 1, 1)),
    ],
)
def test_salesforce_date_literals(name: str, count: int | None, first: date, after: date) -> None:
    assert span(name, count, MOMENT.date()) == (first, after)


def test_salesforce_id_checksums() -> None:
    assert full_id("001RM000005a9tG") == "001RM000005a9tGYAQ"  # from the change data capture guide
    assert full_id("0015f00002J9YYEAA3") == "0015f00002J9YYEAA3"
    assert len(make_id("001", 12345)) == 18
    for wrong in ("0015f00002J9YYEAA4", "001", "001RM000005a9t!", "001RM000005a9tGYAQX"):
        with pytest.raises(ValueError, match="malformed"):
            full_id(wrong)
