"""The check finds what cannot work on the objects that are there, with file, line, code and remedy."""

from __future__ import annotations

import textwrap

import pytest

from connector.core.catalog import Catalog
from connector.core.mapping.apart import apart
from connector.core.mapping.check import Problem, check
from connector.core.mapping.expression import Expression
from connector.core.mapping.parse import parse
from connector.core.records import Side
from connector.salesforce.describe import SalesforceCatalog, shape_of
from connector.simulators.salesforce import content
from connector.simulators.salesforce.describe import describe
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.sales_org import PICKLISTS, TABLES
from connector.simulators.salesforce.schema import build_schema
from connector.xero.catalog import XeroCatalog
from tests.scenarios.voucher import VOUCHER
from tests.unit.mapping_catalogs import CATALOGS, FOLDER

READY = tuple(parse(path.read_text(), path.name) for path in sorted(FOLDER.glob("*.yaml")))

INVOICE = """\
mapping: test
from: salesforce.Opportunity
read: { account: Account, lines: OpportunityLineItems }
to: xero.Invoice
fields:
  Type: ACCREC
  InvoiceNumber: =record.Number__c
  Contact: =target('account-contact', account)
lines:
  - key: one
    fields:
      Description: =record.Name
      UnitAmount: =sum(lines, 'UnitPrice')
"""


def found(text: str) -> tuple[Problem, ...]:
    return check((*READY, parse(textwrap.dedent(text), "test.yaml")), CATALOGS)


def codes(text: str) -> list[tuple[str, int]]:
    return [(one.code.removeprefix("mapping."), one.line) for one in found(text) if one.file == "test.yaml"]


def test_the_ready_made_mappings_have_no_problem() -> None:
    assert check(READY, CATALOGS) == ()
    assert len(READY) == 7


def test_every_ready_made_mapping_to_xero_bills_in_the_currency_of_its_record() -> None:
    """In an org with several currencies a deal in dollars would else be billed in pounds."""
    texts = [path.read_text("utf-8") for path in sorted(FOLDER.rglob("*.yaml"))]
    said = [row.split(":", 1)[1].strip() for text in texts for row in text.splitlines() if "CurrencyCode: =" in row]
    assert len(said) == 18
    assert set(said) == {"=record.CurrencyIsoCode or connection.currency"}


def test_the_ready_made_mappings_fit_the_catalogs_of_both_parties() -> None:
    schema = build_schema((*TABLES, VOUCHER, *content.TABLES), PICKLISTS, currencies=False)
    shapes = [shape_of(describe(schema, entity, Permissions(), "62.0")) for entity in schema.entities.values()]
    salesforce = SalesforceCatalog({}).with_objects(shapes)
    catalogs: dict[Side, Catalog] = {Side.SALESFORCE: salesforce, Side.XERO: XeroCatalog()}
    assert check(READY, catalogs) == ()
    files = [
        path for folder in ("instead", "more", "more/voucher") for path in sorted((FOLDER / folder).glob("*.yaml"))
    ]
    instead = tuple(parse(path.read_text(), path.name) for path in files)
    assert len(instead) >= 21
    others = tuple(one for one in READY if one.name != "invoice-status-to-opportunity")
    assert check((*others, *instead), catalogs) == ()


