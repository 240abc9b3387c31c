"""Rows of a Salesforce object as the lines of a document: read from the mapping, wanted, seen, written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector.core.document import Document, Refused, line_path
from connector.core.mapping.check import check
from connector.core.mapping.evaluate import Context, document, observed
from connector.core.mapping.parse import parse
from connector.core.party import MOST_ROWS, Row
from connector.core.records import Record, Side, Version
from connector.core.row_writes import row_writes
from connector.core.values import Fields, Value, canonical, from_canonical, texts
from connector.errors import MappingError
from tests.unit.mapping_catalogs import CATALOGS, mapping, ready

HOME = Context({"currency": "GBP", "name": "demo"})
MIRROR = ready("invoice-to-xero-invoice")
FEES = """
mapping: fees
from: xero.Invoice
to: salesforce.Xero_Invoice__c
mark: Xero_Id__c
fields: { Name: =record.InvoiceNumber, Xero_Id__c: =record.InvoiceID }
lines:
  - { rows: Lines__r, mark: Xero_Id__c, key: fee, fields: { Line_Amount__c: =record.Total } }
"""


def invoice(*lines: Fields, **more: Value) -> Record:
    fields: Fields = {"InvoiceNumber": "SHOP-1", "Type": "ACCREC", "Status": "AUTHORISED", "Total": Decimal(5),
                      "LineItems": list(lines), **more}  # fmt: skip
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return Record(Side.XERO, "tenant", "Invoice", "inv-1", Version(1, 1), now, now, fields=fields)


def line(number: int, amount: int = 10, **more: Value) -> Fields:
    return {"LineItemID": f"l{number}", "Description": f"Line {number}", "Quantity": Decimal(1),
            "LineAmount": Decimal(amount), **more}  # fmt: skip


def mirror(*rows: Fields) -> Record:
    """The object as Salesforce shows it."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    fields: Fields = {"Xero_Id__c": "inv-1", "Name": "SHOP-1", "Lines__r": list(rows)}
    return Record(Side.SALESFORCE, "org", "Xero_Invoice__c", "a01", Version(1, 2), now, now, fields=fields)


def wanted(record: Record) -> dict[str, str]:
    out = document(MIRROR, record, HOME)
    assert isinstance(out, Document), out
    return texts(out.flat)[0]


def at(key: str, name: str) -> str:
    return line_path("Lines__r", key, name)


def row(key: str, number: int, **more: Value) -> Fields:
    return {"Id": f"r{number}", "Xero_Id__c": key, "Description__c": f"Line {number}", **more}


def test_a_line_is_wanted_with_its_mark() -> None:
    flat = wanted(invoice(line(1), line(2, Description=None)))
    assert flat[at("l1", "Xero_Id__c")] == canonical("l1")
    assert flat[at("l1", "Line_Amount__c")] == canonical(Decimal(10))
    assert at("l2", "Description__c") not in flat
    assert MIRROR.lines == "", "only documents of Xero have lines there"
    assert wanted(invoice()), "an object without rows is one all the same"


def test_rows_are_read_with_the_object() -> None:
    plan = MIRROR.read_plan(Side.SALESFORCE)
    assert {"Id", "Xero_Id__c", "Line_Amount__c"} <= set(plan.children["Lines__r"])
    block = MIRROR.blocks[0]
    assert (block.entity, block.parent) == ("Xero_Invoice_Line__c", "Invoice__c")


def test_what_salesforce_shows_is_what_was_wanted() -> None:
    flat = wanted(invoice(line(1)))
    ours = row("l1", 1, Line_Amount__c=Decimal("10.00"), Quantity__c=Decimal("1.0"))
    theirs: Fields = {"Id": "r9", "Xero_Id__c": None, "Description__c": "A note of our own"}
    seen, _ = texts(observed(MIRROR, mirror(ours, theirs), {}))
    assert {path: text for path, text in seen.items() if "/" in path} == {
        path: text for path, text in flat.items() if "/" in path
    }
    summary = mirror()
    bare = Record(summary.side, "org", summary.entity, "a01", summary.version, summary.read_at, None,
                  fields={"Name": "x"})  # fmt: skip
    assert not [path for path in observed(MIRROR, bare, {}) if "/" in path]


