"""Marks: the field and value by which an object of ours is found again."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector.core.mapping.syntax import ExpressionError
from connector.core.marks import MARKS, carried, mark_of
from connector.core.records import Record, Side, Version
from connector.core.values import Value
from tests.unit.mapping_catalogs import mapping, ready

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
RECORD = Record(Side.SALESFORCE, "org", "Opportunity", "0061", Version(1, 1), NOW, NOW)
URL = "https://acme.my.salesforce.com/"


def of(entity: str, **flat: str) -> tuple[str, str] | None:
    rules = mapping(f"mapping: m\nfrom: salesforce.Opportunity\nto: xero.{entity}\nfields: {{ Name: x }}\n")
    return mark_of(rules, RECORD, flat, generation=2, salesforce_url=URL)


@pytest.mark.parametrize(
    ("entity", "flat", "mark"),
    [
        ("Contact", {}, ("ContactNumber", "0061")),
        ("Item", {"Code": "ANVIL"}, ("Code", "ANVIL")),
        ("Item", {}, None),
        ("Invoice", {"Type": "ACCREC", "InvoiceNumber": "OPP-1"}, ("InvoiceNumber", "OPP-1")),
        ("CreditNote", {"Type": "ACCRECCREDIT", "CreditNoteNumber": "CN-1"}, ("CreditNoteNumber", "CN-1")),
        ("PurchaseOrder", {"PurchaseOrderNumber": "PO-1"}, ("PurchaseOrderNumber", "PO-1")),
        ("Quote", {"QuoteNumber": "QU-1"}, ("QuoteNumber", "QU-1")),
        ("Journal", {}, None),
    ],
)
def test_natural_keys(entity: str, flat: dict[str, str], mark: tuple[str, str] | None) -> None:
    assert of(entity, **flat) == mark


@pytest.mark.parametrize(
    ("entity", "flat", "field"),
    [
        ("Invoice", {"Type": "ACCPAY", "InvoiceNumber": "their own"}, "Url"),
        ("Invoice", {"Type": "ACCREC"}, "Url"),
        ("BankTransaction", {}, "Url"),
        ("ManualJournal", {}, "Url"),
        ("Payment", {}, "Reference"),
        ("CreditNote", {"Type": "ACCPAYCREDIT", "CreditNoteNumber": "theirs"}, "Reference"),
    ],
)
def test_keys_of_our_own(entity: str, flat: dict[str, str], field: str) -> None:
    found = of(entity, **flat)
    assert found is not None
    assert found[0] == field
    assert found == of(entity, **flat)
    if field == "Url":
        assert found[1].startswith(f"{URL}0061?tl=")
        assert found[1].endswith(".2")


def test_marks_of_two_mappings_generations_and_records_differ() -> None:
    text = "from: salesforce.Opportunity\nto: xero.Payment\nfields: { Amount: 1 }\n"
    one, two = mapping("mapping: one\n" + text), mapping("mapping: two\n" + text)
    other = Record(Side.SALESFORCE, "org", "Opportunity", "0062", Version(1, 1), NOW, NOW)
    marks = {
        mark_of(rules, record, {}, generation=generation)
        for rules in (one, two)
        for record in (RECORD, other)
        for generation in (1, 2)
    }
    assert len(marks) == 8


def test_a_link_with_the_word_xero_is_refused_before_xero_does() -> None:
    rules = ready("expense-to-bill")
    for url in ("https://xero-demo.my.salesforce.com", ""):
        with pytest.raises(ExpressionError) as caught:
            mark_of(rules, RECORD, {"Type": "ACCPAY"}, salesforce_url=url)
        assert caught.value.code == "mapping.mark"
        assert caught.value.remedy
    found = mark_of(rules, RECORD, {"Type": "ACCPAY"}, salesforce_url=URL)
    assert found is not None
    assert "xero" not in found[1].lower()


def test_what_an_object_carries() -> None:
    rules = ready("expense-to-bill")
    fields: dict[str, Value] = {"InvoiceNumber": "7", "Url": f"{URL}0061?tl=ab.1", "Total": Decimal(1)}
    assert carried(rules, Side.XERO, "Invoice", fields) == (("InvoiceNumber", "7"), ("Url", f"{URL}0061?tl=ab.1"))
    assert carried(rules, Side.SALESFORCE, "Expense__c", {"Name": "x"}) == ()
    assert set(MARKS) >= {"Contact", "Item", "Invoice", "Payment", "CreditNote", "BankTransaction", "ManualJournal"}