def test_the_test_mapping_has_no_problem() -> None:
    assert found(INVOICE) == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("salesforce.Opportunity", "salesforce.Opportunities", "unknown-entity", 2),
        ("xero.Invoice", "xero.Bill", "unknown-entity", 4),
        ("account: Account", "account: Konto", "unknown-field", 3),
        ("record.Name", "record.Title", "unknown-field", 12),
        ("Description:", "Text:", "unknown-field", 12),
        ("'UnitPrice'", "'Price'", "unknown-field", 13),
        ("'UnitPrice'", "'Description'", "type", 13),
        ("=record.Number__c", "=record.Amount", "type", 7),
        ("=record.Number__c", '="OPP-" + record.Amount', "type", 7),
        ("=record.Number__c", "=record.CloseDate + 30", "type", 7),
        ("=record.Number__c", "=upper(record.Amount)", "type", 7),
        ("=record.Number__c", "=record.Name if record.Amount > 'x' else null", "type", 7),
        ("=record.Number__c", "=lines", "type", 7),
        ("Type: ACCREC", "Type: ACCRECC", "value", 6),
        ("Type: ACCREC", "Type: ACCREC\n  DueDate: tomorrow", "type", 7),
        ("Type: ACCREC", "Type: ACCREC\n  Total: 5", "not-writable", 7),
        ("Type: ACCREC", "Type: ACCREC\n  Status: AUTHORISED", "status", 5),
        ("Type: ACCREC", "Type: ACCREC\n  LineItems: none", "type", 7),
        ("  Type: ACCREC\n", "", "missing-required", 5),
        ("account-contact", "account-person", "unknown-mapping", 8),
        ("target('account-contact', account)", "source('opportunity-to-invoice', record)", "reference", 8),
        ("target('account-contact', account)", "target('invoice-status-to-opportunity', record)", "reference", 8),
        ("target('account-contact', account)", "target('account-contact', record)", "reference", 8),
        ("target('account-contact', account)", "target('opportunity-to-invoice', record)", "reference", 8),
        ("target('account-contact', account)", "target('test', record)", "circle", 1),
        ("=record.Number__c", "x" * 300, "too-long", 7),
        ("mapping: test", "mapping: expense-to-bill", "duplicate-name", 1),
        ("mapping: test", "mapping: test\nmark: Name", "mark", 2),
        ("mapping: test", "mapping: test\nfind: { Numero: =record.Name }", "unknown-field", 2),
        ("mapping: test", "mapping: test\nexpect: { TotalTax: =record.Amount }", "expect", 2),
        ("mapping: test", "mapping: test\nexpect: { Total: =record.Amount }", "expect", 2),
        ("mapping: test", "mapping: test\nwhen: =record.IsLost", "unknown-field", 2),
    ],
)
def test_each_mistake_is_found_at_its_line(old: str, new: str, code: str, line: int) -> None:
    assert old in INVOICE
    assert (code, line) in codes(INVOICE.replace(old, new))


def test_a_bill_must_leave_its_url_to_the_mark() -> None:
    bill = INVOICE.replace("ACCREC", "ACCPAY")
    assert codes(bill) == []
    assert codes(bill.replace("Type:", "Url: 'https://a.example'\n  Type:")) == [("mark", 5)]


def test_an_object_of_salesforce_needs_a_mark_among_its_fields() -> None:
    text = """\
        mapping: test
        from: xero.TaxRate
        to: salesforce.Xero_Tax_Rate__c
        fields: { Name: =record.Name }
        """
    assert codes(text) == [("mark", 1)]
    assert codes(text + "mark: Tax_Type__c\n") == [("mark", 5)]
    assert codes(text + "mark: Nothing__c\n") == [("unknown-field", 5)]
    assert codes(text.replace("Name: =record.Name", "Rate__c: =record.EffectiveRate")) == [
        ("mark", 1),
        ("missing-required", 4),
    ]


def test_lines_belong_to_documents_of_xero() -> None:
    text = """\
        mapping: test
        from: salesforce.Account
        to: xero.TaxRate
        fields: { Name: =record.Name }
        lines: [ { key: a, fields: { Name: =record.Name } } ]
        """
    assert ("lines", 5) in codes(text)
    contact = text.replace("TaxRate", "Contact").replace("{ Name:", "{ ContactNumber: =record.Id, Name:")
    assert ("mark", 4) in codes(contact)  # ContactNumber is ours
    assert not codes(contact[: contact.index("lines:")].replace("ContactNumber: =record.Id, ", ""))  # it needs none
    assert ("missing-required", 5) in codes(INVOICE[: INVOICE.index("lines:\n")])


