"""Xero's JSON to records, the catalog, and the accounting topics' values."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.catalog import FieldType
from connector.core.records import Record, Side, Version
from connector.core.values import Value
from connector.errors import DataError
from connector.kafka.codec import Codec, Decoded
from connector.xero.avro import TOPICS, from_value, to_value, topic_of
from connector.xero.catalog import XeroCatalog
from connector.xero.entities import ENTITIES
from connector.xero.field import FieldKind
from connector.xero.records import elements, json_bytes, load, read_fields, read_moment, record
from connector.xero.shape import Part, Shape, document

READ_AT = datetime(2026, 11, 1, 10, 0, 0, 123000, UTC)
VERSION = Version(3, 77)
INVOICE = """{"Type":"ACCREC","InvoiceID":"i-1","InvoiceNumber":"OPP-1","Date":"/Date(1790812800000+0000)/",
 "DueDate":"/Date(-86400000+1300)/","UpdatedDateUTC":"/Date(1790812800123+0000)/","Total":24.150,"CurrencyRate":1.0000000000,
 "Contact":{"ContactID":"c-1","Name":"Boom","Phones":[],"HasValidationErrors":false},"HasErrors":false,"Status":"DRAFT",
 "LineItems":[{"LineItemID":"l-1","Quantity":1.0000,"UnitAmount":0.12345,"Tracking":[{"Name":"Region","Option":"North"}]}],
 "Payments":[{"PaymentID":"p-1","Amount":"12.10","IsReconciled":"false"}],"Novelty":{"On":"/Date(0+0000)/"},"Url":null}"""


def invoice() -> Record:
    return record(load(INVOICE.encode()), "Invoice", "t-1", VERSION, READ_AT)


def test_a_document_keeps_dates_as_dates_money_exact_and_the_unknown_as_it_is() -> None:
    found = invoice()
    assert (found.id, found.organisation, found.version) == ("i-1", "t-1", VERSION)
    assert found.stamp == datetime(2026, 10, 1, 0, 0, 0, 123000, UTC)
    assert (found.fields["Date"], found.fields["DueDate"]) == (date(2026, 10, 1), date(1969, 12, 31))
    assert found.fields["Total"] == Decimal("24.15")
    assert found.fields["Novelty"] == {"On": date(1970, 1, 1)}
    assert "HasErrors" not in found.fields
    assert found.fields["Contact"] == {"ContactID": "c-1", "Name": "Boom", "Phones": []}


def test_the_offset_in_a_date_is_for_show() -> None:
    assert read_moment("/Date(1419937200000+1300)/") == datetime(2014, 12, 30, 11, 0, tzinfo=UTC)
    assert read_moment("/Date(1439434356790)/") == datetime(2015, 8, 13, 2, 52, 36, 790000, UTC)
    assert read_moment("/Date(999999999999999+0000)/") is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html>", "xero.not-json"),
        (b'{"Invoices":[NaN]}', "xero.not-json"),
        (b'{"Invoices":[1e999999999]}', "xero.not-json"),
        (b"[" * 100_000, "xero.not-json"),
        (b'{"Invoices":{}}', "xero.envelope"),
        (b'{"Invoices":["x"]}', "xero.envelope"),
        (b"[]", "xero.envelope"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_code(body: bytes, code: str) -> None:
    with pytest.raises(DataError) as caught:
        elements(body, "Invoice")
    assert caught.value.code == code


def test_an_object_without_an_id_and_one_that_is_too_deep() -> None:
    with pytest.raises(DataError, match="InvoiceID"):
        record({"InvoiceID": Decimal(1)}, "Invoice", "t", VERSION, READ_AT)
    deep: Value = {}
    for _ in range(60):
        deep = {"X": deep}
    with pytest.raises(DataError, match="deeper"):
        read_fields({"X": deep}, "Invoice")


def test_what_we_send_is_exact_and_the_same_for_equal_values() -> None:
    one: dict[str, Value] = {"B": Decimal("1.10"), "A": date(2026, 1, 2), "C": [None, True, "é"], "D": Decimal("1E+3")}
    two: dict[str, Value] = {"D": Decimal(1000), "C": [None, True, "é"], "A": date(2026, 1, 2), "B": Decimal("1.1")}
    assert json_bytes(one) == json_bytes(two) == '{"A":"2026-01-02","B":1.1,"C":[null,true,"é"],"D":1000}'.encode()


def test_a_record_goes_through_its_topic_and_comes_back() -> None:
    codec = Codec()
    topic = topic_of("Invoice")
    assert TOPICS[topic] == "Invoice"
    value = to_value(invoice())
    decoded = codec.decode(codec.encode(topic, value))
    assert isinstance(decoded, Decoded)
    back = from_value(decoded.value, "Invoice")
    assert back == invoice()
    line = value["document"]["LineItems"][0]
    assert (line["UnitAmount"], line["other"]) == (None, {"UnitAmount": '{"#":"0.12345"}'})
    assert value["document"]["other"]["Url"] == "null"


def test_a_deletion_has_no_document() -> None:
    gone = Record(Side.XERO, "t-1", "Item", "x", VERSION, READ_AT, None, deleted=True)
    assert to_value(gone)["document"] is None
    assert from_value(to_value(gone), "Item") == gone
    with pytest.raises(DataError, match="salesforce"):
        to_value(Record(Side.SALESFORCE, "o", "Account", "1", VERSION, READ_AT, None))


SCALARS: dict[FieldKind, st.SearchStrategy[Value]] = {
    FieldKind.TEXT: st.text(max_size=8),
    FieldKind.BOOLEAN: st.booleans(),
    FieldKind.DATE: st.dates(min_value=date(1700, 1, 1)),
    FieldKind.TIME: st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
    FieldKind.NUMBER: st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**13), max_value=10**13
    ),
    FieldKind.WHOLE: st.integers(-(2**40), 2**40).map(Decimal),
}
ANYTHING = st.one_of(st.none(), *SCALARS.values(), st.lists(st.text(max_size=3), max_size=2))


def fields_of(shape: Shape, depth: int = 0) -> st.SearchStrategy[dict[str, Value]]:
    parts = {name: st.one_of(part_of(part, depth), ANYTHING) for name, part in shape.parts.items()}
    typed = st.fixed_dictionaries({}, optional=parts)
    strange = st.dictionaries(st.text(min_size=1, max_size=6).map(lambda text: f"?{text}"), ANYTHING, max_size=2)
    return st.builds(lambda one, two: {**one, **two}, typed, strange)


def part_of(part: Part, depth: int) -> st.SearchStrategy[Value]:
    if part.inner is None:
        return SCALARS[part.kind] if part.kind in SCALARS else st.just([])
    if depth > 1:
        return st.just([]) if part.kind is FieldKind.LIST else st.just({})
    inner = fields_of(part.inner, depth + 1)
    return st.lists(inner, max_size=2) if part.kind is FieldKind.LIST else inner


@pytest.mark.parametrize("name", list(ENTITIES))
def test_any_fields_come_back_exactly(name: str) -> None:
    codec = Codec()

    @given(fields_of(document(name)))
    def comes_back(fields: dict[str, Value]) -> None:
        one = Record(Side.XERO, "t", name, "id", VERSION, READ_AT, None, fields=fields)
        decoded = codec.decode(codec.encode(topic_of(name), to_value(one)))
        assert isinstance(decoded, Decoded), decoded
        assert from_value(decoded.value, name) == one

    comes_back()


def test_the_schemas_in_the_tree_are_those_of_the_shapes() -> None:
    import runpy
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    schema = runpy.run_path(str(root / "deploy/generate/accounting_schemas.py"))["schema"]
    for entity in ENTITIES.values():
        kept = json.loads((root / f"schemas/accounting.{entity.topic}.v1.avsc").read_text())
        assert kept == schema(entity)


@pytest.mark.parametrize(
    ("path", "kind", "writable"),
    [
        ("Name", FieldType.TEXT, True),
        ("ContactID", FieldType.TEXT, False),
        ("IsCustomer", FieldType.BOOLEAN, False),
        ("Phones.DEFAULT", FieldType.TEXT, True),
        ("Phones.DEFAULT.PhoneAreaCode", FieldType.TEXT, True),
        ("Addresses.POBOX", FieldType.OBJECT, True),
        ("Addresses.POBOX.City", FieldType.TEXT, True),
        ("Balances.AccountsReceivable.Outstanding", FieldType.NUMBER, False),
        ("PaymentTerms.Bills.Day", FieldType.NUMBER, True),
    ],
)
def test_the_catalog_knows_paths(path: str, kind: FieldType, writable: bool) -> None:
    info = XeroCatalog().field("Contact", path)
    assert info is not None
    assert (info.type, info.updatable) == (kind, writable)


def test_the_catalog_of_documents() -> None:
    catalog = XeroCatalog()
    contact = catalog.field("Invoice", "Contact")
    assert contact is not None
    assert (contact.type, contact.references, contact.required) == (FieldType.ID, ("Contact",), True)
    number = catalog.field("Invoice", "InvoiceNumber")
    assert number is not None
    assert number.max_length == 255
    kind = catalog.field("Invoice", "Type")
    assert kind is not None
    assert (kind.creatable, kind.updatable) == (True, False)
    assert catalog.children("Invoice", "LineItems") == "LineItem"
    unit = catalog.field("LineItem", "UnitAmount")
    assert unit is not None
    assert unit.scale == 4
    tracking = catalog.field("LineItem", "Tracking.Region")
    assert tracking is not None
    assert tracking.type is FieldType.TEXT
    assert [catalog.field(*pair) for pair in (("Invoice", "Nmae"), ("Nope", "Name"), ("Contact", "Phones.WORK"))] == [
        None
    ] * 3
    assert (catalog.has("Invoice"), catalog.has("Opportunity"), catalog.children("Contact", "LineItems")) == (
        True,
        False,
        None,
    )
