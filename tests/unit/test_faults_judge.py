"""The judge of a fault run sees what is doubled, lost or wrong, by what records hold."""

from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks.faults.judge import Judge, Sides, Verdict
from benchmarks.faults.pages import Row

BILL: Row = {
    "InvoiceID": "i1", "Type": "ACCPAY", "Status": "AUTHORISED", "SubTotal": Decimal("12.50"), "Total": Decimal(15),
    "LineItems": [{"Description": "Taxi 1"}], "Contact": {"ContactID": "c1"},
}  # fmt: skip
MIRROR: Row = {"Xero_Id__c": "i1", "Status__c": "AUTHORISED", "Total__c": Decimal(15)}
CONTACT: Row = {
    "ContactID": "c1", "Name": "Customer 1", "Phones": [{"PhoneType": "DEFAULT", "PhoneNumber": "7"}],
}  # fmt: skip
ACCOUNT: Row = {"Name": "Customer 1", "Phone": "7", "Xero_Contact_Id__c": "c1"}


def look(
    *, accounts: list[Row] | None = None, invoices: list[Row] | None = None, mirrors: list[Row] | None = None
) -> Verdict:
    """The judge's word on one account and one expense."""
    verdict = Verdict()
    sides = Sides(
        [ACCOUNT] if accounts is None else accounts, [], [MIRROR] if mirrors is None else mirrors, [CONTACT],
        [BILL] if invoices is None else invoices,
    )  # fmt: skip
    judge = Judge(sides, verdict)
    judge.look("account", "Customer 1", {"phone": "7"})
    judge.look("expense", "Taxi 1", {"amount": "12.50", "of": "Customer 1"})
    judge.strays()
    return verdict


def test_all_is_right() -> None:
    assert look().clean


@pytest.mark.parametrize("status", ["AUTHORISED", "VOIDED", "DELETED"])
def test_a_second_bill_is_a_duplicate_whatever_became_of_it(status: str) -> None:
    second = {**BILL, "InvoiceID": "i2", "Status": status}
    assert any("bill Taxi 1: 2" in text for text in look(invoices=[BILL, second]).doubled)


def test_a_second_account_is_a_duplicate() -> None:
    assert look(accounts=[ACCOUNT, {**ACCOUNT, "Phone": None}]).doubled


def test_a_second_mirror_is_a_duplicate() -> None:
    assert look(mirrors=[MIRROR, MIRROR]).doubled


def test_what_is_not_there_is_lost() -> None:
    assert look(invoices=[]).lost == ["bill Taxi 1: not there"]
    assert look(mirrors=[]).lost == ["mirror of bill Taxi 1: not there"]
    assert look(accounts=[]).lost == ["account Customer 1: not there"]


def test_what_holds_something_else_is_wrong() -> None:
    assert look(invoices=[{**BILL, "SubTotal": Decimal("12.49")}]).wrong
    assert look(invoices=[{**BILL, "Status": "DRAFT"}], mirrors=[{**MIRROR, "Status__c": "DRAFT"}]).wrong
    assert look(accounts=[{**ACCOUNT, "Phone": "6"}]).wrong
    assert look(mirrors=[{**MIRROR, "Status__c": "DRAFT"}]).wrong
