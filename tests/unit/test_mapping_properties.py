"""What holds for every record: no exception leaves the evaluator, and what is sent reads back as what was wanted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.document import Document, NotWanted, Refused, line_keys, nest, resolve
from connector.core.mapping.evaluate import (
    BackWrite,
    Context,
    back_write,
    document,
    end,
    foreign_lines,
    identities,
    line_ids,
    match_criteria,
    neutral,
    observed,
    spell,
)
from connector.core.mapping.expect import subtotal
from connector.core.mapping.model import Kind
from connector.core.records import Record, Side, Version
from connector.core.values import Value, canonical, from_canonical
from tests.unit.mapping_catalogs import FOLDER, ready

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOME = Context(connection={"currency": "GBP"}, salesforce_url="https://acme.my.salesforce.com")
RULES = [ready(path.stem) for path in sorted(FOLDER.glob("*.yaml"))]
_NAMES = sorted(
    {
        part
        for rules in RULES
        for side in Side
        for paths in (rules.read_plan(side).fields, *rules.read_plan(side).children.values())
        for path in paths
        for part in path.split(".")
    }
    | {"OpportunityLineItems", "LineItems", "LineItemID", "Phones", "PhoneType", "Addresses", "AddressType", "Contact"}
    | {"ContactID", "ContactStatus", "InvoiceID", "Type", "Status", "Total", "Balances", "Tracking", "Id"}
)
_numbers = st.one_of(
    st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=3),
    st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("1E+200"), Decimal("1E-200"), Decimal("-0")]),
)
_leaves: st.SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    _numbers,
    st.text(max_size=8),
    st.sampled_from(["ACCREC", "ACCPAY", "Approved", "Customer", "ACTIVE", "DEFAULT", "POBOX", "x" * 5000]),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.just(datetime(2026, 1, 1)),  # noqa: DTZ001 (a time without a zone must be refused, not crash)
    st.just(1.5),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6)),
    max_leaves=12,
)
_records = st.dictionaries(st.sampled_from(_NAMES), _values, max_size=16)


def record(side: Side, entity: str, fields: Mapping[str, object]) -> Record:
    return Record(side, "org", entity, "0061", Version(1, 1), NOW, NOW, fields=fields)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(RULES) - 1), _records, st.booleans())
def test_no_record_makes_the_evaluator_raise(number: int, fields: dict[str, object], wanted: bool) -> None:
    rules = RULES[number]
    if wanted:  # let it pass `when` more often than chance would
        fields = {"IsWon": True, "Status__c": "Approved", "ContactStatus": "ACTIVE", **fields}
    here = record(rules.source.side, rules.source.entity, fields)
    there = record(rules.target.side, rules.target.entity, fields)
    if rules.kind is Kind.DOCUMENT:
        assert isinstance(document(rules, here, HOME), Document | NotWanted | Refused)
    elif rules.kind is Kind.BACK_WRITE:
        assert isinstance(back_write(rules, here, HOME), BackWrite | NotWanted | Refused)
    else:
        for one in (here, there):
            assert isinstance(end(rules, one, HOME), dict | NotWanted | Refused)
            assert isinstance(neutral(rules, one), dict)
            for rule, key in identities(rules, one):
                assert key
                assert match_criteria(rules, one, rule)
    seen = observed(rules, there, {"shipping": "l1", "00k": "l2"})
    texts = [canonical(value) for value in seen.values()]
    assert [canonical(from_canonical(text)) for text in texts] == texts
    foreign_lines(rules, there, {"shipping": "l1"})


_money = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=2)
_words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
_lines = st.lists(
    st.fixed_dictionaries(
        {
            "Quantity": st.decimals(1, 999, allow_nan=False, allow_infinity=False, places=2),
            "UnitPrice": _money,
            "Discount": st.one_of(st.none(), st.decimals(0, 100, allow_nan=False, places=2)),
            "Description": st.one_of(st.none(), _words),
            "Xero_Account__c": st.sampled_from([None, "200", "201"]),
            "Product2": st.fixed_dictionaries({"Name": _words, "Xero_Tax__c": st.sampled_from([None, "OUTPUT2"])}),
        }
    ),
    max_size=6,
)


def won(lines: list[dict[str, Value]], shipping: Decimal | None, amount: Decimal) -> Record:
    rows: list[Value] = [{**line, "Id": f"00k/{place} é"} for place, line in enumerate(lines)]
    fields: dict[str, Value] = {
        "IsWon": True,
        "Amount": amount,
        "Shipping__c": shipping,
        "CloseDate": date(2026, 11, 20),
        "Number__c": "1",
        "Account": {"Id": "0011"},
        "OpportunityLineItems": rows,
    }
    return record(Side.SALESFORCE, "Opportunity", fields)


def wanted_of(lines: list[dict[str, Value]], shipping: Decimal | None) -> Document | None:
    """The document of a record whose amount agrees with its lines."""
    rules = ready("opportunity-to-invoice")
    off = document(rules, won(lines, shipping, Decimal(-1)), HOME)
    if isinstance(off, Refused) and off.failure.code == "mapping.no-lines":
        return None
    assert isinstance(off, Refused)
    assert off.failure.code == "mapping.expectation"
    net = Decimal(off.failure.message.split("come to ")[1].split(",")[0])
    out = document(rules, won(lines, shipping, net - (shipping or 0)), HOME)
    assert isinstance(out, Document), out
    return out


@settings(max_examples=100, deadline=None)
@given(_lines, st.one_of(st.none(), _money))
def test_what_is_sent_reads_back_as_what_was_wanted(lines: list[dict[str, Value]], shipping: Decimal | None) -> None:
    rules, out = ready("opportunity-to-invoice"), wanted_of(lines, shipping)
    if out is None:
        assert not lines
        return
    assert out.money == subtotal(out.flat, "LineItems")
    assert set(line_keys(out.flat, "LineItems")) == set(out.order)
    flat, _ = resolve(out.flat, dict.fromkeys(out.refs, "c-1"))
    sent = spell(rules, Side.XERO, flat, out.order, line_ids={})
    rows = sent["LineItems"]
    assert isinstance(rows, list)
    answer: dict[str, Value] = {**sent, "LineItems": [{**row, "LineItemID": f"l{n}"} for n, row in enumerate(rows)]}
    ids = line_ids(rules, out.order, answer)
    assert list(ids) == list(out.order)
    seen = observed(rules, record(Side.XERO, "Invoice", answer), ids)
    assert {path: seen.get(path) for path in flat} == flat
    assert {path for path in seen if "/" in path} == {path for path in flat if "/" in path}
    again = spell(rules, Side.XERO, seen, out.order, line_ids=ids, before=answer)
    assert again["LineItems"] == answer["LineItems"]
    nested = nest(flat, out.order)["LineItems"]
    assert isinstance(nested, list)
    #  a blank text is no text: such a line has no description at all
    assert [row.get("Description") for row in rows] == [row.get("Description") for row in nested]


@settings(max_examples=50, deadline=None)
@given(_lines, st.one_of(st.none(), _money))
def test_the_same_record_gives_the_same_document(lines: list[dict[str, Value]], shipping: Decimal | None) -> None:
    assert wanted_of(lines, shipping) == wanted_of(lines, shipping)
