"""The ready-made mappings at work: what becomes of an Opportunity, an Expense, an invoice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connector.core.document import Document, NotWanted, Refused, resolve
from connector.core.mapping.bind import bind
from connector.core.mapping.evaluate import BackWrite, Context, back_write, document, foreign_lines, observed, spell
from connector.core.mapping.parse import parse
from connector.core.records import Record, Side, Version
from connector.core.values import Ref, Value
from connector.errors import ConfigurationError
from tests.unit.mapping_catalogs import CATALOGS, FOLDER, mapping, ready

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOME = Context(connection={"currency": "GBP"}, salesforce_url="https://acme.my.salesforce.com")


def record(side: Side, entity: str, object_id: str, fields: Mapping[str, Value]) -> Record:
    return Record(side, "org", entity, object_id, Version(1, 1), NOW, NOW, fields=fields)


def won(**changes: Value) -> Record:
    lines: list[Value] = [
        {
            "Id": "00k1",
            "Quantity": Decimal("3.00"),
            "UnitPrice": Decimal("20.10"),
            "Discount": Decimal(10),
            "Description": None,
            "Xero_Account__c": "201",
            "Product2": {"Name": "Anvil", "Xero_Account__c": "202", "Xero_Tax__c": "OUTPUT2"},
        },
        {
            "Id": "00k2",
            "Quantity": Decimal(1),
            "UnitPrice": Decimal("45.73"),
            "Discount": None,
            "Description": " Rope,\r\nlong ",
            "Xero_Account__c": None,
            "Product2": None,
        },
    ]
    fields: dict[str, Value] = {
        "IsWon": True,
        "Amount": Decimal("100.00"),
        "CloseDate": date(2026, 11, 20),
        "Number__c": "0042",
        "PO_Number__c": None,
        "Shipping__c": Decimal("7.50"),
        "Account": {"Id": "0011", "Terms__c": None, "Xero_Tax__c": "ZERORATED"},
        "OpportunityLineItems": lines,
    }
    return record(Side.SALESFORCE, "Opportunity", "0061", {**fields, **changes})


def made(opportunity: Record, generation: int = 1) -> Document:
    out = document(ready("opportunity-to-invoice"), opportunity, replace(HOME, generation=generation))
    assert isinstance(out, Document), out
    return out


def refused(opportunity: Record) -> str:
    out = document(ready("opportunity-to-invoice"), opportunity, HOME)
    assert isinstance(out, Refused), out
    return out.failure.code


def test_a_won_opportunity_becomes_an_invoice_with_its_lines_and_shipping() -> None:
    out = made(won())
    assert out.entity == "Invoice"
    assert out.order == ("00k1", "00k2", "shipping")
    assert out.mark == ("InvoiceNumber", "OPP-0042")
    assert out.find == {"InvoiceNumber": "OPP-0042"}
    assert out.once == {"InvoiceNumber", "Date"}
    assert out.money == Decimal("107.50")
    assert out.flat == {
        "Type": "ACCREC",
        "InvoiceNumber": "OPP-0042",
        "Contact": Ref("account-contact", "salesforce:0011"),
        "Date": date(2026, 11, 20),
        "DueDate": date(2026, 12, 20),
        "Reference": None,
        "CurrencyCode": "GBP",
        "LineAmountTypes": "Exclusive",
        "LineItems/00k1/Description": "Anvil",
        "LineItems/00k1/Quantity": Decimal(3),
        "LineItems/00k1/UnitAmount": Decimal("20.10"),
        "LineItems/00k1/DiscountRate": Decimal(10),
        "LineItems/00k1/AccountCode": "201",
        "LineItems/00k1/TaxType": "OUTPUT2",
        "LineItems/00k2/Description": "Rope,\nlong",
        "LineItems/00k2/Quantity": Decimal(1),
        "LineItems/00k2/UnitAmount": Decimal("45.73"),
        "LineItems/00k2/AccountCode": "200",
        "LineItems/00k2/TaxType": "ZERORATED",
        "LineItems/shipping/Description": "Shipping",
        "LineItems/shipping/Quantity": Decimal(1),
        "LineItems/shipping/UnitAmount": Decimal("7.50"),
        "LineItems/shipping/AccountCode": "425",
    }


def test_the_second_generation_has_a_number_of_its_own() -> None:
    assert made(won(), 2).mark == ("InvoiceNumber", "OPP-0042-2")


def test_zero_days_are_a_term_and_no_term_is_thirty() -> None:
    due = made(won(Account={"Id": "0011", "Terms__c": Decimal(0)})).flat["DueDate"]
    assert due == date(2026, 11, 20)


@pytest.mark.parametrize("shipping", [None, Decimal(0)])
def test_no_shipping_no_line(shipping: Decimal | None) -> None:
    assert made(won(Shipping__c=shipping)).order == ("00k1", "00k2")


def test_what_is_not_won_is_not_wanted() -> None:
    assert isinstance(document(ready("opportunity-to-invoice"), won(IsWon=False), HOME), NotWanted)
    assert isinstance(document(ready("opportunity-to-invoice"), won(IsWon=None), HOME), NotWanted)


def test_a_cent_too_much_stops_before_anything_is_written() -> None:
    out = document(ready("opportunity-to-invoice"), won(Amount=Decimal("100.01")), HOME)
    assert isinstance(out, Refused)
    assert out.failure.code == "mapping.expectation"
    assert "107.5" in out.failure.message
    assert "107.51" in out.failure.message
    assert "0061" in out.failure.message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"OpportunityLineItems": [], "Shipping__c": None}, "mapping.no-lines"),
        ({"Account": None}, "mapping.missing"),
        ({"Number__c": Decimal(42)}, "mapping.type"),
        ({"Amount": None}, "mapping.expectation"),
        ({"Amount": "many"}, "mapping.type"),
        ({"CloseDate": "soon"}, "mapping.type"),
        ({"Number__c": "9" * 300}, "mapping.too-long"),
        ({"Shipping__c": Decimal("1E+90")}, "mapping.range"),
        ({"OpportunityLineItems": [{"Id": "00k1"}, {"Id": "00k1"}]}, "mapping.line-key"),
        ({"OpportunityLineItems": [{"Quantity": Decimal(1)}]}, "mapping.line-key"),
        ({"OpportunityLineItems": "none"}, "mapping.type"),
        ({"OpportunityLineItems": ["none"]}, "mapping.type"),
    ],
)
def test_bad_records_are_refused_with_a_code(changes: dict[str, Value], code: str) -> None:
    assert refused(won(**changes)) == code


def test_the_invoice_is_spelled_for_xero_and_read_back_the_same() -> None:
    rules, out = ready("opportunity-to-invoice"), made(won(PO_Number__c="P/O 9711"))
    flat, missing = resolve(out.flat, {Ref("account-contact", "salesforce:0011"): "c-1"})
    assert not missing
    ids = {"00k1": "l1", "00k2": "l2", "shipping": "l3"}
    stranger: dict[str, Value] = {
        "LineItemID": "x",
        "Description": "By hand",
        "UnitAmount": Decimal(5),
        "LineAmount": Decimal(5),
    }
    fields = spell(rules, Side.XERO, flat, out.order, line_ids=ids, foreign=[stranger])
    assert fields["Contact"] == {"ContactID": "c-1"}
    sent = fields["LineItems"]
    assert isinstance(sent, list)
    assert [row["LineItemID"] for row in sent] == ["l1", "l2", "l3", "x"]
    assert "LineAmount" not in sent[3]
    there = record(Side.XERO, "Invoice", "i-1", fields)
    assert observed(rules, there, ids) == flat
    assert [row["LineItemID"] for row in foreign_lines(rules, there, ids)] == ["x"]


def test_a_line_that_someone_took_out_is_not_there() -> None:
    rules = ready("opportunity-to-invoice")
    there = record(Side.XERO, "Invoice", "i-1", {"LineItems": []})
    seen = observed(rules, there, {"shipping": "l3"})
    assert not any(path.startswith("LineItems/") for path in seen)
    assert seen["Reference"] is None


def test_lines_keep_what_the_mapping_does_not_name() -> None:
    rules, out = ready("opportunity-to-invoice"), made(won())
    flat, _ = resolve(out.flat, {Ref("account-contact", "salesforce:0011"): "c-1"})
    before: dict[str, Value] = {
        "LineItems": [
            {
                "LineItemID": "l1",
                "Description": "old",
                "ItemCode": "ANVIL",
                "TaxAmount": Decimal(9),
                "Tracking": [{"Name": "Team", "Option": "Alpha", "TrackingOptionID": "t"}],
            }
        ]
    }
    sent = spell(rules, Side.XERO, flat, out.order, line_ids={"00k1": "l1"}, before=before)["LineItems"]
    assert isinstance(sent, list)
    assert sent[0]["ItemCode"] == "ANVIL"
    assert sent[0]["Description"] == "Anvil"
    assert sent[0]["Tracking"] == [{"Name": "Team", "Option": "Alpha"}]
    assert "TaxAmount" not in sent[0]
    assert "LineItemID" not in sent[1]


def test_an_expense_becomes_a_bill_that_is_found_by_its_url() -> None:
    expense = record(
        Side.SALESFORCE,
        "Expense__c",
        "a041",
        {
            "Status__c": "Approved",
            "Name": "Taxi",
            "Number__c": "E-7",
            "Amount__c": Decimal("12.34"),
            "Date__c": date(2026, 11, 1),
            "Vendor__c": "0019",
        },
    )
    out = document(ready("expense-to-bill"), expense, HOME)
    assert isinstance(out, Document)
    assert out.mark is not None
    field, url = out.mark
    assert field == "Url"
    assert url.startswith("https://acme.my.salesforce.com/a041?")
    assert url.endswith(".1")
    assert "xero" not in url.lower()
    assert out.flat["Url"] == url
    assert "Url" in out.once
    assert out.flat["Contact"] == Ref("account-contact", "salesforce:0019")
    assert out.money == Decimal("12.34")


INVOICE: dict[str, Value] = {
    "InvoiceID": "i-1",
    "Type": "ACCREC",
    "Status": "PAID",
    "InvoiceNumber": "OPP-0042",
    "Reference": "",
    "Date": date(2026, 11, 20),
    "DueDate": date(2026, 12, 20),
    "Contact": {"ContactID": "c-1", "Name": "Acme"},
    "SubTotal": Decimal("100.00"),
    "TotalTax": Decimal("20.0"),
    "Total": Decimal("120.00"),
    "AmountDue": Decimal(0),
    "AmountPaid": Decimal(120),
    "CurrencyCode": "GBP",
    "FullyPaidOnDate": date(2026, 12, 1),
}


def test_an_invoice_shows_in_salesforce_with_optional_references() -> None:
    out = document(ready("invoice-to-xero-invoice"), record(Side.XERO, "Invoice", "i-1", INVOICE), HOME)
    assert isinstance(out, Document)
    assert out.mark == ("Xero_Id__c", "i-1")
    assert out.flat["Account__c"] == Ref("account-contact", "xero:c-1", optional=True)
    assert out.flat["Opportunity__c"] == Ref("opportunity-to-invoice", "xero:i-1", optional=True)
    assert out.flat["Reference__c"] is None
    assert out.flat["Name"] == "OPP-0042"
    bill = record(Side.XERO, "Invoice", "i-2", {**INVOICE, "Type": "ACCPAY", "InvoiceNumber": ""})
    out = document(ready("invoice-to-xero-invoice"), bill, HOME)
    assert isinstance(out, Document)
    assert "Opportunity__c" not in out.flat
    assert out.flat["Name"] == "i-2"


def test_the_status_goes_back_to_the_opportunity() -> None:
    rules = ready("invoice-status-to-opportunity")
    out = back_write(rules, record(Side.XERO, "Invoice", "i-1", INVOICE), HOME)
    assert out == BackWrite(
        Ref("opportunity-to-invoice", "xero:i-1", optional=True),
        {
            "Invoice_Status__c": "PAID", "Invoice_Payment__c": "Paid", "Invoice_Due_Date__c": date(2026, 12, 20),
            "Amount_Due__c": Decimal(0), "Amount_Paid__c": Decimal(120), "Paid_On__c": date(2026, 12, 1),
        },
    )  # fmt: skip
    assert isinstance(back_write(rules, record(Side.XERO, "Invoice", "i-2", {"Type": "ACCPAY"}), HOME), NotWanted)


@pytest.mark.parametrize(
    ("status", "paid", "credited", "word"),
    [
        ("DRAFT", None, None, "Draft"),
        ("SUBMITTED", Decimal(0), None, "Draft"),
        ("AUTHORISED", Decimal(0), Decimal(0), "Awaiting payment"),
        ("AUTHORISED", None, None, "Awaiting payment"),
        ("AUTHORISED", Decimal("0.01"), None, "Part paid"),
        ("AUTHORISED", Decimal(0), Decimal(5), "Part paid"),
        ("PAID", Decimal(120), None, "Paid"),
        ("VOIDED", Decimal(0), None, "Voided"),
        ("DELETED", None, None, "Deleted"),
    ],
)
def test_a_status_has_one_word_on_the_invoice_and_on_the_opportunity(
    status: str, paid: Value, credited: Value, word: str
) -> None:
    fields = {**INVOICE, "Status": status, "AmountPaid": paid, "AmountCredited": credited}
    one = record(Side.XERO, "Invoice", "i-1", fields)
    mirror = document(ready("invoice-to-xero-invoice"), one, HOME)
    back = back_write(ready("invoice-status-to-opportunity"), one, HOME)
    assert isinstance(mirror, Document)
    assert isinstance(back, BackWrite)
    assert (mirror.flat["Payment_Status__c"], back.flat["Invoice_Payment__c"]) == (word, word)


def test_accounts_and_tax_rates_reach_salesforce() -> None:
    bank: dict[str, Value] = {
        "AccountID": "a-1",
        "Code": "090",
        "Name": "Bank",
        "Type": "BANK",
        "Class": "ASSET",
        "Status": "ACTIVE",
    }
    out = document(ready("accounts-to-salesforce"), record(Side.XERO, "Account", "a-1", bank), HOME)
    assert isinstance(out, Document)
    assert out.flat["Payments__c"] is True
    assert out.flat["Tax_Type__c"] is None
    rate: dict[str, Value] = {
        "Name": "20% VAT",
        "TaxType": "OUTPUT2",
        "EffectiveRate": Decimal("20.00"),
        "Status": "ACTIVE",
    }
    out = document(ready("tax-rates-to-salesforce"), record(Side.XERO, "TaxRate", "OUTPUT2", rate), HOME)
    assert isinstance(out, Document)
    assert out.mark == ("Tax_Type__c", "OUTPUT2")


def test_an_unbound_mapping_is_our_own_mistake() -> None:
    path = FOLDER / "opportunity-to-invoice.yaml"
    with pytest.raises(ConfigurationError, match="bind"):
        document(parse(path.read_text(), path.name), won(), HOME)
    assert isinstance(document(bind(parse(path.read_text(), path.name), CATALOGS), won(), HOME), Document)


def test_lookups_choose_the_organisation_and_tracking_is_named() -> None:
    rules = mapping(
        """
        mapping: regional
        from: salesforce.Opportunity
        read: { account: Account }
        to: xero.Invoice
        organisation: =lookup('organisation-by-region', account.Region__c, otherwise='uk')
        fields:
          Type: ACCREC
          InvoiceNumber: =record.Number__c
          Contact: =target('account-contact', account)
        lines:
          - key: all
            fields:
              Description: =record.Name
              Tracking: { Region: =account.Region__c }
        """
    )
    lookups = {"organisation-by-region": {"South": "nz"}}
    for region, organisation in (("South", "nz"), ("North", "uk"), (None, "uk")):
        out = document(
            rules,
            won(Name="A", Account={"Id": "0011", "Region__c": region}),
            replace(HOME, lookups=lookups),
        )
        assert isinstance(out, Document)
        assert out.organisation == organisation
        assert out.flat.get("LineItems/all/Tracking.Region") == region
        fields = spell(rules, Side.XERO, {**out.flat, "Contact": "c"}, out.order, line_ids={"all": "l1"})
        there = record(Side.XERO, "Invoice", "i", fields)
        assert observed(rules, there, {"all": "l1"}).get("LineItems/all/Tracking.Region") == region
    assert isinstance(document(rules, won(), HOME), Refused)
    south = won(Name="A", Account={"Id": "0011", "Region__c": "South"})
    home = replace(HOME, lookups=lookups, organisation="nz")
    assert isinstance(document(rules, south, home), Document)
    assert isinstance(document(rules, south, replace(home, organisation="uk")), NotWanted)


@pytest.mark.parametrize(
    ("entity", "prices", "amount", "amends"),
    [
        ("xero.Invoice", "Inclusive", "Total", ""),
        ("xero.Invoice", "NoTax", "Total", ""),
        ("xero.Quote", "INCLUSIVE", "Total", ""),
        ("xero.Quote", "INCLUSIVE", "SubTotal", "say `expect: { Total"),
        ("xero.Quote", "EXCLUSIVE", "Total", "say `expect: { SubTotal"),
    ],
)
def test_prices_that_hold_their_tax_are_expected_by_their_total(
    entity: str, prices: str, amount: str, amends: str
) -> None:
    text = f"""\
mapping: told
from: salesforce.Opportunity
to: {entity}
fields: {{ Date: =record.CloseDate, LineAmountTypes: {prices} }}
lines: [ {{ key: one, fields: {{ Description: All, Quantity: =3, UnitAmount: =33.335 }} }} ]
expect: {{ {amount}: =100.01 }}
"""
    out = document(bind(parse(text, "told.yaml"), CATALOGS), won(), HOME)
    assert isinstance(out, Refused) is bool(amends)
    assert not isinstance(out, Refused) or amends in out.failure.remedy
    short = document(bind(parse(text.replace("100.01", "100.00"), "told.yaml"), CATALOGS), won(), HOME)
    assert isinstance(short, Refused)
    assert short.failure.code == "mapping.expectation"