def test_what_settled_an_invoice_is_rows_of_one_list() -> None:
    note: Fields = {"CreditNoteID": "c1", "CreditNoteNumber": "CN-1", "AppliedAmount": Decimal(3)}
    flat = wanted(invoice(
        Payments=[{"PaymentID": "p1", "Amount": Decimal(2), "Reference": "BACS"}], CreditNotes=[note],
        Prepayments=[{"PrepaymentID": "c1", "AppliedAmount": Decimal(4)}],
        Overpayments=[{"OverpaymentID": "c1", "AppliedAmount": Decimal(5)}],
    ))  # fmt: skip
    shown: dict[str, dict[str, str]] = {}
    for path, value in flat.items():
        rows, _, rest = path.partition("/")
        if rows == "Payments__r":
            shown.setdefault(rest.partition("/")[0], {})[rest.partition("/")[2]] = value
    expected: dict[str, Fields] = {
        "p1": {"Xero_Id__c": "p1", "Kind__c": "Payment", "Amount__c": Decimal(2), "Reference__c": "BACS"},
        "cn-c1": {"Xero_Id__c": "inv-1:cn-c1", "Kind__c": "Credit note", "Amount__c": Decimal(3), "Number__c": "CN-1"},
        "pp-c1": {"Xero_Id__c": "inv-1:pp-c1", "Kind__c": "Prepayment", "Amount__c": Decimal(4)},
        "op-c1": {"Xero_Id__c": "inv-1:op-c1", "Kind__c": "Overpayment", "Amount__c": Decimal(5)},
    }
    assert shown == {key: {name: canonical(one) for name, one in row.items()} for key, row in expected.items()}
    listed: list[Value] = [
        {"Id": key, **{name: from_canonical(text) for name, text in fields.items()}} for key, fields in shown.items()
    ]
    now = mirror()
    seen, _ = texts(observed(MIRROR, replace(now, fields={**now.fields, "Payments__r": listed}), {}))
    assert {path for path in seen if "/" in path} == {path for path in flat if "/" in path}


def test_the_tracking_of_a_line_is_one_text() -> None:
    tracking: list[Value] = [{"Name": "Region", "Option": "North"}, {"Name": "Team", "Option": "Sales"}]
    flat = wanted(invoice(line(1, Tracking=tracking), line(2, Tracking=[])))
    assert flat[at("l1", "Tracking__c")] == canonical("Region: North; Team: Sales")
    assert at("l2", "Tracking__c") not in flat


def test_fields_of_rows_of_xero_are_known() -> None:
    def problems(value: str) -> list[str]:
        text = FEES.replace("Line_Amount__c: =record.Total", f'Description__c: "={value}"')
        return [one.message for one in check((mapping(text),), CATALOGS)]

    assert not problems("listed(record.Payments, 'Date', 'Amount')")
    assert not problems("text(sum(record.LineItems, 'LineAmount'))")
    assert "Payment has no field Sum" in problems("listed(record.Payments, 'Sum')")[0]
    assert "Payment has no field Sum" in problems("text(sum(record.Payments, 'Sum'))")[0]


def test_a_key_that_is_no_id_stands_behind_the_objects_mark() -> None:
    rules = mapping(FEES)
    out = document(rules, invoice(), HOME)
    assert isinstance(out, Document)
    assert out.flat[at("fee", "Xero_Id__c")] == "inv-1:fee"
    seen = observed(rules, mirror({"Id": "r1", "Xero_Id__c": "inv-1:fee", "Line_Amount__c": Decimal(5)}), {})
    assert seen[at("fee", "Line_Amount__c")] == Decimal(5)
    assert not [path for path in observed(rules, mirror({"Id": "r1", "Xero_Id__c": "inv-2:fee"}), {}) if "/" in path]
    long = mapping(FEES.replace("key: fee", f"key: {'x' * 80}"))
    refused = document(long, invoice(), HOME)
    assert isinstance(refused, Refused)
    assert refused.failure.code == "mapping.too-long"


def test_rows_are_made_changed_and_taken_away() -> None:
    before = mirror(row("l1", 1, Line_Amount__c=Decimal(10)), row("l2", 2, Line_Amount__c=Decimal(20)))
    known, _ = texts(observed(MIRROR, before, {}))
    new = wanted(invoice(line(2, 25, Description=None), line(3)))
    changed = {path: new.get(path, "") for path in {*known, *new} if "/" in path}
    rows, settled = row_writes(MIRROR, changed, known, before.fields, ("l2", "l3"))
    assert settled == changed
    by_key = {one.mark[1]: one for one in rows}
    assert by_key["l1"] == Row("Xero_Invoice_Line__c", "Invoice__c", ("Xero_Id__c", "l1"), "r1", None)
    assert (by_key["l2"].target, by_key["l2"].fields) == (
        "r2", {"Line_Amount__c": Decimal(25), "Quantity__c": Decimal(1), "Description__c": None},
    )  # fmt: skip
    assert by_key["l3"].target is None
    assert "Xero_Id__c" not in (by_key["l3"].fields or {}), "the mark is in the address"


