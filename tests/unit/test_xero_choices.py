"""What a document is coded by is judged by the settings of its organisation, before Xero sees it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.core.values import Fields, Value
from connector.xero.choices import ACCOUNT, CURRENCY, RATE, THEME, TRACKING, wrong

ALL = dict.fromkeys((f"CanApplyTo{of}" for of in ("Assets", "Equity", "Expenses", "Liabilities", "Revenue")), True)


def account(code: str, type_: str = "REVENUE", class_: str = "REVENUE", **more: Value) -> Fields:
    return {"AccountID": f"id-{code}", "Code": code, "Name": f"N{code}", "Type": type_, "Class": class_,
            "Status": "ACTIVE", **more}  # fmt: skip


BOOKS: dict[str, list[Fields]] = {
    ACCOUNT: [
        account("200"), account("404", "EXPENSE", "EXPENSE"), account("090", "BANK", "ASSET"),
        account("091", "BANK", "ASSET", Status="ARCHIVED"), account("610", "CURRENT", "ASSET", SystemAccount="DEBTORS"),
        account("630", "INVENTORY", "ASSET"), account("880", "CURRLIAB", "LIABILITY", EnablePaymentsToAccount=True),
        account("old", Status="ARCHIVED"), account("twice", Status="ARCHIVED"), account("twice"),
    ],
    RATE: [
        {"TaxType": "OUTPUT2", "Status": "ACTIVE", **ALL, "CanApplyToExpenses": False},
        {"TaxType": "OUTPUT", "Status": "DELETED", **ALL},
    ],
    TRACKING: [
        {"Name": "Region", "Status": "ACTIVE",
         "Options": [{"Name": "North", "Status": "ACTIVE"}, {"Name": "South", "Status": "ARCHIVED"}]},
        {"Name": "Past", "Status": "ARCHIVED", "Options": [{"Name": "North", "Status": "ACTIVE"}]},
    ],
    CURRENCY: [{"Code": "GBP"}, {"Code": "EUR"}],
    THEME: [{"BrandingThemeID": "t1", "Name": "Standard"}],
}  # fmt: skip


def line(**fields: Value) -> Fields:
    return {"LineItems": [{"Description": "ok", "AccountCode": "200"}, fields]}


def code(entity: str, fields: Fields, settings: dict[str, list[Fields]] | None = None) -> str:
    found = wrong(entity, fields, BOOKS if settings is None else settings)
    return "" if found is None else found.error.code.removeprefix("xero.")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"AccountCode": "200", "TaxType": "OUTPUT2"}, ""),
        ({"AccountCode": Decimal(200)}, ""),
        ({"AccountCode": "twice"}, ""),
        ({"AccountCode": None, "TaxType": None}, ""),
        ({"AccountCode": "999"}, "account-code"),
        ({"AccountCode": "090"}, "account-code"),
        ({"AccountCode": "610"}, "account-code"),
        ({"AccountCode": "old"}, "account-archived"),
        ({"AccountCode": "404", "TaxType": "OUTPUT2"}, "tax-type"),
        ({"AccountCode": "404", "TaxType": "NONE"}, ""),
        ({"TaxType": "OUTPUT2"}, ""),
        ({"TaxType": "OUTPUT"}, "tax-type"),
        ({"TaxType": "MINE"}, "tax-type"),
        ({"Tracking": [{"Name": "region", "Option": "north"}]}, ""),
        ({"Tracking": [{"Name": "Region", "Option": "South"}]}, "tracking"),
        ({"Tracking": [{"Name": "Region", "Option": "East"}]}, "tracking"),
        ({"Tracking": [{"Name": "Past", "Option": "North"}]}, "tracking"),
        ({"Tracking": []}, ""),
    ],
)
def test_a_line_is_coded_by_what_the_organisation_has(fields: Fields, expected: str) -> None:
    for entity in ("Invoice", "CreditNote", "Quote", "PurchaseOrder", "BankTransaction"):
        assert code(entity, line(**fields)) == expected, entity
    assert code("Invoice", line(**fields), {}) == "", "what is not known is not judged"


def test_which_line_and_why_is_said() -> None:
    found = wrong("Invoice", line(AccountCode="404", TaxType="OUTPUT2"), BOOKS)
    assert found is not None
    assert found.of == RATE
    assert found.error.message == "Line 2: tax type OUTPUT2 is not for account 404 (N404), which is an expense account."


@pytest.mark.parametrize(
    ("entity", "fields", "expected"),
    [
        ("Invoice", {**line(AccountCode="404", TaxType="OUTPUT2"), "LineAmountTypes": "NoTax"}, ""),
        ("Invoice", {"CurrencyCode": "EUR", "BrandingThemeID": "t1"}, ""),
        ("Invoice", {"CurrencyCode": "JPY"}, "currency"),
        ("Quote", {"BrandingThemeID": "t2"}, "branding-theme"),
        ("Contact", {"CurrencyCode": "JPY"}, ""),
        ("ManualJournal", {"JournalLines": [{"AccountCode": "630"}]}, "account-code"),
        ("Invoice", {"LineItems": [{"AccountCode": "630"}]}, ""),
        ("Item", {"SalesDetails": {"AccountCode": "090"}}, "account-code"),
        ("Item", {"PurchaseDetails": {"AccountCode": "404", "TaxType": "OUTPUT2"}}, "tax-type"),
        ("Payment", {"Account": {"Code": "090"}}, ""),
        ("Payment", {"Account": {"Code": "880"}}, ""),
        ("Payment", {"Account": {"AccountID": "id-090"}}, ""),
        ("Payment", {"Account": {"Code": "200"}}, "payment-account"),
        ("Payment", {"Account": {"Code": "091"}}, "account-archived"),
        ("Payment", {"Account": {"Code": "999"}}, "payment-account"),
        ("BankTransaction", {"Type": "SPEND", "BankAccount": {"Code": "090"}}, ""),
        ("BankTransaction", {"Type": "SPEND", "BankAccount": {"Code": "200"}}, "account-code"),
        ("BankTransaction", {"Type": "RECEIVE-OVERPAYMENT", "LineItems": [{"AccountCode": "610"}]}, ""),
        ("BankTransfer", {"FromBankAccount": {"Code": "090"}, "ToBankAccount": {"Code": "091"}}, "account-archived"),
        ("Invoice", {"Status": "VOIDED"}, ""),
    ],
)
def test_each_entry_by_its_own_rules(entity: str, fields: Fields, expected: str) -> None:
    assert code(entity, fields) == expected
