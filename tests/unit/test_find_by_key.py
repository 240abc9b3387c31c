"""`find()` is a question until it is written, and only what a mapping asks is one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.core.mapping.expression import Expression
from connector.core.mapping.model import End, Kind, LineBlock, Mapping, Setting
from connector.core.mapping.scope import Scope
from connector.core.mapping.syntax import ExpressionError
from connector.core.records import Side
from connector.core.sought import questions, told
from connector.core.values import Sought, canonical, question

ASKS = Expression.read("find('PricebookEntry', 'ProductCode', record.Code, 'Pricebook2.IsStandard', true)")


def value(code: object) -> object:
    return ASKS.evaluate(Scope({"record": {"Code": code}}, Side.XERO))


def test_a_question_holds_the_object_and_its_fields() -> None:
    found = value("LIC-1")
    assert isinstance(found, Sought)
    asked = question(canonical(found))
    assert asked == ("PricebookEntry", {"ProductCode": "LIC-1", "Pricebook2.IsStandard": True})
    assert asked is not None
    assert told(*asked) == "PricebookEntry with Pricebook2.IsStandard True, ProductCode LIC-1"


def test_nothing_is_asked_for_nothing() -> None:
    assert value(None) is None
    assert question(canonical("01u8d0000000001AAA")) is None
    assert question(canonical(Decimal(3))) is None


def test_what_a_person_typed_is_no_question() -> None:
    typed = Setting("Description", Expression.read("record.Text"), 1)
    asked = Setting("PricebookEntryId", ASKS, 1, once=True)
    block = LineBlock(Expression.constant("k"), (typed, asked), 1, rows="Lines", mark="Mark__c")
    mapping = Mapping("m", "v", Kind.DOCUMENT, End(Side.XERO, "Invoice"), End(Side.SALESFORCE, "Opportunity"),
                      blocks=(block,))  # fmt: skip
    text = canonical(value("A"))  # type: ignore[arg-type]
    changed = {"Lines/k/Description": text, "Lines/k/PricebookEntryId": text, "Name": text}
    assert [path for path, _ in questions(mapping, changed)] == ["Lines/k/PricebookEntryId"]


@pytest.mark.parametrize("wrong", ["find('A', 'B')", "find('A', 'B', 1, 'C')", "find(record.A, 'B', 1)"])
def test_a_question_names_its_object_and_pairs(wrong: str) -> None:
    with pytest.raises(ExpressionError):
        Expression.read(wrong)