def test_two_way_fields_are_checked_on_both_sides() -> None:
    text = """\
        mapping: test
        between: { sf: salesforce.Account, xero: xero.Contact }
        when: { sf: =sf.Kind == 'x', xero: =xero.IsCustomer > 5 }
        match: [ [sf.Nr, xero.ContactID] ]
        create: xero
        fields:
          - { sf: Terms__c, xero: CompanyNumber, owner: sf }
          - { sf: Phone, xero: IsCustomer, owner: sf }
          - { sf: Id, xero: ContactNumber, owner: latest }
          - { sf: Nothing, xero: Phones.DEFAULT, owner: xero }
          - { sf: Region__c, xero: Phones, owner: xero }
        """
    assert codes(text) == [
        ("type", 3),
        ("unknown-field", 3),
        ("unknown-field", 4),
        ("missing-required", 6),
        ("type", 7),
        ("not-writable", 8),
        ("type", 8),
        ("not-writable", 9),
        ("unknown-field", 10),
        ("type", 11),
    ]


def test_one_field_has_one_writer() -> None:
    text = """\
        mapping: test
        from: xero.Invoice
        writes: update
        to: salesforce.Opportunity
        target: =source('opportunity-to-invoice', record)
        fields:
          Invoice_Status__c: =record.Type
          IsWon: =record.IsLost
        """
    assert codes(text) == [("two-writers", 7), ("not-writable", 8), ("unknown-field", 8)]


def test_a_problem_says_where_and_what_to_do() -> None:
    (one,) = found(INVOICE.replace("=record.Number__c", "=record.Number"))
    assert str(one) == (
        "test.yaml:7: InvoiceNumber: record.Number: Opportunity has no field Number. Did you mean Number__c? "
        "[mapping.unknown-field]"
    )


@pytest.mark.parametrize("key", ["from", "to"])
def test_the_object_of_sync_states_cannot_be_mapped(key: str) -> None:
    ends = {"from": "xero.Contact", "to": "xero.Contact", key: "salesforce.Twinledger_Sync__c"}
    text = f"mapping: test\nfrom: {ends['from']}\nto: {ends['to']}\nfields: {{ Name: x }}\n"
    assert ("own-object", 2 if key == "from" else 3) in codes(text)


@pytest.mark.parametrize(
    ("one", "other", "certain"),
    [
        ("xero.IsSupplier", "xero.IsCustomer and not xero.IsSupplier", True),
        ("xero.Group == 'A' and xero.IsCustomer", "'b' == xero.Group", True),
        ("xero.Group == 'A'", "xero.Group == 'a'", False),
        ("xero.IsSupplier", "xero.IsCustomer", False),
        ("xero.IsSupplier or xero.IsCustomer", "not xero.IsSupplier", False),
        ("xero.Group == 'A'", "xero.Name == 'B'", False),
    ],
)
def test_two_way_mappings_that_begin_with_different_records_may_write_the_same_field(
    one: str, other: str, certain: bool
) -> None:
    assert apart(Expression.read(one), Expression.read(other)) is certain
    assert apart(Expression.read(other), Expression.read(one)) is certain
    assert not apart(None, Expression.read(other))


@pytest.mark.parametrize(
    ("prices", "amount", "instead"),
    [
        ("", "SubTotal", ""),
        ("", "Total", "SubTotal"),
        ("Exclusive", "Total", "SubTotal"),
        ("Inclusive", "SubTotal", "Total"),
        ("Inclusive", "Total", ""),
        ("NoTax", "SubTotal", ""),
        ("NoTax", "Total", ""),
        ("'=record.Number__c'", "Total", ""),
    ],
)
def test_what_can_be_expected_depends_on_the_kind_of_prices(prices: str, amount: str, instead: str) -> None:
    text = INVOICE + f"expect: {{ {amount}: =record.Amount }}\n"
    text = text.replace("Type: ACCREC\n", f"Type: ACCREC\n  LineAmountTypes: {prices}\n") if prices else text
    remedies = [one.remedy for one in found(text) if one.code == "mapping.expect"]
    assert [f"expect: {{ {instead}:" in one for one in remedies] == ([True] if instead else [])
