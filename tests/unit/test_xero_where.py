"""The simulator's where and order, and its windows of limits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connector.simulators.control import Refused
from connector.simulators.xero.errors import Refusal
from connector.simulators.xero.limits import MINUTE, Limits, Usage, Window
from connector.simulators.xero.listing import modified_since
from connector.simulators.xero.where import parse_order, parse_where

NAMES = frozenset({"Type", "Total", "Date", "Contact", "Reference", "SentToContact", "InvoiceID", "UpdatedDateUTC"})
INVOICE: dict[str, Any] = {
    "Type": "ACCREC",
    "Total": Decimal("12.50"),
    "Date": date(2026, 3, 1),
    "Contact": {"Name": 'The "Big" One', "ContactID": "ab-1"},
    "Reference": None,
    "SentToContact": True,
    "InvoiceID": "ab-9",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('Type=="accrec"', True),
        ('Type="ACCREC"', True),
        ('Type!="ACCREC"', False),
        ("Total>12.5", False),
        ("Total >= 12.5 AND Total<13", True),
        ("Date>=DateTime(2026,03,01) && Date<DateTime(2026, 3, 2)", True),
        ("Date>=DateTime(2026,3,1,0,0,1)", False),
        ("Reference==null", True),
        ("Reference!=null", False),
        ("SentToContact", True),
        ("SentToContact==false", False),
        ('InvoiceID==Guid("AB-9")', True),
        ('Contact.Name.Contains("big")', True),
        ('Contact.Name.StartsWith("the") and Contact.Name.EndsWith("one")', True),
        ('Contact.Name=="The \\"Big\\" One"', True),
        ('Type=="X" OR Type=="ACCREC" AND Total<1', False),
        ('(Type=="X" OR Type=="ACCREC") AND Total>1', True),
        ('Type=="X" || Total>1', True),
        ('Contact.ContactID==Guid("ab-1") AND Reference.Contains("x")', False),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    assert parse_where(text, NAMES)(INVOICE) is holds


@pytest.mark.parametrize(
    "text",
    ["Totl>1", "Total>", "(Total>1", "Total>1)", "Total ~ 1", "Total>1 Total<2", 'Total.Contains("1"', '"a"==Type',
     "DateTime(1)", "Date>DateTime(2026,13,1)", "(" * 80 + "Total>1" + ")" * 80, "Type.Contains(1)"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_where(text, NAMES)
    assert caught.value.status == 400


def test_order_by_several_fields_with_what_is_missing_first() -> None:
    rows = [{"Type": "B", "Total": 1}, {"Type": "a", "Total": 2}, {"Type": "A", "Total": 3}, {"Total": 9}]
    assert [row["Total"] for row in parse_order("Type, Total DESC", NAMES)(rows)] == [9, 3, 2, 1]
    for wrong in ("Nope", "Type DOWN", "Type ASC ASC"):
        with pytest.raises(Refusal):
            parse_order(wrong, NAMES)


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00", "2026-01-02T03:04:05.999",
     "Fri, 02 Jan 2026 03:04:05 GMT"],
)  # fmt: skip
def test_if_modified_since_counts_in_seconds_of_utc(text: str) -> None:
    assert modified_since(text) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_time_that_cannot_be_read_fails_the_precondition() -> None:
    with pytest.raises(Refusal) as caught:
        modified_since("yesterday")
    assert caught.value.status == 412


@pytest.mark.parametrize(("kind", "free_after"), [("fixed", 60), ("rolling", 60)])
def test_windows_open_again(kind: Any, free_after: int) -> None:
    limits, usage, app = Limits(minute=2, window=kind), Usage(), Window(MINUTE)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for second in (0, 50):
        assert usage.problem(limits, start + timedelta(seconds=second), app) is None
        usage.take(start + timedelta(seconds=second), app)
    assert usage.problem(limits, start + timedelta(seconds=55), app) == ("minute", 5)
    later = start + timedelta(seconds=free_after)
    assert usage.left(limits, later, app)["minute"] == (2 if kind == "fixed" else 1)


def test_limits_that_cannot_be_are_refused() -> None:
    for wrong in ({"hour": 1}, {"minute": -1}, {"window": "sliding"}, {"day": "x"}):
        with pytest.raises(Refused):
            Limits().change(wrong)