def test_a_row_that_is_right_is_not_written() -> None:
    before = mirror(row("l1", 1, Line_Amount__c=Decimal(10)))
    known, _ = texts(observed(MIRROR, before, {}))
    rows, settled = row_writes(MIRROR, known, known, before.fields)
    assert (rows, settled) == ((), known)


def test_what_is_set_once_is_not_sent_again() -> None:
    total = "Line_Amount__c: =record.Total"
    rules = mapping(FEES.replace(total, f"{total}, Item_Code__c: {{ set: =record.Type, write: once }}"))
    out = document(rules, invoice(), HOME)
    assert isinstance(out, Document)
    assert at("fee", "Item_Code__c") in out.once
    flat, _ = texts(out.flat)
    lines = {path: text for path, text in flat.items() if "/" in path}
    (made,), _ = row_writes(rules, lines, {}, {})
    assert made.fields == {"Line_Amount__c": Decimal(5), "Item_Code__c": "ACCREC"}
    before = mirror({"Id": "r1", "Xero_Id__c": "inv-1:fee", "Line_Amount__c": Decimal(4), "Item_Code__c": "ACCREC"})
    known, _ = texts(observed(rules, before, {}))
    (changed,), _ = row_writes(rules, lines, known, before.fields)
    assert changed.fields == {"Line_Amount__c": Decimal(5)}


def test_more_rows_than_one_write_takes_are_left_for_the_next() -> None:
    flat = wanted(invoice(*(line(number) for number in range(MOST_ROWS + 5))))
    lines = {path: text for path, text in flat.items() if "/" in path}
    rows, settled = row_writes(MIRROR, lines, {}, {})
    assert len(rows) == MOST_ROWS
    left = {path: text for path, text in lines.items() if path not in settled}
    assert len({path.split("/")[1] for path in left}) == 5
    rest, _ = row_writes(MIRROR, left, {}, {})
    assert len(rest) == 5


def test_lines_and_payments_share_the_room_of_one_write() -> None:
    payments: list[Value] = [{"PaymentID": f"p{number}", "Amount": Decimal(1)} for number in range(10)]
    flat = wanted(invoice(*(line(number) for number in range(MOST_ROWS - 4)), Payments=payments))
    lines = {path: text for path, text in flat.items() if "/" in path}
    rows, settled = row_writes(MIRROR, lines, {}, {})
    assert len(rows) == MOST_ROWS
    assert {row.entity for row in rows} == {"Xero_Invoice_Line__c", "Xero_Invoice_Payment__c"}
    rest, _ = row_writes(MIRROR, {path: text for path, text in lines.items() if path not in settled}, {}, {})
    assert len(rest) == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FEES.replace("rows: Lines__r, ", ""), "needs rows:"),
        (FEES.replace("mark: Xero_Id__c, key", "key"), "needs mark:"),
        (FEES.replace("Line_Amount__c: =record.Total", "Xero_Id__c: =record.Total"), "takes the key of the line"),
        (FEES + "  - { rows: Lines__r, mark: Name, key: other, fields: { Tax_Type__c: x } }\n", "two marks"),
    ],
)
def test_what_a_block_of_rows_must_say(text: str, said: str) -> None:
    with pytest.raises(MappingError) as refused:
        parse(text, "a.yaml")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FEES.replace("Lines__r", "Rows__r"), "no child relationship Rows__r"),
        (FEES.replace("rows: Lines__r, mark: Xero_Id__c", "rows: Lines__r, mark: Key__c"), "no field Key__c"),
        (FEES.replace("Line_Amount__c: =record.Total", "Invoice__c: =record.InvoiceID"), "names the object by itself"),
        (FEES.replace("Line_Amount__c:", "Amount__c:"), "no field Amount__c"),
        (FEES + "foreign_lines: replace\n", "are always kept"),
        (FEES + "expect: { SubTotal: =record.Total }\n", "without lines of Xero"),
    ],
)
def test_what_is_wrong_with_rows_is_told(text: str, said: str) -> None:
    assert [one for one in check((mapping(text),), CATALOGS) if said in one.message]
    assert not check((mapping(FEES),), CATALOGS)
