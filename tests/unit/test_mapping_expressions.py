"""The expression language: what it gives, what it refuses, and that nothing else can happen."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path as File

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.mapping.expression import MAX_COST, Expression
from connector.core.mapping.functions import FUNCTIONS
from connector.core.mapping.scope import Scope
from connector.core.mapping.syntax import ExpressionError, Path
from connector.core.records import Side
from connector.core.values import Ref, Value
from connector.errors import DataError

RECORD: dict[str, Value] = {
    "Name": "Acme",
    "Empty": "",
    "Nothing": None,
    "Amount": Decimal("10.50"),
    "Zero": Decimal(0),
    "Won": True,
    "Lost": False,
    "Day": date(2026, 1, 31),
    "At": datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
    "Parent": {"Id": "001", "City": "Bath"},
    "Rows": [
        {"Net": Decimal("1.10"), "Sub": {"Net": Decimal(2)}},
        {"Net": None},
        {"Net": Decimal("2.20"), "Sub": None},
    ],
    "Phones": [{"PhoneType": "FAX", "PhoneNumber": "9"}],
    "Naive": datetime(2026, 1, 1),  # noqa: DTZ001 (refused by the language)
    "Huge": Decimal("1E+999"),
    "Not": Decimal("NaN"),
}
SCOPE = Scope(
    {"record": RECORD, "generation": Decimal(3)},
    Side.SALESFORCE,
    {"record": "006"},
    {"regions": {"North": "nz", "10.5": "ten"}},
)


def run(text: str) -> object:
    return Expression.read(text).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", Decimal(7)),
        ("0.1 + 0.2", Decimal("0.3")),
        ("(record.Amount + 1) / 2", Decimal("5.75")),
        ("-record.Amount", Decimal("-10.50")),
        ("1 / 3 * 3 == 1", False),
        ("'OPP-' + record.Name + suffix(generation)", "OPP-Acme-3"),
        ("suffix(1)", ""),
        ("record.Day + days(30)", date(2026, 3, 2)),
        ("record.Day - days(31)", date(2025, 12, 31)),
        ("date('2026-02-03') - record.Day", Decimal(3)),
        ("date(record.At)", date(2026, 1, 31)),
        ("record.At + days(1)", datetime(2026, 2, 1, 23, 30, tzinfo=UTC)),
        ("record.Nothing + 1", None),
        ("record.Nothing + 'a'", None),
        ("lower(record.Nothing)", None),
        ("record.Missing.Deeper.Still", None),
        ("record.Nothing > 1", False),
        ("record.Nothing == null", True),
        ("record.Name != null", True),
        ("record.Name == 'Acme' and record.Won", True),
        ("record.Zero or 30", Decimal(0)),
        ("record.Nothing or 30", Decimal(30)),
        ("record.Empty or 'x'", "x"),
        ("record.Lost or 'x'", "x"),
        ("record.Nothing and 1 / 0", None),
        ("record.Name and record.Amount", Decimal("10.50")),
        ("not record.Lost", True),
        ("not record.Zero", False),
        ("'a' if record.Won else 'b'", "a"),
        ("'a' if record.Nothing else 'b'", "b"),
        ("record.Name in ['Acme', 'Other']", True),
        ("record.Nothing in ['Acme']", False),
        ("record.Amount not in [1, 10.5]", False),
        ("true == record.Won", True),
        ("record.Won == 1", False),
        ("1 < record.Amount <= 10.5", True),
        ("record.Parent.City", "Bath"),
        ("record.Phones.FAX.PhoneNumber", "9"),
        ("record.Phones.DDI.PhoneNumber", None),
        ("first(record.Nothing, record.Empty, record.Zero, 5)", Decimal(0)),
        ("first(record.Nothing, null)", None),
        ("sum(record.Rows, 'Net')", Decimal("3.30")),
        ("sum(record.Rows, 'Sub.Net')", Decimal(2)),
        ("sum(record.Nothing, 'Net')", Decimal(0)),
        ("listed(record.Rows, 'Sub.Net', 'Net')", "2: 1.1; 2.2"),
        ("listed(record.Nothing, 'Net')", None),
        ("count(record.Rows)", Decimal(3)),
        ("len(record.Name) + count(record.Nothing)", Decimal(4)),
        ("round(1.045, 2)", Decimal("1.05")),
        ("round(-2.5, 0)", Decimal(-3)),
        ("left('abcdef', 3)", "abc"),
        ("upper(trim('  a '))", "A"),
        ("replace('a-b-c', '-', '+')", "a+b+c"),
        ("startswith(record.Name, 'Ac') and contains(record.Name, 'm')", True),
        ("concat('a', null, 1.50)", "a1.5"),
        ("concat(null)", None),
        ("join(', ', 'a', null, '', 'b')", "a, b"),
        ("text(record.Amount) + ' ' + text(record.Day) + ' ' + text(record.Won)", "10.5 2026-01-31 true"),
        ("text(record.At)", "2026-01-31T23:30:00Z"),
        ("number(' 1.20 ') + 1", Decimal("2.20")),
        ("lookup('regions', 'North')", "nz"),
        ("lookup('regions', record.Amount + 0)", "ten"),
        ("lookup('regions', 'South', otherwise='uk')", "uk"),
        ("lookup('regions', record.Nothing, otherwise='uk')", "uk"),
        ("lookup('regions', record.Nothing)", None),
        ("target('m', record)", Ref("m", "salesforce:006")),
        ("target('m', record, wait=no)", Ref("m", "salesforce:006", optional=True)),
        ("source('m', record.Parent)", Ref("m", "salesforce:001", optional=True)),
        ("source('m', record.Parent.Id, wait=yes)", Ref("m", "salesforce:001")),
        ("target('m', record.Nothing)", None),
    ],
)
def test_values(text: str, value: object) -> None:
    out = run(text)
    assert out == value
    assert type(out) is type(value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("record.Name + 1", "type"),
        ("record.Day + 1", "type"),
        ("record.Day + record.Day", "type"),
        ("record.Day - record.At", "type"),
        ("record.Day < record.At", "type"),
        ("record.Name < 1", "type"),
        ("record.Name * 3", "type"),
        ("record.Won + 1", "type"),
        ("-record.Name", "type"),
        ("lower(record.Amount)", "type"),
        ("record.Name.First", "type"),
        ("record.Rows.Net", "type"),
        ("'c' in record.Name", "type"),
        ("sum(record.Parent, 'City')", "type"),
        ("sum(record.Phones, 'PhoneType')", "type"),
        ("listed(record.Name, 'Net')", "type"),
        ("listed(record.Rows)", "arguments"),
        ("number('1_0')", "type"),
        ("number('1E99')", "type"),
        ("number('Infinity')", "type"),
        ("date('2026-02-30')", "type"),
        ("text(record.Parent)", "type"),
        ("record.Naive", "type"),
        ("1 / 0", "arithmetic"),
        ("1 / record.Zero", "arithmetic"),
        ("record.Day + days(36600) + days(36600) + days(36600) * 1", "type"),
        ("date('9999-12-31') + days(1)", "arithmetic"),
        ("days(0.5)", "range"),
        ("days(99999999)", "range"),
        ("round(1, 11)", "range"),
        ("left('a', 0 - 1)", "range"),
        ("replace('a', '', 'b')", "range"),
        ("record.Huge", "range"),
        ("record.Not", "range"),
        ("9999999999999999999999 * 9999999999999999999999", "range"),
        ("lookup('regions', 'South')", "lookup"),
        ("lookup('nowhere', 'South')", "lookup"),
        ("target('m', record.Rows)", "reference"),
        ("target('m', record.Amount)", "reference"),
    ],
)
def test_values_that_cannot_be(text: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        run(text)
    assert caught.value.code == f"mapping.{code}"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "record.__class__",
        "record._private",
        "record.Name.__len__()",
        "record['Name']",
        "record.Name.lower()",
        "().__class__",
        "[x for x in record.Rows]",
        "{1: 2}",
        "{1}",
        "lambda: 1",
        "(yield)",
        "await x",
        "f'{record.Name}'",
        "b'x'",
        "1j",
        "...",
        "0x10",
        "1_0j",
        "1e999",
        "090",
        "2 ** 1000000",
        "7 // 2",
        "7 % 2",
        "'%s' % 'a'",
        "1 << 99",
        "~1",
        "+1",
        "1 is 1",
        "a := 1",
        "first(*record.Rows)",
        "first(1, **record)",
        "['a', record.Name]",
        "lower(text='A')",
        "(lower)('A')()",
        "'a\\nb'",
        "record.Name; 1",
        "import os",
        "-" * 500 + "1",
        "not " * 400 + "1",
        "1 + " * 400 + "1",
        "record" + ".a" * 100,
        "+".join(["sum(record.Rows, 'Net')"] * 60),
        "'" + "a" * 5000 + "'",
        "_x",
        "record.＿x",
        "",
        " ",
        "sum(record.Rows, record.Name)",
        "lookup(record.Name, 'a')",
        "target('', record)",
        "target('m', 'a' + 'b')",
    ],
)
def test_hostile_or_foreign_expressions_are_refused_when_read(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression.read(text)


def test_numbers_never_pass_through_a_float() -> None:
    assert run("1.10") == Decimal("1.10")
    assert str(run("0.1234567890123456789012345678901234567890")) == "0.1234567890123456789012345678901234567890"
    with pytest.raises(ExpressionError):
        Expression.read("record.X").evaluate(Scope({"record": {"X": 1.5}}, Side.XERO))


def test_fields_read_and_roots() -> None:
    read = Expression.read("first(account.Terms__c, sum(lines, 'Product2.Price'), connection.currency)")
    assert read.fields_read() == {
        Path("account", ("Terms__c",)),
        Path("lines"),
        Path("lines", ("Product2", "Price")),
        Path("connection", ("currency",)),
    }
    assert read.roots() == {"account", "lines", "connection"}


def test_text_cannot_grow_without_bound() -> None:
    name = "x" * 150_000
    scope = Scope({"record": {"A": name}}, Side.XERO)
    for text in ("record.A + record.A", "replace(record.A, 'x', 'xx')"):
        with pytest.raises(ExpressionError, match="characters"):
            Expression.read(text).evaluate(scope)


_names = st.sampled_from([*RECORD, "Ghost", "Parent.City", "Rows.Net", "Phones.FAX", "Parent.City.Deep"])
_atoms = st.one_of(
    _names.map(lambda name: f"record.{name}"),
    st.sampled_from(
        ["null", "true", "no", "generation", "'a'", "''", "'2026-01-01'", "0", "1.5", "-3", "record", "['a', 1]"]
    ),
)


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from([*"+-*/", "==", "!=", "<", ">=", "in", "not in", "and", "or"])
    calls = st.sampled_from(sorted(FUNCTIONS))
    return st.one_of(
        st.tuples(inner, signs, inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
        inner.map(lambda part: f"(not {part})"),
        st.tuples(calls, st.lists(inner, min_size=1, max_size=3)).map(
            lambda parts: f"{parts[0]}({', '.join(parts[1])})"
        ),
        inner.map(lambda part: f"sum({part}, 'Net')"),
        inner.map(lambda part: f"lookup('regions', {part})"),
    )


@settings(max_examples=400)
@given(st.recursive(_atoms, _joined, max_leaves=12))
def test_nothing_but_a_value_or_a_data_error_comes_out(text: str) -> None:
    try:
        read = Expression.read(text)
        assert read.cost() <= MAX_COST
        out = read.evaluate(SCOPE)
    except DataError:
        return
    assert out is None or isinstance(out, str | bool | Decimal | date | timedelta | Ref | list | tuple | dict)


@settings(max_examples=300)
@given(st.text(alphabet="record.Name'\"()[]{}+-*/=<>!,: 019_ABif els andorti\\\n#@é", max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    with contextlib.suppress(DataError):
        Expression.read(text).evaluate(SCOPE)


def test_the_documentation_lists_every_function() -> None:
    text = (File(__file__).parents[2] / "docs" / "mappings.md").read_text()
    missing = [name for name, function in FUNCTIONS.items() if f"| `{name}(" not in text or function.does not in text]
    assert missing == []
