"""What is done with an object when its source moves on: by what has become of it meanwhile."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.core.mapping.life import ALLOWED, Action, Group, Happening, Life, decide, group, removal
from connector.core.records import Side
from connector.core.values import Value
from tests.unit.mapping_catalogs import ready

LIFE = ready("opportunity-to-invoice").life


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"Status": "DRAFT"}, Group.DRAFT),
        ({"Status": "SUBMITTED"}, Group.DRAFT),
        ({"Status": "AUTHORISED"}, Group.APPROVED),
        ({"Status": "AUTHORISED", "AmountPaid": Decimal("0.00")}, Group.APPROVED),
        ({"Status": "AUTHORISED", "AmountPaid": Decimal("0.01")}, Group.PAID),
        ({"Status": "AUTHORISED", "AmountCredited": Decimal(1)}, Group.PAID),
        ({"Status": "PAID"}, Group.PAID),
        ({"Status": "VOIDED", "AmountPaid": Decimal(5)}, Group.GONE),
        ({"Status": "DELETED"}, Group.GONE),
        ({}, Group.DRAFT),
    ],
)
def test_where_an_invoice_stands(fields: dict[str, Value], found: Group) -> None:
    assert group(Side.XERO, "Invoice", fields) is found


def test_where_other_objects_stand() -> None:
    assert group(Side.XERO, "Contact", {"ContactStatus": "ARCHIVED"}) is Group.GONE
    assert group(Side.XERO, "Contact", {"ContactStatus": "ACTIVE"}) is Group.DRAFT
    assert group(Side.SALESFORCE, "Xero_Invoice__c", {"Status": "PAID"}) is Group.DRAFT


@pytest.mark.parametrize(
    ("happening", "where", "action"),
    [
        (Happening.CHANGED, Group.DRAFT, Action.UPDATE),
        (Happening.CHANGED, Group.APPROVED, Action.UPDATE),
        (Happening.CHANGED, Group.PAID, Action.TELL),
        (Happening.CHANGED, Group.GONE, Action.TELL),
        (Happening.LEFT, Group.DRAFT, Action.DELETE),
        (Happening.LEFT, Group.APPROVED, Action.VOID),
        (Happening.DELETED, Group.PAID, Action.TELL),
        (Happening.AGAIN, Group.GONE, Action.NEW),
        (Happening.TARGET_GONE, Group.GONE, Action.TELL),
    ],
)
def test_decisions(happening: Happening, where: Group, action: Action) -> None:
    assert decide(LIFE, happening, where) is action


def test_without_a_word_only_drafts_follow() -> None:
    for happening in Happening:
        for where in Group:
            follows = (happening, where) == (Happening.CHANGED, Group.DRAFT)
            assert decide(Life(), happening, where) is (Action.UPDATE if follows else Action.TELL)


@pytest.mark.parametrize(
    ("entity", "where", "fields"),
    [
        ("Invoice", Group.DRAFT, {"Status": "DELETED"}),
        ("Invoice", Group.APPROVED, {"Status": "VOIDED"}),
        ("Invoice", Group.PAID, None),
        ("Invoice", Group.GONE, None),
        ("CreditNote", Group.APPROVED, {"Status": "VOIDED"}),
        ("PurchaseOrder", Group.APPROVED, {"Status": "DELETED"}),
        ("Contact", Group.DRAFT, {"ContactStatus": "ARCHIVED"}),
        ("Item", Group.DRAFT, None),
    ],
)
def test_what_takes_an_object_out_of_the_books(entity: str, where: Group, fields: dict[str, Value] | None) -> None:
    assert removal(Side.XERO, entity, where) == fields
    assert removal(Side.SALESFORCE, entity, where) is None


def test_no_table_allows_what_xero_refuses() -> None:
    for happening, table in ALLOWED.items():
        assert Action.VOID not in table[Group.DRAFT], happening
        assert Action.DELETE not in table[Group.APPROVED], happening
        assert set(table[Group.PAID]) <= {Action.TELL, Action.KEEP}, happening
