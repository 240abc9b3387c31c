"""Which part of a choice gave a value: told with the value, and as the mapping spells it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.mapping.expression import Expression
from connector.core.mapping.given import written
from connector.core.mapping.scope import Scope
from connector.core.mapping.syntax import (
    Binary,
    Call,
    Choose,
    ExpressionError,
    Listing,
    Literal,
    Logic,
    Path,
    Tree,
    Unary,
    read_expression,
)
from connector.core.records import Side

CODE = "first(line.Code, line.Product.Code, account.Code, '200')"


def told(text: str, **names: object) -> tuple[object, str]:
    return Expression.read(text).given(Scope(names, Side.SALESFORCE))


@pytest.mark.parametrize(
    ("line", "product", "account", "value", "by"),
    [
        ("260", "310", "400", "260", "line.Code"),
        ("", "310", "400", "310", "line.Product.Code"),
        (None, None, "400", "400", "account.Code"),
        (None, None, None, "200", "'200'"),
    ],
)
def test_line_over_product_over_account_over_what_the_mapping_says(
    line: str | None, product: str | None, account: str | None, value: str, by: str
) -> None:
    names = {"line": {"Code": line, "Product": {"Code": product}}, "account": {"Code": account}}
    assert told(CODE, **names) == (value, by)


def test_no_choice_no_word() -> None:
    assert told("line.Code", line={"Code": "1"}) == ("1", "")
    assert told("a + b", a=Decimal(1), b=Decimal(2)) == (Decimal(3), "")


@pytest.mark.parametrize(
    ("text", "value", "by"),
    [
        ("a or b", "B", "b"),
        ("a or none", None, "none"),
        ("first(a, none)", None, ""),
        ("b if yes else c", "B", "b"),
        ("first(a, b if a == null else c)", "C", "c"),
        ("first(none, a or c + b)", "CB", "c + b"),
        ("zero or 30", Decimal(0), "zero"),
    ],
)
def test_choices_within_choices_lead_to_what_gave_the_value(text: str, value: object, by: str) -> None:
    assert told(text, a="", b="B", c="C", none=None, zero=Decimal(0)) == (value, by)


def test_an_error_in_a_choice_is_the_expressions_own() -> None:
    with pytest.raises(ExpressionError, match="division by zero"):
        told("first(a, 1 / 0)", a=None)


_names = st.sampled_from(["line", "record", "amount", "Code"])
_texts = st.text(st.sampled_from("abc 'é"), max_size=5) | st.text(st.sampled_from('abc "é'), max_size=5)
_constants = st.one_of(
    st.none(), st.booleans(), _texts, st.decimals(0, 10**6, places=3, allow_nan=False, allow_infinity=False)
).map(Literal)
_paths = st.builds(Path, _names, st.lists(_names, max_size=2).map(tuple))


def _over(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    more = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "==", "<", "in", "not in"]), inner, inner),
        st.builds(Logic, st.sampled_from(["and", "or"]), more),
        st.builds(Unary, st.sampled_from(["not", "-"]), inner),
        st.builds(Choose, inner, inner, inner),
        st.builds(Call, st.just("first"), more, st.just(())),
        st.builds(Call, st.just("lookup"), more, st.tuples(st.tuples(st.just("otherwise"), inner))),
        st.builds(Listing, st.lists(_constants, min_size=2, max_size=3).map(tuple)),
    )


@given(st.recursive(st.one_of(_constants, _paths), _over, max_leaves=8))
def test_what_is_written_reads_as_the_same_expression(tree: Tree) -> None:
    assert read_expression(written(tree)) == tree
